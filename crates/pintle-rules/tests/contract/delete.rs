//! Deleting.

use std::sync::Arc;

use pintle_rules::{
    DeleteOptions, Edit, FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Propagation, cleanup_finalizer,
};
use serde_json::{Value, json};

use crate::said::said;
use crate::world::{World, create, json_patch, main, main_document, merge, on_status, replace};

pub(crate) fn background() -> Edit {
    delete(Propagation::Background)
}

fn delete(propagation: Propagation) -> Edit {
    Edit::Delete(DeleteOptions { propagation, ..DeleteOptions::default() })
}

/// The finalizers after a row of deletions; nothing when the object is gone.
fn left(finalizers: Value, deletions: &[Propagation]) -> Option<Vec<String>> {
    let mut world = World::with(json!({"metadata": {"finalizers": finalizers}}));
    for propagation in deletions {
        world.wrote(&main(delete(*propagation)));
    }
    world.current.map(|object| object.metadata.finalizers.clone())
}

/// The finalizers at first, the deletions, and the finalizers that are left.
type Row<'a> = (Value, &'a [Propagation], Option<&'a [&'a str]>);

#[test]
fn finalizers_keep_an_object() {
    use Propagation::{Background, Foreground, Orphan};
    let mine = "example.io/f";
    let cases: [Row<'_>; 10] = [
        (json!([]), &[Background], None),
        (json!([]), &[Foreground], Some(&[FOREGROUND_FINALIZER])),
        (json!([]), &[Orphan], Some(&[ORPHAN_FINALIZER])),
        (json!([mine]), &[Background], Some(&[mine])),
        (json!([mine]), &[Foreground], Some(&[mine, FOREGROUND_FINALIZER])),
        (json!([mine]), &[Foreground, Foreground], Some(&[mine, FOREGROUND_FINALIZER])),
        // What is owned can go first or stay, not both.
        (json!([mine]), &[Foreground, Orphan], Some(&[mine, ORPHAN_FINALIZER])),
        (json!([]), &[Orphan, Foreground], Some(&[FOREGROUND_FINALIZER])),
        (json!([]), &[Orphan, Background], Some(&[ORPHAN_FINALIZER])),
        (json!([ORPHAN_FINALIZER]), &[Background], Some(&[ORPHAN_FINALIZER])),
    ];
    for (finalizers, deletions, expected) in cases {
        let left = left(finalizers.clone(), deletions);
        let left: Option<Vec<&str>> =
            left.as_ref().map(|left| left.iter().map(String::as_str).collect());
        assert_eq!(left.as_deref(), expected, "{finalizers} {deletions:?}");
    }
}

#[test]
fn deletion_begins_once() {
    let mut world = World::with(json!({"metadata": {"finalizers": ["example.io/f"]}}));
    assert_eq!(said(&world.write(&main(background()))), "main g2");
    let began = world.object().metadata.deletion_timestamp;
    assert_eq!(began.unwrap().seconds(), "2026-01-01T00:00:01Z");
    assert_eq!(world.object().metadata.deletion_grace_period_seconds, Some(0));
    assert_eq!(said(&world.write(&main(background()))), "unchanged");
    assert_eq!(said(&world.write(&main(delete(Propagation::Foreground)))), "main g2");
    assert_eq!(world.object().metadata.deletion_timestamp, began);
}

#[test]
fn what_contains_others_is_emptied_first() {
    let mut world = World::of_core("namespaces", "shop");
    world.wrote(&main(create(json!({}))));
    world.wrote(&main(background()));
    let cleanup = cleanup_finalizer(&world.object().key.resource).unwrap();
    assert_eq!(world.object().metadata.finalizers, [cleanup]);
    assert_eq!(said(&world.decide(&main(background()))), "unchanged");
    let kept =
        "! metadata.finalizers: the server's own stays until what the object contains is gone";
    for edit in [
        merge(json!({"metadata": {"finalizers": []}})),
        json_patch(json!([{"op": "remove", "path": "/metadata/finalizers"}])),
        replace(json!({"metadata": {"finalizers": []}})),
    ] {
        let answer = said(&world.decide(&main(edit.clone())));
        assert_eq!(answer, format!("unchanged {kept}"), "{edit:?}");
    }
    world.wrote(&main(merge(json!({"metadata": {"labels": {"a": "b"}, "finalizers": []}}))));
    assert_eq!(world.object().metadata.finalizers, [cleanup]);
    assert_eq!(said(&world.decide(&on_status(Edit::Emptied))), "not found");
    assert_eq!(said(&world.decide(&main(Edit::Emptied))), "delete");
    // It is not put back when something else still keeps the object.
    let held = main(merge(json!({"metadata": {"finalizers": ["example.io/f"]}})));
    let mut world = World::of_core("namespaces", "shop");
    world.wrote(&main(create(json!({}))));
    world.wrote(&held);
    world.wrote(&main(background()));
    world.wrote(&held);
    assert_eq!(said(&world.decide(&main(background()))), "unchanged");
}

