//! Conditions as a map that the server looks after (rule 7 of the contract).
//!
//! The server sets `lastTransitionTime` when, and only when, a condition's `status` flips, so that
//! a client's clock alone is never a change. Who wrote which condition last is kept in the ledger
//! beside the status.

mod apply;
mod merge;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pintle_model::{
    Condition, ConditionLedger, ConditionStatus, FieldError, FieldErrorKind, FieldPath, Flips,
    Generation, LedgerEntry, Object, Timestamp,
};
use pintle_schema::{Schema, Version};
use serde_json::{Map, Value};

use crate::check::{Check, REPORTED_MAX};
use crate::decide::Situation;
use crate::refusal::Refusal;
use crate::stored::{StoredStatus, conditions};

pub use apply::ApplyConditions;
pub(crate) use apply::apply;
pub(crate) use merge::merge;

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
    let none = || Refusal::NoCondition { kind: edit.condition_type().to_owned() };
    let fields = status.as_object_mut().ok_or_else(none)?;
    let list = fields.entry("conditions").or_insert(Value::Null);
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    let list = list.as_array_mut().ok_or_else(none)?;
    let found = list.iter().position(|entry| type_of(entry) == Some(edit.condition_type()));
    match edit {
        ConditionEdit::Put { kind, fields } => {
            let entry = Value::Object(named(kind, fields)?);
            match found.and_then(|index| list.get_mut(index)) {
                Some(place) => *place = entry,
                None => list.push(entry),
            }
        }
        ConditionEdit::Remove { .. } => {
            list.remove(found.ok_or_else(none)?);
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

/// Sets the transition times of a wanted status and checks its conditions, on the doors that look
/// after them.
pub(crate) fn look_after(check: &mut Check<'_>, stored: &StoredStatus<'_>, status: &mut Value) {
    let version = check.situation.version;
    if !check.conduct.keeps_conditions || !version.status_subresource {
        return;
    }
    let generation = stored.object.generation();
    if let Some(value) = future_generation(status, generation)
        && stored.tree().get("observedGeneration") != Some(value)
    {
        check.errors.push(not_yet(FieldPath::ROOT.field("status"), value, generation));
    }
    if !version.conditions {
        return;
    }
    let Some(list) = status.get_mut("conditions").and_then(Value::as_array_mut) else { return };
    let before = counterparts(list, stored.conditions());
    if keeps_times(version) {
        let now = check.situation.stamp.now;
        for (entry, before) in list.iter_mut().zip(&before) {
            set_transition_time(entry, *before, now);
        }
    }
    if list != stored.conditions() {
        check_list(check, generation, list, &before);
    }
}

/// What is stored, as it would be after a write that says nothing new: a time that [`look_after`]
/// fills in is nothing that a write changed.
pub(crate) fn looked_after<'s>(check: &Check<'_>, stored: &'s StoredStatus<'_>) -> Cow<'s, Value> {
    let Situation { version, stamp, .. } = check.situation;
    let mut status = Cow::Borrowed(stored.tree());
    if check.conduct.keeps_conditions
        && version.status_subresource
        && version.conditions
        && keeps_times(version)
        && let Some(list) = status.to_mut().get_mut("conditions").and_then(Value::as_array_mut)
    {
        for entry in list {
            set_transition_time(entry, Some(&entry.clone()), stamp.now);
        }
    }
    status
}

/// For each entry the one that is stored in its place: for the first of a type the first, for the
/// second the second.
fn counterparts<'s>(list: &[Value], stored: &'s [Value]) -> Vec<Option<&'s Value>> {
    let mut waiting: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (kind, entry) in stored.iter().rev().filter_map(|entry| Some((type_of(entry)?, entry))) {
        waiting.entry(kind).or_default().push(entry);
    }
    list.iter().map(|entry| waiting.get_mut(type_of(entry)?)?.pop()).collect()
}

/// Whether the schema has a place for the times. `type` and `status` are all that it must have.
fn keeps_times(version: &Version) -> bool {
    let condition = version
        .schema
        .property("status")
        .and_then(|status| status.property("conditions"))
        .and_then(Schema::items);
    condition.is_some_and(|condition| {
        condition.preserves_unknown() || condition.property("lastTransitionTime").is_some()
    })
}

