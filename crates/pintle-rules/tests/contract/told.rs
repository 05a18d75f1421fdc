//! What a change says beside what it writes: how it was asked for, and which conditions it turned.

use pintle_model::{Flips, Manner};
use pintle_rules::{Conduct, DeleteOptions, Edit, Intent, Verdict};
use serde_json::{Value, json};

use crate::world::{
    But as _, KUBE, REST, World, create, json_patch, main, merge, on_status, put_condition,
    remove_condition, replace, replace_status,
};

/// Ready is true, Synced is false.
fn two() -> World {
    World::reported(json!({"conditions": [
        {"type": "Ready", "status": "True"},
        {"type": "Synced", "status": "False"},
    ]}))
}

fn told(world: &World, intent: &Intent) -> (Manner, Flips) {
    let decision = world.decide(intent).unwrap_or_else(|refusal| panic!("{intent:?}: {refusal:?}"));
    let Verdict::Change(change) = decision.verdict else { panic!("{intent:?} changes nothing") };
    (change.manner, change.put.flips().cloned().unwrap_or_default())
}

#[test]
fn a_change_says_how_it_was_asked_for() {
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let cases = [
        (main(replace(json!({"spec": {"location": "dc2"}}))), Manner::Replaced),
        (main(replace(labels.clone())), Manner::Replaced),
        (main(merge(labels)), Manner::Patched),
        (main(merge(json!({"spec": {"location": "dc2"}}))), Manner::Patched),
        (on_status(replace_status(json!({"status": {"health": "Healthy"}}))), Manner::Replaced),
        (on_status(merge(json!({"status": {"health": "Healthy"}}))), Manner::Patched),
        (on_status(put_condition("Ready", json!({"status": "False"}))), Manner::Patched),
        (on_status(remove_condition("Ready")), Manner::Patched),
        (main(Edit::Delete(DeleteOptions::default())), Manner::Replaced),
    ];
    let server = Conduct { patches_are: Manner::Replaced, ..REST };
    for (intent, expected) in cases {
        assert_eq!(told(&two(), &intent).0, expected, "{intent:?}");
        assert_eq!(told(&two(), &intent.through(server)).0, Manner::Replaced);
    }
    let created = main(create(json!({"spec": {"location": "dc1"}})));
    assert_eq!(told(&World::empty(), &created).0, Manner::Replaced);
}

#[test]
fn a_change_says_which_conditions_it_turned() {
    let list = |list: Value| on_status(replace_status(json!({"status": {"conditions": list}})));
    let entry = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "New"});
    let (ready, synced) = (entry("Ready", "True"), entry("Synced", "False"));
    let cases = [
        (on_status(put_condition("Ready", json!({"status": "False"}))), json!({"Ready": "True"})),
        (on_status(put_condition("Ready", json!({"status": "True", "reason": "R"}))), json!({})),
        (on_status(put_condition("Fresh", json!({"status": "Unknown"}))), json!({"Fresh": null})),
        (on_status(remove_condition("Synced")), json!({"Synced": "False"})),
        (list(json!([synced, ready])), json!({})),
        (
            list(json!([entry("Synced", "True"), entry("Ready", "Unknown")])),
            json!({"Ready": "True", "Synced": "False"}),
        ),
        (
            list(json!([entry("Fresh", "True")])),
            json!({"Fresh": null, "Ready": "True", "Synced": "False"}),
        ),
        (on_status(merge(json!({"status": null}))), json!({"Ready": "True", "Synced": "False"})),
        (on_status(merge(json!({"status": {"health": "Healthy"}}))), json!({})),
        (
            on_status(json_patch(
                json!([{"op": "replace", "path": "/status/conditions/1/status", "value": "True"}]),
            )),
            json!({"Synced": "False"}),
        ),
        (main(replace(json!({"spec": {"location": "dc2"}}))), json!({})),
    ];
    for (intent, expected) in cases {
        for conduct in [REST, KUBE] {
            let (_, flips) = told(&two(), &intent.clone().through(conduct));
            assert_eq!(json!(flips), expected, "{intent:?}");
        }
    }
}
