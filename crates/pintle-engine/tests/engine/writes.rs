//! The one write path, without rivals.

use std::sync::Arc;

use pintle_engine::{Limits, Refusal};
use pintle_model::ObjectKey;
use pintle_rules::Refusal as RulesRefusal;
use serde_json::json;

use crate::world::{
    Want, World, create, delete, device, device_in, devices, master, merge, merge_status,
    namespace, replace, report, spec, status,
};

#[tokio::test]
async fn each_lane_is_written_and_the_other_stays() {
    let world = World::new().await;
    let key = device("a");
    let made = world.create("a", "red").await;
    assert_eq!((made.generation().0, made.status.is_none()), (1, true));

    let reported = world.put(&key, report(json!({"phase": "Up"}))).await;
    assert_eq!(
        (spec(&reported), status(&reported)),
        (json!({"color": "red"}), json!({"phase": "Up"}))
    );
    assert_eq!((reported.generation().0, reported.body_revision), (1, made.revision));
    assert!(Arc::ptr_eq(&reported.metadata, &made.metadata), "metadata is shared, not copied");

    let replaced = world.put(&key, replace(json!({"spec": {"color": "blue"}}))).await;
    assert_eq!(
        (spec(&replaced), status(&replaced)),
        (json!({"color": "blue"}), json!({"phase": "Up"}))
    );
    assert_eq!((replaced.generation().0, replaced.status_revision), (2, reported.revision));

    let patched = world.put(&key, merge(json!({"spec": {"size": 3}}))).await;
    assert_eq!(spec(&patched), json!({"color": "blue", "size": 3}));

    let gone = world.write(&key, delete()).await.unwrap();
    assert!(gone.removed && gone.object.revision > patched.revision);
    assert_eq!(world.get(&key).await, Err(Refusal::Rules(RulesRefusal::NotFound)));
}

#[tokio::test]
async fn what_is_stored_already_is_not_written_again() {
    let world = World::new().await;
    let key = device("a");
    let made = world.create("a", "red").await;
    let newest = world.engine.newest();
    for want in
        [merge(json!({})), replace(json!({"spec": {"color": "red"}})), merge_status(json!({}))]
    {
        let written = world.write(&key, want).await.unwrap();
        assert_eq!((written.changed, written.object.revision), (false, made.revision));
    }
    assert_eq!(world.engine.newest(), newest);
}

#[tokio::test]
async fn dry_runs_write_nothing_and_show_what_would_be() {
    let world = World::new().await;
    let made = world.create("a", "red").await;
    world
        .until("the namespace settles", |world| {
            world.peek(&namespace("lab")).is_some_and(|it| it.status.is_some())
        })
        .await;
    let newest = world.engine.newest();
    let tried = world.write(&device("a"), merge(json!({"spec": {"size": 1}})).dry()).await.unwrap();
    assert_eq!(spec(&tried.object), json!({"color": "red", "size": 1}));
    assert!(tried.changed && tried.object.revision == made.revision);

    let tried = world.write(&device("b"), create(json!({"spec": {}})).dry()).await.unwrap();
    assert!(tried.changed);
    let tried = world.write(&device("a"), delete().dry()).await.unwrap();
    assert!(tried.changed && tried.removed);
    let tried = world.write(&device("a"), report(json!({"phase": "Up"})).dry()).await.unwrap();
    assert_eq!(status(&tried.object), json!({"phase": "Up"}));

    assert_eq!(world.engine.newest(), newest);
    assert_eq!(world.get(&device("a")).await.unwrap(), made);
}

/// A create may be addressed to no name at all when the document names the object.
#[tokio::test]
async fn a_name_that_is_taken_is_refused_wherever_it_stood() {
    let world = World::new().await;
    let made = world.create("a", "red").await;
    let taken = Refusal::Rules(RulesRefusal::AlreadyExists { uid: made.uid().clone() });
    let document = json!({"metadata": {"name": "a"}, "spec": {}});
    for (name, want) in
        [("a", create(json!({}))), ("", create(document.clone())), ("", create(document).dry())]
    {
        assert_eq!(world.write(&device(name), want).await.unwrap_err(), taken, "{name:?}");
    }
}

