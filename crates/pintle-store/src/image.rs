//! The current objects and the recent past, in memory, shared by every reader.
//!
//! An adapter that keeps an image answers reads from it and publishes to it what has become
//! durable, one whole batch at a time. How a list shows an older revision is in `listing`; how much
//! of the past is kept is in `ring`. Deciding which changes win is in [`crate::Batch`].

mod listing;
mod ring;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pintle_model::{GroupResource, Object, ObjectKey, ObjectName, Revision, Timestamp, Uid};
use tokio::sync::watch;

use self::listing::Listing;
use self::ring::Ring;
use crate::{Compacted, Event, HistoryLimits, ListQuery, Page, StoreError, Tail, TailQuery};

/// A tail hands out at most so many events at once, so that nobody holds the lock for long.
const TAIL_EVENTS_MAX: usize = 1_000;

/// The objects of a store as they are now, and the events that led there, as far back as bounds on
/// their count and on bytes allow.
///
/// Readers hold the lock for microseconds: long lists are read in steps. There must be one writer.
#[derive(Debug)]
pub struct Image {
    state: RwLock<State>,
    head: watch::Sender<Revision>,
}

#[derive(Debug)]
struct State {
    resources: HashMap<GroupResource, Objects>,
    ring: Ring,
    newest: Revision,
    objects: u64,
}

/// The objects of one resource.
#[derive(Debug, Default)]
struct Objects {
    by_name: BTreeMap<ObjectName, Arc<Object>>,
    /// A uid stays with its name for a life, so that only creations and removals touch this.
    names: HashMap<Uid, ObjectName>,
    /// How many there are in each namespace that has any.
    counts: HashMap<Arc<str>, u64>,
}

impl Image {
    /// The picture of a store that holds `objects` at `newest`. Its history begins there, and is
    /// bounded by `events_max` and `memory_bytes_max` of `limits`.
    pub fn new(objects: Vec<Arc<Object>>, newest: Revision, limits: &HistoryLimits) -> Self {
        let count = objects.len() as u64;
        let resources = grouped(objects);
        let ring = Ring::new(newest, limits);
        let state = State { resources, ring, newest, objects: count };
        Self { state: RwLock::new(state), head: watch::Sender::new(newest) }
    }

    /// The newest version of an object.
    pub fn peek(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.read().resources.get(&key.resource)?.by_name.get(&key.name).cloned()
    }

    /// The object of a resource that has this uid.
    pub fn find(&self, resource: &GroupResource, uid: &Uid) -> Option<Arc<Object>> {
        let state = self.read();
        let objects = state.resources.get(resource)?;
        objects.by_name.get(objects.names.get(uid)?).cloned()
    }

    /// How many objects of a resource there are in a namespace.
    pub fn count(&self, resource: &GroupResource, namespace: &str) -> u64 {
        let state = self.read();
        let objects = state.resources.get(resource);
        objects.and_then(|objects| objects.counts.get(namespace)).copied().unwrap_or(0)
    }

    /// See [`crate::Store::list`]. Takes time in proportion to the page and to the events since
    /// `query.at`.
    pub fn list(&self, query: ListQuery<'_>) -> Result<Page, StoreError> {
        match self.list_in_steps(query) {
            // Writes were so fast that the ring lost the revision in the middle of the list.
            Err(StoreError::Expired { .. }) if query.at.is_none() => self.list_at_once(query),
            answer => answer,
        }
    }

    fn list_in_steps(&self, query: ListQuery<'_>) -> Result<Page, StoreError> {
        let mut listing = Listing::start(query, &self.read())?;
        while !listing.step(&self.read())? {}
        Ok(listing.into_page())
    }

    fn list_at_once(&self, query: ListQuery<'_>) -> Result<Page, StoreError> {
        let state = self.read();
        let mut listing = Listing::start(query, &state)?;
        while !listing.step(&state)? {}
        Ok(listing.into_page())
    }

    /// See [`crate::Store::tail`]. A resource that nobody writes costs nothing, however busy the
    /// others are.
    pub fn tail(&self, query: TailQuery<'_>) -> Result<Tail, StoreError> {
        let state = self.read();
        state.check_reachable(query.after)?;
        let limit = query.limit.clamp(1, TAIL_EVENTS_MAX);
        let events = state.ring.after(query.resource, query.after, limit);
        let full = events.len() == limit;
        let last = events.last().map(|event| event.revision).filter(|_| full);
        Ok(Tail { events, up_to: last.unwrap_or(state.newest) })
    }

    /// The newest revision.
    pub fn newest(&self) -> Revision {
        self.read().newest
    }

    /// The events after this revision are all here.
    pub fn oldest(&self) -> Revision {
        self.read().ring.oldest()
    }

    /// How many objects there are.
    pub fn len(&self) -> u64 {
        self.read().objects
    }

