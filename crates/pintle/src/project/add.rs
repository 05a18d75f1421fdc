//! `pintle add resource` and `pintle add version`: add a kind to a project, or a version to a kind.

use std::io::Write;
use std::path::{Path, PathBuf};

use pintle_scaffold::{
    Field, File, Insertion, Names, VersionName, VersionSource, resource, version, version_module,
    versions_path,
};
use pintle_schema::compare_versions;

use super::ProjectError;
use super::files::{create, formatted, kind_modules, read, replace, say, shown};
use super::manifest::Project;

/// What `pintle add resource` is told.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ResourceArgs {
    /// The kind, in upper camel case
    #[arg(value_name = "KIND")]
    pub kind: String,

    /// Its plural, where English has no rule for it
    #[arg(long, value_name = "PLURAL")]
    pub plural: Option<String>,

    /// Field of its spec, as in serialNumber:string! (! when it is required); may be given more
    /// than once. Types are string, integer, boolean, map and list. Without any there are name,
    /// location, model and config, to be changed
    #[arg(long, value_name = "NAME:TYPE")]
    pub field: Vec<String>,

    /// Directory of the project
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// Adds a kind to the project in a directory.
pub fn add_resource(args: &ResourceArgs, out: &mut impl Write) -> Result<(), ProjectError> {
    add(&Project::read(&args.dir)?, args, out)?;
    say(out, "\nNext: pintle generate");
    Ok(())
}

pub(super) fn add(
    project: &Project,
    args: &ResourceArgs,
    out: &mut impl Write,
) -> Result<(), ProjectError> {
    let names = Names::new(&args.kind, args.plural.as_deref(), &project.group)?;
    let fields: Vec<Field> =
        args.field.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    Field::check(&fields)?;
    let fields = if fields.is_empty() { Field::usual() } else { fields };
    let added = resource(&project.name, &names, &fields);
    Changes::plan(&args.dir, &added.files, &added.insertions)?.write(out)
}

/// What `pintle add version` is told.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct VersionArgs {
    /// The version: v2, v2beta1, v2alpha1
    #[arg(value_name = "VERSION")]
    pub version: String,

    /// The kind that gets it
    #[arg(long, value_name = "KIND")]
    pub kind: String,

    /// Version to begin with a copy of; without it, the newest
    #[arg(long, value_name = "VERSION")]
    pub from: Option<String>,

    /// Directory of the project
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// Adds a version to a kind of the project in a directory.
pub fn add_version(args: &VersionArgs, out: &mut impl Write) -> Result<(), ProjectError> {
    let project = Project::read(&args.dir)?;
    let names = Names::new(&args.kind, None, &project.group)?;
    let new = VersionName::parse(&args.version)?;
    let from = source(args, &names, &new)?;
    let added = version(&names, &new, &from)?;
    // The file of versions is there from the second time on, and is added to.
    let (mut files, mut insertions) = (added.files, added.insertions);
    let versions = versions_path(&names);
    if args.dir.join(&versions).exists() {
        files.retain(|file| file.path != versions);
    } else {
        for insertion in insertions.iter_mut().filter(|insertion| insertion.path == versions) {
            let place = files.iter_mut().find(|file| file.path == versions);
            let Some(file) = place else { continue };
            file.text = insertion.apply(&file.text)?.unwrap_or_else(|| file.text.clone());
        }
        insertions.retain(|insertion| insertion.path != versions);
    }
    let mut changes = Changes::plan(&args.dir, &files, &insertions)?;
    changes.declare_versions(&args.dir, &added.declaration)?;
    changes.write(out)?;
    let server = read(&args.dir.join("src/lib.rs"))?.unwrap_or_default();
    if !server.contains(".conversions(") {
        let module = project.name.module();
        let line = format!(".conversions({module}_kinds::conversions())");
        say(out, &format!("\nsrc/lib.rs converts nothing yet: add `{line}` to the server there."));
    }
    let conversion = format!("kinds/src/{}_conversion.rs", version_module(&names, &new));
    say(out, &format!("\nNext: change the fields in {}, and say in", files_of(&files)));
    say(out, &format!("{conversion} how they become each other. Then: pintle generate"));
    Ok(())
}

fn files_of(files: &[File]) -> &str {
    files.first().map_or("kinds/src", |file| &file.path)
}

