//! A store in memory that can be told to lie, to fail, and to lose races.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pintle_model::{
    Change, GroupResource, Json, Manner, Object, ObjectKey, Put, Revision, Timestamp, Uid,
};
use pintle_store::{
    Answer, Committed, Compacted, Event, Flushes, HistoryLimits, ListQuery, MemoryStore, Page,
    Store, StoreError, StoreInfo, Tail, TailQuery,
};
use serde_json::json;
use tokio::sync::watch;

/// What becomes of a commit instead.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// It fails, and nothing is written.
    Fails(StoreError),
    /// Somebody else commits this color first.
    Rival(&'static str),
    /// Somebody else is first, now and for ever.
    Rivals,
    /// It takes so many milliseconds.
    Slow(u64),
    /// It happens, and the answer never comes.
    Silent,
    /// Whoever asked for it breaks off.
    Panics,
}

#[derive(Debug)]
pub(crate) struct Double {
    memory: MemoryStore,
    peeks: Mutex<HashMap<ObjectKey, Option<Arc<Object>>>>,
    fates: Mutex<VecDeque<Fate>>,
    /// The resource whose commits have fates.
    fated: GroupResource,
    commits: AtomicU64,
    /// One look at the log goes over no more than so many revisions.
    pub(crate) tail_revisions_max: AtomicU64,
    /// Whether nobody can read the log.
    pub(crate) tails_fail: AtomicBool,
    /// Whether whoever reads the log breaks off.
    pub(crate) tails_panic: AtomicBool,
    /// Whether nobody can list objects.
    pub(crate) lists_fail: AtomicBool,
    /// Whether history has lost what stood before a change.
    pub(crate) forgets_before: Mutex<bool>,
}

impl Double {
    pub(crate) fn new(fated: GroupResource, limits: HistoryLimits) -> Self {
        Self {
            memory: MemoryStore::new(limits),
            peeks: Mutex::default(),
            fates: Mutex::default(),
            fated,
            commits: AtomicU64::new(0),
            tail_revisions_max: AtomicU64::new(u64::MAX),
            tails_fail: AtomicBool::new(false),
            tails_panic: AtomicBool::new(false),
            lists_fail: AtomicBool::new(false),
            forgets_before: Mutex::new(false),
        }
    }

    /// From now on a peek shows this.
    pub(crate) fn lie(&self, key: &ObjectKey, shown: Option<Arc<Object>>) {
        self.peeks.lock().unwrap().insert(key.clone(), shown);
    }

    /// What becomes of the next commits.
    pub(crate) fn fate(&self, fates: impl IntoIterator<Item = Fate>) {
        self.fates.lock().unwrap().extend(fates);
    }

    /// How many commits of the fated resource were tried.
    pub(crate) fn tried(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// The fates that nobody met.
    pub(crate) fn unmet(&self) -> usize {
        self.fates.lock().unwrap().len()
    }

    /// What somebody else makes of the body, past the engine.
    async fn paint(&self, changes: &[Change], color: &str) {
        let before = self.memory.peek(&changes[0].key).unwrap();
        let body = Some(Json::from_value(&json!({"spec": {"color": color}})));
        let metadata = Arc::clone(&before.metadata);
        let put = Put::Main { metadata, body, status: None };
        let (key, expect) = (before.key.clone(), Some(before.revision));
        let (at, manner) = (Timestamp(0), Manner::Replaced);
        let won =
            self.memory.commit(vec![Change { key, expect, put, at, manner, version: None }]).await;
        assert!(matches!(won, Ok(Committed::At(_))));
    }

    /// Makes an object past the engine, as those were made of which nobody noted a version.
    pub(crate) async fn commit_unnoted(&self, key: &ObjectKey, body: &serde_json::Value) {
        let metadata = json!({
            "name": key.name.name, "namespace": key.name.namespace, "uid": "device-unnoted",
            "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z",
        });
        let metadata = Arc::new(serde_json::from_value(metadata).unwrap());
        let put = Put::Create { metadata, body: Json::from_value(body), status: None };
        let (key, at, manner) = (key.clone(), Timestamp(0), Manner::Replaced);
        let change = Change { key, expect: None, put, at, manner, version: None };
        let won = self.memory.commit(vec![change]).await;
        assert!(matches!(won, Ok(Committed::At(_))));
    }

    /// Puts another body into an object past the engine.
    pub(crate) async fn commit_body(&self, key: &ObjectKey, body: &serde_json::Value) {
        let before = self.memory.peek(key).unwrap();
        let (metadata, body) = (Arc::clone(&before.metadata), Some(Json::from_value(body)));
        let put = Put::Main { metadata, body, status: None };
        let (key, expect) = (key.clone(), Some(before.revision));
        let (at, manner, version) = (Timestamp(0), Manner::Replaced, before.body_version.clone());
        let change = Change { key, expect, put, at, manner, version };
        assert!(matches!(self.memory.commit(vec![change]).await, Ok(Committed::At(_))));
    }

    /// Removes an object past the engine, which hears of it from the log alone.
    pub(crate) async fn commit_removal(&self, key: &ObjectKey) -> Revision {
        let expect = self.memory.peek(key).map(|object| object.revision);
        let (put, at, manner) = (Put::Delete, Timestamp(0), Manner::Replaced);
        let key = key.clone();
        match self.memory.commit(vec![Change { key, expect, put, at, manner, version: None }]).await
        {
            Ok(Committed::At(objects)) => objects[0].revision,
            other => panic!("{other:?}"),
        }
    }

    fn next_fate(&self, changes: &[Change]) -> Option<Fate> {
        if !changes.iter().any(|change| change.key.resource == self.fated) {
            return None;
        }
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.fates.lock().unwrap().pop_front()
    }
}

impl Store for Double {
    fn peek(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        let lie = self.peeks.lock().unwrap().get(key).cloned();
        lie.unwrap_or_else(|| self.memory.peek(key))
    }

