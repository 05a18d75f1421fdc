//! What the engine counts and times, for whoever watches over it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pintle_store::{Committed, Compacted, Histogram, StoreError};

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

    /// History could not be cut: the store does not write.
    pub(crate) fn compaction_failed(&self, error: &StoreError) {
        self.note_trouble(Some(error));
    }

    pub(crate) fn committed(&self, took: Duration, ended: &Result<Committed, StoreError>) {
        self.commits.add(took);
        self.note_trouble(ended.as_ref().err());
    }

    /// Of what came back from the store, keeps what says how it is.
    fn note_trouble(&self, error: Option<&StoreError>) {
        let trouble = match error {
            None => None,
            Some(
                error @ (StoreError::Full(_) | StoreError::Unavailable(_) | StoreError::Corrupt(_)),
            ) => Some((Instant::now(), error.to_string())),
            Some(_) => return,
        };
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_ends_with_the_next_commit() {
        let measures = Measures::default();
        let full = Err(StoreError::Full("no room".into()));
        measures.committed(Duration::ZERO, &full);
        assert!(measures.store_trouble().unwrap().contains("no room"));
        measures.committed(Duration::ZERO, &Err(StoreError::Overloaded));
        assert!(measures.store_trouble().is_some());
        measures.committed(Duration::ZERO, &Ok(Committed::At(Vec::new())));
        assert_eq!(measures.store_trouble(), None);
    }
}
