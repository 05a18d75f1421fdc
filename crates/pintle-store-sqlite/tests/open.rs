//! What opening refuses, and how it says so.

#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::sync::Arc;

use pintle_model::{Change, Flips, Manner, Put, Revision, StatusPut, Timestamp};
use pintle_store::conformance::{change, commit, created, key};
use pintle_store::{HistoryLimits, Store, StoreError, TailQuery};
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
    check(&["newer version", "schema 7", "up to 5"], run("PRAGMA user_version = 7"));
    check(&["not a Pintle database"], run("PRAGMA application_id = 7"));
    check(&["damaged", "goes on at 2, not at 1"], run("DELETE FROM log WHERE revision = 1"));
    check(
        &["damaged", "metadata", "revision 2"],
        run("UPDATE log SET metadata = x'7b' WHERE revision = 2"),
    );
    check(
        &["damaged", "revision 1 is missing"],
        run("UPDATE log SET name = NULL WHERE revision = 1"),
    );
    check(&["damaged", "revision 1", "checksums"], run("UPDATE log SET wrote = 3"));
    check(&["damaged", "unknown object"], run("UPDATE log SET object = 9 WHERE revision = 2"));
}

#[test]
fn changed_values_are_refused() {
    let altered = |what, sql| {
        let run = |file: &Connection| assert_eq!(file.execute(sql, []).unwrap(), 1, "{sql}");
        check(&["damaged", what, "revision 2", "checksum"], run);
    };
    altered("the body of lab/b", "UPDATE log SET body = x'7b7d' WHERE revision = 2");
    altered("the body of lab/b", "UPDATE log SET body = NULL WHERE revision = 2");
    altered("the body of lab/b", "UPDATE log SET body = x'' WHERE revision = 2");
    altered("the status of lab/b", "UPDATE log SET status = x'7b7d' WHERE revision = 2");
    altered("the metadata of lab/c", "UPDATE log SET name = 'c' WHERE revision = 2");
    altered("the metadata of lab/b", "UPDATE log SET at = at + 1 WHERE revision = 2");
    altered("the removal", "UPDATE log SET wrote = 14 WHERE revision = 2");
    altered("the metadata of lab/b", "UPDATE log SET metadata_sum = 7 WHERE revision = 2");
}

#[tokio::test]
async fn changed_values_are_refused_wherever_they_are() {
    let dir = TempDir::new().unwrap();
    let limits = HistoryLimits { memory_bytes_max: 0, ..HistoryLimits::default() };
    let open = || SqliteStore::open(dir.path(), limits);
    let store = open().unwrap();
    commit(&store, vec![created(&key("a"))]).await;
    let file = Connection::open(dir.path().join("pintle.db")).unwrap();
    file.execute("UPDATE log SET body = x'7b7d'", []).unwrap();
    let query = TailQuery { resource: None, after: Revision::ZERO, limit: 9 };
    let error = store.tail(query).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
    // Folding takes the value along with its checksum.
    while store.compact(Timestamp(i64::MAX)).await.unwrap().more {}
    store.close().await.unwrap();
    let lanes = file.query_one("SELECT count(*) FROM lanes", [], |row| row.get::<_, i64>(0));
    assert_eq!(lanes.unwrap(), 3);
    drop(file);
    let error = open().unwrap_err().to_string();
    assert!(error.contains("the body of lab/a written by revision 1"), "{error}");
}

/// Shortens a closed store's file to what `bytes` makes of its length, and opens it again.
fn cut(dir: &TempDir, bytes: impl FnOnce(u64) -> u64) -> Result<SqliteStore, OpenError> {
    drop(open(dir).unwrap());
    let file = std::fs::File::options().write(true).open(dir.path().join("pintle.db")).unwrap();
    file.set_len(bytes(file.metadata().unwrap().len())).unwrap();
    open(dir)
}

#[test]
fn a_file_of_another_length_is_refused() {
    for change in [-1, -4_096, 1, 4_096] {
        let dir = TempDir::new().unwrap();
        let error = cut(&dir, |bytes| bytes.strict_add_signed(change)).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{change}: {error}");
        let text = error.to_string();
        assert!(text.contains("header says") && text.contains("backup"), "{text}");
    }
}

