//! Tables of schemas and values, and what becomes of them.

use pintle_model::FieldPath;
use serde_json::{Value, json};

use super::Schema;

mod ratchet;
mod structural;

/// An object schema with the one property `a`.
fn with_a(a: &Value) -> Value {
    json!({"type": "object", "properties": {"a": a}})
}

fn schema(a: &Value) -> Schema {
    Schema::compile(&with_a(a)).unwrap_or_else(|faults| panic!("{a}: {faults:?}"))
}

fn texts(faults: &[pintle_model::FieldError]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

fn check_normalized(a: &Value, value: &Value, expected: &Value, dropped: &[&str]) {
    let mut value = json!({"a": value});
    assert_eq!(schema(a).normalize(FieldPath::ROOT, &mut value), dropped, "{a}");
    assert_eq!(value, json!({"a": expected}), "{a}");
}

#[test]
fn unknown_fields_are_pruned() {
    let text = json!({"type": "string"});
    let cases = [
        (
            json!({"type": "object", "properties": {"b": text}}),
            json!({"b": "x", "c": {"d": 1}}),
            json!({"b": "x"}),
            vec!["a.c"],
        ),
        (
            json!({"type": "object", "properties": {"b": {"type": "object"}}, "x-kubernetes-preserve-unknown-fields": true}),
            json!({"b": {"c": 1}, "d": {"e": null}}),
            json!({"b": {}, "d": {"e": null}}),
            vec!["a.b.c"],
        ),
        (
            json!({"type": "array", "items": {"type": "object", "properties": {"b": {"type": "object"}}}, "x-kubernetes-preserve-unknown-fields": true}),
            json!([{"c": 1, "b": {"d": 1}}]),
            json!([{"c": 1, "b": {}}]),
            vec!["a[0].b.d"],
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "object", "properties": {"b": text}}}),
            json!({"x.y": {"b": "1", "c": 1}}),
            json!({"x.y": {"b": "1"}}),
            vec!["a[x.y].c"],
        ),
        (
            json!({"type": "object", "additionalProperties": true}),
            json!({"x": {"y": 1}}),
            json!({"x": {"y": 1}}),
            vec![],
        ),
        (
            json!({"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}}),
            json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "x": 1}),
            json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}}),
            vec!["a.x"],
        ),
    ];
    for (a, value, expected, dropped) in cases {
        check_normalized(&a, &value, &expected, &dropped);
    }
}

#[test]
fn defaults_are_filled_in() {
    let text = json!({"type": "string"});
    let cases = [
        (
            json!({"type": "object", "properties": {"b": {"type": "object", "default": {}, "properties": {"c": {"type": "integer", "default": 5}}}}}),
            json!({}),
            json!({"b": {"c": 5}}),
        ),
        (
            json!({"type": "array", "items": {"type": "object", "additionalProperties": {"type": "object", "properties": {"c": {"type": "integer", "default": 5}}}}}),
            json!([{"x": {}}]),
            json!([{"x": {"c": 5}}]),
        ),
        (json!({"type": "object", "properties": {"b": text}}), json!({"b": null}), json!({})),
        (
            json!({"type": "object", "properties": {"b": {"type": "string", "default": "x"}}}),
            json!({"b": null}),
            json!({"b": "x"}),
        ),
        (
            json!({"type": "object", "properties": {"b": {"type": "string", "nullable": true, "default": "x"}}}),
            json!({"b": null}),
            json!({"b": null}),
        ),
        (
            json!({"type": "array", "items": {"type": "string", "default": "x"}}),
            json!([null]),
            json!(["x"]),
        ),
        (json!({"type": "object", "properties": {"b": text}}), json!("x"), json!("x")),
    ];
    for (a, value, expected) in cases {
        check_normalized(&a, &value, &expected, &[]);
    }
}

fn check_faults(a: &Value, value: &Value, expected: &[&str]) {
    let value = json!({"a": value});
    let faults = schema(a).validate(FieldPath::ROOT, &value);
    assert_eq!(texts(&faults), expected, "{a} on {value}");
}

