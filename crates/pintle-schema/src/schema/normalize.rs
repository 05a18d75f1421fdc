//! Pruning and defaulting.

use pintle_model::FieldPath;
use serde_json::Value;

use super::Schema;

pub(super) fn normalize(_: &Schema, _: FieldPath<'_>, _: &mut Value) -> Vec<String> {
    Vec::new()
}
