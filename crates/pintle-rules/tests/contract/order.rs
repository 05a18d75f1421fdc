//! The order of checks: requests with several faults at once, each with its first fault taken away
//! from one row to the next (rule 3 of the contract).

use serde_json::{Value, json};

use crate::said::said;
use crate::world::{But as _, World, main, merge, on_status, replace, replace_status};

fn check(rows: &[(World, pintle_rules::Intent, &str)]) {
    for (world, intent, expected) in rows {
        let answer = said(&world.decide(intent));
        assert!(answer.starts_with(expected), "{intent:?}: {answer}");
    }
}

#[test]
fn of_a_status_document() {
    let none = World::empty();
    let world = World::reported(json!({"health": "Healthy"}));
    let document = |name: &str, spec: bool, health: &str| {
        let mut document =
            json!({"metadata": {"name": name}, "status": {"health": health, "helth": 1}});
        if spec {
            document["spec"] = json!({});
        }
        on_status(replace_status(document)).strictly()
    };
    check(&[
        (none.clone(), document("dev-2", true, "Fine").expecting(0), "metadata.name is"),
        (none, document("dev-1", true, "Fine").expecting(0), "not found"),
        (world.clone(), document("dev-1", true, "Fine").expecting(0), "boundary spec"),
        (world.clone(), document("dev-1", false, "Fine").expecting(0), "no version 0"),
        (world.clone(), document("dev-1", false, "Fine").expecting(10), "conflict 10 is now 11"),
        (world.clone(), document("dev-1", false, "Fine").expecting(11), "unknown status.helth"),
        (
            world,
            on_status(replace_status(json!({"status": {"health": "Fine"}}))),
            "invalid status.health",
        ),
    ]);
}

#[test]
fn of_a_status_patch() {
    let world = World::reported(json!({"health": "Healthy"}));
    let patch = |metadata: Value, spec: bool| {
        let mut document = json!({"metadata": metadata, "status": {"health": "Fine"}});
        if spec {
            document["spec"] = json!({});
        }
        on_status(merge(document))
    };
    let wrong = json!({"name": "dev-2", "resourceVersion": "10", "labels": {}});
    let stale = json!({"resourceVersion": "10"});
    check(&[
        (World::empty(), patch(wrong.clone(), true).expecting(10), "not found"),
        (world.clone(), patch(wrong, false).expecting(10), "boundary metadata.labels"),
        (world.clone(), patch(stale.clone(), true).expecting(10), "boundary spec"),
        (
            world.clone(),
            patch(json!({"name": "dev-2"}), false).expecting(10),
            "conflict 10 is now 11",
        ),
        (
            world.clone(),
            patch(json!({"name": "dev-2", "resourceVersion": "10"}), false),
            "metadata.name is",
        ),
        (world.clone(), patch(stale, false), "conflict 10 is now 11"),
        (world, patch(json!({}), false), "invalid status.health"),
    ]);
}

#[test]
fn of_a_main_document() {
    let world = World::with(json!({}));
    let document = |name: &str, labels: Value| {
        main(replace(
            json!({"metadata": {"name": name, "labels": labels}, "spec": {"replicas": -1}}),
        ))
    };
    check(&[
        (World::empty(), document("dev-2", json!(5)).expecting(0), "metadata.name is"),
        (World::empty(), document("dev-1", json!(5)).expecting(0), "not found"),
        (world.clone(), document("dev-1", json!(5)).expecting(0), "no version 0"),
        (world.clone(), document("dev-1", json!(5)), "invalid metadata.labels: "),
        (world, document("dev-1", json!({})), "invalid spec.replicas: "),
    ]);
}