#[test]
fn types_and_numbers_are_validated() {
    let cases = [
        (
            json!({"type": "integer"}),
            json!("x"),
            r#"a: Invalid value: "string": a in body must be of type integer: "string""#,
        ),
        (
            json!({"type": "integer"}),
            json!(1.5),
            r#"a: Invalid value: "number": a in body must be of type integer: "number""#,
        ),
        (
            json!({"type": "integer"}),
            json!(u64::MAX),
            r#"a: Invalid value: "number": a in body must be of type integer: "number""#,
        ),
        (
            json!({"type": "string"}),
            json!(null),
            r#"a: Invalid value: "null": a in body must be of type string: "null""#,
        ),
        (
            json!({"type": "integer", "format": "int32"}),
            json!(3_000_000_000_u32),
            r#"a: Invalid value: 3000000000: a in body must be of type int32: "3000000000""#,
        ),
        (
            json!({"type": "integer", "minimum": 1}),
            json!(0),
            "a: Invalid value: 0: a in body should be greater than or equal to 1",
        ),
        (
            json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true}),
            json!(1),
            "a: Invalid value: 1: a in body should be greater than 1",
        ),
        (
            json!({"type": "number", "maximum": 5}),
            json!(5.5),
            "a: Invalid value: 5.5: a in body should be less than or equal to 5",
        ),
        (
            json!({"type": "number", "maximum": 5, "exclusiveMaximum": true}),
            json!(5),
            "a: Invalid value: 5: a in body should be less than 5",
        ),
        (
            json!({"type": "integer", "multipleOf": 3}),
            json!(10),
            "a: Invalid value: 10: a in body should be a multiple of 3",
        ),
    ];
    for (a, value, expected) in cases {
        check_faults(&a, &value, &[expected]);
    }
}

#[test]
fn text_is_validated() {
    let cases = [
        (
            json!({"type": "string", "minLength": 3}),
            json!("éé"),
            r#"a: Invalid value: "éé": a in body should be at least 3 chars long"#,
        ),
        (
            json!({"type": "string", "maxLength": 1}),
            json!("éé"),
            "a: Too long: may not be more than 1 bytes",
        ),
        (
            json!({"type": "string", "pattern": "^a+$"}),
            json!("b"),
            r#"a: Invalid value: "b": a in body should match '^a+$'"#,
        ),
        (
            json!({"type": "string", "format": "date-time"}),
            json!("now"),
            r#"a: Invalid value: "now": a in body must be of type date-time: "now""#,
        ),
        (
            json!({"type": "string", "enum": ["x", "y"]}),
            json!("z"),
            r#"a: Unsupported value: "z": supported values: "x", "y""#,
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(1.5),
            r#"a: Invalid value: "number": a in body must be of type integer,string: "number""#,
        ),
    ];
    for (a, value, expected) in cases {
        check_faults(&a, &value, &[expected]);
    }
}

#[test]
fn what_fits_is_accepted() {
    let many: Vec<_> = (0..40).collect();
    let cases = [
        (json!({"type": "integer"}), json!(1.0)),
        (json!({"type": "number"}), json!(1)),
        (json!({"type": "string", "nullable": true}), json!(null)),
        (json!({"type": "string", "format": "unknown"}), json!("x")),
        (json!({"type": "string", "maxLength": 2}), json!("éé")),
        (json!({"type": "integer", "enum": [1]}), json!(1.0)),
        (json!({"type": "integer", "enum": many}), json!(39.0)),
        (json!({"x-kubernetes-int-or-string": true}), json!("50%")),
        (json!({"x-kubernetes-preserve-unknown-fields": true}), json!([{"x": 1}])),
        (
            json!({"type": "array", "items": {"type": "number"}, "x-kubernetes-list-type": "set"}),
            json!([1, 2, 1.5]),
        ),
    ];
    for (a, value) in cases {
        check_faults(&a, &value, &[]);
    }
}

#[test]
fn objects_and_lists_are_validated() {
    let text = json!({"type": "string"});
    let keyed = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"],
        "items": {"type": "object", "required": ["k", "p"], "properties": {"k": text, "p": {"type": "integer"}}}});
    let embedded = json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true});
    let cases = [
        (json!({"type": "object", "required": ["b"]}), json!({}), vec!["a.b: Required value"]),
        (
            json!({"type": "object", "additionalProperties": text}),
            json!({"x.y": 1}),
            vec![
                r#"a[x.y]: Invalid value: "integer": a[x.y] in body must be of type string: "integer""#,
            ],
        ),
        (
            json!({"type": "object", "minProperties": 1, "additionalProperties": text}),
            json!({}),
            vec!["a: Invalid value: 0: a in body should have at least 1 properties"],
        ),
        (
            json!({"type": "object", "maxProperties": 1, "additionalProperties": text}),
            json!({"b": "", "c": ""}),
            vec!["a: Too many: 2: must have at most 1 properties"],
        ),
        (
            json!({"type": "array", "items": text, "minItems": 1}),
            json!([]),
            vec!["a: Invalid value: 0: a in body should have at least 1 items"],
        ),
        (
            json!({"type": "array", "items": text, "maxItems": 1}),
            json!(["b", 1]),
            vec![
                "a: Too many: 2: must have at most 1 items",
                r#"a[1]: Invalid value: "integer": a[1] in body must be of type string: "integer""#,
            ],
        ),
        (
            json!({"type": "array", "items": {"type": "number"}, "x-kubernetes-list-type": "set"}),
            json!([1, 2, 1.0]),
            vec!["a[2]: Duplicate value: 1.0"],
        ),
        (keyed.clone(), json!([{"k": "x", "p": 1}, {"k": "x", "p": 2}]), vec![]),
        (
            keyed,
            json!([{"k": "x", "p": 1}, {"k": "x", "p": 1}]),
            vec![r#"a[1]: Duplicate value: {"k":"x","p":1}"#],
        ),
        (embedded.clone(), json!({"apiVersion": "v1", "kind": "K", "metadata": {}}), vec![]),
        (
            embedded,
            json!({"kind": "", "metadata": 1}),
            vec![
                "a.apiVersion: Required value: must not be empty",
                "a.kind: Required value: must not be empty",
                r#"a.metadata: Invalid value: "integer": a.metadata in body must be of type object: "integer""#,
            ],
        ),
    ];
    for (a, value, expected) in cases {
        check_faults(&a, &value, &expected);
    }
}