fn finalize(list: Value) -> Edit {
    Edit::Finalize(main_document(json!({
        "metadata": {"labels": {"of": "finalize"}, "finalizers": []},
        "spec": {"finalizers": list},
        "status": {"phase": "Active"},
    })))
}

#[test]
fn finalizers_in_the_body_are_written_by_themselves() {
    let mut world = World::of_core("namespaces", "shop");
    let held = json!({"spec": {"finalizers": ["example.io/hold"]}});
    world.wrote(&main(create(held)));
    let listed = |world: &World| world.object().body.to_value();
    let both = json!({"spec": {"finalizers": ["example.io/hold", "kubernetes"]}});
    assert_eq!(listed(&world), both, "a new one has that of the server, too");
    let ignored = "! spec.finalizers was ignored: it is written through the finalize subresource \
                   only";
    for (edit, expected) in [
        (replace(json!({"spec": {"finalizers": []}})), format!("unchanged {ignored}")),
        (merge(json!({"spec": {"finalizers": []}})), format!("unchanged {ignored}")),
        (merge(json!({"spec": null})), "unchanged".to_owned()),
        (replace(json!({"spec": {}})), "unchanged".to_owned()),
        (replace(both), "unchanged".to_owned()),
    ] {
        assert_eq!(said(&world.decide(&main(edit.clone()))), expected, "{edit:?}");
    }
    let metadata = Arc::clone(&world.object().metadata);
    world.wrote(&main(finalize(json!(["kubernetes", "example.io/other"]))));
    let expected = json!({"spec": {"finalizers": ["kubernetes", "example.io/other"]}});
    assert_eq!(listed(&world), expected);
    assert_eq!(world.object().metadata.labels, metadata.labels, "nothing else counts");
    assert_eq!(world.object().metadata.finalizers, metadata.finalizers);
    for (list, expected) in [
        (json!(["plain"]), "neither a standard finalizer name nor is it fully qualified"),
        (json!(["a/b", "a/b"]), "Duplicate value"),
        (json!(["!/b"]), "prefix part"),
        (json!("a/b"), "invalid"),
    ] {
        let answer = said(&world.decide(&main(finalize(list.clone()))));
        assert!(answer.contains(expected) && answer.starts_with("invalid"), "{list}: {answer}");
    }
    assert_eq!(said(&world.decide(&on_status(finalize(json!([]))))), "not found");
    let devices = World::with(json!({}));
    assert_eq!(said(&devices.decide(&main(finalize(json!([]))))), "not found");
}

#[test]
fn finalizers_in_the_body_keep_what_is_deleted() {
    let mut world = World::of_core("namespaces", "shop");
    world.wrote(&main(create(json!({"spec": {"finalizers": ["example.io/hold"]}}))));
    world.wrote(&main(background()));
    let release = main(finalize(json!(["kubernetes"])));
    let answer = said(&world.decide(&release));
    assert!(answer.starts_with("main "), "it is not empty yet: {answer}");
    world.wrote(&main(Edit::Emptied));
    assert_eq!(said(&world.decide(&main(background()))), "unchanged");
    for list in [json!(["kubernetes"]), json!([]), Value::Null] {
        assert_eq!(said(&world.decide(&main(finalize(list.clone())))), "delete", "{list}");
    }
    // Let go by the others before it was empty, it waits for that alone.
    let mut world = World::of_core("namespaces", "shop");
    world.wrote(&main(create(json!({}))));
    world.wrote(&main(background()));
    world.wrote(&main(finalize(json!([]))));
    assert_eq!(said(&world.decide(&main(Edit::Emptied))), "delete");
}

#[test]
fn nothing_is_deleted_twice() {
    assert_eq!(said(&World::empty().decide(&main(background()))), "not found");
    let mut world = World::with(json!({}));
    assert_eq!(said(&world.write(&main(background()))), "delete");
    assert_eq!(said(&world.write(&main(background()))), "not found");
}

#[test]
fn the_namespace_that_is_meant_without_a_name_stays() {
    for (name, expected) in [("default", "indispensable"), ("other", "main g2")] {
        let mut world = World::of_core("namespaces", name);
        world.wrote(&main(create(json!({}))));
        let answer = said(&world.decide(&main(background())));
        assert!(answer.starts_with(expected), "{name}: {answer}");
    }
}
