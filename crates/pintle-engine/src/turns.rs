//! Whose turn it is to write an object.
//!
//! Writers of one object take turns in the order they came, so that a patch which names no version
//! is not starved by faster writers, and nobody decides against an object that a neighbour is just
//! writing. So do creates in a namespace that has room for so many only. The store's
//! compare-and-swap stays the judge: turns are only for this process.
//!
//! Nobody waits for an object's turn who has one of a namespace, or who holds creates open.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, RandomState};

use pintle_model::ObjectKey;
use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard};

/// Few enough to be small, enough that two objects seldom share one.
const OBJECTS: usize = 4_096;
/// The same for namespaces.
const ROOMS: usize = 256;

/// One queue for each of many groups of objects, and of namespaces.
#[derive(Debug)]
pub(crate) struct Turns {
    objects: Stripes,
    rooms: Stripes,
    /// Shared by the creates in progress.
    creates: RwLock<()>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        let (objects, rooms) = (Stripes::new(OBJECTS), Stripes::new(ROOMS));
        Self { objects, rooms, creates: RwLock::default() }
    }

    /// Waits for the turn to write `key`; first come, first served.
    pub(crate) async fn take(&self, key: &ObjectKey) -> MutexGuard<'_, ()> {
        self.objects.lock(self.objects.place(key)).await
    }

    /// Waits for the turns to write all of `keys`. Everybody takes several in one order, so that no
    /// two wait for each other.
    pub(crate) async fn take_all(
        &self,
        keys: impl Iterator<Item = &ObjectKey>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let places: BTreeSet<usize> = keys.map(|key| self.objects.place(key)).collect();
        let mut turns = Vec::with_capacity(places.len());
        for place in places {
            turns.push(self.objects.lock(place).await);
        }
        turns
    }

    /// Waits for the turn to make what a quota limits in a namespace, or to write such a quota.
    pub(crate) async fn take_room(&self, namespace: &str) -> MutexGuard<'_, ()> {
        self.rooms.lock(self.rooms.place(namespace)).await
    }

    /// For a create, from the look at whether its place is open until it is committed.
    pub(crate) async fn hold_open(&self) -> RwLockReadGuard<'_, ()> {
        self.creates.read().await
    }

    /// Waits for the creates that may have looked before something was closed. Whatever was created
    /// in it is there when this returns, and nothing more will be.
    pub(crate) async fn closed(&self) {
        drop(self.creates.write().await);
    }
}

/// Queues, each for whatever happens to fall to it.
#[derive(Debug)]
struct Stripes {
    queues: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Stripes {
    fn new(count: usize) -> Self {
        let queues = std::iter::repeat_with(Mutex::default).take(count).collect();
        Self { queues, hasher: RandomState::new() }
    }

    fn place<T: Hash + ?Sized>(&self, of: &T) -> usize {
        usize::try_from(self.hasher.hash_one(of) % self.queues.len() as u64).unwrap_or(0)
    }

    async fn lock(&self, place: usize) -> MutexGuard<'_, ()> {
        self.queues.get(place).expect("taken modulo the number of queues").lock().await
    }
}
