//! What holds for every history.

use std::sync::Arc;

use pintle_engine::{Limits, Start, WatchEvent};
use pintle_model::{LabelSelector, Object, Revision};
use proptest::prelude::*;
use serde_json::json;

use crate::world::{
    Want, World, create, delete, device, merge, report, revision_of, tell_until, told,
};

/// One thing that somebody may try. Not everything succeeds.
#[derive(Debug, Clone)]
enum Act {
    Create(u8, bool),
    Color(u8, u8),
    Show(u8, bool),
    Report(u8, u8),
    Delete(u8),
}

fn act() -> impl Strategy<Value = Act> {
    let name = 0..4_u8;
    prop_oneof![
        (name.clone(), any::<bool>()).prop_map(|(name, shown)| Act::Create(name, shown)),
        (name.clone(), 0..3_u8).prop_map(|(name, color)| Act::Color(name, color)),
        (name.clone(), any::<bool>()).prop_map(|(name, shown)| Act::Show(name, shown)),
        (name.clone(), 0..3_u8).prop_map(|(name, phase)| Act::Report(name, phase)),
        name.prop_map(Act::Delete),
    ]
}

fn labels(shown: bool) -> serde_json::Value {
    json!({"labels": {"shown": shown.then_some("yes")}})
}

fn want(act: &Act) -> (String, Want) {
    let (name, want) = match act {
        Act::Create(name, shown) => {
            let labels = if *shown { json!({"shown": "yes"}) } else { json!({}) };
            (name, create(json!({"metadata": {"labels": labels}, "spec": {}})))
        }
        Act::Color(name, color) => (name, merge(json!({"spec": {"color": color.to_string()}}))),
        Act::Show(name, shown) => (name, merge(json!({"metadata": labels(*shown)}))),
        Act::Report(name, phase) => (name, report(json!({"phase": phase.to_string()}))),
        Act::Delete(name) => (name, delete()),
    };
    (format!("d{name}"), want)
}

/// A write that left a trace.
struct Trace {
    object: Arc<Object>,
    removed: bool,
}

