//! What stores count and time, for whoever watches over them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So many upper bounds a histogram has.
const BOUNDS: usize = 15;

/// What the values of a histogram are, and where its bounds are.
#[derive(Debug)]
struct Scale {
    /// Each with its text.
    bounds: [(u64, &'static str); BOUNDS],
    /// So many digits of a value stand behind its point.
    digits: usize,
}

/// Values are nanoseconds, and shown as seconds.
static TIMES: Scale = Scale {
    bounds: [
        (100_000, "0.0001"),
        (250_000, "0.00025"),
        (500_000, "0.0005"),
        (1_000_000, "0.001"),
        (2_500_000, "0.0025"),
        (5_000_000, "0.005"),
        (10_000_000, "0.01"),
        (25_000_000, "0.025"),
        (50_000_000, "0.05"),
        (100_000_000, "0.1"),
        (250_000_000, "0.25"),
        (500_000_000, "0.5"),
        (1_000_000_000, "1.0"),
        (2_500_000_000, "2.5"),
        (10_000_000_000, "10.0"),
    ],
    digits: 9,
};

static NUMBERS: Scale = Scale {
    bounds: [
        (1, "1.0"),
        (2, "2.0"),
        (4, "4.0"),
        (8, "8.0"),
        (16, "16.0"),
        (32, "32.0"),
        (64, "64.0"),
        (128, "128.0"),
        (256, "256.0"),
        (512, "512.0"),
        (1_024, "1024.0"),
        (2_048, "2048.0"),
        (4_096, "4096.0"),
        (8_192, "8192.0"),
        (16_384, "16384.0"),
    ],
    digits: 0,
};

/// How many values were at most so large.
#[derive(Debug)]
pub struct Histogram {
    scale: &'static Scale,
    /// One for each bound, and one for what is larger.
    counts: [AtomicU64; BOUNDS + 1],
    sum: AtomicU64,
}

impl Default for Histogram {
    /// One of times.
    fn default() -> Self {
        Self::on(&TIMES)
    }
}

impl Histogram {
    /// One of numbers.
    pub fn of_numbers() -> Self {
        Self::on(&NUMBERS)
    }

    fn on(scale: &'static Scale) -> Self {
        Self { scale, counts: Default::default(), sum: AtomicU64::new(0) }
    }

    /// One more that took so long.
    pub fn add(&self, took: Duration) {
        self.add_number(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// One more of this size.
    pub fn add_number(&self, value: u64) {
        let bucket = self.scale.bounds.partition_point(|(bound, _)| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// The texts of the bounds.
    pub fn bounds(&self) -> impl Iterator<Item = &'static str> {
        self.scale.bounds.iter().map(|(_, text)| *text)
    }

    /// How many were at most as large as each bound says; the last is all of them.
    pub fn cumulated(&self) -> Vec<u64> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let sums = counts.scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        sums.collect()
    }

    /// All of them together, as a decimal number.
    pub fn sum(&self) -> String {
        let digits = self.scale.digits;
        let sum = format!("{:0width$}", self.sum.load(Ordering::Relaxed), width = digits + 1);
        let (whole, rest) = sum.split_at(sum.len() - digits);
        format!("{whole}.{}", if rest.is_empty() { "0" } else { rest })
    }
}

/// What a store has written, one flush after the other.
#[derive(Debug)]
pub struct Flushes {
    /// How long each took, without the waiting before.
    pub times: Histogram,
    /// How many changes were in each.
    pub sizes: Histogram,
}

impl Default for Flushes {
    fn default() -> Self {
        Self { times: Histogram::default(), sizes: Histogram::of_numbers() }
    }
}

impl Flushes {
    /// One more, of so many changes.
    pub fn add(&self, changes: usize, took: Duration) {
        self.times.add(took);
        self.sizes.add_number(changes as u64);
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
        assert_eq!(counts.get(BOUNDS - 1), Some(&2));
        assert_eq!(counts.last(), Some(&3));
        assert_eq!(histogram.sum(), "20.000201000");
    }

    #[test]
    fn a_flush_counts_by_time_and_size() {
        let flushes = Flushes::default();
        flushes.add(3, Duration::from_micros(300));
        assert_eq!(flushes.sizes.cumulated().get(1..3), Some(&[0, 1][..]));
        assert_eq!(
            (flushes.sizes.sum(), flushes.times.sum()),
            ("3.0".into(), "0.000300000".into())
        );
    }

    #[test]
    fn bounds_are_in_order() {
        for scale in [&TIMES, &NUMBERS] {
            assert!(scale.bounds.is_sorted_by(|(one, _), (next, _)| one < next), "{scale:?}");
        }
    }
}
