//! What `cargo metadata` tells: the crates of the workspace, what each names, and what each pulls
//! in.

#![expect(clippy::indexing_slicing, reason = "what a JSON value does not have is null: no panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// The workspace that this test is part of.
pub(crate) static WORKSPACE: LazyLock<Workspace> = LazyLock::new(Workspace::read);

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) members: Vec<Member>,
    packages: BTreeMap<String, Package>,
}

/// A crate of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) layer: Option<u64>,
    pub(crate) pure: Option<bool>,
    /// The crates that its manifest names, of the workspace and others.
    pub(crate) names: Vec<Named>,
    id: String,
}

/// One crate that a manifest names.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// Only for tests, examples and benchmarks.
    pub(crate) dev: bool,
    /// It is named by its path.
    pub(crate) is_local: bool,
    /// In which versions; `*` where none is said.
    pub(crate) versions: String,
}

/// A crate as it is built: with the features that the whole workspace switches on.
#[derive(Debug)]
struct Package {
    name: String,
    features: Vec<String>,
    /// What is linked with it; build scripts and tests are not.
    linked: Vec<String>,
}

impl Workspace {
    fn read() -> Self {
        let metadata = metadata();
        let (packages, nodes) = (list(&metadata["packages"]), list(&metadata["resolve"]["nodes"]));
        let names: BTreeMap<&str, &str> =
            packages.iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
        let ids: BTreeSet<&str> = list(&metadata["workspace_members"]).iter().map(text).collect();
        let members = packages.iter().filter(|package| ids.contains(text(&package["id"])));
        let members: Vec<Member> = members.map(Member::new).collect();
        assert!(members.len() > 5, "the crates of the workspace were not found: {members:?}");
        let packages = nodes.iter().map(|node| Package::new(node, &names)).collect();
        Self { members, packages }
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Everything that is linked with `member`, itself included: names, each with its features.
    pub(crate) fn linked_with(&self, member: &Member) -> BTreeMap<&str, &[String]> {
        let mut seen = BTreeSet::from([member.id.as_str()]);
        let mut rest = vec![member.id.as_str()];
        while let Some(package) = rest.pop().and_then(|id| self.packages.get(id)) {
            let new = package.linked.iter().map(String::as_str).filter(|id| seen.insert(id));
            rest.extend(new.collect::<Vec<_>>());
        }
        let packages = seen.into_iter().filter_map(|id| self.packages.get(id));
        packages.map(|package| (package.name.as_str(), package.features.as_slice())).collect()
    }
}

impl Member {
    fn new(package: &Value) -> Self {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let ours = &package["metadata"]["pintle"];
        let named = |dependency: &Value| Named {
            name: text(&dependency["name"]).to_owned(),
            dev: dependency["kind"] == "dev",
            is_local: dependency["path"].is_string(),
            versions: text(&dependency["req"]).to_owned(),
        };
        Self {
            name: text(&package["name"]).to_owned(),
            folder: manifest.parent().expect("a manifest is in a folder").to_owned(),
            layer: ours["layer"].as_u64(),
            pure: ours["pure"].as_bool(),
            names: list(&package["dependencies"]).iter().map(named).collect(),
            id: text(&package["id"]).to_owned(),
        }
    }

    /// The crates that it names outside its tests.
    pub(crate) fn names_in_earnest(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter(|named| !named.dev).map(|named| named.name.as_str())
    }
}

impl Package {
    fn new(node: &Value, names: &BTreeMap<&str, &str>) -> (String, Self) {
        let id = text(&node["id"]);
        let is_linked =
            |edge: &&Value| list(&edge["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        let linked = list(&node["deps"]).iter().filter(is_linked);
        let package = Self {
            name: names.get(id).copied().unwrap_or_default().to_owned(),
            features: list(&node["features"]).iter().map(|it| text(it).to_owned()).collect(),
            linked: linked.map(|edge| text(&edge["pkg"]).to_owned()).collect(),
        };
        (id.to_owned(), package)
    }
}

/// Only for this machine's platform: crates of others were perhaps never downloaded.
fn metadata() -> Value {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.expect("cargo tells its host");
    let arguments = ["metadata", "--format-version=1", "--offline", "--filter-platform", host];
    serde_json::from_str(&cargo(&arguments)).expect("cargo metadata prints JSON")
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be run");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "cargo {arguments:?} failed; `cargo fetch` helps when something was never downloaded:\n\
         {problem}"
    );
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