/// The version that a new one begins as a copy of.
fn source(
    args: &VersionArgs,
    names: &Names,
    new: &VersionName,
) -> Result<VersionSource, ProjectError> {
    let mut sources = Vec::new();
    let snake = names.kind.snake();
    for module in kind_modules(&args.dir)? {
        let version = module.strip_prefix(&format!("{snake}_"));
        let is_added = version.is_some_and(|version| VersionName::parse(version).is_ok());
        if module != snake && !is_added {
            continue;
        }
        let path = args.dir.join(format!("kinds/src/{module}.rs"));
        let source = VersionSource { module, text: read(&path)?.unwrap_or_default() };
        // A kind may be called like a version of another: `DeviceV2`.
        if source.attribute("kind")? == args.kind {
            sources.push((source.attribute("version")?.to_owned(), source));
        }
    }
    if sources.is_empty() {
        let path = args.dir.join(format!("kinds/src/{}.rs", names.kind.snake()));
        return Err(ProjectError::NoKind { path, kind: args.kind.clone() });
    }
    // The newest comes last.
    sources.sort_by(|(one, _), (other, _)| compare_versions(other, one));
    let versions: Vec<String> = sources.iter().map(|(version, _)| version.clone()).collect();
    let refused = |why: String| {
        let (kind, versions) = (args.kind.clone(), versions.clone());
        Err(ProjectError::Version { kind, versions, why })
    };
    if versions.iter().any(|version| version == new.as_str()) {
        return refused(format!("there is a {} already", new.as_str()));
    }
    let wanted = match &args.from {
        None => sources.pop(),
        Some(from) => sources.into_iter().find(|(version, _)| version == from),
    };
    match (wanted, &args.from) {
        (Some((_, source)), _) => Ok(source),
        (None, from) => refused(format!("there is no {}", from.as_deref().unwrap_or_default())),
    }
}

/// New files, and new texts of files that are there. Everything is looked at before anything is
/// written.
struct Changes {
    created: Vec<(PathBuf, String)>,
    changed: Vec<(PathBuf, String)>,
}

impl Changes {
    fn plan(dir: &Path, files: &[File], insertions: &[Insertion]) -> Result<Self, ProjectError> {
        let mut changes = Self { created: Vec::new(), changed: Vec::new() };
        for file in files {
            let path = dir.join(&file.path);
            if path.exists() {
                return Err(ProjectError::Exists { path });
            }
            changes.created.push((path, file.text.clone()));
        }
        for insertion in insertions {
            let path = dir.join(&insertion.path);
            let text = changes.text(&path)?;
            if let Some(text) = insertion.apply(&text)? {
                changes.change(path, text);
            }
        }
        Ok(changes)
    }

    /// In the list of kinds, puts one that has several versions in the place of the one that had
    /// one.
    fn declare_versions(
        &mut self,
        dir: &Path,
        (one, several): &(String, String),
    ) -> Result<(), ProjectError> {
        let path = dir.join("kinds/src/lib.rs");
        let text = self.text(&path)?;
        if text.lines().any(|line| line.trim() == several) {
            return Ok(());
        }
        if !text.lines().any(|line| line.trim() == one) {
            return Err(ProjectError::Undeclared {
                path,
                one: one.clone(),
                several: several.clone(),
            });
        }
        self.change(path, text.replacen(one, several, 1));
        Ok(())
    }

    /// What will stand in a file, as far as that is known.
    fn text(&self, path: &Path) -> Result<String, ProjectError> {
        match self.changed.iter().find(|(known, _)| known == path) {
            Some((_, text)) => Ok(text.clone()),
            None => Ok(read(path)?.unwrap_or_default()),
        }
    }

    fn change(&mut self, path: PathBuf, text: String) {
        self.changed.retain(|(known, _)| *known != path);
        self.changed.push((path, text));
    }

    fn write(self, out: &mut impl Write) -> Result<(), ProjectError> {
        for (path, text) in self.created {
            if !create(&path, &formatted(&path, &text))? {
                return Err(ProjectError::Exists { path });
            }
            say(out, &format!("  created  {}", shown(&path)));
        }
        for (path, text) in self.changed {
            replace(&path, &text)?;
            say(out, &format!("  changed  {}", shown(&path)));
        }
        Ok(())
    }
}
