//! From `openAPIV3Schema` JSON to a schema, and the rules that make it structural.

use pintle_model::{FieldError, FieldPath};
use serde_json::Value;

use super::Schema;

pub(super) fn compile(schema: &Value) -> Result<Schema, Vec<FieldError>> {
    match schema {
        Value::Object(_) => Ok(Schema::anything()),
        _ => Err(vec![FieldError::invalid(FieldPath::ROOT, schema, "must be an object")]),
    }
}
