//! Which schemas are refused, and why.

use serde_json::{Value, json};

use super::super::Schema;
use super::{texts, with_a};

/// What is wrong with a root schema.
fn check_refused(document: &Value, expected: &[&str]) {
    let faults = Schema::compile(document).err().unwrap_or_default();
    assert_eq!(texts(&faults), expected, "{document}");
}

#[test]
fn what_is_not_structural_is_refused_at_the_root() {
    check_refused(&json!([]), &["Invalid value: []: must be a schema object"]);
    check_refused(&json!({}), &["type: Required value: must not be empty at the root"]);
    check_refused(
        &json!({"type": "string"}),
        &[r#"type: Invalid value: "string": must be object at the root"#],
    );
    check_refused(
        &json!({"type": "object", "additionalProperties": true}),
        &["additionalProperties: Forbidden: must not be used at the root"],
    );
    check_refused(
        &json!({"type": "object", "properties": {
            "kind": {"type": "integer"},
            "metadata": {"type": "object", "properties": {"labels": {"type": "object"}}},
        }}),
        &[
            "properties[kind].type: Invalid value: must be string",
            "properties[metadata]: Forbidden: must not specify anything other than name and \
             generateName, but metadata is implicitly specified",
        ],
    );
}

#[test]
fn what_is_not_structural_is_refused_inside() {
    let cases = [
        (json!({}), "type: Required value: must not be empty for specified object fields"),
        (
            json!({"type": "null"}),
            "type: Forbidden: type cannot be set to null, use nullable as an alternative",
        ),
        (
            json!({"type": "text"}),
            r#"type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string""#,
        ),
        (json!({"type": 5}), "type: Invalid value: 5: must be text"),
        (json!({"type": "array"}), "items: Required value: must be specified"),
        (
            json!({"type": "array", "items": {}}),
            "items.type: Required value: must not be empty for specified array items",
        ),
        (json!({"type": "object", "$ref": "#/x"}), "$ref: Forbidden: $ref is not supported"),
        (
            json!({"type": "object", "patternProperties": {"x": {}}}),
            "patternProperties: Forbidden: patternProperties is not supported",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
            "uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            json!({"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
            "additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
    ];
    for (a, expected) in cases {
        check_refused(&with_a(&a), &[&format!("properties[a].{expected}")]);
    }
}

#[test]
fn extensions_and_values_must_fit_the_place() {
    let cases = [
        (
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": false}),
            "x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
        ),
        (
            json!({"x-kubernetes-int-or-string": true, "x-kubernetes-preserve-unknown-fields": true}),
            "x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true",
        ),
        (
            json!({"type": "object", "x-kubernetes-embedded-resource": true}),
            "properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ),
        (
            json!({"type": "string", "x-kubernetes-map-type": "atomic"}),
            r#"type: Invalid value: "string": must be object if x-kubernetes-map-type is specified"#,
        ),
        (
            json!({"type": "string", "pattern": "("}),
            r#"pattern: Invalid value: "(": must be a valid regular expression, but isn't: unclosed group"#,
        ),
        (
            json!({"type": "integer", "multipleOf": 0}),
            "multipleOf: Invalid value: 0: must be greater than 0",
        ),
        (
            json!({"type": "string", "minLength": -1}),
            "minLength: Invalid value: -1: must be a whole number that is not negative",
        ),
        (
            json!({"type": "string", "x-kubernetes-validations": [{"rule": " "}]}),
            "x-kubernetes-validations[0].rule: Required value: rule is not specified",
        ),
        (
            json!({"type": "integer", "default": "x"}),
            r#"default: Invalid value: "string": properties[a].default in body must be of type integer: "string""#,
        ),
        (
            json!({"type": "object", "default": {"b": 1}}),
            r#"default: Invalid value: {"b":1}: must not have unknown fields"#,
        ),
    ];
    for (a, expected) in cases {
        check_refused(&with_a(&a), &[&format!("properties[a].{expected}")]);
    }
}

#[test]
fn junctors_hold_value_validations_only() {
    let cases = [
        (
            json!({"type": "string", "anyOf": [{"type": "string"}]}),
            vec!["properties[a].anyOf[0].type: Forbidden: must be empty to be structural"],
        ),
        (
            json!({"type": "object", "not": {"additionalProperties": false}}),
            vec![
                "properties[a].not.additionalProperties: Forbidden: must be undefined to be structural",
            ],
        ),
        (
            json!({"type": "string", "not": {"default": "x", "nullable": true}}),
            vec![
                "properties[a].not.default: Forbidden: must be undefined to be structural",
                "properties[a].not.nullable: Forbidden: must be false to be structural",
            ],
        ),
        (
            json!({"type": "object", "oneOf": [{"properties": {"b": {"properties": {"c": {}}}}}]}),
            vec![
                "properties[a].properties[b]: Required value: because it is defined in properties[a].oneOf[0].properties[b]",
            ],
        ),
        (
            json!({"type": "object", "allOf": [{"items": {}}]}),
            vec![
                "properties[a].items: Required value: because it is defined in properties[a].allOf[0].items",
            ],
        ),
        (
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            vec![],
        ),
        (
            json!({"x-kubernetes-int-or-string": true, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}]}),
            vec![],
        ),
        (
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}]}),
            vec!["properties[a].anyOf[0].type: Forbidden: must be empty to be structural"],
        ),
    ];
    for (a, expected) in cases {
        check_refused(&with_a(&a), &expected);
    }
}

