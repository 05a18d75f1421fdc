//! The only place that writes to the terminal: reports to stdout, progress to stderr.

use std::fmt::Display;
use std::io::{self, Write as _};

use crate::error::{BenchError, Result};

/// Prints a finished report.
pub(crate) fn report(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|source| BenchError::io("cannot write the report", source))
}

/// Says what is going on. When stderr is gone, there is nobody to tell.
pub(crate) fn progress(text: impl Display) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}