#[test]
fn junctors_are_validated() {
    let object = |junctor: &str, schemas: Value| json!({"type": "object", "properties": {"b": {"type": "integer"}, "c": {"type": "integer"}}, junctor: schemas});
    let either = json!([{"required": ["b"]}, {"required": ["c"]}]);
    let cases = [
        (object("oneOf", either.clone()), json!({"b": 1}), vec![]),
        (
            object("oneOf", either.clone()),
            json!({}),
            vec![
                r#"a: Invalid value: {}: "a" must validate one and only one schema (oneOf). Found none valid"#,
                "a.b: Required value",
            ],
        ),
        (
            object("oneOf", either.clone()),
            json!({"b": 1, "c": 1}),
            vec![
                r#"a: Invalid value: {"b":1,"c":1}: "a" must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
            ],
        ),
        (object("anyOf", either.clone()), json!({"b": 1, "c": 1}), vec![]),
        (
            object("anyOf", either.clone()),
            json!({}),
            vec![
                r#"a: Invalid value: {}: "a" must validate at least one schema (anyOf)"#,
                "a.b: Required value",
            ],
        ),
        (object("allOf", either), json!({"b": 1}), vec!["a.c: Required value"]),
        (
            object("not", json!({"required": ["b"]})),
            json!({"b": 1}),
            vec![r#"a: Invalid value: {"b":1}: "a" must not validate the schema (not)"#],
        ),
        (object("not", json!({"properties": {"b": {"minimum": 5}}})), json!({"b": 1}), vec![]),
    ];
    for (a, value, expected) in cases {
        check_faults(&a, &value, &expected);
    }
}

#[test]
fn faults_have_limits() {
    let list = json!({"type": "array", "items": {"type": "string"}});
    let faults = schema(&list).validate(FieldPath::ROOT, &json!({"a": vec![1; 1_000]}));
    assert_eq!(faults.len(), 50);
    let key = "k".repeat(100_000);
    let map = json!({"type": "object", "additionalProperties": list});
    let faults = schema(&map).validate(FieldPath::ROOT, &json!({"a": {key: vec![1; 1_000]}}));
    assert_eq!(faults.len(), 1);
    // Each level asks twice for what is below; without care the work doubles with each.
    let nested = (0..60).fold(json!({"minimum": 5}), |inner, _| json!({"anyOf": [inner]}));
    let a = json!({"type": "integer", "anyOf": [nested]});
    assert!(!schema(&a).validate(FieldPath::ROOT, &json!({"a": 1})).is_empty());
}

#[test]
fn defaults_have_limits() {
    let big = "x".repeat(100_000);
    let item = json!({"type": "object", "properties": {"b": {"type": "string", "default": big}}});
    let schema = schema(&json!({"type": "array", "items": item}));
    let mut value = json!({"a": vec![json!({}); 10_000]});
    schema.normalize(FieldPath::ROOT, &mut value);
    let filled = value["a"].as_array().unwrap().iter().filter(|item| item["b"].is_string());
    assert!((160..200).contains(&filled.count()));
    let nested = (0..20).fold(
        json!({"type": "string", "default": big}),
        |inner, _| json!({"type": "object", "default": {}, "properties": {"b": inner}}),
    );
    let fault = &Schema::compile(&with_a(&nested)).unwrap_err()[0];
    assert_eq!(fault.kind, pintle_model::FieldErrorKind::TooLong);
}

#[test]
fn schemas_can_be_looked_into() {
    let a = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"], "default": [],
        "x-kubernetes-validations": [{"rule": "self.size() < 5", "message": "few"}],
        "items": {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}}});
    let schema = schema(&a);
    let a = schema.property("a").unwrap();
    assert_eq!(a.list_map_keys().unwrap(), ["type".into()]);
    assert_eq!(a.default_value(), Some(&json!([])));
    assert_eq!(&*a.validation_rules()[0].rule, "self.size() < 5");
    assert!(a.items().unwrap().is_required("type"));
    assert!(!schema.is_required("a") && !schema.preserves_unknown());
    assert!(Schema::anything().preserves_unknown() && schema.property("b").is_none());
}
