//! Conditions as a map that the server looks after (rule 7 of the contract).
//!
//! The server sets `lastTransitionTime` when, and only when, a condition's `status` flips, so that a
//! client's clock alone is never a change. Who wrote which condition last is kept in the ledger
//! beside the status.

use std::sync::Arc;

use pintle_model::{
    Condition, ConditionLedger, ConditionStatus, FieldError, FieldErrorKind, FieldPath,
    LedgerEntry, Object,
};
use serde_json::{Map, Value};

use crate::decide::Check;
use crate::refusal::Refusal;

/// A write to one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionEdit {
    /// The condition of this type becomes this; it is added when it is not there.
    Put {
        /// Its type.
        kind: String,
        /// Its fields. `type` may be left out.
        fields: Map<String, Value>,
    },
    /// The condition of this type goes.
    Remove {
        /// Its type.
        kind: String,
    },
}

impl ConditionEdit {
    /// The type of the condition that is edited.
    pub fn condition_type(&self) -> &str {
        match self {
            Self::Put { kind, .. } | Self::Remove { kind } => kind,
        }
    }
}

/// Applies an edit of one condition to a status.
pub(crate) fn edit(status: &mut Value, edit: &ConditionEdit) -> Result<(), Refusal> {
    let Some(status) = status.as_object_mut() else { return Ok(()) };
    let list = status.entry("conditions").or_insert_with(|| Value::Array(Vec::new()));
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    let Some(list) = list.as_array_mut() else { return Ok(()) };
    let found = list.iter().position(|entry| type_of(entry) == Some(edit.condition_type()));
    match (edit, found) {
        (ConditionEdit::Put { kind, fields }, found) => {
            let entry = Value::Object(named(kind, fields)?);
            match found.and_then(|index| list.get_mut(index)) {
                Some(place) => *place = entry,
                None => list.push(entry),
            }
        }
        (ConditionEdit::Remove { .. }, Some(index)) => {
            list.remove(index);
        }
        (ConditionEdit::Remove { kind }, None) => {
            return Err(Refusal::NoCondition { kind: kind.clone() });
        }
    }
    Ok(())
}

fn named(kind: &str, fields: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let mut fields = fields.clone();
    match fields.get("type") {
        Some(given) if given.as_str() != Some(kind) => {
            return Err(Refusal::IdentityMismatch {
                path: "type".to_owned(),
                given: given.as_str().map_or_else(|| given.to_string(), str::to_owned),
                expected: kind.to_owned(),
            });
        }
        Some(_) | None => fields.insert("type".to_owned(), Value::from(kind)),
    };
    Ok(fields)
}

/// Checks the conditions of a wanted status and sets their transition times.
pub(crate) fn look_after(check: &mut Check<'_>, current: &Object, status: &mut Value) {
    check_observed(check, current, FieldPath::ROOT.field("status"), status.as_object());
    if !check.situation.version.conditions {
        return;
    }
    let stored = stored_conditions(current);
    let Some(list) = status.get_mut("conditions").and_then(Value::as_array_mut) else { return };
    check_list(check, current, list);
    let now = check.situation.stamp.now.seconds();
    for entry in list.iter_mut().filter_map(Value::as_object_mut) {
        let before = entry.get("type").and_then(Value::as_str).and_then(|kind| {
            stored.iter().filter_map(Condition::of).find(|stored| stored.kind() == Some(kind))
        });
        let time = transition_time(before, entry, &now);
        entry.insert("lastTransitionTime".to_owned(), Value::from(time));
    }
}

/// The stored time while `status` stays the same, and the server's time when it flips.
fn transition_time(before: Option<Condition<'_>>, entry: &Map<String, Value>, now: &str) -> String {
    let status = entry.get("status").and_then(Value::as_str);
    before
        .filter(|before| before.status() == status)
        .and_then(Condition::last_transition_time)
        .unwrap_or(now)
        .to_owned()
}

