//! Manifests: the documents in the files and directories that the server starts from.
//!
//! YAML means here what it means to `kubectl apply`: besides YAML 1.2, `yes`, `on`, `y` and their
//! opposites are booleans and `0644` is octal, so that a file does not change its meaning by coming
//! here. Text like that has to be quoted. Keys are always text, also `y` and `1`; a key that stands
//! twice is an error. JSON is read as the YAML that it is.
//!
//! Whether a document is a good object of its kind is not decided here.

mod scan;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{Cursor, ErrorKind};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::{Map, Value};
use serde_saphyr::{Options, Spanned};

use crate::{input_file, yaml};

/// One object as somebody wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Where it was written.
    pub place: Place,
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its `kind`.
    pub kind: String,
    /// The namespace that it names.
    pub namespace: Option<String>,
    /// The name that it has.
    pub name: Option<String>,
    /// All of it, as JSON: trees of many large definitions would take ten times the memory.
    text: Box<str>,
}

impl Manifest {
    /// Of an object that says what it is; nothing of any other.
    fn new(place: Place, value: &Value) -> Option<Self> {
        let Identity::Whole { api_version, kind } = identity(value) else { return None };
        let text = |pointer| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            place,
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            text: value.to_string().into(),
        })
    }

    /// The object as JSON.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The object.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The group of its `apiVersion`; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

/// Where a document was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Which document of the file, from 1; empty ones do not count.
    pub document: usize,
    /// The line where the document begins, from 1; 0 when it is in no file.
    pub line: u64,
    /// Which item, from 1, when the document is a `List`.
    pub item: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, document, line, item } = self;
        write!(f, "{}, document {document}", file.display())?;
        if *line > 0 {
            write!(f, " (line {line})")?;
        }
        item.map_or(Ok(()), |item| write!(f, ", item {item}"))
    }
}

/// What a set of paths holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifests {
    /// Everything to apply, in the order to apply it: kinds, namespaces, roles, bindings, the rest.
    pub manifests: Vec<Manifest>,
    /// Documents in directories that are no objects, such as a policy.
    pub skipped: Vec<Place>,
}

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestLimits {
    /// One file has at most so many bytes.
    pub file_bytes_max: u64,
    /// All files together have at most so many bytes.
    pub total_bytes_max: u64,
    /// All directories together hold at most so many files to read.
    pub files_max: usize,
    /// Directories are followed so deep below a path.
    pub directory_depth_max: usize,
    /// Lists and mappings of a document nest so deep.
    pub depth_max: usize,
    /// One document has at most so many values, those that aliases repeat included.
    pub values_max: usize,
}

impl Default for ManifestLimits {
    fn default() -> Self {
        Self {
            file_bytes_max: 16 * 1024 * 1024,
            total_bytes_max: 256 * 1024 * 1024,
            files_max: 10_000,
            directory_depth_max: 8,
            depth_max: 100,
            values_max: 1_000_000,
        }
    }
}

/// Why the files cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A file or directory cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// What cannot be read.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A file is too large.
    #[error("{}: larger than {max} bytes; split it", file.display())]
    FileTooLarge {
        /// The file.
        file: PathBuf,
        /// How large one may be.
        max: u64,
    },
    /// All files together are too large.
    #[error("{}: all files up to here are larger than {max} bytes together", file.display())]
    TooLarge {
        /// The file that was one too many.
        file: PathBuf,
        /// How large they may be together.
        max: u64,
    },
    /// A directory holds too much.
    #[error("{}: {why}", directory.display())]
    TooMuch {
        /// The directory.
        directory: PathBuf,
        /// Which limit it breaks.
        why: String,
    },
    /// A document is not YAML, or breaks a limit.
    #[error("{}, document {document}: {why}", file.display())]
    NotYaml {
        /// The file.
        file: PathBuf,
        /// Which document, from 1; empty ones do not count.
        document: usize,
        /// What is wrong, and at which line.
        why: String,
    },
    /// A document is not an object of any kind.
    #[error("{place}: {why}")]
    NotAnObject {
        /// Where it is.
        place: Place,
        /// What is missing.
        why: &'static str,
    },
}

/// Reads files, and directories with all that is in them.
///
/// In directories only `*.yaml`, `*.yml` and `*.json` are read, in the order of their names and
/// without hidden ones; `pintle.yaml` holds settings and is left out. A file that is named itself
/// is read whatever it is called, and every document in it has to be an object.
pub fn load(paths: &[PathBuf], limits: &ManifestLimits) -> Result<Manifests, ManifestError> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("manifests".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || load_here(paths, limits))
            .expect("a process that starts has room for a thread")
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Reading YAML recurses, and takes up to 40 KiB a level where it is not optimised: more, for the
/// deepest document that is allowed, than the thread of a caller may have.
const STACK_BYTES: usize = 16 * 1024 * 1024;

fn load_here(paths: &[PathBuf], limits: &ManifestLimits) -> Result<Manifests, ManifestError> {
    let mut found = Manifests::default();
    let mut bytes_left = limits.total_bytes_max;
    for source in scan::files(paths, limits)? {
        let text = read(&source.path, limits, &mut bytes_left)?;
        for (place, value) in documents(&source.path, text, limits)? {
            found.take(place, value, source.named)?;
        }
    }
    found.sort();
    Ok(found)
}

