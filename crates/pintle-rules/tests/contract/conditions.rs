//! Conditions as a map that the server looks after (rule 7 of the contract).

use pintle_model::Revision;
use pintle_rules::Edit;
use serde_json::{Value, json};

use crate::said::said;
use crate::world::{
    But as _, KUBE, World, json_patch, main, merge, on_status, put_condition, remove_condition,
    replace_status,
};

/// Ready is true since second one, by `kubelet`; Synced is false since second two, by `syncer`.
fn two() -> World {
    let mut world = World::with(json!({"spec": {"location": "dc1"}}));
    let ready = put_condition("Ready", json!({"status": "True", "reason": "Up"}));
    world.wrote(&on_status(ready).by("kubelet"));
    world.wrote(&on_status(put_condition("Synced", json!({"status": "False"}))).by("syncer"));
    world
}

fn list(conditions: &Value) -> Edit {
    replace_status(json!({"status": {"conditions": conditions}}))
}

/// `Ready=True@1 Synced=False@2`, the times in seconds since the start.
fn summary(world: &World) -> String {
    let status = world.status();
    let conditions = status["conditions"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let one = |condition: &Value| {
        let time = text(&condition["lastTransitionTime"]);
        let time = time.trim_start_matches("2026-01-01T00:00:0").trim_end_matches('Z');
        format!("{}={}@{time}", text(&condition["type"]), text(&condition["status"]))
    };
    conditions.map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn times_move_only_when_a_status_flips() {
    let ready = |status: &str, time: &str| json!({"type": "Ready", "status": status, "reason": "New", "lastTransitionTime": time});
    let synced = json!({"type": "Synced", "status": "False"});
    let forged = "1999-01-01T00:00:00Z";
    let cases = [
        (list(&json!([ready("True", forged), synced])), "Ready=True@1 Synced=False@2"),
        (list(&json!([ready("False", forged), synced])), "Ready=False@3 Synced=False@2"),
        (list(&json!([synced, ready("Unknown", forged)])), "Synced=False@2 Ready=Unknown@3"),
        (
            list(&json!([synced, {"type": "Fresh", "status": "True"}])),
            "Synced=False@2 Fresh=True@3",
        ),
        (merge(json!({"status": {"conditions": [synced]}})), "Synced=False@2"),
        (merge(json!({"status": {"health": "Failed"}})), "Ready=True@1 Synced=False@2"),
        (
            json_patch(
                json!([{"op": "replace", "path": "/status/conditions/0/status", "value": "False"}]),
            ),
            "Ready=False@3 Synced=False@2",
        ),
        (
            json_patch(
                json!([{"op": "replace", "path": "/status/conditions/0/lastTransitionTime", "value": forged}]),
            ),
            "Ready=True@1 Synced=False@2",
        ),
        (
            put_condition("Ready", json!({"status": "True", "reason": "New"})),
            "Ready=True@1 Synced=False@2",
        ),
        (put_condition("Ready", json!({"status": "False"})), "Ready=False@3 Synced=False@2"),
        (
            put_condition("Fresh", json!({"status": "True"})),
            "Ready=True@1 Synced=False@2 Fresh=True@3",
        ),
        (remove_condition("Ready"), "Synced=False@2"),
    ];
    for (edit, expected) in cases {
        let mut world = two();
        world.wrote(&on_status(edit.clone()));
        assert_eq!(summary(&world), expected, "{edit:?}");
    }
}

#[test]
fn a_door_that_stores_what_it_is_given_leaves_the_times_to_its_clients() {
    let mut world = two();
    let given = json!([{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:07Z"}, {"type": "Synced", "status": "False"}]);
    world.wrote(&on_status(list(&given)).through(KUBE));
    assert_eq!(summary(&world), "Ready=False@7 Synced=False@-");
    // Another door fills in what is missing, once.
    world.wrote(&on_status(merge(json!({"status": {"health": "Failed"}}))));
    assert_eq!(summary(&world), "Ready=False@7 Synced=False@4");
    assert_eq!(said(&world.decide(&on_status(merge(json!({"status": {}}))))), "unchanged");
}

#[test]
fn conditions_have_rules() {
    let one = |fields: Value| {
        let mut condition = json!({"type": "Ready", "status": "True", "lastTransitionTime": null});
        condition.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        list(&json!([condition]))
    };
    let cases = [
        (one(json!({})), "status "),
        (one(json!({"status": "Unknown"})), "status "),
        (
            one(json!({"status": "true"})),
            r#"invalid status.conditions[0].status: Unsupported value: "true": supported values: "True", "False", "Unknown""#,
        ),
        (
            one(json!({"status": true})),
            "invalid status.conditions[0].status: Unsupported value: true",
        ),
        (one(json!({"status": ""})), "invalid status.conditions[0].status: Unsupported value: "),
        (list(&json!([{"type": "Ready"}])), "invalid status.conditions[0].status: Required value"),
        (list(&json!([{"status": "True"}])), "invalid status.conditions[0].type: Required value"),
        (list(&json!(["Ready"])), "invalid status.conditions[0]: Invalid value: "),
        (list(&json!({})), "invalid status.conditions: Invalid value: "),
        (
            list(
                &json!([{"type": "A", "status": "True"}, {"type": "B", "status": "True"}, {"type": "A", "status": "False"}]),
            ),
            r#"invalid status.conditions[2].type: Duplicate value: "A": each condition type may stand once"#,
        ),
        (one(json!({"observedGeneration": 1})), "status "),
        (one(json!({"observedGeneration": 0})), "status "),
        (one(json!({"observedGeneration": -5})), "status "),
        (
            one(json!({"observedGeneration": 2})),
            "invalid status.conditions[0].observedGeneration: Invalid value: 2: is larger than the object's generation, 1",
        ),
        (
            one(json!({"observedGeneration": u64::MAX})),
            "invalid status.conditions[0].observedGeneration: Invalid value: 18446744073709551615: is larger than",
        ),
        (
            one(json!({"observedGeneration": 1e300})),
            "invalid status.conditions[0].observedGeneration: Invalid value: 1e+300: is larger than",
        ),
        (
            replace_status(json!({"status": {"observedGeneration": 2}})),
            "invalid status.observedGeneration: Invalid value: 2: is larger than the object's generation, 1",
        ),
        (replace_status(json!({"status": {"observedGeneration": 1}})), "status "),
        (put_condition("Ready", json!({"type": "Ready", "status": "True"})), "status "),
        (
            put_condition("Ready", json!({"type": "Other", "status": "True"})),
            r#"type is "Other", not "Ready""#,
        ),
        (
            put_condition("Ready", json!({"type": 5, "status": "True"})),
            r#"type is "5", not "Ready""#,
        ),
        (put_condition("Ready", json!({})), "invalid status.conditions[0].status: Required value"),
        (put_condition("Ready", json!({"status": "True", "seen": 1})), "status "),
        (remove_condition("Ready"), "no condition Ready"),
    ];
    for (edit, expected) in cases {
        let answer = said(&World::with(json!({})).decide(&on_status(edit.clone())));
        assert!(answer.starts_with(expected), "{edit:?}: {answer}");
    }
}

#[test]
fn the_kubernetes_door_applies_the_schema_only() {
    let conditions = json!([
        {"type": "A", "status": "Perhaps", "observedGeneration": 99},
        {"type": "A", "status": "True", "lastTransitionTime": "2031-01-01T00:00:00Z"},
    ]);
    let mut world = World::with(json!({}));
    world.wrote(&on_status(list(&conditions)).through(KUBE));
    assert_eq!(world.status()["conditions"], conditions);
}

#[test]
fn a_schema_without_times_gets_none() {
    let world = World::with(json!({})).speaking("v1beta1");
    let timeless = r#"status {"conditions":[{"status":"True","type":"Ready"}]}"#;
    let edit = put_condition("Ready", json!({"status": "True"}));
    assert_eq!(said(&world.decide(&on_status(edit).strictly())), timeless);
    // A default counts as what was sent: the same condition again is no flip.
    let mut world = world;
    world.wrote(&on_status(put_condition("Ready", json!({}))));
    assert_eq!(said(&world.decide(&on_status(put_condition("Ready", json!({}))))), "unchanged");
    let kindless = World::with(json!({})).speaking("v2");
    let edit = put_condition("Ready", json!({"status": "True"}));
    assert_eq!(said(&kindless.decide(&on_status(edit))), "no condition Ready");
}

#[test]
fn editing_one_condition_needs_a_list_to_edit() {
    for edit in [put_condition("Ready", json!({"status": "True"})), remove_condition("Ready")] {
        let mut world = World::reported(json!({"raw": {}}));
        let object = std::sync::Arc::make_mut(world.current.as_mut().unwrap());
        object.status = Some(pintle_model::Json::from_value(&json!({"conditions": "none"})));
        assert_eq!(said(&world.decide(&on_status(edit))), "no condition Ready");
    }
}

/// `Ready:kubelet@11 Synced:-syncer@12`: the type, a dash for a tombstone, who, and at which
/// revision.
fn ledger(world: &World) -> String {
    let Some(ledger) = &world.object().ledger else { return String::new() };
    let entries = ledger.settled(world.object().status_revision).entries;
    let one = |(kind, entry): (&String, &pintle_model::LedgerEntry)| {
        let dash = if entry.removed { "-" } else { "" };
        format!("{kind}:{dash}{}@{}", entry.manager, entry.changed.unwrap_or_default())
    };
    entries.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// An edit that depends on what is stored.
type EditOf<'a> = &'a dyn Fn(&World) -> Edit;

#[test]
fn the_ledger_says_who_wrote_each_condition_last() {
    let stored = |world: &World| world.status()["conditions"].clone();
    let flipped =
        json!([{"type": "Ready", "status": "False"}, {"type": "Synced", "status": "False"}]);
    let cases: [(EditOf<'_>, &str); 7] = [
        (&|_| merge(json!({"status": {"health": "Failed"}})), "Ready:kubelet@11 Synced:syncer@12"),
        (
            &|_| put_condition("Ready", json!({"status": "False"})),
            "Ready:other@13 Synced:syncer@12",
        ),
        (
            &|_| put_condition("Fresh", json!({"status": "True"})),
            "Fresh:other@13 Ready:kubelet@11 Synced:syncer@12",
        ),
        (&|_| list(&flipped), "Ready:other@13 Synced:syncer@12"),
        (&|_| remove_condition("Synced"), "Ready:kubelet@11 Synced:-other@13"),
        (&|_| replace_status(json!({"status": null})), "Ready:-other@13 Synced:-other@13"),
        (
            &|world| {
                replace_status(json!({"status": {"health": "Failed", "conditions": stored(world)}}))
            },
            "Ready:kubelet@11 Synced:syncer@12",
        ),
    ];
    for (edit, expected) in cases {
        let mut world = two();
        let edit = edit(&world);
        world.wrote(&on_status(edit.clone()).by("other"));
        assert_eq!(ledger(&world), expected, "{edit:?}");
    }
}

#[test]
fn dropping_somebody_elses_condition_is_said() {
    let warning = |kind: &str, owner: &str, by: &str| {
        format!("condition {kind:?} was removed; {owner:?} wrote it last, not {by:?}")
    };
    let ready = json!({"type": "Ready", "status": "True", "reason": "Up"});
    let cases = [
        (list(&json!([ready])), "kubelet", warning("Synced", "syncer", "kubelet")),
        (list(&json!([ready])), "syncer", String::new()),
        (
            merge(json!({"status": {"conditions": []}})),
            "kubelet",
            warning("Synced", "syncer", "kubelet"),
        ),
        (
            merge(json!({"status": null})),
            "x",
            warning("Ready", "kubelet", "x") + " ! " + &warning("Synced", "syncer", "x"),
        ),
        (remove_condition("Synced"), "kubelet", warning("Synced", "syncer", "kubelet")),
        (merge(json!({"status": {"health": "Failed"}})), "x", String::new()),
    ];
    for (edit, manager, expected) in cases {
        for conduct in [crate::world::REST, KUBE] {
            let intent = on_status(edit.clone()).by(manager).through(conduct);
            let decision = two().decide(&intent).unwrap();
            let warnings = decision.warnings.join(" ! ");
            assert_eq!(warnings, expected, "{edit:?} by {manager}");
        }
    }
}

#[test]
fn the_oldest_tombstones_make_room() {
    let mut world = World::with(json!({}));
    for round in 0..3 {
        let conditions: Vec<_> = (0..60)
            .map(|index| json!({"type": format!("T{round}-{index:02}"), "status": "True"}))
            .collect();
        world.wrote(&on_status(list(&json!(conditions))));
    }
    let entries = &world.object().ledger.as_ref().unwrap().entries;
    assert_eq!(entries.len(), 128);
    let of = |round: &str| entries.keys().filter(|kind| kind.starts_with(round)).count();
    assert_eq!([of("T0"), of("T1"), of("T2")], [8, 60, 60]);
    // Conditions that exist are never forgotten, however many there are.
    let many: Vec<_> =
        (0..300).map(|index| json!({"type": format!("M{index}"), "status": "True"})).collect();
    world.wrote(&on_status(list(&json!(many))));
    let entries = &world.object().ledger.as_ref().unwrap().entries;
    assert!(entries.len() == 300 && entries.values().all(|entry| !entry.removed));
}

#[test]
fn a_ledger_survives_versions_without_conditions() {
    let mut world = two().speaking("v2");
    world.wrote(&on_status(replace_status(json!({}))));
    assert_eq!(ledger(&world), "Ready:kubelet@11 Synced:syncer@12");
    assert_eq!(world.object().status_revision, Revision(13));
}

#[test]
fn a_spec_write_leaves_owners_alone() {
    let mut world = two();
    world.wrote(&main(merge(json!({"spec": {"location": "dc2"}}))).by("somebody"));
    assert_eq!(ledger(&world), "Ready:kubelet@11 Synced:syncer@12");
}

#[test]
fn a_few_of_many_faults_are_told() {
    let conditions: Vec<_> = (0..10_000)
        .map(|index| json!({"type": format!("T{}", index % 8_000), "status": "True"}))
        .collect();
    let answer = said(&World::with(json!({})).decide(&on_status(list(&json!(conditions)))));
    assert_eq!(answer.matches("Duplicate value").count(), 50, "{answer:.200}");
}
