//! Points in time as they are written on the wire.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, in microseconds since 1970-01-01T00:00:00Z.
///
/// Reading the clock is the business of whoever may: this type only carries and formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads RFC 3339 text, with any offset.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.parse().ok()?;
        Some(Self(parsed.as_microsecond()))
    }

    /// RFC 3339 in UTC with whole seconds, as `metav1.Time` is written.
    pub fn seconds(self) -> String {
        let mut text = self.micros();
        text.truncate(text.len() - ".000000Z".len());
        text.push('Z');
        text
    }

    /// RFC 3339 in UTC with microseconds, as `metav1.MicroTime` is written.
    pub fn micros(self) -> String {
        let at = jiff::Timestamp::from_microsecond(self.0).unwrap_or_default();
        let at = jiff::tz::Offset::UTC.to_datetime(at);
        let (date, time) = (at.date(), at.time());
        // Each object has three of them: they are written without a formatter.
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        write_digits(&mut text[..4], date.year().unsigned_abs().into());
        write_digits(&mut text[5..7], date.month().unsigned_abs().into());
        write_digits(&mut text[8..10], date.day().unsigned_abs().into());
        write_digits(&mut text[11..13], time.hour().unsigned_abs().into());
        write_digits(&mut text[14..16], time.minute().unsigned_abs().into());
        write_digits(&mut text[17..19], time.second().unsigned_abs().into());
        write_digits(&mut text[20..26], time.subsec_nanosecond().unsigned_abs() / 1_000);
        let text = std::str::from_utf8(&text).unwrap_or_default();
        if date.year() < 0 { format!("-00{text}") } else { text.to_owned() }
    }

    /// The same point with its fraction of a second cut off.
    #[must_use]
    pub const fn truncated(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1_000_000))
    }
}

/// Fills a field with a number, from its last digit on.
fn write_digits(field: &mut [u8], mut number: u32) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.micros())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.micros())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_a_round_trip() {
        let at = Timestamp::parse("2025-10-24T18:00:00.123456+02:00").unwrap();
        assert_eq!(at.micros(), "2025-10-24T16:00:00.123456Z");
        assert_eq!(at.seconds(), "2025-10-24T16:00:00Z");
        assert_eq!(Timestamp::parse(&at.micros()), Some(at));
        assert_eq!(at.truncated().micros(), "2025-10-24T16:00:00.000000Z");
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn text_is_that_of_the_library() {
        let (first, last) = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        let range = first * 1_000_000..=last * 1_000_000;
        let printer = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(6));
        let many = (0..10_000).map(|step| range.start() + step * 63_113_851_000_123);
        for micros in many.chain([0, -1, 1, *range.start(), *range.end()]) {
            assert!(range.contains(&micros), "{micros}");
            let at = jiff::Timestamp::from_microsecond(micros).unwrap();
            assert_eq!(Timestamp(micros).micros(), printer.timestamp_to_string(&at), "{micros}");
        }
    }
}