#[tokio::test]
async fn generated_names_that_are_taken_are_made_anew() {
    let world = World::new().await;
    let generate = || create(json!({"metadata": {"generateName": "x-"}, "spec": {}}));
    // Told backwards: uid, suffix, uid, suffix.
    world.entropy.tell(&[7, 100]);
    let first = world.put(&device(""), generate()).await;
    world.entropy.tell(&[8, 103, 7, 102, 7, 101]);
    let second = world.put(&device(""), generate()).await;
    assert!(first.key.name.name.starts_with("x-") && second.key.name.name.starts_with("x-"));
    assert_ne!(first.key, second.key);

    world.entropy.tell(&[7; 100]);
    let refused = world.write(&device(""), generate()).await.unwrap_err();
    let taken = Refusal::Rules(RulesRefusal::AlreadyExists { uid: first.uid().clone() });
    assert_eq!(refused, taken, "it does not try for ever");
}

#[tokio::test]
async fn objects_have_a_largest_size_and_may_always_shrink() {
    let limits = Limits { object_bytes_max: 2_000, ..Limits::default() };
    let world = World::limited(limits).await;
    let text = |length: usize| "x".repeat(length);
    world.create("a", &text(1_500)).await;
    let refused = world.write(&device("a"), report(json!({"phase": text(600)}))).await.unwrap_err();
    assert!(
        matches!(refused, Refusal::TooLarge { bytes, bytes_max: 2_000 } if bytes > 2_000),
        "{refused:?}"
    );
    let refused = world.write(&device("b"), create(json!({"spec": {"color": text(3_000)}}))).await;
    assert!(matches!(refused, Err(Refusal::TooLarge { .. })), "{refused:?}");

    // What was made when more was allowed can lose a finalizer, and go.
    let finalizers = json!({"metadata": {"finalizers": ["example.io/wait"]}});
    world.put(&device("a"), merge(finalizers)).await;
    let world = world.crash_limited(Limits { object_bytes_max: 100, ..Limits::default() }).await;
    world.put(&device("a"), replace(json!({"spec": {"color": text(1_000)}}))).await;
    world.put(&device("a"), delete()).await;
    let gone = world.write(&device("a"), merge(json!({"metadata": {"finalizers": []}}))).await;
    assert!(gone.unwrap().removed);
}

async fn check_no_place(world: &World, key: &ObjectKey, expected: &Refusal) {
    for want in [create(json!({})), create(json!({})).dry()] {
        assert_eq!(world.write(key, want).await.unwrap_err(), *expected);
    }
}

#[tokio::test]
async fn nothing_is_made_where_nothing_may_be() {
    let world = World::new().await;
    let missing = Refusal::NamespaceNotFound { namespace: "nowhere".into() };
    check_no_place(&world, &device_in("nowhere", "a"), &missing).await;

    let finalizers = json!({"metadata": {"finalizers": ["example.io/wait"]}});
    world.put(&device("a"), create(finalizers)).await;
    world.put(&namespace("lab"), delete()).await;
    let closing = Refusal::NamespaceTerminating { namespace: "lab".into() };
    check_no_place(&world, &device("b"), &closing).await;

    let served = world.served(&devices());
    let late = async |key: ObjectKey, want: Want| {
        world.write_with(&master(), Arc::clone(&served), &key, want).await.unwrap_err()
    };
    let elsewhere = device_in("default", "b");
    let definition = crate::world::definition(devices().as_str());
    world.put(&definition, delete()).await;
    check_no_place(&world, &elsewhere, &Refusal::KindTerminating).await;
    // What a request found before the kind began to go does not count.
    assert_eq!(late(elsewhere.clone(), create(json!({}))).await, Refusal::KindTerminating);

    world.put(&device("a"), merge(json!({"metadata": {"finalizers": []}}))).await;
    world.until_gone(&definition).await;
    world.until_served_no_more(&devices()).await;
    assert_eq!(late(elsewhere, create(json!({}))).await, Refusal::KindTerminating);
    let not_found = Refusal::Rules(RulesRefusal::NotFound);
    assert_eq!(late(device("a"), merge(json!({}))).await, not_found);
}
