//! What an older schema let in is not held against a write that leaves it.

use std::sync::Arc;

use pintle_rules::{Edit, Intent, PatchFormat, PatchRoot, Refusal};
use pintle_schema::Definition;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::said::said;
use crate::world::{
    But as _, KUBE, World, create, json_patch, main, merge, merge_status, on_status, patch,
    put_condition, replace, replace_status,
};

fn declared(spec: &Value, status: &Value, subresources: &Value) -> Arc<Definition> {
    let schema = json!({"type": "object", "properties": {"spec": spec, "status": status}});
    let body = json!({
        "group": "test.example.io",
        "scope": "Namespaced",
        "names": {"plural": "lamps", "singular": "lamp", "kind": "Lamp"},
        "versions": [{
            "name": "v1", "served": true, "storage": true, "subresources": subresources,
            "schema": {"openAPIV3Schema": schema},
        }],
    });
    let body = Map::from_iter([("spec".to_owned(), body)]);
    Arc::new(Definition::from_crd("lamps.test.example.io", &body).unwrap())
}

/// Takes whatever there is.
fn loose() -> Arc<Definition> {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    declared(&anything, &anything, &json!({"status": {}}))
}

/// One half of a lamp, in the schema that came later.
fn half() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["room"],
        "properties": {
            "room": text,
            "message": text,
            "phase": {"type": "string", "enum": ["On", "Off"]},
            "watts": {"type": "integer", "maximum": 60},
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
            "parts": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {
                    "name": text, "note": text, "size": {"type": "integer", "minimum": 1},
                }},
            },
            "conditions": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"], "items": {
                "type": "object",
                "required": ["type", "status", "reason"],
                "properties": {
                    "type": text, "status": text, "reason": text,
                    "lastTransitionTime": {"type": "string", "format": "date-time"},
                },
            }},
        },
    })
}

fn strict() -> Arc<Definition> {
    declared(&half(), &half(), &json!({"status": {}}))
}

/// A lamp with this in both halves, under the stricter schema.
fn lamp(half: &Value) -> World {
    let mut world = World::of(loose(), "default", "dev-1");
    world.wrote(&main(create(json!({"spec": half}))));
    world.wrote(&on_status(replace_status(json!({"status": half}))).through(KUBE));
    world.redeclared(strict())
}

/// All that the stricter schema would not let in.
fn wrong() -> Value {
    json!({
        "phase": "Dim", "watts": 100, "tags": ["a", "b", "a"],
        "parts": [{"name": "bulb", "size": 0}, {"name": "cord", "size": 0}],
    })
}

/// What both lanes say to a merge of this, with what they write left out.
fn answers(change: &Value) -> [String; 2] {
    let world = lamp(&wrong());
    let writes =
        [main(merge(json!({"spec": change}))), on_status(merge(json!({"status": change})))];
    writes.map(|intent| {
        let answer = said(&world.decide(&intent)).replace("status.", "spec.");
        if answer.starts_with("invalid") { answer } else { "written".to_owned() }
    })
}

#[test]
fn a_write_is_held_to_what_it_touches() {
    let required = "invalid spec.room: Required value";
    let phase = r#"spec.phase: Unsupported value: "Out": supported values: "On", "Off""#;
    let cases = [
        // The object as a whole is another one, so that what it must have is asked for again.
        (json!({"message": "hi"}), required.to_owned()),
        (json!({"room": "hall"}), "written".to_owned()),
        (json!({"room": "hall", "phase": "On"}), "written".to_owned()),
        (json!({"room": "hall", "phase": "Out"}), format!("invalid {phase}")),
        (json!({"room": "hall", "phase": null, "watts": null}), "written".to_owned()),
        (json!({"room": 5, "watts": 99}),
            "invalid spec.room: Invalid value: \"integer\": spec.room in body must be of type string: \"integer\"; \
             spec.watts: Invalid value: 99: spec.watts in body should be less than or equal to 60".to_owned()),
        // Once it has items that stand twice, a list may keep them.
        (json!({"room": "hall", "tags": ["a", "b", "c", "a"]}), "written".to_owned()),
        // Items of a map are told apart by their keys, wherever they stand.
        (
            json!({"room": "hall", "parts": [{"name": "cord", "size": 0}, {"name": "bulb", "size": 1}]}),
            "written".to_owned(),
        ),
        (
            json!({"room": "hall", "parts": [{"name": "bulb", "size": 0, "note": "new"}]}),
            "written".to_owned(),
        ),
        (json!({"room": "hall", "parts": [{"name": "bulb", "size": -1}]}),
            "invalid spec.parts[0].size".to_owned()),
        (json!({"room": "hall", "parts": [{"name": "plug", "size": 0}]}),
            "invalid spec.parts[0].size".to_owned()),
    ];
    for (change, expected) in cases {
        for answer in answers(&change) {
            assert!(answer.starts_with(&expected), "{change}: {answer}");
        }
    }
}

