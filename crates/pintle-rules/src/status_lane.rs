//! The status lane: status changes, everything else stays byte for byte.
//!
//! Nothing in this file can reach metadata or a body: what it writes is a [`StatusPut`], which has no
//! place for them.

use std::borrow::Cow;
use std::sync::Arc;

use pintle_model::{Change, FieldError, FieldErrorKind, Json, Object, Put, StatusPut};
use serde_json::{Map, Value};

use crate::conditions;
use crate::decide::{Check, Decision, Situation, Verdict, check_precondition};
use crate::intent::{Conduct, Edit, ForeignLane, Intent, PatchRoot};
use crate::main_lane::patched_precondition;
use crate::metadata::check_identity;
use crate::patch::{Patch, PatchLimits};
use crate::refusal::Refusal;
use crate::visible;

/// The metadata that a status write may carry to say which object and version it means.
const ENVELOPE: [&str; 4] = ["name", "namespace", "uid", "resourceVersion"];

/// Refuses a status write that carries anything but status and the identity of the object.
pub(crate) fn check_boundary(edit: &Edit, conduct: Conduct) -> Result<(), Refusal> {
    match (conduct.foreign, foreign_path(edit)) {
        (ForeignLane::Refuse, Some(path)) => Err(Refusal::Boundary { path: path.into_owned() }),
        (ForeignLane::Refuse | ForeignLane::Ignore, _) => Ok(()),
    }
}

/// The first place outside status that an edit names.
fn foreign_path(edit: &Edit) -> Option<Cow<'_, str>> {
    match edit {
        Edit::Replace(document) => {
            let metadata = document.metadata.iter().flat_map(Map::keys);
            let outside = metadata
                .filter(|field| !ENVELOPE.contains(&field.as_str()))
                .map(|field| Cow::Owned(format!("metadata.{field}")));
            document.foreign.iter().map(|field| Cow::Borrowed(field.as_str())).chain(outside).next()
        }
        Edit::Patch(Patch::Merge(document), PatchRoot::Object) => foreign_in_merge(document),
        Edit::Patch(patch, PatchRoot::Object) => {
            patch.touches().map(|touch| touch.pointer).find(|pointer| !is_inside(pointer))
        }
        Edit::Patch(_, PatchRoot::Lane)
        | Edit::Condition(_)
        | Edit::Create(_)
        | Edit::Delete(_) => None,
    }
}

/// A merge patch has the shape of the object it changes.
fn foreign_in_merge(document: &Value) -> Option<Cow<'_, str>> {
    // A patch that is not an object would replace the whole.
    let Some(fields) = document.as_object() else { return Some(Cow::Borrowed("/")) };
    fields.iter().find_map(|(field, value)| match (field.as_str(), value) {
        ("status" | "apiVersion" | "kind", _) => None,
        ("metadata", Value::Object(metadata)) => metadata
            .keys()
            .find(|field| !ENVELOPE.contains(&field.as_str()))
            .map(|field| Cow::Owned(format!("metadata.{field}"))),
        (field, _) => Some(Cow::Borrowed(field)),
    })
}

/// Whether a JSON pointer stays in the status or the envelope.
fn is_inside(pointer: &str) -> bool {
    let mut segments = pointer.split('/').skip(1);
    match (segments.next(), segments.next()) {
        (Some("status" | "apiVersion" | "kind"), _) => true,
        (Some("metadata"), Some(field)) => ENVELOPE.contains(&field),
        (Some(_) | None, _) => false,
    }
}