fn check_list(check: &mut Check<'_>, current: &Object, list: &[Value]) {
    let status = FieldPath::ROOT.field("status");
    let path = status.field("conditions");
    let mut seen = std::collections::BTreeSet::new();
    for (index, entry) in list.iter().enumerate() {
        let at = path.index(index);
        let fields = entry.as_object();
        check_observed(check, current, at, fields);
        let Some(kind) = type_of(entry) else { continue };
        if !seen.insert(kind) {
            check.errors.push(FieldError::with_value(
                at.field("type"),
                FieldErrorKind::Duplicate,
                &Value::from(kind),
                "each condition type may stand once",
            ));
        }
        if let Some(value) = fields.and_then(|fields| fields.get("status"))
            && value.as_str().and_then(ConditionStatus::parse).is_none()
        {
            check.errors.push(FieldError::with_value(
                at.field("status"),
                FieldErrorKind::NotSupported,
                value,
                r#"supported values: "True", "False", "Unknown""#,
            ));
        }
    }
}

/// Nobody can have observed a generation that does not exist yet.
fn check_observed(
    check: &mut Check<'_>,
    current: &Object,
    path: FieldPath<'_>,
    fields: Option<&Map<String, Value>>,
) {
    let Some(value) = fields.and_then(|fields| fields.get("observedGeneration")) else { return };
    if let Some(observed) = value.as_i64()
        && observed > current.generation().0
    {
        check.errors.push(FieldError::invalid(
            path.field("observedGeneration"),
            value,
            format!("is larger than the object's generation, {}", current.generation()),
        ));
    }
}

/// The ledger after a write, with a warning for each condition of somebody else that it drops.
pub(crate) fn ledger(
    check: &mut Check<'_>,
    current: &Object,
    wanted: Option<&Value>,
    manager: &str,
) -> Option<Arc<ConditionLedger>> {
    if !check.situation.version.conditions {
        return current.ledger.clone();
    }
    let stored = stored_conditions(current);
    let wanted = wanted.and_then(|status| status.get("conditions")).and_then(Value::as_array);
    let wanted: &[Value] = wanted.map_or(&[], Vec::as_slice);
    let mut ledger = current
        .ledger
        .as_ref()
        .map_or_else(ConditionLedger::default, |ledger| ledger.settled(current.status_revision));
    for kind in wanted.iter().filter_map(type_of) {
        if find(wanted, kind) != find(&stored, kind) {
            note(&mut ledger, kind, manager, false);
        }
    }
    for kind in stored.iter().filter_map(type_of).filter(|kind| find(wanted, kind).is_none()) {
        let owner = ledger.entries.get(kind).map(|entry| entry.manager.clone());
        if let Some(owner) = owner.filter(|owner| owner != manager) {
            check.warnings.push(format!(
                "condition {kind:?} was removed; {owner:?} wrote it last, not {manager:?}"
            ));
        }
        note(&mut ledger, kind, manager, true);
    }
    (!ledger.entries.is_empty()).then(|| Arc::new(ledger))
}

/// Tombstones beyond this number make room for new ones, so that the ledger stays small.
const LEDGER_ENTRIES_MAX: usize = 128;

fn note(ledger: &mut ConditionLedger, kind: &str, manager: &str, removed: bool) {
    if ledger.entries.len() >= LEDGER_ENTRIES_MAX && !ledger.entries.contains_key(kind) {
        let oldest = ledger
            .entries
            .iter()
            .filter(|(_, entry)| entry.removed)
            .min_by_key(|(_, entry)| entry.changed)
            .map(|(kind, _)| kind.clone());
        if let Some(oldest) = oldest {
            ledger.entries.remove(&oldest);
        }
    }
    let entry = LedgerEntry { manager: manager.to_owned(), changed: None, removed };
    ledger.entries.insert(kind.to_owned(), entry);
}

fn stored_conditions(current: &Object) -> Vec<Value> {
    let status = current.status.as_ref().map(pintle_model::Json::to_value);
    match status.and_then(|mut status| status.get_mut("conditions").map(Value::take)) {
        Some(Value::Array(list)) => list,
        Some(_) | None => Vec::new(),
    }
}

fn find<'a>(list: &'a [Value], kind: &str) -> Option<&'a Value> {
    list.iter().find(|entry| type_of(entry) == Some(kind))
}

fn type_of(entry: &Value) -> Option<&str> {
    Condition::of(entry).and_then(Condition::kind)
}
