//! Whose turn it is to write an object.
//!
//! Writers of one object take turns in the order they came, so that a patch which names no version
//! is not starved by faster writers, and nobody decides against an object that a neighbour is just
//! writing. The store's compare-and-swap stays the judge: turns are only for this process.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use pintle_model::ObjectKey;
use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard};

/// Few enough to be small, enough that two objects seldom share one.
const STRIPES: usize = 4_096;

/// One queue for each of many groups of objects.
#[derive(Debug)]
pub(crate) struct Turns {
    stripes: Vec<Mutex<()>>,
    hasher: RandomState,
    /// Shared by the creates in progress.
    creates: RwLock<()>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        let stripes = std::iter::repeat_with(Mutex::default).take(STRIPES).collect();
        Self { stripes, hasher: RandomState::new(), creates: RwLock::default() }
    }

    /// Waits for the turn to write `key`; first come, first served.
    pub(crate) async fn take(&self, key: &ObjectKey) -> MutexGuard<'_, ()> {
        self.lock(self.stripe(key)).await
    }

    /// Waits for the turns to write all of `keys`. Everybody takes several in one order, so that no
    /// two wait for each other.
    pub(crate) async fn take_all(
        &self,
        keys: impl Iterator<Item = &ObjectKey>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let stripes: BTreeSet<usize> = keys.map(|key| self.stripe(key)).collect();
        let mut turns = Vec::with_capacity(stripes.len());
        for stripe in stripes {
            turns.push(self.lock(stripe).await);
        }
        turns
    }

    fn stripe(&self, key: &ObjectKey) -> usize {
        usize::try_from(self.hasher.hash_one(key) % STRIPES as u64).unwrap_or(0)
    }

    async fn lock(&self, stripe: usize) -> MutexGuard<'_, ()> {
        self.stripes.get(stripe).expect("taken modulo the number of stripes").lock().await
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
