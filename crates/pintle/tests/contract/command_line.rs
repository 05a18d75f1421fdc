//! Commands beside `serve`, as people call them: what they print, and how they end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::running::without_settings;
use crate::harness::server::{Launch, Server, devices};

fn pintle<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pintle"));
    without_settings(&mut command);
    command.args(arguments).output().expect("the program starts")
}

/// The exit code, and everything that was printed.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

async fn guarded() -> Server {
    let launch = Launch::devices().arg("--policy").arg(devices().join("policy.yaml"));
    launch.arg("--tokens").arg(devices().join("tokens.csv")).start().await
}

#[tokio::test]
async fn questions_about_rights_need_no_right_and_are_answered_with_reasons() {
    let server = guarded().await;
    let dir = tempfile::tempdir().expect("a directory");
    let token = dir.path().join("token");
    std::fs::write(&token, "alice-token").expect("a file");
    let ask = |words: &str| {
        let mut arguments: Vec<String> = vec!["auth".to_owned()];
        arguments.extend(words.split(' ').map(str::to_owned));
        arguments.extend(["--server".to_owned(), server.url(), "--token-file".to_owned()]);
        arguments.push(token.display().to_string());
        said(&pintle(arguments))
    };
    for (words, code, expected) in [
        ("can-i update devices", 0, "yes: "),
        (
            "can-i update devices/status",
            1,
            "no: no rule gives User \"alice\" this, but devices: get",
        ),
        ("can-i delete roles", 1, "any right on roles"),
        ("can-i get /metrics", 1, "the path \"/metrics\""),
        ("can-i update_status devices", 2, "can-i update devices/status"),
        ("can-i udpate devices", 2, "is it \"update\"?"),
        ("can-i update device", 2, "is it \"devices\"?"),
        ("can-i update devices/staus", 2, "is it \"status\"?"),
        ("can-i --list", 0, "devices.*/status "),
        ("can-i --list --as bob", 2, "of its caller alone"),
        ("whoami", 0, "alice (groups: "),
    ] {
        let (found, text) = ask(words);
        assert_eq!(found, Some(code), "{words}: {text}");
        assert!(text.contains(expected), "{words}: {text}");
    }
    let (_, table) = ask("can-i --list");
    let row = table.lines().find(|line| line.starts_with("devices.* ") && line.contains("update"));
    assert!(row.is_some(), "{table}");
    let (code, text) = said(&pintle(["auth", "whoami", "--server", &server.url()]));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--token-file FILE"), "{text}");
    let missing =
        said(&pintle(["auth", "whoami", "--server", &server.url(), "--token-file", "/nowhere"]));
    assert_eq!(missing.0, Some(2));
    assert!(missing.1.contains("cannot read /nowhere") && missing.1.contains("os error 2"));
}

#[test]
fn rights_are_listed_from_files_too() {
    let policy = devices().join("policy.yaml");
    let files = devices();
    let (policy, files) = (policy.display().to_string(), files.display().to_string());
    let list = ["auth", "can-i", "--list", "--as", "device-controller", "--policy", &policy];
    let (code, text) = said(&pintle(list.iter().chain(&["--files", &files])));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("Resources ") && text.contains("/status "), "{text}");
    let ask = ["auth", "can-i", "update", "gauges", "--as", "bob", "--files", &files];
    let (code, text) = said(&pintle(ask));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("\"gauges\" is no kind that is declared there"), "{text}");
}

#[tokio::test]
async fn a_start_says_what_it_did_not_find_and_nothing_of_its_own_policy() {
    let server = guarded().await;
    assert!(!server.stderr().contains("not an object"), "{}", server.stderr());
    let dir = tempfile::tempdir().expect("a directory");
    let server = Launch::bare().path(dir.path()).start().await;
    assert!(server.stderr().contains("nothing to load was found there"), "{}", server.stderr());
    // One that is not in use is no fault, and a file that means nothing may be one.
    std::fs::copy(devices().join("policy.yaml"), dir.path().join("policy.yaml")).expect("a copy");
    std::fs::write(dir.path().join("values.yaml"), "a: 1\n").expect("a file");
    let server = Launch::bare().path(dir.path()).start().await;
    let said = server.stderr();
    let about = |file: &str| said.lines().find(|line| line.contains(file)).unwrap_or_default();
    assert!(about("policy.yaml").contains("not in force; --policy"), "{said}");
    assert!(!about("policy.yaml").contains("not an object"), "{said}");
    assert!(about("values.yaml").contains("not an object"), "{said}");
}

