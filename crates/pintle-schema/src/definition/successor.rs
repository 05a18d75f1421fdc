//! What a declaration may not change once it is in force, and what its status may not say.
//!
//! The rules are those of apiextensions-apiserver's update validation. Group and plural need none
//! here: together they are the name of the declaration, and that never changes.

use pintle_model::{FieldError, FieldPath, Scope};
use serde_json::{Map, Value};

use super::Definition;
use crate::faults::Faults;

const IMMUTABLE: &str = "field is immutable";
const UNDECLARED: &str = "must appear in spec.versions";

/// Faults of `next` as the successor of the stored declaration.
pub(super) fn check(
    next: &Definition,
    body: &Map<String, Value>,
    status: Option<&Value>,
) -> Vec<FieldError> {
    let mut faults = Faults::new();
    check_immutable(next, body.get("spec"), status.is_some_and(is_established), &mut faults);
    check_stored_versions(next, status, &mut faults);
    faults.into_vec()
}

fn is_established(status: &Value) -> bool {
    let conditions = status.get("conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        let is = |field, text| condition.get(field).and_then(Value::as_str) == Some(text);
        is("type", "Established") && is("status", "True")
    })
}

/// Objects are stored under the scope and kind that were declared. A kind whose names were not
/// accepted may be called something else, as upstream; what the status says can be written, so that
/// the scope, by which objects are found, does not depend on it.
fn check_immutable(
    next: &Definition,
    stored: Option<&Value>,
    is_established: bool,
    faults: &mut Faults,
) {
    let spec = FieldPath::ROOT.field("spec");
    let names = spec.field("names");
    let scope = match next.kind.scope {
        Scope::Cluster => "Cluster",
        Scope::Namespaced => "Namespaced",
    };
    let kind = is_established.then(|| (names.field("kind"), "/names/kind", &*next.kind.kind));
    for (path, pointer, wanted) in [(spec.field("scope"), "/scope", scope)].into_iter().chain(kind)
    {
        let stored = stored.and_then(|spec| spec.pointer(pointer)).and_then(Value::as_str);
        if stored.is_some_and(|stored| stored != wanted) {
            faults.push(FieldError::invalid(path, &Value::from(wanted), IMMUTABLE));
        }
    }
}

/// A version that objects may be stored in has to stay declared.
fn check_stored_versions(next: &Definition, status: Option<&Value>, faults: &mut Faults) {
    let path = FieldPath::ROOT.field("status");
    let path = path.field("storedVersions");
    let stored = status.and_then(|status| status.get("storedVersions")).and_then(Value::as_array);
    for (index, version) in stored.into_iter().flatten().enumerate() {
        if version.as_str().is_none_or(|name| next.version(name).is_none()) {
            faults.push(FieldError::invalid(path.index(index), version, UNDECLARED));
        }
    }
}

/// Faults of a list of stored versions that a status write puts in the place of another one. What
/// was wrong before is not held against it.
pub(super) fn check_stored_list(
    body: &Map<String, Value>,
    before: Option<&Value>,
    wanted: Option<&Value>,
) -> Vec<FieldError> {
    let list = |status: Option<&Value>| -> Vec<Value> {
        let list = status.and_then(|status| status.get("storedVersions")?.as_array());
        list.cloned().unwrap_or_default()
    };
    let (before, wanted) = (list(before), list(wanted));
    let mut faults = Faults::new();
    if wanted == before {
        return faults.into_vec();
    }
    let path = FieldPath::ROOT.field("status");
    let path = path.field("storedVersions");
    let declared = body.get("spec").and_then(|spec| spec.get("versions")?.as_array());
    let declared = declared.map_or(&[][..], Vec::as_slice);
    let name_of = |version: &Value| version.get("name").cloned();
    let is_stored = |version: &&Value| version.get("storage") == Some(&Value::Bool(true));
    if let Some(name) = declared.iter().find(is_stored).and_then(name_of)
        && !wanted.contains(&name)
    {
        let detail = format!("must have the storage version {}", name.as_str().unwrap_or_default());
        faults.push(FieldError::invalid(path, &Value::Array(wanted.clone()), detail));
    }
    let known: Vec<Value> = declared.iter().filter_map(name_of).chain(before).collect();
    for (index, version) in wanted.iter().enumerate() {
        if !known.contains(version) {
            faults.push(FieldError::invalid(path.index(index), version, UNDECLARED));
        }
    }
    faults.into_vec()
}
