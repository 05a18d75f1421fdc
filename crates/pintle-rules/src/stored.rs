//! The status that is stored, as a tree that is built at most once, and only when somebody looks.

use std::cell::OnceCell;
use std::sync::Arc;

use pintle_model::{Json, Object};
use serde_json::Value;

pub(crate) struct StoredStatus<'a> {
    pub(crate) object: &'a Arc<Object>,
    tree: OnceCell<Value>,
}

impl<'a> StoredStatus<'a> {
    pub(crate) const fn of(object: &'a Arc<Object>) -> Self {
        Self { object, tree: OnceCell::new() }
    }

    pub(crate) fn text(&self) -> Option<&Json> {
        self.object.status.as_ref()
    }

    /// Null when there is none.
    pub(crate) fn tree(&self) -> &Value {
        self.tree.get_or_init(|| self.text().map_or(Value::Null, Json::to_value))
    }

    /// `status.conditions`, empty when there are none.
    pub(crate) fn conditions(&self) -> &[Value] {
        conditions(self.tree())
    }
}

/// The conditions in a status, empty when there are none.
pub(crate) fn conditions(status: &Value) -> &[Value] {
    status.get("conditions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
