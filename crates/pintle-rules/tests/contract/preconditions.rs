//! Preconditions and conflicts (rules 2 and 6 of the contract).

use pintle_model::Uid;
use pintle_rules::{ConflictScope, Edit, Intent, Precondition, Refusal};
use serde_json::json;

use crate::said::said;
use crate::world::{
    But as _, World, json_patch, main, merge, on_status, put_condition, replace, replace_status,
    shorthand,
};

/// Created at 10, status at 11, spec at 12, labels at 13, status at 14.
fn lived() -> World {
    let mut world = World::reported(json!({"health": "Healthy"}));
    world.wrote(&main(merge(json!({"spec": {"location": "dc2"}}))));
    world.wrote(&main(merge(json!({"metadata": {"labels": {"a": "b"}}}))));
    world.wrote(&on_status(merge(json!({"status": {"health": "Degraded"}}))));
    assert_eq!(world.object().revision.0, 14);
    world
}

fn scoped(mut intent: Intent, scope: ConflictScope) -> Intent {
    intent.precondition.scope = scope;
    intent
}

fn required(mut intent: Intent) -> Intent {
    intent.precondition.required = true;
    intent
}

const FAILED: &str = r#"status {"health":"Failed","phase":"Pending"}"#;

#[test]
fn the_version_says_what_changed_since() {
    let mut world = lived();
    world.stamp.newest.0 = 20;
    let conflict = |expected, spec, status| {
        format!("conflict {expected} is now 14, generation 2, spec {spec}, status {status}")
    };
    let cases = [
        (0, "no version 0".to_owned(), "no version 0".to_owned()),
        (9, "uid older is now device-1".to_owned(), "uid older is now device-1".to_owned()),
        (10, conflict(10, true, true), conflict(10, true, true)),
        (11, conflict(11, true, true), conflict(11, true, true)),
        (12, conflict(12, false, true), conflict(12, false, true)),
        (13, conflict(13, false, true), conflict(13, false, true)),
        (14, FAILED.to_owned(), FAILED.to_owned()),
        (15, conflict(15, false, false), FAILED.to_owned()),
        (21, "no version 21".to_owned(), "no version 21".to_owned()),
        (u64::MAX, format!("no version {}", u64::MAX), format!("no version {}", u64::MAX)),
    ];
    for (revision, object, status) in cases {
        for (scope, expected) in [(ConflictScope::Object, object), (ConflictScope::Status, status)]
        {
            let edit = replace_status(json!({"status": {"health": "Failed"}}));
            let intent = scoped(on_status(edit).expecting(revision), scope);
            assert_eq!(said(&world.decide(&intent)), expected, "{revision} {scope:?}");
        }
    }
}

#[test]
fn a_narrowed_condition_forgives_writes_to_the_other_lane() {
    let mut world = World::reported(json!({"health": "Healthy"}));
    let report = on_status(merge(json!({"status": {"health": "Failed"}}))).expecting(11);
    world.wrote(&main(merge(json!({"spec": {"location": "dc2"}}))));
    let spec_only = "conflict 11 is now 12, generation 2, spec true, status false";
    assert_eq!(said(&world.decide(&report)), spec_only);
    let narrowed = scoped(report, ConflictScope::Status);
    assert_eq!(said(&world.decide(&narrowed)), FAILED);
    // Status set to something and back in between is a change all the same.
    world.wrote(&on_status(merge(json!({"status": {"health": "Degraded"}}))));
    world.wrote(&on_status(merge(json!({"status": {"health": "Healthy"}}))));
    let both = "conflict 11 is now 14, generation 2, spec true, status true";
    assert_eq!(said(&world.decide(&narrowed)), both);
}

#[test]
fn a_conflict_carries_the_object() {
    let world = lived();
    let intent = main(replace(json!({"spec": {}}))).expecting(13);
    let Err(Refusal::Conflict(conflict)) = world.decide(&intent) else { panic!("no conflict") };
    assert_eq!(Some(&conflict.object), world.current.as_ref());
}

#[test]
fn every_edit_is_held_to_its_version() {
    let world = lived();
    let stale = "conflict 13 is now 14, generation 2, spec false, status true";
    let edits = [
        main(replace(json!({"spec": {}}))),
        main(merge(json!({"spec": {}}))),
        main(crate::delete::background()),
        on_status(replace_status(json!({"status": {}}))),
        on_status(json_patch(json!([]))),
        on_status(put_condition("Ready", json!({"status": "True"}))),
    ];
    for intent in edits {
        assert_eq!(said(&world.decide(&intent.expecting(13))), stale);
    }
}

