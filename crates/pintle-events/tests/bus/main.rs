//! The bus over a real engine: what events say, their order, and resuming.

#![cfg(test)]

mod resume;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use pintle_events::{Action, Cursor, Interest, Patterns, Subject, UpdateType};
use pintle_model::LabelSelector;
use serde_json::{Value, json};

use crate::world::{
    World, bus, create, delete, device, gauge, merge, merge_status, of_types, put_condition,
    remove_condition, replace, report, rest, since,
};

#[tokio::test]
async fn a_status_write_makes_exactly_this_event() {
    let world = World::new().await;
    let bus = bus(&world);
    let made = world.write(&device("sensor-01"), create(json!({"spec": {"color": "red"}}))).await;
    let noted = world.write(&device("sensor-01"), report(json!({"phase": "Ready"}))).await;
    let events = since(&world, &bus, Cursor::after(made.revision), "**").await;
    let found: Value = serde_json::from_slice(&events[0].json()).unwrap();
    let uid = noted.uid().as_str();
    let (revision, time) = (noted.revision.to_string(), noted.updated_at.to_string());
    let created = noted.metadata.creation_timestamp.seconds();
    let expected = json!({
        "specversion": "1.0",
        "type": "io.fabrica.device.updated",
        "source": format!("fabrica-api/resources/Device/{uid}"),
        "id": format!("{revision}.0"),
        "time": time,
        "datacontenttype": "application/json",
        "resourcekind": "Device",
        "resourceuid": uid,
        "resourcegroup": "infra.example.io",
        "action": "updated",
        "data": {
            "action": "updated",
            "resourceKind": "Device",
            "resourceUID": uid,
            "resourceName": "sensor-01",
            "resource": {
                "apiVersion": "infra.example.io/v1",
                "kind": "Device",
                "metadata": {
                    "name": "sensor-01", "namespace": "default", "uid": uid,
                    "resourceVersion": revision, "generation": 1,
                    "creationTimestamp": created, "createdAt": created, "updatedAt": time,
                },
                "spec": {"color": "red"},
                "status": {"phase": "Ready"},
            },
            "metadata": {"updatedAt": time, "updateType": "status", "resourceVersion": revision},
        },
    });
    assert_eq!(found, expected);
    assert_eq!(events.len(), 1);
    let data: Value = events[0].data_as().unwrap();
    assert_eq!(data, expected["data"]);
    let resource: Value = events[0].resource_as().unwrap();
    assert_eq!(resource, expected["data"]["resource"]);
}

#[tokio::test]
async fn every_write_has_its_action_and_its_half() {
    let world = World::new().await;
    let bus = bus(&world);
    let start = Cursor::after(world.engine.newest());
    let (spec, status) = (Some(UpdateType::Spec), Some(UpdateType::Status));
    let cases = [
        (create(json!({"spec": {"color": "red"}})), Action::Created, None),
        (replace(json!({"spec": {"color": "blue"}})), Action::Updated, spec),
        (merge(json!({"spec": {"color": "green"}})), Action::Patched, spec),
        (replace(json!({"metadata": {"labels": {"a": "b"}}})), Action::Updated, spec),
        (report(json!({"phase": "On"})), Action::Updated, status),
        (merge_status(json!({"phase": "Off"})), Action::Patched, status),
        (delete(), Action::Deleted, None),
    ];
    for (want, ..) in &cases {
        world.write(&device("a"), want.clone()).await;
    }
    let events = since(&world, &bus, start, "io.fabrica.**").await;
    assert_eq!(events.len(), cases.len());
    for (event, (_, action, update)) in events.iter().zip(cases) {
        assert_eq!(*event.subject(), Subject::Lifecycle(action));
        assert_eq!(event.update_type(), update);
        let data: Value = event.data_as().unwrap();
        let word = update.map(|update| Value::from(update.word()));
        assert_eq!(data["metadata"].get("updateType"), word.as_ref());
    }
    let created = since(&world, &bus, start, "io.fabrica.device.created").await;
    assert_eq!(of_types(&created), ["io.fabrica.device.created"]);
}

#[tokio::test]
async fn conditions_that_turn_have_events_after_that_of_the_write() {
    let world = World::new().await;
    let bus = bus(&world);
    world.write(&device("a"), create(json!({}))).await;
    let condition =
        |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "Why"});
    let list = |list: &[Value]| report(json!({"conditions": list}));
    let none = || json!(null);
    let cases = [
        (
            list(&[condition("Synced", "True"), condition("Ready", "False")]),
            vec![("ready", none(), json!("False")), ("synced", none(), json!("True"))],
        ),
        (put_condition("Ready", json!({"status": "False", "reason": "Other"})), vec![]),
        (
            put_condition("Ready", json!({"status": "True"})),
            vec![("ready", json!("False"), json!("True"))],
        ),
        (remove_condition("Synced"), vec![("synced", json!("True"), none())]),
        (merge(json!({"spec": {"color": "red"}})), vec![]),
        (
            list(&[condition("Fresh", "Unknown")]),
            vec![("fresh", none(), json!("Unknown")), ("ready", json!("True"), none())],
        ),
    ];
    for (want, expected) in cases {
        let from = Cursor::after(world.engine.newest());
        let written = world.write(&device("a"), want).await;
        let events = since(&world, &bus, from, "**").await;
        let mut found = Vec::new();
        for event in &events[1..] {
            let kind = event.event_type().strip_prefix("io.fabrica.condition.").unwrap();
            let data: Value = event.data_as().unwrap();
            assert_eq!(data["resourceUID"], written.uid().as_str());
            assert_eq!(data["conditionType"].as_str().unwrap().to_lowercase(), kind);
            found.push((kind, data["previousStatus"].clone(), data["status"].clone()));
        }
        assert_eq!(found, expected);
        for (part, event) in events.iter().enumerate() {
            assert_eq!(event.id(), format!("{}.{part}", written.revision));
        }
    }
}

