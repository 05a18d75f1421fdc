//! Who last wrote each condition, and when: kept beside the status, never in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Revision;

/// One entry for each condition type that was ever written through a door that knows conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConditionLedger {
    /// By condition type.
    pub entries: BTreeMap<String, LedgerEntry>,
}

/// The last change of one condition type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The field manager that wrote it last.
    #[serde(rename = "m")]
    pub manager: String,
    /// The revision of that write. Absent while it is the very write that carries this ledger: the
    /// revision is given out by the store afterwards, and is the object's status revision.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Revision>,
    /// A tombstone: the condition was removed by that write.
    #[serde(rename = "d", default, skip_serializing_if = "is_false")]
    pub removed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl ConditionLedger {
    /// The same ledger with every revision spelled out; `status_revision` is that of the status
    /// record which carries it.
    #[must_use]
    pub fn settled(&self, status_revision: Revision) -> Self {
        let mut settled = self.clone();
        for entry in settled.entries.values_mut() {
            entry.changed.get_or_insert(status_revision);
        }
        settled
    }
}
