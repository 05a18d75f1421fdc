//! Tails of the history, and where it ends.

use std::sync::Arc;
use std::time::Duration;

use pintle_model::{
    Change, Flips, GroupResource, Manner, Object, ObjectKey, Put, Revision, StatusPut, Timestamp,
};

use super::Backend;
use super::fixture::{
    change, commit, commit_one, created, device, key, put_body, put_labels, put_status, removal,
    status,
};
use crate::{Event, HistoryLimits, ListQuery, Store, StoreError, Tail, TailQuery};

fn after(revision: u64) -> TailQuery<'static> {
    TailQuery { resource: None, after: Revision(revision), limit: 100 }
}

fn revisions(tail: &Tail) -> Vec<u64> {
    tail.events.iter().map(|event| event.revision.0).collect()
}

/// Everything after a revision, however many looks it takes.
pub async fn whole_tail(store: &dyn Store, mut query: TailQuery<'_>) -> Vec<Arc<Event>> {
    let newest = store.info().newest;
    let mut events = Vec::new();
    while query.after < newest {
        let tail = store.tail(query).await.unwrap();
        assert!(tail.up_to > query.after, "a tail gets somewhere");
        assert!(tail.events.len() <= query.limit);
        assert!(tail.events.last().is_none_or(|last| last.revision <= tail.up_to));
        events.extend(tail.events);
        query.after = tail.up_to;
    }
    events
}

pub async fn tails_have_every_event_in_order(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let mut object = commit_one(&*store, created(&key("a"))).await;
    for n in 0..20 {
        object = commit_one(&*store, put_status(&object, &n.to_string())).await;
    }
    for from in 0..=21 {
        for limit in [1, 2, 5, 100] {
            let events = whole_tail(&*store, TailQuery { limit, ..after(from) }).await;
            let found: Vec<_> = events.iter().map(|event| event.revision.0).collect();
            assert_eq!(found, (from + 1..=21).collect::<Vec<_>>(), "after {from} by {limit}");
        }
    }
    let end = store.tail(after(21)).await.unwrap();
    assert_eq!((end.events.len(), end.up_to), (0, Revision(21)));
}

pub async fn tails_of_one_resource_skip_the_others(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let quiet = GroupResource::new("infra.example.io", "device");
    commit(&*store, vec![created(&ObjectKey::new(quiet.clone(), "lab", "q"))]).await;
    for n in 0..10 {
        commit(&*store, vec![created(&key(&n.to_string()))]).await;
    }
    let of = |resource| TailQuery { resource: Some(resource), ..after(0) };
    let tail = store.tail(of(&quiet)).await.unwrap();
    assert_eq!((revisions(&tail), tail.up_to), (vec![1], Revision(11)));
    let busy = device();
    assert_eq!(whole_tail(&*store, of(&busy)).await.len(), 10);
    let nobody = GroupResource::from_text("nobodies");
    let tail = store.tail(of(&nobody)).await.unwrap();
    assert_eq!((tail.events.len(), tail.up_to), (0, Revision(11)));
}

pub async fn tails_say_what_was_replaced(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let made = commit_one(&*store, created(&key("a"))).await;
    let noted = commit_one(&*store, put_status(&made, "x")).await;
    let labelled = commit_one(&*store, put_labels(&noted, "x")).await;
    let edited = commit_one(&*store, put_body(&labelled, "x")).await;
    let gone = commit_one(&*store, removal(&edited)).await;
    let again = commit_one(&*store, created(&key("a"))).await;
    let versions = [&made, &noted, &labelled, &edited, &gone, &again];
    let events = store.tail(after(0)).await.unwrap().events;
    assert_eq!(events.len(), versions.len());
    for (event, version) in events.iter().zip(versions) {
        assert_eq!((&event.object, event.revision), (version, version.revision));
    }
    let removed: Vec<_> = events.iter().map(|event| event.removed).collect();
    assert_eq!(removed, [false, false, false, false, true, false]);
    let created: Vec<_> = events.iter().map(|event| event.is_creation()).collect();
    assert_eq!(created, [true, false, false, false, false, true]);
    let status_only: Vec<_> = events.iter().map(|event| event.is_status_only()).collect();
    assert_eq!(status_only, [false, true, false, false, false, false]);
    let before: Vec<_> = events.iter().map(|event| event.before.as_ref()).collect();
    let expected = [None, Some(&made), Some(&noted), Some(&labelled), Some(&edited), None];
    assert_eq!(before, expected);
}

pub async fn tails_say_how_a_write_was_asked_for(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let mut object = commit_one(&*store, created(&key("a"))).await;
    let flip = |before: Option<&str>| {
        let before = [("Ready".to_owned(), before.map(str::to_owned))];
        Flips { before: before.into() }
    };
    let asked = [
        (Manner::Patched, Flips::default()),
        (Manner::Replaced, flip(None)),
        (Manner::Patched, flip(Some("True"))),
    ];
    for (manner, flips) in &asked {
        let put = StatusPut { flips: flips.clone(), ..status(&object.revision.to_string()) };
        let change =
            Change { manner: *manner, ..change(&object.key, Some(&object), Put::Status(put)) };
        object = commit_one(&*store, change).await;
    }
    let events = whole_tail(&*store, after(1)).await;
    let found: Vec<_> = events.iter().map(|event| (event.manner, event.flips.clone())).collect();
    assert_eq!(found, asked);
}

