//! What the items of a list are to each other: which are one and the same, and by what.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::number::fingerprint;
use super::{ListType, Node};

/// The items that stand where another one like them stood before: their index, and what is the
/// same in both.
pub(super) fn duplicates<'a>(
    list_type: &'a ListType,
    items: &'a [Value],
) -> impl Iterator<Item = (usize, Value)> + 'a {
    let mut seen = HashSet::new();
    items.iter().enumerate().filter_map(move |(index, item)| {
        let identity = match list_type {
            ListType::Atomic => None,
            ListType::Set => Some(item.clone()),
            ListType::Map(keys) => list_key(keys, item),
        }?;
        (!seen.insert(fingerprint(&identity))).then_some((index, identity))
    })
}

/// Whether an item stands twice anywhere in a value.
pub(super) fn has_duplicates(node: &Node, value: &Value) -> bool {
    match value {
        Value::Object(map) => has_duplicates_in(node, map),
        Value::Array(items) => {
            duplicates(&node.list_type, items).next().is_some()
                || node
                    .items
                    .as_ref()
                    .is_some_and(|schema| items.iter().any(|item| has_duplicates(&schema.0, item)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

pub(super) fn has_duplicates_in(node: &Node, map: &Map<String, Value>) -> bool {
    map.iter().any(|(name, value)| {
        node.field(name).is_some_and(|schema| has_duplicates(&schema.0, value))
    })
}

/// The values of the key properties; nothing for an item that is no object.
pub(super) fn list_key(keys: &[Box<str>], item: &Value) -> Option<Value> {
    let map = item.as_object()?;
    let part = |key: &str| Some((key.to_owned(), map.get(key)?.clone()));
    Some(Value::Object(keys.iter().filter_map(|key| part(key)).collect()))
}