    /// How many objects there are of each resource that has any, in no order.
    pub fn len_by_resource(&self) -> Vec<(GroupResource, u64)> {
        let state = self.read();
        let lens = state.resources.iter().map(|(resource, objects)| (resource, &objects.by_name));
        let some = lens.filter(|(_, objects)| !objects.is_empty());
        some.map(|(resource, objects)| (resource.clone(), objects.len() as u64)).collect()
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the events keep in memory beyond the current objects.
    pub fn ring_bytes(&self) -> usize {
        self.read().ring.bytes()
    }

    /// When the youngest event was written that the bound on bytes has pushed out.
    pub fn ring_cut_at(&self) -> Option<Timestamp> {
        self.read().ring.cut_at()
    }

    /// The newest revision, and a wake-up whenever it grows.
    pub fn head(&self) -> watch::Receiver<Revision> {
        self.head.subscribe()
    }

    /// Publishes durable events, in revision order, as one: a reader sees all of them or none.
    pub fn apply(&self, events: &[Arc<Event>]) {
        let Some(last) = events.last() else { return };
        let mut state = self.write();
        let mut replaced = Vec::with_capacity(events.len());
        for event in events {
            replaced.push(state.apply(event));
        }
        state.newest = last.revision;
        let pushed_out = state.ring.shrink();
        drop(state);
        // Memory is given back when nobody waits for the lock.
        drop((replaced, pushed_out));
        self.head.send_replace(last.revision);
    }

    /// Drops at most `max` events that were written before `cutoff`.
    pub fn expire(&self, cutoff: Timestamp, max: usize) -> Compacted {
        let (dropped, more) = self.write().ring.expire(cutoff, max);
        Compacted { events: dropped.len(), more }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().expect("nothing panics while it holds this lock")
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().expect("nothing panics while it holds this lock")
    }
}

/// Builds each map in one go from sorted input, which packs its nodes full.
fn grouped(objects: Vec<Arc<Object>>) -> HashMap<GroupResource, Objects> {
    let mut by_resource: HashMap<GroupResource, HashMap<Arc<str>, Vec<Arc<Object>>>> =
        HashMap::new();
    // Sorting within each namespace compares names only; whole keys are long and mostly equal.
    for object in objects {
        let ObjectKey { resource, name } = &object.key;
        let namespaces = by_resource.entry(resource.clone()).or_default();
        namespaces.entry(Arc::clone(&name.namespace)).or_default().push(object);
    }
    by_resource.into_iter().map(|(resource, of)| (resource, Objects::new(of))).collect()
}

impl Objects {
    fn new(namespaces: HashMap<Arc<str>, Vec<Arc<Object>>>) -> Self {
        let mut namespaces: Vec<_> = namespaces.into_iter().collect();
        namespaces.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (_, objects) in &mut namespaces {
            objects.sort_by(|a, b| a.key.name.name.cmp(&b.key.name.name));
        }
        let all = || namespaces.iter().flat_map(|(_, objects)| objects);
        let names = all().map(|object| (object.uid().clone(), object.key.name.clone())).collect();
        let by_name = all().map(|object| (object.key.name.clone(), Arc::clone(object))).collect();
        let counts = namespaces.iter().map(|(name, of)| (Arc::clone(name), of.len() as u64));
        Self { by_name, names, counts: counts.collect() }
    }

    /// Counts one more in a namespace.
    fn count_in(&mut self, namespace: &Arc<str>) {
        match self.counts.get_mut(namespace) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(Arc::clone(namespace), 1)),
        }
    }

    /// Counts one less in a namespace.
    fn count_out(&mut self, namespace: &Arc<str>) {
        if let Some(count) = self.counts.get_mut(namespace) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(namespace);
            }
        }
    }
}

impl State {
    /// Whether the events after `revision` are all in the ring.
    fn check_reachable(&self, revision: Revision) -> Result<(), StoreError> {
        let oldest = self.ring.oldest();
        if revision > self.newest {
            return Err(StoreError::FromTheFuture { asked: revision, newest: self.newest });
        }
        if revision < oldest {
            return Err(StoreError::Expired { asked: revision, oldest });
        }
        Ok(())
    }

    /// Makes the current objects what `event` says, and hands back what it replaced.
    fn apply(&mut self, event: &Arc<Event>) -> Option<Arc<Object>> {
        let key = &event.object.key;
        let replaced = if event.removed { self.remove(event) } else { self.put(&event.object) };
        self.ring.push(event);
        if self.resources.get(&key.resource).is_some_and(|objects| objects.by_name.is_empty()) {
            self.resources.remove(&key.resource);
        }
        replaced
    }

    fn put(&mut self, object: &Arc<Object>) -> Option<Arc<Object>> {
        let ObjectKey { resource, name } = &object.key;
        if !self.resources.contains_key(resource) {
            self.resources.insert(resource.clone(), Objects::default());
        }
        let objects = self.resources.get_mut(resource)?;
        if let Some(current) = objects.by_name.get_mut(name) {
            return Some(std::mem::replace(current, Arc::clone(object)));
        }
        objects.by_name.insert(name.clone(), Arc::clone(object));
        objects.names.insert(object.uid().clone(), name.clone());
        objects.count_in(&name.namespace);
        self.objects += 1;
        None
    }

    fn remove(&mut self, event: &Event) -> Option<Arc<Object>> {
        let objects = self.resources.get_mut(&event.object.key.resource)?;
        let removed = objects.by_name.remove(&event.object.key.name)?;
        objects.names.remove(removed.uid());
        objects.count_out(&removed.key.name.namespace);
        self.objects -= 1;
        Some(removed)
    }
}

#[cfg(all(test, feature = "conformance"))]
mod tests;