/// The stored time while `status` stays the same, and the server's time when it flips.
fn set_transition_time(entry: &mut Value, stored: Option<&Value>, now: Timestamp) {
    let before = stored.and_then(Condition::of);
    let Some(fields) = entry.as_object_mut() else { return };
    let status = fields.get("status").and_then(Value::as_str);
    let time = before
        .filter(|before| before.status() == status)
        .and_then(Condition::last_transition_time)
        .map_or_else(|| now.seconds(), str::to_owned);
    fields.insert("lastTransitionTime".to_owned(), Value::from(time));
}

/// Checks what a write touches of the conditions. What is stored was let in once, by the door that
/// upstream's rules apply to.
fn check_list(
    check: &mut Check<'_>,
    generation: Generation,
    list: &[Value],
    stored: &[Option<&Value>],
) {
    let status = FieldPath::ROOT.field("status");
    let path = status.field("conditions");
    let pairs = || list.iter().zip(stored.iter().copied());
    let is_left = |(entry, before): (&Value, Option<&Value>)| {
        before.is_some_and(|before| say_the_same(entry, before))
    };
    let left: Vec<bool> = pairs().map(is_left).collect();
    let touched = list.iter().zip(&left).filter(|(_, left)| !**left);
    let touched: BTreeSet<_> = touched.filter_map(|(entry, _)| type_of(entry)).collect();
    let mut seen = BTreeSet::new();
    for (index, ((entry, before), left)) in pairs().zip(left).enumerate() {
        if check.errors.len() >= REPORTED_MAX {
            return;
        }
        let at = path.index(index);
        if let Some(kind) = type_of(entry)
            && !seen.insert(kind)
            && touched.contains(kind)
        {
            check.errors.push(FieldError::with_value(
                at.field("type"),
                FieldErrorKind::Duplicate,
                &Value::from(kind),
                "each condition type may stand once",
            ));
        }
        if !left {
            check_entry(check, generation, at, (entry, before));
        }
    }
}

/// Whether two conditions are the same but for their times, which are the server's.
fn say_the_same(one: &Value, other: &Value) -> bool {
    let (Value::Object(one), Value::Object(other)) = (one, other) else { return one == other };
    let is_said = |(field, _): &(&String, &Value)| *field != "lastTransitionTime";
    one.iter().filter(is_said).eq(other.iter().filter(is_said))
}

