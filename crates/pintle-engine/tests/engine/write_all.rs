//! Several writes as one: all of them, or none.

use std::sync::Arc;

use pintle_engine::{NoneWritten, Refusal, Start};
use pintle_model::Revision;
use pintle_rules::Refusal as RulesRefusal;
use pintle_store::StoreError;
use serde_json::json;
use tokio::task::JoinSet;

use crate::double::Fate;
use crate::world::{
    World, create, delete, device, merge, merge_status, report, revision_of, spec, status,
    tell_until,
};

async fn three() -> (World, Vec<Revision>) {
    let world = World::new().await;
    let mut revisions = Vec::new();
    for name in ["a", "b", "c"] {
        revisions.push(world.create(name, "red").await.revision);
    }
    // What the server does by itself is done.
    world.engine.calm().await;
    (world, revisions)
}

#[tokio::test]
async fn all_are_written_in_their_order_and_told_one_by_one() {
    let (world, at) = three().await;
    let newest = world.engine.newest();
    let mut watcher = world.watch(Start::After(newest)).await.unwrap();
    let up = || report(json!({"phase": "Up"}));
    let written = world
        .write_all([
            ("c", up().at(at[2])),
            ("a", up().at(at[0])),
            ("b", merge(json!({"spec": {"color": "blue"}}))),
        ])
        .await
        .unwrap();
    let revisions: Vec<u64> = written.iter().map(|it| it.object.revision.0 - newest.0).collect();
    assert_eq!(revisions, [1, 2, 3]);
    assert!(written.iter().all(|it| it.changed && it.waited.is_some()));
    assert_eq!(spec(&world.get(&device("b")).await.unwrap()), json!({"color": "blue"}));
    let told = tell_until(&mut watcher, world.engine.newest()).await;
    let told: Vec<u64> = told.iter().map(|event| revision_of(event).0 - newest.0).collect();
    assert_eq!(told, [1, 2, 3]);
}

#[tokio::test]
async fn one_that_is_refused_takes_all_with_it() {
    let (world, at) = three().await;
    let newest = world.engine.newest();
    let up = || report(json!({"phase": "Up"}));
    let not_found = Refusal::Rules(RulesRefusal::NotFound);
    let cases = [
        (("b", up().at(at[0])), 1, None),
        (("none", up()), 1, Some(not_found)),
        (("b", report(json!({"phase": 7}))), 1, None),
        (("b", create(json!({"spec": {}}))), 1, None),
    ];
    for (bad, index, refusal) in cases {
        let refused = world.write_all([("a", up()), bad, ("c", up())]).await.unwrap_err();
        assert_eq!(refused.index, Some(index), "{refused:?}");
        assert!(refusal.is_none_or(|refusal| refusal == refused.refusal), "{:?}", refused.refusal);
    }
    assert_eq!(world.engine.newest(), newest);
    assert_eq!(world.get(&device("a")).await.unwrap().status, None);
}

#[tokio::test]
async fn what_changes_nothing_is_no_part_of_the_commit() {
    let (world, _) = three().await;
    let newest = world.engine.newest();
    let written = world
        .write_all([
            ("a", merge(json!({}))),
            ("b", merge_status(json!({"phase": "Up"}))),
            ("c", delete()),
        ])
        .await
        .unwrap();
    let found: Vec<_> = written.iter().map(|it| (it.changed, it.removed)).collect();
    assert_eq!(found, [(false, false), (true, false), (true, true)]);
    assert_eq!(world.engine.newest().0, newest.0 + 2);
    let none = world.write_all([("a", merge(json!({})))]).await.unwrap();
    assert!(!none[0].changed);
    let dry = world.write_all([("a", report(json!({"phase": "Up"})).dry())]).await.unwrap();
    assert_eq!((dry[0].changed, status(&dry[0].object)), (true, json!({"phase": "Up"})));
    assert_eq!(world.engine.newest().0, newest.0 + 2);
}

#[tokio::test]
async fn a_fault_of_the_store_is_no_fault_of_one_of_them() {
    let (world, _) = three().await;
    world.store.fate([Fate::Fails(StoreError::OutcomeUnknown("a fault".into()))]);
    let refused = world.write_all([("a", report(json!({"phase": "Up"})))]).await.unwrap_err();
    assert!(
        matches!(refused, NoneWritten { index: None, refusal: Refusal::OutcomeUnknown(_) }),
        "{refused:?}"
    );
}

/// Writers of the same objects, in any order, wait for each other and never for ever; and nobody
/// sees half of what another one writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rivals_in_opposite_orders_all_get_through() {
    let (world, _) = three().await;
    let world = Arc::new(world);
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let world = Arc::clone(&world);
        writers.spawn(async move {
            for round in 0..8 {
                let color = format!("{writer}-{round}");
                let want = || merge(json!({"spec": {"color": color}}));
                let mut wants = vec![("a", want()), ("b", want()), ("c", want())];
                if writer % 2 == 0 {
                    wants.reverse();
                }
                world.write_all(wants).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let color = async |name| spec(&world.get(&device(name)).await.unwrap())["color"].clone();
    let (a, b, c) = (color("a").await, color("b").await, color("c").await);
    assert!(a == b && b == c, "{a} {b} {c}");
    assert_eq!(world.get(&device("a")).await.unwrap().generation().0, 1 + 16 * 8);
}
