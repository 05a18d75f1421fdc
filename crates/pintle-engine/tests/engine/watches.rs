//! Watches: what they tell, when they end, what they cost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pintle_engine::{Limits, Refusal, Start, Watch, WatchEvent, Watcher};
use pintle_model::{FieldSelector, LabelSelector, Revision};
use pintle_store::HistoryLimits;
use serde_json::json;

use crate::world::{
    PATIENCE, Terms, World, create, delete, device, device_in, devices, master, merge, report,
    revision_of, spec, status, tell_until, told,
};

fn all_told(events: &[WatchEvent]) -> Vec<String> {
    events.iter().map(told).collect()
}

#[tokio::test]
async fn state_comes_first_and_then_each_change() {
    let world = World::limited(Limits { list_page: 2, ..Limits::default() }).await;
    for name in ["a", "b", "c"] {
        world.create(name, "red").await;
    }
    let mut watcher = world.watch(Start::WithState).await.unwrap();
    assert_eq!(watcher.cursor(), None);
    // Written while the state is being told: it is told after it, once.
    let first = watcher.next().await.unwrap();
    world.create("d", "red").await;
    world.put(&device("a"), report(json!({"phase": "Up"}))).await;
    world.put(&device("c"), delete()).await;
    let mut told = all_told(&first);
    told.extend(all_told(&tell_until(&mut watcher, world.engine.newest()).await));
    let expected =
        ["EXISTING a", "EXISTING b", "EXISTING c", "STATE", "ADDED d", "MODIFIED a", "DELETED c"];
    assert_eq!(told, expected);
}

/// Writers who race with the start of a watch: what it shows in the end is what there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_starts_amid_writes_misses_and_repeats_nothing() {
    let world = Arc::new(World::limited(Limits { list_page: 4, ..Limits::default() }).await);
    let writing = Arc::clone(&world);
    let writer = tokio::spawn(async move {
        for round in 0..300 {
            let name = format!("d{}", round % 20);
            if round % 7 == 6 && writing.peek(&device(&name)).is_some() {
                writing.put(&device(&name), delete()).await;
            } else if writing.peek(&device(&name)).is_some() {
                writing.put(&device(&name), merge(json!({"spec": {"size": round}}))).await;
            } else {
                writing.create(&name, "red").await;
            }
            tokio::task::yield_now().await;
        }
    });
    let mut watchers = Vec::new();
    while !writer.is_finished() {
        watchers.push(world.watch(Start::WithState).await.unwrap());
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    let newest = world.engine.newest();
    let listed = world.list(crate::world::all(world.selection(None))).await.unwrap();
    for mut watcher in watchers {
        let mut seen = std::collections::BTreeMap::new();
        let mut last = Revision::ZERO;
        for event in tell_until(&mut watcher, newest).await {
            let at = revision_of(&event);
            match event {
                WatchEvent::Existing(object) => {
                    assert!(seen.insert(object.key.clone(), object).is_none());
                    continue;
                }
                WatchEvent::Added(object) => {
                    assert!(seen.insert(object.key.clone(), object).is_none());
                }
                WatchEvent::Modified { object, .. } => {
                    let before = seen.insert(object.key.clone(), Arc::clone(&object)).unwrap();
                    assert!(before.revision < object.revision);
                }
                WatchEvent::Deleted(object) => assert!(seen.remove(&object.key).is_some()),
                WatchEvent::Bookmark { .. } => {}
            }
            assert!(last < at, "{last} {at}");
            last = at;
        }
        assert_eq!(seen.into_values().collect::<Vec<_>>(), listed.objects);
    }
}

