//! `pintle init`, `pintle add resource` and `pintle generate`: projects of users, on disk.
//!
//! What the files hold is decided by `pintle_scaffold`. Here it is seen to that what a person wrote
//! is never overwritten, and that an error leaves nothing half done where that can be.

mod add;
mod files;
mod generate;
mod init;
mod manifest;
mod rules;

use std::io;
use std::path::PathBuf;

use pintle_scaffold::{FieldError, MarkerMissing, NameError, UnclearSource};

pub use add::{ResourceArgs, VersionArgs, add_resource, add_version};
pub use generate::{GenerateArgs, generate};
pub use init::{InitArgs, init};

/// Why a project is not as it was asked to be.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A name cannot be had.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A field is none.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// There is something already where a project should begin.
    #[error("{} is there and not empty; nothing was written", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{} cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What a person wrote stands where something should be written.
    #[error(
        "{} is there, and was not written by `pintle generate`; move it away, or take it out of the \
         way of what is generated",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A kind of this name is there.
    #[error("{} is there already; nothing was written", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The kind that should get one more version is not there.
    #[error("{} is not there: the project has no kind {kind}; `pintle add resource {kind}` adds it", path.display())]
    NoKind {
        /// Where its types should be.
        path: PathBuf,
        /// The kind.
        kind: String,
    },
    /// A kind has a version already, or not the one that another was to be made from.
    #[error("{kind} has the versions {}: {why}", versions.join(", "))]
    Version {
        /// The kind.
        kind: String,
        /// Its versions.
        versions: Vec<String>,
        /// What does not go with them.
        why: String,
    },
    /// The place is gone where a kind with several versions should be declared.
    #[error(
        "{} has no line `{one}` any more; put `{several}` where the kind is declared, and say it again",
        path.display()
    )]
    Undeclared {
        /// The file.
        path: PathBuf,
        /// The line of a kind with one version.
        one: String,
        /// The line of one with several.
        several: String,
    },
    /// The file of a version does not say what is needed of it.
    #[error(transparent)]
    Unclear(#[from] UnclearSource),
    /// The place for a line is gone.
    #[error(transparent)]
    Marker(#[from] MarkerMissing),
    /// The directory is no project.
    #[error("{} is no project of `pintle init`: {why}", dir.display())]
    NoProject {
        /// The directory.
        dir: PathBuf,
        /// What is missing.
        why: String,
    },
    /// Cargo cannot be run.
    #[error("cargo cannot be run; install Rust from rustup.rs")]
    NoCargo(#[source] io::Error),
    /// Cargo, or what it ran, failed. It has said why.
    #[error("{what} failed{}", said(told))]
    Cargo {
        /// What was run.
        what: &'static str,
        /// The end of what it said.
        told: String,
    },
    /// The kinds of the project say something that cannot be served.
    #[error("the kinds of the project cannot be served: {0}")]
    Kinds(String),
    /// What is generated is not what it would be now.
    #[error("not up to date: {}; run `pintle generate`", files.join(", "))]
    OutOfDate {
        /// Files that are different, missing, or too much.
        files: Vec<String>,
    },
}

fn said(told: &str) -> String {
    if told.is_empty() { String::new() } else { format!(":\n{told}") }
}
