//! How many durable status changes a second, and what each of them costs.
//!
//! `cargo run --release -p pintle-store-sqlite --example commit_rate [DIR]`
//!
//! Each committer changes its own ten objects of 1.5 kB in turn and waits for each answer. The last
//! row is SQLite alone, doing the same insert in a transaction of its own.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program for whoever works on the store: it prints, and stops at what goes wrong"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pintle_model::{Change, Flips, Json, Put, StatusPut};
use pintle_store::conformance::{change, commit, created, key};
use pintle_store::{HistoryLimits, Store};
use pintle_store_sqlite::SqliteStore;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

const OBJECTS_EACH: usize = 10;
const WARM_UP: Duration = Duration::from_millis(500);
const RUN: Duration = Duration::from_secs(4);

fn main() {
    let place =
        std::env::args().nth(1).unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap();
    println!(
        "committers   changes/s   a commit   p50 us   p99 us   max ms   device B each   WAL MiB"
    );
    for committers in [1, 16, 64, 256] {
        let dir = TempDir::new_in(&place).unwrap();
        let row = runtime.block_on(measure(dir.path(), committers));
        println!("{committers:>10} {row}");
    }
    let dir = TempDir::new_in(&place).unwrap();
    println!("{:>10} {}", "SQLite", raw(dir.path()));
}

async fn measure(dir: &Path, committers: usize) -> String {
    let store = Arc::new(SqliteStore::open(dir, HistoryLimits::default()).unwrap());
    let keys = (0..committers * OBJECTS_EACH).map(|n| key(&format!("object-{n}")));
    commit(&*store, keys.map(|key| large(&key)).collect()).await;
    let start = Instant::now() + WARM_UP;
    let tasks = (0..committers).map(|n| tokio::spawn(change_in_turn(Arc::clone(&store), n, start)));
    let tasks: Vec<_> = tasks.collect();
    tokio::time::sleep_until(start.into()).await;
    let (info, bytes) = (store.info(), device_bytes());
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.unwrap());
    }
    let (info_after, bytes) = (store.info(), device_bytes() - bytes);
    let changes = info_after.changes - info.changes;
    let a_commit = changes as f64 / (info_after.commits - info.commits) as f64;
    row(&mut waits, changes, a_commit, bytes, &dir.join("pintle.db-wal"))
}

async fn change_in_turn(
    store: Arc<SqliteStore>,
    committer: usize,
    start: Instant,
) -> Vec<Duration> {
    let keys = (0..OBJECTS_EACH).map(|n| key(&format!("object-{}", committer * OBJECTS_EACH + n)));
    let mut waits = Vec::new();
    for (round, key) in keys.collect::<Vec<_>>().iter().cycle().enumerate() {
        let asked = Instant::now();
        if asked > start + RUN {
            break;
        }
        let before = store.peek(key).unwrap();
        let (status, flips) = (Some(status(round)), Flips::default());
        let put = Put::Status(StatusPut { status, ledger: None, flips });
        commit(&*store, vec![change(key, Some(&before), put)]).await;
        if asked > start {
            waits.push(asked.elapsed());
        }
    }
    waits
}

fn large(key: &pintle_model::ObjectKey) -> Change {
    let Put::Create { metadata, .. } = created(key).put else { unreachable!("it creates") };
    let body = Json::from_value(&json!({"spec": "x".repeat(1_000)}));
    change(key, None, Put::Create { metadata, body, status: Some(status(0)) })
}

/// 370 bytes.
fn status(round: usize) -> Json {
    Json::from_value(&json!({"phase": format!("{round:08}"), "text": "y".repeat(334)}))
}

/// SQLite with the same settings and the same row, one transaction each.
fn raw(dir: &Path) -> String {
    let file = Connection::open(dir.join("pintle.db")).unwrap();
    file.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE log (revision INTEGER PRIMARY KEY, object INTEGER, at INTEGER, status BLOB);",
    )
    .unwrap();
    let (start, bytes) = (Instant::now(), device_bytes());
    let mut waits = Vec::new();
    while start.elapsed() < RUN {
        let asked = Instant::now();
        let status = status(waits.len());
        let mut insert =
            file.prepare_cached("INSERT INTO log (object, at, status) VALUES (7, 8, ?1)").unwrap();
        insert.execute([&**status.as_bytes()]).unwrap();
        waits.push(asked.elapsed());
    }
    let (changes, bytes) = (waits.len() as u64, device_bytes() - bytes);
    row(&mut waits, changes, 1.0, bytes, &dir.join("pintle.db-wal"))
}

fn row(waits: &mut [Duration], changes: u64, a_commit: f64, bytes: u64, wal: &Path) -> String {
    waits.sort_unstable();
    let at = |part: usize| waits.get(waits.len() * part / 1_000).map_or(0, Duration::as_micros);
    let rate = changes as f64 / RUN.as_secs_f64();
    let max = waits.last().map_or(0.0, |max| max.as_secs_f64() * 1_000.0);
    let each = bytes.checked_div(changes).unwrap_or(0);
    let wal = std::fs::metadata(wal).map_or(0, |wal| wal.len()) >> 20;
    let (p50, p99) = (at(500), at(990));
    format!("{rate:>11.0} {a_commit:>10.1} {p50:>8} {p99:>8} {max:>8.1} {each:>15} {wal:>9}")
}

/// What this process has made the disk write so far; zero where the system does not say.
fn device_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}
