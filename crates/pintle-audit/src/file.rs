//! [`LogFile`]: the file, its older ones, and what others do to them meanwhile.
//!
//! Lines are appended. Before each batch the name is looked up: when another file has it, or none,
//! because somebody moved the log away, a new one is opened there. So tools that rotate logs need
//! to tell us nothing.

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::sink::{Place, Sink};

/// Nobody but the owner reads who did what.
const MODE: u32 = 0o600;

/// When the file cannot be renamed, it goes on growing, and is tried again after this time.
const ROTATE_RETRY: Duration = Duration::from_mins(1);

/// How a file is kept from growing without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// A file has at most so many bytes; nothing means that somebody else rotates it.
    pub bytes_max: Option<u64>,
    /// So many older files are kept, as `FILE.1` (the newest) and so on.
    pub keep: u32,
}

#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    open: Option<Open>,
    rotate_failed: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Device and inode.
    id: (u64, u64),
}

impl LogFile {
    /// Opens the file, and makes it where it does not exist.
    pub(crate) fn open(path: PathBuf, rotation: Rotation) -> io::Result<Self> {
        let open = Some(Open::at(&path)?);
        Ok(Self { path, rotation, open, rotate_failed: None })
    }

    /// The file under our name, if it is still the one that is open.
    fn still_there(&self) -> io::Result<Option<Metadata>> {
        let Some(open) = &self.open else { return Ok(None) };
        match fs::metadata(&self.path) {
            Ok(found) => Ok(Some(found).filter(|found| id_of(found) == open.id)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_full(&self, bytes: u64, more: usize) -> bool {
        let max = self.rotation.bytes_max;
        let due = self.rotate_failed.is_none_or(|failed| failed.elapsed() >= ROTATE_RETRY);
        due && bytes > 0 && max.is_some_and(|max| bytes.saturating_add(more as u64) > max)
    }

    /// Moves the file out of the way; false when that cannot be done now.
    fn rotate(&mut self) -> io::Result<bool> {
        self.sync()?;
        match self.shift() {
            Ok(()) => {
                self.rotate_failed = None;
                Ok(true)
            }
            Err(error) => {
                let file = self.path.display();
                tracing::error!(%file, %error, "the audit log cannot be rotated and goes on growing");
                self.rotate_failed = Some(Instant::now());
                Ok(false)
            }
        }
    }

    fn shift(&self) -> io::Result<()> {
        for number in (1..self.rotation.keep).rev() {
            rename(&self.older(number), &self.older(number + 1))?;
        }
        rename(&self.path, &self.older(1))
    }

    fn older(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Sink for LogFile {
    fn prepare(&mut self, bytes: usize) -> io::Result<Place> {
        if let Some(found) = self.still_there()?
            && !(self.is_full(found.len(), bytes) && self.rotate()?)
        {
            return Ok(Place::Same);
        }
        self.open = None;
        self.open = Some(Open::at(&self.path)?);
        Ok(Place::Other)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open.as_mut().ok_or(io::ErrorKind::NotFound)?.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |open| open.file.sync_data())
    }

    fn reopen(&mut self) {
        self.open = None;
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        // Opening a pipe would wait for its other end, and a device keeps nothing.
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => {
                return Err(io::Error::other("it is not a regular file"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = File::options().read(true).append(true).create(true).mode(MODE).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another server writes to it"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let found = file.metadata()?;
        begin_line(&file, found.len())?;
        sync_directory(path)?;
        Ok(Self { file, id: id_of(&found) })
    }
}

/// Ends a line that somebody who died has left half written, so that the next one can be read.
fn begin_line(mut file: &File, bytes: u64) -> io::Result<()> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(()) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    if byte == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// The name of a new file is durable when its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn id_of(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// Renames a file that need not be there.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests;
