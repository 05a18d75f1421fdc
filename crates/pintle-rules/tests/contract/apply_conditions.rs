//! Conditions that a manager owns: it changes those that it lists, nobody else's without force, and
//! only a change of those that it lists makes its version stale.

use pintle_rules::{ApplyConditions, ConflictScope, Edit, Intent};
use serde_json::{Value, json};

use crate::said::said;
use crate::world::{But as _, World, apply, main, merge, on_status, put_condition};

/// `Ready` by `kubelet` at revision 11, `Synced` by `syncer` at 12, a phase by `kubelet` at 13.
fn two() -> World {
    let mut world = World::with(json!({"spec": {"location": "dc1"}}));
    let ready = put_condition("Ready", json!({"status": "True", "reason": "Up"}));
    world.wrote(&on_status(ready).by("kubelet"));
    let synced = put_condition("Synced", json!({"status": "False", "reason": "Late"}));
    world.wrote(&on_status(synced).by("syncer"));
    world.wrote(&on_status(merge(json!({"status": {"phase": "Ready"}}))).by("kubelet"));
    world
}

fn applied(wanted: ApplyConditions) -> Intent {
    on_status(Edit::ApplyConditions(wanted)).by("kubelet")
}

fn forced(wanted: ApplyConditions) -> ApplyConditions {
    ApplyConditions { force: true, ..wanted }
}

