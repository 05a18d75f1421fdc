//! Creates: what is taken over, what is made up, what is refused.

use serde_json::{Value, json};

use crate::said::said;
use crate::world::{But as _, KUBE, World, create, main, replace_status};

#[track_caller]
fn check(world: &World, document: Value, expected: &str) {
    assert_eq!(said(&world.decide(&main(create(document.clone())))), expected, "{document}");
}

#[test]
fn a_new_object_has_a_body_and_no_status() {
    let world = World::empty();
    let ignored = "create default/dev-1 {} ! status was ignored: it is written through the status \
                   subresource only";
    let cases = [
        (json!({}), "create default/dev-1 {}"),
        (
            json!({"spec": {"location": "dc1"}}),
            r#"create default/dev-1 {"spec":{"location":"dc1","replicas":1}}"#,
        ),
        (
            json!({"spec": {"weight": 1.0}}),
            r#"create default/dev-1 {"spec":{"replicas":1,"weight":1}}"#,
        ),
        (json!({"status": {"health": "Healthy"}}), ignored),
        (json!({"status": "nonsense"}), ignored),
        (json!({"status": {}}), "create default/dev-1 {}"),
        (json!({"status": null}), "create default/dev-1 {}"),
        (
            json!({"spec": {"color": "red"}, "extra": 1}),
            r#"create default/dev-1 {"spec":{"replicas":1}} ! unknown field "extra" ! unknown field "spec.color""#,
        ),
        (
            json!({"spec": {"replicas": -1}}),
            "invalid spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
        ),
    ];
    for (document, expected) in cases {
        check(&world, document, expected);
    }
}

#[test]
fn without_the_subresource_a_status_is_part_of_the_object() {
    let world = World::empty().speaking("v1alpha1");
    let cases = [
        (
            json!({"status": {"health": "Failed"}}),
            r#"create default/dev-1 {} status {"health":"Failed","phase":"Pending"}"#,
        ),
        (json!({"status": null}), "create default/dev-1 {}"),
        (
            json!({"status": {"health": "Fine"}}),
            r#"invalid status.health: Unsupported value: "Fine": supported values: "Healthy", "Degraded", "Failed""#,
        ),
        (json!({"status": []}), "invalid status: Invalid value: []: status must be an object"),
    ];
    for (document, expected) in cases {
        check(&world, document, expected);
    }
}

