//! What a small status change of a large object costs on disk.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a failed assumption is a failed test, and the numbers are small"
)]

use pintle_model::{Change, Json, Put};
use pintle_store::conformance::{change, commit, created, key, put_status};
use pintle_store::{HistoryLimits, Store as _};
use pintle_store_sqlite::SqliteStore;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

const CHANGES: u32 = 300;

fn body() -> Json {
    Json::from_value(&json!({"spec": "x".repeat(15_000)}))
}

/// About 200 bytes, of varying length as statuses are.
fn phase(n: u32) -> String {
    "y".repeat(170 + n as usize % 40)
}

fn large() -> Change {
    let Put::Create { metadata, .. } = created(&key("a")).put else { unreachable!("it creates") };
    change(&key("a"), None, Put::Create { metadata, body: body(), status: None })
}

/// How many frames the WAL has: each is a page that a commit wrote.
fn frames(file: &Connection) -> i64 {
    file.query_one("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1)).unwrap()
}

/// How many bytes the rows of a table take, without the room left in its pages.
fn payload(file: &Connection, table: &str) -> i64 {
    let sql = "SELECT sum(payload) FROM dbstat WHERE name = ?1";
    file.query_one(sql, [table], |row| row.get(0)).unwrap()
}

/// What this process has made the disk write so far; zero where the system does not say.
fn device_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// What one status change costs.
struct Cost {
    /// Pages of the write-ahead log.
    frames: f64,
    /// Bytes that the disk was made to write, with everything that is written later: what a commit
    /// leaves for a checkpoint is written before the count ends.
    device: f64,
}

/// The cost, and the bytes of a log row.
async fn ours() -> (Cost, f64) {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path(), HistoryLimits::default()).unwrap();
    let mut object = commit(&store, vec![large()]).await.remove(0);
    let file = Connection::open(dir.path().join("pintle.db")).unwrap();
    let before = (frames(&file), payload(&file, "log"), device_bytes());
    for n in 0..CHANGES {
        object = commit(&store, vec![put_status(&object, &phase(n))]).await.remove(0);
    }
    let each = |now: i64, then: i64| (now - then) as f64 / f64::from(CHANGES);
    let (frames, row) = (each(frames(&file), before.0), each(payload(&file, "log"), before.1));
    drop(file);
    store.close().await.unwrap();
    drop(store);
    let device = (device_bytes() - before.2) as f64 / f64::from(CHANGES);
    (Cost { frames, device }, row)
}

/// The cost where an object is one row, and the log says only that it changed.
fn rewriting() -> Cost {
    let dir = TempDir::new().unwrap();
    let file = Connection::open(dir.path().join("other.db")).unwrap();
    file.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
         CREATE TABLE objects (key TEXT PRIMARY KEY, revision INTEGER, value BLOB);
         CREATE TABLE log (revision INTEGER PRIMARY KEY, key TEXT);
         INSERT INTO objects VALUES ('a', 1, '');",
    )
    .unwrap();
    let before = (frames(&file), device_bytes());
    for n in 0..CHANGES {
        // The status stands first, as a field that changes may.
        let value = format!("{{\"status\":{{\"phase\":\"{}\"}},{:?}}}", phase(n), body());
        file.execute_batch("BEGIN").unwrap();
        file.execute("UPDATE objects SET revision = ?1, value = ?2", (n, value.as_bytes()))
            .unwrap();
        file.execute("INSERT INTO log VALUES (?1, 'a')", [n]).unwrap();
        file.execute_batch("COMMIT").unwrap();
    }
    let frames = (frames(&file) - before.0) as f64 / f64::from(CHANGES);
    file.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let device = (device_bytes() - before.1) as f64 / f64::from(CHANGES);
    Cost { frames, device }
}

#[tokio::test]
async fn a_status_change_costs_what_a_status_is() {
    let (ours, row) = ours().await;
    let theirs = rewriting();
    println!(
        "a log row of {row:.0} bytes; {:.2} pages and {:.0} device bytes a change, {:.2} and {:.0} \
         when rewriting",
        ours.frames, ours.device, theirs.frames, theirs.device
    );
    assert!(row <= 1_000.0, "{row}");
    assert!(ours.frames * 2.0 <= theirs.frames, "{} against {}", ours.frames, theirs.frames);
    // A file system in memory writes to no device, and there is nothing to compare.
    assert!(ours.device * 2.0 <= theirs.device, "{} against {}", ours.device, theirs.device);
}
