//! Stores that show old things, lose races, fail, or do not answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pintle_engine::{Limits, Refusal};
use pintle_model::{Object, ObjectKey, Timestamp};
use pintle_rules::Refusal as RulesRefusal;
use pintle_store::StoreError;
use serde_json::json;

use crate::double::Fate;
use crate::world::{
    World, crd, create, definition, delete, device, device_in, merge, merge_status, namespace,
    replace, report, spec, status,
};

fn not_found() -> Refusal {
    Refusal::Rules(RulesRefusal::NotFound)
}

/// Whatever a copy shows that is missing or old, the answer is that of the store.
#[tokio::test]
async fn verdicts_from_old_copies_are_confirmed() {
    let world = World::new().await;
    let key = device("a");
    let old = world.create("a", "red").await;
    let new = world.put(&key, replace(json!({"spec": {"color": "blue"}}))).await;

    world.store.lie(&key, None);
    let patched = world.write(&key, merge(json!({"spec": {"color": "blue"}}))).await.unwrap();
    assert_eq!((patched.changed, &patched.object), (false, &new), "missing in the copy");
    let taken = Refusal::Rules(RulesRefusal::AlreadyExists { uid: new.uid().clone() });
    for want in [create(json!({})), create(json!({})).dry()] {
        assert_eq!(world.write(&key, want).await.unwrap_err(), taken);
    }

    world.store.lie(&key, Some(Arc::clone(&old)));
    let write = world.write(&key, replace(json!({"spec": {"color": "red"}}))).await.unwrap();
    assert!(write.changed, "what looked like no change is one");
    let now = write.object;
    assert!(
        world.write(&key, merge(json!({})).at(now.revision)).await.is_ok(),
        "no false conflict"
    );
    let stale = world.write(&key, merge(json!({"spec": {"size": 1}})).at(old.revision)).await;
    let Err(Refusal::Rules(RulesRefusal::Conflict(conflict))) = stale else { panic!("{stale:?}") };
    assert_eq!(conflict.object, now, "the conflict shows the store's version");
    let dry = world.write(&key, merge(json!({"spec": {"size": 1}})).dry()).await.unwrap();
    assert_eq!(dry.object.revision, now.revision, "a dry run shows what there really is");

    world.store.lie(&key, Some(Arc::clone(&now)));
    world.store.fate([Fate::Rival("green")]);
    world.put(&key, delete()).await;
    for want in [merge(json!({})), report(json!({"phase": "Up"})), delete(), merge(json!({})).dry()]
    {
        assert_eq!(world.write(&key, want).await.unwrap_err(), not_found());
    }
}

/// That a namespace is missing, or going, is confirmed too.
#[tokio::test]
async fn namespaces_from_old_copies_are_confirmed() {
    let world = World::new().await;
    let lab = world.peek(&namespace("lab")).unwrap();
    world.store.lie(&namespace("lab"), None);
    world.create("a", "red").await;

    let mut going = Object::clone(&lab);
    Arc::make_mut(&mut going.metadata).deletion_timestamp = Some(Timestamp(0));
    world.store.lie(&namespace("lab"), Some(Arc::new(going)));
    world.create("b", "red").await;
    let missing = Refusal::NamespaceNotFound { namespace: "nowhere".into() };
    let refused = world.write(&device_in("nowhere", "a"), create(json!({}))).await.unwrap_err();
    assert_eq!(refused, missing);
}

/// A patch without a version is applied to what the rival left.
#[tokio::test]
async fn lost_races_are_run_again_on_the_rivals_version() {
    let world = World::new().await;
    world.create("a", "red").await;
    let tried = world.store.tried();
    world.store.fate([Fate::Rival("blue")]);
    let patched = world.put(&device("a"), merge(json!({"spec": {"size": 1}}))).await;
    assert_eq!(spec(&patched), json!({"color": "blue", "size": 1}));
    assert_eq!(world.store.tried(), tried + 2);

    world.store.fate([Fate::Rival("green")]);
    let stale =
        world.write(&device("a"), merge(json!({"spec": {"size": 2}})).at(patched.revision)).await;
    let Err(Refusal::Rules(RulesRefusal::Conflict(conflict))) = stale else { panic!("{stale:?}") };
    assert_eq!(
        spec(&conflict.object),
        json!({"color": "green"}),
        "seen inside the compare-and-swap"
    );

    world.store.fate([Fate::Rival("red")]);
    let reported = world.put(&device("a"), merge_status(json!({"phase": "Up"}))).await;
    assert_eq!(
        (spec(&reported), status(&reported)),
        (json!({"color": "red"}), json!({"phase": "Up"}))
    );
}

