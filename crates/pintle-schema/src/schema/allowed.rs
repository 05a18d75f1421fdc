//! The values of an `enum`.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::number::{fingerprint, same};

/// So many values are listed in a message.
const SHOWN_MAX: usize = 50;
/// Longer lists are looked up, not walked.
const WALKED_MAX: usize = 16;

/// What a place allows; everything when the list is empty.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    values: Vec<Value>,
    fingerprints: HashSet<String>,
}

impl Allowed {
    pub(super) fn new(values: &[Value]) -> Self {
        let is_long = values.len() > WALKED_MAX;
        let fingerprints = values.iter().filter(|_| is_long).map(fingerprint).collect();
        Self { values: values.to_vec(), fingerprints }
    }

    pub(super) const fn is_everything(&self) -> bool {
        self.values.is_empty()
    }

    pub(super) fn permits(&self, value: &Value) -> bool {
        if self.fingerprints.is_empty() {
            self.values.is_empty() || self.values.iter().any(|allowed| same(allowed, value))
        } else {
            self.fingerprints.contains(&fingerprint(value))
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("supported values")?;
        for (index, value) in self.values.iter().take(SHOWN_MAX).enumerate() {
            write!(f, "{} {value}", if index == 0 { ":" } else { "," })?;
        }
        if self.values.len() > SHOWN_MAX { f.write_str(", …") } else { Ok(()) }
    }
}
