//! Points in time as they are written on the wire.

use std::fmt;

use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// RFC 3339 in UTC with whole seconds.
const SECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(0));
/// RFC 3339 in UTC with microseconds.
const MICROS: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

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
        self.text(&SECONDS)
    }

    /// RFC 3339 in UTC with microseconds, as `metav1.MicroTime` is written.
    pub fn micros(self) -> String {
        self.text(&MICROS)
    }

    /// The same point with its fraction of a second cut off.
    #[must_use]
    pub const fn truncated(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1_000_000))
    }

    fn text(self, printer: &DateTimePrinter) -> String {
        printer.timestamp_to_string(&jiff::Timestamp::from_microsecond(self.0).unwrap_or_default())
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
}