/// One failure is one refusal: nothing is tried blindly again, and nothing is half done.
#[tokio::test]
async fn failures_of_the_store_are_told_and_not_retried() {
    let world = World::new().await;
    world.create("a", "red").await;
    let why = || "for a reason".to_owned();
    let cases = [
        (StoreError::Full(why()), Refusal::StorageFull(why())),
        (StoreError::Unavailable(why()), Refusal::Unavailable(why())),
        (StoreError::OutcomeUnknown(why()), Refusal::OutcomeUnknown(why())),
        (StoreError::Overloaded, Refusal::Overloaded),
        (StoreError::Closed, Refusal::ShuttingDown),
    ];
    let wants = [
        ("a", merge(json!({"spec": {"size": 1}}))),
        ("a", report(json!({"phase": "Up"}))),
        ("a", delete()),
        ("b", create(json!({}))),
    ];
    for (error, expected) in cases {
        for (name, want) in wants.clone() {
            let tried = world.store.tried();
            world.store.fate([Fate::Fails(error.clone())]);
            let refused = world.write(&device(name), want).await.unwrap_err();
            assert_eq!((refused, world.store.tried()), (expected.clone(), tried + 1));
        }
    }
    // Also when it fails at the second attempt.
    world.store.fate([Fate::Rival("blue"), Fate::Fails(StoreError::Overloaded)]);
    let refused = world.write(&device("a"), merge(json!({"spec": {"size": 1}}))).await.unwrap_err();
    assert_eq!((refused, world.store.unmet()), (Refusal::Overloaded, 0));
    assert_eq!(spec(&world.get(&device("a")).await.unwrap()), json!({"color": "blue"}));
    assert_eq!(world.get(&device("b")).await.unwrap_err(), not_found());
    world.put(&device("a"), merge(json!({"spec": {"size": 1}}))).await;
}

fn hasty() -> Limits {
    Limits { write_deadline: Duration::from_millis(500), ..Limits::default() }
}

/// Whoever waits for a turn in vain has written nothing; whoever was in the middle of a commit
/// does not know.
#[tokio::test(start_paused = true)]
async fn the_deadline_tells_not_written_from_not_known() {
    let world = Arc::new(World::limited(hasty()).await);
    world.create("a", "red").await;
    world.store.fate([Fate::Silent]);
    let first = Arc::clone(&world);
    let first = tokio::spawn(async move {
        first.write(&device("a"), merge(json!({"spec": {"size": 1}}))).await
    });
    while world.store.unmet() > 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_millis(250)).await;
    // The first one holds its turn for another 250 ms, and then the second one has 250 left.
    let second = world.put(&device("a"), merge(json!({"spec": {"color": "blue"}}))).await;
    let first = first.await.unwrap().unwrap_err();
    assert!(matches!(first, Refusal::OutcomeUnknown(_)), "{first:?}");
    assert_eq!(spec(&second), json!({"color": "blue", "size": 1}), "it had happened");

    world.store.fate([Fate::Slow(700), Fate::Slow(700)]);
    let slow = Arc::clone(&world);
    let slow =
        tokio::spawn(
            async move { slow.write(&device("a"), merge(json!({"spec": {"size": 2}}))).await },
        );
    while world.store.unmet() > 1 {
        tokio::task::yield_now().await;
    }
    let waiting = world.write(&device("a"), merge(json!({"spec": {"size": 3}}))).await.unwrap_err();
    assert_eq!(waiting, Refusal::Contended);
    slow.await.unwrap().unwrap_err();
    assert_eq!(spec(&world.get(&device("a")).await.unwrap())["size"], 1);
}

/// A writer who always loses gives up, even when the store answers at once each time.
#[tokio::test]
async fn losing_for_ever_ends_at_the_deadline() {
    let limits = Limits { write_deadline: Duration::from_millis(50), ..Limits::default() };
    let world = World::limited(limits).await;
    world.create("a", "red").await;
    world.store.fate([Fate::Rivals]);
    let refused = world.write(&device("a"), merge(json!({"spec": {"size": 1}}))).await.unwrap_err();
    assert_eq!(refused, Refusal::Contended);
}

