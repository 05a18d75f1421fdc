//! Which crate may know which.

use std::collections::BTreeSet;

use crate::expect_none;
use crate::workspace::{Member, Named, WORKSPACE};

/// Edges of tests that do not go down, each with its reason.
const SIDEWAYS_IN_TESTS: [(&str, &str); 1] = [
    // The conformance suite is a feature of the port's own crate, and its tests switch it on.
    ("pintle-store", "pintle-store"),
];

/// What no pure crate may pull in: runtimes, sockets, clocks, chance, files, other processes.
const IMPURE: [&str; 21] = [
    "async-std",
    "chrono",
    "fastrand",
    "futures-executor",
    "getrandom",
    "hyper",
    "hyper-util",
    "libsqlite3-sys",
    "mio",
    "rand",
    "rand_core",
    "reqwest",
    "rusqlite",
    "rustix",
    "smol",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tracing-subscriber",
    "uuid",
];

/// Features that make a pure crate impure.
const IMPURE_FEATURES: [(&str, &str); 1] = [
    // With it, `Timestamp::now` exists.
    ("jiff", "std"),
];

/// Who may name a storage backend: whoever puts a server together, and whoever measures one.
const NAME_BACKENDS: [&str; 2] = ["pintle", "pintle-bench"];
const PORT: &str = "pintle-store";
const BACKENDS: [&str; 2] = ["pintle-store-sqlite", "pintle-store-etcd"];

const ENGINE: &str = "pintle-engine";
const HTTP: [&str; 6] = ["axum", "http", "http-body", "http-body-util", "hyper", "hyper-util"];

/// The layer of the doors.
pub(crate) const DOORS: u64 = 5;

#[test]
fn every_crate_says_where_it_stands() {
    expect_none(
        "every crate has `layer = N` and `pure = true|false` under [package.metadata.pintle]",
        "the other rules of this file read them; a crate without them would escape all of them",
        WORKSPACE
            .members
            .iter()
            .filter(|member| member.layer.is_none() || member.pure.is_none())
            .map(|member| member.name.clone()),
    );
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    let inherits = |member: &&Member| {
        let manifest = std::fs::read_to_string(member.folder.join("Cargo.toml"))
            .expect("cargo has just read it");
        let mut lines = manifest.lines().skip_while(|line| line.trim() != "[lints]").skip(1);
        lines.next().is_some_and(|line| line.trim() == "workspace = true")
    };
    expect_none(
        "every crate has `[lints]` with `workspace = true`",
        "lints are agreed on once, in the root manifest; a crate without the line has none of them",
        WORKSPACE
            .members
            .iter()
            .filter(|member| !inherits(member))
            .map(|member| member.name.clone()),
    );
}

#[test]
fn names_say_what_a_crate_holds() {
    // Without the `s` of a plural.
    const GRAB_BAGS: [&str; 6] = ["common", "core", "helper", "shared", "type", "util"];
    let is_bad = |member: &&Member| {
        let folder = member.folder.file_name().is_some_and(|it| *it == *member.name);
        let mut words = member.name.split('-');
        !folder || words.any(|word| GRAB_BAGS.contains(&word.trim_end_matches('s')))
    };
    expect_none(
        "a crate is named like its folder, and not common, core, helpers, shared, types or util",
        "the folder listing is the architecture diagram; a grab-bag becomes everybody's dependency",
        WORKSPACE.members.iter().filter(is_bad).map(|member| member.name.clone()),
    );
}

