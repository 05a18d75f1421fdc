//! Patches to the main lane.

use pintle_rules::{Edit, PatchFormat, PatchRoot};
use serde_json::json;

use crate::said::said;
use crate::world::{But as _, KUBE, World, json_patch, main, merge, patch, shorthand};

#[track_caller]
fn check(edit: Edit, expected: &str) {
    let world = World::reported(json!({"health": "Healthy"}));
    assert_eq!(said(&world.decide(&main(edit.clone()))), expected, "{edit:?}");
}

const MOVED: &str = r#"main g2 {"spec":{"location":"dc2","replicas":1}}"#;

#[test]
fn every_format_and_both_roots_reach_the_spec() {
    let lane = |format, document| patch(format, document, PatchRoot::Lane);
    let cases = [
        merge(json!({"spec": {"location": "dc2"}})),
        lane(PatchFormat::Merge, json!({"location": "dc2"})),
        json_patch(json!([{"op": "replace", "path": "/spec/location", "value": "dc2"}])),
        lane(PatchFormat::Json, json!([{"op": "replace", "path": "/location", "value": "dc2"}])),
        shorthand(json!({"spec.location": "dc2"})),
        lane(PatchFormat::Shorthand, json!({"location": "dc2"})),
    ];
    for edit in cases {
        check(edit, MOVED);
    }
}

