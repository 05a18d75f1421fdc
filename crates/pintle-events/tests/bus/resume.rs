//! Order, completeness, and going on from anywhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use pintle_engine::Refusal;
use pintle_events::{CloudEvent, Cursor};
use serde_json::json;

use crate::world::{World, bus, create, delete, device, of_types, report, rest, since, types};

const WRITERS: [&str; 4] = ["a", "b", "c", "d"];

/// Writers of several objects at once, conditions and all. Each makes so many writes and two more.
async fn busy(world: &Arc<World>, writes: usize) {
    let writers = WRITERS.map(|name| {
        let world = Arc::clone(world);
        tokio::spawn(async move {
            world.write(&device(name), create(json!({}))).await;
            for n in 0..writes {
                let status = if n % 2 == 0 { "True" } else { "False" };
                let conditions = json!([
                    {"type": "Ready", "status": status}, {"type": "Synced", "status": status},
                ]);
                world.write(&device(name), report(json!({"conditions": conditions}))).await;
            }
            world.write(&device(name), delete()).await;
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
}

fn ids(events: &[Arc<CloudEvent>]) -> Vec<String> {
    events.iter().map(|event| event.id().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_committed_write_is_told_once_and_in_order() {
    let world = Arc::new(World::new().await);
    let bus = bus(&world);
    let start = world.engine.newest().0;
    let mut live = bus.subscribe(types("io.fabrica.device.*"), None).await.unwrap();
    let writing = tokio::spawn({
        let world = Arc::clone(&world);
        async move { busy(&world, 20).await }
    });
    let mut events = Vec::new();
    while events.len() < 4 * 22 {
        events.push(live.next().await.unwrap());
    }
    writing.await.unwrap();
    assert!(rest(&world, &mut live).await.is_empty());
    let revisions = events.iter().map(|event| event.entry().revision().0);
    assert!(revisions.eq(start + 1..=start + 4 * 22), "no gap, no repetition");
    for event in &events {
        assert_eq!(event.object().revision, event.entry().revision());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resuming_anywhere_misses_nothing_and_repeats_nothing() {
    let world = Arc::new(World::new().await);
    let bus = bus(&world);
    let start = Cursor::after(world.engine.newest());
    busy(&world, 6).await;
    for (pattern, count) in
        [("**", 4 * (8 + 12)), ("io.fabrica.condition.*", 4 * 12), ("**.synced", 4 * 6)]
    {
        let all = since(&world, &bus, start, pattern).await;
        let expected = ids(&all);
        assert_eq!(expected.iter().collect::<BTreeSet<_>>().len(), count, "{pattern}");
        for (told, event) in all.iter().enumerate() {
            for cursor in [event.cursor(), Cursor::parse(event.id()).unwrap()] {
                let after = since(&world, &bus, cursor, pattern).await;
                assert_eq!(ids(&after), expected[told + 1..], "{pattern} after {cursor}");
            }
        }
    }
}

#[tokio::test]
async fn what_was_not_dealt_with_is_told_again() {
    let world = World::new().await;
    let bus = bus(&world);
    let mut subscription = bus.subscribe(types("**"), None).await.unwrap();
    world.write(&device("a"), create(json!({}))).await;
    world.write(&device("b"), create(json!({}))).await;
    let first = subscription.next().await.unwrap();
    subscription.ack();
    let second = subscription.next().await.unwrap();
    subscription.rewind().await.unwrap();
    let again = subscription.next().await.unwrap();
    assert_eq!((again.id(), again.source()), (second.id(), second.source()));
    assert_ne!(again.id(), first.id());
    let kept = Cursor::parse(&subscription.acked().to_string()).unwrap();
    assert_eq!(of_types(&since(&world, &bus, kept, "**").await).len(), 1);
}

/// The cursor moves past what nobody asked for, so that it does not grow too old to go on from.
#[tokio::test]
async fn a_cursor_moves_past_what_is_not_wanted() {
    let world = World::new().await;
    let bus = bus(&world);
    let mut subscription = bus.subscribe(types("no.such.type"), None).await.unwrap();
    let written = world.write(&device("a"), create(json!({}))).await;
    assert!(rest(&world, &mut subscription).await.is_empty());
    assert_eq!(subscription.cursor(), Cursor::after(written.revision));
}

#[tokio::test]
async fn places_that_are_not_there_are_refused() {
    let world = World::new().await;
    let bus = bus(&world);
    let newest = world.engine.newest();
    for cursor in [Cursor::after(newest.next()), Cursor::within(newest.next(), 0)] {
        let refused = bus.subscribe(types("**"), Some(cursor)).await.unwrap_err();
        assert!(matches!(refused, Refusal::FromTheFuture { .. }), "{cursor}: {refused:?}");
    }
    let within = Cursor::within(newest, 9);
    let mut open = bus.subscribe(types("**"), Some(within)).await.unwrap();
    assert_eq!(open.cursor(), within);
    assert!(rest(&world, &mut open).await.is_empty());
}

#[tokio::test]
async fn a_subscription_is_a_stream_until_it_ends() {
    let world = World::new().await;
    let bus = bus(&world);
    let subscription = bus.subscribe(types("**"), None).await.unwrap();
    world.write(&device("a"), create(json!({}))).await;
    world.write(&device("a"), delete()).await;
    let mut events = Box::pin(subscription.into_stream());
    for expected in ["io.fabrica.device.created", "io.fabrica.device.deleted"] {
        assert_eq!(events.next().await.unwrap().unwrap().event_type(), expected);
    }
    world.engine.end_watches();
    assert_eq!(events.next().await.unwrap().unwrap_err(), Refusal::ShuttingDown);
    assert!(events.next().await.is_none());
}
