//! `pintle init`: begins a project.

use std::io::{BufRead as _, Write};
use std::path::{Path, PathBuf};

use pintle_scaffold::{
    Dependencies, KindName, Names, Owner, ProjectName, check_group, client, project,
};

use super::add::add;
use super::files::{create, formatted, say};
use super::manifest::Project;
use super::{ProjectError, ResourceArgs};

/// What `pintle init` is told.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct InitArgs {
    /// Name of the project: of its directory, its crate and its program
    #[arg(value_name = "NAME", required_unless_present = "interactive")]
    pub name: Option<String>,

    /// Directory of the project; without it, one of its name in this one
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Group of its kinds
    #[arg(long, value_name = "GROUP", default_value = "example.io")]
    pub group: String,

    /// Kind to begin with; may be given more than once
    #[arg(long, value_name = "KIND")]
    pub resource: Vec<String>,

    /// Checkout of Pintle to build from; without it, the one that this program is in, if it is in
    /// one
    #[arg(long, value_name = "DIR")]
    pub checkout: Option<PathBuf>,

    /// Take Pintle from a registry, in the version of this program
    #[arg(long, conflicts_with = "checkout")]
    pub published: bool,

    /// Ask for what is not said
    #[arg(long, short)]
    pub interactive: bool,
}

/// Begins a project.
pub fn init(args: &InitArgs, out: &mut impl Write) -> Result<(), ProjectError> {
    let args = if args.interactive { ask(args, out)? } else { args.clone() };
    let name = ProjectName::parse(args.name.as_deref().unwrap_or_default())?;
    let group = check_group(&args.group)?;
    for kind in &args.resource {
        Names::new(kind, None, &group)?;
    }
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(name.as_str()));
    check_empty(&dir)?;
    let from = dependencies(&args)?;
    let mut files = project(&name, &group, &from);
    files.push(client(&name, &[], &[]));
    for file in &files {
        let path = dir.join(&file.path);
        let text = match file.owner {
            Owner::Person => formatted(&path, &file.text),
            Owner::Generator => file.text.clone(),
        };
        create(&path, &text)?;
        say(out, &format!("  created  {}", path.display()));
    }
    let described = Project { name: name.clone(), group };
    for kind in &args.resource {
        let args =
            ResourceArgs { kind: kind.clone(), plural: None, field: Vec::new(), dir: dir.clone() };
        add(&described, &args, out)?;
    }
    let from = match &from {
        Dependencies::Checkout(root) => format!("the checkout in {root}"),
        Dependencies::Version(version) => format!("a registry, in version {version}"),
    };
    say(out, &format!("\n{} takes Pintle from {from}. Next:\n", name.as_str()));
    say(out, &format!("  cd {}", dir.display()));
    if args.resource.is_empty() {
        say(out, "  pintle add resource Device");
    }
    say(out, "  pintle generate\n  cargo test\n  cargo run");
    Ok(())
}

fn check_empty(dir: &Path) -> Result<(), ProjectError> {
    let is_empty = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(source) => return Err(ProjectError::File { path: dir.to_owned(), source }),
    };
    if is_empty { Ok(()) } else { Err(ProjectError::NotEmpty { dir: dir.to_owned() }) }
}

fn dependencies(args: &InitArgs) -> Result<Dependencies, ProjectError> {
    let version = || Dependencies::Version(env!("CARGO_PKG_VERSION").to_owned());
    if args.published {
        return Ok(version());
    }
    let root = match &args.checkout {
        Some(dir) if is_checkout(dir) => Some(dir.clone()),
        Some(dir) => {
            let why = "it is no checkout of Pintle: there is no crates/pintle in it".to_owned();
            return Err(ProjectError::NoProject { dir: dir.clone(), why });
        }
        None => checkout_of_this_program(),
    };
    let Some(root) = root else { return Ok(version()) };
    let failed = |source| ProjectError::File { path: root.clone(), source };
    let root = root.canonicalize().map_err(failed)?;
    Ok(Dependencies::Checkout(root.display().to_string()))
}

/// A program that Cargo built stands below the checkout that it was built from.
fn checkout_of_this_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.ancestors().find(|dir| is_checkout(dir)).map(Path::to_owned)
}

fn is_checkout(dir: &Path) -> bool {
    ["crates/pintle/Cargo.toml", "sdk/pintle-controller/Cargo.toml"]
        .iter()
        .all(|file| dir.join(file).is_file())
}

/// Asks on the terminal, until each answer can be used.
fn ask(args: &InitArgs, out: &mut impl Write) -> Result<InitArgs, ProjectError> {
    let mut args = args.clone();
    let given = args.name.clone().unwrap_or_default();
    let name = question(out, "Name of the project", &given, |text| {
        ProjectName::parse(text).map(drop).map_err(Into::into)
    })?;
    args.name = Some(name);
    args.group = question(out, "Group of its kinds", &args.group, |text| {
        check_group(text).map(drop).map_err(Into::into)
    })?;
    if args.resource.is_empty() {
        let kind = question(out, "First kind (- for none)", "Device", |text| {
            if text == "-" { Ok(()) } else { KindName::parse(text).map(drop).map_err(Into::into) }
        })?;
        args.resource = Some(kind).filter(|kind| kind != "-").into_iter().collect();
    }
    Ok(args)
}

fn question(
    out: &mut impl Write,
    what: &str,
    usual: &str,
    check: impl Fn(&str) -> Result<(), ProjectError>,
) -> Result<String, ProjectError> {
    let path = PathBuf::from("the terminal");
    loop {
        let shown = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
        drop(write!(out, "{what}{shown}: ").and_then(|()| out.flush()));
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let ended = std::io::ErrorKind::UnexpectedEof;
        match read {
            Ok(0) => return Err(ProjectError::File { path, source: ended.into() }),
            Ok(_) => {}
            Err(source) => return Err(ProjectError::File { path, source }),
        }
        let answer = if line.trim().is_empty() { usual } else { line.trim() };
        match check(answer) {
            Ok(()) => return Ok(answer.to_owned()),
            Err(error) => say(out, &format!("  {error}")),
        }
    }
}
