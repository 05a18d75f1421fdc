//! Writing files, and finding out what stands there.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ProjectError;

/// What there is in a file; nothing when there is no file.
pub(super) fn read(path: &Path) -> Result<Option<String>, ProjectError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ProjectError::File { path: path.to_owned(), source }),
    }
}

/// A path as it is told: `src/client.rs`, and not `./src/client.rs`.
pub(super) fn shown(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix(".").unwrap_or(path).display()
}

/// Writes a file that is not there yet. Says whether it was not.
pub(super) fn create(path: &Path, text: &str) -> Result<bool, ProjectError> {
    let failed = |source| ProjectError::File { path: path.to_owned(), source };
    make_parent(path)?;
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Puts a text into a file, whole or not at all.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), ProjectError> {
    let failed = |source| ProjectError::File { path: path.to_owned(), source };
    make_parent(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    std::fs::write(&beside, text).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

/// A new Rust file as rustfmt would have it; as it is where there is no rustfmt.
pub(super) fn formatted(path: &Path, text: &str) -> String {
    if path.extension().is_none_or(|extension| extension != "rs") {
        return text.to_owned();
    }
    format(text).unwrap_or_else(|| text.to_owned())
}

fn format(text: &str) -> Option<String> {
    let mut command = Command::new("rustfmt");
    command.args(["--edition=2024", "--emit=stdout", "--quiet"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = command.spawn().ok()?;
    // It reads all of it before it writes anything.
    running.stdin.take()?.write_all(text.as_bytes()).ok()?;
    let output = running.wait_with_output().ok()?;
    if !output.status.success() || output.stdout.is_empty() {
        return None;
    }
    String::from_utf8(output.stdout).ok()
}

fn make_parent(path: &Path) -> Result<(), ProjectError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(parent)
        .map_err(|source| ProjectError::File { path: parent.to_owned(), source })
}

/// The files below a directory, as paths from `root` with slashes, in order.
pub(super) fn below(root: &Path, dir: &str) -> Result<Vec<String>, ProjectError> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        let path = root.join(&dir);
        let failed = |source| ProjectError::File { path: path.clone(), source };
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = format!("{dir}/{}", entry.file_name().to_string_lossy());
            let is_dir = entry.file_type().map_err(failed)?.is_dir();
            if is_dir { left.push(name) } else { found.push(name) }
        }
    }
    found.sort();
    Ok(found)
}

/// The modules of a project's kinds: `device`, `device_v2`.
pub(super) fn kind_modules(dir: &Path) -> Result<Vec<String>, ProjectError> {
    let found = below(dir, "kinds/src")?;
    let modules = found.iter().filter_map(|path| {
        let module = path.strip_prefix("kinds/src/")?.strip_suffix(".rs")?;
        (!module.contains('/')).then(|| module.to_owned())
    });
    Ok(modules.collect())
}

pub(super) fn say(out: &mut impl Write, text: &str) {
    // A reader that has gone stops nothing.
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}
