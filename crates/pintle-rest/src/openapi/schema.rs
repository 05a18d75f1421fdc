//! From structural schemas, which are written in a dialect of OpenAPI 3.0, to JSON Schema 2020-12.
//!
//! What comes in was compiled before, so it is structural and not deeper than the compiler allows.
//! A converted schema accepts what the server accepts. It may accept more: where a rule cannot be
//! said in JSON Schema it stays as an `x-` remark.

use serde_json::{Map, Value, json};

use super::ecma;

/// A JSON object.
pub(crate) type Fields = Map<String, Value>;

/// The same with one field more, or another value of it.
pub(crate) fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.insert(name.to_owned(), value.into());
    }
    object
}

/// Words that mean the same in both.
const KEPT: [&str; 20] = [
    "default",
    "description",
    "enum",
    "externalDocs",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "title",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

/// Converts one schema with all that is in it.
pub(crate) fn converted(schema: &Value) -> Value {
    let Value::Object(schema) = schema else { return json!(true) };
    let mut out = Fields::new();
    for (word, value) in schema {
        word_into(&mut out, word, value);
    }
    required_into(&mut out, schema);
    limits_into(&mut out, schema);
    type_into(&mut out, schema);
    if says(schema, "x-kubernetes-embedded-resource") {
        embedded_into(&mut out);
    }
    Value::Object(out)
}

fn word_into(out: &mut Fields, word: &str, value: &Value) {
    let mut put = |word: &str, value: Value| {
        out.insert(word.to_owned(), value);
    };
    match (word, value) {
        ("properties", Value::Object(properties)) => {
            let properties = properties.iter().map(|(name, it)| (name.clone(), converted(it)));
            put("properties", Value::Object(properties.collect()));
        }
        ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) if !schemas.is_empty() => {
            put(word, schemas.iter().map(converted).collect());
        }
        ("additionalProperties", Value::Bool(_)) => put(word, value.clone()),
        ("additionalProperties" | "items" | "not", schema) => put(word, converted(schema)),
        ("pattern", Value::String(source)) => match ecma::spelt(source) {
            Some(pattern) => put("pattern", Value::String(pattern)),
            None => put("x-re2-pattern", value.clone()),
        },
        ("format", Value::String(format)) => put("format", json!(format_of(format))),
        ("example", example) => put("examples", json!([example])),
        (word, value) if KEPT.contains(&word) => put(word, value.clone()),
        _ => {}
    }
}

/// Names of formats that mean something narrower in JSON Schema.
fn format_of(format: &str) -> &str {
    match format {
        "duration" => "go-duration",
        "uri" => "uri-reference",
        "datetime" => "date-time",
        format => format,
    }
}

/// What has a default need not be sent, and is always there in what comes back.
fn required_into(out: &mut Fields, schema: &Fields) {
    let properties = schema.get("properties");
    let has_default = |name: &Value| {
        let property = name.as_str().and_then(|name| properties?.get(name));
        property.is_some_and(|property| property.get("default").is_some())
    };
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let required: Vec<Value> = required.filter(|name| !has_default(name)).cloned().collect();
    if !required.is_empty() {
        out.insert("required".to_owned(), Value::Array(required));
    }
}

/// An exclusive limit is a number of its own now.
fn limits_into(out: &mut Fields, schema: &Fields) {
    for (word, limit) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        if says(schema, word)
            && let Some(value) = out.remove(limit)
        {
            out.insert(word.to_owned(), value);
        }
    }
}

fn type_into(out: &mut Fields, schema: &Fields) {
    let int_or_string = says(schema, "x-kubernetes-int-or-string");
    let mut types: Vec<Value> = schema.get("type").cloned().into_iter().collect();
    if int_or_string {
        types = vec![json!("integer"), json!("string")];
        out.insert("x-kubernetes-int-or-string".to_owned(), json!(true));
    }
    // Without a type there is none that null could not be.
    if says(schema, "nullable") && !types.is_empty() {
        types.push(json!("null"));
        if let Some(Value::Array(values)) = out.get_mut("enum")
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
    }
    let types = match types.as_slice() {
        [] => return,
        [one] => one.clone(),
        _ => Value::Array(types),
    };
    out.insert("type".to_owned(), types);
}

