//! The values of an `enum`.

use std::collections::HashSet;

use serde_json::Value;

use super::number::{fingerprint, same};

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

    /// In the order of the schema.
    pub(super) fn values(&self) -> &[Value] {
        &self.values
    }

    pub(super) fn permits(&self, value: &Value) -> bool {
        if self.fingerprints.is_empty() {
            self.values.is_empty() || self.values.iter().any(|allowed| same(allowed, value))
        } else {
            self.fingerprints.contains(&fingerprint(value))
        }
    }
}
