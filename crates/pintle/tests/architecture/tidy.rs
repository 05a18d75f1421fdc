//! What clippy does not see in the text of the sources.

use std::path::Path;
use std::process::Command;

use crate::expect_none;
use crate::layers::DOORS;
use crate::sources::{SOURCES, Source};
use crate::workspace::WORKSPACE;

const LINES_MAX: usize = 700;
const COLUMNS_MAX: usize = 100;

#[test]
fn every_file_says_what_lives_in_it() {
    expect_none(
        "every file begins with a `//!` comment",
        "a file is read from the top: what lives here, and what does not",
        SOURCES.iter().filter(|source| !source.text.starts_with("//!")).map(|it| it.at(1)),
    );
}

#[test]
fn modules_are_named_files() {
    let is_mod = |source: &&Source| source.path.ends_with("mod.rs");
    expect_none(
        "a module is `foo.rs` and `foo/`, never `foo/mod.rs`",
        "ten tabs named mod.rs tell nothing",
        SOURCES.iter().filter(is_mod).map(|source| source.at(1)),
    );
}

#[test]
fn nothing_is_left_for_later() {
    // In pieces, so that this file keeps its own rule.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let is_marked = |line: &str| marks.iter().any(|mark| has_word(line, mark));
    let mut found = Vec::new();
    for source in SOURCES.iter() {
        let lines = source.text.lines().zip(1..).filter(|(line, _)| is_marked(line));
        found.extend(lines.map(|(_, number)| source.at(number)));
    }
    expect_none(
        "no comment leaves work for later",
        "what is missing belongs into an issue, where somebody sees it",
        found,
    );
}

#[test]
fn files_are_short_enough_to_read() {
    let lines = |source: &Source| source.text.lines().count();
    let long = SOURCES.iter().filter(|source| !source.is_test && lines(source) > LINES_MAX);
    expect_none(
        &format!("a file that is no test has at most {LINES_MAX} lines"),
        "a file is one subject, read in one sitting",
        long.map(|source| format!("{} has {} lines", source.path.display(), lines(source))),
    );
}

#[test]
fn comments_fit_a_screen() {
    let mut found = Vec::new();
    for source in SOURCES.iter() {
        for (line, number) in source.text.lines().zip(1..) {
            let is_comment = line.trim_start().starts_with("//");
            if line.chars().count() > COLUMNS_MAX && is_comment {
                found.push(source.at(number));
            }
        }
    }
    expect_none(
        &format!("a line of a comment has at most {COLUMNS_MAX} columns"),
        "rustfmt sees to code, and leaves comments as they are",
        found,
    );
}

/// Words of the standard library that reach out of the process. Addresses ([`std::net::IpAddr`])
/// are values, and so is [`std::time::Duration`].
const IMPURE_WORDS: [&str; 13] = [
    "Instant",
    "RandomState",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UNIX_EPOCH",
    "UdpSocket",
    "UnixStream",
    "env",
    "fs",
    "process",
    "thread",
];

#[test]
fn pure_sources_name_nothing_outside_themselves() {
    let pure = WORKSPACE.members.iter().filter(|member| member.pure == Some(true));
    let pure: Vec<&str> = pure.map(|member| member.name.as_str()).collect();
    let mut found = Vec::new();
    for source in SOURCES.iter().filter(|it| !it.is_test && pure.contains(&it.member)) {
        for (number, line) in source.code() {
            let in_use = line.contains("std::") || line.trim_start().starts_with("use ");
            let names = |word: &&&str| {
                // Lower-case words are common ones; they only count as parts of paths.
                let counts = word.starts_with(char::is_uppercase) || in_use;
                counts && has_word(line, word)
            };
            let named = IMPURE_WORDS.iter().filter(names);
            found.extend(named.map(|word| format!("{}: {word}", source.at(number))));
        }
    }
    expect_none(
        "a pure crate names no clock, file, socket, variable, process or thread",
        "the standard library needs no dependency, so the rule about those does not find it",
        found,
    );
}

#[test]
fn there_is_one_way_to_the_store() {
    let commits = |source: &&Source| {
        let ours = !source.member.starts_with("pintle-store") && source.member != "pintle-bench";
        ours && !source.is_test && source.code().any(|(_, line)| line.contains(".commit("))
    };
    let found: Vec<&Path> = SOURCES.iter().filter(commits).map(|it| it.path.as_path()).collect();
    let only = Path::new("crates/pintle-engine/src/write.rs");
    assert_eq!(
        found,
        [only],
        "rule: outside the stores, only Engine::write commits\nwhy: it takes a Granted write and \
         nothing less, so whatever is written was asked for and decided"
    );
}

