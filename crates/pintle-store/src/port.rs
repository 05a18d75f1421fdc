//! The port itself: [`Store`], and the values that go through it.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pintle_model::{
    Change, Flips, GroupResource, Manner, Object, ObjectKey, ObjectName, Revision, Timestamp, Uid,
};
use tokio::sync::watch;

use crate::{Flushes, StoreError};

/// A boxed answer that is on its way. One allocation a call is nothing beside a disk, and it keeps
/// `dyn Store` possible.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where objects live durably.
///
/// A store gives each change the next [`Revision`], strictly increasing over the whole store and
/// across restarts. It knows nothing of kinds, schemas or rights.
pub trait Store: Send + Sync + Debug + 'static {
    /// The newest committed version of an object as this process knows it, at once.
    ///
    /// It may be behind when somebody else writes to the same store (an embedded store has nobody
    /// else, and is never behind). It is never ahead: what it shows is durable.
    fn peek(&self, key: &ObjectKey) -> Option<Arc<Object>>;

    /// The newest committed version of an object: linearizable with every commit.
    fn get<'a>(&'a self, key: &'a ObjectKey) -> Answer<'a, Option<Arc<Object>>>;

    /// The object of a resource that has this uid; as fresh as [`Store::peek`].
    fn find(&self, resource: &GroupResource, uid: &Uid) -> Option<Arc<Object>>;

    /// How many objects of a resource there are in a namespace, at once; as fresh as
    /// [`Store::peek`].
    fn count(&self, resource: &GroupResource, namespace: &str) -> u64;

    /// Objects in key order (namespace, then name, bytewise) as they all were at one revision.
    ///
    /// Without `at` it is the newest revision, linearizable with every commit. Fails with
    /// [`StoreError::Expired`] when that revision can no longer be shown, and with
    /// [`StoreError::FromTheFuture`] when it was never given out.
    fn list<'a>(&'a self, query: ListQuery<'a>) -> Answer<'a, Page>;

    /// Writes all of `changes` durably, or none of them.
    ///
    /// Each change is compared with the newest version of its object, including writes that wait in
    /// the same batch: with `expect` equal to that version's revision (or both absent) it applies.
    /// Changes of one call get consecutive revisions in order, and each sees the ones before it;
    /// two changes of one object therefore only fit together as removal and creation. A creation
    /// only fits where there is no object, and every other change only where there is one. When
    /// this returns [`Committed::At`], everything is on disk and visible to [`Store::peek`].
    /// Whoever stops waiting for the answer does not take the write back.
    fn commit(&self, changes: Vec<Change>) -> Answer<'_, Committed>;

    /// Committed events after a revision, in revision order without gaps.
    ///
    /// There may be fewer than `limit` of them, or none, with more to come: go on at
    /// [`Tail::up_to`] until it is the newest revision. Fails with [`StoreError::Expired`] exactly
    /// when an event after `after` may have been dropped from history.
    fn tail<'a>(&'a self, query: TailQuery<'a>) -> Answer<'a, Tail>;

    /// The newest committed revision, and a wake-up whenever it grows.
    ///
    /// An event is visible to [`Store::tail`] before its revision shows here.
    fn head(&self) -> watch::Receiver<Revision>;

    /// Drops what history no longer has to keep, in one bounded step that never holds up writers
    /// for long. Call it again while [`Compacted::more`] is true.
    fn compact(&self, now: Timestamp) -> Answer<'_, Compacted>;

    /// What there is to know about the store, for operators.
    fn info(&self) -> StoreInfo;

    /// What was written so far, flush by flush.
    fn flushes(&self) -> &Flushes;

    /// Finishes what was accepted, and accepts no more. A second call changes nothing.
    fn close(&self) -> Answer<'_, ()>;
}

/// How much history a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// History is kept at least so long, unless one of the bounds below cuts earlier.
    pub age: Duration,
    /// It has at most so many events once a compaction is done; `u64::MAX` for no such bound.
    pub events_max: u64,
    /// All history together takes at most about so many bytes on disk.
    pub bytes_max: u64,
    /// The recent part of it that is held in memory takes at most about so many bytes.
    pub memory_bytes_max: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            age: Duration::from_mins(5),
            events_max: u64::MAX,
            bytes_max: 1024 * 1024 * 1024,
            memory_bytes_max: 64 * 1024 * 1024,
        }
    }
}

