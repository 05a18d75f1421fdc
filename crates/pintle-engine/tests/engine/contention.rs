//! Many writers of one object.

use std::sync::Arc;

use pintle_engine::Refusal;
use pintle_rules::Refusal as RulesRefusal;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{World, device, merge, merge_status, replace, report, spec, status};

const WRITERS: usize = 64;

fn count(value: &Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_that_name_no_version_all_get_through() {
    let world = Arc::new(World::new().await);
    world.create("a", "red").await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let world = Arc::clone(&world);
        writers.spawn(async move {
            let mut revisions = Vec::new();
            for round in 0..4 {
                let tag = format!("{writer}-{round}");
                let want = merge(json!({"spec": {"tags": {tag: "x"}}}));
                revisions.push(world.put(&device("a"), want).await.revision);
            }
            revisions
        });
    }
    let by_writer = writers.join_all().await;
    for revisions in &by_writer {
        assert!(revisions.is_sorted_by(|a, b| a < b), "{revisions:?}");
    }
    let mut all = by_writer.concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), WRITERS * 4, "each write has a revision of its own");
    let after = world.get(&device("a")).await.unwrap();
    assert_eq!(count(&spec(&after)["tags"]), WRITERS * 4, "no update is lost");
    assert_eq!(after.generation().0, 1 + 4 * i64::try_from(WRITERS).unwrap());
}

/// Writers of one object are served in the order in which they came.
#[tokio::test]
async fn nobody_overtakes() {
    let world = Arc::new(World::new().await);
    world.create("a", "red").await;
    world.store.fate([crate::double::Fate::Slow(5)]);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let world = Arc::clone(&world);
        writers.spawn(async move {
            let want = merge(json!({"spec": {"tags": {writer.to_string(): "x"}}}));
            (world.put(&device("a"), want).await.revision, writer)
        });
    }
    let mut order = writers.join_all().await;
    order.sort_unstable();
    let order: Vec<_> = order.into_iter().map(|(_, writer)| writer).collect();
    assert_eq!(order, (0..WRITERS).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_that_race_lose_nothing() {
    let world = Arc::new(World::new().await);
    world.create("a", "red").await;
    let (mains, statuses) = (Arc::clone(&world), Arc::clone(&world));
    let rounds = 100;
    let main = tokio::spawn(async move {
        for round in 0..rounds {
            let want = merge(json!({"spec": {"tags": {round.to_string(): "x"}}}));
            mains.put(&device("a"), want).await;
        }
    });
    let reports = tokio::spawn(async move {
        for round in 0..rounds {
            statuses
                .put(&device("a"), merge_status(json!({"seen": {round.to_string(): "x"}})))
                .await;
        }
    });
    main.await.unwrap();
    reports.await.unwrap();
    let after = world.get(&device("a")).await.unwrap();
    assert_eq!(count(&spec(&after)["tags"]), rounds);
    assert_eq!(count(&status(&after)["seen"]), rounds);
    assert_eq!(after.generation().0, 1 + i64::try_from(rounds).unwrap());
}

/// Of many who name the same version, one wins; the others learn what stands there now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_name_one_version_one_wins() {
    let world = Arc::new(World::new().await);
    let made = world.create("a", "red").await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (world, at) = (Arc::clone(&world), made.revision);
        writers.spawn(async move {
            let color = writer.to_string();
            world.write(&device("a"), replace(json!({"spec": {"color": color}})).at(at)).await
        });
    }
    let answers = writers.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, WRITERS - 1));
    let won = won.into_iter().next().unwrap().unwrap().object;
    for refused in lost {
        let Err(Refusal::Rules(RulesRefusal::Conflict(conflict))) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((conflict.expected, conflict.current), (made.revision, won.revision));
        assert!(conflict.spec_changed && !conflict.status_changed);
        assert_eq!(conflict.object, won);
    }
}

/// A status write that names an old version says which half changed since.
#[tokio::test]
async fn a_conflict_says_which_half_changed() {
    let world = World::new().await;
    let made = world.create("a", "red").await;
    let reported = world.put(&device("a"), report(json!({"phase": "Up"}))).await;
    let stale = world.write(&device("a"), report(json!({"phase": "Down"})).at(made.revision)).await;
    let Err(Refusal::Rules(RulesRefusal::Conflict(conflict))) = stale else { panic!("{stale:?}") };
    assert_eq!((conflict.spec_changed, conflict.status_changed), (false, true));
    assert_eq!(conflict.object, reported);
}