/// An embedded object says what it is.
fn embedded_into(out: &mut Fields) {
    let properties = out.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        for (name, schema) in [
            ("apiVersion", json!({"type": "string"})),
            ("kind", json!({"type": "string"})),
            ("metadata", json!({"type": "object"})),
        ] {
            properties.entry(name).or_insert(schema);
        }
    }
    let required = out.entry("required").or_insert_with(|| json!([]));
    if let Value::Array(required) = required {
        for name in ["apiVersion", "kind"] {
            if !required.iter().any(|it| it == name) {
                required.push(json!(name));
            }
        }
    }
    out.insert("x-kubernetes-embedded-resource".to_owned(), json!(true));
}

fn says(schema: &Fields, word: &str) -> bool {
    schema.get(word).and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structural_schemas_become_json_schema() {
        let cases = [
            (json!({"type": "string"}), json!({"type": "string"})),
            (
                json!({"type": "string", "nullable": true, "enum": ["a"]}),
                json!({"type": ["string", "null"], "enum": ["a", null]}),
            ),
            (json!({"nullable": true}), json!({})),
            (
                json!({"x-kubernetes-int-or-string": true, "nullable": true, "pattern": "^a$"}),
                json!({"type": ["integer", "string", "null"], "pattern": "^a$",
                       "x-kubernetes-int-or-string": true}),
            ),
            (
                json!({"type": "integer", "minimum": 0, "exclusiveMinimum": true,
                       "maximum": 9, "exclusiveMaximum": false, "format": "int32"}),
                json!({"type": "integer", "exclusiveMinimum": 0, "maximum": 9, "format": "int32"}),
            ),
            (
                json!({"type": "object", "required": ["a", "b"], "requird": ["c"],
                       "properties": {"a": {"type": "string", "default": "x"},
                                      "b": {"type": "boolean", "example": true}}}),
                json!({"type": "object", "required": ["b"],
                       "properties": {"a": {"type": "string", "default": "x"},
                                      "b": {"type": "boolean", "examples": [true]}}}),
            ),
            (
                json!({"type": "object", "properties": {"type": {"type": "string", "nullable": true},
                                                        "nullable": {"type": "boolean"}}}),
                json!({"type": "object", "properties": {"type": {"type": ["string", "null"]},
                                                        "nullable": {"type": "boolean"}}}),
            ),
            (
                json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
                json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
            ),
            (
                json!({"type": "object", "x-kubernetes-embedded-resource": true,
                       "properties": {"kind": {"type": "string", "enum": ["A"]}}}),
                json!({"type": "object", "x-kubernetes-embedded-resource": true,
                       "required": ["apiVersion", "kind"],
                       "properties": {"apiVersion": {"type": "string"},
                                      "kind": {"type": "string", "enum": ["A"]},
                                      "metadata": {"type": "object"}}}),
            ),
            (
                json!({"type": "object", "additionalProperties": {"type": "integer", "nullable": true}}),
                json!({"type": "object", "additionalProperties": {"type": ["integer", "null"]}}),
            ),
            (
                json!({"type": "array", "items": {"type": "string", "pattern": "(?i)a"},
                       "x-kubernetes-list-type": "set"}),
                json!({"type": "array", "items": {"type": "string", "x-re2-pattern": "(?i)a"},
                       "x-kubernetes-list-type": "set"}),
            ),
            (
                json!({"anyOf": [{"required": ["a"]}, {"not": {"minimum": 1}}], "allOf": []}),
                json!({"anyOf": [{"required": ["a"]}, {"not": {"minimum": 1}}]}),
            ),
            (
                json!({"type": "string", "format": "duration"}),
                json!({"type": "string", "format": "go-duration"}),
            ),
        ];
        for (schema, expected) in cases {
            assert_eq!(converted(&schema), expected, "{schema}");
        }
    }
}
