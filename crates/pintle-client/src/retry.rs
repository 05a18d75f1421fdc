//! Which calls are made again, and when.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use crate::Error;

/// A call is made at most so often.
const ATTEMPTS_MAX: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How long to wait before a call is made once more, after it failed for the `attempt`th time, from
/// 1; nothing when it must not be.
pub(crate) fn pause(reads: bool, error: &Error, attempt: u32) -> Option<Duration> {
    let again = attempt < ATTEMPTS_MAX && (error.did_nothing() || (reads && error.may_pass()));
    again.then(|| error.retry_after().unwrap_or_else(|| growing(attempt)).min(PAUSE_MAX))
}

/// Pauses that grow. Half of each is by chance, so that many clients do not come back at once.
pub(crate) fn growing(attempt: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
    let half = whole.min(PAUSE_MAX) / 2;
    let share = u32::try_from(RandomState::new().hash_one(attempt) % 1000).unwrap_or(0);
    half + half * share / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refused;

    fn refused(status: u16, reason: &str) -> Error {
        let details = [("reason".to_owned(), reason.into())].into_iter().collect();
        Error::of(Refused::new(status, details))
    }

    #[test]
    fn only_what_is_safe_is_done_again() {
        let interrupted = || Error::Interrupted("reset".to_owned());
        for (error, read, write) in [
            (Error::Unreachable("refused".to_owned()), true, true),
            (interrupted(), true, false),
            (refused(503, "UNAVAILABLE"), true, true),
            (refused(503, "AUDIT_UNAVAILABLE"), true, true),
            (refused(429, "THROTTLED"), true, true),
            (refused(504, "TIMEOUT"), true, true),
            (refused(504, "OUTCOME_UNKNOWN"), true, false),
            (refused(502, ""), true, false),
            (refused(409, "CONFLICT"), false, false),
            (refused(404, "NOT_FOUND"), false, false),
            (refused(507, "STORAGE_FULL"), false, false),
            (refused(500, "INTERNAL"), false, false),
        ] {
            assert_eq!(pause(true, &error, 1).is_some(), read, "read: {error:?}");
            assert_eq!(pause(false, &error, 1).is_some(), write, "write: {error:?}");
        }
        assert!(pause(true, &interrupted(), ATTEMPTS_MAX).is_none());
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        for (attempt, most) in [(1, 100), (2, 200), (5, 1600), (60, 10_000)] {
            let pause = growing(attempt);
            let most = Duration::from_millis(most);
            assert!(pause >= most / 2 && pause <= most, "{attempt}: {pause:?}");
        }
    }
}
