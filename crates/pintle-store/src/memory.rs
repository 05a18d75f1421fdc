//! The adapter that forgets: an [`Image`] and nothing behind it. For tests, and for servers whose
//! objects are made anew at each start.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pintle_model::{Change, GroupResource, Object, ObjectKey, Revision, Timestamp, Uid};
use tokio::sync::watch;

use crate::{
    Answer, Batch, Committed, Compacted, Decided, Flushes, HistoryLimits, Image, ListQuery, Page,
    Store, StoreError, StoreInfo, Tail, TailQuery,
};

/// One step of compaction drops at most so many events.
const STEP_EVENTS: usize = 1_000;

/// Objects and history in memory only. Its history takes at most
/// [`HistoryLimits::memory_bytes_max`], and has at most [`HistoryLimits::events_max`] at any time.
#[derive(Debug)]
pub struct MemoryStore {
    image: Image,
    limits: HistoryLimits,
    /// Held from decision to publication: there is one writer at a time.
    writing: Mutex<()>,
    closed: AtomicBool,
    commits: AtomicU64,
    changes: AtomicU64,
    flushes: Flushes,
    /// What was older than this at the last compaction could go.
    cutoff: AtomicI64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(limits: HistoryLimits) -> Self {
        Self {
            image: Image::new(Vec::new(), Revision::ZERO, &limits),
            limits,
            writing: Mutex::new(()),
            closed: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            flushes: Flushes::default(),
            cutoff: AtomicI64::new(i64::MAX),
        }
    }

    fn commit_now(&self, changes: &[Change]) -> Result<Committed, StoreError> {
        let writing = self.writing.lock().expect("nothing panics while it holds this lock");
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let mut batch = Batch::new(&self.image);
        match batch.decide(changes) {
            Decided::Lost { index, theirs, .. } => Ok(Committed::Lost { index, theirs }),
            Decided::Wins(versions) => {
                let began = Instant::now();
                self.image.apply(&batch.into_events());
                drop(writing);
                self.flushes.add(versions.len(), began.elapsed());
                self.commits.fetch_add(1, Ordering::Relaxed);
                self.changes.fetch_add(versions.len() as u64, Ordering::Relaxed);
                Ok(Committed::At(versions))
            }
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(HistoryLimits::default())
    }
}

impl Store for MemoryStore {
    fn peek(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.image.peek(key)
    }

    fn get<'a>(&'a self, key: &'a ObjectKey) -> Answer<'a, Option<Arc<Object>>> {
        Box::pin(async { Ok(self.image.peek(key)) })
    }

    fn find(&self, resource: &GroupResource, uid: &Uid) -> Option<Arc<Object>> {
        self.image.find(resource, uid)
    }

    fn count(&self, resource: &GroupResource, namespace: &str) -> u64 {
        self.image.count(resource, namespace)
    }

    fn list<'a>(&'a self, query: ListQuery<'a>) -> Answer<'a, Page> {
        Box::pin(async move { self.image.list(query) })
    }

    fn commit(&self, changes: Vec<Change>) -> Answer<'_, Committed> {
        Box::pin(async move { self.commit_now(&changes) })
    }

    fn tail<'a>(&'a self, query: TailQuery<'a>) -> Answer<'a, Tail> {
        Box::pin(async move { self.image.tail(query) })
    }

    fn head(&self) -> watch::Receiver<Revision> {
        self.image.head()
    }

    fn compact(&self, now: Timestamp) -> Answer<'_, Compacted> {
        Box::pin(async move {
            let cutoff = self.limits.cutoff(now);
            self.cutoff.store(cutoff.0, Ordering::Relaxed);
            Ok(self.image.expire(cutoff, STEP_EVENTS))
        })
    }

    fn info(&self) -> StoreInfo {
        let cutoff = Timestamp(self.cutoff.load(Ordering::Relaxed));
        StoreInfo {
            newest: self.image.newest(),
            oldest: self.image.oldest(),
            objects: self.image.len(),
            by_resource: self.image.len_by_resource(),
            waiting: 0,
            disk_bytes: 0,
            history_bytes: self.image.ring_bytes() as u64,
            history_cut_short: self.image.ring_cut_at().is_some_and(|cut| cut >= cutoff),
            commits: self.commits.load(Ordering::Relaxed),
            changes: self.changes.load(Ordering::Relaxed),
        }
    }

    fn flushes(&self) -> &Flushes {
        &self.flushes
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            let _writing = self.writing.lock().expect("nothing panics while it holds this lock");
            self.closed.store(true, Ordering::Release);
            Ok(())
        })
    }
}
