//! Backups from outside: made while others write, restored elsewhere, cut off in the middle; and
//! what `pintle check` says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::http::Client;
use crate::harness::running::without_settings;
use crate::harness::server::{Launch, Server, devices};

fn pintle(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pintle"));
    without_settings(&mut command);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the program to its end, beside the requests of the test.
async fn run(command: Command) -> Output {
    let mut command = command;
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    output.expect("nothing panics there").expect("the program starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}

async fn back_up(data: &Path, file: &Path) {
    let output = run(pintle(&["backup", text(file), "--data-dir", text(data)])).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A server over what a backup holds.
async fn restored(file: &Path) -> Server {
    let mut server = Launch::bare().start().await;
    assert!(server.stop().await.success());
    let arguments = ["restore", text(file), "--replace", "--data-dir", text(server.data_dir())];
    let output = run(pintle(&arguments)).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    server.start_again().await;
    server
}

const WRITERS: usize = 4;

/// Writes spec and status in turn, and now and then removes and makes the object anew.
async fn write(client: Client, writer: usize, stop: Arc<AtomicBool>) {
    let headers = [("content-type", "application/json")];
    let path = format!("/devices/racer-{writer}");
    let send = async |method, path: &str, body: Value| {
        let reply = client.try_send(method, path, &headers, body.to_string()).await;
        let reply = reply.expect("the server runs");
        assert!(reply.status < 300, "{}", reply.text());
    };
    for number in 0.. {
        let spec = json!({"name": format!("racer-{writer}"), "location": format!("{number}")});
        match number % 10 {
            0 => send("POST", "/devices", spec).await,
            9 => send("DELETE", &path, json!({})).await,
            odd if odd % 2 == 1 => send("PUT", &path, spec).await,
            _ => {
                let status = json!({"status": {"message": format!("{number}")}});
                send("PUT", &format!("{path}/status"), status).await;
            }
        }
        if stop.load(Ordering::SeqCst) && number > 20 {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_the_same_objects_versions_and_history() {
    let server = Server::devices().await;
    let list = server.get("/devices").await.expect(200).json();
    let start = list[0]["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(Client::new(server.client.address), writer, Arc::clone(&stop)));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("devices.backup");
    back_up(server.data_dir(), &file).await;
    let said = run(pintle(&["check", "--backup", text(&file)])).await;
    let said = String::from_utf8(said.stdout).expect("UTF-8");
    let (_, after) = said.split_once("good, revision ").expect("it is sound");
    let newest = after.split(' ').next().expect("a number");
    let newest: u64 = newest.parse().expect("a number");
    stop.store(true, Ordering::SeqCst);
    while let Some(done) = writers.join_next().await {
        done.expect("writers do not panic");
    }
    let path = format!("/devices?watch=true&resourceVersion={start}");
    let all = events(&server, &path).await;
    let truth: Vec<_> = all.iter().filter(|(version, ..)| *version <= newest).cloned().collect();
    assert!(truth.len() > WRITERS && truth.len() < all.len(), "writers raced");
    let elsewhere = restored(&file).await;
    // Every object, byte by byte: what the original said of it at that revision.
    let mut expected = BTreeMap::new();
    expected.insert("dev-123".to_owned(), list[0].to_string());
    for (_, kind, object) in &truth {
        let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
        expected.insert(name.clone(), object.to_string());
        if kind == "DELETED" {
            expected.remove(&name);
        }
    }
    let found = elsewhere.get("/devices").await.expect(200).json();
    let found = found.as_array().expect("a list").iter();
    let name = |object: &Value| object["metadata"]["name"].as_str().expect("a name").to_owned();
    let found: BTreeMap<_, _> = found.map(|object| (name(object), object.to_string())).collect();
    assert_eq!(found, expected);
    // A watch from before the backup goes on as if nothing had happened.
    assert_eq!(events(&elsewhere, &path).await, truth);
    // One that has seen what the backup has not is told so, instead of a history that is not its
    // own.
    let (last, ..) = all.last().expect("there are events");
    let mut watch = elsewhere.watch(&format!("/devices?watch=true&resourceVersion={last}")).await;
    let told = watch.event().await;
    assert_eq!((told.kind.as_str(), &told.object["code"]), ("ERROR", &json!(410)));
    // And no version is given out twice.
    let spec = json!({"name": "new", "location": "x"});
    assert!(elsewhere.post("/devices", &spec).await.expect(201).version() > *last);
}

/// All events after a version, as they are now: a write of our own tells the end.
async fn events(server: &Server, path: &str) -> Vec<(u64, String, Value)> {
    let path = format!("{path}&timeoutSeconds=1");
    let mut watch = server.watch(&path).await;
    let mut events = Vec::new();
    while let Some(event) = watch.next().await {
        if event.kind != "BOOKMARK" {
            events.push((event.version(), event.kind.clone(), event.object.clone()));
        }
    }
    events
}

#[tokio::test]
async fn a_backup_that_is_killed_leaves_no_half_file() {
    let server = Server::devices().await;
    // Large enough for a kill to come in the middle.
    for number in 0..40 {
        let text = "x".repeat(200_000);
        let spec =
            json!({"name": format!("large-{number}"), "location": "x", "config": {"a": text}});
        server.post("/devices", &spec).await.expect(201);
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("devices.backup");
    let mut cut_off = 0;
    for delay_ms in [1, 3, 5, 8, 12, 20, 30, 50] {
        let arguments = ["backup", text(&file), "--data-dir", text(server.data_dir())];
        let mut child = pintle(&arguments).stdout(Stdio::null()).spawn().expect("it starts");
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
        if file.exists() {
            let said = run(pintle(&["check", "--backup", text(&file)])).await;
            assert!(said.status.success(), "what has the name is whole");
            std::fs::remove_file(&file).expect("it is there");
        } else {
            cut_off += 1;
        }
    }
    assert!(cut_off > 0, "some were killed in the middle");
    back_up(server.data_dir(), &file).await;
    let left = std::fs::read_dir(directory.path()).expect("it can be listed").count();
    assert_eq!(left, 1, "what they left is gone");
}

/// What `pintle ARGUMENTS` says, and its exit code.
async fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(pintle(arguments)).await;
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("UTF-8"))
}

#[tokio::test]
async fn a_check_says_what_a_start_would() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = |name: &str| directory.path().join(name);
    let write = |name: &str, text: &str| -> PathBuf {
        std::fs::write(place(name), text).expect("it can be written");
        place(name)
    };
    let (devices, none) = (devices(), place("none"));
    let tokens = write("tokens.csv", "short\n");
    let policy = write("policy.yaml", "- role: a\n  permissions: [nonsense]\n");
    let manifest = write("thing.yaml", "apiVersion: a/v1\nkind: Thing\nmetadata: {name: x}\n");
    let data = format!("--data-dir={}", none.display());
    let option = |name: &str, file: &Path| format!("--{name}={}", file.display());
    for (argument, expected) in [
        (String::new(), "settings and files: good, 2 documents\ndatabase: none in"),
        (option("tokens", &tokens), "error: "),
        (option("policy", &policy), "policy.yaml, line 1"),
        (option("tokens", &place("missing")), "cannot read"),
        ("--listen=0.0.0.0:1".to_owned(), "can be reached from other machines"),
        ("--history-age=5".to_owned(), "--history-age"),
        (text(&manifest).to_owned(), "thing.yaml, document 1"),
    ] {
        let mut arguments = vec!["check", text(&devices), &data];
        arguments.extend(Some(argument.as_str()).filter(|argument| !argument.is_empty()));
        let (code, said) = said(&arguments).await;
        assert!(said.contains(expected), "{argument}: {said}");
        assert_eq!(code, Some(if argument.is_empty() { 0 } else { 2 }), "{said}");
    }
    assert!(!none.exists(), "a check leaves no trace");
}

#[tokio::test]
async fn a_check_reads_the_database() {
    let mut server = Server::devices().await;
    let option = format!("--data-dir={}", server.data_dir().display());
    let (code, found) = said(&["check", &option]).await;
    assert!(found.contains("database: good, revision "), "{found}");
    assert_eq!(code, Some(0), "also while a server runs");
    assert!(server.stop().await.success());
    let file = server.data_dir().join("pintle.db");
    let whole = std::fs::read(&file).expect("it is there");
    std::fs::write(&file, &whole[..whole.len() - 100]).expect("it can be written");
    let (code, found) = said(&["check", &option]).await;
    assert!(found.contains("is damaged") && found.contains("restore it from a backup"), "{found}");
    assert_eq!(code, Some(2));
    std::fs::remove_file(&file).expect("it is there");
    let (code, found) = said(&["check", &option]).await;
    assert!(found.contains("is missing or empty"), "{found}");
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn shells_can_complete_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script) = said(&["completions", shell]).await;
        assert_eq!(code, Some(0), "{script}");
        assert!(script.contains("history-age") && script.contains("restore"), "{shell}");
    }
    let syntax = "bash -n <(pintle completions bash)";
    let program = Path::new(env!("CARGO_BIN_EXE_pintle")).parent().expect("a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = Command::new("bash");
    bash.args(["-c", syntax]).env("PATH", format!("{}:{path}", program.display()));
    assert!(bash.status().expect("bash starts").success());
}
