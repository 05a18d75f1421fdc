//! Which object, and which version of it, a document says it is.

use std::sync::Arc;

use pintle_model::{FieldError, FieldErrorKind, Object, ObjectKey, Revision, Uid};
use serde_json::{Map, Value};

use crate::decide::{Situation, Stamp, check_precondition};
use crate::intent::{Document, Edit, PatchRoot, Precondition};
use crate::refusal::Refusal;

/// Refuses a document that names another object than the one addressed.
///
/// In a create the addressed name may be empty: then the document decides.
pub(crate) fn check_document(document: &Document, key: &ObjectKey) -> Result<(), Refusal> {
    document.metadata.as_ref().map_or(Ok(()), |given| check_names(given, key))
}

fn check_names(given: &Map<String, Value>, key: &ObjectKey) -> Result<(), Refusal> {
    let name = Some(&*key.name.name).filter(|name| !name.is_empty());
    for (field, expected) in [("name", name), ("namespace", Some(&*key.name.namespace))] {
        let given = text(given, field)?;
        if let (Some(given), Some(expected)) = (given, expected)
            && given != expected
        {
            return Err(mismatch(&format!("metadata.{field}"), given, expected));
        }
    }
    Ok(())
}

/// Whether the edit itself says which version it was computed from.
pub(crate) fn names_version(edit: &Edit) -> bool {
    match edit {
        Edit::Patch(patch, PatchRoot::Object) => patch.states(&["metadata", "resourceVersion"]),
        Edit::Patch(_, PatchRoot::Lane)
        | Edit::Create(_)
        | Edit::Replace(_)
        | Edit::Condition(_)
        | Edit::MergeStatus(_)
        | Edit::ApplyConditions(_)
        | Edit::Scale(_)
        | Edit::Finalize(_)
        | Edit::Emptied
        | Edit::Delete(_) => false,
    }
}

/// Refuses a patch that would make another object of this one, or that was meant for another
/// version of it: what a patched tree says of itself is a precondition, as far as it says it.
pub(crate) fn check_patched(
    situation: Situation<'_>,
    current: &Arc<Object>,
    tree: &Map<String, Value>,
    asked: &Precondition,
) -> Result<(), Refusal> {
    let Situation { definition, version, stamp, .. } = situation;
    let api_version = definition.kind.api_version(&version.name);
    for (field, expected) in [("apiVersion", &*api_version), ("kind", &*definition.kind.kind)] {
        match tree.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::String(given)) if given == expected => {}
            Some(given) => return Err(mismatch(field, &shown(given), expected)),
        }
    }
    let Some(given) = tree.get("metadata").and_then(Value::as_object) else { return Ok(()) };
    check_names(given, &current.key)?;
    check_said(current, given, asked, text(given, "uid")?.map(Uid::from), stamp)
}

/// [`check_patched`], where what is patched outside of the status does not count but for the
/// version.
pub(crate) fn check_patched_version(
    situation: Situation<'_>,
    current: &Arc<Object>,
    tree: &Map<String, Value>,
    asked: &Precondition,
) -> Result<(), Refusal> {
    let Some(given) = tree.get("metadata").and_then(Value::as_object) else { return Ok(()) };
    check_said(current, given, asked, None, situation.stamp)
}

/// [`check_patched_version`], of a scale: it stays that of this object.
pub(crate) fn check_patched_scale(
    situation: Situation<'_>,
    current: &Arc<Object>,
    tree: &Map<String, Value>,
    asked: &Precondition,
) -> Result<(), Refusal> {
    if let Some(given) = tree.get("metadata").and_then(Value::as_object) {
        check_names(given, &current.key)?;
    }
    check_patched_version(situation, current, tree, asked)
}

fn check_said(
    current: &Arc<Object>,
    given: &Map<String, Value>,
    asked: &Precondition,
    uid: Option<Uid>,
    stamp: &Stamp,
) -> Result<(), Refusal> {
    let said = Precondition {
        revision: said_revision(given)?,
        uid,
        scope: asked.scope,
        absent: false,
        required: asked.required && asked.revision.is_none(),
    };
    check_precondition(&said, current, stamp)
}

fn said_revision(given: &Map<String, Value>) -> Result<Option<Revision>, Refusal> {
    let invalid = |given: &Value| Refusal::InvalidRevision {
        given: shown(given),
        why: "it must be the decimal text that the server gave out",
    };
    match given.get("resourceVersion") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(value) => {
            let revision = value.as_str().and_then(|text| Revision::parse(text).ok());
            revision.map(Some).ok_or_else(|| invalid(value))
        }
    }
}

/// A text field of metadata; null and the empty text are as good as nothing.
fn text<'a>(given: &'a Map<String, Value>, field: &str) -> Result<Option<&'a str>, Refusal> {
    match given.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(value) => Err(Refusal::Invalid(vec![FieldError::with_value(
            format_args!("metadata.{field}"),
            FieldErrorKind::TypeInvalid,
            value,
            "must be a string",
        )])),
    }
}

fn mismatch(path: &str, given: &str, expected: &str) -> Refusal {
    Refusal::IdentityMismatch {
        path: path.to_owned(),
        given: given.chars().take(SHOWN_MAX).collect(),
        expected: expected.to_owned(),
    }
}

/// An error is never as large as its cause.
const SHOWN_MAX: usize = 64;

fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(SHOWN_MAX).collect()
}
