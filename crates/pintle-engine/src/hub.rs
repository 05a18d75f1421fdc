//! When watchers are woken.
//!
//! A watcher reads the log at its own pace from its own cursor, so nothing is queued for it and a
//! slow one holds nobody up. What is shared is the wake-up. Each wake-up costs a socket write for
//! every watcher, so with many watchers the wake-ups are spaced out, and what was committed between
//! two of them goes out together. With few watchers there is no delay.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pintle_model::Revision;
use tokio::sync::watch;

use crate::{Limits, Refusal};

/// What one wake-up of one watcher costs, by measurement: a socket write on each side.
const WAKE_COST: Duration = Duration::from_micros(25);

/// Wakes watchers, not too often.
#[derive(Debug)]
pub(crate) struct Hub {
    published: watch::Sender<Revision>,
    watchers: AtomicUsize,
    cursors: Mutex<Cursors>,
    watchers_max: usize,
    interval_max: Duration,
}

/// Where the watchers are, each under a number of its own.
#[derive(Debug, Default)]
struct Cursors {
    next: u64,
    places: HashMap<u64, Arc<AtomicU64>>,
}

/// The place of one watcher; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    hub: Arc<Hub>,
    number: u64,
    /// Zero while the state is being told.
    told: Arc<AtomicU64>,
}

impl Seat {
    /// The watcher has told everything up to here.
    pub(crate) fn told(&self, revision: Revision) {
        self.told.store(revision.0, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.watchers.fetch_sub(1, Ordering::Relaxed);
        self.hub.cursors().places.remove(&self.number);
    }
}

impl Hub {
    pub(crate) fn new(newest: Revision, limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            published: watch::Sender::new(newest),
            watchers: AtomicUsize::new(0),
            cursors: Mutex::default(),
            watchers_max: limits.watchers_max,
            interval_max: limits.publish_interval_max,
        })
    }

    /// A place for one more watcher, and its wake-ups.
    pub(crate) fn join(self: &Arc<Self>) -> Result<(Seat, watch::Receiver<Revision>), Refusal> {
        let taken = self.watchers.fetch_add(1, Ordering::Relaxed);
        let seat = self.seat();
        if taken >= self.watchers_max {
            return Err(Refusal::TooManyWatches);
        }
        Ok((seat, self.published.subscribe()))
    }

    /// The wake-ups alone, for a reader of the server's own.
    pub(crate) fn listen(&self) -> watch::Receiver<Revision> {
        self.published.subscribe()
    }

    fn seat(self: &Arc<Self>) -> Seat {
        let told = Arc::new(AtomicU64::new(0));
        let mut cursors = self.cursors();
        let number = cursors.next;
        cursors.next += 1;
        cursors.places.insert(number, Arc::clone(&told));
        drop(cursors);
        Seat { hub: Arc::clone(self), number, told }
    }

    fn cursors(&self) -> MutexGuard<'_, Cursors> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many watchers there are.
    pub(crate) fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    /// How far the watcher is that is the furthest behind.
    pub(crate) fn slowest(&self) -> Option<Revision> {
        let cursors = self.cursors();
        let told = cursors.places.values().map(|told| told.load(Ordering::Relaxed));
        told.filter(|told| *told > 0).min().map(Revision)
    }

    /// Passes on that the store has grown, until the store is gone.
    pub(crate) async fn publish(self: Arc<Self>, mut head: watch::Receiver<Revision>) {
        while head.changed().await.is_ok() {
            let newest = *head.borrow_and_update();
            self.published.send_replace(newest);
            let pause = self.pause();
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// So long that waking everybody once takes well less.
    fn pause(&self) -> Duration {
        let watchers = u32::try_from(self.watchers.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let pause = WAKE_COST.saturating_mul(watchers).min(self.interval_max);
        // A timer is no finer than a millisecond; less is not worth waiting for.
        if pause < Duration::from_millis(1) { Duration::ZERO } else { pause }
    }
}