fn nobody_follows(world: &World) {
    world.store.tails_fail.store(true, Ordering::SeqCst);
    world.store.lists_fail.store(true, Ordering::SeqCst);
}

/// What was written is answered as written, even if it cannot come into force.
#[tokio::test(start_paused = true)]
async fn a_definition_that_cannot_come_into_force_is_written_all_the_same() {
    let world = World::limited(hasty()).await;
    nobody_follows(&world);
    world.declare(crd("gauges", "Gauge")).await;
    assert!(world.catalog().by_plural("gauges").next().is_none());
    world.store.tails_fail.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(world.catalog().by_plural("gauges").next().is_some(), "it is tried again");
}

#[tokio::test]
async fn closing_leaves_nobody_waiting() {
    let world = Arc::new(World::new().await);
    let newest = world.engine.newest();
    let mut watcher = world.watch(pintle_engine::Start::After(newest)).await.unwrap();
    nobody_follows(&world);
    let declaring = Arc::clone(&world);
    let declaring = tokio::spawn(async move { declaring.declare(crd("gauges", "Gauge")).await });
    world
        .until("it is written", |world| {
            world.peek(&definition("gauges.infra.example.io")).is_some()
        })
        .await;
    world.engine.close().await.unwrap();
    let answered = tokio::time::timeout(Duration::from_secs(10), declaring).await;
    answered.expect("nobody follows the log any more").unwrap();

    assert_eq!(watcher.next().await.unwrap_err(), Refusal::ShuttingDown);
    let refused = world.write(&device("a"), create(json!({}))).await.unwrap_err();
    assert_eq!(refused, Refusal::ShuttingDown);
    world.engine.close().await.unwrap();
}

/// When the log cannot be followed, everything is loaded anew, and what has gone is forgotten.
#[tokio::test]
async fn without_a_log_the_state_is_loaded_anew() {
    let world = World::new().await;
    let root = world.create("root", "red").await;
    let owner = json!({"apiVersion": "infra.example.io/v1", "kind": "Device", "name": "root",
        "uid": root.uid()});
    world.store.tails_fail.store(true, Ordering::SeqCst);
    world.declare(crd("gauges", "Gauge")).await;
    let gauges = world.catalog().by_plural("gauges").next().unwrap().resource();
    let child = create(json!({"metadata": {"ownerReferences": [owner]}}));
    let child = world.put(&ObjectKey::new(gauges.clone(), "lab", "child"), child).await;
    world.put(&device("root"), delete()).await;
    world.until_gone(&child.key).await;
    world.put(&definition(gauges.as_str()), delete()).await;
    world.until_gone(&definition(gauges.as_str())).await;
    world.until_served_no_more(&gauges).await;
}

/// A task that panics is not missed in silence: without it, rights that are taken away would count.
#[tokio::test]
async fn a_vital_task_that_breaks_off_is_told_of() {
    let world = World::new().await;
    world.engine.calm().await;
    assert_eq!(world.engine.broken(), None);
    world.store.tails_panic.store(true, Ordering::SeqCst);
    world.create("a", "red").await;
    let broken = tokio::time::timeout(Duration::from_secs(20), world.engine.breaks()).await;
    assert_eq!(broken, Ok("the follower of kinds and rules"));
    assert_eq!(world.engine.broken(), broken.ok());
}

/// An engine that is closed has nothing to tell.
#[tokio::test]
async fn a_clean_end_breaks_nothing() {
    let world = World::new().await;
    world.engine.close().await.unwrap();
    assert_eq!(world.engine.broken(), None);
}

/// What is to be done for others is tried again, however it failed.
#[tokio::test(start_paused = true)]
async fn a_namespace_goes_though_emptying_it_broke_off() {
    let world = World::new().await;
    world.create("a", "red").await;
    world.engine.calm().await;
    world.store.fate([Fate::Panics, Fate::Fails(StoreError::Unavailable("no".into()))]);
    world.put(&namespace("lab"), delete()).await;
    world.engine.calm().await;
    assert_eq!(world.store.unmet(), 0);
    assert_eq!((world.peek(&namespace("lab")), world.peek(&device("a"))), (None, None));
    assert_eq!(world.engine.broken(), None);
}