/// A lane, and an edit that makes a change there.
type Way<'a> = (fn(Edit) -> Intent, &'a dyn Fn(&Value) -> Edit);

#[test]
fn every_way_of_writing_is_held_to_the_same() {
    let stored = json!({"room": "hall", "phase": "Dim", "watts": 100});
    let world = lamp(&stored);
    let status = |extra: &Value| {
        let mut status = stored.as_object().unwrap().clone();
        status.extend(extra.as_object().unwrap().clone());
        Value::Object(status)
    };
    let (good, bad) = (json!({"message": "hi"}), json!({"message": "hi", "watts": 101}));
    let edits: [Way<'_>; 8] = [
        (main, &|change| replace(json!({"spec": status(change)}))),
        (main, &|change| merge(json!({"spec": change}))),
        (main, &|change| patch(PatchFormat::Merge, change.clone(), PatchRoot::Lane)),
        (on_status, &|change| replace_status(json!({"status": status(change)}))),
        (on_status, &|change| merge(json!({"status": change}))),
        (on_status, &|change| merge_status(json!({"status": change}))),
        (on_status, &|change| {
            json_patch(json!([{"op": "replace", "path": "/status", "value": status(change)}]))
        }),
        (on_status, &|change| patch(PatchFormat::Merge, change.clone(), PatchRoot::Lane)),
    ];
    for (lane, edit) in edits {
        for conduct in [crate::world::REST, KUBE] {
            let accepted = said(&world.decide(&lane(edit(&good)).through(conduct)));
            assert!(!accepted.starts_with("invalid"), "{accepted}");
            let refused = said(&world.decide(&lane(edit(&bad)).through(conduct)));
            let expected = "in body should be less than or equal to 60";
            assert!(refused.starts_with("invalid") && refused.ends_with(expected), "{refused}");
            assert_eq!(refused.matches("; ").count(), 0, "{refused}");
        }
    }
}

#[test]
fn what_is_new_is_held_to_all_of_it() {
    let world = World::of(strict(), "default", "dev-1");
    let made = said(&world.decide(&main(create(json!({"spec": {"room": "a", "phase": "Dim"}})))));
    assert!(made.starts_with("invalid spec.phase"), "{made}");
    // A first status has nothing to be compared with.
    let mut world = World::of(loose(), "default", "dev-1");
    world.wrote(&main(create(json!({"spec": {"phase": "Dim"}}))));
    let world = world.redeclared(strict());
    let first = on_status(merge(json!({"status": {"room": "a", "phase": "Dim"}})));
    let first = said(&world.decide(&first));
    assert!(first.starts_with("invalid status.phase"), "{first}");
}

/// Where status is part of the object, each half is compared with itself.
#[test]
fn halves_that_are_written_together_are_compared_apart() {
    let stored = json!({"room": "hall", "phase": "Dim"});
    let world = lamp(&stored).redeclared(declared(&half(), &half(), &json!({})));
    let cases = [
        (json!({"spec": {"message": "a"}, "status": {"message": "b"}}), "main"),
        (json!({"spec": {"message": "a"}, "status": {"phase": "Out"}}), "invalid status.phase"),
        (json!({"spec": {"phase": "Out"}, "status": {"message": "b"}}), "invalid spec.phase"),
        (json!({"metadata": {"labels": {"a": "b"}}}), "main"),
    ];
    for (change, expected) in cases {
        let answer = said(&world.decide(&main(merge(change.clone()))));
        assert!(answer.starts_with(expected), "{change}: {answer}");
    }
}