fn check_entry(
    check: &mut Check<'_>,
    generation: Generation,
    at: FieldPath<'_>,
    (entry, before): (&Value, Option<&Value>),
) {
    if let Some(value) = future_generation(entry, generation)
        && before.and_then(|before| before.get("observedGeneration")) != Some(value)
    {
        check.errors.push(not_yet(at, value, generation));
    }
    if type_of(entry).is_some()
        && let Some(value) = entry.get("status")
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

/// The observed generation, when it is one that does not exist yet.
///
/// One that is stored already is not held against a write that leaves it.
fn future_generation(entry: &Value, generation: Generation) -> Option<&Value> {
    #[expect(clippy::cast_precision_loss, reason = "numbers this large differ by more than that")]
    let beyond = |number: f64| number > generation.0 as f64;
    let value = entry.get("observedGeneration")?;
    let future = match value.as_i64() {
        Some(number) => number > generation.0,
        None => value.as_f64().is_some_and(beyond),
    };
    Some(value).filter(|_| future)
}

fn not_yet(path: FieldPath<'_>, value: &Value, generation: Generation) -> FieldError {
    let detail = format!("is larger than the object's generation, {generation}");
    FieldError::invalid(path.field("observedGeneration"), value, detail)
}

/// The ledger after a write, with a warning for each condition of somebody else that it drops.
pub(crate) fn ledger(
    check: &mut Check<'_>,
    stored: &StoredStatus<'_>,
    wanted: Option<&Value>,
) -> Option<Arc<ConditionLedger>> {
    let Object { ledger, status_revision, .. } = &**stored.object;
    let mut ledger =
        ledger.as_ref().map_or_else(ConditionLedger::default, |it| it.settled(*status_revision));
    if check.situation.version.conditions {
        let wanted = by_type(wanted.map_or(&[], conditions));
        note_changes(check, &mut ledger, &by_type(stored.conditions()), &wanted);
        make_room(&mut ledger);
    }
    (!ledger.entries.is_empty()).then(|| Arc::new(ledger))
}

/// Which conditions the write turns over, where the kind has conditions.
pub(crate) fn flips(check: &Check<'_>, stored: &StoredStatus<'_>, wanted: Option<&Value>) -> Flips {
    if !check.situation.version.conditions {
        return Flips::default();
    }
    let status = |entry: &Value| entry.get("status").and_then(Value::as_str).map(str::to_owned);
    let (before, after) = (by_type(stored.conditions()), by_type(wanted.map_or(&[], conditions)));
    let added = after.keys().filter(|kind| !before.contains_key(*kind)).map(|kind| (*kind, None));
    let turned = before.iter().filter_map(|(kind, entry)| {
        let was = status(entry);
        let stays = after.get(kind).is_some_and(|entry| status(entry) == was);
        // One whose status is no text counts as neither true nor false.
        (!stays).then(|| (*kind, Some(was.unwrap_or_else(|| "Unknown".to_owned()))))
    });
    let flips = turned.chain(added).map(|(kind, was)| (kind.to_owned(), was));
    Flips { before: flips.collect() }
}

fn note_changes(
    check: &mut Check<'_>,
    ledger: &mut ConditionLedger,
    stored: &ByType<'_>,
    wanted: &ByType<'_>,
) {
    let manager = check.manager;
    let entry = |removed| LedgerEntry { manager: manager.to_owned(), changed: None, removed };
    for (kind, _) in wanted.iter().filter(|(kind, now)| stored.get(*kind) != Some(now)) {
        ledger.entries.insert((*kind).to_owned(), entry(false));
    }
    for kind in stored.keys().filter(|kind| !wanted.contains_key(*kind)) {
        let before = ledger.entries.insert((*kind).to_owned(), entry(true));
        let owner = before.map(|entry| entry.manager).filter(|owner| owner != manager);
        if let Some(owner) = owner.filter(|_| check.warnings.len() < REPORTED_MAX) {
            check.warnings.push(format!(
                "condition {kind:?} was removed; {owner:?} wrote it last, not {manager:?}"
            ));
        }
    }
}

/// So many entries a ledger has before its oldest tombstones go.
const LEDGER_ENTRIES_MAX: usize = 128;

/// Whether tombstones may have been dropped from it.
fn is_full(ledger: &ConditionLedger) -> bool {
    ledger.entries.len() >= LEDGER_ENTRIES_MAX
}

fn make_room(ledger: &mut ConditionLedger) {
    let excess = ledger.entries.len().saturating_sub(LEDGER_ENTRIES_MAX);
    if excess == 0 {
        return;
    }
    let tombstones = ledger.entries.iter().filter(|(_, entry)| entry.removed);
    // No revision yet means that this write made it: it is the newest.
    let mut tombstones: Vec<_> = tombstones
        .map(|(kind, entry)| (entry.changed.is_none(), entry.changed, kind.clone()))
        .collect();
    tombstones.sort_unstable();
    for (_, _, kind) in tombstones.into_iter().take(excess) {
        ledger.entries.remove(&kind);
    }
}

/// Conditions by their type; of a type that stands twice, the first.
type ByType<'a> = BTreeMap<&'a str, &'a Value>;

fn by_type(list: &[Value]) -> ByType<'_> {
    let mut types = BTreeMap::new();
    for (kind, entry) in list.iter().filter_map(|entry| Some((type_of(entry)?, entry))) {
        types.entry(kind).or_insert(entry);
    }
    types
}

fn type_of(entry: &Value) -> Option<&str> {
    Condition::of(entry).and_then(Condition::kind)
}