pub async fn tails_refuse_what_they_cannot_show(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    commit(&*store, vec![created(&key("a"))]).await;
    let error = store.tail(after(2)).await.unwrap_err();
    assert_eq!(error, StoreError::FromTheFuture { asked: Revision(2), newest: Revision(1) });
}

/// Ten status changes, one second apart; the first is the creation, at second 1.
async fn one_a_second(store: &dyn Store) {
    let mut object: Option<Arc<Object>> = None;
    for second in 1..=10 {
        let change = match &object {
            None => created(&key("a")),
            Some(object) => put_status(object, &"x".repeat(1_000)),
        };
        let change = Change { at: Timestamp(second * 1_000_000), ..change };
        object = Some(commit_one(store, change).await);
    }
}

/// Compacts until there is nothing left to drop.
async fn compact(store: &dyn Store, now_seconds: i64) -> usize {
    let mut dropped = 0;
    loop {
        let step = store.compact(Timestamp(now_seconds * 1_000_000)).await.unwrap();
        dropped += step.events;
        if !step.more {
            return dropped;
        }
    }
}

pub async fn history_ends_exactly_at_its_line(backend: &dyn Backend) {
    let age = Duration::from_secs(5);
    let store = backend.open(HistoryLimits { age, ..HistoryLimits::default() });
    one_a_second(&*store).await;
    assert_eq!(compact(&*store, 6).await, 0, "nothing is older than five seconds");
    assert_eq!(revisions(&store.tail(after(0)).await.unwrap()).len(), 10);
    assert_eq!(compact(&*store, 9).await, 3);
    let oldest = Revision(3);
    assert_eq!((store.info().oldest, store.info().history_cut_short), (oldest, false));
    let error = store.tail(after(2)).await.unwrap_err();
    assert_eq!(error, StoreError::Expired { asked: Revision(2), oldest });
    assert_eq!(revisions(&store.tail(after(3)).await.unwrap()), (4..=10).collect::<Vec<_>>());
    assert_eq!(compact(&*store, 1_000).await, 7);
    assert_eq!(store.tail(after(10)).await.unwrap().up_to, Revision(10));
    assert_eq!(store.peek(&key("a")).unwrap().revision, Revision(10), "objects stay");
    let next = commit_one(&*store, created(&key("b"))).await;
    assert_eq!(next.revision, Revision(11), "revisions are never given out twice");
}

pub async fn history_is_bounded_by_bytes(backend: &dyn Backend) {
    let limits =
        HistoryLimits { bytes_max: 5_000, memory_bytes_max: 5_000, ..HistoryLimits::default() };
    let store = backend.open(limits);
    one_a_second(&*store).await;
    compact(&*store, 10).await;
    let info = store.info();
    assert!(info.history_bytes <= 5_000, "{info:?}");
    assert!(info.oldest > Revision(4) && info.oldest < Revision(10), "{info:?}");
    assert!(info.history_cut_short, "{info:?}");
    let kept = store.tail(after(info.oldest.0)).await.unwrap();
    assert_eq!(revisions(&kept), (info.oldest.0 + 1..=10).collect::<Vec<_>>());
    compact(&*store, 1_000).await;
    assert!(!store.info().history_cut_short, "what was cut would be gone by now anyway");
}

pub async fn history_is_bounded_by_events(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits { events_max: 4, ..HistoryLimits::default() });
    one_a_second(&*store).await;
    compact(&*store, 10).await;
    let (oldest, info) = (Revision(6), store.info());
    assert_eq!((info.oldest, info.history_cut_short), (oldest, false), "that is what was wanted");
    let error = store.tail(after(5)).await.unwrap_err();
    assert_eq!(error, StoreError::Expired { asked: Revision(5), oldest });
    assert_eq!(revisions(&store.tail(after(6)).await.unwrap()), [7, 8, 9, 10]);
    assert_eq!(compact(&*store, 10).await, 0, "what is within the bound stays");
    assert_eq!(revisions(&store.tail(after(6)).await.unwrap()), [7, 8, 9, 10]);
    let object = store.peek(&key("a")).unwrap();
    assert_eq!(object.revision, Revision(10), "objects stay");
    commit_one(&*store, put_status(&object, "next")).await;
    compact(&*store, 10).await;
    assert_eq!(revisions(&store.tail(after(7)).await.unwrap()), [8, 9, 10, 11]);
    assert_eq!(store.info().oldest, Revision(7));
}

pub async fn lists_go_on_within_the_bound_on_events(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits { events_max: 4, ..HistoryLimits::default() });
    one_a_second(&*store).await;
    compact(&*store, 10).await;
    let resource = device();
    let list = |at| ListQuery {
        resource: &resource,
        namespace: None,
        after: None,
        limit: 10,
        at: Some(Revision(at)),
    };
    assert_eq!(store.list(list(6)).await.unwrap().objects[0].revision, Revision(6));
    let error = store.list(list(5)).await.unwrap_err();
    assert_eq!(error, StoreError::Expired { asked: Revision(5), oldest: Revision(6) });
}

pub async fn the_head_moves_after_the_event_is_there(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let mut head = store.head();
    let watcher = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut seen = 0;
            while seen < 200 {
                head.changed().await.unwrap();
                let newest = head.borrow_and_update().0;
                let events = whole_tail(&*store, after(seen)).await;
                seen = events.last().map_or(seen, |last| last.revision.0);
                assert!(seen >= newest, "the head is never ahead of the tail");
            }
        }
    });
    for n in 0..200 {
        commit(&*store, vec![created(&key(&n.to_string()))]).await;
    }
    watcher.await.unwrap();
}