#[test]
fn only_the_rule_book_grants() {
    let makes = |source: &&Source| {
        !source.is_test && source.code().any(|(_, line)| line.contains("Granted::new("))
    };
    let found: Vec<&Path> = SOURCES.iter().filter(makes).map(|it| it.path.as_path()).collect();
    assert_eq!(
        found,
        [Path::new("crates/pintle-authz/src/book.rs")],
        "rule: only the rule book makes a Granted\nwhy: it is the proof that the rules were asked"
    );
}

/// The kinds that a server has without being told, and the one of the examples.
const KINDS: [&str; 24] = [
    "clusterrolebindings",
    "clusterroles",
    "configmaps",
    "customresourcedefinitions",
    "devices",
    "leases",
    "namespaces",
    "resourcequotas",
    "rolebindings",
    "roles",
    "secrets",
    "serviceaccounts",
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "CustomResourceDefinition",
    "Device",
    "Lease",
    "Namespace",
    "ResourceQuota",
    "Role",
    "RoleBinding",
    "Secret",
    "ServiceAccount",
];

#[test]
fn doors_have_no_code_for_a_kind() {
    let doors = WORKSPACE.members.iter().filter(|member| member.layer == Some(DOORS));
    let doors: Vec<&str> = doors.map(|door| door.name.as_str()).collect();
    let mut found = Vec::new();
    for source in SOURCES.iter().filter(|it| !it.is_test && doors.contains(&it.member)) {
        for (number, line) in source.code() {
            let quotes = |kind: &&&str| line.contains(&format!("\"{kind}\""));
            found.extend(
                KINDS.iter().find(quotes).map(|kind| format!("{}: {kind}", source.at(number))),
            );
        }
    }
    expect_none(
        "no door names a kind",
        "what kinds differ in is data of their definitions, so that every kind gets the same care",
        found,
    );
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    // Without the slash before them, so that this file keeps its own rule.
    let homes = ["home/", "root/", "Users/", "work/"];
    let Some(files) = tracked_files() else {
        println!("skipped: this is no git checkout, so it is not known which files are tracked");
        return;
    };
    assert!(files.len() > 50, "the tracked files were not found");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for file in files {
        // Deleted files stay tracked until that is committed, and pictures are no text.
        let Ok(text) = std::fs::read_to_string(root.join(&file)) else { continue };
        for (line, number) in text.lines().zip(1..) {
            if homes.iter().any(|home| has_absolute(line, home)) {
                found.push(format!("{file}:{number}"));
            }
        }
    }
    expect_none(
        "no tracked file holds an absolute path into a home or working directory",
        "a fresh clone works in any folder, on any machine",
        found,
    );
}

/// The paths that git knows, or nothing when this is no checkout.
fn tracked_files() -> Option<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output().ok()?;
    let names = String::from_utf8(listed.stdout).ok().filter(|_| listed.status.success())?;
    Some(names.split_terminator('\0').map(str::to_owned).collect())
}

/// Whether `/home` (the slash is added) begins a path in the line: nothing of a path is before it.
fn has_absolute(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        before.strip_suffix('/').is_some_and(|rest| {
            let last = rest.chars().next_back().unwrap_or(' ');
            !(last.is_alphanumeric() || "-_./}*".contains(last))
        })
    })
}

/// Whether `word` stands in the line, not as a part of another word.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |letter: Option<char>| letter.is_some_and(|it| it.is_alphanumeric() || it == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, rest) = line.split_at(at);
        let after = rest.get(word.len()..).unwrap_or_default();
        !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    })
}

#[test]
fn words_and_paths_are_told_apart() {
    assert!(has_word("use std::fs;", "fs"));
    assert!(!has_word("let offset = 1;", "fs"));
    assert!(!has_word("InstantNoodles", "Instant"));
    assert!(has_absolute(concat!("at /", "home/me"), "home/"));
    assert!(has_absolute(concat!("/", "work/x"), "work/"));
    assert!(!has_absolute("https://example.io/work/x", "work/"));
    assert!(!has_absolute("target/work/x", "work/"));
}