#[test]
fn a_required_version_has_to_come_from_somewhere() {
    let world = lived();
    let status = |version: &str| json!({"metadata": {"resourceVersion": version}, "status": {"health": "Failed"}});
    let write = json!({"op": "replace", "path": "/status/health", "value": "Failed"});
    let at = |op: &str, version: &str| json!({"op": op, "path": "/metadata/resourceVersion", "value": version});
    let missing = "precondition required";
    let stale = "conflict 13 is now 14, generation 2, spec false, status true";
    let cases: [(Edit, &str); 12] = [
        (replace_status(json!({"status": {}})), missing),
        (merge(json!({"status": {"health": "Failed"}})), missing),
        (merge(status("14")), FAILED),
        (merge(status("13")), stale),
        (merge(status("")), missing),
        (merge(json!({"metadata": {"resourceVersion": null}, "status": {}})), missing),
        (json_patch(json!([write])), missing),
        (json_patch(json!([at("test", "14"), write])), FAILED),
        (json_patch(json!([at("replace", "13"), write])), stale),
        (
            json_patch(
                json!([at("test", "14"), {"op": "remove", "path": "/metadata/resourceVersion"}, write]),
            ),
            missing,
        ),
        (shorthand(json!({"metadata.resourceVersion": "14", "status.health": "Failed"})), FAILED),
        (put_condition("Ready", json!({"status": "True"})), missing),
    ];
    for (edit, expected) in cases {
        let intent = required(on_status(edit));
        assert_eq!(said(&world.decide(&intent)), expected, "{:?}", intent.edit);
    }
    // The door's own header is enough.
    let intent = required(on_status(merge(json!({"status": {"health": "Failed"}})))).expecting(14);
    assert_eq!(said(&world.decide(&intent)), FAILED);
}

#[test]
fn a_version_inside_a_patch_is_a_precondition() {
    let world = lived();
    let at = |version: serde_json::Value| json!({"metadata": {"resourceVersion": version}, "status": {"health": "Failed"}});
    let stale = "conflict 12 is now 14, generation 2, spec false, status true";
    let cases = [
        (json!("14"), FAILED),
        (json!("12"), stale),
        (json!("0"), "no version 0"),
        (json!("9"), "uid older is now device-1"),
        (json!("15"), "no version 15"),
        (json!("014"), "no version 014"),
        (json!("-1"), "no version -1"),
        (json!("14.0"), "no version 14.0"),
        (json!("18446744073709551616"), "no version 18446744073709551616"),
        (json!("١٤"), "no version ١٤"),
        (json!(14), "no version 14"),
        (json!({}), "no version {}"),
        (json!(""), FAILED),
        (json!(null), FAILED),
    ];
    for (version, expected) in cases {
        let intent = on_status(merge(at(version.clone())));
        assert_eq!(said(&world.decide(&intent)), expected, "{version}");
        let spec = json!({"metadata": {"resourceVersion": version}, "spec": {"location": "dc2"}});
        let expected = if expected == FAILED { "unchanged" } else { expected };
        assert_eq!(said(&world.decide(&main(merge(spec)))), expected, "{version}");
    }
    let test = json!([{"op": "test", "path": "/metadata/resourceVersion", "value": "13"}]);
    let failed = r#"patch operation 0: the test of "/metadata/resourceVersion" failed"#;
    assert_eq!(said(&world.decide(&on_status(json_patch(test)))), failed);
}

#[test]
fn a_version_inside_a_patch_can_be_narrowed_too() {
    let mut world = World::reported(json!({"health": "Healthy"}));
    world.wrote(&main(merge(json!({"spec": {"location": "dc2"}}))));
    let document = json!({"metadata": {"resourceVersion": "11"}, "status": {"health": "Failed"}});
    let intent = on_status(merge(document));
    let conflict = "conflict 11 is now 12, generation 2, spec true, status false";
    assert_eq!(said(&world.decide(&intent)), conflict);
    assert_eq!(said(&world.decide(&scoped(intent, ConflictScope::Status))), FAILED);
}

#[test]
fn the_uid_says_which_object_was_meant() {
    let world = lived();
    let with = |uid: &str, revision: Option<u64>| {
        let mut intent = on_status(replace_status(json!({"status": {"health": "Failed"}})));
        intent.precondition.uid = Some(Uid::from(uid));
        revision.map_or(intent.clone(), |revision| intent.expecting(revision))
    };
    let cases = [
        (with("device-1", None), FAILED),
        (with("device-1", Some(14)), FAILED),
        (with("device-0", None), "uid device-0 is now device-1"),
        // Another object's version would say nothing about this one.
        (with("device-0", Some(14)), "uid device-0 is now device-1"),
        (with("device-0", Some(0)), "uid device-0 is now device-1"),
    ];
    for (intent, expected) in cases {
        assert_eq!(said(&world.decide(&intent)), expected);
    }
}

#[test]
fn an_object_that_must_not_exist_does() {
    let absent = Precondition { absent: true, ..Precondition::default() };
    for intent in [
        main(replace(json!({"spec": {}}))),
        on_status(replace_status(json!({"spec": {}, "status": {}}))),
        main(crate::delete::background()),
    ] {
        let intent = Intent { precondition: absent.clone(), ..intent };
        assert_eq!(said(&lived().decide(&intent)), "exists as device-1");
        assert_eq!(said(&World::empty().decide(&intent)), "not found");
    }
}
