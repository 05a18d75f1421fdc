//! The Rust sources of the workspace: which of them are tests, and what is code in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::workspace::WORKSPACE;

/// All Rust sources of the workspace.
pub(crate) static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read_all);

/// One Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// The crate it belongs to.
    pub(crate) member: &'static str,
    /// Its place below the root of the workspace.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// Whether it is only compiled for tests and examples.
    pub(crate) is_test: bool,
}

impl Source {
    /// Lines with their numbers, without the tests at the end of the file.
    pub(crate) fn earnest_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut lines = self.text.lines().zip(1..).peekable();
        std::iter::from_fn(move || {
            let (line, number) = lines.next()?;
            let next = lines.peek().map(|(next, _)| next.trim()).unwrap_or_default();
            let tests_begin =
                line.starts_with("#[cfg(test)]") && next.starts_with("mod ") && next.ends_with('{');
            (!tests_begin).then_some((number, line))
        })
    }

    /// As [`Self::earnest_lines`], without comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.earnest_lines().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// `crates/x/src/y.rs:12`, to be clicked on.
    pub(crate) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

fn read_all() -> Vec<Source> {
    let mut sources = Vec::new();
    for member in &WORKSPACE.members {
        let root = member.folder.ancestors().nth(2).expect("crates are in crates/");
        for part in ["src", "tests", "examples", "benches"] {
            let mut files = Vec::new();
            find_rust(&member.folder.join(part), &mut files);
            sources.extend(files.into_iter().map(|file| Source {
                member: &member.name,
                text: fs::read_to_string(&file).expect("a source is UTF-8 text"),
                path: file.strip_prefix(root).expect("crates are in the root").to_owned(),
                is_test: part != "src",
            }));
        }
    }
    let of_tests: Vec<PathBuf> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let module = source.path.with_extension("");
        source.is_test |= of_tests.iter().any(|of_tests| module.starts_with(of_tests));
    }
    assert!(sources.len() > 50, "the sources of the workspace were not found");
    sources
}

fn find_rust(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            find_rust(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The modules that a file declares for tests only, as paths without extension.
fn test_modules(source: &Source) -> Vec<PathBuf> {
    let stem = source.path.with_extension("");
    let is_root = stem.ends_with("src/lib") || stem.ends_with("src/main");
    let folder = if is_root { source.path.parent().unwrap_or(&stem) } else { &stem };
    let lines = || source.text.lines().map(str::trim);
    lines()
        .zip(lines().skip(1))
        .filter(|(attribute, _)| {
            attribute.starts_with("#[cfg(test)]") || attribute.starts_with("#[cfg(all(test")
        })
        .filter_map(|(_, module)| module.strip_prefix("mod ")?.strip_suffix(';'))
        .map(|module| folder.join(module))
        .collect()
}
