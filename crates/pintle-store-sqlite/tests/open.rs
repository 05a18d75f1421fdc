//! What opening refuses, and how it says so.

#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::sync::Arc;

use pintle_store::conformance::{commit, created, key};
use pintle_store::{HistoryLimits, Store};
use pintle_store_sqlite::{OpenError, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

fn open(dir: &TempDir) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(dir.path(), HistoryLimits::default())
}

/// Opens a directory whose database `spoil` has changed, and checks the refusal's text.
fn check(expected: &[&str], spoil: impl FnOnce(&Connection)) {
    let dir = TempDir::new().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Arc::new(open(&dir).unwrap());
        commit(&*store, vec![created(&key("a")), created(&key("b"))]).await;
        store.close().await.unwrap();
    });
    spoil(&Connection::open(dir.path().join("pintle.db")).unwrap());
    let text = open(&dir).unwrap_err().to_string();
    for part in expected.iter().chain(&["pintle.db"]) {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn spoiled_files_are_refused() {
    let run = |sql: &'static str| move |file: &Connection| file.execute_batch(sql).unwrap();
    check(&["newer version", "schema 7", "up to 1"], run("PRAGMA user_version = 7"));
    check(&["not a Pintle database"], run("PRAGMA application_id = 7"));
    check(&["damaged", "goes on at 2, not at 1"], run("DELETE FROM log WHERE revision = 1"));
    check(
        &["damaged", "metadata", "revision 2"],
        run("UPDATE log SET metadata = x'7b' WHERE revision = 2"),
    );
    check(
        &["damaged", "revision 1 is missing"],
        run("UPDATE log SET body = NULL WHERE revision = 1"),
    );
    check(&["damaged", "lane missing"], run("UPDATE log SET wrote = 3"));
    check(&["damaged", "unknown object"], run("UPDATE log SET object = 9 WHERE revision = 2"));
}

#[test]
fn another_file_is_not_touched() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("pintle.db");
    std::fs::write(&file, "somebody's notes, which are long enough to be read as a header")
        .unwrap();
    assert!(matches!(open(&dir), Err(OpenError::NotOurs { .. })));
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("somebody's notes"));
}

#[test]
fn a_directory_has_one_server() {
    let dir = TempDir::new().unwrap();
    let first = open(&dir).unwrap();
    let error = open(&dir).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    drop(first);
    drop(open(&dir).unwrap());
    std::fs::write(dir.path().join("file"), "").unwrap();
    let inside = SqliteStore::open(&dir.path().join("file/x"), HistoryLimits::default());
    assert!(matches!(inside, Err(OpenError::Directory { .. })));
}

#[test]
fn a_crash_while_the_file_was_made_does_no_harm() {
    let dir = TempDir::new().unwrap();
    let file = Connection::open(dir.path().join("pintle.db")).unwrap();
    file.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(file);
    drop(open(&dir).unwrap());
    drop(open(&dir).unwrap());
}
