//! What becomes of requests when the disk does not do its part.

use std::sync::Arc;

use pintle_model::Revision;
use pintle_store::conformance::{commit, created, key, put_status};
use pintle_store::{HistoryLimits, Store, StoreError};
use rusqlite::Transaction;
use rusqlite::ffi::{Error, SQLITE_FULL, SQLITE_IOERR_FSYNC};
use tempfile::TempDir;

use super::Writer;
use crate::SqliteStore;
use crate::queue::{Job, Tinker};

/// What the next `COMMIT` reports, and what it really does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It fails for want of room.
    NoRoom,
    /// The flush fails, and the transaction is not on the disk.
    FlushFailsUnwritten,
    /// The flush fails, and the transaction is on the disk all the same.
    FlushFailsWritten,
    /// It fails, and so does the rollback after it.
    StaysOpen,
}

impl Fault {
    pub(super) fn strike(self, transaction: Transaction<'_>) -> rusqlite::Result<()> {
        let code = match self {
            Self::NoRoom => SQLITE_FULL,
            _ => SQLITE_IOERR_FSYNC,
        };
        match self {
            Self::NoRoom | Self::FlushFailsUnwritten => transaction.rollback()?,
            Self::FlushFailsWritten => transaction.commit()?,
            Self::StaysOpen => std::mem::forget(transaction),
        }
        Err(rusqlite::Error::SqliteFailure(Error::new(code), None))
    }
}

/// A store, and a way to its writer.
fn open(dir: &TempDir) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(dir.path(), HistoryLimits::default()).unwrap())
}

async fn tinker<T: Send + 'static>(
    store: &SqliteStore,
    change: impl FnOnce(&mut Writer) -> T + Send + 'static,
) -> T {
    let (reply, answer) = tokio::sync::oneshot::channel();
    let job = Tinker(Box::new(move |writer| drop(reply.send(change(writer)))));
    store.shared.queue.push(Job::Tinker(job)).unwrap();
    answer.await.unwrap()
}

#[tokio::test]
async fn failed_commits_get_certain_answers() {
    let cases = [
        (Fault::NoRoom, Some("full")),
        (Fault::FlushFailsUnwritten, Some("unavailable")),
        (Fault::FlushFailsWritten, None),
    ];
    for (fault, expected) in cases {
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        let made = commit(&*store, vec![created(&key("a"))]).await;
        tinker(&store, move |writer| writer.fault = Some(fault)).await;
        let answer = store.commit(vec![put_status(&made[0], "x")]).await;
        let found = match &answer {
            Ok(_) => None,
            Err(StoreError::Full(_)) => Some("full"),
            Err(StoreError::Unavailable(_)) => Some("unavailable"),
            Err(_) => Some("other"),
        };
        assert_eq!(found, expected, "{fault:?}: {answer:?}");

        let newest = if expected.is_none() { 2 } else { 1 };
        assert_eq!(store.info().newest, Revision(newest), "{fault:?}");
        assert_eq!(*store.head().borrow(), Revision(newest), "{fault:?}");
        let next = commit(&*store, vec![created(&key("b"))]).await;
        assert_eq!(next[0].revision, Revision(newest + 1), "{fault:?}");

        let shown = store.peek(&key("a"));
        store.close().await.unwrap();
        let store = open(&dir);
        assert_eq!((store.info().newest, store.peek(&key("a"))), (Revision(newest + 1), shown));
    }
}

/// A writer that dies is no store that closes: somebody has to be told.
#[tokio::test]
async fn a_writer_that_died_is_trouble() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let job = Tinker(Box::new(|_| panic!("a fault of the writer's own")));
    store.shared.queue.push(Job::Tinker(job)).unwrap();
    // Those that are on their way when it happens get no certain answer.
    let certain = loop {
        match store.commit(vec![created(&key("a"))]).await.unwrap_err() {
            StoreError::OutcomeUnknown(_) => {}
            error => break error,
        }
    };
    assert!(certain.to_string().contains("restart the server"), "{certain}");
}

/// A step of upkeep that fails leaves nothing behind that counts twice, or is not flushed.
#[tokio::test]
async fn failed_upkeep_is_settled_before_anything_else_is_written() {
    let faults =
        [Fault::NoRoom, Fault::FlushFailsUnwritten, Fault::FlushFailsWritten, Fault::StaysOpen];
    for fault in faults {
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        let made = commit(&*store, vec![created(&key("a"))]).await;
        tinker(&store, move |writer| {
            writer.fault = Some(fault);
            writer.fold_step().unwrap_err();
        })
        .await;
        commit(&*store, vec![put_status(&made[0], "x")]).await;
        let counted = tinker(&store, |writer| {
            let synchronous = "PRAGMA synchronous";
            let full: i64 = writer.connection.query_one(synchronous, [], |row| row.get(0)).unwrap();
            assert_eq!(full, 2, "a commit is flushed");
            (writer.marks.folded_bytes, writer.unfolded_bytes)
        })
        .await;
        let history_bytes = store.info().history_bytes;
        assert_eq!(counted.0 + counted.1, history_bytes, "{fault:?}");
        store.close().await.unwrap();
        assert_eq!(open(&dir).info().history_bytes, history_bytes, "{fault:?}");
    }
}

#[tokio::test]
async fn an_outcome_stays_unknown_until_the_file_can_be_read_again() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let made = commit(&*store, vec![created(&key("a"))]).await;
    // A reader that stays in its transaction keeps the WAL from starting anew.
    let reader = rusqlite::Connection::open(dir.path().join("pintle.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM log;").unwrap();
    tinker(&store, |writer| {
        writer.connection.pragma_update(None, "busy_timeout", 1).unwrap();
        writer.fault = Some(Fault::FlushFailsWritten);
    })
    .await;
    let error = store.commit(vec![put_status(&made[0], "x")]).await.unwrap_err();
    assert!(matches!(error, StoreError::OutcomeUnknown(_)), "{error}");
    let error = store.commit(vec![created(&key("b"))]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(store.info().newest, Revision(1), "what is not certain does not show");
    assert_eq!(store.peek(&key("a")), Some(Arc::clone(&made[0])), "reads go on");

    drop(reader);
    let next = commit(&*store, vec![created(&key("b"))]).await;
    assert_eq!(next[0].revision, Revision(3));
    assert_eq!(store.peek(&key("a")).unwrap().revision, Revision(2), "it had been written");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_recovers_by_itself() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let made = commit(&*store, vec![created(&key("a"))]).await;
    let limit_pages = |pages: i64| {
        tinker(&store, move |writer| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            writer.connection.query_one(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
        })
    };
    limit_pages(1).await;
    let large = "x".repeat(100_000);
    let error = store.commit(vec![put_status(&made[0], &large)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert_eq!(store.peek(&key("a")), Some(Arc::clone(&made[0])), "reads go on");
    assert_eq!(store.info().newest, Revision(1));

    limit_pages(1_000_000).await;
    let next = commit(&*store, vec![put_status(&made[0], &large)]).await;
    assert_eq!(next[0].revision, Revision(2));
}
