//! Lists: order, pages, and looking back.

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_model::{GroupResource, Object, ObjectKey, ObjectName, Revision};

use super::Backend;
use super::fixture::{commit, commit_one, created, device, key, put_status, removal};
use crate::{HistoryLimits, ListQuery, Page, Store, StoreError};

const NO_RING: HistoryLimits = HistoryLimits {
    age: std::time::Duration::ZERO,
    events_max: u64::MAX,
    bytes_max: 0,
    memory_bytes_max: 0,
};

fn all(resource: &GroupResource) -> ListQuery<'_> {
    ListQuery { resource, namespace: None, after: None, limit: usize::MAX, at: None }
}

fn names(page: &Page) -> Vec<String> {
    page.objects.iter().map(|object| object.key.name.to_string()).collect()
}

pub async fn lists_are_in_key_order(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let keys = [("b", "a"), ("a-b", "x"), ("a", "z"), ("", "m"), ("a", "B"), ("a", "b")];
    for (namespace, name) in keys {
        commit(&*store, vec![created(&ObjectKey::new(device(), namespace, name))]).await;
    }
    let page = store.list(all(&device())).await.unwrap();
    assert_eq!(names(&page), ["m", "a/B", "a/b", "a/z", "a-b/x", "b/a"]);
    assert_eq!((page.revision, page.more), (Revision(6), false));
    let nobody = GroupResource::new("infra.example.io", "nobodies");
    let page = store.list(all(&nobody)).await.unwrap();
    assert_eq!((names(&page).len(), page.revision, page.more), (0, Revision(6), false));
}

pub async fn namespaces_and_prefixes_do_not_mix(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let resources = ["foos.x", "foo.x", "foobars.x", "foo"].map(GroupResource::from_text);
    for resource in &resources {
        for (namespace, name) in
            [("foo", "a"), ("foobar", "b"), ("fo", "c"), ("", "foo"), ("foo", "")]
        {
            commit(&*store, vec![created(&ObjectKey::new(resource.clone(), namespace, name))])
                .await;
        }
    }
    for resource in &resources {
        let cases = [
            (Some("foo"), vec!["foo/", "foo/a"]),
            (Some("fo"), vec!["fo/c"]),
            (Some(""), vec!["foo"]),
            (Some("f"), vec![]),
            (Some("foo/"), vec![]),
            (Some("zoo"), vec![]),
        ];
        for (namespace, expected) in cases {
            let page = store.list(ListQuery { namespace, ..all(resource) }).await.unwrap();
            assert_eq!(names(&page), expected, "{resource} {namespace:?}");
            assert!(page.objects.iter().all(|object| object.key.resource == *resource));
        }
        assert_eq!(store.list(all(resource)).await.unwrap().objects.len(), 5);
    }
}

pub async fn objects_are_counted_by_namespace(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let other = GroupResource::from_text("foos");
    let counts = || ["a", "b", ""].map(|namespace| store.count(&device(), namespace));
    assert_eq!(counts(), [0, 0, 0]);
    let place = |namespace: &str, name: &str| ObjectKey::new(device(), namespace, name);
    let keys = [place("a", "x"), place("a", "y"), place("b", "x"), place("", "x")];
    commit(&*store, keys.iter().map(created).collect()).await;
    commit(&*store, vec![created(&ObjectKey::new(other.clone(), "a", "x"))]).await;
    assert_eq!((counts(), store.count(&other, "a")), ([2, 1, 1], 1));

    let [first, .., last] = &keys;
    let written = commit_one(&*store, put_status(&store.peek(first).unwrap(), "x")).await;
    assert_eq!(counts(), [2, 1, 1], "what changes is the same object");
    commit_one(&*store, removal(&written)).await;
    commit_one(&*store, removal(&store.peek(last).unwrap())).await;
    assert_eq!(counts(), [1, 1, 0]);
    let rival = created(&keys[1]);
    assert!(matches!(store.commit(vec![rival]).await, Ok(crate::Committed::Lost { .. })));
    commit_one(&*store, created(first)).await;
    assert_eq!(counts(), [2, 1, 0]);
}

