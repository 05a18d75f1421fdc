//! Several conditions at once, by whoever owns them: what one field manager says about the types it
//! lists, and about no others.
//!
//! It is server-side apply for this one list: each type has an owner, the manager that wrote it
//! last, and whoever would change what somebody else owns has to say that they mean it (`force`).

use std::collections::BTreeSet;

use pintle_model::{ConditionLedger, FieldError, FieldErrorKind, Object, Revision};
use serde_json::{Map, Value};

use super::{ConditionEdit, edit, type_of};
use crate::refusal::{OwnedByOther, Refusal};
use crate::stored::{StoredStatus, conditions};

/// So many condition types one write may set or remove.
pub(crate) const APPLIED_MAX: usize = 100;

/// What one manager says about the condition types it owns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ApplyConditions {
    /// Conditions that become this, each with its `type`; added where they are not there.
    pub set: Vec<Map<String, Value>>,
    /// Types whose condition goes. One that is not there is gone already.
    pub remove: Vec<String>,
    /// The `observedGeneration` of every condition in `set` that names none.
    pub observed_generation: Option<i64>,
    /// Take over what another manager owns.
    pub force: bool,
}

impl ApplyConditions {
    /// The types that are spoken of, in order; a condition without a type has none.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        let set = self.set.iter().filter_map(|fields| fields.get("type").and_then(Value::as_str));
        set.chain(self.remove.iter().map(String::as_str))
    }

    /// Whether one of the types was written after `expected`, as far as is known.
    ///
    /// The ledger forgets removals when it is full; then any write to the status counts.
    pub(crate) fn is_stale(&self, expected: Revision, current: &Object) -> bool {
        let status_written = current.status_revision > expected;
        let Some(ledger) = current.ledger.as_deref() else { return false };
        self.types().any(|kind| match ledger.entries.get(kind) {
            Some(entry) => entry.changed.unwrap_or(current.status_revision) > expected,
            None => status_written && super::is_full(ledger),
        })
    }
}

/// Applies it to a status. Refused without `force` where it would change what others own.
pub(crate) fn apply(
    status: &mut Value,
    stored: &StoredStatus<'_>,
    wanted: &ApplyConditions,
    manager: &str,
) -> Result<(), Refusal> {
    check(wanted)?;
    for fields in &wanted.set {
        edit(
            status,
            &ConditionEdit::Put { kind: type_in(fields), fields: observed(wanted, fields) },
        )?;
    }
    for kind in &wanted.remove {
        if conditions(status).iter().any(|entry| type_of(entry) == Some(kind)) {
            edit(status, &ConditionEdit::Remove { kind: kind.clone() })?;
        }
    }
    if wanted.force { Ok(()) } else { check_owners(status, stored, wanted, manager) }
}

/// Each type stands once, in one of the two lists, and there is a bound to how many there are.
fn check(wanted: &ApplyConditions) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    let count = wanted.set.len() + wanted.remove.len();
    let mut faults = Vec::new();
    if count > APPLIED_MAX {
        let detail = format!("{count} types are set or removed; at most {APPLIED_MAX} at once");
        faults.push(FieldError::new("conditions", FieldErrorKind::TooMany, detail));
        return Err(Refusal::Invalid(faults));
    }
    for (index, fields) in wanted.set.iter().enumerate() {
        let path = format!("conditions[{index}].type");
        match fields.get("type").and_then(Value::as_str).filter(|kind| !kind.is_empty()) {
            None => faults.push(FieldError::required(path, "each condition has a type")),
            Some(kind) if !seen.insert(kind) => faults.push(twice(path, kind)),
            Some(_) => {}
        }
    }
    for (index, kind) in wanted.remove.iter().enumerate() {
        if !seen.insert(kind) {
            faults.push(twice(format!("removeTypes[{index}]"), kind));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Refusal::Invalid(faults)) }
}

fn twice(path: String, kind: &str) -> FieldError {
    let detail = "each condition type may stand once, among those set and removed";
    FieldError::with_value(path, FieldErrorKind::Duplicate, &Value::from(kind), detail)
}

fn type_in(fields: &Map<String, Value>) -> String {
    fields.get("type").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn observed(wanted: &ApplyConditions, fields: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = fields.clone();
    if let Some(generation) = wanted.observed_generation {
        fields.entry("observedGeneration").or_insert_with(|| Value::from(generation));
    }
    fields
}

/// What others own and this write would change. Times do not count: the server sets them.
fn check_owners(
    status: &Value,
    stored: &StoredStatus<'_>,
    wanted: &ApplyConditions,
    manager: &str,
) -> Result<(), Refusal> {
    let Some(ledger) = stored.object.ledger.as_deref() else { return Ok(()) };
    let (before, after) = (stored.conditions(), conditions(status));
    let changes = |kind: &str| said(before, kind) != said(after, kind);
    let owned: Vec<_> = wanted
        .types()
        .filter_map(|kind| Some((kind, owner(ledger, kind)?)))
        .filter(|(kind, owner)| *owner != manager && changes(kind))
        .map(|(kind, owner)| OwnedByOther { kind: kind.to_owned(), manager: owner.to_owned() })
        .collect();
    if owned.is_empty() { Ok(()) } else { Err(Refusal::OwnedByOthers(owned)) }
}

/// Who owns a type; nobody owns one that was removed.
fn owner<'l>(ledger: &'l ConditionLedger, kind: &str) -> Option<&'l str> {
    let entry = ledger.entries.get(kind).filter(|entry| !entry.removed)?;
    Some(&entry.manager)
}

/// What the condition of a type says, without its time.
fn said(list: &[Value], kind: &str) -> Option<Map<String, Value>> {
    let entry = list.iter().find(|entry| type_of(entry) == Some(kind))?;
    let mut fields = entry.as_object()?.clone();
    fields.remove("lastTransitionTime");
    Some(fields)
}
