//! What is known of a delivery from outside: how much, how late, how often not.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use pintle_model::{Revision, Timestamp};

/// Counts of one delivery, while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    delivered: AtomicU64,
    failed_attempts: AtomicU64,
    dead_letters: AtomicU64,
    gaps: AtomicU64,
    reached: AtomicU64,
    /// When the event that is being tried happened, in microseconds since 1970; 0 when there is
    /// none.
    trying_since: AtomicI64,
    failing: AtomicBool,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// Events that the receiver took.
    pub delivered: u64,
    /// Messages that it did not take, each attempt for itself.
    pub failed_attempts: u64,
    /// Events that were given up.
    pub dead_letters: u64,
    /// How often events were missing that the receiver should have had.
    pub gaps: u64,
    /// How many revisions it is behind.
    pub lag_revisions: u64,
    /// How long ago that happened which it has not been told yet.
    pub lag: Duration,
    /// Whether the last attempt failed.
    pub failing: bool,
}

impl Progress {
    /// The counts, at this moment, when the newest revision is this one.
    pub fn numbers(&self, now: Timestamp, newest: Revision) -> Numbers {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let lag = match self.trying_since.load(Ordering::Relaxed) {
            0 => 0,
            since => now.0.saturating_sub(since).max(0),
        };
        Numbers {
            delivered: load(&self.delivered),
            failed_attempts: load(&self.failed_attempts),
            dead_letters: load(&self.dead_letters),
            gaps: load(&self.gaps),
            lag_revisions: newest.0.saturating_sub(load(&self.reached)),
            lag: Duration::from_micros(lag.unsigned_abs()),
            failing: self.failing.load(Ordering::Relaxed),
        }
    }

    /// Events were taken. Says whether the attempt before had failed.
    pub(crate) fn delivered(&self, events: usize) -> bool {
        self.delivered.fetch_add(events as u64, Ordering::Relaxed);
        self.failing.swap(false, Ordering::Relaxed)
    }

    /// An attempt failed. Says whether the one before it had not.
    pub(crate) fn failed(&self) -> bool {
        self.failed_attempts.fetch_add(1, Ordering::Relaxed);
        !self.failing.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn died(&self) {
        self.dead_letters.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn missed(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reached(&self, revision: Revision) {
        self.reached.store(revision.0, Ordering::Relaxed);
    }

    /// An event that happened then is being tried; nothing when there is none.
    pub(crate) fn trying(&self, since: Option<Timestamp>) {
        self.trying_since.store(since.map_or(0, |it| it.0.max(1)), Ordering::Relaxed);
    }
}