#[test]
fn edges_go_strictly_down() {
    let mut excused = BTreeSet::new();
    let mut wrong = Vec::new();
    for (from, named, to) in edges() {
        if from.layer > to.layer {
            continue;
        }
        let excuse = (from.name.as_str(), to.name.as_str());
        if named.dev && SIDEWAYS_IN_TESTS.contains(&excuse) {
            excused.insert(excuse);
            continue;
        }
        let layer = |member: &Member| member.layer.unwrap_or_default();
        let kind = if named.dev { " (in its tests)" } else { "" };
        let (low, high) = (layer(from), layer(to));
        wrong.push(format!("{} (layer {low}) -> {} (layer {high}){kind}", from.name, to.name));
    }
    expect_none(
        "a crate names only crates of strictly lower layers",
        "then there are no knots, and what is below can be read without knowing what is above",
        wrong,
    );
    expect_none(
        "exceptions for tests are in use",
        "an exception that nothing needs any more would let a wrong edge in",
        SIDEWAYS_IN_TESTS
            .iter()
            .filter(|excuse| !excused.contains(*excuse))
            .map(|(from, to)| format!("{from} -> {to}")),
    );
}

#[test]
fn pure_crates_reach_nothing_outside_themselves() {
    let mut found = Vec::new();
    for member in WORKSPACE.members.iter().filter(|member| member.pure == Some(true)) {
        let linked = WORKSPACE.linked_with(member);
        assert!(linked.len() > 1, "{}: what it is linked with was not found", member.name);
        for name in linked.keys().filter(|name| IMPURE.contains(name)) {
            found.push(format!("{} is linked with {name}", member.name));
        }
        for (name, feature) in IMPURE_FEATURES {
            if linked.get(name).is_some_and(|features| features.iter().any(|it| it == feature)) {
                let features = "somebody in the workspace switches it on for all";
                found.push(format!("{} is linked with {name}/{feature}: {features}", member.name));
            }
        }
        for name in member.names_in_earnest() {
            if WORKSPACE.member(name).is_some_and(|named| named.pure != Some(true)) {
                found.push(format!("{} is linked with {name}, which is not pure", member.name));
            }
        }
    }
    expect_none(
        "nothing that a pure crate is linked with knows a runtime, I/O, a clock or chance",
        "decisions are functions of values, so that they can be tested as such and never block",
        found,
    );
}

#[test]
fn only_compositions_name_a_storage_backend() {
    expect_none(
        "outside tests, only pintle and pintle-bench name a storage backend",
        "everything else stands on the port, so that another store can take its place",
        named_by(&BACKENDS, |member| !NAME_BACKENDS.contains(&member.name.as_str())),
    );
}

#[test]
fn doors_know_no_store_and_not_each_other() {
    let doors = WORKSPACE.members.iter().filter(|member| member.layer == Some(DOORS));
    let doors: Vec<&str> = doors.map(|door| door.name.as_str()).collect();
    assert!(doors.contains(&"pintle-rest"), "the doors are not on layer {DOORS} any more");
    let forbidden: Vec<&str> = doors.iter().copied().chain([PORT]).chain(BACKENDS).collect();
    expect_none(
        "a door names neither the storage port nor another door",
        "a door that read the store itself would go around authorisation and the contract",
        named_by(&forbidden, |member| doors.contains(&member.name.as_str())),
    );
}

#[test]
fn the_engine_knows_no_http() {
    let engine = WORKSPACE.member(ENGINE).expect("there is an engine");
    let linked = WORKSPACE.linked_with(engine);
    expect_none(
        "the engine and all that it is linked with know no HTTP",
        "it serves every door, and callers inside the process, in words of the domain",
        HTTP.iter().filter(|name| linked.contains_key(*name)).map(|name| (*name).to_owned()),
    );
}

/// The edges between crates of the workspace.
fn edges() -> impl Iterator<Item = (&'static Member, &'static Named, &'static Member)> {
    WORKSPACE.members.iter().flat_map(|from| {
        let named = from.names.iter();
        named.filter_map(move |named| Some((from, named, WORKSPACE.member(&named.name)?)))
    })
}

/// Where members that `are_meant` name one of `names` outside their tests.
fn named_by(names: &[&str], are_meant: impl Fn(&Member) -> bool) -> Vec<String> {
    let meant = WORKSPACE.members.iter().filter(|member| are_meant(member));
    meant
        .flat_map(|member| {
            let named = member.names_in_earnest().filter(|name| names.contains(name));
            named.map(|name| format!("{} -> {name}", member.name))
        })
        .collect()
}
