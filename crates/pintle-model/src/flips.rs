//! Which conditions a write turned over: what condition events are made from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The conditions that a write added, removed, or gave another `status`, with the one they had.
///
/// It is kept with the write, because the status that the write replaced may have left history when
/// somebody reads of it. A new reason or message alone is no flip.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flips {
    /// By condition type: the `status` before; nothing when the condition was not there.
    pub before: BTreeMap<String, Option<String>>,
}

impl Flips {
    /// Whether no condition was turned over.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty()
    }
}