/// The rules about conditions are the server's own, and as strict about what a write touches.
#[test]
fn conditions_that_a_write_leaves_are_left() {
    let ready = json!({"type": "Ready", "status": "Perhaps", "reason": "Odd"});
    let twice = json!([{"type": "Two", "status": "True"}, {"type": "Two", "status": "False"}]);
    let mut stored = vec![ready];
    stored.extend(twice.as_array().unwrap().clone());
    let world = lamp(&json!({"room": "hall", "conditions": stored}));
    let on = |edit| said(&world.decide(&on_status(edit)));
    let fine = json!({"status": "True", "reason": "Up"});
    let with = |entry: Value| {
        let mut list = stored.clone();
        list.push(entry);
        replace_status(json!({"status": {"room": "hall", "conditions": list}}))
    };
    let cases = [
        (merge(json!({"status": {"message": "hi"}})), "status "),
        (put_condition("Fresh", fine.clone()), "status "),
        (put_condition("Ready", fine.clone()), "status "),
        (
            put_condition("Ready", json!({"status": "Maybe", "reason": "Odd"})),
            "invalid status.conditions[0].status",
        ),
        (put_condition("Two", fine), "invalid status.conditions[2].type"),
        (
            with(json!({"type": "Ready", "status": "True", "reason": "Up"})),
            "invalid status.conditions[3].type",
        ),
    ];
    for (edit, expected) in cases {
        let answer = on(edit.clone());
        assert!(answer.starts_with(expected), "{edit:?}: {answer}");
    }
}

/// A field of a half, with a value that the stricter schema takes, or one that it does not.
fn field() -> impl Strategy<Value = (&'static str, Value)> {
    let values = [
        ("phase", json!("On")),
        ("phase", json!("Dim")),
        ("phase", json!("Out")),
        ("watts", json!(9)),
        ("watts", json!(100)),
        ("watts", json!("many")),
        ("message", json!("hi")),
        ("message", json!(["hi"])),
        ("parts", json!([{"name": "bulb", "size": 0}])),
        ("parts", json!([{"name": "bulb", "size": 0}, {"name": "cord", "size": 1}])),
        ("parts", json!([{"size": 1}])),
    ];
    proptest::sample::select(values.to_vec())
}

/// Whether the stricter schema takes a field, whatever stands beside it.
fn is_right(field: &str, value: &Value) -> bool {
    let mut half = json!({"room": "hall"});
    half[field] = value.clone();
    let world = World::of(strict(), "default", "dev-1");
    world.decide(&main(create(json!({"spec": half})))).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// What is stored never stands in the way, and what is new is right or refused.
    #[test]
    fn only_what_a_write_changes_can_be_held_against_it(
        stored in proptest::collection::vec(field(), 0..4),
        change in option::of(field()),
    ) {
        let mut half = json!({"room": "hall"});
        for (field, value) in &stored {
            half[field] = value.clone();
        }
        let world = lamp(&half);
        let (name, value) = change.unwrap_or(("room", json!("attic")));
        // An item that differs in nothing from what it was may stay, whatever came beside it.
        let is_kept = half.get(name).is_some_and(|before| {
            let kept = |item: &Value| {
                before.as_array().is_some_and(|before| before.contains(item))
                    || is_right(name, &json!([item]))
            };
            *before == value || (name == "parts" && value.as_array().unwrap().iter().all(kept))
        });
        let is_fine = is_kept || is_right(name, &value);
        let change = json!({name: value});
        for (lane, half) in [("spec", main as fn(Edit) -> Intent), ("status", on_status)] {
            let answer = world.decide(&half(merge(json!({lane: change}))));
            let Err(refusal) = answer else {
                prop_assert!(is_fine, "{}: {}", change, said(&answer));
                continue;
            };
            prop_assert!(!is_fine, "{}: {:?}", change, refusal);
            let Refusal::Invalid(faults) = refusal else { panic!("{refusal:?}") };
            let place = format!("{lane}.{name}");
            prop_assert!(faults.iter().all(|it| it.path.starts_with(&place)), "{:?}", faults);
        }
    }
}
