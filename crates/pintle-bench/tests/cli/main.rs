//! The program as its users run it, against its own constant server and against a small fake of the
//! REST door. Nothing here looks at a clock: how fast things go is not for a test to say.

mod fake;

use std::process::{Command, Output};

use fake::{Fake, Flaw};

const QUICK: &[&str] = &["--connections", "2", "--seconds", "0.2", "--warmup", "0.05"];

fn bench(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_pintle-bench")).args(arguments).output();
    output.expect("the program starts")
}

fn stdout_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The cells of the rows under the first table's heading.
fn rows(output: &Output) -> Vec<Vec<String>> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
    stdout_of(output).lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

fn number(cell: &str) -> u64 {
    cell.replace(',', "").parse().expect("the cell is a number")
}

#[test]
fn the_ceiling_is_measured_for_writes_and_reads() {
    let output = bench(&[&["ceiling"], QUICK].concat());
    assert!(output.status.success(), "{}", stderr_of(&output));
    let rows = rows(&output);
    assert_eq!(rows.len(), 2);
    for (row, name) in rows.iter().zip(["constant PUT", "constant GET"]) {
        assert_eq!(row[1], name);
        assert_eq!(row[2], "2");
        assert!(number(&row[3]) > 0, "{row:?}");
        assert_eq!(row[8], "1800");
        assert_eq!(row[12], "none");
    }
}

#[test]
fn every_load_runs_against_a_server_that_is_given_and_leaves_nothing_behind() {
    let cases: [(&[&str], &str); 5] = [
        (&["status-put"], "status PUT"),
        (&["status-put", "--if-match"], "status PUT, If-Match"),
        (&["patch-status"], "status PATCH"),
        (&["get"], "GET"),
        (&["list", "--limit", "3"], "LIST"),
    ];
    for (command, name) in cases {
        let server = Fake::start(Flaw::None);
        let output = bench(&[command, &["--url", &server.url()], QUICK].concat());
        assert!(output.status.success(), "{name}: {}", stderr_of(&output));
        let rows = rows(&output);
        assert_eq!(rows[0][1], name);
        assert!(number(&rows[0][3]) > 0, "{name}");
        assert_eq!(server.objects(), 0, "{name}");
    }
}

fn watch(flaw: Flaw) -> Output {
    let server = Fake::start(flaw);
    let arguments = ["watch", "--watchers", "5", "--writes-per-second", "100", "--seconds", "0.3"];
    bench(&[&arguments[..], &["--writers", "2", "--url", &server.url()]].concat())
}

#[test]
fn every_watcher_has_each_write_once() {
    let output = watch(Flaw::None);
    assert!(output.status.success(), "{}", stderr_of(&output));
    let rows = rows(&output);
    assert_eq!(rows[0][6], "150 / 150");
    assert_eq!(rows[0][7..10], ["0", "0", "0"]);
}

#[test]
fn an_event_that_comes_twice_is_noticed() {
    let output = watch(Flaw::RepeatsEvents);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(rows(&output)[0][7], "150");
    assert!(stderr_of(&output).contains("events were lost"), "{}", stderr_of(&output));
}

#[test]
fn a_watch_that_ends_early_is_noticed() {
    let output = watch(Flaw::EndsWatches);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(rows(&output)[0][9], "5");
}

#[test]
fn a_write_that_the_server_refuses_stops_the_run_with_its_reason() {
    let server = Fake::start(Flaw::RefusesStatus);
    let output = bench(&[&["status-put", "--url", &server.url()], QUICK].concat());
    assert_eq!(output.status.code(), Some(1));
    let text = stderr_of(&output);
    assert!(text.contains("422") && text.contains("not like this"), "{text}");
    assert_eq!(server.objects(), 0);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let output = bench(&[&["get", "--server", "no/such/pintle"], QUICK].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr_of(&output).contains("no/such/pintle"), "{}", stderr_of(&output));
}
