//! The recent events in revision order, bounded by their count and by the bytes that they
//! keep alive.
//!
//! Each resource has its own queue of the same events, so that a watcher of a quiet resource never
//! walks past those of a busy one; the price is one more pointer an event.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use pintle_model::{GroupResource, Json, Metadata, Object, Revision, Timestamp};

use crate::{Event, HistoryLimits};

/// What an event takes besides lanes: itself, an object, and its places in two queues.
const EVENT_BYTES: usize = size_of::<Event>()
    + size_of::<Object>()
    + 2 * size_of::<Arc<Event>>()
    + size_of::<usize>()
    + 64;

#[derive(Debug)]
pub(super) struct Ring {
    all: VecDeque<(Arc<Event>, usize)>,
    by_resource: HashMap<GroupResource, VecDeque<Arc<Event>>>,
    bytes: usize,
    bytes_max: usize,
    events_max: u64,
    oldest: Revision,
    cut_at: Option<Timestamp>,
}

impl Ring {
    pub(super) fn new(oldest: Revision, limits: &HistoryLimits) -> Self {
        Self {
            all: VecDeque::new(),
            by_resource: HashMap::new(),
            bytes: 0,
            bytes_max: limits.memory_bytes_max,
            events_max: limits.events_max,
            oldest,
            cut_at: None,
        }
    }

    /// The events after this revision are all here.
    pub(super) const fn oldest(&self) -> Revision {
        self.oldest
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn cut_at(&self) -> Option<Timestamp> {
        self.cut_at
    }

    pub(super) fn push(&mut self, event: &Arc<Event>) {
        let bytes = bytes_kept_alive(event);
        self.bytes += bytes;
        self.all.push_back((Arc::clone(event), bytes));
        let resource = &event.object.key.resource;
        if let Some(queue) = self.by_resource.get_mut(resource) {
            queue.push_back(Arc::clone(event));
        } else {
            let queue = VecDeque::from([Arc::clone(event)]);
            self.by_resource.insert(resource.clone(), queue);
        }
    }

    /// Pushes out the oldest events until the rest fits, and hands them back to be freed.
    pub(super) fn shrink(&mut self) -> Vec<Arc<Event>> {
        let mut out = Vec::new();
        // So many events were asked for and no more: history is not cut short by that.
        while self.all.len() as u64 > self.events_max
            && let Some(event) = self.pop()
        {
            out.push(event);
        }
        while self.bytes > self.bytes_max
            && let Some(event) = self.pop()
        {
            self.cut_at = self.cut_at.max(Some(event.object.updated_at));
            out.push(event);
        }
        out
    }

    /// Drops at most `max` events written before `cutoff`, and says whether there are more.
    pub(super) fn expire(&mut self, cutoff: Timestamp, max: usize) -> (Vec<Arc<Event>>, bool) {
        let mut out = Vec::new();
        while out.len() < max
            && self.first_is_before(cutoff)
            && let Some(event) = self.pop()
        {
            out.push(event);
        }
        (out, self.first_is_before(cutoff))
    }

    fn first_is_before(&self, cutoff: Timestamp) -> bool {
        self.all.front().is_some_and(|(event, _)| event.object.updated_at < cutoff)
    }

    fn pop(&mut self) -> Option<Arc<Event>> {
        let (event, bytes) = self.all.pop_front()?;
        self.bytes -= bytes;
        self.oldest = event.revision;
        let resource = &event.object.key.resource;
        if let Some(queue) = self.by_resource.get_mut(resource) {
            queue.pop_front();
            if queue.is_empty() {
                self.by_resource.remove(resource);
            }
        }
        Some(event)
    }

    /// At most `limit` events after a revision, of one resource or of all.
    pub(super) fn after(
        &self,
        resource: Option<&GroupResource>,
        after: Revision,
        limit: usize,
    ) -> Vec<Arc<Event>> {
        let Some(resource) = resource else {
            let from = self.all.partition_point(|(event, _)| event.revision <= after);
            return self
                .all
                .range(from..)
                .take(limit)
                .map(|(event, _)| Arc::clone(event))
                .collect();
        };
        let Some(queue) = self.by_resource.get(resource) else { return Vec::new() };
        let from = queue.partition_point(|event| event.revision <= after);
        queue.range(from..).take(limit).cloned().collect()
    }
}

/// An event keeps alive what it *replaced*: the new lanes are those of the current object, or are
/// counted by the event that replaced them in turn.
fn bytes_kept_alive(event: &Event) -> usize {
    let flips = event.flips.before.keys().map(|kind| kind.len() + ENTRY_BYTES).sum::<usize>();
    let mut bytes = EVENT_BYTES + flips;
    let Some(before) = &event.before else { return bytes };
    let after = &event.object;
    let gone = event.removed;
    if gone || !Arc::ptr_eq(&before.metadata, &after.metadata) {
        bytes += metadata_bytes(&before.metadata);
    }
    if gone || before.body_revision != after.body_revision {
        bytes += before.body.len();
    }
    if gone || before.status_revision != after.status_revision {
        bytes += before.status.as_ref().map_or(0, Json::len) + ledger_bytes(before);
    }
    bytes
}

/// A map entry of two short texts takes about so much beside the texts.
const ENTRY_BYTES: usize = 96;

fn metadata_bytes(metadata: &Metadata) -> usize {
    let maps = metadata.labels.iter().chain(&metadata.annotations);
    let entries: usize = maps.map(|(key, value)| key.len() + value.len() + ENTRY_BYTES).sum();
    let finalizers: usize = metadata.finalizers.iter().map(|text| text.len() + ENTRY_BYTES).sum();
    let owners = metadata.owner_references.len() * 2 * ENTRY_BYTES;
    size_of::<Metadata>() + metadata.name.len() + entries + finalizers + owners
}

fn ledger_bytes(object: &Object) -> usize {
    let Some(ledger) = &object.ledger else { return 0 };
    ledger.entries.iter().map(|(key, entry)| key.len() + entry.manager.len() + ENTRY_BYTES).sum()
}
