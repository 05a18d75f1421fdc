//! Kills a writing process again and again: what it was told is durable is there afterwards.
//!
//! The test starts itself as the process to be killed, so it has a `main` of its own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed assumption is a failed test, and the child reports on its output"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pintle_model::{Change, Object, Revision, Timestamp};
use pintle_store::conformance::{commit, created, key, put_body, put_status, whole_tail};
use pintle_store::{HistoryLimits, Store, TailQuery};
use pintle_store_sqlite::SqliteStore;
use tempfile::TempDir;

/// Holds the directory that the child writes to.
const CHILD: &str = "PINTLE_CRASH_TEST_DIR";

const KILLS: u64 = 15;
const WRITERS: usize = 8;

/// Little history, so that the child folds and compacts while it is killed.
const LIMITS: HistoryLimits = HistoryLimits {
    age: Duration::from_millis(20),
    events_max: u64::MAX,
    bytes_max: 1024 * 1024,
    memory_bytes_max: 64 * 1024,
};

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match std::env::var_os(CHILD) {
        Some(dir) => runtime.block_on(write_until_killed(Path::new(&dir))),
        None => runtime.block_on(kill_and_check()),
    }
}

/// Each writer keeps a pair of objects, and writes both of them in each commit.
async fn write_until_killed(dir: &Path) {
    let store = Arc::new(SqliteStore::open(dir, LIMITS).unwrap());
    let writers = (0..WRITERS).map(|writer| tokio::spawn(write_pair(Arc::clone(&store), writer)));
    let writers: Vec<_> = writers.collect();
    loop {
        store.compact(Timestamp(micros())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!writers.iter().any(tokio::task::JoinHandle::is_finished), "a writer failed");
    }
}

fn micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

async fn write_pair(store: Arc<SqliteStore>, writer: usize) {
    let keys = [key(&format!("a{writer}")), key(&format!("b{writer}"))];
    loop {
        let change = |key| match store.peek(key) {
            None => created(key),
            Some(object) if object.revision.0 % 7 == 0 => put_body(&object, "edited"),
            Some(object) => put_status(&object, &"status ".repeat(30)),
        };
        let changes = keys.iter().map(|key| Change { at: Timestamp(micros()), ..change(key) });
        let versions = commit(&*store, changes.collect()).await;
        let line = format!("{writer} {} {}\n", versions[0].revision, versions[1].revision);
        // One write each, so that lines of different writers do not mix.
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

async fn kill_and_check() {
    let dir = TempDir::new().unwrap();
    let mut told: HashMap<usize, [u64; 2]> = HashMap::new();
    let mut newest = 0;
    for kill in 0..KILLS {
        run_and_kill(dir.path(), Duration::from_millis(60 + 17 * kill), &mut told);
        let store = SqliteStore::open(dir.path(), LIMITS).unwrap();
        newest = check(&store, &told, newest).await;
        store.close().await.unwrap();
    }
    assert_eq!(told.len(), WRITERS, "every writer got something written");
    println!("{KILLS} kills, {newest} revisions, nothing lost");
}

/// Notes what the child was told last, for each of its writers.
fn run_and_kill(dir: &Path, after: Duration, told: &mut HashMap<usize, [u64; 2]>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut note = |line: &str| {
        let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        told.insert(usize::try_from(numbers[0]).unwrap(), [numbers[1], numbers[2]]);
    };
    note(&lines.next().expect("the child writes something").unwrap());
    let started = Instant::now();
    while started.elapsed() < after {
        note(&lines.next().expect("the child lives until it is killed").unwrap());
    }
    child.kill().unwrap();
    // What it had been told before it died counts, too; the last line may be cut off.
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    for line in rest.iter().rev().skip(1).rev() {
        note(line);
    }
    child.wait().unwrap();
}

async fn check(store: &SqliteStore, told: &HashMap<usize, [u64; 2]>, newest_before: u64) -> u64 {
    let info = store.info();
    assert!(info.newest.0 >= newest_before, "revisions go on");
    for (writer, told) in told {
        let pair = ["a", "b"].map(|side| store.peek(&key(&format!("{side}{writer}"))).unwrap());
        let [a, b]: [&Object; 2] = [&pair[0], &pair[1]];
        assert!(a.revision.0 >= told[0] && b.revision.0 >= told[1], "a write was lost");
        assert_eq!(a.revision.next(), b.revision, "half of a commit is there");
    }
    let query = TailQuery { resource: None, after: info.oldest, limit: 1_000 };
    let events = whole_tail(store, query).await;
    let revisions = events.iter().map(|event| event.revision);
    assert!(revisions.eq((info.oldest.0 + 1..=info.newest.0).map(Revision)), "history has a hole");
    for event in &events {
        if let Some(object) = store.peek(&event.object.key) {
            assert!(object.revision >= event.revision, "an event that no object shows");
        }
    }
    info.newest.0
}
