//! Pruning and defaulting, in one walk.
//!
//! The rules are those of apiextensions-apiserver's `pruning` and `defaulting` packages: unknown
//! fields go, nulls of fields that are not nullable go (or become the default), missing fields get
//! their default. The walk follows the schema, so it is never deeper than that.

use pintle_model::FieldPath;
use serde_json::{Map, Value};

use super::{Additional, Node, Schema};
use crate::object_meta;

/// So many dropped paths are reported; the rest is dropped all the same.
const REPORTED_MAX: usize = 50;
const REPORTED_BYTES_MAX: usize = 64 * 1024;
/// A short list of empty objects must not become more than memory holds.
const ADDED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a default takes beyond its text, roughly.
const ADDED_OVERHEAD_BYTES: usize = 64;

pub(super) fn value(schema: &Schema, path: FieldPath<'_>, value: &mut Value) -> Vec<String> {
    let mut walk = Walk::default();
    walk.value(&schema.0, path, value, false);
    walk.dropped
}

pub(super) fn fields(
    schema: &Schema,
    fields: &mut Map<String, Value>,
    outside: &[&str],
) -> Vec<String> {
    let mut walk = Walk::default();
    walk.fields(&schema.0, FieldPath::ROOT, fields, Keep { unknown: false, fields: outside });
    walk.dropped
}

#[derive(Default)]
struct Walk {
    dropped: Vec<String>,
    dropped_bytes: usize,
    added_bytes: usize,
}

/// What stays although the schema does not name it.
#[derive(Clone, Copy)]
struct Keep<'a> {
    unknown: bool,
    fields: &'a [&'a str],
}

/// What every Kubernetes object has, and so does an embedded one.
const ENVELOPE: &[&str] = &["apiVersion", "kind", "metadata"];

impl Walk {
    /// `keep_unknown` comes from a list that preserves unknown fields: it speaks for its items.
    fn value(&mut self, node: &Node, path: FieldPath<'_>, value: &mut Value, keep_unknown: bool) {
        match value {
            Value::Object(map) => {
                let fields = if node.embedded_resource { ENVELOPE } else { &[] };
                self.fields(node, path, map, Keep { unknown: keep_unknown, fields });
                if let Some(metadata) = map.get_mut("metadata").filter(|_| node.embedded_resource) {
                    self.value(&object_meta().0, path.field("metadata"), metadata, false);
                }
            }
            Value::Array(items) => self.items(node, path, items, keep_unknown),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn items(&mut self, node: &Node, path: FieldPath<'_>, items: &mut [Value], keep_unknown: bool) {
        let keep_unknown = keep_unknown || node.preserve_unknown;
        let Some(schema) = &node.items else {
            return;
        };
        for (index, item) in items.iter_mut().enumerate() {
            self.default_null(&schema.0, item);
            self.value(&schema.0, path.index(index), item, keep_unknown);
        }
    }

    fn fields(
        &mut self,
        node: &Node,
        path: FieldPath<'_>,
        map: &mut Map<String, Value>,
        keep: Keep<'_>,
    ) {
        map.retain(|name, value| {
            keep.fields.contains(&name.as_str()) || self.field(node, path, name, value, keep)
        });
        for name in &node.defaulted {
            if !map.contains_key(&**name) && !keep.fields.contains(&&**name) {
                let default =
                    node.properties.get(name).and_then(|schema| self.copy_of_default(&schema.0));
                map.extend(default.map(|default| (name.to_string(), default)));
            }
        }
    }

    /// A copy of the default, as long as there is room for more.
    fn copy_of_default(&mut self, node: &Node) -> Option<Value> {
        let default = node.default.as_ref().filter(|_| self.added_bytes < ADDED_BYTES_MAX)?;
        self.added_bytes += default.bytes + ADDED_OVERHEAD_BYTES;
        Some(default.value.clone())
    }

    /// A null that may not be null becomes the default. Whether there was one to become.
    fn default_null(&mut self, node: &Node, value: &mut Value) -> bool {
        let default =
            (value.is_null() && !node.nullable).then(|| self.copy_of_default(node)).flatten();
        let found = default.is_some();
        if let Some(default) = default {
            *value = default;
        }
        found
    }

    /// Whether the field stays.
    fn field(
        &mut self,
        node: &Node,
        path: FieldPath<'_>,
        name: &str,
        value: &mut Value,
        keep: Keep<'_>,
    ) -> bool {
        let (schema, path) = match (node.properties.get(name), &node.additional) {
            (Some(schema), _) => (schema, path.field(name)),
            (None, Additional::Each(schema)) => (schema, path.key(name)),
            (None, Additional::Anything) => return true,
            (None, Additional::Pruned) if node.preserve_unknown || keep.unknown => return true,
            (None, Additional::Pruned) => {
                self.report(path.field(name));
                return false;
            }
        };
        if value.is_null() && !schema.0.nullable && !self.default_null(&schema.0, value) {
            return false;
        }
        self.value(&schema.0, path, value, false);
        true
    }

    fn report(&mut self, path: FieldPath<'_>) {
        if self.dropped.len() < REPORTED_MAX && self.dropped_bytes < REPORTED_BYTES_MAX {
            let path = path.to_string();
            self.dropped_bytes += path.len();
            self.dropped.push(path);
        }
    }
}
