//! A log that cannot be written, that is rotated, and whose server is killed.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::log::{Log, check_numbers, find, lines, with_older};
use super::{Audited, SPEC, audited};
use crate::harness::http::Client;
use crate::harness::server::{Launch, devices};
use crate::harness::within;

/// A location that differs each time.
fn spec(number: u64) -> String {
    json!({"spec": {"name": "s", "location": format!("dc-{number}")}}).to_string()
}

#[tokio::test]
async fn nothing_changes_while_it_cannot_be_recorded() {
    let mut audited = audited(&["--audit-wait=300ms"]).await;
    let device = "/devices/dev-123";
    // The directory is gone, and with it the place for a new file.
    let away = audited.directory.path().with_extension("away");
    std::fs::rename(audited.directory.path(), &away).expect("it can be moved");
    // The record of the first write shows that there is a failure.
    audited.send("first", "alice", ("PUT", device, SPEC)).await.expect(200);
    let mut refused = audited.send("second", "alice", ("PUT", device, &spec(1))).await;
    for number in 2.. {
        if refused.status != 200 || number > 100 {
            break;
        }
        refused = audited.send("next", "alice", ("PUT", device, &spec(number))).await;
    }
    let body = refused.expect(503).json();
    assert_eq!((&body["reason"], &body["retryable"]), (&json!("AUDIT_UNAVAILABLE"), &json!(true)));
    assert!(body["error"].as_str().expect("text").contains("audit log"), "{body}");
    let before = audited.send("read", "alice", ("GET", device, "")).await.expect(200).json();
    let create = ("POST", "/devices", r#"{"name":"new","location":"y"}"#);
    audited.send("create", "root", create).await.expect(503);
    audited.send("delete", "root", ("DELETE", device, "")).await.expect(503);
    let status = ("PUT", "/devices/dev-123/status", r#"{"status":{"phase":"Ready"}}"#);
    audited.send("status", "controller", status).await.expect(503);
    let after = audited.send("read", "alice", ("GET", device, "")).await.expect(200).json();
    assert_eq!(before, after, "nothing was written");
    audited.send("none", "alice", ("GET", "/devices/new", "")).await.expect(404);
    assert_eq!(audited.number("pintle_audit_room_refused").await, 1);
    assert!(audited.number("pintle_audit_refused_writes_total").await >= 4);
    assert!(audited.number("pintle_audit_records_waiting").await >= 4);
    flood_with_strangers(&audited).await;
    std::fs::rename(&away, audited.directory.path()).expect("it can be moved back");
    let retried = async {
        while audited.send("last", "alice", ("PUT", device, &spec(1_000))).await.status == 503 {}
    };
    within("the log works again", retried).await;
    assert_eq!(audited.number("pintle_audit_room_refused").await, 0);
    // A disk that stalls for a moment crowds some out, too.
    let lost = audited.number(UNWRITABLE).await + audited.number(CROWDED_OUT).await;
    let records = audited.records().await;
    for (id, outcome) in [
        ("first", "changed"),
        ("create", "failed"),
        ("delete", "failed"),
        ("status", "failed"),
        ("last", "changed"),
    ] {
        let mut of_it = records.iter().filter(|record| record["id"] == id);
        assert!(of_it.any(|record| record["outcome"] == outcome), "{id}: {records:#?}");
    }
    let told = records.iter().filter_map(|record| record["records"].as_u64()).sum::<u64>();
    assert_eq!(told, lost, "what was lost is told in the log as well");
}

const UNWRITABLE: &str = "pintle_audit_records_lost_total{reason=\"unwritable\"}";
const CROWDED_OUT: &str = "pintle_audit_records_lost_total{reason=\"crowded_out\"}";

/// Nobody is let in, and each of them is to be recorded, until there is no more room for that.
async fn flood_with_strangers(audited: &Audited) {
    let flood = async {
        while audited.number(UNWRITABLE).await == 0 {
            for _ in 0..500 {
                audited.send("flood", "", ("GET", "/devices/dev-123", "")).await.expect(401);
            }
        }
    };
    within("records are lost", flood).await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_writes_and_not_reads() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pintle"));
    command.arg("serve").arg(devices()).arg("--data-dir").arg(data.path());
    command.args(["--listen=127.0.0.1:0", "--audit-log=-", "--audit-wait=200ms"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut greeting = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let address = greeting.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, after) = line.split_once("http://")?;
        after.parse::<SocketAddr>().ok()
    });
    let client = Client::new(address.expect("the greeting is on standard error"));
    let put = async |number| {
        let headers = [("content-type", "application/json")];
        client.try_send("PUT", "/devices/dev-123", &headers, spec(number)).await
    };
    let mut number = 0;
    let refused = loop {
        number += 1;
        let reply = within("an answer", put(number)).await.expect("an answer");
        if reply.status != 200 {
            break reply;
        }
    };
    assert_eq!(refused.json()["reason"], "AUDIT_UNAVAILABLE");
    let read = client.try_send("GET", "/devices/dev-123", &[], "").await.expect("an answer");
    assert_eq!(read.json()["spec"]["location"], format!("dc-{}", number - 1));
    let mut records = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let read = std::thread::spawn(move || {
        let records = records.by_ref().map_while(Result::ok);
        let of_writes = records.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        of_writes
            .filter(|record| record["outcome"] == "changed")
            .take(usize::try_from(number).expect("a few"))
            .count()
    });
    let retried = async { while put(number).await.expect("an answer").status == 503 {} };
    within("writes go on when somebody reads", retried).await;
    let read = tokio::task::spawn_blocking(move || read.join());
    let read = within("the records", read).await.expect("no panic").expect("no panic");
    assert_eq!(read as u64, number, "every write that was made has its record");
    child.kill().expect("it runs");
    child.wait().expect("it is our child");
}

const WRITERS: u64 = 4;

/// Writes with names that tell the writer and the number, until the server is gone or `numbers` are
/// written; hands back how many were acknowledged.
async fn write(address: SocketAddr, writer: u64, numbers: u64) -> u64 {
    let client = Client::new(address);
    for number in 0..numbers {
        let id = format!("w{writer}-{number}");
        // A long agent makes long lines, and files that are soon full.
        let agent = "agent".repeat(51);
        let headers = [
            ("content-type", "application/json"),
            ("x-request-id", id.as_str()),
            ("user-agent", agent.as_str()),
        ];
        let path = format!("/devices/dev-{writer}");
        let body = json!({"name": format!("dev-{writer}"), "location": format!("{number}")});
        let (method, path) = if number == 0 { ("POST", "/devices") } else { ("PUT", &*path) };
        let Ok(reply) = client.try_send(method, path, &headers, body.to_string()).await else {
            return number;
        };
        assert!(reply.status < 300, "{}", reply.text());
    }
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_under_load_loses_no_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("audit.log");
    let launch = Launch::devices().arg("--store=memory").arg("--audit-log").arg(&file);
    let mut server = launch.arg("--audit-max-size=1MiB").arg("--audit-keep=5").start().await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(server.client.address, writer, 900));
    }
    // Somebody else rotates as well, and says so in the old way.
    let moved = directory.path().join("moved");
    std::fs::rename(&file, &moved).expect("it is there");
    let hang_up = Command::new("kill").args(["-HUP", &server.pid().to_string()]).status();
    assert!(hang_up.expect("every system has it").success());
    while let Some(done) = writers.join_next().await {
        assert_eq!(done.expect("no panic"), 900);
    }
    assert!(server.stop().await.success());
    let files = with_older(&file);
    assert!(files.len() >= 2, "{files:?}");
    for file in &files {
        let bytes = std::fs::metadata(file).expect("it is there").len();
        assert!(bytes <= 1024 * 1024, "{} has {bytes}", file.display());
    }
    let files = std::iter::once(moved).chain(files);
    let records: Vec<Value> = files.flat_map(|file| lines(&file)).collect();
    check_numbers(&records);
    let written = records.iter().filter(|record| record["outcome"] == "changed").count();
    assert_eq!(written as u64, WRITERS * 900);
    check_order(&records);
}

