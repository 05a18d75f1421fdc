//! Latencies in logarithmic buckets: constant memory, percentiles to within 1.6 %.

use std::time::Duration;

/// Each power of two is cut into so many buckets, as a power of two itself.
const PRECISION_BITS: u32 = 6;
const BUCKETS_PER_OCTAVE: u64 = 1 << PRECISION_BITS;
/// Longer than any request may take; what is longer all the same counts as this.
const MICROS_MAX: u64 = (1 << 27) - 1;

/// How often which latency was seen, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; bucket_of(MICROS_MAX) + 1], total: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one latency.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.record_many(latency, 1);
    }

    /// Counts the same latency `times` times.
    pub(crate) fn record_many(&mut self, latency: Duration, times: u64) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(MICROS_MAX).min(MICROS_MAX);
        if let Some(count) = self.counts.get_mut(bucket_of(micros)) {
            *count += times;
        }
        self.total += times;
        self.max = self.max.max(micros);
    }

    /// Adds everything that another one has seen.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// How many latencies were counted.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// The latency that `permille` of a thousand stay within; nothing when nothing was counted.
    pub(crate) fn percentile(&self, permille: u64) -> Option<Duration> {
        let rank = (self.total * permille).div_ceil(1_000).max(1);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_micros(upper_end_of(bucket).min(self.max)))
    }

    /// The longest latency; nothing when nothing was counted.
    pub(crate) fn max(&self) -> Option<Duration> {
        (self.total > 0).then(|| Duration::from_micros(self.max))
    }
}

fn bucket_of(micros: u64) -> usize {
    let shift = micros.max(1).ilog2().saturating_sub(PRECISION_BITS);
    let bucket = u64::from(shift) * BUCKETS_PER_OCTAVE + (micros >> shift);
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// The largest latency that falls into a bucket.
fn upper_end_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / BUCKETS_PER_OCTAVE).saturating_sub(1);
    ((bucket - shift * BUCKETS_PER_OCTAVE + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(micros: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        for micros in micros {
            histogram.record(Duration::from_micros(micros));
        }
        histogram
    }

    #[test]
    fn percentiles_of_known_latencies() {
        let cases: &[(&[u64], u64, u64)] = &[
            (&[7], 500, 7),
            (&[1, 2, 3, 4], 500, 2),
            (&[1, 2, 3, 4], 1_000, 4),
            (&[0, 0, 0, 50], 750, 0),
            (&[10, 1_000_000], 990, 1_000_000),
        ];
        for (latencies, permille, expected) in cases {
            let found = of(latencies.iter().copied()).percentile(*permille);
            assert_eq!(
                found,
                Some(Duration::from_micros(*expected)),
                "{latencies:?} at {permille}"
            );
        }
    }

    #[test]
    fn nothing_counted_has_no_percentile() {
        assert_eq!(Histogram::default().percentile(500), None);
        assert_eq!(Histogram::default().max(), None);
    }

    #[test]
    fn a_latency_beyond_the_range_counts_as_the_largest() {
        assert_eq!(of([u64::MAX]).max(), Some(Duration::from_micros(MICROS_MAX)));
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_latency_and_is_narrow(micros in 0..=MICROS_MAX) {
            let upper = upper_end_of(bucket_of(micros));
            prop_assert!(upper >= micros);
            prop_assert!(upper - micros <= micros / BUCKETS_PER_OCTAVE);
            prop_assert_eq!(bucket_of(upper), bucket_of(micros));
            prop_assert_eq!(bucket_of(upper + 1), bucket_of(micros) + 1);
        }

        #[test]
        fn merging_is_counting_both(
            one in proptest::collection::vec(0..10_000_000_u64, 0..40),
            other in proptest::collection::vec(0..10_000_000_u64, 0..40),
        ) {
            let mut merged = of(one.iter().copied());
            merged.merge(&of(other.iter().copied()));
            prop_assert_eq!(merged, of(one.into_iter().chain(other)));
        }
    }
}
