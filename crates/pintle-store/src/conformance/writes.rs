//! What a commit does, and what it leaves alone.

use std::sync::Arc;

use pintle_model::{Flips, GroupResource, Json, ObjectKey, Put, Revision, StatusPut};
use serde_json::json;

use super::Backend;
use super::fixture::{
    change, commit, commit_one, created, key, lose, metadata, put_body, put_labels, put_status,
    removal, status,
};
use crate::{HistoryLimits, StoreError};

pub async fn creation_needs_absence(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let key = key("a");
    assert_eq!(store.peek(&key), None);
    assert_eq!(store.get(&key).await.unwrap(), None);
    let made = commit_one(&*store, created(&key)).await;
    assert_eq!(
        [made.revision, made.created_revision, made.body_revision, made.status_revision],
        [Revision(1); 4]
    );
    assert_eq!(store.get(&key).await.unwrap(), Some(Arc::clone(&made)));
    assert_eq!(lose(&*store, vec![created(&key)]).await, (0, Some(Arc::clone(&made))));

    let over = Put::Create {
        metadata: Arc::clone(&made.metadata),
        body: Json::empty_object(),
        status: None,
    };
    let over = change(&key, Some(&made), over);
    assert_eq!(lose(&*store, vec![over]).await, (0, Some(made)), "a creation replaces nothing");
    assert_eq!(store.info().newest, Revision(1));
}

pub async fn stale_writes_lose_and_learn_the_rival(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let key = key("a");
    let old = commit_one(&*store, created(&key)).await;
    let rival = commit_one(&*store, put_status(&old, "rival")).await;
    for stale in [put_body(&old, "x"), put_labels(&old, "x"), put_status(&old, "x"), removal(&old)]
    {
        for expect in [None, Some(Revision::ZERO), Some(old.revision), Some(Revision(3))] {
            let stale = pintle_model::Change { expect, ..stale.clone() };
            assert_eq!(lose(&*store, vec![stale]).await, (0, Some(Arc::clone(&rival))));
        }
    }
    let gone = commit_one(&*store, removal(&rival)).await;
    for expect in [None, Some(rival.revision), Some(gone.revision)] {
        let late = pintle_model::Change { expect, ..put_status(&rival, "late") };
        assert_eq!(lose(&*store, vec![late]).await, (0, None));
    }
    assert_eq!(store.info().newest, gone.revision, "losers use up no revision");
}

pub async fn a_commit_is_all_or_nothing(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let a = commit_one(&*store, created(&key("a"))).await;
    let all = [created(&key("b")), put_status(&a, "x"), created(&key("c"))];
    let mut broken = all.to_vec();
    broken.push(created(&key("a")));
    assert_eq!(lose(&*store, broken).await, (3, Some(Arc::clone(&a))));
    assert_eq!(store.peek(&key("b")), None);
    assert_eq!(store.peek(&key("a")), Some(a));

    let versions = commit(&*store, all.to_vec()).await;
    let revisions: Vec<_> = versions.iter().map(|version| version.revision.0).collect();
    assert_eq!(revisions, [2, 3, 4]);
    for (version, change) in versions.iter().zip(&all) {
        assert_eq!(store.peek(&change.key).as_ref(), Some(version));
    }
    assert_eq!(commit(&*store, Vec::new()).await, Vec::new(), "nothing to do is done");
}

pub async fn changes_of_one_commit_see_each_other(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let old = commit_one(&*store, created(&key("a"))).await;
    let twice = vec![put_status(&old, "one"), put_status(&old, "two")];
    assert_eq!(lose(&*store, twice).await, (1, Some(Arc::clone(&old))), "never an unwritten rival");
    assert_eq!(
        lose(&*store, vec![removal(&old), put_status(&old, "x")]).await,
        (1, Some(Arc::clone(&old)))
    );
    let versions = commit(&*store, vec![removal(&old), created(&key("a"))]).await;
    assert_eq!(versions[1].created_revision, Revision(3));
    assert_eq!(store.peek(&key("a")), Some(Arc::clone(&versions[1])));
}

pub async fn unwritten_lanes_are_shared(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let made = commit_one(&*store, created(&key("a"))).await;
    let noted = commit_one(&*store, put_status(&made, "x")).await;
    let labelled = commit_one(&*store, put_labels(&noted, "x")).await;
    let edited = commit_one(&*store, put_body(&labelled, "x")).await;
    let body = |object: &pintle_model::Object| object.body.as_bytes().as_ptr();
    let status =
        |object: &pintle_model::Object| object.status.as_ref().unwrap().as_bytes().as_ptr();
    assert!(Arc::ptr_eq(&made.metadata, &noted.metadata));
    assert_eq!([body(&made), body(&made)], [body(&noted), body(&labelled)]);
    assert_eq!([status(&noted), status(&noted)], [status(&labelled), status(&edited)]);
    assert_eq!((labelled.body_revision, edited.body_revision), (Revision(1), Revision(4)));
    assert_eq!((noted.status_revision, edited.status_revision), (Revision(2), Revision(2)));
}

