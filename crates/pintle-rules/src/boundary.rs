//! The boundary of the status lane: what a status write may name at all (rules 1 and 8 of the
//! contract).

use std::borrow::Cow;

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
        (ForeignLane::Refuse | ForeignLane::Ignore, _) => Ok(()),
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

/// Whether a JSON pointer stays in the status or the envelope.
pub(crate) fn is_inside(pointer: &str) -> bool {
    let mut segments = pointer.split('/').skip(1);
    match (segments.next(), segments.next()) {
        (Some("status" | "apiVersion" | "kind"), _) => true,
        (Some("metadata"), Some(field)) => ENVELOPE.contains(&field),
        (Some(_) | None, _) => false,
    }
}
