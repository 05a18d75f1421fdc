//! What a crate needs to be a package in a registry, where `pintle init --published` takes it from:
//! whatever it stands on has a version there, and what it is made of is in its own folder.

use std::path::PathBuf;

use crate::expect_none;
use crate::sources::{SOURCES, Source};
use crate::workspace::{Member, Named, WORKSPACE};

/// No package: it measures from outside.
const BENCH: &str = "pintle-bench";

fn packages() -> impl Iterator<Item = &'static Member> {
    WORKSPACE.members.iter().filter(|member| member.name != BENCH)
}

#[test]
fn crates_of_the_workspace_are_named_with_a_version() {
    let is_wrong = |member: &Member, named: &&Named| {
        let is_itself = named.name == member.name;
        named.is_local && is_itself != (named.versions == "*")
    };
    let found = packages().flat_map(|member| {
        let wrong = member.names.iter().filter(move |named| is_wrong(member, named));
        wrong.map(move |named| format!("{}: {} = {}", member.name, named.name, named.versions))
    });
    expect_none(
        "a crate of the workspace is named with a version as well, and itself, in tests, without",
        "a package names what it stands on by version; it cannot wait for itself in a registry",
        found,
    );
}

#[test]
fn what_is_included_is_in_the_package() {
    let mut found = Vec::new();
    let mut looked_at = 0;
    for source in SOURCES.iter().filter(|source| !source.is_test) {
        let Some(member) = packages().find(|member| member.name == source.member) else {
            continue;
        };
        for included in included(member, source) {
            looked_at += 1;
            let file = included.canonicalize();
            let is_there = file.is_ok_and(|file| file.starts_with(&member.folder));
            found.extend((!is_there).then(|| included.display().to_string()));
        }
    }
    assert!(looked_at > 10, "templates are included");
    expect_none(
        "a file that is included stands in the folder of its crate",
        "a package is that folder and nothing else",
        found,
    );
}

/// The files of `include_str!("…")` and `include_bytes!("…")`.
fn included(member: &Member, source: &Source) -> Vec<PathBuf> {
    let after = source.text.split("include_").skip(1);
    let names = after.filter_map(|after| {
        let name = after.strip_prefix("str!(\"").or_else(|| after.strip_prefix("bytes!(\""))?;
        Some(name.split_once('"')?.0)
    });
    let root = member.folder.ancestors().nth(2).expect("crates are in crates/");
    let folder = root.join(source.path.parent().expect("a source is in a folder"));
    names.map(|name| folder.join(name)).collect()
}