/// Does all of it, and says what was accepted.
async fn live(world: &World, acts: &[Act]) -> Vec<Trace> {
    let mut traces = Vec::new();
    for act in acts {
        let (name, want) = want(act);
        if let Ok(written) = world.write(&device(&name), want).await
            && written.changed
        {
            traces.push(Trace { object: written.object, removed: written.removed });
        }
    }
    traces
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

fn texts(events: &[WatchEvent]) -> Vec<(String, Revision)> {
    events.iter().map(|event| (told(event), revision_of(event))).collect()
}

async fn tail(world: &World, after: Revision, selector: &str) -> Vec<WatchEvent> {
    let mut selection = world.selection(None);
    selection.labels = LabelSelector::parse(selector).unwrap();
    let mut watcher = world.watch_selection(selection, Start::After(after)).await.unwrap();
    tell_until(&mut watcher, world.engine.newest()).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn events_are_the_accepted_writes(acts in prop::collection::vec(act(), 1..40)) {
        run(async {
            let world = World::new().await;
            let start = world.engine.newest();
            let traces = live(&world, &acts).await;
            let events = tail(&world, start, "").await;
            assert_eq!(events.len(), traces.len());
            for (event, trace) in events.iter().zip(&traces) {
                let object = match event {
                    WatchEvent::Added(object) => {
                        assert_eq!(object.created_revision, object.revision);
                        object
                    }
                    WatchEvent::Modified { object, .. } | WatchEvent::Deleted(object) => object,
                    WatchEvent::Existing(_) | WatchEvent::Bookmark { .. } => panic!("{event:?}"),
                };
                assert_eq!(matches!(event, WatchEvent::Deleted(_)), trace.removed);
                assert_eq!(object, &trace.object, "the event shows what the answer showed");
            }
        });
    }

    #[test]
    fn resuming_anywhere_gives_the_same_tail(acts in prop::collection::vec(act(), 1..30)) {
        run(async {
            let world = World::limited(Limits { watch_batch: 3, ..Limits::default() }).await;
            let start = world.engine.newest();
            live(&world, &acts).await;
            for selector in ["", "shown"] {
                let whole = texts(&tail(&world, start, selector).await);
                for cut in start.0..=world.engine.newest().0 {
                    let rest: Vec<_> =
                        whole.iter().filter(|(_, at)| at.0 > cut).cloned().collect();
                    assert_eq!(texts(&tail(&world, Revision(cut), selector).await), rest);
                }
            }
        });
    }

    /// Whoever watches a selection and applies what is told has what a list of it shows.
    #[test]
    fn told_changes_add_up_to_the_list(acts in prop::collection::vec(act(), 1..40), at in 0..40_usize) {
        run(async {
            let world = World::new().await;
            let (first, second) = acts.split_at(at.min(acts.len()));
            live(&world, first).await;
            let mut selection = world.selection(None);
            selection.labels = LabelSelector::parse("shown").unwrap();
            let mut watcher =
                world.watch_selection(selection.clone(), Start::WithState).await.unwrap();
            let mut seen = std::collections::BTreeMap::new();
            live(&world, second).await;
            for event in tell_until(&mut watcher, world.engine.newest()).await {
                match event {
                    WatchEvent::Existing(object) | WatchEvent::Added(object) => {
                        assert!(seen.insert(object.key.clone(), object).is_none());
                    }
                    WatchEvent::Modified { object, .. } => {
                        assert!(seen.insert(object.key.clone(), object).is_some());
                    }
                    WatchEvent::Deleted(object) => assert!(seen.remove(&object.key).is_some()),
                    WatchEvent::Bookmark { .. } => {}
                }
            }
            let listed = world.list(crate::world::all(selection)).await.unwrap();
            assert_eq!(seen.into_values().collect::<Vec<_>>(), listed.objects);
        });
    }

    /// Readers give up waiting whenever they like.
    #[test]
    fn dropping_a_wait_loses_nothing(
        acts in prop::collection::vec(act(), 1..30),
        patience in prop::collection::vec(1..6_u8, 1..30),
    ) {
        run(async {
            let world = Arc::new(World::limited(Limits { list_page: 2, watch_batch: 2, ..Limits::default() }).await);
            world.create("d0", "red").await;
            world.create("d9", "red").await;
            let mut calm = world.watch(Start::WithState).await.unwrap();
            let mut hasty = world.watch(Start::WithState).await.unwrap();
            let writing = Arc::clone(&world);
            let writer = tokio::spawn(async move { live(&writing, &acts).await });
            let mut told_hasty = Vec::new();
            let mut patience = patience.into_iter().cycle();
            while !writer.is_finished() || hasty.cursor().is_none_or(|at| at < world.engine.newest()) {
                let polls = patience.next().unwrap_or(1);
                if let Some(events) = poll_times(&mut hasty, polls).await {
                    told_hasty.extend(events);
                }
            }
            let told_calm = tell_until(&mut calm, world.engine.newest()).await;
            // The two may have begun at different states; what they know in the end is the same.
            let state = |events: &[WatchEvent]| {
                let mut seen = std::collections::BTreeMap::new();
                for event in events {
                    match event {
                        WatchEvent::Existing(object) | WatchEvent::Added(object) => {
                            assert!(seen.insert(object.key.clone(), object.revision).is_none());
                        }
                        WatchEvent::Modified { object, .. } => {
                            let before = seen.insert(object.key.clone(), object.revision);
                            assert!(before.is_some_and(|before| before < object.revision));
                        }
                        WatchEvent::Deleted(object) => {
                            assert!(seen.remove(&object.key).is_some());
                        }
                        WatchEvent::Bookmark { .. } => {}
                    }
                }
                seen
            };
            assert_eq!(state(&told_hasty), state(&told_calm));
        });
    }
}

/// Polls `next` so often, and then drops it.
async fn poll_times(watcher: &mut pintle_engine::Watcher, polls: u8) -> Option<Vec<WatchEvent>> {
    let next = watcher.next();
    tokio::pin!(next);
    for _ in 0..polls {
        tokio::select! {
            biased;
            events = &mut next => return Some(events.unwrap()),
            () = tokio::task::yield_now() => {}
        }
    }
    tokio::task::yield_now().await;
    None
}