/// Replaces or patches the status of an object that exists.
pub(crate) fn write(
    situation: Situation<'_>,
    current: &Arc<Object>,
    edit: &Edit,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    let wanted = wanted_status(situation, current, edit)?;
    let mut check =
        Check { situation, conduct: intent.conduct, warnings: Vec::new(), errors: Vec::new() };
    if intent.conduct.foreign == ForeignLane::Ignore
        && let Some(path) = foreign_path(edit)
    {
        check.warnings.push(format!("{path} was ignored: a status write changes status only"));
    }
    let put = checked(&mut check, current, wanted, &intent.manager)?;
    let warnings = check.done()?;
    let verdict = match put {
        None => Verdict::Unchanged(Arc::clone(current)),
        Some(put) => Verdict::Change(Change {
            key: current.key.clone(),
            expect: Some(current.revision),
            put: Put::Status(put),
            at: situation.stamp.now,
        }),
    };
    Ok(Decision { verdict, warnings })
}

/// The status as the write wants it, unchecked; nothing clears it.
fn wanted_status(
    situation: Situation<'_>,
    current: &Arc<Object>,
    edit: &Edit,
) -> Result<Option<Value>, Refusal> {
    match edit {
        Edit::Replace(document) => {
            if let Some(given) = &document.metadata {
                check_identity(given, &current.key)?;
            }
            Ok(document.status.clone().filter(|status| !status.is_null()))
        }
        Edit::Patch(patch, PatchRoot::Object) => patched_whole(situation, current, patch),
        Edit::Patch(patch, PatchRoot::Lane) => {
            let mut status = status_of(current);
            patch.apply(&mut status, &PatchLimits::default()).map_err(Refusal::Patch)?;
            Ok(still_absent(status, current))
        }
        Edit::Condition(edit) => {
            if !situation.version.conditions {
                return Err(Refusal::NoCondition { kind: edit.condition_type().to_owned() });
            }
            let mut status = status_of(current);
            conditions::edit(&mut status, edit)?;
            Ok(Some(status))
        }
        Edit::Create(_) | Edit::Delete(_) => Err(Refusal::NotFound),
    }
}

/// The paths of the patch begin at the object, of which it sees its identity and status only.
fn patched_whole(
    situation: Situation<'_>,
    current: &Arc<Object>,
    patch: &Patch,
) -> Result<Option<Value>, Refusal> {
    let mut tree = visible::status_tree(current);
    patch.apply(&mut tree, &PatchLimits::default()).map_err(Refusal::Patch)?;
    if let Some(given) = tree.get("metadata").and_then(Value::as_object) {
        check_identity(given, &current.key)?;
        let precondition = patched_precondition(given, current)?;
        check_precondition(&precondition, current, situation.stamp)?;
    }
    let status = tree.get_mut("status").map(Value::take).filter(|status| !status.is_null());
    Ok(status.and_then(|status| still_absent(status, current)))
}

fn status_of(current: &Object) -> Value {
    current.status.as_ref().map_or_else(|| Value::Object(Map::new()), Json::to_value)
}

/// Patches see an absent status as `{}`; one that leaves it so has not set a status.
fn still_absent(status: Value, current: &Object) -> Option<Value> {
    let empty = status.as_object().is_some_and(Map::is_empty);
    Some(status).filter(|_| !empty || current.status.is_some())
}

/// Checks the status, and says what is to be written; nothing when it is stored already.
fn checked(
    check: &mut Check<'_>,
    current: &Arc<Object>,
    wanted: Option<Value>,
    manager: &str,
) -> Result<Option<StatusPut>, Refusal> {
    let stored = current.status.as_ref();
    let Some(mut wanted) = wanted else {
        let ledger = conditions::ledger(check, current, None, manager);
        return Ok(stored.map(|_| StatusPut { status: None, ledger }));
    };
    if !wanted.is_object() {
        check.errors.push(FieldError::with_value(
            "status",
            FieldErrorKind::TypeInvalid,
            &wanted,
            "status must be an object",
        ));
        return Ok(None);
    }
    if check.conduct.keeps_conditions {
        conditions::look_after(check, current, &mut wanted);
    }
    let (wanted, text) = check.status(wanted)?;
    if stored == Some(&text) {
        return Ok(None);
    }
    let ledger = conditions::ledger(check, current, Some(&wanted), manager);
    Ok(Some(StatusPut { status: Some(text), ledger }))
}
