//! Secrets that live in files: bearer tokens, and keys for signatures.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use http::HeaderValue;

use crate::file;

const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A file with one secret in it.
///
/// It is read anew whenever the secret is needed, so one that was replaced takes effect at once:
/// whoever rotates it need not tell anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    file: PathBuf,
}

/// What stood in such a file, without the white space around it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
}

/// Why there is no secret. It never shows what the file holds.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file cannot be read.
    #[error("cannot read {}, which should hold a secret", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no secret: it is {problem}; it has to be one line of printable ASCII", file.display())]
    NoSecret {
        /// The file.
        file: PathBuf,
        /// What is there instead.
        problem: &'static str,
    },
}

impl SecretFile {
    /// The secret in `file`, which is not looked at yet.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Reads it, and blocks while it does.
    pub fn read(&self) -> Result<Secret, SecretFileError> {
        let bytes = file::read(&self.file, SECRET_BYTES_MAX)
            .map_err(|source| SecretFileError::Unreadable { file: self.file.clone(), source })?;
        Secret::parse(&bytes)
            .map_err(|problem| SecretFileError::NoSecret { file: self.file.clone(), problem })
    }

    /// Reads it without holding up other tasks: a file can be on a disk that does not answer.
    pub async fn load(&self) -> Result<Secret, SecretFileError> {
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || this.read()).await;
        read.unwrap_or_else(|stopped| {
            let source = io::Error::other(stopped);
            Err(SecretFileError::Unreadable { file: self.file.clone(), source })
        })
    }
}

impl Secret {
    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let text = str::from_utf8(bytes).map_err(|_| "not text")?.trim();
        if text.is_empty() {
            return Err("empty");
        }
        if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err("more than that");
        }
        Ok(Self { text: text.to_owned() })
    }

    /// The secret itself. Whoever takes it keeps it out of logs and errors.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The value of an `Authorization` header with this as a bearer token.
    pub(crate) fn bearer(&self) -> HeaderValue {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.text))
            .expect("a secret is printable ASCII, which a header can hold");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line() {
        for (bytes, expected) in [
            (&b"  abc\r\n"[..], Ok("abc")),
            (b"a b~\n", Ok("a b~")),
            (b"", Err("empty")),
            (b" \n", Err("empty")),
            (b"\xff", Err("not text")),
            (b"a\nb", Err("more than that")),
            ("ä".as_bytes(), Err("more than that")),
        ] {
            let secret = Secret::parse(bytes);
            assert_eq!(secret.as_ref().map(Secret::expose).map_err(|it| *it), expected);
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::parse(b"t0ken").unwrap();
        let shown = format!("{secret:?} {:?}", secret.bearer());
        assert!(!shown.contains("t0ken"), "{shown}");
    }

    #[test]
    fn a_secret_is_read_anew_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let file = SecretFile::new(&path);
        let missing = file.read().unwrap_err().to_string();
        assert!(missing.contains("token"), "{missing}");
        for text in ["one", "two"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(file.read().unwrap().expose(), text);
        }
    }

    #[test]
    fn what_has_no_end_is_not_read() {
        let error = SecretFile::new("/dev/zero").read().unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(why, "it is not a regular file");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let length = usize::try_from(SECRET_BYTES_MAX).unwrap();
        std::fs::write(&path, vec![b'a'; length]).unwrap();
        assert!(SecretFile::new(&path).read().is_ok());
        std::fs::write(&path, vec![b'a'; length + 1]).unwrap();
        let error = SecretFile::new(&path).read().unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains("65536 bytes"), "{why}");
    }
}