    fn get<'a>(&'a self, key: &'a ObjectKey) -> Answer<'a, Option<Arc<Object>>> {
        self.memory.get(key)
    }

    fn find(&self, resource: &GroupResource, uid: &Uid) -> Option<Arc<Object>> {
        self.memory.find(resource, uid)
    }

    fn count(&self, resource: &GroupResource, namespace: &str) -> u64 {
        self.memory.count(resource, namespace)
    }

    fn list<'a>(&'a self, query: ListQuery<'a>) -> Answer<'a, Page> {
        if self.lists_fail.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::Unavailable("no lists".into())) });
        }
        self.memory.list(query)
    }

    fn commit(&self, changes: Vec<Change>) -> Answer<'_, Committed> {
        let fate = self.next_fate(&changes);
        Box::pin(async move {
            match fate {
                None => {}
                Some(Fate::Fails(error)) => return Err(error),
                Some(Fate::Rival(color)) => self.paint(&changes, color).await,
                Some(Fate::Rivals) => {
                    let size = self.tried().to_string();
                    self.paint(&changes, &size).await;
                    self.fate([Fate::Rivals]);
                }
                Some(Fate::Slow(ms)) => {
                    tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
                }
                Some(Fate::Silent) => {
                    self.memory.commit(changes).await?;
                    return std::future::pending().await;
                }
                Some(Fate::Panics) => panic!("whoever asked for this commit breaks off"),
            }
            self.memory.commit(changes).await
        })
    }

    fn tail<'a>(&'a self, query: TailQuery<'a>) -> Answer<'a, Tail> {
        Box::pin(async move {
            assert!(!self.tails_panic.load(Ordering::SeqCst), "whoever reads the log breaks off");
            if self.tails_fail.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("no log".into()));
            }
            let mut tail = self.memory.tail(query).await?;
            let reach = self.tail_revisions_max.load(Ordering::SeqCst);
            let to = Revision(query.after.0.saturating_add(reach)).min(tail.up_to);
            tail.events.retain(|event| event.revision <= to);
            tail.up_to = to;
            if *self.forgets_before.lock().unwrap() {
                let forget =
                    |event: &Arc<Event>| Arc::new(Event { before: None, ..(**event).clone() });
                tail.events = tail.events.iter().map(forget).collect();
            }
            Ok(tail)
        })
    }

    fn head(&self) -> watch::Receiver<Revision> {
        self.memory.head()
    }

    fn compact(&self, now: Timestamp) -> Answer<'_, Compacted> {
        self.memory.compact(now)
    }

    fn info(&self) -> StoreInfo {
        self.memory.info()
    }

    fn flushes(&self) -> &Flushes {
        self.memory.flushes()
    }

    fn close(&self) -> Answer<'_, ()> {
        self.memory.close()
    }
}
