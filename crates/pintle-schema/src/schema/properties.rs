//! What holds for every schema and every value.

use std::collections::BTreeMap;

use pintle_model::FieldPath;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Schema;

/// Few names, so that values meet the schemas that speak about them.
fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "kind", "metadata"]).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..7).prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            map(inner).prop_map(Value::Object),
        ]
    })
}

fn map(of: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(name(), of, 0..4)
        .prop_map(|map: BTreeMap<_, _>| map.into_iter().collect())
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "string", "pattern": "^[ab]*$", "maxLength": 2})),
        Just(json!({"type": "string", "enum": ["a", "b"], "default": "a"})),
        Just(json!({"type": "string", "format": "date", "nullable": true})),
        Just(json!({"type": "integer", "minimum": 0, "maximum": 5, "not": {"multipleOf": 4}})),
        Just(json!({"type": "integer", "default": 3})),
        Just(json!({"type": "number"})),
        Just(json!({"type": "boolean", "nullable": true, "default": true})),
        Just(json!({"x-kubernetes-int-or-string": true})),
        Just(json!({"x-kubernetes-preserve-unknown-fields": true})),
    ]
}

/// Schemas of which most compile.
fn document() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            map(inner.clone()).prop_map(|of| json!({"type": "object", "properties": of})),
            map(inner.clone()).prop_map(|of| json!({"type": "object", "properties": of, "default": {}})),
            map(inner.clone()).prop_map(|of| {
                let required: Vec<_> = of.keys().take(1).cloned().collect();
                json!({"type": "object", "properties": of, "anyOf": [{"required": required}, {"maxProperties": 2}]})
            }),
            map(inner.clone()).prop_map(|of| {
                json!({"type": "object", "properties": of, "x-kubernetes-preserve-unknown-fields": true})
            }),
            inner.clone().prop_map(|of| json!({"type": "object", "additionalProperties": of})),
            inner.clone().prop_map(|of| json!({"type": "array", "items": of, "maxItems": 3})),
            inner.prop_map(|of| json!({"type": "array", "items": of, "x-kubernetes-preserve-unknown-fields": true})),
            Just(json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"})),
            Just(json!({
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"],
                "items": {"type": "object", "required": ["a", "b"], "properties": {
                    "a": {"type": "string"}, "b": {"type": "integer", "minimum": 1},
                }},
            })),
        ]
    })
}

/// A root schema around a document; nothing when the document is not structural there.
fn compile(document: &Value) -> Option<Schema> {
    Schema::compile(&json!({"type": "object", "properties": {"a": document}})).ok()
}

proptest! {
    #[test]
    fn normalizing_twice_is_normalizing_once(document in document(), value in value()) {
        let Some(schema) = compile(&document) else { return Ok(()) };
        let mut once = json!({"a": value});
        schema.normalize(FieldPath::ROOT, &mut once);
        let mut twice = once.clone();
        prop_assert!(schema.normalize(FieldPath::ROOT, &mut twice).is_empty());
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn what_is_valid_is_valid_after_a_round_trip(document in document(), value in value()) {
        let Some(schema) = compile(&document) else { return Ok(()) };
        let mut value = json!({"a": value});
        schema.normalize(FieldPath::ROOT, &mut value);
        let before = schema.validate(FieldPath::ROOT, &value);
        let text = pintle_model::Json::from_value(&value);
        let mut read = pintle_model::json::parse(text.as_bytes()).unwrap().value;
        prop_assert!(schema.normalize(FieldPath::ROOT, &mut read).is_empty());
        let after = schema.validate(FieldPath::ROOT, &read);
        prop_assert_eq!(before.is_empty(), after.is_empty(), "{:?} {:?}", before, after);
    }

    #[test]
    fn what_stayed_is_never_a_fault(document in document(), value in value()) {
        let Some(schema) = compile(&document) else { return Ok(()) };
        let value = json!({"a": value});
        prop_assert_eq!(schema.validate_changed(FieldPath::ROOT, &value, &value), []);
    }

    /// Faults are left out, and none are made up; nothing that was right becomes wrong unnoticed.
    #[test]
    fn a_change_is_held_to_what_it_changes(document in document(), before in value(), now in value()) {
        let Some(schema) = compile(&document) else { return Ok(()) };
        let (before, now) = (json!({"a": before}), json!({"a": now}));
        let all = schema.validate(FieldPath::ROOT, &now);
        let told = schema.validate_changed(FieldPath::ROOT, &now, &before);
        prop_assert!(told.iter().all(|fault| all.contains(fault)), "{:?} {:?}", told, all);
        if schema.validate(FieldPath::ROOT, &before).is_empty() {
            prop_assert_eq!(&told, &all);
        }
        // Another scalar is another value: all that is wrong with it is told.
        if !now["a"].is_array() && !now["a"].is_object() && !super::number::same(&now, &before) {
            prop_assert_eq!(&told, &all);
        }
    }

    #[test]
    fn no_document_makes_a_panic(mut document in value(), keys in prop::collection::vec(keyword(), 0..6), value in value()) {
        // Keywords with values that do not fit them, around arbitrary JSON.
        for (keyword, of) in keys {
            let mut map = Map::from_iter([("type".to_owned(), json!("object")), ("properties".to_owned(), json!({"a": document}))]);
            map.insert(keyword.to_owned(), of);
            document = Value::Object(map);
        }
        if let Ok(schema) = Schema::compile(&document) {
            let mut value = value;
            schema.validate(FieldPath::ROOT, &value);
            schema.normalize(FieldPath::ROOT, &mut value);
            schema.validate(FieldPath::ROOT, &value);
        }
    }

    #[test]
    fn any_pattern_is_compiled_or_refused(pattern in "\\PC{0,20}|[\\[\\](){}?*+^$|\\\\a-c0-9,:&~-]{0,20}", text in "\\PC{0,10}") {
        let document = json!({"type": "string", "pattern": pattern});
        if let Some(schema) = compile(&document) {
            schema.validate(FieldPath::ROOT, &json!({"a": text}));
        }
    }
}

fn keyword() -> impl Strategy<Value = (&'static str, Value)> {
    let keyword = prop::sample::select(vec![
        "type",
        "properties",
        "additionalProperties",
        "items",
        "required",
        "enum",
        "default",
        "anyOf",
        "not",
        "pattern",
        "minimum",
        "multipleOf",
        "maxLength",
        "nullable",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-validations",
        "description",
    ]);
    (
        keyword,
        prop_oneof![
            value(),
            document(),
            prop::collection::vec(document(), 0..3).prop_map(Value::from)
        ],
    )
}