#[tokio::test]
async fn what_comes_into_and_leaves_the_selection_is_added_and_deleted() {
    let world = World::new().await;
    let start = world.engine.newest();
    let mut by_field = world.selection(None);
    by_field.fields = FieldSelector::parse("spec.color=red").unwrap();
    let mut by_label = world.selection(None);
    by_label.labels = LabelSelector::parse("shown").unwrap();
    let label = |value| merge(json!({"metadata": {"labels": {"shown": value}}}));

    let key = device("a");
    world.create("a", "blue").await;
    world.put(&key, label(json!("yes"))).await;
    world.put(&key, merge(json!({"spec": {"color": "red"}}))).await;
    let up = world.put(&key, report(json!({"phase": "Up"}))).await;
    let unlabelled = world.put(&key, label(json!(null))).await;
    let left = world.put(&key, merge(json!({"spec": {"color": "blue"}}))).await;
    world.put(&key, delete()).await;

    let cases = [
        (
            by_field,
            vec!["ADDED a", "MODIFIED a", "MODIFIED a", "DELETED a"],
            left.revision,
            unlabelled.body.clone(),
        ),
        (
            by_label,
            vec!["ADDED a", "MODIFIED a", "MODIFIED a", "DELETED a"],
            unlabelled.revision,
            up.body.clone(),
        ),
    ];
    for (selection, expected, revision, last_body) in cases {
        let mut watcher = world.watch_selection(selection, Start::After(start)).await.unwrap();
        let events = tell_until(&mut watcher, world.engine.newest()).await;
        assert_eq!(all_told(&events), expected);
        let Some(WatchEvent::Deleted(last)) = events.last() else { panic!() };
        assert_eq!(
            (last.revision, &last.body),
            (revision, &last_body),
            "its last state that was seen"
        );
    }
}

