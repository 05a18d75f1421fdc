//! How far a delivery came, in a file.
//!
//! The file is replaced as a whole: after a crash it holds the place before or the place after, and
//! never half of one. Its name is the name of the receiver.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::Position;

/// A file holds one line; whatever is longer is something else.
const BYTES_MAX: u64 = 64;

/// The file that remembers the place of one receiver.
#[derive(Debug, Clone)]
pub struct Place {
    file: PathBuf,
}

/// Why a place is not known, or cannot be remembered.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The directory of the files cannot be made.
    #[error("cannot make the directory {}", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read {}, which says what was delivered", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds no place.
    #[error(
        "{} does not say what was delivered: it should hold one revision, such as 42; write one \
         into it, or delete it, and delivery begins anew",
        file.display()
    )]
    Malformed {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Place {
    /// The place of the receiver `name`, in a directory that is made when it is not there.
    pub fn open(dir: &Path, name: &str) -> Result<Self, PlaceError> {
        fs::create_dir_all(dir)
            .map_err(|source| PlaceError::Directory { dir: dir.to_owned(), source })?;
        Ok(Self { file: dir.join(format!("{name}.place")) })
    }

    /// What it says; nothing when there was no delivery yet.
    pub fn read(&self) -> Result<Option<Position>, PlaceError> {
        let unreadable = |source| PlaceError::Unreadable { file: self.file.clone(), source };
        let malformed = || PlaceError::Malformed { file: self.file.clone() };
        match fs::metadata(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
            Ok(found) if !found.is_file() || found.len() > BYTES_MAX => return Err(malformed()),
            Ok(_) => {}
        }
        let text = fs::read(&self.file).map_err(unreadable)?;
        let text = str::from_utf8(&text).map_err(|_| malformed())?;
        text.trim_end().parse().map(Some).map_err(|_| malformed())
    }

    /// Remembers a place. When this returns, a crash does not undo it.
    pub fn write(&self, position: Position) -> Result<(), PlaceError> {
        replace(&self.file, format!("{position}\n").as_bytes())
            .map_err(|source| PlaceError::Unwritable { file: self.file.clone(), source })
    }
}

fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = file.with_extension("place.new");
    let mut written = File::create(&new)?;
    written.write_all(bytes)?;
    written.sync_all()?;
    fs::rename(&new, file)?;
    // The new name is as lasting as the directory that holds it.
    File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        let place = Place::open(&inner, "x").unwrap();
        assert_eq!(place.read().unwrap(), None);
        for text in ["42.1", "43"] {
            let position = text.parse().unwrap();
            place.write(position).unwrap();
            assert_eq!(Place::open(&inner, "x").unwrap().read().unwrap(), Some(position));
        }
        assert_eq!(Place::open(&inner, "y").unwrap().read().unwrap(), None);
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn what_is_no_place_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::open(dir.path(), "x").unwrap();
        let file = dir.path().join("x.place");
        for text in [&b""[..], b"abc\n", b"1 2", b"\xff", &[b'1'; 1000]] {
            fs::write(&file, text).unwrap();
            let error = place.read().unwrap_err().to_string();
            assert!(error.contains("x.place") && error.contains("delete it"), "{error}");
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(place.read().is_err());
        assert!(place.write("1".parse().unwrap()).is_err());
    }
}
