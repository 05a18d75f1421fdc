//! `pintle add resource`: adds a kind to a project.

use std::io::Write;
use std::path::PathBuf;

use pintle_scaffold::{Field, Names, resource};

use super::ProjectError;
use super::files::{create, formatted, read, replace, say, shown};
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
    // Everything is looked at before anything is written.
    for file in &added.files {
        let path = args.dir.join(&file.path);
        if path.exists() {
            return Err(ProjectError::Exists { path });
        }
    }
    let mut changed: Vec<(PathBuf, String)> = Vec::new();
    for insertion in &added.insertions {
        let path = args.dir.join(insertion.path);
        let known = changed.iter().position(|(known, _)| *known == path);
        let text = match known.and_then(|index| changed.get(index)) {
            Some((_, text)) => text.clone(),
            None => read(&path)?.unwrap_or_default(),
        };
        let Some(text) = insertion.apply(&text)? else { continue };
        changed.retain(|(known, _)| *known != path);
        changed.push((path, text));
    }
    for file in &added.files {
        let path = args.dir.join(&file.path);
        if !create(&path, &formatted(&path, &file.text))? {
            return Err(ProjectError::Exists { path });
        }
        say(out, &format!("  created  {}", shown(&path)));
    }
    for (path, text) in changed {
        replace(&path, &text)?;
        say(out, &format!("  changed  {}", shown(&path)));
    }
    Ok(())
}