#[tokio::test]
async fn a_removal_shows_the_last_state() {
    let world = World::new().await;
    world.create("a", "red").await;
    let last = world.put(&device("a"), report(json!({"phase": "Up"}))).await;
    let mut watcher = world.watch(Start::After(last.revision)).await.unwrap();
    let gone = world.put(&device("a"), delete()).await;
    let events = watcher.next().await.unwrap();
    let [WatchEvent::Deleted(object)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((spec(object), status(object)), (spec(&last), status(&last)));
    assert!(object.revision == gone.revision && gone.revision > last.revision);
}

/// Somebody who may see two namespaces sees nothing of a third, whether or not history still has
/// what was before.
#[tokio::test]
async fn granted_namespaces_are_one_watch_and_no_more() {
    let world = World::new().await;
    world.create_namespace("ops").await;
    for forgets in [false, true] {
        *world.store.forgets_before.lock().unwrap() = forgets;
        let start = world.engine.newest();
        for namespace in ["lab", "default", "ops"] {
            let key = device_in(namespace, &format!("in-{namespace}"));
            world.put(&key, create(json!({}))).await;
            world.put(&key, merge(json!({"spec": {"color": "red"}}))).await;
            world.put(&key, delete()).await;
        }
        let grants = ["lab", "ops"].map(|namespace| {
            let selection = world.selection(Some(namespace));
            let watch = Watch { selection, start: Start::After(start) };
            world.engine.rules().grant(&master(), watch).unwrap()
        });
        let mut watcher = world.engine.watch(grants.into()).await.unwrap();
        let events = tell_until(&mut watcher, world.engine.newest()).await;
        let expected = ["lab", "ops"].map(|namespace| {
            ["ADDED", "MODIFIED", "DELETED"].map(|word| format!("{word} in-{namespace}"))
        });
        assert_eq!(all_told(&events), expected.concat(), "forgets: {forgets}");
    }
    *world.store.forgets_before.lock().unwrap() = false;
}

/// Several kinds: their state as it all was at one revision, then their changes in the order of the
/// commits, and nothing of other kinds.
#[tokio::test]
async fn kinds_that_are_watched_together_are_told_in_one_order() {
    let world = World::limited(Limits { list_page: 2, ..Limits::default() }).await;
    world.declare(crate::world::crd("gauges", "Gauge")).await;
    let gauges = pintle_model::GroupResource::from_text("gauges.infra.example.io");
    let served = world.catalog().get(&gauges).cloned().unwrap();
    let gauge = |name: &str| pintle_model::ObjectKey::new(gauges.clone(), "default", name);
    for name in ["a", "b", "c"] {
        world.create(name, "red").await;
        world.put(&gauge(name), create(json!({}))).await;
    }
    let others = world.selection(None);
    let selection = pintle_engine::Selection {
        version: Arc::clone(served.default_version()),
        served,
        namespace: None,
        ..others.clone()
    };
    let grants = |start| {
        [others.clone(), selection.clone()].map(|selection| {
            world.engine.rules().grant(&master(), Watch { selection, start }).unwrap()
        })
    };
    let start = world.engine.newest();
    let mut from_state = world.engine.watch(grants(Start::WithState).into()).await.unwrap();
    let mut told = all_told(&from_state.next().await.unwrap());
    world.put(&gauge("a"), delete()).await;
    world.create("d", "red").await;
    world.put(&gauge("d"), create(json!({}))).await;
    world.create_namespace("nobody-looks").await;
    world.put(&device("d"), delete()).await;
    let newest = world.engine.newest();
    told.extend(all_told(&tell_until(&mut from_state, newest).await));
    let state = ["EXISTING a", "EXISTING b", "EXISTING c"];
    let changes = ["DELETED a", "ADDED d", "ADDED d", "DELETED d"];
    assert_eq!(told, [&state[..], &state, &["STATE"], &changes].concat());
    let mut resumed = world.engine.watch(grants(Start::After(start)).into()).await.unwrap();
    let events = tell_until(&mut resumed, newest).await;
    assert_eq!(all_told(&events), changes);
    let resources = events.iter().map(|event| match event {
        WatchEvent::Added(object) | WatchEvent::Deleted(object) => object.key.resource.plural(),
        other => panic!("{other:?}"),
    });
    assert_eq!(resources.collect::<Vec<_>>(), ["gauges", "devices", "gauges", "devices"]);
}

/// Whoever wants to know what a change changed is told what was before, as long as that is known.
#[tokio::test]
async fn a_change_is_told_with_what_was_before_it() {
    let world = World::new().await;
    let made = world.create("a", "red").await;
    for forgets in [false, true] {
        *world.store.forgets_before.lock().unwrap() = forgets;
        let mut watcher = world.watch(Start::After(world.engine.newest())).await.unwrap();
        let phase = if forgets { "Down" } else { "Up" };
        world.put(&device("a"), report(json!({"phase": phase}))).await;
        let events = watcher.next().await.unwrap();
        let [WatchEvent::Modified { object, before }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(status(object), json!({"phase": phase}));
        let expected = (!forgets).then_some(made.revision);
        assert_eq!(before.as_ref().map(|before| before.revision), expected);
    }
    *world.store.forgets_before.lock().unwrap() = false;
}

/// A slow reader is waited for by nobody, and finds everything in the log.
#[tokio::test]
async fn slow_watchers_hold_nobody_up_and_catch_up() {
    let world = World::limited(Limits { watch_batch: 7, ..Limits::default() }).await;
    let start = Start::After(world.engine.newest());
    let mut slow = world.watch(start).await.unwrap();
    let mut fast = world.watch(start).await.unwrap();
    world.create("a", "red").await;
    for round in 0..200 {
        world.put(&device("a"), report(json!({"phase": round.to_string()}))).await;
        let events = fast.next().await.unwrap();
        assert!((1..=7).contains(&events.len()));
    }
    let events = tell_until(&mut slow, world.engine.newest()).await;
    assert_eq!(events.len(), 201);
    assert!(events.iter().map(revision_of).is_sorted_by(|a, b| a < b));
}

/// A store may look at less of the log at once than it was asked for, and find nothing there.
#[tokio::test]
async fn a_log_that_is_read_in_small_steps_is_read_to_its_end() {
    let world = World::new().await;
    let start = world.engine.newest();
    world.create("a", "red").await;
    for round in 0..20 {
        world.create_namespace(&format!("n{round}")).await;
    }
    world.put(&device("a"), delete()).await;
    world.store.tail_revisions_max.store(3, Ordering::SeqCst);
    let mut watcher = world.watch(Start::After(start)).await.unwrap();
    for expected in ["ADDED a", "DELETED a"] {
        let next = tokio::time::timeout(PATIENCE, watcher.next()).await;
        assert_eq!(all_told(&next.expect("nothing has to be written for it").unwrap()), [expected]);
    }
    // The server itself follows that log, too.
    world.declare(crate::world::crd("gauges", "Gauge")).await;
    assert!(world.catalog().by_plural("gauges").next().is_some());
}

#[tokio::test]
async fn history_that_is_gone_ends_a_watch() {
    let history = HistoryLimits { memory_bytes_max: 4_000, ..HistoryLimits::default() };
    let world = World::with(Terms { history, ..Terms::default() }).await;
    let made = world.create("a", "red").await;
    let mut watcher = world.watch(Start::After(made.revision)).await.unwrap();
    for round in 0..50 {
        world.put(&device("a"), report(json!({"phase": round.to_string()}))).await;
    }
    let expired = watcher.next().await.unwrap_err();
    assert!(
        matches!(expired, Refusal::Expired { asked, .. } if asked == made.revision),
        "{expired:?}"
    );
    let expired = world.watch(Start::After(made.revision)).await.unwrap_err();
    assert!(matches!(expired, Refusal::Expired { .. }), "{expired:?}");
    let asked = Revision(world.engine.newest().0 + 1);
    let future = world.watch(Start::After(asked)).await.unwrap_err();
    assert!(
        matches!(future, Refusal::FromTheFuture { asked: it, .. } if it == asked),
        "{future:?}"
    );
}

#[tokio::test]
async fn so_many_watches_may_be_open() {
    let world = World::limited(Limits { watchers_max: 2, ..Limits::default() }).await;
    let first = world.watch(Start::WithState).await.unwrap();
    let _second = world.watch(Start::WithState).await.unwrap();
    for _ in 0..3 {
        let refused = world.watch(Start::WithState).await.unwrap_err();
        assert_eq!(refused, Refusal::TooManyWatches);
    }
    drop(first);
    world.watch(Start::WithState).await.unwrap();
}

/// Also one that always has something to tell.
#[tokio::test]
async fn closing_ends_watches() {
    let world = World::limited(Limits { watch_batch: 1, ..Limits::default() }).await;
    let mut waiting = world.watch(Start::After(world.engine.newest())).await.unwrap();
    let mut busy = world.watch(Start::After(world.engine.newest())).await.unwrap();
    for name in ["a", "b", "c"] {
        world.create(name, "red").await;
    }
    tell_until(&mut waiting, world.engine.newest()).await;
    assert_eq!(busy.next().await.unwrap().len(), 1);
    let ended = tokio::spawn(async move { waiting.next().await });
    tokio::task::yield_now().await;
    world.engine.end_watches();
    assert_eq!(ended.await.unwrap().unwrap_err(), Refusal::ShuttingDown);
    assert_eq!(busy.next().await.unwrap_err(), Refusal::ShuttingDown);
}

/// With few watchers a change is told at once; with many, wake-ups are spaced out, and nothing is
/// lost.
#[tokio::test(start_paused = true)]
async fn many_watchers_are_woken_together() {
    let world = World::new().await;
    let mut watchers = Vec::new();
    for _ in 0..1_000 {
        watchers.push(world.watch(Start::After(world.engine.newest())).await.unwrap());
    }
    let start = tokio::time::Instant::now();
    for name in ["a", "b", "c", "d"] {
        world.create(name, "red").await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let newest = world.engine.newest();
    let mut wakes = 0;
    for watcher in &mut watchers {
        wakes += usize::from(!told_all(watcher, newest).await.is_empty());
    }
    assert_eq!(wakes, 1_000);
    assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
}

async fn told_all(watcher: &mut Watcher, newest: Revision) -> Vec<String> {
    let told = all_told(&tell_until(watcher, newest).await);
    assert_eq!(told, ["ADDED a", "ADDED b", "ADDED c", "ADDED d"]);
    told
}

/// What a watch shows is as the schema of now has it, however old.
#[tokio::test]
async fn old_objects_are_told_as_the_schema_of_now_has_them() {
    let world = World::new().await;
    let start = world.engine.newest();
    world.create("a", "red").await;
    let mut crd = crate::world::devices_crd();
    let schema =
        crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
    schema["properties"]["size"]["default"] = json!(7);
    let definition = crate::world::definition(devices().as_str());
    world.put(&definition, crate::world::replace(crd)).await;
    let expected = json!({"color": "red", "size": 7});
    let mut watcher = world.watch(Start::After(start)).await.unwrap();
    let events = watcher.next().await.unwrap();
    let [WatchEvent::Added(object)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(spec(object), expected);
}
