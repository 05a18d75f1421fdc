//! The boundary of the status lane: what a status write may name at all (rules 1 and 8 of the
//! contract).

use std::borrow::Cow;

use pintle_model::Object;
use serde_json::{Map, Value};

use crate::intent::{Conduct, Document, Edit, ForeignLane, PatchRoot};
use crate::patch::Patch;
use crate::refusal::Refusal;

/// The metadata that a status write may carry to say which object and version it means.
const ENVELOPE: [&str; 4] = ["name", "namespace", "uid", "resourceVersion"];

/// The object as a whole, as the path of a refusal.
const WHOLE: &str = "/";

/// Refuses a status write that names anything but status and the identity of the object.
pub(crate) fn check(edit: &Edit, conduct: Conduct) -> Result<(), Refusal> {
    match (conduct.foreign, foreign_path(edit)) {
        (ForeignLane::Refuse, Some(path)) => Err(Refusal::Boundary { path: path.into_owned() }),
        (ForeignLane::Refuse | ForeignLane::Ignore | ForeignLane::Discard, _) => Ok(()),
    }
}

/// The first place outside status and identity that an edit names.
pub(crate) fn foreign_path(edit: &Edit) -> Option<Cow<'_, str>> {
    match edit {
        Edit::Replace(document) | Edit::MergeStatus(document) => foreign_in_document(document),
        Edit::Patch(Patch::Merge(document), PatchRoot::Object) => foreign_in_merge(document),
        Edit::Patch(patch, PatchRoot::Object) => {
            let outside = patch.touches().map(|touch| touch.pointer).find(|at| !is_inside(at));
            outside.map(|at| if at.is_empty() { Cow::Borrowed(WHOLE) } else { at })
        }
        Edit::Patch(_, PatchRoot::Lane)
        | Edit::Condition(_)
        | Edit::ApplyConditions(_)
        | Edit::Create(_)
        | Edit::Scale(_)
        | Edit::Finalize(_)
        | Edit::Emptied
        | Edit::Delete(_) => None,
    }
}

fn foreign_in_document(document: &Document) -> Option<Cow<'_, str>> {
    let body = document.body.iter().flat_map(Map::keys);
    document
        .foreign
        .iter()
        .chain(body)
        .map(|field| Cow::Borrowed(field.as_str()))
        .next()
        .or_else(|| document.metadata.as_ref().and_then(foreign_in_metadata))
}

/// A merge patch has the shape of the object it changes.
fn foreign_in_merge(document: &Value) -> Option<Cow<'_, str>> {
    // A patch that is not an object would replace the whole.
    let Some(fields) = document.as_object() else { return Some(Cow::Borrowed(WHOLE)) };
    fields.iter().find_map(|(field, value)| match (field.as_str(), value) {
        ("status" | "apiVersion" | "kind", _) => None,
        ("metadata", Value::Object(metadata)) => foreign_in_metadata(metadata),
        (field, _) => Some(Cow::Borrowed(field)),
    })
}

fn foreign_in_metadata(metadata: &Map<String, Value>) -> Option<Cow<'_, str>> {
    let field = metadata.keys().find(|field| !ENVELOPE.contains(&field.as_str()))?;
    Some(Cow::Owned(format!("metadata.{field}")))
}

/// The first field outside status in which a document differs from what is stored. What the server
/// keeps in metadata itself is not looked at: clients send it back in all sorts of states.
pub(crate) fn difference(
    current: &Object,
    body: Option<&Map<String, Value>>,
    metadata: Option<&Map<String, Value>>,
) -> Option<String> {
    let stored = current.body.to_map();
    let differs = |(field, value): &(&String, &Value)| stored.get(*field) != Some(*value);
    let field = body.into_iter().flatten().find(differs).map(|(field, _)| field.clone());
    field.or_else(|| {
        let given = metadata?;
        let stored = serde_json::to_value(&*current.metadata).ok()?;
        let owned = ["labels", "annotations", "finalizers", "ownerReferences"];
        let differs = |field: &&&str| match given.get(**field) {
            None | Some(Value::Null) => false,
            Some(value) => stored.get(**field) != Some(value) && !is_empty(value),
        };
        owned.iter().find(differs).map(|field| format!("metadata.{field}"))
    })
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// Whether a JSON pointer stays in the status or the envelope.
pub(crate) fn is_inside(pointer: &str) -> bool {
    let mut segments = pointer.split('/').skip(1);
    match (segments.next(), segments.next()) {
        (Some("status" | "apiVersion" | "kind"), _) => true,
        (Some("metadata"), Some(field)) => ENVELOPE.contains(&field),
        (Some(_) | None, _) => false,
    }
}
