//! Projects of users as texts: what a new project holds ([`project`]), what a kind adds to it
//! ([`resource`]), what one more version of a kind does ([`version`]), and the typed client that is
//! generated from definitions ([`client`]).
//!
//! Nothing here reads or writes files; whoever does is told what belongs to whom ([`Owner`]).

mod client;
mod fields;
mod names;
mod policy;
mod project;
mod resource;
mod version;
mod yaml;

pub use client::client;
pub use fields::{Field, FieldError, FieldType};
pub use names::{KindName, NameError, Names, ProjectName, check_group};
pub use policy::{Extended, Ruled, extend_policy, policy};
pub use project::{Dependencies, project};
pub use resource::{Insertion, MarkerMissing, Resource, resource};
pub use version::{
    AddedVersion, UnclearSource, VersionName, VersionSource, version, version_module, versions_path,
};
pub use yaml::yaml;

/// A line that says that a file is written by `pintle generate`, and that nothing a person writes
/// there stays.
pub const GENERATED: &str = "Written by `pintle generate`. Changes made here are lost.";

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its place below the root of the project, with slashes.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A person's: it is written once, and never again.
    Person,
    /// The generator's: it is written whenever it would be different.
    Generator,
}

impl File {
    fn of_person(path: impl Into<String>, text: String) -> Self {
        Self { path: path.into(), text, owner: Owner::Person }
    }
}

/// Puts values into a template, in which `__NAME__` stands for one.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("__{name}__"), value)
    })
}
