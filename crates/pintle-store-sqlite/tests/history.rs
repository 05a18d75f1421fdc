//! History that comes from the file, through folding, compaction and restarts, against a memory
//! store that forgets nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed assumption is a failed test")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pintle_model::{Change, Flips, GroupResource, Object, Put, Revision, StatusPut, Timestamp};
use pintle_store::conformance::{
    RESOURCES, Wish, commit, created, key, put_body, put_status, removal, whole_tail, wish,
};
use pintle_store::{
    Committed, Event, HistoryLimits, ListQuery, MemoryStore, Store, StoreError, TailQuery,
};
use pintle_store_sqlite::SqliteStore;
use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rusqlite::Connection;
use tempfile::TempDir;

/// Nothing stays in memory, so that every tail is read from the file.
const FROM_FILE: HistoryLimits = HistoryLimits {
    age: Duration::from_secs(10),
    events_max: u64::MAX,
    bytes_max: u64::MAX,
    memory_bytes_max: 0,
};

fn open(dir: &Path, limits: HistoryLimits) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(dir, limits).unwrap())
}

async fn compact(store: &dyn Store, now_seconds: i64) -> usize {
    let mut events = 0;
    loop {
        let step = store.compact(Timestamp(now_seconds * 1_000_000)).await.unwrap();
        assert!(step.events <= 512, "a step is short");
        events += step.events;
        if !step.more {
            return events;
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Wish>),
    /// Compaction at a moment so many seconds from now.
    Compact(i64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => vec(wish(), 1..4).prop_map(Step::Commit),
        3 => (-8..9_i64).prop_map(Step::Compact),
        1 => (0..1_u8).prop_map(|_| Step::Restart),
    ]
}

/// The store under test and its twin, which were told the same.
struct Twins {
    dir: TempDir,
    disk: Arc<SqliteStore>,
    memory: MemoryStore,
    seconds: i64,
}

impl Twins {
    async fn take(&mut self, step: &Step) {
        match step {
            Step::Commit(wishes) => self.commit(wishes).await,
            Step::Compact(ahead) => {
                compact(&*self.disk, self.seconds + ahead).await;
            }
            Step::Restart => {
                self.disk.close().await.unwrap();
                self.disk = open(self.dir.path(), FROM_FILE);
            }
        }
    }

    /// One second passes with each commit.
    async fn commit(&mut self, wishes: &[Wish]) {
        self.seconds += 1;
        let at = Timestamp(self.seconds * 1_000_000);
        let change =
            |wish: &Wish| Change { at, ..wish.change(self.memory.peek(&wish.key()).as_deref()) };
        let changes: Vec<_> = wishes.iter().map(change).collect();
        let expected = self.memory.commit(changes.clone()).await.unwrap();
        let found = self.disk.commit(changes).await.unwrap();
        match (found, expected) {
            (Committed::At(found), Committed::At(expected)) => assert_eq!(found, expected),
            (Committed::Lost { index, theirs }, expected) => {
                let Committed::Lost { index: expected, theirs: rival } = expected else {
                    panic!("change {index} lost to {theirs:?}, and should not have");
                };
                assert_eq!((index, theirs), (expected, rival));
            }
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    async fn compare(&self) {
        let (disk, memory) = (&*self.disk, &self.memory);
        let (found, expected) = (disk.info(), memory.info());
        assert_eq!((found.newest, found.objects), (expected.newest, expected.objects));
        for resource in RESOURCES.map(GroupResource::from_text) {
            let query = ListQuery {
                resource: &resource,
                namespace: None,
                after: None,
                limit: 99,
                at: None,
            };
            let (found, expected) = (disk.list(query).await, memory.list(query).await);
            assert_eq!(found.unwrap().objects, expected.unwrap().objects);
            compare_tails(disk, memory, Some(&resource), found_oldest(disk)).await;
        }
        compare_tails(disk, memory, None, found_oldest(disk)).await;
        if let Some(gone) = found_oldest(disk).0.checked_sub(1) {
            let query = TailQuery { resource: None, after: Revision(gone), limit: 9 };
            let error = disk.tail(query).await.unwrap_err();
            assert!(matches!(error, StoreError::Expired { .. }), "{error}");
        }
    }
}

fn found_oldest(store: &dyn Store) -> Revision {
    store.info().oldest
}

async fn compare_tails(
    disk: &dyn Store,
    memory: &dyn Store,
    resource: Option<&GroupResource>,
    oldest: Revision,
) {
    let query = TailQuery { resource, after: oldest, limit: 3 };
    let found = whole_tail(disk, query).await;
    let expected = whole_tail(memory, query).await;
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found.object, expected.object);
        assert_eq!((found.revision, found.removed), (expected.revision, expected.removed));
        assert_eq!((found.manner, &found.flips), (expected.manner, &expected.flips));
        if found.before.is_some() || !may_lack_before(expected, oldest) {
            assert_eq!(found.before, expected.before);
        }
    }
}

/// The one exception: a status that was replaced has left history.
fn may_lack_before(event: &Event, oldest: Revision) -> bool {
    let replaced = event.before.as_ref().map(|before| before.status_revision);
    event.is_status_only() && replaced.is_some_and(|replaced| replaced <= oldest)
}

#[test]
fn the_file_tells_the_same_story_as_memory() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&vec(step(), 1..50), |steps| {
        let dir = TempDir::new().unwrap();
        let disk = open(dir.path(), FROM_FILE);
        let memory = MemoryStore::new(HistoryLimits::default());
        let mut twins = Twins { dir, disk, memory, seconds: 0 };
        runtime.block_on(async {
            for step in &steps {
                twins.take(step).await;
                twins.compare().await;
            }
        });
        Ok::<(), TestCaseError>(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// A new status that turned a condition over.
fn flip(object: &Object, second: i64) -> Change {
    let change = put_status(object, "x");
    let Put::Status(put) = change.put else { unreachable!("it writes status") };
    let flips = Flips { before: [("Ready".to_owned(), Some("False".to_owned()))].into() };
    let put = Put::Status(StatusPut { flips, ..put });
    Change { at: Timestamp(second * 1_000_000), put, ..change }
}

#[tokio::test]
async fn what_a_condition_was_outlives_the_status_that_said_so() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), FROM_FILE);
    let at = |second: i64, change: Change| Change { at: Timestamp(second * 1_000_000), ..change };
    let made = commit(&*store, vec![at(1, created(&key("a")))]).await.remove(0);
    let noted = commit(&*store, vec![at(2, put_status(&made, "y"))]).await.remove(0);
    assert_eq!(compact(&*store, 20).await, 2);
    commit(&*store, vec![at(26, created(&key("b")))]).await;
    let turned = commit(&*store, vec![flip(&noted, 30)]).await.remove(0);
    assert_eq!(compact(&*store, 38).await, 1, "and with it the rest is folded");
    let query = TailQuery { resource: None, after: Revision(3), limit: 9 };
    let event = whole_tail(&*store, query).await.remove(0);
    assert_eq!((&event.object, &event.before), (&turned, &None), "the status before is gone");
    assert_eq!(event.flips.before["Ready"].as_deref(), Some("False"));
}