impl HistoryLimits {
    /// What was written before this has reached its age at `now`.
    pub fn cutoff(&self, now: Timestamp) -> Timestamp {
        let age = i64::try_from(self.age.as_micros()).unwrap_or(i64::MAX);
        Timestamp(now.0.saturating_sub(age))
    }

    /// What was written up to this revision is more than `events_max` allows. Each event has a
    /// revision of its own, and so there are at most so many after it.
    pub const fn line(&self, newest: Revision) -> Revision {
        Revision(newest.0.saturating_sub(self.events_max))
    }
}

/// Which objects to list.
#[derive(Debug, Clone, Copy)]
pub struct ListQuery<'a> {
    /// Of which resource.
    pub resource: &'a GroupResource,
    /// In one namespace only.
    pub namespace: Option<&'a str>,
    /// Only names that come after this one: where the last page ended.
    pub after: Option<&'a ObjectName>,
    /// At most so many; at least one.
    pub limit: usize,
    /// As things were at this revision; nothing for now.
    pub at: Option<Revision>,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The objects, in key order.
    pub objects: Vec<Arc<Object>>,
    /// The revision of the snapshot that they all come from.
    pub revision: Revision,
    /// Whether there are objects after the last one.
    pub more: bool,
}

/// What became of a commit.
#[derive(Debug, Clone)]
pub enum Committed {
    /// Durable. One version for each change, in order; a removed object's is its last state with
    /// the revision of the removal.
    At(Vec<Arc<Object>>),
    /// Somebody else was first with the object of `changes[index]`. Nothing was written.
    Lost {
        /// Which change met a rival.
        index: usize,
        /// The rival's version, so that a retry needs no second read; nothing when it is gone.
        theirs: Option<Arc<Object>>,
    },
}

/// One committed write.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its revision.
    pub revision: Revision,
    /// The version before; nothing for a creation, or where history no longer has it.
    pub before: Option<Arc<Object>>,
    /// The version that was written. For a removal, the last state with the revision of the
    /// removal.
    pub object: Arc<Object>,
    /// Whether the write removed the object.
    pub removed: bool,
    /// How it was asked for.
    pub manner: Manner,
    /// Which conditions it turned over.
    pub flips: Flips,
}

impl Event {
    /// Whether the write made the object.
    pub fn is_creation(&self) -> bool {
        !self.removed && self.object.created_revision == self.revision
    }

    /// Whether the write was to the status lane alone.
    pub fn is_status_only(&self) -> bool {
        let lanes_shared = |before: &Arc<Object>| {
            before.body_revision == self.object.body_revision
                && before.metadata == self.object.metadata
        };
        !self.removed
            && !self.is_creation()
            && self.object.status_revision == self.revision
            && self.before.as_ref().is_some_and(lanes_shared)
    }
}

/// Which part of history to read.
#[derive(Debug, Clone, Copy)]
pub struct TailQuery<'a> {
    /// Only events of this resource; nothing for all of them.
    pub resource: Option<&'a GroupResource>,
    /// Only events after this revision.
    pub after: Revision,
    /// At most so many events.
    pub limit: usize,
}

/// A part of history.
#[derive(Debug, Clone)]
pub struct Tail {
    /// The events, oldest first.
    pub events: Vec<Arc<Event>>,
    /// Everything up to here has been looked at: where to go on.
    pub up_to: Revision,
}

/// What one step of compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// How many events were dropped.
    pub events: usize,
    /// Whether there is more to drop now.
    pub more: bool,
}

/// Facts about a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreInfo {
    /// The newest revision.
    pub newest: Revision,
    /// History is complete after this revision.
    pub oldest: Revision,
    /// How many objects there are.
    pub objects: u64,
    /// How many of each resource that has any, in no order.
    pub by_resource: Vec<(GroupResource, u64)>,
    /// How many commits wait to be looked at.
    pub waiting: u64,
    /// How many bytes the store takes on disk.
    pub disk_bytes: u64,
    /// About how many bytes history takes on disk.
    pub history_bytes: u64,
    /// Whether the byte limit has cut history shorter than its age limit asks for.
    pub history_cut_short: bool,
    /// Commits (flushes to disk) so far.
    pub commits: u64,
    /// Changes in them.
    pub changes: u64,
}
