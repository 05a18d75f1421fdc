//! Backups under load, what a restore keeps, and what it refuses.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed set-up is a failed test"
)]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pintle_model::{Object, Revision, Timestamp};
use pintle_store::conformance::{
    commit, created, device, key, put_body, put_labels, put_status, removal,
};
use pintle_store::{Event, HistoryLimits, ListQuery, Store, StoreError, TailQuery};
use pintle_store_sqlite::{
    BackupError, BackupInfo, Companion, RestoreError, RestoreOptions, Restored, SqliteStore, Stage,
    backup, inspect, restore,
};
use tempfile::TempDir;
use tokio::task::JoinSet;

const MADE: Timestamp = Timestamp(1_700_000_000_000_000);
const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

fn open(dir: &Path) -> SqliteStore {
    // So little memory that history is read from the file.
    let limits = HistoryLimits { memory_bytes_max: 0, ..HistoryLimits::default() };
    SqliteStore::open(dir, limits).unwrap()
}

fn make(dir: &Path, to: &Path) -> Result<BackupInfo, BackupError> {
    backup(dir, &companions(), (MADE, "0.1.0"), to, &mut |_| {})
}

fn put_back(file: &Path, dir: &Path, replace: bool) -> Result<Restored, RestoreError> {
    restore(file, dir, RestoreOptions { replace, now: NOW }, &mut |_| {})
}

fn companions() -> [Companion; 2] {
    [("authorization", 0o644, "rbac\n"), ("tls/ca.key", 0o600, "secret")]
        .map(|(name, mode, text)| Companion { name: name.to_owned(), mode, bytes: text.into() })
}

async fn all(store: &SqliteStore) -> Vec<Arc<Object>> {
    let query =
        ListQuery { resource: &device(), namespace: None, after: None, limit: 100_000, at: None };
    store.list(query).await.unwrap().objects
}

async fn tail(store: &SqliteStore, after: Revision) -> Result<Vec<Arc<Event>>, StoreError> {
    let (mut events, mut after) = (Vec::new(), after);
    while after < store.info().newest {
        let tail = store.tail(TailQuery { resource: None, after, limit: 100 }).await?;
        events.extend(tail.events);
        after = tail.up_to;
    }
    Ok(events)
}