/// `Ready=True Up, Synced=False Late`.
fn summary(world: &World) -> String {
    let status = world.status();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or("-").to_owned();
    let list = status["conditions"].as_array().cloned().unwrap_or_default();
    let one = |entry: &Value| {
        format!("{}={} {}", text(entry, "type"), text(entry, "status"), text(entry, "reason"))
    };
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn ready(status: &str) -> Value {
    json!([{"type": "Ready", "status": status, "reason": "Up"}])
}

#[test]
fn the_listed_types_change_and_the_others_stay() {
    let fresh = json!([{"type": "Fresh", "status": "Unknown", "reason": "New"}]);
    let cases = [
        (apply(ready("False"), &[]), "Ready=False Up, Synced=False Late"),
        (apply(fresh.clone(), &[]), "Ready=True Up, Synced=False Late, Fresh=Unknown New"),
        (apply(json!([]), &["Ready"]), "Synced=False Late"),
        (apply(fresh, &["Ready", "Absent"]), "Synced=False Late, Fresh=Unknown New"),
        (forced(apply(json!([]), &["Synced"])), "Ready=True Up"),
    ];
    for (wanted, expected) in cases {
        let mut world = two();
        world.wrote(&applied(wanted.clone()));
        assert_eq!(summary(&world), expected, "{wanted:?}");
        assert_eq!(world.status()["phase"], "Ready", "{wanted:?}");
    }
}

#[test]
fn what_others_own_is_theirs_until_it_is_taken() {
    let synced = |status: &str, reason: &str| json!([{"type": "Synced", "status": status, "reason": reason}]);
    let cases = [
        (apply(synced("True", "Late"), &[]), "owned Synced by syncer"),
        (apply(synced("False", "Slow"), &[]), "owned Synced by syncer"),
        (apply(ready("False"), &["Synced"]), "owned Synced by syncer"),
        // Who says the same changes nothing of theirs, whatever clock they have.
        (apply(synced("False", "Late"), &[]), "unchanged"),
        (apply(json!([]), &["Absent"]), "unchanged"),
    ];
    for (wanted, expected) in cases {
        assert_eq!(said(&two().decide(&applied(wanted.clone()))), expected, "{wanted:?}");
    }
    // Once taken, it belongs to the taker, and the former owner has to ask.
    let mut world = two();
    world.wrote(&applied(forced(apply(synced("True", "Mine"), &[]))));
    let back = on_status(Edit::ApplyConditions(apply(synced("False", "Late"), &[]))).by("syncer");
    assert_eq!(said(&world.decide(&back)), "owned Synced by kubelet");
    // What was removed belongs to nobody.
    world.wrote(&applied(apply(json!([]), &["Synced"])));
    world.wrote(&back);
    assert_eq!(summary(&world), "Ready=True Up, Synced=False Late");
}

#[test]
fn only_a_change_of_the_listed_types_is_a_conflict() {
    let both = json!([{"type": "Ready", "status": "False"}, {"type": "Fresh", "status": "True"}]);
    let cases = [
        (apply(ready("False"), &[]), 10, "conflict 10 is now 13"),
        (apply(ready("False"), &[]), 11, "status"),
        (apply(ready("False"), &[]), 13, "status"),
        (apply(both.clone(), &[]), 10, "conflict 10 is now 13"),
        (apply(both, &[]), 11, "status"),
        (forced(apply(json!([]), &["Synced"])), 11, "conflict 11 is now 13"),
        (forced(apply(json!([]), &["Synced"])), 12, "status"),
        (apply(json!([]), &["Absent"]), 10, "unchanged"),
        (apply(ready("False"), &[]), 14, "no version 14"),
        (apply(ready("False"), &[]), 0, "no version 0"),
        (apply(ready("False"), &[]), 9, "uid older is now device-1"),
    ];
    for (wanted, expected, answer) in cases {
        let mut intent = applied(wanted.clone()).expecting(expected);
        intent.precondition.scope = ConflictScope::Conditions;
        let said = said(&two().decide(&intent));
        assert!(said.starts_with(answer), "{wanted:?} at {expected}: {said}");
    }
    // For another edit it is the status that counts.
    let mut other = on_status(merge(json!({"status": {"phase": "Late"}}))).expecting(12);
    other.precondition.scope = ConflictScope::Conditions;
    assert!(said(&two().decide(&other)).starts_with("conflict 12 is now 13"));
}

#[test]
fn a_removal_that_the_ledger_forgot_is_taken_for_one() {
    let mut world = World::with(json!({"spec": {"location": "dc1"}}));
    let many: Vec<_> =
        (0..100).map(|n| json!({"type": format!("T{n}"), "status": "True"})).collect();
    world.wrote(&applied(apply(json!(many), &[])));
    let more: Vec<_> =
        (100..140).map(|n| json!({"type": format!("T{n}"), "status": "True"})).collect();
    world.wrote(&applied(apply(json!(more), &[])));
    let before = world.object().revision.0;
    let gone: Vec<_> = (0..20).map(|n| format!("T{n}")).collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    world.wrote(&applied(apply(json!([]), &gone)));
    let mut back = applied(apply(json!([{"type": "T0", "status": "True"}]), &[])).expecting(before);
    back.precondition.scope = ConflictScope::Conditions;
    assert!(said(&world.decide(&back)).starts_with("conflict"), "{}", said(&world.decide(&back)));
}

#[test]
fn the_observed_generation_is_that_of_each_condition_which_names_none() {
    let mut world = two();
    let set = json!([
        {"type": "Ready", "status": "True", "reason": "Up"},
        {"type": "Own", "status": "True", "observedGeneration": 0},
    ]);
    let wanted = ApplyConditions { observed_generation: Some(1), ..apply(set, &[]) };
    world.wrote(&applied(wanted));
    let status = world.status();
    let observed = |index: usize| status["conditions"][index]["observedGeneration"].clone();
    assert_eq!((observed(0), observed(2)), (json!(1), json!(0)), "{status}");
    let future = ApplyConditions { observed_generation: Some(7), ..apply(ready("True"), &[]) };
    let answer = said(&world.decide(&applied(future)));
    assert!(answer.contains("is larger than the object's generation, 1"), "{answer}");
}

#[test]
fn lists_have_rules() {
    let many: Vec<_> =
        (0..101).map(|n| json!({"type": format!("T{n}"), "status": "True"})).collect();
    let twice = json!([{"type": "A", "status": "True"}, {"type": "A", "status": "True"}]);
    let cases = [
        (apply(json!(many), &[]), "invalid conditions: Too many: 101 types"),
        (apply(twice, &[]), "invalid conditions[1].type: Duplicate value"),
        (apply(ready("True"), &["Ready"]), "invalid removeTypes[0]: Duplicate value"),
        (apply(json!([{"status": "True"}]), &[]), "invalid conditions[0].type: Required value"),
        (
            apply(json!([{"type": 7, "status": "True"}]), &[]),
            "invalid conditions[0].type: Required",
        ),
        (
            apply(json!([{"type": "Ready", "status": "yes"}]), &[]),
            "invalid status.conditions[0].status: Unsupported value",
        ),
    ];
    for (wanted, expected) in cases {
        let answer = said(&two().decide(&applied(wanted.clone())));
        assert!(answer.starts_with(expected), "{wanted:?}: {answer}");
    }
    let misplaced = main(Edit::ApplyConditions(apply(ready("True"), &[])));
    assert_eq!(said(&two().decide(&misplaced)), "not found");
    let mut namespace = World::of_core("namespaces", "prod");
    namespace.wrote(&main(crate::world::create(json!({"metadata": {"name": "prod"}}))));
    let edit = on_status(Edit::ApplyConditions(apply(ready("True"), &[])));
    assert!(matches!(said(&namespace.decide(&edit)).as_str(), text if !text.is_empty()));
}
