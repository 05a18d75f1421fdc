//! Reading the files that somebody names: never without end, and never for ever.

use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What a file has at most, in bytes, where nothing smaller is said.
pub(crate) const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reads a regular file, or a link to one.
///
/// Fails with [`ErrorKind::InvalidInput`] at anything else, such as a pipe, which could keep us
/// waiting, or a device, which may have no end; and with [`ErrorKind::FileTooLarge`] at more than
/// `bytes_max` bytes.
pub(crate) fn read(file: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    // Opening a pipe would wait for its other end.
    if !std::fs::metadata(file)?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(file)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let why = format!("it has more than {bytes_max} bytes");
        return Err(Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Says so where everybody on this machine can read what a file keeps secret.
pub(crate) fn warn_of_readers(file: &Path, what: &'static str) {
    if is_for_everybody(file) {
        let advice = "chmod 600 ends that";
        tracing::warn!(file = %file.display(), advice, "everybody on this machine can read the {what} in it");
    }
}

fn is_for_everybody(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

/// Reads a regular file of at most [`BYTES_MAX`] as text.
pub(crate) fn read_text(file: &Path) -> Result<String, Error> {
    let text = String::from_utf8(read(file, BYTES_MAX)?);
    text.map_err(|error| Error::new(ErrorKind::InvalidData, error.utf8_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, contents: &[u8], expected: Result<usize, &str>) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(name);
        std::fs::write(&file, contents).unwrap();
        let found = read_text(&file).map(|text| text.len()).map_err(|error| error.to_string());
        let expected = expected.map_err(str::to_owned);
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn files_have_an_end() {
        let most = vec![b'x'; 16 * 1024 * 1024];
        check("empty", b"", Ok(0));
        check("most", &most, Ok(most.len()));
        check("more", &[&most[..], b"x"].concat(), Err("it has more than 16777216 bytes"));
        check("binary", b"a\xff", Err("invalid utf-8 sequence of 1 bytes from index 1"));
    }

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (link, file) = (dir.path().join("link"), dir.path().join("file"));
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for other in [&pipe, &link, dir.path(), Path::new("/dev/zero")] {
            let error = read(other, 10).unwrap_err();
            assert_eq!(error.to_string(), "it is not a regular file", "{}", other.display());
        }
        std::fs::write(&file, "text").unwrap();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read(&link, 10).unwrap(), b"text");
        assert_eq!(read(&link, 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
