//! Time and chance, as ports: tests own them.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use pintle_model::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + Debug + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// Gives out bits that nobody can guess.
pub trait Entropy: Send + Sync + Debug + 'static {
    /// 64 random bits.
    fn bits(&self) -> u64;
}

/// The random numbers of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bits(&self) -> u64 {
        getrandom::u64().expect("the operating system gives out random numbers")
    }
}