fn read(
    file: &Path,
    limits: &ManifestLimits,
    bytes_left: &mut u64,
) -> Result<Vec<u8>, ManifestError> {
    let max = limits.file_bytes_max;
    let text = input_file::read(file, max).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => ManifestError::FileTooLarge { file: file.to_owned(), max },
        _ => scan::unreadable(file, &error),
    })?;
    let too_large =
        || ManifestError::TooLarge { file: file.to_owned(), max: limits.total_bytes_max };
    *bytes_left = bytes_left.checked_sub(text.len() as u64).ok_or_else(too_large)?;
    Ok(text)
}

fn documents(
    file: &Path,
    text: Vec<u8>,
    limits: &ManifestLimits,
) -> Result<Vec<(Place, Value)>, ManifestError> {
    let mut reader = Cursor::new(text);
    let parsed = serde_saphyr::read_with_options::<_, Spanned<Value>>(&mut reader, options(limits));
    let number = |(index, parsed): (usize, Result<Spanned<Value>, serde_saphyr::Error>)| {
        let (file, document) = (file.to_owned(), index + 1);
        match parsed {
            Ok(Spanned { value, referenced, .. }) => {
                Ok((Place { file, document, line: referenced.line(), item: None }, value))
            }
            Err(error) => {
                Err(ManifestError::NotYaml { file, document, why: yaml::message(&error) })
            }
        }
    };
    parsed.enumerate().map(number).collect()
}

fn options(limits: &ManifestLimits) -> Options {
    serde_saphyr::options! {
        legacy_octal_numbers: true,
        budget: serde_saphyr::budget! {
            max_depth: limits.depth_max,
            flow_nesting_limit: limits.depth_max,
            max_nodes: limits.values_max,
            max_events: limits.values_max.saturating_mul(3),
            // How often an anchor is used says nothing; what its uses add up to is counted.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits.values_max,
        },
    }
}

impl Manifests {
    /// Adds what a program declares besides its files.
    pub(crate) fn add(&mut self, documents: Vec<Value>) -> Result<(), ManifestError> {
        for (index, value) in documents.into_iter().enumerate() {
            let file = PathBuf::from("declared by the program");
            self.take(Place { file, document: index + 1, line: 0, item: None }, value, true)?;
        }
        self.sort();
        Ok(())
    }

    /// A stable sort: within a rank the order of the files stays.
    fn sort(&mut self) {
        self.manifests.sort_by_key(rank);
    }

    /// Takes one document. What is no object at all is passed over, unless its file was `named`.
    fn take(&mut self, place: Place, value: Value, named: bool) -> Result<(), ManifestError> {
        match identity(&value) {
            Identity::Whole { api_version: "v1", kind: "List" } => self.take_items(&place, value),
            Identity::Whole { .. } => {
                self.manifests.extend(Manifest::new(place, &value));
                Ok(())
            }
            Identity::None if !named => {
                self.skipped.push(place);
                Ok(())
            }
            Identity::None => {
                Err(ManifestError::NotAnObject { place, why: "has no apiVersion and no kind" })
            }
            Identity::Broken(why) => Err(ManifestError::NotAnObject { place, why }),
        }
    }

    fn take_items(&mut self, place: &Place, mut list: Value) -> Result<(), ManifestError> {
        let items = match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            None | Some(Value::Null) => Vec::new(),
            Some(_) => {
                let why = "is a List whose items are not a list";
                return Err(ManifestError::NotAnObject { place: place.clone(), why });
            }
        };
        for (index, item) in items.into_iter().enumerate() {
            let place = Place { item: Some(index + 1), ..place.clone() };
            if matches!(identity(&item), Identity::Whole { api_version: "v1", kind: "List" }) {
                let why = "is a List inside a List";
                return Err(ManifestError::NotAnObject { place, why });
            }
            self.take(place, item, true)?;
        }
        Ok(())
    }
}

/// What a document says that it is.
enum Identity<'a> {
    Whole { api_version: &'a str, kind: &'a str },
    None,
    Broken(&'static str),
}

fn identity(value: &Value) -> Identity<'_> {
    let field = |name| value.as_object().and_then(|fields: &Map<_, _>| fields.get(name));
    match (field("apiVersion"), field("kind")) {
        (Some(Value::String(api_version)), Some(Value::String(kind))) => {
            Identity::Whole { api_version, kind }
        }
        (None, None) => Identity::None,
        (None, Some(_)) => Identity::Broken("has a kind and no apiVersion"),
        (Some(_), None) => Identity::Broken("has an apiVersion and no kind"),
        (Some(_), Some(_)) => Identity::Broken("apiVersion and kind must be text"),
    }
}

/// What other documents may depend on comes first.
fn rank(manifest: &Manifest) -> u8 {
    match (manifest.group(), &*manifest.kind) {
        ("apiextensions.k8s.io", _) => 0,
        ("", "Namespace") => 1,
        ("rbac.authorization.k8s.io", "ClusterRole" | "Role") => 2,
        ("rbac.authorization.k8s.io", _) => 3,
        _ => 4,
    }
}