#[test]
fn a_database_that_is_gone_is_missed() {
    let gone = |error: &OpenError| matches!(error, OpenError::Lost { .. });
    let dir = TempDir::new().unwrap();
    assert!(gone(&cut(&dir, |_| 0).unwrap_err()));
    let file = dir.path().join("pintle.db");
    std::fs::remove_file(&file).unwrap();
    let error = open(&dir).unwrap_err();
    assert!(gone(&error), "{error}");
    for part in ["pintle.db", "pintle.lock", "backup", "delete"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(!file.exists(), "it is not made by looking");
    // As a crash would leave it whose WAL somebody deleted.
    Connection::open(&file).unwrap().pragma_update(None, "journal_mode", "WAL").unwrap();
    assert!(gone(&open(&dir).unwrap_err()));
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(dir.path().join("pintle.lock")).unwrap();
    drop(open(&dir).unwrap());
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

#[tokio::test]
async fn files_of_the_version_before_are_brought_up_to_date() {
    let dir = TempDir::new().unwrap();
    let file = Connection::open(dir.path().join("pintle.db")).unwrap();
    file.execute_batch(include_str!("data/version-2.sql")).unwrap();
    drop(file);
    for _ in 0..2 {
        let store = open(&dir).unwrap();
        let query = TailQuery { resource: None, after: Revision::ZERO, limit: 6 };
        let events = store.tail(query).await.unwrap().events;
        let told: Vec<_> =
            events.iter().map(|event| (event.manner, event.flips.is_empty())).collect();
        assert_eq!(told, [(Manner::Replaced, true); 6]);
        let status = store.peek(&key("a")).unwrap().status.clone().unwrap();
        assert_eq!(status.to_value(), serde_json::json!({"phase": "two"}));
        store.close().await.unwrap();
    }
    let store = open(&dir).unwrap();
    let before = store.peek(&key("a")).unwrap();
    let flips = Flips { before: [("Ready".to_owned(), None)].into() };
    let put = StatusPut { status: None, ledger: None, flips: flips.clone() };
    let patch = change(&key("a"), Some(&before), Put::Status(put));
    commit(&store, vec![Change { manner: Manner::Patched, ..patch }]).await;
    store.close().await.unwrap();
    drop(store);
    let store = open(&dir).unwrap();
    let query = TailQuery { resource: None, after: Revision(6), limit: 6 };
    let events = store.tail(query).await.unwrap().events;
    let told: Vec<_> = events.iter().map(|event| (event.manner, event.flips.clone())).collect();
    assert_eq!(told, [(Manner::Patched, flips)]);
}

/// Format 5 notes in which version of its kind a value is; what is older has none, and its
/// checksum.
#[tokio::test]
async fn values_of_format_4_have_no_version() {
    let dir = TempDir::new().unwrap();
    let file = Connection::open(dir.path().join("pintle.db")).unwrap();
    file.execute_batch(include_str!("data/version-2.sql")).unwrap();
    drop(file);
    drop(open(&dir).unwrap());
    let file = Connection::open(dir.path().join("pintle.db")).unwrap();
    file.execute_batch(
        "ALTER TABLE log DROP COLUMN version; ALTER TABLE lanes DROP COLUMN version;
         PRAGMA user_version = 4;",
    )
    .unwrap();
    drop(file);
    let store = open(&dir).unwrap();
    let old = store.peek(&key("a")).unwrap();
    assert_eq!((&old.body_version, &old.status_version), (&None, &None));
    let put = StatusPut { status: None, ledger: None, flips: Flips::default() };
    commit(&store, vec![change(&key("a"), Some(&old), Put::Status(put))]).await;
    store.close().await.unwrap();
    drop(store);
    let new = open(&dir).unwrap().peek(&key("a")).unwrap();
    assert_eq!((new.body_version.as_deref(), new.status_version.as_deref()), (None, Some("v1")));
}

#[tokio::test]
async fn changed_words_about_a_write_are_refused() {
    for (what, sql) in [
        ("asked for", "UPDATE log SET wrote = wrote - 16"),
        ("asked for", "UPDATE log SET wrote = wrote - 32"),
        ("conditions of revision 2", "UPDATE flips SET value = x'7b7d'"),
        ("conditions of revision 2", "UPDATE flips SET sum = sum + 1"),
        ("conditions that revision 2", "DELETE FROM flips"),
    ] {
        let dir = TempDir::new().unwrap();
        let limits = HistoryLimits { memory_bytes_max: 0, ..HistoryLimits::default() };
        let store = SqliteStore::open(dir.path(), limits).unwrap();
        let made = commit(&store, vec![created(&key("a"))]).await.remove(0);
        let flips = Flips { before: [("Ready".to_owned(), None)].into() };
        let put = Put::Status(StatusPut { status: None, ledger: None, flips });
        let patch = change(&key("a"), Some(&made), put);
        commit(&store, vec![Change { manner: Manner::Patched, ..patch }]).await;
        let file = Connection::open(dir.path().join("pintle.db")).unwrap();
        file.execute(&format!("{sql} WHERE revision = 2"), []).unwrap();
        let query = TailQuery { resource: None, after: Revision(1), limit: 9 };
        let error = store.tail(query).await.unwrap_err();
        assert!(error.to_string().contains(what), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_directory_that_is_made_is_for_its_maker_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("a/b");
    let store = SqliteStore::open(&dir, HistoryLimits::default()).unwrap();
    let mode = std::fs::metadata(&dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    store.close().await.unwrap();
}