/// Reads page after page at the revision of the first one.
async fn in_pages(store: &dyn Store, query: ListQuery<'_>) -> Vec<Arc<Object>> {
    let mut page = store.list(query).await.unwrap();
    let revision = page.revision;
    let mut objects = page.objects.clone();
    while page.more {
        assert_eq!(page.objects.len(), query.limit.max(1), "only the last page is short");
        let after = page.objects.last().map(|object| object.key.name.clone());
        let next = ListQuery { after: after.as_ref(), at: Some(revision), ..query };
        page = store.list(next).await.unwrap();
        assert_eq!(page.revision, revision);
        objects.extend(page.objects.iter().cloned());
    }
    objects
}

pub async fn pages_make_up_the_whole_list(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    for namespace in ["a", "b", "c"] {
        let keys = (0..7).map(|n| ObjectKey::new(device(), namespace, &n.to_string()));
        commit(&*store, keys.map(|key| created(&key)).collect()).await;
    }
    let resource = device();
    for namespace in [None, Some("b"), Some("none")] {
        let query = ListQuery { namespace, ..all(&resource) };
        let whole = store.list(query).await.unwrap().objects;
        for limit in [0, 1, 2, 7, 20, 21, 22] {
            assert_eq!(in_pages(&*store, ListQuery { limit, ..query }).await, whole, "{limit}");
        }
    }
    let outside = ObjectName::new("a", "3");
    let query = ListQuery { namespace: Some("b"), after: Some(&outside), ..all(&resource) };
    assert_eq!(store.list(query).await.unwrap().objects.len(), 7, "a cursor before the namespace");
    let outside = ObjectName::new("c", "3");
    let query = ListQuery { after: Some(&outside), ..query };
    assert_eq!(store.list(query).await.unwrap().objects.len(), 0, "a cursor behind the namespace");
}

pub async fn pages_stay_at_their_revision_while_writes_go_on(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let keys: Vec<_> = (0..40).map(|n| key(&format!("{n:02}"))).collect();
    // The odd ones exist; the even ones come while the pages are read.
    let odd = keys.iter().skip(1).step_by(2);
    let made = commit(&*store, odd.map(created).collect()).await;
    let resource = device();
    let mut read: Vec<Arc<Object>> = Vec::new();
    for round in 0.. {
        let after = read.last().map(|object| object.key.name.clone());
        let at = after.as_ref().map(|_| Revision(20));
        let query = ListQuery { limit: 3, after: after.as_ref(), at, ..all(&resource) };
        let page = store.list(query).await.unwrap();
        assert_eq!(page.revision, Revision(20));
        read.extend(page.objects);
        if !page.more {
            break;
        }
        let (behind, noted, fresh) = (&made[19 - round], &made[round], &keys[2 * round]);
        let later = vec![removal(behind), put_status(noted, "later"), created(fresh)];
        commit(&*store, later).await;
    }
    assert_eq!(read, made);
}

pub async fn a_list_shows_any_revision_in_reach(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let mut shown: Vec<BTreeMap<ObjectName, Arc<Object>>> = vec![BTreeMap::new()];
    for round in 0..30_usize {
        let key = key(&(round * 7 % 5).to_string());
        let change = match (store.peek(&key), round % 3) {
            (None, _) => created(&key),
            (Some(object), 0) => removal(&object),
            (Some(object), _) => put_status(&object, &round.to_string()),
        };
        let version = commit_one(&*store, change).await;
        let mut now = shown[round].clone();
        match store.peek(&key) {
            Some(object) => now.insert(key.name, object),
            None => now.remove(&version.key.name),
        };
        shown.push(now);
    }
    for (revision, expected) in shown.iter().enumerate() {
        let at = Some(Revision(revision as u64));
        let page = store.list(ListQuery { at, ..all(&device()) }).await.unwrap();
        assert!(page.objects.iter().eq(expected.values()), "at {revision}");
    }
}

pub async fn lists_refuse_what_they_cannot_show(backend: &dyn Backend) {
    let store = backend.open(NO_RING);
    let made = commit_one(&*store, created(&key("a"))).await;
    commit(&*store, vec![put_status(&made, "x")]).await;
    let at = |revision| {
        let store = Arc::clone(&store);
        async move { store.list(ListQuery { at: Some(Revision(revision)), ..all(&device()) }).await }
    };
    let newest = Revision(2);
    assert_eq!(at(2).await.unwrap().objects.len(), 1);
    assert_eq!(at(3).await.unwrap_err(), StoreError::FromTheFuture { asked: Revision(3), newest });
    assert_eq!(
        at(1).await.unwrap_err(),
        StoreError::Expired { asked: Revision(1), oldest: newest }
    );
    assert_eq!(store.list(all(&device())).await.unwrap().revision, newest);
}
