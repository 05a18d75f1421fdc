//! Which files a set of paths means.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{ManifestError, ManifestLimits};
use crate::config::SETTINGS_FILE_NAME;

/// A file to read.
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// Whether somebody named this very file.
    pub(super) named: bool,
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> ManifestError {
    ManifestError::Unreadable { path: path.to_owned(), why: error.to_string() }
}

pub(super) fn files(
    paths: &[PathBuf],
    limits: &ManifestLimits,
) -> Result<Vec<Source>, ManifestError> {
    let mut sources = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        if metadata.is_dir() {
            scan(path, limits, &mut sources)?;
        } else {
            sources.push(Source { path: path.clone(), named: true });
        }
    }
    Ok(sources)
}

/// Level by level: the files of a directory come before those of its subdirectories.
fn scan(
    root: &Path,
    limits: &ManifestLimits,
    sources: &mut Vec<Source>,
) -> Result<(), ManifestError> {
    let too_much = |directory: &Path, why| {
        Err(ManifestError::TooMuch { directory: directory.to_owned(), why })
    };
    let mut waiting = VecDeque::from([(root.to_owned(), 0)]);
    while let Some((directory, depth)) = waiting.pop_front() {
        if depth > limits.directory_depth_max {
            let max = limits.directory_depth_max;
            return too_much(&directory, format!("more than {max} directories deep"));
        }
        let Listing { files, directories } = list(&directory)?;
        sources.extend(files.into_iter().map(|path| Source { path, named: false }));
        waiting.extend(directories.into_iter().map(|path| (path, depth + 1)));
        if sources.len() + waiting.len() > limits.files_max {
            let max = limits.files_max;
            return too_much(
                &directory,
                format!("more than {max} files and directories up to here"),
            );
        }
    }
    Ok(())
}

struct Listing {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

/// What is to be read in one directory, sorted.
///
/// A link to a file is followed (a mounted `ConfigMap` is made of such), a link to a directory is
/// not: it may lead back up.
fn list(directory: &Path) -> Result<Listing, ManifestError> {
    let failed = |error: io::Error| unreadable(directory, &error);
    let mut listing = Listing { files: Vec::new(), directories: Vec::new() };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if is_hidden(&path) {
            continue;
        }
        if entry.file_type().map_err(failed)?.is_dir() {
            listing.directories.push(path);
        } else if is_manifest(&path) && path.is_file() {
            listing.files.push(path);
        }
    }
    listing.files.sort();
    listing.directories.sort();
    Ok(listing)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
        && path.file_name().is_some_and(|name| name != SETTINGS_FILE_NAME)
}
