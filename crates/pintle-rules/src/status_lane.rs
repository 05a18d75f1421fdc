//! The status lane: status changes, everything else stays byte for byte.
//!
//! Nothing in this file can reach metadata or a body: what it writes is a [`StatusPut`], which has
//! no place for them.

use std::borrow::Cow;
use std::sync::Arc;

use pintle_model::{FieldError, FieldErrorKind, Json, Object, Put, StatusPut};
use serde_json::{Map, Value};

use crate::check::Check;
use crate::conditions::{self, ApplyConditions, ConditionEdit};
use crate::decide::{Decision, Situation};
use crate::intent::{Document, ForeignLane, Intent, PatchRoot};
use crate::patch::{Patch, PatchLimits};
use crate::refusal::Refusal;
use crate::stored::StoredStatus;
use crate::{boundary, identity, visible};

/// Replaces the status of an object that exists; a document without one clears it.
pub(crate) fn replace(
    situation: Situation<'_>,
    current: &Arc<Object>,
    document: &Document,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    let wanted = document.status.clone().unwrap_or(Value::Null);
    let discarded = (intent.conduct.foreign == ForeignLane::Discard)
        .then(|| boundary::difference(current, document.body.as_ref(), document.metadata.as_ref()))
        .flatten();
    let wanted = unless_absent(current, wanted);
    decided_without(situation, &StoredStatus::of(current), wanted, intent, discarded)
}

/// Patches the status of an object that exists.
pub(crate) fn patch(
    situation: Situation<'_>,
    current: &Arc<Object>,
    patch: &Patch,
    root: PatchRoot,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    let stored = StoredStatus::of(current);
    let mut discarded = None;
    let patched = match root {
        PatchRoot::Object if intent.conduct.foreign == ForeignLane::Discard => {
            let (status, difference) = patched_object(situation, &stored, patch, intent)?;
            discarded = difference;
            status
        }
        PatchRoot::Object => patched_whole(situation, &stored, patch, intent)?,
        PatchRoot::Lane => {
            let mut status = seen(&stored);
            patch.apply(&mut status, &PatchLimits::default()).map_err(Refusal::Patch)?;
            status
        }
    };
    let patched = unless_absent(current, patched);
    decided_without(situation, &stored, patched, intent, discarded)
}

/// Sets or removes one condition of an object that exists.
pub(crate) fn edit_condition(
    situation: Situation<'_>,
    current: &Arc<Object>,
    edit: &ConditionEdit,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    if !situation.version.conditions {
        return Err(Refusal::NoCondition { kind: edit.condition_type().to_owned() });
    }
    let stored = StoredStatus::of(current);
    let mut status = seen(&stored);
    conditions::edit(&mut status, edit)?;
    decided(situation, &stored, status, intent)
}

/// Merges a partial status into that of an object that exists.
pub(crate) fn merge(
    situation: Situation<'_>,
    current: &Arc<Object>,
    document: &Document,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    let stored = StoredStatus::of(current);
    let mut status = seen(&stored);
    match &document.status {
        None => {}
        Some(Value::Object(partial)) => {
            // Where nobody sees to it that types stand once, the list is a list like any other.
            let by_type = situation.version.conditions && intent.conduct.keeps_conditions;
            conditions::merge(&mut status, partial, by_type);
        }
        // As a merge patch does: what is no object takes the place of the whole.
        Some(other) => status = other.clone(),
    }
    decided(situation, &stored, unless_absent(current, status), intent)
}

/// Sets and removes the conditions that one manager owns.
pub(crate) fn apply_conditions(
    situation: Situation<'_>,
    current: &Arc<Object>,
    wanted: &ApplyConditions,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    if !situation.version.conditions {
        let kind = wanted.types().next().unwrap_or_default().to_owned();
        return Err(Refusal::NoCondition { kind });
    }
    let stored = StoredStatus::of(current);
    let mut status = seen(&stored);
    conditions::apply(&mut status, &stored, wanted, &intent.manager)?;
    decided(situation, &stored, unless_absent(current, status), intent)
}

/// The status as patches see it: `{}` when there is none.
fn seen(stored: &StoredStatus<'_>) -> Value {
    Some(stored.tree()).filter(|tree| !tree.is_null()).cloned().unwrap_or_else(empty_object)
}

