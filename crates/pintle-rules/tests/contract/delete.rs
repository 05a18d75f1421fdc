//! Deleting.

use pintle_rules::{
    DeleteOptions, Edit, FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Propagation, cleanup_finalizer,
};
use serde_json::{Value, json};

use crate::said::said;
use crate::world::{World, create, main, merge};

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
    let emptied = merge(json!({"metadata": {"finalizers": []}}));
    assert_eq!(said(&world.decide(&main(emptied))), "delete");
    // It is not put back when something else still keeps the object.
    let held = main(merge(json!({"metadata": {"finalizers": ["example.io/f"]}})));
    let mut world = World::of_core("namespaces", "shop");
    world.wrote(&main(create(json!({}))));
    world.wrote(&held);
    world.wrote(&main(background()));
    world.wrote(&held);
    assert_eq!(said(&world.decide(&main(background()))), "unchanged");
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
