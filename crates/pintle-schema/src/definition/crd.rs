//! From a `CustomResourceDefinition` to a definition.

use pintle_model::FieldError;
use serde_json::{Map, Value};

use super::Definition;

pub(super) fn read(_name: &str, _body: &Map<String, Value>) -> Result<Definition, Vec<FieldError>> {
    Err(vec![FieldError::required("spec", "")])
}
