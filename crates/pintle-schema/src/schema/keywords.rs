//! The words that a schema may be written in: the fields of `JSONSchemaProps`.
//!
//! A word that is not one of them says nothing, so a misspelt rule is no rule. That is no fault
//! (upstream drops such words too), but whoever wrote it should be told.

use pintle_model::FieldPath;
use serde_json::Value;

const KEYWORDS: [&str; 44] = [
    "$ref",
    "$schema",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "definitions",
    "dependencies",
    "description",
    "enum",
    "example",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "externalDocs",
    "format",
    "id",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "nullable",
    "oneOf",
    "pattern",
    "patternProperties",
    "properties",
    "required",
    "title",
    "type",
    "uniqueItems",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

/// So many are told of.
const TOLD_MAX: usize = 50;

/// Adds the paths of the words in a schema that mean nothing.
pub(crate) fn unknown_in(path: FieldPath<'_>, schema: &Value, found: &mut Vec<String>) {
    let Some(schema) = schema.as_object() else { return };
    for (word, value) in schema {
        if found.len() >= TOLD_MAX {
            return;
        }
        let place = path.field(word);
        match (word.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, schema) in properties {
                    unknown_in(place.key(name), schema, found);
                }
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                for (index, schema) in schemas.iter().enumerate() {
                    unknown_in(place.index(index), schema, found);
                }
            }
            ("items" | "additionalProperties" | "not", schema) => unknown_in(place, schema, found),
            (word, _) if KEYWORDS.binary_search(&word).is_err() => found.push(place.to_string()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_that_mean_nothing_are_found_where_they_stand() {
        assert!(KEYWORDS.is_sorted());
        let schema = json!({
            "type": "object",
            "requird": ["a"],
            "properties": {
                "requird": {"type": "integer", "minimun": 0},
                "list": {"type": "array", "items": {"anyOf": [{"enums": []}], "default": {"x": 1}}},
            },
        });
        let mut found = Vec::new();
        unknown_in(FieldPath::ROOT, &schema, &mut found);
        let expected =
            ["properties[list].items.anyOf[0].enums", "properties[requird].minimun", "requird"];
        assert_eq!(found, expected);
    }
}