/// Writes everything that there is to write, until it is told to stop.
async fn write(store: Arc<SqliteStore>, writer: usize, stop: Arc<AtomicBool>) {
    let name = |life: usize| key(&format!("w{writer}-{life}"));
    for life in 0.. {
        let mut object = Arc::clone(&commit(&*store, vec![created(&name(life))]).await[0]);
        for round in 0..5 {
            let text = round.to_string();
            for next in [put_status, put_body, put_labels] {
                object = Arc::clone(&commit(&*store, vec![next(&object, &text)]).await[0]);
            }
        }
        if life % 3 == 0 {
            commit(&*store, vec![removal(&object)]).await;
        }
        if stop.load(Ordering::SeqCst) && life > 3 {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_the_store_at_one_revision() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(open(&dir.path().join("data")));
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        writers.spawn(write(Arc::clone(&store), writer, Arc::clone(&stop)));
    }
    // Backups are made one after the other, while writers write.
    let mut made = Vec::new();
    for number in 0..3 {
        let (data, file) = (dir.path().join("data"), dir.path().join(number.to_string()));
        let (data, file) = (data, file.with_extension("backup"));
        let one = tokio::task::spawn_blocking(move || (make(&data, &file).unwrap(), file));
        made.push(one.await.unwrap());
    }
    stop.store(true, Ordering::SeqCst);
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let truth = tail(&store, Revision::ZERO).await.unwrap();
    let last = made.last().unwrap().0.contents.newest;
    assert!(made[0].0.contents.newest < last && last < store.info().newest, "writers raced");
    for (info, file) in &made {
        assert_eq!(inspect(file, &mut |_| {}).unwrap(), *info);
        let elsewhere = file.with_extension("data");
        let restored = put_back(file, &elsewhere, false).unwrap();
        check_restored(&elsewhere, &restored, &truth).await;
    }
}

/// What was restored is what the log says that there was at the backup's revision.
async fn check_restored(dir: &Path, restored: &Restored, truth: &[Arc<Event>]) {
    let store = open(dir);
    let newest = restored.backup.contents.newest;
    let before: Vec<_> = truth.iter().filter(|event| event.revision <= newest).collect();
    let objects = all(&store).await;
    let last: HashMap<_, _> = before.iter().map(|event| (event.object.uid(), *event)).collect();
    let current = |object: &Arc<Object>| {
        let last = last[object.uid()];
        !last.removed && last.object == *object
    };
    assert!(objects.iter().all(current), "status, uid and versions are kept");
    assert_eq!(objects.len() as u64, restored.backup.contents.objects);
    let (creations, removals) = (before.iter(), before.iter().filter(|event| event.removed));
    let creations = creations.filter(|event| event.is_creation());
    assert_eq!(objects.len(), creations.count() - removals.count());
    // History from before the backup goes on.
    for after in [0, newest.0 / 2, newest.0.saturating_sub(1), newest.0] {
        let found = tail(&store, Revision(after)).await.unwrap();
        let expected: Vec<_> = before.iter().filter(|event| event.revision.0 > after).collect();
        assert_eq!(found.len(), expected.len());
        let same = found.iter().zip(&expected).all(|(found, expected)| {
            found.object == expected.object && found.removed == expected.removed
        });
        assert!(same, "after {after}");
    }
    // Nobody gets a revision that the other history gave out.
    let wrote = Arc::clone(&commit(&store, vec![created(&key("new"))]).await[0]);
    assert_eq!(wrote.revision, restored.revision.next());
    assert!(wrote.revision > truth.last().unwrap().revision);
    let new = tail(&store, newest).await.unwrap();
    assert_eq!(new.iter().map(|event| event.revision).collect::<Vec<_>>(), [wrote.revision]);
    let new = tail(&store, restored.revision).await.unwrap();
    assert_eq!(new.len(), 1, "lists show this revision, so watches begin there");
    for foreign in
        [newest.next(), truth.last().unwrap().revision, Revision(restored.revision.0 - 1)]
    {
        let found = tail(&store, foreign).await.unwrap_err();
        assert!(matches!(found, StoreError::Expired { .. }), "{foreign}: {found}");
    }
    check_upkeep(&store, &wrote).await;
}

/// Folding and compaction get along with a jump, and so does the next start.
async fn check_upkeep(store: &SqliteStore, last: &Arc<Object>) {
    let mut object = Arc::clone(last);
    for round in 0..1_200 {
        object = Arc::clone(&commit(store, vec![put_status(&object, &round.to_string())]).await[0]);
    }
    while store.compact(Timestamp(i64::MAX)).await.unwrap().more {}
    assert_eq!(store.info().oldest, object.revision);
    assert_eq!(store.peek(&object.key), Some(object));
}

#[tokio::test]
async fn a_restored_store_can_be_backed_up_and_restored_again() {
    let dir = TempDir::new().unwrap();
    let place = |name: &str| dir.path().join(name);
    let store = open(&place("a"));
    let first = Arc::clone(&commit(&store, vec![created(&key("x"))]).await[0]);
    store.close().await.unwrap();
    make(&place("a"), &place("1")).unwrap();
    let one = put_back(&place("1"), &place("b"), false).unwrap();
    assert_eq!(one.revision, Revision(NOW.0.unsigned_abs()));
    // At once, and after a write.
    make(&place("b"), &place("2")).unwrap();
    let two = put_back(&place("2"), &place("c"), false).unwrap();
    assert!(two.revision > one.revision, "the clock stands still, the count does not");
    let store = open(&place("c"));
    let second = Arc::clone(&commit(&store, vec![put_body(&first, "y")]).await[0]);
    let events = tail(&store, Revision::ZERO).await.unwrap();
    let revisions: Vec<_> = events.iter().map(|event| event.revision).collect();
    assert_eq!(revisions, [first.revision, second.revision]);
    assert!(tail(&store, one.revision).await.is_ok(), "lists have shown it");
    store.close().await.unwrap();
    let store = open(&place("c"));
    assert_eq!(all(&store).await, [second]);
}

#[tokio::test]
async fn companions_come_back_with_their_modes() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    let place = |name: &str| dir.path().join(name);
    drop(open(&place("data")));
    let info = make(&place("data"), &place("file")).unwrap();
    assert_eq!(info.companions, ["authorization", "tls/ca.key"]);
    let mode = |file: &Path| fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place("file")), 0o600, "secrets are in it");
    put_back(&place("file"), &place("new"), false).unwrap();
    for companion in companions() {
        let file = place("new").join(&companion.name);
        assert_eq!(fs::read(&file).unwrap(), companion.bytes);
        assert_eq!(mode(&file), companion.mode);
    }
}

