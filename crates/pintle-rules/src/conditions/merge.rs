//! A status as a change of the stored one, in which conditions are a map by their type.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::type_of;

/// Merges a partial status into a status as RFC 7396 does, but for the list of conditions where the
/// kind has them: an entry changes the condition of its type, and those of other types stay. A null
/// for the list clears it, like every null.
pub(crate) fn merge(status: &mut Value, partial: &Map<String, Value>, by_type: bool) {
    for (field, change) in partial {
        match (field.as_str(), change) {
            ("conditions", Value::Array(entries)) if by_type => merge_list(status, entries),
            _ => merge_field(status, field, change),
        }
    }
}

fn merge_field(status: &mut Value, field: &str, change: &Value) {
    let patch = Value::Object(Map::from_iter([(field.to_owned(), change.clone())]));
    json_patch::merge(status, &patch);
}

fn merge_list(status: &mut Value, entries: &[Value]) {
    if !status.is_object() {
        *status = Value::Object(Map::new());
    }
    let Some(fields) = status.as_object_mut() else { return };
    let list = fields.entry("conditions").or_insert(Value::Null);
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Some(list) = list.as_array_mut() else { return };
    // Each place is given to one entry: a type that stands twice stays twice, and is refused.
    let mut places = places(list);
    for entry in entries {
        let place = type_of(entry).and_then(|kind| places.remove(kind));
        match place.and_then(|place| list.get_mut(place)) {
            Some(stored) => json_patch::merge(stored, entry),
            None => list.push(without_nulls(entry)),
        }
    }
}

/// Where in a list the condition of each type is; of a type that stands twice, the last.
fn places(list: &[Value]) -> BTreeMap<String, usize> {
    let types = list.iter().enumerate();
    types.filter_map(|(place, entry)| Some((type_of(entry)?.to_owned(), place))).collect()
}

/// A new entry has nothing that its nulls could clear.
fn without_nulls(entry: &Value) -> Value {
    let mut fresh = Value::Null;
    json_patch::merge(&mut fresh, entry);
    fresh
}
