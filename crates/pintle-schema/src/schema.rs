//! A structural schema, as it is used: looked into, normalised with, validated against.
//!
//! How one is made from `openAPIV3Schema`, and which ones are refused, is in `compile`.

mod allowed;
mod compile;
mod format;
mod keywords;
mod list;
mod normalize;
mod number;
mod pattern;
#[cfg(test)]
mod properties;
mod ratchet;
#[cfg(test)]
mod tests;
mod validate;
mod value_type;

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_model::{FieldError, FieldPath};
use serde_json::{Map, Number, Value};

use allowed::Allowed;
use format::Format;
use pattern::Pattern;
use value_type::ValueType;

pub(crate) use compile::Compiler;
pub(crate) use keywords::unknown_in;

/// A compiled structural schema. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Schema(Arc<Node>);

/// One place of a schema: what may stand there.
#[derive(Debug, Default)]
struct Node {
    value_type: ValueType,
    nullable: bool,
    preserve_unknown: bool,
    embedded_resource: bool,
    properties: BTreeMap<Box<str>, Schema>,
    /// The properties that have a default, so that defaulting need not look at all of them.
    defaulted: Vec<Box<str>>,
    additional: Additional,
    items: Option<Schema>,
    list_type: ListType,
    patch_merge: Option<Box<PatchMerge>>,
    default: Option<DefaultValue>,
    rules: Rules,
    cel: Vec<ValidationRule>,
}

impl Node {
    /// The schema of a field, if there is one.
    fn field(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name).or(match &self.additional {
            Additional::Each(schema) => Some(schema),
            Additional::Pruned | Additional::Anything => None,
        })
    }
}

/// What stands at a place when nothing was given.
#[derive(Debug)]
struct DefaultValue {
    value: Value,
    /// The length of its text.
    bytes: usize,
}

/// What becomes of fields that `properties` does not name.
#[derive(Debug, Default)]
enum Additional {
    #[default]
    Pruned,
    /// `additionalProperties: true`. Upstream empties objects that stand there; nothing is lost
    /// here.
    Anything,
    Each(Schema),
}

/// The value validations of a place.
#[derive(Debug, Default)]
struct Rules {
    required: Vec<Box<str>>,
    text: Option<Box<TextRules>>,
    number: Option<Box<NumberRules>>,
    count: Option<Box<CountRules>>,
    logic: Option<Box<Logic>>,
}

#[derive(Debug, Default)]
struct TextRules {
    format: Option<Format>,
    pattern: Option<Pattern>,
    min_length: Option<u64>,
    max_length: Option<u64>,
}

#[derive(Debug, Default)]
struct NumberRules {
    format: Option<number::Width>,
    minimum: Option<Bound>,
    maximum: Option<Bound>,
    multiple_of: Option<Number>,
}

#[derive(Debug)]
struct Bound {
    limit: Number,
    exclusive: bool,
}

#[derive(Debug, Default)]
struct CountRules {
    min_items: Option<u64>,
    max_items: Option<u64>,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
}

/// `enum` and the junctors.
#[derive(Debug, Default)]
struct Logic {
    allowed: Allowed,
    all_of: Vec<Schema>,
    any_of: Vec<Schema>,
    one_of: Vec<Schema>,
    not: Option<Schema>,
}

/// What the items of a list are to each other (`x-kubernetes-list-type`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ListType {
    /// The list is one value.
    #[default]
    Atomic,
    /// No item stands twice.
    Set,
    /// No two items agree in all of these properties.
    Map(Box<[Box<str>]>),
}

/// How a strategic merge patch merges a list (`x-kubernetes-patch-strategy: merge`). Only core
/// kinds can be patched so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchMerge {
    /// What tells the items apart (`x-kubernetes-patch-merge-key`); nothing where they are scalars.
    pub key: Option<Box<str>>,
}

/// One entry of `x-kubernetes-validations`. It is kept for whoever evaluates CEL; this crate does
/// not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationRule {
    /// The CEL expression.
    pub rule: Box<str>,
    /// What to say when it is false.
    pub message: Option<Box<str>>,
}

impl Schema {
    /// Compiles the JSON of an `openAPIV3Schema`. All faults come back together (at most 50), their
    /// paths relative to the document.
    pub fn compile(schema: &Value) -> Result<Self, Vec<FieldError>> {
        Compiler::new().compile(FieldPath::ROOT, schema)
    }