#[test]
fn patches_delete_merge_and_fail_whole() {
    let cases = [
        (merge(json!({"spec": {"location": null}})), r#"main g2 {"spec":{"replicas":1}}"#),
        (merge(json!({"spec": {"replicas": null}})), "unchanged"),
        (merge(json!({})), "unchanged"),
        (merge(json!({"spec": null})), "main g2 {}"),
        (merge(json!({"metadata": {"labels": {"a": "b"}}})), "main g1"),
        (merge(json!({"metadata": {"labels": {"a": null}}})), "unchanged"),
        (
            merge(json!({"metadata": {"labels": {"a": 1}}})),
            r#"invalid metadata.labels: Invalid value: {"a":1}: must be a map of strings"#,
        ),
        (merge(json!({"spec": {"color": "red"}})), r#"unchanged ! unknown field "spec.color""#),
        (
            merge(json!({"metadata": {"lables": {}}})),
            r#"unchanged ! unknown field "metadata.lables""#,
        ),
        (
            merge(json!({"spec": {"replicas": -1}})),
            "invalid spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
        ),
        (merge(json!("x")), "invalid Invalid value: the patched result must be an object here"),
        (
            merge(json!({"metadata": null})),
            "invalid metadata: Invalid value: the patched result must be an object here",
        ),
        (
            json_patch(
                json!([{"op": "test", "path": "/spec/location", "value": "dc1"}, {"op": "copy", "from": "/metadata/name", "path": "/spec/location"}]),
            ),
            r#"main g2 {"spec":{"location":"dev-1","replicas":1}}"#,
        ),
        (
            json_patch(
                json!([{"op": "remove", "path": "/spec/location"}, {"op": "test", "path": "/spec/replicas", "value": 2}]),
            ),
            r#"patch operation 1: the test of "/spec/replicas" failed"#,
        ),
        (
            json_patch(json!([{"op": "test", "path": "/metadata/generation", "value": 1}])),
            "unchanged",
        ),
        (json_patch(json!([{"op": "test", "path": "/kind", "value": "Device"}])), "unchanged"),
    ];
    for (edit, expected) in cases {
        check(edit, expected);
    }
}

#[test]
fn a_patch_that_touches_status_changes_none() {
    let ignored = "status was ignored: it is written through the status subresource only";
    let cases = [
        (merge(json!({"status": {"health": "Failed"}})), format!("unchanged ! {ignored}")),
        (merge(json!({"status": null})), format!("unchanged ! {ignored}")),
        (merge(json!({"status": {"health": "Healthy"}})), "unchanged".to_owned()),
        (
            json_patch(json!([{"op": "move", "from": "/status/health", "path": "/spec/location"}])),
            format!(r#"main g2 {{"spec":{{"location":"Healthy","replicas":1}}}} ! {ignored}"#),
        ),
        (
            shorthand(json!({"status.health": "Failed", "spec.location": "dc2"})),
            format!("{MOVED} ! {ignored}"),
        ),
    ];
    for (edit, expected) in cases {
        check(edit, &expected);
    }
    let none = World::with(json!({}));
    assert_eq!(said(&none.decide(&main(merge(json!({"status": null}))))), "unchanged");
}

#[test]
fn without_the_subresource_a_patch_reaches_the_status() {
    let world = World::reported(json!({"health": "Healthy"})).speaking("v1alpha1");
    let cases = [
        (
            merge(json!({"status": {"health": "Failed"}})),
            r#"main g2 status {"health":"Failed","phase":"Pending"}"#,
        ),
        (merge(json!({"status": null})), "main g2 status cleared"),
        (merge(json!({"spec": {"location": "dc2"}})), MOVED),
        (json_patch(json!([{"op": "remove", "path": "/status"}])), "main g2 status cleared"),
    ];
    for (edit, expected) in cases {
        assert_eq!(said(&world.decide(&main(edit.clone()))), expected, "{edit:?}");
    }
}

#[test]
fn a_patch_makes_no_other_object() {
    let cases = [
        (merge(json!({"metadata": {"name": "dev-2"}})), r#"metadata.name is "dev-2", not "dev-1""#),
        (
            merge(json!({"metadata": {"namespace": "other"}})),
            r#"metadata.namespace is "other", not "default""#,
        ),
        (merge(json!({"metadata": {"name": null}})), "unchanged"),
        (merge(json!({"kind": "Rack"})), r#"kind is "Rack", not "Device""#),
        (
            merge(json!({"apiVersion": "infra.example.io/v9"})),
            r#"apiVersion is "infra.example.io/v9", not "infra.example.io/v1""#,
        ),
        (merge(json!({"apiVersion": "infra.example.io/v1", "kind": "Device"})), "unchanged"),
        (merge(json!({"kind": 5})), r#"kind is "5", not "Device""#),
        (
            json_patch(json!([{"op": "replace", "path": "/metadata/name", "value": "dev-2"}])),
            r#"metadata.name is "dev-2", not "dev-1""#,
        ),
        (merge(json!({"metadata": {"uid": "device-2"}})), "uid device-2 is now device-1"),
        (
            merge(json!({"metadata": {"uid": 7}})),
            "invalid metadata.uid: Invalid value: 7: must be a string",
        ),
        (
            merge(
                json!({"metadata": {"generation": 9, "creationTimestamp": "x", "deletionTimestamp": "x", "managedFields": []}}),
            ),
            "unchanged",
        ),
    ];
    for (edit, expected) in cases {
        check(edit, expected);
    }
}

#[test]
fn a_patch_relative_to_a_spec_that_is_not_there_starts_from_nothing() {
    let world = World::with(json!({}));
    let cases = [
        (json!({}), "unchanged"),
        (json!({"location": null}), "unchanged"),
        (json!({"location": "dc1"}), r#"main g2 {"spec":{"location":"dc1","replicas":1}}"#),
    ];
    for (document, expected) in cases {
        let edit = patch(PatchFormat::Merge, document, PatchRoot::Lane);
        assert_eq!(said(&world.decide(&main(edit.clone()))), expected, "{edit:?}");
    }
}

#[test]
fn a_patch_changes_finalizers_as_a_replace_does() {
    let mut world = World::with(json!({"metadata": {"finalizers": ["example.io/a"]}}));
    world.wrote(&main(crate::delete::background()));
    let cases = [
        (merge(json!({"metadata": {"finalizers": null}})), "delete"),
        (merge(json!({"metadata": {"finalizers": []}})), "delete"),
        (json_patch(json!([{"op": "remove", "path": "/metadata/finalizers/0"}])), "delete"),
        (json_patch(json!([{"op": "remove", "path": "/metadata/deletionTimestamp"}])), "unchanged"),
        (
            json_patch(
                json!([{"op": "add", "path": "/metadata/finalizers/-", "value": "example.io/b"}]),
            ),
            r#"invalid metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted: "example.io/b""#,
        ),
    ];
    for (edit, expected) in cases {
        for conduct in [crate::world::REST, KUBE] {
            let intent = main(edit.clone()).through(conduct);
            assert_eq!(said(&world.decide(&intent)), expected, "{edit:?}");
        }
    }
}

#[test]
fn numbers_that_a_patch_leaves_alone_stay_byte_for_byte() {
    // Halfway cases and long fractions, where a hurried reader is off by one unit.
    for weight in [
        "0.3123456789012345",
        "2.2250738585072011e-308",
        "8.988465674311582e307",
        "1.7976931348623157e308",
        "7.8459735791271921e65",
        "122.416294033786585",
    ] {
        let spec = format!(r#"{{"spec": {{"weight": {weight}}}}}"#);
        let world = World::with(serde_json::from_str(&spec).unwrap());
        let edit = merge(json!({"metadata": {"labels": {"a": "b"}}}));
        assert_eq!(said(&world.decide(&main(edit))), "main g1", "{weight}");
    }
}