#[tokio::test]
async fn a_restart_keeps_objects_revisions_and_history() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), HistoryLimits::default());
    let changes = (0..700).map(|n| created(&key(&n.to_string())));
    let made = commit(&*store, changes.collect()).await;
    let noted = commit(&*store, made.iter().map(|object| flip(object, 2)).collect()).await;
    commit(&*store, vec![removal(&noted[0]), put_body(&noted[1], "x")]).await;
    let everything = TailQuery { resource: None, after: Revision::ZERO, limit: 100 };
    let told = |events: Vec<Arc<Event>>| -> Vec<_> {
        let tell = |event: &Arc<Event>| (event.before.clone(), Arc::clone(&event.object));
        events.iter().map(tell).collect()
    };
    let before = (store.info(), told(whole_tail(&*store, everything).await));
    store.close().await.unwrap();

    let store = open(dir.path(), HistoryLimits::default());
    let after = (store.info(), told(whole_tail(&*store, everything).await));
    assert_eq!(before.1, after.1);
    assert_eq!((before.0.newest, before.0.objects), (after.0.newest, after.0.objects));
    assert_eq!(before.0.history_bytes, after.0.history_bytes);
    assert_eq!(store.peek(&noted[2].key).as_ref(), Some(&noted[2]));
    let next = commit(&*store, vec![created(&key("next"))]).await;
    assert_eq!(next[0].revision, before.0.newest.next());
}

#[tokio::test]
async fn compaction_leaves_exactly_the_current_lanes() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), FROM_FILE);
    let mut objects =
        commit(&*store, (0..300).map(|n| created(&key(&n.to_string()))).collect()).await;
    for round in 0..8 {
        let text = round.to_string();
        let change = |object: &Arc<_>| {
            if round % 3 == 0 { put_body(object, &text) } else { put_status(object, &text) }
        };
        objects = commit(&*store, objects.iter().map(change).collect()).await;
        compact(&*store, round).await;
    }
    commit(&*store, objects.iter().take(100).map(|object| removal(object)).collect()).await;
    assert_eq!(compact(&*store, 1_000).await, 300 * 9 + 100);
    let info = store.info();
    assert_eq!((info.oldest, info.history_bytes), (info.newest, 0));
    store.close().await.unwrap();

    let file = Connection::open(dir.path().join("pintle.db")).unwrap();
    let count = |table| {
        let sql = format!("SELECT count(*) FROM {table}");
        file.query_one(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(["log", "flips", "pins", "lanes"].map(count), [0, 0, 0, 3 * 200]);
    drop(file);
    let store = open(dir.path(), FROM_FILE);
    assert_eq!(store.info().newest, info.newest, "revisions go on though the log is empty");
    assert_eq!(store.peek(&objects[200].key).as_ref(), Some(&objects[200]));
}