fn list(list_type: &str, keys: &[&str], items: &Value) -> Value {
    json!({
        "type": "array",
        "items": items,
        "x-kubernetes-list-type": list_type,
        "x-kubernetes-list-map-keys": keys,
    })
}

/// Items with the property `k`.
fn keyed(key: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": {"k": key}, "required": required})
}

fn check_list(list: &Value, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|text| format!("properties[a].{text}")).collect();
    check_refused(&with_a(list), &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn list_types_need_items_that_fit() {
    let cases = [
        (list("map", &["k"], &keyed(&json!({"type": "string"}), &["k"])), vec![]),
        (list("map", &["k"], &keyed(&json!({"type": "string", "default": ""}), &[])), vec![]),
        (list("set", &[], &json!({"type": "string"})), vec![]),
        (
            list("bag", &[], &json!({"type": "string"})),
            vec![
                r#"x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "map", "set""#,
            ],
        ),
    ];
    for (a, expected) in cases {
        check_list(&a, &expected);
    }
}

#[test]
fn the_keys_of_a_list_must_be_there_in_every_item() {
    let cases = [
        (
            list("map", &[], &keyed(&json!({"type": "string"}), &["k"])),
            vec![
                "x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
            ],
        ),
        (
            list("atomic", &["k"], &json!({"type": "string"})),
            vec![
                "x-kubernetes-list-type: Invalid value: must be map if x-kubernetes-list-map-keys is non-empty",
            ],
        ),
        (
            list("map", &["k"], &json!({"type": "string"})),
            vec![
                "items.type: Invalid value: must be object if parent array's x-kubernetes-list-type is map",
            ],
        ),
        (
            list("map", &["x", "x"], &keyed(&json!({"type": "string"}), &[])),
            vec![
                r#"x-kubernetes-list-map-keys: Invalid value: "x": entries must all be names of item properties"#,
                r#"x-kubernetes-list-map-keys: Invalid value: "x": must not contain duplicate entries"#,
                r#"x-kubernetes-list-map-keys: Invalid value: "x": entries must all be names of item properties"#,
            ],
        ),
        (
            list("map", &["k"], &keyed(&json!({"type": "string"}), &[])),
            vec![
                "items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            ],
        ),
        (
            list("map", &["k"], &keyed(&json!({"type": "object", "nullable": true}), &["k"])),
            vec![
                "items.properties[k].type: Invalid value: must be a scalar type if parent array's x-kubernetes-list-type is map",
                "items.properties[k].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot be nullable",
            ],
        ),
        (
            list("set", &[], &json!({"type": "object"})),
            vec![
                "items.x-kubernetes-map-type: Invalid value: must be atomic as item of a list with x-kubernetes-list-type=set",
            ],
        ),
        (
            list("set", &[], &json!({"type": "string", "nullable": true})),
            vec![
                "items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set",
            ],
        ),
        (
            json!({"type": "string", "x-kubernetes-list-type": "set"}),
            vec![
                r#"type: Invalid value: "string": must be array if x-kubernetes-list-type is specified"#,
            ],
        ),
    ];
    for (a, expected) in cases {
        check_list(&a, &expected);
    }
}

#[test]
fn schemas_have_limits() {
    let deep = (0..150)
        .fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}));
    let wide: serde_json::Map<_, _> =
        (0..100_001).map(|n| (n.to_string(), json!({"type": "string"}))).collect();
    let patterns: serde_json::Map<_, _> = (0..501)
        .map(|n| (n.to_string(), json!({"type": "string", "pattern": n.to_string()})))
        .collect();
    let cases = [
        (deep, "nested deeper than 100 levels"),
        (
            json!({"type": "object", "properties": wide}),
            "a declaration may have at most 100000 places",
        ),
        (
            json!({"type": "object", "properties": patterns}),
            "a declaration may have at most 500 different patterns",
        ),
        (
            json!({"type": "string", "pattern": "((a{900}){900}){900}"}),
            "the expression is too large; use smaller repetitions, or maxLength",
        ),
    ];
    for (a, expected) in cases {
        let faults = Schema::compile(&with_a(&a)).unwrap_err();
        assert!(faults.iter().any(|fault| fault.detail == expected), "{faults:?}");
    }
    let wrong: serde_json::Map<_, _> = (0..1_000).map(|n| (n.to_string(), json!({}))).collect();
    let faults = Schema::compile(&with_a(&json!({"type": "object", "properties": wrong})));
    assert_eq!(faults.unwrap_err().len(), 50);
}
