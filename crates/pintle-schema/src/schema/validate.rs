//! Validation.

use pintle_model::{FieldError, FieldPath};
use serde_json::Value;

use super::Schema;

pub(super) fn validate(_: &Schema, _: FieldPath<'_>, _: &Value) -> Vec<FieldError> {
    Vec::new()
}
