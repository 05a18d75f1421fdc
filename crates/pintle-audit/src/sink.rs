//! [`Sink`]: where lines end up, as the writer sees it.

use std::fmt::Debug;
use std::io::{self, Write as _};

/// A place for bytes that may fail, and may work again later.
pub(crate) trait Sink: Debug + Send + 'static {
    /// Gets ready for so many bytes.
    fn prepare(&mut self, bytes: usize) -> io::Result<Place>;

    /// Writes some of these bytes, and says how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Returns when what was written survives a power cut.
    fn sync(&mut self) -> io::Result<()>;

    /// Whoever looks after the place asks for it to be opened anew.
    fn reopen(&mut self);
}

/// Where the next bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// After those that were written last.
    Same,
    /// Elsewhere: the rest of a line would make no sense there.
    Other,
}

/// Standard output. Who reads it sees to keeping it.
#[derive(Debug)]
pub(crate) struct StandardOutput;

impl Sink for StandardOutput {
    fn prepare(&mut self, _bytes: usize) -> io::Result<Place> {
        Ok(Place::Same)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = io::stdout().lock();
        let written = out.write(bytes)?;
        out.flush()?;
        Ok(written)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reopen(&mut self) {}
}