#[tokio::test]
async fn a_condition_event_says_why() {
    let world = World::new().await;
    let bus = bus(&world);
    world.write(&device("a"), create(json!({}))).await;
    let ready = json!({"status": "True", "reason": "Up"});
    let written = world.write(&device("a"), put_condition("Ready", ready)).await;
    let from = Cursor::within(written.revision, 0);
    let events = since(&world, &bus, from, "**").await;
    let found: Value = serde_json::from_slice(&events[0].json()).unwrap();
    let (uid, time) = (written.uid().as_str(), written.updated_at.to_string());
    let expected = json!({
        "specversion": "1.0",
        "type": "io.fabrica.condition.ready",
        "source": format!("fabrica-api/resources/Device/{uid}"),
        "id": format!("{}.1", written.revision),
        "time": time,
        "datacontenttype": "application/json",
        "resourcekind": "Device",
        "resourceuid": uid,
        "resourcegroup": "infra.example.io",
        "conditiontype": "Ready",
        "conditionstatus": "True",
        "data": {
            "conditionType": "Ready",
            "status": "True",
            "previousStatus": null,
            "reason": "Up",
            "transitionTime": written.updated_at.seconds(),
            "resourceKind": "Device",
            "resourceUID": uid,
            "resourceName": "a",
            "metadata": {"updatedAt": time, "resourceVersion": written.revision.to_string()},
        },
    });
    assert_eq!(found, expected);
}

#[tokio::test]
async fn kinds_of_one_name_are_told_apart_by_their_group() {
    let world = World::new().await;
    let bus = bus(&world);
    let start = Cursor::after(world.engine.newest());
    world.write(&gauge("one.example.io", "a"), create(json!({}))).await;
    world.write(&gauge("two.example.io", "a"), create(json!({}))).await;
    let events = since(&world, &bus, start, "**").await;
    assert_eq!(of_types(&events), ["io.fabrica.gauge.created"; 2]);
    let groups = events.iter().flat_map(|event| event.extensions());
    let groups = groups.filter(|(name, _)| *name == "resourcegroup").map(|(_, group)| group);
    assert!(groups.eq(["one.example.io", "two.example.io"]));
    let sources: BTreeSet<_> = events.iter().map(|event| event.source()).collect();
    assert_eq!(sources.len(), 2);
}

#[tokio::test]
async fn interests_are_narrowed_by_labels_and_namespace() {
    let world = World::new().await;
    let bus = bus(&world);
    let start = Cursor::after(world.engine.newest());
    let labelled = |tier: &str| create(json!({"metadata": {"labels": {"tier": tier}}}));
    world.write(&device("a"), labelled("front")).await;
    world.write(&device("b"), labelled("back")).await;
    for (labels, namespace, expected) in [
        ("", None, 2),
        ("tier=back", None, 1),
        ("tier=none", None, 0),
        ("", Some("default"), 2),
        ("", Some("elsewhere"), 0),
    ] {
        let interest = Interest {
            labels: LabelSelector::parse(labels).unwrap(),
            namespace: namespace.map(Arc::from),
            ..Interest::of(Patterns::everything()).from(start)
        };
        let mut subscription = bus.open(interest).await.unwrap();
        let events = rest(&world, &mut subscription).await;
        assert_eq!(events.len(), expected, "{labels:?} {namespace:?}");
    }
}

#[tokio::test]
async fn words_are_found_once_for_all_subscribers() {
    let world = World::new().await;
    let bus = bus(&world);
    let start = Cursor::after(world.engine.newest());
    world.write(&device("small"), create(json!({}))).await;
    world.write(&device("large"), create(json!({"spec": {"color": "x".repeat(50_000)}}))).await;
    let (first, second) =
        (since(&world, &bus, start, "**").await, since(&world, &bus, start, "**").await);
    for (one, other) in first.iter().zip(&second) {
        assert!(Arc::ptr_eq(one, other), "{}", one.id());
        assert_eq!(one.json().as_ptr(), other.json().as_ptr());
    }
    let weak: Vec<_> = first.iter().map(Arc::downgrade).collect();
    drop((first, second));
    let kept = weak.iter().map(|event| event.strong_count() > 0);
    assert!(kept.eq([true, false]), "large ones are not kept for nobody");
}