#[test]
fn the_document_and_the_address_agree() {
    let cases = [
        ("dev-1", json!({"name": "dev-1", "namespace": "default"}), "create default/dev-1 {}"),
        ("dev-1", json!({"name": "", "namespace": null}), "create default/dev-1 {}"),
        ("dev-1", json!({"name": "dev-2"}), r#"metadata.name is "dev-2", not "dev-1""#),
        ("dev-1", json!({"namespace": "other"}), r#"metadata.namespace is "other", not "default""#),
        ("dev-1", json!({"name": 5}), "invalid metadata.name: Invalid value: 5: must be a string"),
        ("", json!({"name": "dev-9"}), "create default/dev-9 {}"),
        ("", json!({"generateName": "dev-"}), "create default/dev-x7k2p {}"),
        ("", json!({"generateName": "dev-", "name": "mine"}), "create default/mine {}"),
        ("", json!({}), "invalid metadata.name: Required value: name or generateName is required"),
        (
            "",
            json!({"name": "Dev"}),
            r#"invalid metadata.name: Invalid value: "Dev": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"#,
        ),
    ];
    for (name, metadata, expected) in cases {
        check(&World::empty().addressed(name), json!({"metadata": metadata}), expected);
    }
    let long = "a".repeat(300);
    let generated = format!("create default/{}x7k2p {{}}", "a".repeat(58));
    check(&World::empty().addressed(""), json!({"metadata": {"generateName": long}}), &generated);
    // What the schema of the kind says about names counts too.
    let short = World::empty().speaking("v1beta1").addressed("ninechars");
    check(&short, json!({}), "invalid metadata.name: Too long: may not be more than 8 bytes");
}

#[test]
fn users_own_a_part_of_metadata() {
    let owner = json!({"apiVersion": "v1", "kind": "Rack", "name": "r", "uid": "rack-1"});
    let world = World::with(json!({"metadata": {
        "labels": {"a": "b"}, "annotations": {"n": "x y"}, "finalizers": ["example.io/f"],
        "ownerReferences": [owner, owner],
        "uid": "forged", "generation": 7, "creationTimestamp": "1999-01-01T00:00:00Z",
        "deletionTimestamp": "1999-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5,
        "managedFields": [], "createdAt": "x", "updatedAt": "y",
    }}));
    let metadata = serde_json::to_value(&*world.object().metadata).unwrap();
    let expected = json!({
        "name": "dev-1", "namespace": "default", "uid": "device-1", "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00.000000Z",
        "labels": {"a": "b"}, "annotations": {"n": "x y"}, "finalizers": ["example.io/f"],
        "ownerReferences": [owner],
    });
    assert_eq!(metadata, expected);
}

#[test]
fn metadata_has_rules() {
    let cases = [
        (json!({"labels": {"-a": "b"}}), "invalid metadata.labels: Invalid value: \"-a\": "),
        (json!({"labels": {"a": "no spaces"}}), "invalid metadata.labels: Invalid value: "),
        (
            json!({"labels": {"a": 1}}),
            r#"invalid metadata.labels: Invalid value: {"a":1}: must be a map of strings"#,
        ),
        (
            json!({"labels": []}),
            "invalid metadata.labels: Invalid value: []: must be a map of strings",
        ),
        (
            json!({"annotations": {"a b": "x"}}),
            "invalid metadata.annotations: Invalid value: \"a b\": ",
        ),
        (
            json!({"finalizers": ["a", "a"]}),
            "invalid metadata.finalizers[1]: Duplicate value: \"a\"",
        ),
        (
            json!({"finalizers": "a"}),
            "invalid metadata.finalizers: Invalid value: \"a\": must be a list of strings",
        ),
        (
            json!({"ownerReferences": [{"kind": "Rack"}]}),
            "invalid metadata.ownerReferences[0]: Invalid value: {\"kind\":\"Rack\"}: an owner reference has apiVersion, kind, name and uid: ",
        ),
        (
            json!({"ownerReferences": vec![json!({}); 1_001]}),
            "invalid metadata.ownerReferences: Too many: 1001 entries; 1000 are allowed",
        ),
        (
            json!({"ownerReferences": [{"apiVersion": "v1", "kind": "Device", "name": "d", "uid": "device-1"}]}),
            "invalid metadata.ownerReferences[0].uid: Forbidden: an object may not own itself",
        ),
        (json!({"lables": {}}), "create default/dev-1 {} ! unknown field \"metadata.lables\""),
    ];
    for (metadata, expected) in cases {
        let document = json!({"metadata": metadata});
        let answer = said(&World::empty().decide(&main(create(document))));
        assert!(answer.starts_with(expected), "{metadata}: {answer}");
    }
}

#[test]
fn faults_are_told_together_and_no_more_than_a_few() {
    let labels: serde_json::Map<_, _> =
        (0..10_000).map(|n| (format!("-{n}"), json!("no spaces"))).collect();
    let document = json!({"metadata": {"labels": labels}, "spec": {"replicas": "x"}});
    let answer = said(&World::empty().decide(&main(create(document))));
    assert!(answer.contains("metadata.labels") && answer.contains("spec.replicas"), "{answer}");
    assert_eq!(answer.matches("; ").count(), 50, "50 faults of labels and one of spec");
}

#[test]
fn strict_callers_learn_of_every_unknown_field_at_once() {
    let document = json!({"metadata": {"lables": {}}, "spec": {"color": "red"}, "x": 1});
    let strictly = main(create(document)).strictly();
    assert_eq!(said(&World::empty().decide(&strictly)), "unknown metadata.lables, spec.color, x");
}

#[test]
fn a_new_object_has_no_version_and_no_rival() {
    let named = main(create(json!({}))).expecting(9);
    assert_eq!(said(&World::empty().decide(&named)), "no version 9");
    let exists = World::with(json!({}));
    check(&exists, json!({"spec": {"replicas": "x"}}), "exists as device-1");
    assert_eq!(said(&exists.decide(&named)), "exists as device-1");
}

#[test]
fn a_declared_kind_is_read_before_it_is_stored() {
    let declared = |versions: Value| {
        json!({"spec": {
            "group": "infra.example.io", "scope": "Namespaced",
            "names": {"plural": "racks", "singular": "rack", "kind": "Rack"},
            "versions": versions,
        }})
    };
    let version = json!({
        "name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object"}},
    });
    let cases = [
        ("racks.infra.example.io", declared(json!([version])), "create racks.infra.example.io "),
        ("shelves.infra.example.io", declared(json!([version])), "invalid metadata.name: "),
        ("racks.infra.example.io", declared(json!([version, version])), "invalid spec.versions"),
        ("racks.infra.example.io", json!({"spec": {"group": "x"}}), "invalid spec."),
    ];
    for (name, document, expected) in cases {
        let world = World::of_core("customresourcedefinitions", name);
        let answer = said(&world.decide(&main(create(document.clone()))));
        assert!(answer.starts_with(expected), "{document}: {answer}");
    }
}

#[test]
fn nothing_is_created_through_the_status() {
    let intent = crate::world::on_status(create(json!({"spec": {}})));
    for world in [World::empty(), World::with(json!({}))] {
        for intent in [intent.clone(), intent.clone().through(KUBE)] {
            assert_eq!(said(&world.decide(&intent)), "not found");
        }
    }
    let replace = crate::world::on_status(replace_status(json!({"status": {}})));
    assert_eq!(said(&World::empty().decide(&replace)), "not found");
    assert_eq!(said(&World::with(json!({})).speaking("v1alpha1").decide(&replace)), "not found");
}
