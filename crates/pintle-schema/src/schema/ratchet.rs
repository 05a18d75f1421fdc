//! What a write left as it was, so that a schema that has become stricter is not held against it.
//!
//! As upstream (KEP-4008): a value is compared with what stood at its path before, in which the
//! items of a list with keys go by those, wherever they stand. The items of other lists are not
//! told apart: such a list is the same, or all of it is new.
//!
//! A value is compared once, whatever its depth. The result has a place for what differs alone.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::list::list_key;
use super::number::{fingerprint, same};
use super::{ListType, Node, Schema};

/// What of a value is not as it was.
#[derive(Debug)]
pub(super) enum Changed<'a> {
    /// All of it, or it has no parts that could be told apart.
    Whole,
    /// An object that has other fields than before. Of those that it has these changed.
    Fields(BTreeMap<&'a str, Self>),
    /// A list that has other items than before. Of those that it has these changed.
    Items(BTreeMap<usize, Self>),
}

/// How much of a value is judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    All,
    /// The value itself, and those of its parts that changed.
    Only(&'a Changed<'a>),
}

impl Scope<'_> {
    /// The scope in a field; nothing when the field is as it was.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        match self {
            Self::Only(Changed::Fields(fields)) => fields.get(name).map(Self::Only),
            Self::All | Self::Only(_) => Some(Self::All),
        }
    }

    /// The scope in an item; nothing when the item is as it was.
    pub(super) fn item(self, index: usize) -> Option<Self> {
        match self {
            Self::Only(Changed::Items(items)) => items.get(&index).map(Self::Only),
            Self::All | Self::Only(_) => Some(Self::All),
        }
    }
}

/// What of `now` is not as it was in `before`; nothing when both are the same.
pub(super) fn changed<'a>(node: &Node, now: &'a Value, before: &Value) -> Option<Changed<'a>> {
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => changed_fields(node, now, before),
        (Value::Array(now), Value::Array(before)) => match (&node.list_type, &node.items) {
            (ListType::Map(keys), Some(schema)) => changed_items(keys, schema, now, before),
            (ListType::Atomic | ListType::Set | ListType::Map(_), _) => {
                let differ = |(now, before)| !same(now, before);
                let changed = now.len() != before.len() || now.iter().zip(before).any(differ);
                changed.then_some(Changed::Whole)
            }
        },
        _ => (!same(now, before)).then_some(Changed::Whole),
    }
}

pub(super) fn changed_fields<'a>(
    node: &Node,
    now: &'a Map<String, Value>,
    before: &Map<String, Value>,
) -> Option<Changed<'a>> {
    let change = |name: &str, now: &'a Value| match (before.get(name), node.field(name)) {
        (None, _) => Some(Changed::Whole),
        (Some(before), Some(schema)) => changed(&schema.0, now, before),
        (Some(before), None) => (!same(now, before)).then_some(Changed::Whole),
    };
    let fields = now.iter().filter_map(|(name, now)| Some((&**name, change(name, now)?)));
    let fields: BTreeMap<_, _> = fields.collect();
    let is_other = !fields.is_empty() || before.keys().any(|name| !now.contains_key(name));
    is_other.then_some(Changed::Fields(fields))
}

/// The first item of a key is compared with the first that had it, the second with the second.
fn changed_items<'a>(
    keys: &[Box<str>],
    schema: &Schema,
    now: &'a [Value],
    before: &[Value],
) -> Option<Changed<'a>> {
    // What is no object has no key, and is told apart by itself.
    let key = |item: &Value| match list_key(keys, item) {
        Some(key) => fingerprint(&key),
        None => fingerprint(item),
    };
    let mut waiting: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for item in before.iter().rev() {
        waiting.entry(key(item)).or_default().push(item);
    }
    let mut change = |item: &'a Value| match waiting.get_mut(&key(item)).and_then(Vec::pop) {
        Some(before) => changed(&schema.0, item, before),
        None => Some(Changed::Whole),
    };
    let items = now.iter().enumerate().filter_map(|(index, item)| Some((index, change(item)?)));
    let items: BTreeMap<_, _> = items.collect();
    let is_other = !items.is_empty() || now.len() != before.len();
    is_other.then_some(Changed::Items(items))
}