/// A write that leaves an absent status as clients see it, `{}`, has not set one.
fn unless_absent(current: &Object, wanted: Value) -> Value {
    let untouched = current.status.is_none() && wanted.as_object().is_some_and(Map::is_empty);
    if untouched { Value::Null } else { wanted }
}

fn empty_object() -> Value {
    Value::Object(Map::new())
}

/// The paths of the patch begin at the object, of which it sees its status and what says which
/// object it is.
///
/// Where other lanes are to be ignored, what would only write there is left out. What would read
/// there finds nothing: a patch is no way to learn what its sender may not see.
fn patched_whole(
    situation: Situation<'_>,
    stored: &StoredStatus<'_>,
    patch: &Patch,
    intent: &Intent,
) -> Result<Value, Refusal> {
    let patch = match intent.conduct.foreign {
        ForeignLane::Refuse | ForeignLane::Discard => patch,
        ForeignLane::Ignore => &patch.writing_only(boundary::is_inside),
    };
    let mut tree = visible::status_tree(situation, stored.object, seen(stored));
    patch.apply(&mut tree, &PatchLimits::default()).map_err(Refusal::Patch)?;
    let Value::Object(mut tree) = tree else {
        return Err(not_an_object());
    };
    identity::check_patched(situation, stored.object, &tree, &intent.precondition)?;
    Ok(tree.remove("status").unwrap_or(Value::Null))
}

/// The patch sees and changes the whole object, of which the status is taken. Also says what else
/// it would have changed.
fn patched_object(
    situation: Situation<'_>,
    stored: &StoredStatus<'_>,
    patch: &Patch,
    intent: &Intent,
) -> Result<(Value, Option<String>), Refusal> {
    let mut tree = visible::object_tree(situation, stored.object);
    patch.apply(&mut tree, &PatchLimits::default()).map_err(Refusal::Patch)?;
    let Value::Object(mut tree) = tree else { return Err(not_an_object()) };
    identity::check_patched_version(situation, stored.object, &tree, &intent.precondition)?;
    let status = tree.remove("status").unwrap_or(Value::Null);
    for field in ["apiVersion", "kind"] {
        tree.remove(field);
    }
    let metadata = tree.remove("metadata");
    let metadata = metadata.as_ref().and_then(Value::as_object);
    let difference = boundary::difference(stored.object, Some(&tree), metadata);
    Ok((status, difference))
}

fn not_an_object() -> Refusal {
    Refusal::Invalid(vec![FieldError::new(
        "",
        FieldErrorKind::TypeInvalid,
        "the patched result must be an object",
    )])
}

/// The decision on a status as the write wants it; null clears it.
fn decided(
    situation: Situation<'_>,
    stored: &StoredStatus<'_>,
    wanted: Value,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    decided_without(situation, stored, wanted, intent, None)
}

/// The same, of a write that would have changed something else too.
fn decided_without(
    situation: Situation<'_>,
    stored: &StoredStatus<'_>,
    wanted: Value,
    intent: &Intent,
    discarded: Option<String>,
) -> Result<Decision, Refusal> {
    let mut check = Check::new(situation, intent);
    let ignored = match intent.conduct.foreign {
        ForeignLane::Ignore => boundary::foreign_path(&intent.edit).map(Cow::into_owned),
        ForeignLane::Refuse | ForeignLane::Discard => discarded,
    };
    if let Some(path) = ignored {
        check.warnings.push(format!("{path} was ignored: a status write changes status only"));
    }
    let put = checked(&mut check, stored, wanted);
    check.decided(stored.object, put.map(Put::Status))
}

/// Checks a status, and says what is to be written; nothing when it is stored already.
///
/// What equals the stored text is no write, and what an older schema let in is not held against
/// one that leaves it.
pub(crate) fn checked(
    check: &mut Check<'_>,
    stored: &StoredStatus<'_>,
    wanted: Value,
) -> Option<StatusPut> {
    let mut wanted = check.normal_status(wanted);
    if let Some(wanted) = &mut wanted {
        conditions::look_after(check, stored, wanted);
    }
    let text = wanted.as_ref().map(Json::from_value);
    if stored.text() == text.as_ref() {
        return None;
    }
    if let Some(wanted) = &wanted {
        check.validate_status(wanted, Some(stored));
    }
    check.stored_versions(stored, wanted.as_ref());
    let ledger = conditions::ledger(check, stored, wanted.as_ref());
    let flips = conditions::flips(check, stored, wanted.as_ref());
    Some(StatusPut { status: text, ledger, flips })
}