/// What a server is started with tells a backup of it where the data is, and options tell more.
#[tokio::test]
async fn a_backup_finds_the_data_by_the_settings_of_the_server() {
    let server = Server::devices().await;
    let dir = tempfile::tempdir().expect("a directory");
    let (site, other) = (dir.path().join("site"), dir.path().join("other.yaml"));
    std::fs::create_dir(&site).expect("a directory");
    let settings = format!("data-dir: {}\nlisten: 127.0.0.1:1\n", server.data_dir().display());
    std::fs::write(site.join("pintle.yaml"), &settings).expect("a file");
    std::fs::write(&other, "data-dir: nowhere\n").expect("a file");
    let text = |path: &Path| path.display().to_string();
    let (data, site, other) = (text(server.data_dir()), text(&site), text(&other));
    let nowhere = text(&dir.path().join("nowhere"));
    for (number, (arguments, expected)) in [
        (vec![&*site], Ok(())),
        (vec!["--data-dir", &data], Ok(())),
        (vec!["--config", &other], Err(nowhere.as_str())),
        (vec![&site, "--config", &other], Err(nowhere.as_str())),
        (vec![&site, "--data-dir", &nowhere], Err(nowhere.as_str())),
        (vec!["--config", &other, "--data-dir", &data], Ok(())),
    ]
    .into_iter()
    .enumerate()
    {
        let file = text(&dir.path().join(format!("{number}.backup")));
        let (code, said) = said(&pintle([&["backup", &file], &arguments[..]].concat()));
        match expected {
            Ok(()) => assert_eq!(code, Some(0), "{arguments:?}: {said}"),
            Err(what) => {
                assert!(code != Some(0) && said.contains(what), "{arguments:?}: {said}");
            }
        }
    }
    std::fs::write(dir.path().join("site/pintle.yaml"), "data-dri: x\n").expect("a file");
    let file = text(&dir.path().join("last.backup"));
    let (code, said) = said(&pintle(["backup", &file, &site]));
    assert!(code == Some(2) && said.contains("data-dri"), "{said}");
}

#[tokio::test]
async fn a_description_from_files_is_that_of_the_server_and_always_the_same() {
    let server = Server::devices().await;
    let files = devices().display().to_string();
    let of_files = pintle(["openapi", &files]);
    assert!(of_files.status.success(), "{}", said(&of_files).1);
    let of_server = pintle(["openapi", "--server", &server.url()]);
    assert_eq!(of_files.stdout, of_server.stdout);
    assert_eq!(pintle(["openapi", &files]).stdout, of_files.stdout);
    let document: Value = serde_json::from_slice(&of_files.stdout).expect("JSON");
    assert!(document.pointer("/paths/~1devices~1{id}~1status").is_some());
    let (code, text) = said(&pintle(["openapi"]));
    assert_eq!(code, Some(2), "{text}");
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("man");
    let (code, text) = said(&pintle([Path::new("man"), &place]));
    assert_eq!(code, Some(0), "{text}");
    let entries = std::fs::read_dir(&place).expect("it was made");
    let pages: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    for page in ["pintle.1", "pintle-serve.1", "pintle-auth-can-i.1", "pintle-backup.1"] {
        assert!(pages.contains(page), "{page} of {pages:?}");
    }
    let serve = std::fs::read_to_string(place.join("pintle-serve.1")).expect("a page");
    assert!(serve.contains("shutdown\\-delay") && serve.contains("PINTLE_LISTEN"), "{serve}");
}

/// Where the kinds of well-known projects are, when they are.
fn crds() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/crds");
    let found = folder.canonicalize().ok();
    if found.is_none() {
        println!("skipped: there is no {}", folder.display());
    }
    found
}

fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// All kinds of all projects in one document: whatever names they share, each operation has its
/// own, and nothing is named that is not there.
#[test]
fn the_kinds_of_all_projects_make_one_description() {
    let Some(crds) = crds() else { return };
    let output = pintle([Path::new("openapi"), &crds]);
    assert!(output.status.success(), "{}", said(&output).1);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let tags = document["tags"].as_array().expect("tags");
    let kinds: Vec<&str> =
        tags.iter().filter_map(|tag| tag["x-pintle-resource"].as_str()).collect();
    let projects =
        std::fs::read_dir(&crds).expect("a folder").map(|it| it.expect("an entry").path());
    let files = projects.filter_map(|project| std::fs::read_dir(project).ok()).flatten();
    let stems = files.filter_map(|file| {
        let path = file.expect("an entry").path();
        let is_kind = path.extension().is_some_and(|it| it == "yaml");
        is_kind.then(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
    });
    let stems: Vec<String> = stems.collect();
    assert!(stems.len() > 100, "{}", stems.len());
    for stem in stems {
        assert!(kinds.contains(&stem.as_str()), "{stem} is not described");
    }
    for kind in &kinds {
        let (plural, group) = kind.split_once('.').unwrap_or((kind, "core"));
        let names = [format!("/{plural}"), format!("/{plural}.{group}")];
        assert!(names.iter().any(|name| paths.contains_key(name)), "{kind} has no path");
    }
    let operations = paths.values().flat_map(|item| item.as_object().expect("an item").values());
    let ids: Vec<&str> = operations.filter_map(|it| it["operationId"].as_str()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "operations share names");
    let mut named = BTreeSet::new();
    references(&document, &mut named);
    assert!(named.len() > kinds.len());
    for reference in named {
        let pointer = reference.strip_prefix('#').expect("references stay in the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}
