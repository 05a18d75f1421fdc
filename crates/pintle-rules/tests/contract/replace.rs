//! Replacing the main lane.

use serde_json::{Value, json};

use crate::said::said;
use crate::world::{But as _, KUBE, REST, World, create, main, on_status, replace, replace_status};

#[track_caller]
fn check(world: &World, document: Value, conduct: pintle_rules::Conduct, expected: &str) {
    let intent = main(replace(document.clone())).through(conduct);
    assert_eq!(said(&world.decide(&intent)), expected, "{document}");
}

const IGNORED: &str = " ! status was ignored: it is written through the status subresource only";

#[test]
fn generation_counts_what_is_wanted() {
    let world = World::reported(json!({"health": "Healthy"}));
    let cases = [
        (json!({"spec": {"location": "dc1"}}), "unchanged".to_owned()),
        (json!({"spec": {"location": "dc2"}}), r#"main g2 {"spec":{"location":"dc2","replicas":1}}"#.to_owned()),
        (json!({"spec": {}}), r#"main g2 {"spec":{"replicas":1}}"#.to_owned()),
        (json!({"metadata": {"labels": {"a": "b"}}}), "main g1".to_owned()),
        (json!({"metadata": {"generation": 9}}), "unchanged".to_owned()),
        (json!({"metadata": {"labels": {"a": "b"}}, "spec": {}}), r#"main g2 {"spec":{"replicas":1}}"#.to_owned()),
        (json!({"status": {"health": "Failed"}}), format!("unchanged{IGNORED}")),
        (json!({"status": {"health": "Healthy", "phase": "Pending"}}), "unchanged".to_owned()),
        (json!({"spec": {}, "status": null}), format!(r#"main g2 {{"spec":{{"replicas":1}}}}{IGNORED}"#)),
        (json!({"spec": {"replicas": "x"}}), "invalid spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\"".to_owned()),
    ];
    for (document, expected) in cases {
        check(&world, document, REST, &expected);
    }
}

#[test]
fn a_replace_keeps_or_drops_metadata_that_it_does_not_name() {
    let world = World::with(json!({
        "metadata": {"labels": {"a": "b"}, "annotations": {"n": "x"}, "finalizers": ["example.io/f"]},
    }));
    let cases = [
        (json!({}), [1, 1, 1], [0, 0, 0]),
        (json!({"labels": {}}), [0, 1, 1], [0, 0, 0]),
        (json!({"labels": {"c": "d", "e": "f"}}), [2, 1, 1], [2, 0, 0]),
        (json!({"labels": null, "finalizers": []}), [1, 1, 0], [0, 0, 0]),
        (json!({"annotations": {"n": "x"}, "finalizers": ["example.io/f"]}), [1, 1, 1], [0, 1, 1]),
    ];
    for (metadata, named_only, whole) in cases {
        for (conduct, expected) in [(REST, named_only), (KUBE, whole)] {
            let mut world = world.clone();
            let document = json!({"metadata": metadata, "spec": {}});
            world.wrote(&main(replace(document)).through(conduct));
            let now = &world.object().metadata;
            let sizes = [now.labels.len(), now.annotations.len(), now.finalizers.len()];
            assert_eq!(sizes, expected, "{metadata} {conduct:?}");
        }
    }
}

#[test]
fn a_version_without_the_subresource_writes_status_with_the_object() {
    let world = World::reported(json!({"health": "Healthy"})).speaking("v1alpha1");
    let spec = json!({"location": "dc1"});
    let cases = [
        (
            json!({"spec": spec, "status": {"health": "Failed"}}),
            r#"main g2 status {"health":"Failed","phase":"Pending"}"#,
            r#"main g2 status {"health":"Failed","phase":"Pending"}"#,
        ),
        (json!({"spec": spec, "status": {"health": "Healthy"}}), "unchanged", "unchanged"),
        (json!({"spec": spec, "status": null}), "main g2 status cleared", "main g2 status cleared"),
        // A whole object that has no status has none; a REST document keeps what it does not name.
        (json!({"spec": spec}), "unchanged", "main g2 status cleared"),
        (
            json!({"spec": spec, "status": {"health": "Fine"}}),
            r#"invalid status.health: Unsupported value: "Fine": supported values: "Healthy", "Degraded", "Failed""#,
            r#"invalid status.health: Unsupported value: "Fine": supported values: "Healthy", "Degraded", "Failed""#,
        ),
    ];
    for (document, rest, kube) in cases {
        check(&world, document.clone(), REST, rest);
        check(&world, document, KUBE, kube);
    }
}

#[test]
fn conditions_written_with_the_object_have_owners_too() {
    let mut world = World::reported(json!({"conditions": [{"type": "Ready", "status": "True"}]}));
    world = world.speaking("v1alpha1");
    let document = json!({"status": {"conditions": []}});
    let intent = main(replace(document)).by("somebody");
    let answer = said(&world.write(&intent));
    assert!(
        answer.ends_with(
            r#"! condition "Ready" was removed; "tester" wrote it last, not "somebody""#
        ),
        "{answer}"
    );
    assert!(world.object().ledger.as_ref().unwrap().entries["Ready"].removed);
}

#[test]
fn a_document_for_another_object_is_refused() {
    let world = World::with(json!({}));
    let cases = [
        (json!({"name": "dev-2"}), r#"metadata.name is "dev-2", not "dev-1""#),
        (json!({"namespace": "other"}), r#"metadata.namespace is "other", not "default""#),
        (
            json!({"name": ["dev-1"]}),
            r#"invalid metadata.name: Invalid value: ["dev-1"]: must be a string"#,
        ),
        (json!({"name": "dev-1", "namespace": "default"}), "unchanged"),
    ];
    for (metadata, expected) in cases {
        check(&world, json!({"metadata": metadata}), REST, expected);
    }
    let status = on_status(replace_status(json!({"metadata": {"name": "dev-2"}, "status": {}})));
    assert_eq!(said(&world.decide(&status)), r#"metadata.name is "dev-2", not "dev-1""#);
}

#[test]
fn an_object_that_is_going_takes_no_new_finalizers_and_goes_with_its_last() {
    let mut world =
        World::with(json!({"metadata": {"finalizers": ["example.io/a", "example.io/b"]}}));
    world.wrote(&main(crate::delete::background()));
    let finalizers = |list: Value| json!({"metadata": {"finalizers": list}});
    let cases = [
        (
            finalizers(json!(["example.io/a", "example.io/b", "example.io/c"])),
            r#"invalid metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted: "example.io/c""#,
        ),
        (
            finalizers(json!(["example.io/c"])),
            r#"invalid metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted: "example.io/c""#,
        ),
        (finalizers(json!(["example.io/b"])), "main g2"),
        (finalizers(json!(["example.io/b", "example.io/a"])), "main g2"),
        (finalizers(json!([])), "delete"),
        (json!({"metadata": {"deletionTimestamp": null}}), "unchanged"),
        (
            json!({"spec": {"location": "dc2"}}),
            r#"main g3 {"spec":{"location":"dc2","replicas":1}}"#,
        ),
        (
            json!({"metadata": {"finalizers": []}, "spec": {"replicas": -1}}),
            "invalid spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
        ),
    ];
    for (document, expected) in cases {
        check(&world, document, REST, expected);
    }
}

#[test]
fn fields_that_may_not_change_do_not() {
    let role = |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
    let mut world = World::of_core("clusterrolebindings", "admins");
    world.wrote(&main(create(json!({"roleRef": role("admin")}))));
    let answer = said(&world.decide(&main(replace(json!({"roleRef": role("view")})))));
    assert!(answer.starts_with("invalid roleRef: Invalid value: "), "{answer}");
    assert!(answer.ends_with("cannot change roleRef"), "{answer}");
    let subjects =
        json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "ann"}]);
    let answer = said(
        &world.decide(&main(replace(json!({"roleRef": role("admin"), "subjects": subjects})))),
    );
    assert!(answer.starts_with("main g2 "), "{answer}");
}

#[test]
fn what_is_declared_stays_what_it_is() {
    let declared = |scope: &str, versions: &[&str]| {
        let version = |name: &&str| {
            json!({
                "name": name, "served": true, "storage": *name == versions[0],
                "schema": {"openAPIV3Schema": {"type": "object"}},
            })
        };
        json!({"spec": {
            "group": "infra.example.io",
            "scope": scope,
            "names": {"plural": "racks", "singular": "rack", "kind": "Rack", "listKind": "RackList"},
            "versions": versions.iter().map(version).collect::<Vec<_>>(),
        }})
    };
    let mut world = World::of_core("customresourcedefinitions", "racks.infra.example.io");
    world.wrote(&main(create(declared("Namespaced", &["v1"]))));
    let established = json!({"type": "Established", "status": "True"});
    world.wrote(&on_status(replace_status(
        json!({"status": {"conditions": [established], "storedVersions": ["v1"]}}),
    )));
    let cases = [
        (declared("Cluster", &["v1"]), "invalid spec.scope: "),
        (declared("Namespaced", &["v2"]), "invalid status.storedVersions[0]: "),
        (declared("Namespaced", &["v2", "v1"]), "main g2 "),
    ];
    for (document, expected) in cases {
        let answer = said(&world.decide(&main(replace(document.clone()))));
        assert!(answer.starts_with(expected), "{document}: {answer}");
    }
}

/// A controller that moved everything to another version takes the old one off the list, and
/// nobody takes off what is still needed.
#[test]
fn a_status_keeps_the_version_that_objects_are_stored_in() {
    let version = |name: &str| {
        json!({
            "name": name, "served": true, "storage": name == "v2",
            "schema": {"openAPIV3Schema": {"type": "object"}},
        })
    };
    let mut world = World::of_core("customresourcedefinitions", "racks.infra.example.io");
    world.wrote(&main(create(json!({"spec": {
        "group": "infra.example.io", "scope": "Namespaced",
        "names": {"plural": "racks", "singular": "rack", "kind": "Rack", "listKind": "RackList"},
        "versions": [version("v1"), version("v2")],
    }}))));
    let status = |stored: &[&str]| json!({"status": {"storedVersions": stored}});
    world.wrote(&on_status(replace_status(status(&["v1", "v2"]))));
    let fault = "invalid status.storedVersions";
    for (wanted, expected) in [
        (on_status(replace_status(status(&["v1"]))), fault),
        (on_status(replace_status(status(&["v2", "v3"]))), "invalid status.storedVersions[1]: "),
        (on_status(replace_status(json!({"status": {}}))), fault),
        (on_status(crate::world::merge(json!({"status": null}))), fault),
        (on_status(crate::world::merge(status(&["v3"]))), fault),
        (on_status(crate::world::merge(status(&["v2"]))), r#"status {"storedVersions":["v2"]}"#),
    ] {
        let answer = said(&world.decide(&wanted));
        assert!(answer.starts_with(expected), "{wanted:?}: {answer}");
    }
}

#[test]
fn nothing_nests_deeper_than_can_be_read_back() {
    let nested = |levels: usize| (0..levels).fold(json!(1), |inside, _| json!([inside]));
    let world = World::reported(json!({}));
    // The object, `spec` and `settings` are three levels themselves.
    let body = |levels| main(replace(json!({"spec": {"settings": {"x": nested(levels)}}})));
    let status =
        |levels| on_status(replace_status(json!({"status": {"raw": {"x": nested(levels)}}})));
    for (deepest, too_deep) in [(body(97), body(98)), (status(97), status(98))] {
        let mut world = world.clone();
        world.wrote(&deepest);
        let answer = said(&world.write(&too_deep));
        assert!(answer.ends_with("an object may nest 100 levels deep"), "{answer}");
        world.wrote(&main(crate::world::merge(json!({"metadata": {"labels": {"a": "b"}}}))));
        world.wrote(&on_status(crate::world::merge(json!({"status": {"health": "Failed"}}))));
    }
}
