//! A partial status: what it does not name stays, a null clears, conditions are merged by type.

use serde_json::{Value, json};

use crate::said::said;
use crate::world::{But as _, World, main, merge_status, on_status};

fn reported() -> World {
    World::reported(json!({
        "phase": "Ready",
        "health": "Healthy",
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Up", "message": "all well"},
            {"type": "Synced", "status": "False", "reason": "Late"},
        ],
    }))
}

/// `Ready=True Up, Synced=False Late`.
fn conditions(world: &World) -> String {
    let status = world.status();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or("-").to_owned();
    let list = status["conditions"].as_array().cloned().unwrap_or_default();
    let one = |entry: &Value| {
        format!("{}={} {}", text(entry, "type"), text(entry, "status"), text(entry, "reason"))
    };
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_is_not_named_stays_and_a_null_clears() {
    let stays = "Ready=True Up, Synced=False Late";
    let cases = [
        (json!({"health": "Failed"}), json!("Ready"), json!("Failed"), stays),
        (json!({"health": null}), json!("Ready"), Value::Null, stays),
        (json!({"conditions": null}), json!("Ready"), json!("Healthy"), ""),
        (json!({"conditions": []}), json!("Ready"), json!("Healthy"), stays),
        (
            json!({"conditions": [{"type": "Synced", "status": "True"}]}),
            json!("Ready"),
            json!("Healthy"),
            "Ready=True Up, Synced=True Late",
        ),
        (
            json!({"conditions": [{"type": "Synced", "reason": null, "status": "False"}]}),
            json!("Ready"),
            json!("Healthy"),
            "Ready=True Up, Synced=False -",
        ),
        (
            json!({"conditions": [{"type": "New", "status": "Unknown", "reason": null}]}),
            json!("Ready"),
            json!("Healthy"),
            "Ready=True Up, Synced=False Late, New=Unknown -",
        ),
    ];
    for (partial, phase, health, expected) in cases {
        let mut world = reported();
        world.wrote(&on_status(merge_status(json!({"status": partial}))));
        let status = world.status();
        let found = (status["phase"].clone(), status["health"].clone(), conditions(&world));
        assert_eq!(found, (phase, health, expected.to_owned()), "{partial}");
    }
}

#[test]
fn what_changes_nothing_is_no_write() {
    for partial in [
        json!({}),
        json!({"phase": "Ready"}),
        json!({"message": null}),
        json!({"conditions": [{"type": "Ready", "status": "True"}]}),
    ] {
        let intent = on_status(merge_status(json!({"status": partial})));
        assert_eq!(said(&reported().decide(&intent)), "unchanged", "{partial}");
    }
    // Neither where no status was ever written.
    let fresh = World::with(json!({"spec": {"location": "dc1"}}));
    for partial in [json!({}), json!({"phase": null})] {
        let intent = on_status(merge_status(json!({"status": partial})));
        assert_eq!(said(&fresh.decide(&intent)), "unchanged", "{partial}");
    }
}

#[test]
fn a_type_that_stands_twice_and_foreign_fields_are_refused() {
    let twice = json!({"status": {"conditions": [
        {"type": "Ready", "status": "True"}, {"type": "Ready", "status": "False"},
    ]}});
    let cases = [
        (twice, "invalid status.conditions[2].type: Duplicate value"),
        (json!({"spec": {"location": "x"}, "status": {}}), "boundary spec"),
        (json!({"metadata": {"labels": {}}, "status": {}}), "boundary metadata.labels"),
        (
            json!({"status": {"conditions": [{"status": "True"}]}}),
            "invalid status.conditions[2].type",
        ),
        (json!({"status": "down"}), "invalid status: Invalid value"),
    ];
    for (document, expected) in cases {
        let answer = said(&reported().decide(&on_status(merge_status(document.clone()))));
        assert!(answer.starts_with(expected), "{document}: {answer}");
    }
}

#[test]
fn only_a_status_is_merged() {
    let intent = main(merge_status(json!({"status": {"phase": "Ready"}})));
    assert_eq!(said(&reported().decide(&intent)), "not found");
    let stale = on_status(merge_status(json!({"status": {"phase": "Late"}}))).expecting(10);
    assert!(said(&reported().decide(&stale)).starts_with("conflict 10 is now 11"));
}
