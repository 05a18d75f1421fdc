//! How long a start takes, and how much memory the objects take.
//!
//! `cargo run --release -p pintle-store-sqlite --example start [OBJECTS]`
//!
//! Fills a store, then opens it in a new process.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for whoever works on the store: it prints, and stops at what goes wrong"
)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use pintle_model::{Change, Json, Metadata, ObjectKey, Put};
use pintle_store::conformance::{change, commit, created, device};
use pintle_store::{HistoryLimits, Store};
use pintle_store_sqlite::SqliteStore;
use serde_json::json;
use tempfile::TempDir;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_else(|| "100000".to_owned());
    if first == "open" {
        return open(Path::new(&arguments.next().unwrap()));
    }
    let dir = TempDir::new().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(fill(dir.path(), first.parse().unwrap()));
    let opener = std::env::current_exe().unwrap();
    assert!(Command::new(opener).arg("open").arg(dir.path()).status().unwrap().success());
}

async fn fill(dir: &Path, objects: usize) {
    let store = SqliteStore::open(dir, HistoryLimits::default()).unwrap();
    let started = Instant::now();
    for n in (0..objects).step_by(500) {
        commit(&store, (n..(n + 500).min(objects)).map(object).collect()).await;
    }
    println!("{objects} objects made in {:?}", started.elapsed());
    store.close().await.unwrap();
}

/// About 1.5 kB as an answer shows it.
fn object(n: usize) -> Change {
    let key = ObjectKey::new(device(), &format!("namespace-{}", n % 50), &format!("device-{n:06}"));
    let Put::Create { metadata, .. } = created(&key).put else { unreachable!("it creates") };
    let labels =
        ["app", "tier", "region"].map(|label| (label.to_owned(), format!("value-{}", n % 10)));
    let metadata = Metadata { labels: labels.into(), ..(*metadata).clone() };
    let body = Json::from_value(&json!({"spec": "x".repeat(850)}));
    let status = Some(Json::from_value(&json!({"phase": "y".repeat(350)})));
    change(&key, None, Put::Create { metadata: metadata.into(), body, status })
}

fn open(dir: &Path) {
    let (started, before) = (Instant::now(), resident_kib());
    let store = SqliteStore::open(dir, HistoryLimits::default()).unwrap();
    let took = started.elapsed();
    let objects = store.info().objects;
    println!("{objects} objects open in {took:?}, {} MiB", (resident_kib() - before) / 1_024);
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