/// Writes of one object are recorded in the order in which they were made.
fn check_order(records: &[Value]) {
    for writer in 0..WRITERS {
        let name = format!("dev-{writer}");
        let of_it = records.iter().filter(|record| record["name"] == *name);
        let revisions: Vec<u64> =
            of_it.filter_map(|record| record["revision"].as_str()?.parse().ok()).collect();
        assert!(revisions.is_sorted(), "{name}: {revisions:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_only_the_last_records_and_the_next_start_goes_on() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("audit.log");
    let launch = Launch::devices().arg("--audit-log").arg(&file);
    let mut server = launch.start().await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let write = write(server.client.address, writer, u64::MAX);
        writers.spawn(async move { (writer, write.await) });
    }
    while Log::read(&file).records.len() < 300 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.kill_hard();
    let before = Log::read(&file);
    assert!(before.torn <= 1);
    check_numbers(&before.records);
    while let Some(done) = writers.join_next().await {
        let (writer, acknowledged) = done.expect("no panic");
        let found = |number: &u64| find(&before.records, &format!("w{writer}-{number}")).is_some();
        let recorded = (0..acknowledged).take_while(found).count() as u64;
        let later = (recorded..acknowledged).filter(found).count();
        assert_eq!(later, 0, "of writer {writer} only the last records are missing");
        assert!(recorded > 0, "{writer}");
    }
    // As a kill in the middle of a line leaves it.
    let mut torn = std::fs::read(&file).expect("it is there");
    torn.extend_from_slice(b"{\"seq\":99,\"v\":1,\"ki");
    std::fs::write(&file, torn).expect("it can be written");
    server.start_again().await;
    assert!(server.stop().await.success());
    let after = Log::read(&file);
    assert_eq!(after.torn, before.torn + 1);
    let new = after.records.get(before.records.len()..).unwrap_or_default();
    assert_eq!(new.first().map(|it| &it["kind"]), Some(&json!("started")));
    let revision = new.first().and_then(|it| it["revision"].as_str()?.parse::<u64>().ok());
    let last = before.records.iter().filter_map(|it| it["revision"].as_str()?.parse::<u64>().ok());
    assert!(revision >= last.max(), "it tells what was written without a record");
}

#[test]
fn a_log_that_cannot_be_is_told_at_the_start() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (file, option, expected) in [
        ("no/such/audit.log", "--audit-level=all", "cannot be written\n  because: No such file"),
        ("", "--audit-level=all", "cannot be written\n  because: it is not a regular file"),
        ("audit.log", "--audit-max-size=1", "at least 1MiB, or 0"),
        ("audit.log", "--audit-keep=0", "0 is not in 1..=1000"),
        ("audit.log", "--audit-level=some", "possible values: writes, all"),
    ] {
        let launch = Launch::devices().arg("--audit-log").arg(directory.path().join(file));
        let output = launch.arg(option).output();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{file} {option}: {said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    }
}
