//! What is held against a value that takes the place of another.

use pintle_model::FieldPath;
use serde_json::{Value, json};

use super::{schema, texts};

/// The faults of `now` where `before` was, both in the property `a` of this schema.
fn check(a: &Value, (before, now): (&Value, &Value), expected: &[&str]) {
    let (now_, before_) = (json!({"a": now}), json!({"a": before}));
    let faults = schema(a).validate_changed(FieldPath::ROOT, &now_, &before_);
    let places: Vec<_> = faults.iter().map(|fault| &*fault.path).collect();
    assert_eq!(places, expected, "{a}: {before} -> {now}: {:?}", texts(&faults));
}

fn small() -> Value {
    json!({"type": "integer", "maximum": 9})
}

#[test]
fn properties_and_fields_of_maps_are_compared_by_name() {
    let properties = json!({
        "type": "object", "required": ["n"], "maxProperties": 2,
        "properties": {"n": small(), "m": small(), "o": {"type": "object", "properties": {"n": small()}}},
    });
    let map = json!({"type": "object", "additionalProperties": small()});
    let cases = [
        (&properties, json!({"n": 10}), json!({"n": 10, "m": 1}), vec![]),
        (&properties, json!({"n": 10}), json!({"n": 10.0, "m": 1}), vec![]),
        (&properties, json!({"n": 10}), json!({"n": 11, "m": 1}), vec!["a.n"]),
        (&properties, json!({"n": 10}), json!({"n": 10, "m": 10}), vec!["a.m"]),
        (&properties, json!({"n": 10, "o": {"n": 10}}), json!({"n": 1, "o": {"n": 10}}), vec![]),
        (
            &properties,
            json!({"n": 10, "o": {"n": 10}}),
            json!({"n": 10, "o": {"n": 12}}),
            vec!["a.o.n"],
        ),
        (&properties, json!({"n": "x"}), json!({"n": "x", "m": 1}), vec![]),
        (&properties, json!({"n": [10]}), json!({"n": 10}), vec!["a.n"]),
        // What the object itself must be is asked of it whenever any of it changes.
        (&properties, json!({"m": 1}), json!({"m": 2}), vec!["a.n"]),
        (&properties, json!({"n": 1, "m": 1}), json!({"m": 1}), vec!["a.n"]),
        (
            &properties,
            json!({"n": 1, "m": 1, "o": {}}),
            json!({"n": 2, "m": 1, "o": {}}),
            vec!["a"],
        ),
        (&properties, json!({"n": 1, "m": 1, "o": {}}), json!({"n": 1, "m": 1, "o": {}}), vec![]),
        (&map, json!({"x": 10, "y": 10}), json!({"x": 10, "y": 11, "z": 12}), vec!["a[y]", "a[z]"]),
        (&map, json!({"x": 10, "y": 10}), json!({"x": 10}), vec![]),
        (&map, json!(5), json!({"x": 10}), vec!["a[x]"]),
        (&map, json!({"x": 10}), json!(5), vec!["a"]),
    ];
    for (schema, before, now, expected) in cases {
        check(schema, (&before, &now), &expected);
    }
}

#[test]
fn an_embedded_object_says_what_it_is_when_it_changes() {
    let embedded = json!({
        "type": "object", "x-kubernetes-embedded-resource": true,
        "x-kubernetes-preserve-unknown-fields": true,
    });
    let within = json!({"type": "object", "properties": {"e": embedded, "m": small()}});
    let before = json!({"e": {"kind": "K"}, "m": 1});
    let cases = [
        (json!({"e": {"kind": "K"}, "m": 2}), vec![]),
        (json!({"e": {"kind": "K", "x": 1}, "m": 1}), vec!["a.e.apiVersion"]),
    ];
    for (now, expected) in cases {
        check(&within, (&before, &now), &expected);
    }
}

