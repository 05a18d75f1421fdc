//! A structural schema, as it is used: looked into, normalised with, validated against.
//!
//! How one is made from `openAPIV3Schema`, and which ones are refused, is in `compile`.

mod compile;
mod normalize;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_model::{FieldError, FieldPath};
use serde_json::Value;

/// A compiled structural schema. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Schema(Arc<Node>);

/// One place of a schema: what may stand there.
#[derive(Debug, Default)]
struct Node {
    preserve_unknown: bool,
    properties: BTreeMap<Box<str>, Schema>,
    required: Vec<Box<str>>,
    list_type: ListType,
    default: Option<Value>,
    rules: Vec<ValidationRule>,
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
    Map(Vec<Box<str>>),
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
    /// Compiles the JSON of an `openAPIV3Schema`. All faults come back together, their paths
    /// relative to the document.
    pub fn compile(schema: &Value) -> Result<Self, Vec<FieldError>> {
        compile::compile(schema)
    }

    /// Accepts everything and keeps everything.
    pub fn anything() -> Self {
        Self(Arc::new(Node { preserve_unknown: true, ..Node::default() }))
    }

    /// The schema of a declared property.
    pub fn property(&self, name: &str) -> Option<&Self> {
        self.0.properties.get(name)
    }

    /// Whether fields that no property declares stay.
    pub fn preserves_unknown(&self) -> bool {
        self.0.preserve_unknown
    }

    /// Whether an object must have `property`.
    pub fn is_required(&self, property: &str) -> bool {
        self.0.required.iter().any(|name| **name == *property)
    }

    /// What stands here when nothing was given.
    pub fn default_value(&self) -> Option<&Value> {
        self.0.default.as_ref()
    }

    /// What the items of a list are to each other.
    pub fn list_type(&self) -> &ListType {
        &self.0.list_type
    }

    /// The properties that tell the items of a list apart, where it is a map in the shape of a list.
    pub fn list_map_keys(&self) -> Option<&[Box<str>]> {
        match &self.0.list_type {
            ListType::Map(keys) => Some(keys),
            ListType::Atomic | ListType::Set => None,
        }
    }

    /// The CEL rules declared at this place. They are not evaluated by [`Schema::validate`].
    pub fn validation_rules(&self) -> &[ValidationRule] {
        &self.0.rules
    }

    /// Drops what the schema does not know and fills in defaults, in place, as Kubernetes does when
    /// it decodes a request. Returns the paths of unknown fields that were dropped (at most 50).
    pub fn normalize(&self, path: FieldPath<'_>, value: &mut Value) -> Vec<String> {
        normalize::normalize(self, path, value)
    }

    /// All faults of a value (at most 50), in document order.
    pub fn validate(&self, path: FieldPath<'_>, value: &Value) -> Vec<FieldError> {
        validate::validate(self, path, value)
    }
}
