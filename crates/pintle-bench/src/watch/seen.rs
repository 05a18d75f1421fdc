//! Which sequence numbers were seen: one bit each.

const BITS: usize = 64;

/// A set of numbers below a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen(Vec<u64>);

impl Seen {
    /// The empty set, for numbers below `bound`.
    pub(super) fn new(bound: usize) -> Self {
        Self(vec![0; bound.div_ceil(BITS)])
    }

    /// Puts a number in; whether it was new. A number beyond the bound is never new.
    pub(super) fn insert(&mut self, number: usize) -> bool {
        let bit = 1 << (number % BITS);
        let Some(word) = self.0.get_mut(number / BITS) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// How many numbers are in it.
    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many of `wanted` are not in it.
    pub(super) fn missing_of(&self, wanted: &Self) -> u64 {
        let missing = |(mine, wanted): (&u64, &u64)| u64::from((wanted & !mine).count_ones());
        self.0.iter().zip(&wanted.0).map(missing).sum()
    }

    /// Puts in everything that is in another set of the same bound.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[usize]) -> Seen {
        let mut seen = Seen::new(200);
        for number in numbers {
            seen.insert(*number);
        }
        seen
    }

    #[test]
    fn a_number_is_new_once() {
        let mut seen = Seen::new(200);
        for number in [0, 63, 64, 199] {
            assert!(seen.insert(number), "{number}");
            assert!(!seen.insert(number), "{number}");
        }
        assert_eq!(seen.len(), 4);
        assert!(!seen.insert(100_000));
    }

    #[test]
    fn missing_is_what_was_wanted_and_not_seen() {
        let seen = of(&[1, 64, 150]);
        assert_eq!(seen.missing_of(&of(&[1, 64])), 0);
        assert_eq!(seen.missing_of(&of(&[1, 2, 65, 150])), 2);
    }

    #[test]
    fn merging_is_union() {
        let mut seen = of(&[1, 64]);
        seen.merge(&of(&[2, 64]));
        assert_eq!(seen, of(&[1, 2, 64]));
    }
}
