//! What the list of conditions looks like, for the definitions of kinds.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::Conditions;

/// A qualified name, as `metav1.Condition` has it.
const TYPE_PATTERN: &str = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?\
                            (([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
const REASON_PATTERN: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";
/// One object has at most so many.
const CONDITIONS_MAX: usize = 64;

impl JsonSchema for Conditions {
    fn schema_name() -> Cow<'static, str> {
        "Conditions".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "description": "What is so and what is not, one entry a type.",
            "maxItems": CONDITIONS_MAX,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            // As metav1.Condition, but only what a writer has to know is required: Pintle sets
            // lastTransitionTime.
            "items": {
                "type": "object",
                "required": ["type", "status"],
                "properties": {
                    "type": { "type": "string", "maxLength": 316, "pattern": TYPE_PATTERN },
                    "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
                    "reason": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 1024,
                        "pattern": REASON_PATTERN,
                    },
                    "message": { "type": "string", "maxLength": 32_768 },
                    "lastTransitionTime": { "type": "string", "format": "date-time" },
                    "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0 },
                },
            },
        })
    }
}
