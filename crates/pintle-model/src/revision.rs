//! Numbers and ids that may not be mixed up: the store's revision, an object's generation, its uid.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A position in the store's one, strictly increasing history.
///
/// Its decimal text is what clients know as `resourceVersion`. Zero is before the first write and
/// belongs to no object.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// Before the first write.
    pub const ZERO: Self = Self(0);

    /// The revision that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Reads a `resourceVersion` as clients send it: decimal digits, no sign, no leading zeros.
    ///
    /// `"0"` is read as [`Revision::ZERO`]; whether zero is allowed depends on the request.
    pub fn parse(text: &str) -> Result<Self, InvalidRevision> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let padded = text.len() > 1 && text.starts_with('0');
        if !digits || padded {
            return Err(InvalidRevision(text.chars().take(64).collect()));
        }
        text.parse().map(Self).map_err(|_| InvalidRevision(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A `resourceVersion` that is not a decimal number that fits 64 bits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid resourceVersion {0:?}: it must be the decimal text that the server gave out")]
pub struct InvalidRevision(pub String);

/// Counts the changes to what somebody *wants* of an object: everything outside metadata and
/// status.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub i64);

impl Generation {
    /// The generation of a newly created object.
    pub const FIRST: Self = Self(1);

    /// The generation that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What tells an object from another one of the same name that lived before or after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(pub Arc<str>);

impl Uid {
    /// The text of the uid.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_version_is_decimal_text() {
        let cases = [
            ("0", Some(0)),
            ("1", Some(1)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("01", None),
            ("+1", None),
            ("-1", None),
            (" 1", None),
            ("1.0", None),
            ("١", None),
            ("abc", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Revision::parse(text).ok().map(|r| r.0), expected, "{text:?}");
        }
    }
}
