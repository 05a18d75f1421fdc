//! Writes that change nothing leave no trace (rule 5 of the contract).

use pintle_rules::{Edit, PatchFormat, PatchRoot};
use serde_json::{Value, json};

use crate::said::said;
use crate::world::{
    But as _, KUBE, REST, World, json_patch, main, merge, on_status, patch, put_condition, replace,
    replace_status, shorthand,
};

/// A device with every sort of content. Its `Ready` condition turned true at second one.
fn full() -> World {
    let mut world = World::with(json!({
        "metadata": {"labels": {"a": "b", "c": "d"}, "finalizers": ["example.io/f"]},
        "spec": {"location": "dc1", "weight": 1, "settings": {"b": 1, "a": [1, 2.5]}},
    }));
    let status = json!({"health": "Healthy", "load": 2, "conditions": [{"type": "Ready", "status": "True", "reason": "Up"}]});
    world.wrote(&on_status(replace_status(json!({"status": status}))));
    world
}

#[test]
fn the_same_again_is_no_write() {
    let main_edits = [
        replace(
            json!({"spec": {"settings": {"a": [1.0, 2.5], "b": 1e0}, "weight": 1.0, "location": "dc1"}}),
        ),
        replace(
            json!({"spec": {"location": "dc1", "weight": 1, "replicas": 1, "settings": {"a": [1, 2.5], "b": 1}, "unknown": null}}),
        ),
        replace(json!({"metadata": {"labels": {"c": "d", "a": "b"}}})),
        replace(
            json!({"metadata": {"finalizers": ["example.io/f"], "resourceVersion": "1", "uid": "device-1"}}),
        ),
        replace(json!({})),
        merge(json!({"spec": {"replicas": null, "weight": 1}})),
        json_patch(json!([{"op": "replace", "path": "/spec/settings/a/0", "value": 1}])),
        shorthand(json!({"spec.weight": 1})),
    ];
    let status_edits = [
        replace_status(
            json!({"status": {"phase": "Pending", "load": 2.0, "health": "Healthy", "conditions": [{"reason": "Up", "status": "True", "type": "Ready"}]}}),
        ),
        merge(json!({"status": {"load": 2}})),
        merge(json!({"status": {"phase": null}})),
        patch(PatchFormat::Merge, json!({"health": "Healthy"}), PatchRoot::Lane),
        json_patch(json!([{"op": "add", "path": "/status/load", "value": 2}])),
        put_condition("Ready", json!({"status": "True", "reason": "Up"})),
    ];
    let intents = main_edits.map(main).into_iter().chain(status_edits.map(on_status));
    for intent in intents {
        let answer = said(&full().decide(&intent));
        assert!(answer.starts_with("unchanged"), "{:?}: {answer}", intent.edit);
    }
}

/// Clients see an absent status as `{}`.
#[test]
fn an_empty_status_is_no_write_where_there_is_none() {
    let world = World::with(json!({"spec": {"location": "dc1"}}));
    for edit in [replace_status(json!({"status": {}})), merge(json!({"status": {}}))] {
        let answer = said(&world.decide(&on_status(edit.clone())));
        assert!(answer.starts_with("unchanged"), "{edit:?}: {answer}");
    }
}

#[test]
fn a_clients_clock_alone_is_no_write() {
    let status = |time: Value| {
        let condition =
            json!({"type": "Ready", "status": "True", "reason": "Up", "lastTransitionTime": time});
        json!({"status": {"health": "Healthy", "load": 2, "conditions": [condition]}})
    };
    for time in [json!("2031-05-05T00:00:00Z"), json!("yesterday"), json!(5), json!(null)] {
        for edit in [replace_status(status(time.clone())), merge(status(time.clone()))] {
            let intent = on_status(edit);
            assert_eq!(said(&full().decide(&intent)), "unchanged", "{time}");
        }
    }
    // The Kubernetes door stores what it is given.
    let given = on_status(replace_status(status(json!("2031-05-05T00:00:00Z")))).through(KUBE);
    assert!(said(&full().decide(&given)).contains("2031-05-05T00:00:00Z"));
}

#[test]
fn a_no_op_is_still_held_to_the_rules_of_the_request() {
    let same = replace_status(json!({"status": full().status()}));
    let cases = [
        (on_status(same.clone()), "unchanged"),
        (
            on_status(same.clone()).expecting(10),
            "conflict 10 is now 11, generation 1, spec false, status true",
        ),
        (on_status(same).expecting(12), "no version 12"),
        (on_status(merge(json!({"spec": {}}))), "boundary spec"),
        (main(replace(json!({"metadata": {"name": "x"}}))), r#"metadata.name is "x", not "dev-1""#),
    ];
    for (intent, expected) in cases {
        assert_eq!(said(&full().decide(&intent)), expected);
    }
}

/// What an older schema let in can be kept, and can get a label.
#[test]
fn what_is_stored_is_not_held_against_a_write_that_leaves_it() {
    let mut world =
        World::with(json!({"metadata": {"name": "dev-1"}, "spec": {"location": "dc1"}}));
    let status = json!({"observedGeneration": 9, "conditions": [
        {"type": "Ready", "status": "Perhaps", "observedGeneration": 9, "lastTransitionTime": "2025-01-01T00:00:00Z"},
        {"type": "Ready", "status": "True"},
    ]});
    world.wrote(&on_status(replace_status(json!({"status": status}))).through(KUBE));
    let edits: [Edit; 3] = [
        merge(json!({"status": {"observedGeneration": 9}})),
        merge(json!({"status": {"health": "Failed"}})),
        merge(json!({"status": {"observedGeneration": 10}})),
    ];
    let expected = ["unchanged", "status ", "invalid status.observedGeneration"];
    for (edit, expected) in edits.into_iter().zip(expected) {
        // The entry that stands twice has no time of its own yet.
        let mut world = world.clone();
        world.wrote(
            &on_status(merge(json!({"status": {"conditions": [status["conditions"][0]]}})))
                .through(KUBE),
        );
        let answer = said(&world.decide(&on_status(edit.clone()).through(REST)));
        assert!(answer.starts_with(expected), "{edit:?}: {answer}");
    }
}
