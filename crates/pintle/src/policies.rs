//! Policy files: read at the start, and again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pintle_authz::{Policy, PolicyError};
use pintle_engine::Engine;

use crate::input_file;
use crate::reload::{FileWatch, Reload};
use crate::yaml;

/// Why a policy file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// It cannot be read.
    #[error(
        "cannot read {}, which the setting \"policy\" names (an option, a variable, or a key of \
         the settings file)",
        file.display()
    )]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not YAML.
    #[error("{}: {problem}", file.display())]
    Text {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// It breaks the rules of policy files.
    #[error("{}{}: {problem}", file.display(), at_line(*line))]
    Policy {
        /// The file.
        file: PathBuf,
        /// The line of the entry, from 1; nothing when no one entry is meant.
        line: Option<u64>,
        /// What is wrong, and where.
        problem: PolicyError,
    },
}

fn at_line(line: Option<u64>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

/// Policy files, and what they said when they were read last.
#[derive(Debug)]
pub(crate) struct Policies {
    files: Vec<PathBuf>,
    watch: FileWatch,
    read: Vec<Policy>,
}

impl Policies {
    pub(crate) fn load(files: &[PathBuf]) -> Result<Self, PolicyFileError> {
        let watch = FileWatch::new(files.to_vec());
        Ok(Self { files: files.to_vec(), watch, read: read_all(files)? })
    }

    /// What the files said.
    pub(crate) fn read(&self) -> &[Policy] {
        &self.read
    }

    /// Puts what the files say in force whenever they change, for ever. While one of them cannot be
    /// used, what they said before stays in force.
    pub(crate) async fn follow(self, engine: Arc<Engine>) {
        let Self { files, watch, mut read } = self;
        if files.is_empty() {
            return;
        }
        watch.follow(move || replace(&files, &mut read, &engine)).await;
    }
}

fn replace(files: &[PathBuf], known: &mut Vec<Policy>, engine: &Engine) -> Reload {
    let read = read_all(files).map_err(|error| error.to_string())?;
    if read == *known {
        return Ok(None);
    }
    known.clone_from(&read);
    engine.replace_policies(read);
    Ok(Some("the policies are different, and in force".to_owned()))
}

fn read_all(files: &[PathBuf]) -> Result<Vec<Policy>, PolicyFileError> {
    files.iter().map(|file| read_policy(file)).collect()
}

/// Reads one file.
pub(crate) fn read_policy(file: &Path) -> Result<Policy, PolicyFileError> {
    let text = input_file::read_text(file)
        .map_err(|source| PolicyFileError::Unreadable { file: file.to_owned(), source })?;
    let value = yaml::value(&text)
        .map_err(|problem| PolicyFileError::Text { file: file.to_owned(), problem })?;
    let policy = Policy::from_value(&value).map_err(|problem| {
        let line = problem.entry.and_then(|entry| yaml::line_of_item(&text, entry));
        PolicyFileError::Policy { file: file.to_owned(), line, problem }
    })?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(policy.named(&name.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_has_no_end_is_not_read() {
        let zero = Path::new("/dev/zero");
        let error = read_policy(zero).unwrap_err();
        assert!(error.to_string().contains("/dev/zero"), "{error}");
        let why = error.source().map(ToString::to_string);
        assert_eq!(why.as_deref(), Some("it is not a regular file"));
    }
}
