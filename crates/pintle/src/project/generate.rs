//! `pintle generate`: writes what follows from the kinds of a project.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use pintle_authz::{MASTERS, User};
use pintle_scaffold::{File, GENERATED, Owner, ProjectName, client, yaml};
use serde_json::Value;

use super::ProjectError;
use super::files::{below, create, kind_modules, read, replace, say, shown};
use super::manifest::{Project, cargo};
use super::rules::{POLICY, Rules};
use crate::{InProcess, Server};

/// What `pintle generate` is told.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct GenerateArgs {
    /// Change nothing, and fail when something would be changed
    #[arg(long)]
    pub check: bool,

    /// Directory of the project
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// Everything in here is generated.
const DIR: &str = "generated";

/// Writes what follows from the kinds of the project in a directory.
pub fn generate(args: &GenerateArgs, out: &mut impl Write) -> Result<(), ProjectError> {
    let project = Project::read(&args.dir)?;
    say(out, "Compiling the kinds, to ask them what they are …");
    let definitions = definitions(&args.dir)?;
    let modules = kind_modules(&args.dir)?;
    let files = files(&project.name, &definitions, &modules)?;
    let stale = stale(&args.dir, &files)?;
    let rules = Rules::of(&project.name, &args.dir, &definitions)?;
    if args.check {
        let mut wrong = stale;
        wrong.extend(rules.is_missing().then(|| POLICY.to_owned()));
        return check(&args.dir, &files, wrong);
    }
    write(args, &files, &stale, out)?;
    rules.write(&args.dir, out)
}

/// What the kinds say about themselves, in the order of their names.
fn definitions(dir: &Path) -> Result<Vec<Value>, ProjectError> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--bin", "crds", "--manifest-path"]);
    // From the root, as what comes next is built: with the features of `kinds/` alone, most of what
    // it stands on would be compiled twice.
    command.arg(dir.join("Cargo.toml"));
    // What the compiler has to say is for whoever waits.
    command.stderr(std::process::Stdio::inherit());
    let output = command.output().map_err(ProjectError::NoCargo)?;
    if !output.status.success() {
        let what = "compiling the kinds";
        return Err(ProjectError::Cargo { what, told: String::new() });
    }
    let said: Result<Vec<Value>, _> = serde_json::from_slice(&output.stdout);
    let mut said = said.map_err(|error| ProjectError::Kinds(error.to_string()))?;
    said.sort_by_cached_key(name_of);
    Ok(said)
}

fn name_of(definition: &Value) -> String {
    let name = definition.pointer("/metadata/name").and_then(Value::as_str);
    name.unwrap_or_default().to_owned()
}

/// Every file, as it should be.
fn files(
    name: &ProjectName,
    definitions: &[Value],
    modules: &[String],
) -> Result<Vec<File>, ProjectError> {
    let mut files = vec![client(name, definitions, modules)];
    for definition in definitions {
        let path = format!("{DIR}/crds/{}.yaml", name_of(definition));
        files.push(generated(path, format!("# {GENERATED}\n{}", yaml(definition))));
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| ProjectError::Kinds(error.to_string()))?;
    files.extend(runtime.block_on(descriptions(definitions))?);
    Ok(files)
}

fn generated(path: String, text: String) -> File {
    File { path, text, owner: Owner::Generator }
}

/// What the doors of a server of these kinds say about themselves.
async fn descriptions(definitions: &[Value]) -> Result<Vec<File>, ProjectError> {
    let cannot = |error: &dyn std::fmt::Display| ProjectError::Kinds(error.to_string());
    let started = Server::builder().kinds(definitions).in_memory().start().await;
    let server = started.map_err(|error| cannot(&error))?;
    let caller = server.in_process(User::authenticated("generate", None, [MASTERS.into()]));
    let mut files = Vec::new();
    if let Some(text) = page(&caller, "/openapi.json").await {
        let description: Value = serde_json::from_slice(&text).map_err(|error| cannot(&error))?;
        let text = format!("{description:#}\n");
        files.push(generated(format!("{DIR}/openapi.json"), text));
    }
    if let Some(text) = page(&caller, "/graphql/schema.graphql").await {
        let text = format!("# {GENERATED}\n{}", String::from_utf8_lossy(&text));
        files.push(generated(format!("{DIR}/schema.graphql"), text));
    }
    server.stop().await.map_err(|error| cannot(&error))?;
    Ok(files)
}

/// A page of the server; nothing when it has no such page.
async fn page(caller: &InProcess, path: &str) -> Option<Bytes> {
    let request = Request::get(path).body(Bytes::new()).ok()?;
    let response = caller.call(request).await;
    if !response.status().is_success() {
        return None;
    }
    Some(response.into_body().collect().await.ok()?.to_bytes())
}

/// Files that were generated for what is no longer there.
fn stale(dir: &Path, files: &[File]) -> Result<Vec<String>, ProjectError> {
    let wanted: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut found = below(dir, DIR)?;
    found.retain(|path| !wanted.contains(path.as_str()));
    Ok(found)
}

fn check(dir: &Path, files: &[File], mut wrong: Vec<String>) -> Result<(), ProjectError> {
    for file in files.iter().filter(|file| file.owner == Owner::Generator) {
        if read(&dir.join(&file.path))?.as_ref() != Some(&file.text) {
            wrong.push(file.path.clone());
        }
    }
    wrong.sort();
    if wrong.is_empty() { Ok(()) } else { Err(ProjectError::OutOfDate { files: wrong }) }
}

fn write(
    args: &GenerateArgs,
    files: &[File],
    stale: &[String],
    out: &mut impl Write,
) -> Result<(), ProjectError> {
    let mut unchanged = 0;
    for file in files {
        let path = args.dir.join(&file.path);
        match (file.owner, read(&path)?) {
            (Owner::Person, Some(_)) => unchanged += 1,
            (Owner::Person, None) => {
                create(&path, &file.text)?;
                say(out, &format!("  created    {} (from now on yours)", shown(&path)));
            }
            (Owner::Generator, Some(text)) if text == file.text => unchanged += 1,
            (Owner::Generator, Some(text)) if !is_ours(file, &text) => {
                return Err(ProjectError::Foreign { path });
            }
            (Owner::Generator, _) => {
                replace(&path, &file.text)?;
                say(out, &format!("  generated  {}", shown(&path)));
            }
        }
    }
    for name in stale {
        let path = args.dir.join(name);
        std::fs::remove_file(&path)
            .map_err(|source| ProjectError::File { path: path.clone(), source })?;
        say(out, &format!("  removed    {}", shown(&path)));
    }
    say(out, &format!("{unchanged} files were up to date"));
    Ok(())
}

/// Whether what stands there was generated. All of [`DIR`] is.
fn is_ours(file: &File, text: &str) -> bool {
    file.path.starts_with(&format!("{DIR}/"))
        || text.lines().take(3).any(|line| line.contains(GENERATED))
}