#[tokio::test]
async fn a_restore_destroys_nothing() {
    let dir = TempDir::new().unwrap();
    let place = |name: &str| dir.path().join(name);
    let store = open(&place("data"));
    commit(&store, vec![created(&key("kept"))]).await;
    make(&place("data"), &place("file")).unwrap();
    commit(&store, vec![created(&key("later"))]).await;
    // Not while a server is there, whatever is said.
    let refused = put_back(&place("file"), &place("data"), true).unwrap_err();
    assert!(refused.to_string().contains("in use by another server"), "{refused}");
    store.close().await.unwrap();
    let refused = put_back(&place("file"), &place("data"), false).unwrap_err();
    assert!(refused.to_string().contains("--replace"), "{refused}");
    assert_eq!(all(&open(&place("data"))).await.len(), 2, "nothing has happened");
    let restored = put_back(&place("file"), &place("data"), true).unwrap();
    assert_eq!(all(&open(&place("data"))).await.len(), 1);
    let aside = restored.aside.unwrap();
    assert_eq!(all(&open(&aside)).await.len(), 2, "what was there is aside");
    // A database that is lost leaves its lock behind.
    fs::remove_file(place("data").join("pintle.db")).unwrap();
    let refused = put_back(&place("file"), &place("data"), false).unwrap_err();
    assert!(matches!(refused, RestoreError::NotEmpty { .. }), "{refused}");
    put_back(&place("file"), &place("data"), true).unwrap();
    assert_eq!(all(&open(&place("data"))).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_backed_up_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let place = |name: &str| dir.path().join(name);
    let store = open(&place("data"));
    commit(&store, vec![created(&key("x"))]).await;
    store.close().await.unwrap();
    let database = place("data").join("pintle.db");
    fs::write(place("there"), "something").unwrap();
    let check = |from: &str, to: &str, expected: &str| {
        let refused = make(&place(from), &place(to)).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        let partial = place(to).with_extension("partial");
        assert!(!partial.exists(), "{expected}");
    };
    check("nowhere", "new", "there is no database in");
    check("data", "there", "exists already");
    check("data", "no/such/directory", "cannot be used");
    let whole = fs::read(&database).unwrap();
    fs::write(&database, &whole[..whole.len() - 4096]).unwrap();
    check("data", "new", "damaged: it has");
    let spoilt = String::from_utf8_lossy(&whole).contains("spec");
    assert!(spoilt);
    let mut altered = whole.clone();
    let at = whole.windows(4).rposition(|bytes| bytes == b"spec").unwrap();
    altered[at] = b'S';
    fs::write(&database, altered).unwrap();
    check("data", "new", "is not what was written");
    assert_eq!(fs::read_to_string(place("there")).unwrap(), "something");
    assert!(!place("new").exists());
}

/// Whatever byte of a backup changes, a restore refuses it or restores the same.
#[tokio::test]
async fn a_damaged_backup_is_never_restored_as_something_else() {
    let dir = TempDir::new().unwrap();
    let place = |name: &str| dir.path().join(name);
    let store = open(&place("data"));
    let object = Arc::clone(&commit(&store, vec![created(&key("x"))]).await[0]);
    commit(&store, vec![put_status(&object, "Ready"), created(&key("y"))]).await;
    let expected = (all(&store).await, tail(&store, Revision::ZERO).await.unwrap().len());
    make(&place("data"), &place("file")).unwrap();
    let whole = fs::read(place("file")).unwrap();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(whole.len() / 70) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x11;
        fs::write(place("altered"), bytes).unwrap();
        let new = TempDir::new().unwrap();
        let new = new.path().join("data");
        if let Err(error) = put_back(&place("altered"), &new, false) {
            refused += 1;
            assert!(!new.join("pintle.db").exists(), "{error}");
        } else {
            let store = open(&new);
            let found = (all(&store).await, tail(&store, Revision::ZERO).await.unwrap().len());
            assert_eq!(found, expected, "byte {at}");
        }
    }
    assert!(refused > 0);
    for length in [0, 50, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(place("altered"), &whole[..length]).unwrap();
        put_back(&place("altered"), &place("none"), false).unwrap_err();
    }
}

#[tokio::test]
async fn only_backups_are_restored() {
    let dir = TempDir::new().unwrap();
    let place = |name: &str| dir.path().join(name);
    let store = open(&place("data"));
    store.close().await.unwrap();
    fs::write(place("text"), "nothing like it").unwrap();
    for (file, expected) in [
        (place("none"), "cannot be used"),
        (place("text"), "is not a Pintle database"),
        (place("data"), "cannot be used"),
        (place("data").join("pintle.db"), "is not a backup"),
    ] {
        let refused = put_back(&file, &place("new"), false).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert!(!place("new").exists(), "{refused}");
    }
}

#[tokio::test]
async fn progress_is_told() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir.path().join("data"));
    commit(&store, vec![created(&key("x"))]).await;
    let mut stages = Vec::new();
    let (data, file) = (dir.path().join("data"), dir.path().join("file"));
    backup(&data, &[], (MADE, "0"), &file, &mut |stage| stages.push(stage)).unwrap();
    assert!(matches!(stages[0], Stage::Copying { done, all } if done == all && all > 0));
    assert_eq!(stages.last(), Some(&Stage::Verifying));
}
