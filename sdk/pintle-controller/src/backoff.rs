//! Pauses between attempts at one object that fail. A function of what is told and of the time that
//! is given: it reads no clock.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How long to wait after the next failure of each key.
#[derive(Debug)]
pub struct Backoff<K> {
    first: Duration,
    max: Duration,
    failures: HashMap<K, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// So many keys are remembered; beyond that, those that failed longest ago are forgotten.
const KEYS_MAX: usize = 10_000;

impl<K: Eq + Hash + Clone> Backoff<K> {
    /// Pauses that begin with `first` and double up to `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, failures: HashMap::new() }
    }

    /// The key failed at this moment: how long to wait.
    pub fn fail(&mut self, key: &K, now: Instant) -> Duration {
        self.make_room(key);
        let failures = self.failures.entry(key.clone()).or_insert(Failures { count: 0, last: now });
        let pause = self.first.saturating_mul(2_u32.saturating_pow(failures.count)).min(self.max);
        *failures = Failures { count: failures.count.saturating_add(1), last: now };
        pause
    }

    /// The key did not fail, or is gone: the next failure is the first one.
    pub fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }

    /// So many keys have failed.
    pub fn len(&self) -> usize {
        self.failures.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.failures.is_empty()
    }

    fn make_room(&mut self, key: &K) {
        if self.failures.len() < KEYS_MAX || self.failures.contains_key(key) {
            return;
        }
        let mut times: Vec<Instant> = self.failures.values().map(|it| it.last).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        self.failures.retain(|_, it| it.last > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_for_each_key_until_it_succeeds() {
        let now = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut pauses = |key: &str| backoff.fail(&key.to_owned(), now).as_millis();
        assert_eq!([pauses("a"), pauses("a"), pauses("b"), pauses("a")], [100, 200, 100, 400]);
        assert_eq!([pauses("a"), pauses("a"), pauses("a")], [800, 1000, 1000]);
        for _ in 0..100 {
            assert_eq!(pauses("a"), 1000);
        }
        backoff.forget(&"a".to_owned());
        assert_eq!(backoff.fail(&"a".to_owned(), now).as_millis(), 100);
        assert_eq!(backoff.fail(&"b".to_owned(), now).as_millis(), 200);
    }

    #[test]
    fn what_failed_long_ago_makes_room() {
        let begun = Instant::now();
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        for number in 0..30_000_u64 {
            backoff.fail(&number, begun + Duration::from_millis(number));
            assert!(backoff.len() <= KEYS_MAX);
        }
        let late = begun + Duration::from_mins(1);
        assert_eq!(backoff.fail(&29_999, late), Duration::from_secs(2), "the newest is known");
        assert_eq!(backoff.fail(&0, late), Duration::from_secs(1), "the oldest is forgotten");
    }
}
