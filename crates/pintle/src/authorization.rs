//! Whether requests are authorised, decided once at start, and remembered beside the data so that a
//! forgotten flag never opens a server that was closed.

use std::path::{Path, PathBuf};

use pintle_engine::AccessMode;

use crate::config::{AuthorizationChoice, ServeConfig};
use crate::input_file;
use crate::manifests::Manifest;

/// Why the mode could not be decided.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// The mode of an earlier start cannot be read or written.
    #[error("{} cannot be read or written", file.display())]
    Record {
        /// The file that holds it.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error(
        "{} holds {found:?}, which is neither `rbac` nor `none`; put the mode of this server there",
        file.display()
    )]
    Unknown {
        /// The file.
        file: PathBuf,
        /// What it holds.
        found: String,
    },
    /// There are objects, and nothing says how they were served.
    #[error(
        "{} is gone from a data directory that has objects, so that nobody knows whether this server \
         was closed; say --authorization rbac or --authorization none once",
        file.display()
    )]
    Missing {
        /// The file that should hold the mode.
        file: PathBuf,
    },
    /// No rules are asked for, and `none` was said with a policy.
    #[error("a policy was given together with --authorization none; leave one of them out")]
    PolicyWithoutRules,
}

/// The mode, and whether only an earlier start asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) mode: AccessMode,
    pub(crate) remembered: bool,
    /// What the data directory says.
    recorded: Option<AccessMode>,
}

/// Decides the mode, and records it in the data directory when there is one. `has_objects` says
/// whether anything was ever written there.
pub(crate) fn decide(
    config: &ServeConfig,
    manifests: &[Manifest],
    data_dir: Option<&Path>,
    has_objects: bool,
) -> Result<Decided, AuthorizationError> {
    let decided = foresee(config, manifests, data_dir)?;
    let said = decided.mode == AccessMode::Rules
        || config.authorization != AuthorizationChoice::Auto
        || decided.recorded.is_some();
    if let Some(dir) = data_dir.filter(|_| has_objects && !said) {
        return Err(AuthorizationError::Missing { file: record(dir) });
    }
    if let Some(dir) = data_dir
        && decided.recorded != Some(decided.mode)
    {
        let file = record(dir);
        let text = if decided.mode == AccessMode::Rules { "rbac\n" } else { "none\n" };
        std::fs::write(&file, text)
            .map_err(|source| AuthorizationError::Record { file, source })?;
    }
    Ok(decided)
}

/// The file that remembers the mode.
fn record(data_dir: &Path) -> PathBuf {
    data_dir.join("authorization")
}

/// Decides the mode, and records nothing.
pub(crate) fn foresee(
    config: &ServeConfig,
    manifests: &[Manifest],
    data_dir: Option<&Path>,
) -> Result<Decided, AuthorizationError> {
    let recorded = data_dir.map(|dir| read(&record(dir))).transpose()?.flatten();
    let suggested = !config.policy.is_empty() || manifests.iter().any(is_rule);
    let mode = match config.authorization {
        AuthorizationChoice::None if !config.policy.is_empty() => {
            return Err(AuthorizationError::PolicyWithoutRules);
        }
        AuthorizationChoice::None => AccessMode::Open,
        AuthorizationChoice::Rbac => AccessMode::Rules,
        AuthorizationChoice::Auto => if_nothing_is_said(suggested, recorded),
    };
    let said = suggested || config.authorization != AuthorizationChoice::Auto;
    Ok(Decided { mode, remembered: mode == AccessMode::Rules && !said, recorded })
}

/// What the configuration suggests; but what was closed before stays closed.
fn if_nothing_is_said(suggested: bool, recorded: Option<AccessMode>) -> AccessMode {
    if suggested { AccessMode::Rules } else { recorded.unwrap_or(AccessMode::Open) }
}

fn read(file: &Path) -> Result<Option<AccessMode>, AuthorizationError> {
    let text = match input_file::read_text(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(AuthorizationError::Record { file: file.to_owned(), source });
        }
    };
    match text.trim() {
        "rbac" => Ok(Some(AccessMode::Rules)),
        "none" => Ok(Some(AccessMode::Open)),
        found => {
            let found = found.chars().take(64).collect();
            Err(AuthorizationError::Unknown { file: file.to_owned(), found })
        }
    }
}

fn is_rule(manifest: &Manifest) -> bool {
    manifest.group() == "rbac.authorization.k8s.io"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(arguments: &[&str]) -> ServeConfig {
        let arguments = ["pintle", "serve"].iter().chain(arguments).map(Into::into);
        match crate::cli::parse(arguments, &|_: &str| None) {
            Ok(crate::cli::Command::Serve(config)) => *config,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_closed_server_is_never_opened_by_leaving_something_out() {
        let dir = tempfile::tempdir().unwrap();
        let data = Some(dir.path());
        let mode = |arguments: &[&str]| decide(&config(arguments), &[], data, false).unwrap().mode;
        assert_eq!(mode(&[]), AccessMode::Open);
        assert_eq!(mode(&["--policy", "policy.yaml"]), AccessMode::Rules);
        assert_eq!(mode(&[]), AccessMode::Rules, "recorded");
        assert!(decide(&config(&[]), &[], data, true).unwrap().remembered);
        assert_eq!(mode(&["--authorization", "none"]), AccessMode::Open);
        assert_eq!(mode(&[]), AccessMode::Open);
        let both = config(&["--authorization", "none", "--policy", "policy.yaml"]);
        assert!(decide(&both, &[], data, true).is_err());
        std::fs::write(dir.path().join("authorization"), "perhaps").unwrap();
        assert!(decide(&config(&[]), &[], data, true).is_err());
    }

    #[test]
    fn objects_of_which_nobody_knows_how_they_were_served_are_not_served_openly() {
        let dir = tempfile::tempdir().unwrap();
        let data = Some(dir.path());
        let error = decide(&config(&[]), &[], data, true).unwrap_err();
        assert!(matches!(error, AuthorizationError::Missing { .. }), "{error}");
        let decided = |arguments: &[&str]| decide(&config(arguments), &[], data, true);
        assert_eq!(decided(&["--policy", "p.yaml"]).unwrap().mode, AccessMode::Rules);
        std::fs::remove_file(record(dir.path())).unwrap();
        assert_eq!(decided(&["--authorization", "none"]).unwrap().mode, AccessMode::Open);
        assert_eq!(decided(&[]).unwrap().mode, AccessMode::Open, "recorded");
        assert!(decide(&config(&[]), &[], None, false).is_ok(), "nothing is kept");
    }
}