#[test]
fn items_are_compared_by_their_keys_or_not_at_all() {
    let keyed = json!({
        "type": "array", "maxItems": 2,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "required": ["k", "n"], "properties": {
            "k": {"type": "string"}, "n": small(), "m": small(),
        }},
    });
    let list =
        |kind: &str| json!({"type": "array", "items": small(), "x-kubernetes-list-type": kind});
    let (set, atomic, plain) =
        (list("set"), list("atomic"), json!({"type": "array", "items": small()}));
    let cases = [
        (
            &keyed,
            json!([{"k": "x", "n": 10}]),
            json!([{"k": "y", "n": 1}, {"k": "x", "n": 10}]),
            vec![],
        ),
        (&keyed, json!([{"k": "x", "n": 10}]), json!([{"k": "y", "n": 10}]), vec!["a[0].n"]),
        (&keyed, json!([{"k": "x", "n": 10}]), json!([{"k": "x", "n": 10, "m": 1}]), vec![]),
        (
            &keyed,
            json!([{"k": "x", "n": 10}]),
            json!([{"k": "x", "n": 10, "m": 10}]),
            vec!["a[0].m"],
        ),
        (
            &keyed,
            json!([{"k": "x"}, {"k": "y", "n": 1}]),
            json!([{"k": "x"}, {"k": "y", "n": 2}]),
            vec![],
        ),
        (&keyed, json!([{"k": "x"}]), json!([{"k": "x", "m": 2}]), vec!["a[0].n"]),
        (&keyed, json!(["x", {"k": "y", "n": 1}]), json!(["x", {"k": "y", "n": 2}]), vec![]),
        (&keyed, json!(["x", "x"]), json!(["x", "z"]), vec!["a[1]"]),
        // The order is nothing that such a list says.
        (
            &keyed,
            json!([{"k": "x"}, {"k": "y"}, {"k": "z"}]),
            json!([{"k": "z"}, {"k": "x"}, {"k": "y"}]),
            vec![],
        ),
        (
            &keyed,
            json!([{"k": "x"}, {"k": "y"}, {"k": "z"}]),
            json!([{"k": "z"}, {"k": "x"}, {"k": "w", "n": 1}]),
            vec!["a"],
        ),
        // The second of a key is compared with the second.
        (
            &keyed,
            json!([{"k": "x", "n": 10}, {"k": "x", "n": 11}]),
            json!([{"k": "x", "n": 11}, {"k": "x", "n": 11}]),
            vec!["a[0].n"],
        ),
        (&set, json!([10, 11]), json!([10, 11]), vec![]),
        (&set, json!([10, 11]), json!([11, 10]), vec!["a[0]", "a[1]"]),
        (&atomic, json!([10, 1]), json!([10, 2]), vec!["a[0]"]),
        (&plain, json!([10, 1]), json!([10, 2]), vec!["a[0]"]),
        (&plain, json!([10, 1]), json!([10.0, 1]), vec![]),
    ];
    for (schema, before, now, expected) in cases {
        check(schema, (&before, &now), &expected);
    }
}

#[test]
fn what_stood_twice_may_stand_twice() {
    let list =
        json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"});
    let keyed = json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "n": small()}},
    });
    let both = json!({"type": "object", "properties": {"s": list, "m": keyed}});
    let cases = [
        (&list, json!(["x"]), json!(["x", "x"]), vec!["a[1]"]),
        (&list, json!(["x", "x"]), json!(["x", "x", "y"]), vec![]),
        (&list, json!(["x", "x"]), json!(["x", "y", "y"]), vec![]),
        (&keyed, json!([{"k": "x"}]), json!([{"k": "x", "n": 1}, {"k": "x"}]), vec!["a[1]"]),
        (&keyed, json!([{"k": "x"}, {"k": "x"}]), json!([{"k": "x", "n": 1}, {"k": "x"}]), vec![]),
        // As upstream, this is asked of the whole.
        (
            &both,
            json!({"s": ["x", "x"], "m": [{"k": "x"}]}),
            json!({"s": ["x", "x"], "m": [{"k": "x"}, {"k": "x", "n": 10}]}),
            vec!["a.m[1].n"],
        ),
    ];
    for (schema, before, now, expected) in cases {
        check(schema, (&before, &now), &expected);
    }
}

#[test]
fn alternatives_are_judged_as_a_whole() {
    let properties = json!({"n": {"type": "integer"}, "m": {"type": "integer"}});
    let with = |word: &str, rule: Value| {
        let mut schema = json!({"type": "object", "properties": properties});
        schema[word] = rule;
        schema
    };
    let small_n = json!({"properties": {"n": {"maximum": 9}}});
    let not_large = with("not", json!({"properties": {"n": {"minimum": 10}}}));
    let (before, other) = (json!({"n": 10, "m": 1}), json!({"n": 10, "m": 2}));
    let cases = [
        (with("allOf", json!([small_n])), vec![]),
        (with("anyOf", json!([small_n])), vec!["a", "a.n"]),
        (with("oneOf", json!([small_n])), vec!["a", "a.n"]),
        (not_large, vec!["a"]),
    ];
    for (schema, expected) in cases {
        check(&schema, (&before, &before), &[]);
        check(&schema, (&before, &other), &expected);
    }
}

/// Beyond the number of faults that are told, too, what stayed is not among them.
#[test]
fn many_old_faults_do_not_hide_a_new_one() {
    let map = json!({"type": "object", "additionalProperties": small()});
    let old: serde_json::Map<_, _> = (0..500).map(|n| (format!("k{n:03}"), json!(10))).collect();
    let mut now = old.clone();
    now.insert("z".to_owned(), json!(10));
    check(&map, (&Value::Object(old), &Value::Object(now)), &["a[z]"]);
}