    /// Accepts everything and keeps everything.
    pub fn anything() -> Self {
        Self(Arc::new(Node { preserve_unknown: true, nullable: true, ..Node::default() }))
    }

    /// The schema of a declared property.
    pub fn property(&self, name: &str) -> Option<&Self> {
        self.0.properties.get(name)
    }

    /// The schema of the items of a list.
    pub fn items(&self) -> Option<&Self> {
        self.0.items.as_ref()
    }

    /// Whether fields that no property declares stay.
    pub fn preserves_unknown(&self) -> bool {
        self.0.preserve_unknown
    }

    /// Whether an object must have `property`.
    pub fn is_required(&self, property: &str) -> bool {
        self.0.rules.required.iter().any(|name| **name == *property)
    }

    /// What stands here when nothing was given.
    pub fn default_value(&self) -> Option<&Value> {
        self.0.default.as_ref().map(|default| &default.value)
    }

    /// What the items of a list are to each other.
    pub fn list_type(&self) -> &ListType {
        &self.0.list_type
    }

    /// The properties that tell the items of a list apart, where it is a map in the shape of a
    /// list.
    pub fn list_map_keys(&self) -> Option<&[Box<str>]> {
        match &self.0.list_type {
            ListType::Map(keys) => Some(keys),
            ListType::Atomic | ListType::Set => None,
        }
    }

    /// How a strategic merge patch merges a list here; nothing where it replaces the list.
    pub fn patch_merge(&self) -> Option<&PatchMerge> {
        self.0.patch_merge.as_deref()
    }

    /// Whether only text may stand here.
    pub fn is_string(&self) -> bool {
        self.0.value_type == ValueType::String
    }

    /// Whether one JSON scalar of a known type stands here: text, a whole number or a boolean.
    pub(crate) fn is_selectable(&self) -> bool {
        matches!(self.0.value_type, ValueType::String | ValueType::Integer | ValueType::Boolean)
    }

    /// The CEL rules declared at this place. They are not evaluated by [`Schema::validate`].
    pub fn validation_rules(&self) -> &[ValidationRule] {
        &self.0.cel
    }

    /// Drops what the schema does not know and fills in defaults, in place, as Kubernetes does when
    /// it decodes a request. Returns the paths of unknown fields that were dropped (at most 50);
    /// nulls that go because the field is not nullable are not among them.
    ///
    /// Defaulting stops when it has added 16 MiB, which is more than any object may have: whoever
    /// keeps objects refuses such a one for its size.
    pub fn normalize(&self, path: FieldPath<'_>, value: &mut Value) -> Vec<String> {
        normalize::value(self, path, value)
    }

    /// [`Schema::normalize`] for the fields of an object, leaving alone those named in `outside`.
    pub(crate) fn normalize_fields(
        &self,
        fields: &mut Map<String, Value>,
        outside: &[&str],
    ) -> Vec<String> {
        normalize::fields(self, fields, outside)
    }

    /// All faults of a value (at most 50), in the order of its text.
    pub fn validate(&self, path: FieldPath<'_>, value: &Value) -> Vec<FieldError> {
        validate::value(self, path, value)
    }

    /// [`Schema::validate`] for a value that was `before`: without the faults of what stayed the
    /// same (KEP-4008). Both are as [`Schema::normalize`] leaves them.
    ///
    /// What stayed is found by properties, and in lists with keys by those. Where an alternative
    /// of `anyOf`, `oneOf` or `not` is concerned, or an item of any other list, all of the value
    /// must have stayed. That an item of a list stands twice is no fault where any did before.
    pub fn validate_changed(
        &self,
        path: FieldPath<'_>,
        value: &Value,
        before: &Value,
    ) -> Vec<FieldError> {
        validate::changed_value(self, path, value, before)
    }

    /// [`Schema::validate_fields`], and [`Schema::validate_changed`].
    pub(crate) fn validate_changed_fields(
        &self,
        fields: &Map<String, Value>,
        before: &Map<String, Value>,
        outside: &[&str],
    ) -> Vec<FieldError> {
        validate::changed_fields(self, fields, before, outside)
    }

    /// [`Schema::validate`] for the fields of an object that has some more, named in `outside`:
    /// they count as present and right.
    pub(crate) fn validate_fields(
        &self,
        fields: &Map<String, Value>,
        outside: &[&str],
    ) -> Vec<FieldError> {
        validate::fields(self, fields, outside)
    }
}