pub async fn a_status_write_leaves_the_rest_alone(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let made = commit_one(&*store, created(&key("a"))).await;
    let noted = commit_one(&*store, put_status(&made, "x")).await;
    let expected = pintle_model::Object {
        status: status("x").status,
        ledger: status("x").ledger,
        revision: Revision(2),
        status_revision: Revision(2),
        ..(*made).clone()
    };
    assert_eq!(*noted, expected);

    let cleared = Put::Status(StatusPut { status: None, ledger: None, flips: Flips::default() });
    let cleared = commit_one(&*store, change(&key("a"), Some(&noted), cleared)).await;
    let (revision, status_revision) = (Revision(3), Revision(3));
    assert_eq!(*cleared, pintle_model::Object { revision, status_revision, ..(*made).clone() });

    let body = Some(Json::from_value(&json!({"spec": "both"})));
    let both = Put::Main { metadata: Arc::clone(&made.metadata), body, status: Some(status("y")) };
    let both = commit_one(&*store, change(&key("a"), Some(&cleared), both)).await;
    assert_eq!((both.body_revision, both.status_revision), (Revision(4), Revision(4)));
    assert_eq!(both.status, status("y").status);
}

pub async fn a_removed_object_is_gone_and_can_come_back(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let made = commit_one(&*store, created(&key("a"))).await;
    let last = commit_one(&*store, put_status(&made, "last")).await;
    let gone = commit_one(&*store, removal(&last)).await;
    assert_eq!(*gone, pintle_model::Object { revision: Revision(3), ..(*last).clone() });
    assert_eq!(store.peek(&key("a")), None);
    assert_eq!(store.info().objects, 0);
    let again = commit_one(&*store, created(&key("a"))).await;
    assert_eq!((again.created_revision, again.status_revision), (Revision(4), Revision(4)));
    assert_eq!(again.status, None);
    assert_eq!(lose(&*store, vec![put_status(&last, "x")]).await, (0, Some(again)));
}

pub async fn uids_lead_to_living_objects(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let first = commit_one(&*store, created(&key("a"))).await;
    let first = commit_one(&*store, put_status(&first, "x")).await;
    let resource = &first.key.resource;
    assert_eq!(store.find(resource, first.uid()), Some(Arc::clone(&first)));
    let other = GroupResource::new("", "devices");
    assert_eq!(store.find(&other, first.uid()), None);

    commit(&*store, vec![removal(&first)]).await;
    let second = Put::Create {
        metadata: Arc::new(metadata(&first.key, "second")),
        body: Json::empty_object(),
        status: None,
    };
    let second = commit_one(&*store, change(&first.key, None, second)).await;
    assert_eq!(store.find(resource, first.uid()), None);
    assert_eq!(store.find(resource, second.uid()), Some(second));
}

pub async fn odd_names_stay_apart(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let places = [
        ("devices.a", "", "b/c"),
        ("devices.a", "b", "c"),
        ("devices.a/b", "", "c"),
        ("devices.a", "", "b%2Fc"),
        ("devices.a", "", ".."),
        ("devices.a", "", "b\0c"),
        ("devices.a", "b\0c", "d"),
        ("devices", "a", "b"),
        ("devices", "", "' OR 1=1 --"),
        ("device", "sa", "b"),
    ];
    let keys = places.map(|(resource, namespace, name)| {
        ObjectKey::new(GroupResource::from_text(resource), namespace, name)
    });
    let made = commit(&*store, keys.iter().map(created).collect()).await;
    for (key, made) in keys.iter().zip(&made) {
        assert_eq!(store.peek(key).as_ref(), Some(made), "{key}");
    }
    commit(&*store, vec![removal(&made[0])]).await;
    let left: Vec<_> = keys.iter().filter(|key| store.peek(key).is_some()).collect();
    assert_eq!(left, keys.iter().skip(1).collect::<Vec<_>>());
}

pub async fn a_closed_store_takes_nothing(backend: &dyn Backend) {
    let store = backend.open(HistoryLimits::default());
    let made = commit_one(&*store, created(&key("a"))).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(store.commit(vec![created(&key("b"))]).await.unwrap_err(), StoreError::Closed);
    assert_eq!(store.peek(&key("a")), Some(made), "what was accepted still shows");
}
