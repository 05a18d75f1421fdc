//! What the engine counts and times, for whoever watches over it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pintle_store::{Committed, Compacted, StoreError};

/// How many took at most how long. The bounds are those of [`Histogram::BOUNDS`].
#[derive(Debug, Default)]
pub struct Histogram {
    /// One for each bound, and one for what takes longer.
    counts: [AtomicU64; Self::BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Histogram {
    /// Upper bounds in seconds, with their text.
    pub const BOUNDS: [(f64, &str); 15] = [
        (0.000_1, "0.0001"),
        (0.000_25, "0.00025"),
        (0.000_5, "0.0005"),
        (0.001, "0.001"),
        (0.002_5, "0.0025"),
        (0.005, "0.005"),
        (0.01, "0.01"),
        (0.025, "0.025"),
        (0.05, "0.05"),
        (0.1, "0.1"),
        (0.25, "0.25"),
        (0.5, "0.5"),
        (1.0, "1.0"),
        (2.5, "2.5"),
        (10.0, "10.0"),
    ];

    /// One more that took so long.
    pub fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = Self::BOUNDS.partition_point(|(bound, _)| *bound < seconds);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How many took at most as long as each bound says; the last is all of them.
    pub fn cumulated(&self) -> Vec<u64> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let sums = counts.scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        sums.collect()
    }

    /// How long all of them took together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

/// What the engine counts and times.
#[derive(Debug, Default)]
pub struct Measures {
    /// Commits of callers, from when the store was asked until it answered.
    pub commits: Histogram,
    compaction_steps: AtomicU64,
    compacted_events: AtomicU64,
    trouble: Mutex<Option<(Instant, String)>>,
}

/// What the store could not do counts for so long: longer, and a server that nobody sends writes
/// because it is in trouble would never be out of it.
const TROUBLE_LASTS: Duration = Duration::from_secs(10);

impl Measures {
    /// Steps of compaction so far.
    pub fn compaction_steps(&self) -> u64 {
        self.compaction_steps.load(Ordering::Relaxed)
    }

    /// Events that compaction has dropped so far.
    pub fn compacted_events(&self) -> u64 {
        self.compacted_events.load(Ordering::Relaxed)
    }

    /// What keeps the store from writing, if something did a moment ago.
    pub fn store_trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = trouble.as_ref().filter(|(when, _)| when.elapsed() < TROUBLE_LASTS);
        fresh.map(|(_, why)| why.clone())
    }

    pub(crate) fn compacted(&self, step: Compacted) {
        self.compaction_steps.fetch_add(1, Ordering::Relaxed);
        self.compacted_events.fetch_add(step.events as u64, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self, began: Instant, ended: &Result<Committed, StoreError>) {
        self.commits.add(began.elapsed());
        let trouble = match ended {
            Ok(_) => None,
            Err(StoreError::Full(_) | StoreError::Unavailable(_) | StoreError::Corrupt(_)) => {
                ended.as_ref().err().map(|error| (Instant::now(), error.to_string()))
            }
            Err(_) => return,
        };
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_up_to_the_bounds_that_it_keeps() {
        let histogram = Histogram::default();
        for micros in [100, 101, 20_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        let counts = histogram.cumulated();
        assert_eq!(counts.first(), Some(&1));
        assert_eq!(counts.get(1), Some(&2));
        assert_eq!(counts.get(Histogram::BOUNDS.len() - 1), Some(&2));
        assert_eq!(counts.last(), Some(&3));
        assert_eq!(histogram.sum(), Duration::from_micros(20_000_201));
    }

    #[test]
    fn trouble_ends_with_the_next_commit() {
        let measures = Measures::default();
        let full = Err(StoreError::Full("no room".into()));
        measures.committed(Instant::now(), &full);
        assert!(measures.store_trouble().unwrap().contains("no room"));
        measures.committed(Instant::now(), &Err(StoreError::Overloaded));
        assert!(measures.store_trouble().is_some());
        measures.committed(Instant::now(), &Ok(Committed::At(Vec::new())));
        assert_eq!(measures.store_trouble(), None);
    }
}
