//! The status lane: what a status write may carry, and what becomes of it.

use serde_json::{Value, json};

use crate::said::said;
use crate::world::{
    But as _, KUBE, REST, World, intent, json_patch, merge, on_status, patch, replace_status,
    shorthand,
};
use pintle_rules::{Conduct, Document, Edit, Lane, PatchFormat, PatchRoot};

#[track_caller]
fn check(edit: Edit, conduct: Conduct, expected: &str) {
    let world = World::reported(json!({"health": "Healthy"}));
    let intent = on_status(edit).through(conduct);
    assert_eq!(said(&world.decide(&intent)), expected, "{:?}", intent.edit);
}

const FAILED: &str = r#"status {"health":"Failed","phase":"Pending"}"#;

#[test]
fn a_status_is_replaced_whole() {
    let cases = [
        (json!({"status": {"health": "Failed"}}), FAILED),
        (json!({"status": {}}), r#"status {"phase":"Pending"}"#),
        (json!({"status": null}), "status cleared"),
        (json!({}), "status cleared"),
        (json!({"status": {"health": "Healthy"}}), "unchanged"),
        (json!({"status": {"health": null}}), r#"status {"phase":"Pending"}"#),
        (json!({"status": []}), "invalid status: Invalid value: []: status must be an object"),
        (json!({"status": "x"}), r#"invalid status: Invalid value: "x": status must be an object"#),
        (
            json!({"status": {"health": "Fine"}}),
            r#"invalid status.health: Unsupported value: "Fine": supported values: "Healthy", "Degraded", "Failed""#,
        ),
        (
            json!({"status": {"health": "Failed", "helth": 1}}),
            r#"status {"health":"Failed","phase":"Pending"} ! unknown field "status.helth""#,
        ),
    ];
    for (document, expected) in cases {
        check(replace_status(document), REST, expected);
    }
}

#[test]
fn a_document_with_more_than_status_and_identity_is_refused_or_ignored() {
    let identity = json!({"name": "dev-1", "namespace": "default", "uid": "device-1", "resourceVersion": "11"});
    let status = json!({"health": "Failed"});
    let with = |field: &str, value: Value| {
        let mut document = json!({"apiVersion": "infra.example.io/v1", "kind": "Device", "metadata": identity, "status": status});
        match field.strip_prefix("metadata.") {
            Some(field) => document["metadata"][field] = value,
            None => document[field] = value,
        }
        replace_status(document)
    };
    check(with("apiVersion", json!("v1")), REST, FAILED);
    let fields = [
        "spec",
        "Spec",
        "Status",
        "data",
        "__proto__",
        "metadata.labels",
        "metadata.annotations",
        "metadata.finalizers",
        "metadata.ownerReferences",
        "metadata.generation",
        "metadata.deletionTimestamp",
        "metadata.creationTimestamp",
        "metadata.managedFields",
        "metadata.Name",
    ];
    for field in fields {
        for value in [json!({"location": "dc9"}), json!(null), json!([])] {
            check(with(field, value.clone()), REST, &format!("boundary {field}"));
            let ignored =
                format!("{FAILED} ! {field} was ignored: a status write changes status only");
            check(with(field, value), KUBE, &ignored);
        }
    }
    // A caller in the process can hand over a body that no door would.
    let body = Some(crate::world::fields(json!({"spec": {}})));
    check(Edit::Replace(Document { body, ..Document::default() }), REST, "boundary spec");
}

#[test]
fn a_patch_that_names_more_than_status_and_identity_is_refused() {
    let cases = [
        (merge(json!({"status": {"health": "Failed"}})), FAILED),
        (
            merge(
                json!({"kind": "Device", "metadata": {"name": "dev-1", "uid": "device-1"}, "status": {"health": "Failed"}}),
            ),
            FAILED,
        ),
        (merge(json!({"metadata": {}})), "unchanged"),
        (merge(json!({"spec": {}})), "boundary spec"),
        (merge(json!({"spec": null, "status": {}})), "boundary spec"),
        (merge(json!({"Status": {}})), "boundary Status"),
        (merge(json!({"metadata": {"labels": {}}})), "boundary metadata.labels"),
        (merge(json!({"metadata": {"finalizers": null}})), "boundary metadata.finalizers"),
        (merge(json!({"metadata": null})), "boundary metadata"),
        (merge(json!("x")), "boundary /"),
        (
            json_patch(json!([{"op": "replace", "path": "/status/health", "value": "Failed"}])),
            FAILED,
        ),
        (
            json_patch(
                json!([{"op": "test", "path": "/metadata/resourceVersion", "value": "11"}, {"op": "replace", "path": "/status/health", "value": "Failed"}]),
            ),
            FAILED,
        ),
        (
            json_patch(json!([{"op": "replace", "path": "/spec/location", "value": "dc9"}])),
            "boundary /spec/location",
        ),
        (
            json_patch(json!([{"op": "move", "from": "/spec/location", "path": "/status/health"}])),
            "boundary /spec/location",
        ),
        (
            json_patch(json!([{"op": "copy", "from": "/spec", "path": "/status/raw"}])),
            "boundary /spec",
        ),
        (json_patch(json!([{"op": "copy", "from": "/status", "path": "/spec"}])), "boundary /spec"),
        (
            json_patch(json!([{"op": "test", "path": "/spec/location", "value": "dc1"}])),
            "boundary /spec/location",
        ),
        (
            json_patch(json!([{"op": "add", "path": "/metadata/labels/a", "value": "b"}])),
            "boundary /metadata/labels/a",
        ),
        (
            json_patch(json!([{"op": "add", "path": "/metadata", "value": {}}])),
            "boundary /metadata",
        ),
        (json_patch(json!([{"op": "replace", "path": "", "value": {}}])), "boundary /"),
        (json_patch(json!([{"op": "remove", "path": "/sp~0ec"}])), "boundary /sp~0ec"),
        (
            json_patch(json!([{"op": "add", "path": "/status~1x", "value": 1}])),
            "boundary /status~1x",
        ),
        (
            json_patch(json!([{"op": "add", "path": "/Status/health", "value": 1}])),
            "boundary /Status/health",
        ),
        (json_patch(json!([{"op": "add", "path": "//status", "value": 1}])), "boundary //status"),
        (shorthand(json!({"status.health": "Failed"})), FAILED),
        (shorthand(json!({"spec.location": "dc9"})), "boundary /spec/location"),
        (shorthand(json!({"metadata.labels": {}})), "boundary /metadata/labels"),
        (shorthand(json!({"status\\.health": 1})), "boundary /status.health"),
    ];
    for (edit, expected) in cases {
        check(edit, REST, expected);
    }
}

#[test]
fn a_patch_relative_to_the_status_has_no_way_out_of_it() {
    let lane = |format, document| patch(format, document, PatchRoot::Lane);
    let cases = [
        (lane(PatchFormat::Merge, json!({"health": "Failed"})), FAILED),
        (
            lane(PatchFormat::Merge, json!({"spec": {"location": "dc9"}})),
            r#"unchanged ! unknown field "status.spec""#,
        ),
        (lane(PatchFormat::Merge, json!({})), "unchanged"),
        (lane(PatchFormat::Merge, json!(null)), "status cleared"),
        (
            lane(PatchFormat::Merge, json!(5)),
            "invalid status: Invalid value: 5: status must be an object",
        ),
        (
            lane(
                PatchFormat::Json,
                json!([{"op": "replace", "path": "/health", "value": "Failed"}]),
            ),
            FAILED,
        ),
        (
            lane(PatchFormat::Json, json!([{"op": "remove", "path": "/nothing"}])),
            r#"patch operation 0: cannot patch "/nothing": there is nothing at "/nothing""#,
        ),
        (lane(PatchFormat::Shorthand, json!({"health": "Failed"})), FAILED),
    ];
    for (edit, expected) in cases {
        check(edit, REST, expected);
    }
}

/// What upstream ignores is ignored, and what a patch may not see it cannot ask for.
#[test]
fn the_kubernetes_door_applies_what_is_status_in_a_patch() {
    let ignored = |what: &str, path: &str| {
        format!("{what} ! {path} was ignored: a status write changes status only")
    };
    let write = json!({"op": "replace", "path": "/status/health", "value": "Failed"});
    let cases = [
        (
            merge(json!({"spec": {"location": "dc9"}, "status": {"health": "Failed"}})),
            ignored(FAILED, "spec"),
        ),
        (
            merge(json!({"metadata": {"labels": {"a": "b"}}})),
            ignored("unchanged", "metadata.labels"),
        ),
        (
            merge(json!({"metadata": null, "status": {"health": "Failed"}})),
            ignored(FAILED, "metadata"),
        ),
        (
            merge(json!("x")),
            "invalid Invalid value: the patched result must be an object".to_owned(),
        ),
        (
            json_patch(json!([{"op": "replace", "path": "/spec/location", "value": "dc9"}, write])),
            ignored(FAILED, "/spec/location"),
        ),
        (
            json_patch(json!([{"op": "remove", "path": "/metadata/labels/a"}, write])),
            ignored(FAILED, "/metadata/labels/a"),
        ),
        (
            json_patch(json!([{"op": "replace", "path": "", "value": {}}])),
            ignored("unchanged", "/"),
        ),
        (
            json_patch(json!([{"op": "test", "path": "/spec/location", "value": "dc1"}])),
            r#"patch operation 0: cannot patch "/spec/location": there is nothing at "/spec""#
                .to_owned(),
        ),
        (
            json_patch(json!([{"op": "copy", "from": "/spec/location", "path": "/status/health"}])),
            r#"patch operation 0: cannot patch "/spec/location": there is nothing at "/spec""#
                .to_owned(),
        ),
        (
            shorthand(json!({"spec.location": "dc9", "status.health": "Failed"})),
            ignored(FAILED, "/spec/location"),
        ),
    ];
    for (edit, expected) in cases {
        check(edit, KUBE, &expected);
    }
}

#[test]
fn a_patch_that_sets_nothing_sets_no_status() {
    let world = World::with(json!({}));
    let cases = [
        (merge(json!({})), "unchanged"),
        (merge(json!({"status": {}})), "unchanged"),
        (merge(json!({"status": null})), "unchanged"),
        (patch(PatchFormat::Json, json!([]), PatchRoot::Lane), "unchanged"),
        (patch(PatchFormat::Merge, json!({"health": null}), PatchRoot::Lane), "unchanged"),
        (replace_status(json!({"status": null})), "unchanged"),
        (merge(json!({"status": {"health": "Failed"}})), FAILED),
    ];
    for (edit, expected) in cases {
        assert_eq!(said(&world.decide(&on_status(edit.clone()))), expected, "{edit:?}");
    }
}

#[test]
fn a_kind_without_a_schema_for_status_has_none() {
    let world = World::with(json!({})).speaking("v2");
    let edit = replace_status(json!({"status": {"health": "Failed"}}));
    assert_eq!(said(&world.decide(&on_status(edit))), r#"unchanged ! unknown field "status""#);
    let world = World::reported(json!({"health": "Failed"})).speaking("v2");
    let edit = replace_status(json!({"status": {"health": "Failed"}}));
    assert_eq!(said(&world.decide(&on_status(edit))), r#"status cleared ! unknown field "status""#);
}

#[test]
fn only_objects_are_deleted_and_only_status_has_conditions() {
    let world = World::with(json!({}));
    assert_eq!(said(&world.decide(&on_status(crate::delete::background()))), "not found");
    let condition = crate::world::put_condition("Ready", json!({"status": "True"}));
    assert_eq!(said(&world.decide(&intent(Lane::Main, condition))), "no condition Ready");
}

#[test]
fn strict_callers_have_unknown_status_fields_refused() {
    let world = World::reported(json!({"health": "Healthy"}));
    // Even where dropping them leaves what is stored.
    let edit = replace_status(json!({"status": {"health": "Healthy", "helth": 1}}));
    assert_eq!(said(&world.decide(&on_status(edit).strictly())), "unknown status.helth");
}
