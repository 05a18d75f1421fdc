//! How long to try, and how long to wait in between.

use std::time::Duration;

use crate::Outcome;

/// The bounds of trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The first pause. Each one after it is twice as long.
    pub pause_min: Duration,
    /// The longest pause that we choose.
    pub pause_max: Duration,
    /// The longest pause that a receiver can ask for.
    pub pause_asked_max: Duration,
    /// A message that is refused so often is given up.
    pub refusals_max: u32,
    /// A message that the receiver fails at for so long is given up.
    pub failing_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause_min: Duration::from_millis(500),
            pause_max: Duration::from_mins(1),
            pause_asked_max: Duration::from_hours(1),
            refusals_max: 5,
            failing_max: Duration::from_hours(24),
        }
    }
}

/// What has been tried with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Attempts {
    pub(crate) failed: u32,
    refused: u32,
    /// Since the receiver first failed at it.
    failing_since: Option<Duration>,
}

/// What to do after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Done,
    Again { after: Duration, why: String },
    GiveUp { why: String },
}

impl Attempts {
    /// What to do after `outcome`. `now` counts from some beginning; `chance` is from 0 to 1, and
    /// keeps receivers of one failure from being tried all at the same moments.
    pub(crate) fn decide(
        &mut self,
        outcome: Outcome,
        patience: &Patience,
        now: Duration,
        chance: f64,
    ) -> Decision {
        let (why, wait, give_up) = match outcome {
            Outcome::Taken => return Decision::Done,
            Outcome::Away { why, wait } => (why, wait, false),
            Outcome::Failing { why, wait } => {
                let since = *self.failing_since.get_or_insert(now);
                (why, wait, now.saturating_sub(since) >= patience.failing_max)
            }
            Outcome::Refused { why } => {
                self.refused += 1;
                (why, None, self.refused >= patience.refusals_max)
            }
        };
        self.failed = self.failed.saturating_add(1);
        if give_up {
            return Decision::GiveUp { why };
        }
        let asked = wait.unwrap_or_default().min(patience.pause_asked_max);
        Decision::Again { after: pause(patience, self.failed, chance).max(asked), why }
    }
}

/// The pause after so many failed attempts: between half of it and all of it, by `chance`.
fn pause(patience: &Patience, failed: u32, chance: f64) -> Duration {
    let doublings = failed.saturating_sub(1).min(31);
    let pause = patience.pause_min.saturating_mul(1 << doublings).min(patience.pause_max);
    pause.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn away(wait: Option<Duration>) -> Outcome {
        Outcome::Away { why: String::new(), wait }
    }

    fn pauses(outcome: &Outcome, times: u32, chance: f64) -> Vec<Option<u128>> {
        let mut attempts = Attempts::default();
        let decisions = (0..times).map(|now| {
            attempts.decide(outcome.clone(), &Patience::default(), now * SECOND, chance)
        });
        let pauses = decisions.map(|decision| match decision {
            Decision::Again { after, .. } => Some(after.as_millis()),
            Decision::Done | Decision::GiveUp { .. } => None,
        });
        pauses.collect()
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let ms = |all: [u128; 9]| all.map(Some).to_vec();
        let expected = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000];
        assert_eq!(pauses(&away(None), 9, 1.0), ms(expected));
        assert_eq!(pauses(&away(None), 9, 0.0), ms(expected.map(|it| it / 2)));
        assert_eq!(pauses(&away(None), 100, 1.0).last(), Some(&Some(60_000)));
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_but_not_for_any() {
        for (asked, expected) in [(0, 500), (90, 90_000), (1_000_000, 3_600_000)] {
            let asked = away(Some(asked * SECOND));
            assert_eq!(pauses(&asked, 1, 1.0), [Some(expected)]);
        }
    }

    #[test]
    fn what_is_refused_is_given_up_soon() {
        let refused = Outcome::Refused { why: String::new() };
        let given_up: Vec<bool> = pauses(&refused, 5, 1.0).iter().map(Option::is_none).collect();
        assert_eq!(given_up, [false, false, false, false, true]);
    }

    #[test]
    fn what_the_receiver_fails_at_is_given_up_late() {
        let (failing, patience) =
            (Outcome::Failing { why: "500".to_owned(), wait: None }, Patience::default());
        let mut attempts = Attempts::default();
        let day = patience.failing_max;
        for (now, expected) in [(SECOND, false), (day, false), (day + SECOND, true)] {
            let decision = attempts.decide(failing.clone(), &patience, now, 1.0);
            let given_up = decision == Decision::GiveUp { why: "500".to_owned() };
            assert_eq!(given_up, expected, "{now:?}");
        }
    }

    #[test]
    fn who_is_away_is_never_given_up() {
        let mut attempts = Attempts::default();
        let year = Duration::from_hours(24 * 365);
        for now in [SECOND, year, 10 * year] {
            let decision = attempts.decide(away(None), &Patience::default(), now, 1.0);
            assert!(matches!(decision, Decision::Again { .. }), "{now:?}");
        }
    }
}
