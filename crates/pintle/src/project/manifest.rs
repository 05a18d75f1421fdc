//! What a project says about itself in its `Cargo.toml`, as Cargo reads it.

use std::path::Path;
use std::process::{Command, Stdio};

use pintle_scaffold::{ProjectName, check_group};
use serde_json::Value;

use super::ProjectError;

/// A project, as its `Cargo.toml` describes it.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) name: ProjectName,
    pub(super) group: String,
}

impl Project {
    pub(super) fn read(dir: &Path) -> Result<Self, ProjectError> {
        let no_project = |why: String| ProjectError::NoProject { dir: dir.to_owned(), why };
        let manifest = dir.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(no_project(
                "it has no Cargo.toml; say --dir, or begin with `pintle init`".to_owned(),
            ));
        }
        let mut command = cargo();
        command.args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"]);
        let output = command.arg(&manifest).output().map_err(ProjectError::NoCargo)?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(ProjectError::Cargo { what: "cargo metadata", told });
        }
        let described: Value = serde_json::from_slice(&output.stdout).map_err(|error| {
            no_project(format!("what Cargo says of it cannot be read: {error}"))
        })?;
        let group = described.pointer("/metadata/pintle/group").and_then(Value::as_str);
        let group = group.ok_or_else(|| {
            no_project("its Cargo.toml has no `group` in [workspace.metadata.pintle]".to_owned())
        })?;
        let name = root_package(&described, &manifest)
            .ok_or_else(|| no_project("its Cargo.toml has no [package]".to_owned()))?;
        Ok(Self { name: ProjectName::parse(name)?, group: check_group(group)? })
    }
}

/// The package whose manifest is the one that was asked about.
fn root_package<'a>(described: &'a Value, manifest: &Path) -> Option<&'a str> {
    let manifest = manifest.canonicalize().ok()?;
    let packages = described.get("packages")?.as_array()?;
    let root = packages.iter().find(|package| {
        let path = package.get("manifest_path").and_then(Value::as_str).map(Path::new);
        path.and_then(|path| path.canonicalize().ok()).is_some_and(|path| path == manifest)
    });
    root?.get("name")?.as_str()
}

/// Cargo: the one that runs us, if one does.
pub(super) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.stdin(Stdio::null());
    command
}
