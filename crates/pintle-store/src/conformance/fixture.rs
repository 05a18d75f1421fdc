//! Objects and changes to test with.

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_model::{
    Change, ConditionLedger, Flips, Generation, GroupResource, Json, LedgerEntry, Manner, Metadata,
    Object, ObjectKey, Put, StatusPut, Timestamp, Uid,
};
use serde_json::json;

use crate::{Committed, Store};

/// The resource that most cases use.
pub fn device() -> GroupResource {
    GroupResource::new("infra.example.io", "devices")
}

/// A device in the namespace `lab`.
pub fn key(name: &str) -> ObjectKey {
    ObjectKey::new(device(), "lab", name)
}

/// A change that was decided one second into the epoch.
pub fn change(key: &ObjectKey, expect: Option<&Object>, put: Put) -> Change {
    let expect = expect.map(|object| object.revision);
    Change {
        key: key.clone(),
        expect,
        put,
        at: Timestamp(1_000_000),
        manner: Manner::Replaced,
        version: Some("v1".into()),
    }
}

/// The creation of an object whose body and uid tell its name.
pub fn created(key: &ObjectKey) -> Change {
    let body = Json::from_value(&json!({"spec": {"name": key.name.to_string()}}));
    let metadata = Arc::new(metadata(key, "first"));
    change(key, None, Put::Create { metadata, body, status: None })
}

/// A new body.
pub fn put_body(before: &Object, text: &str) -> Change {
    let body = Some(Json::from_value(&json!({"spec": text})));
    let metadata = Arc::clone(&before.metadata);
    change(&before.key, Some(before), Put::Main { metadata, body, status: None })
}

/// New metadata.
pub fn put_labels(before: &Object, text: &str) -> Change {
    let labels = BTreeMap::from([("label".to_owned(), text.to_owned())]);
    let metadata = Arc::new(Metadata { labels, ..(*before.metadata).clone() });
    change(&before.key, Some(before), Put::Main { metadata, body: None, status: None })
}

/// A new status, with a ledger that tells who wrote it.
pub fn put_status(before: &Object, text: &str) -> Change {
    change(&before.key, Some(before), Put::Status(status(text)))
}

/// The removal of an object.
pub fn removal(before: &Object) -> Change {
    change(&before.key, Some(before), Put::Delete)
}

/// Commits what must win.
pub async fn commit(store: &dyn Store, changes: Vec<Change>) -> Vec<Arc<Object>> {
    match store.commit(changes).await.unwrap() {
        Committed::At(versions) => versions,
        Committed::Lost { index, theirs } => panic!("change {index} lost to {theirs:?}"),
    }
}

/// Commits one change that must win.
pub(super) async fn commit_one(store: &dyn Store, change: Change) -> Arc<Object> {
    Arc::clone(&commit(store, vec![change]).await[0])
}

/// Commits what must lose, and hands back which change met which rival.
pub(super) async fn lose(store: &dyn Store, changes: Vec<Change>) -> (usize, Option<Arc<Object>>) {
    match store.commit(changes).await.unwrap() {
        Committed::Lost { index, theirs } => (index, theirs),
        Committed::At(versions) => panic!("won: {versions:?}"),
    }
}

/// A status with a ledger.
pub(super) fn status(text: &str) -> StatusPut {
    let entry = LedgerEntry { manager: text.to_owned(), changed: None, removed: false };
    let ledger = ConditionLedger { entries: BTreeMap::from([("Ready".to_owned(), entry)]) };
    StatusPut {
        status: Some(Json::from_value(&json!({"phase": text}))),
        ledger: Some(Arc::new(ledger)),
        flips: Flips::default(),
    }
}

pub(super) fn metadata(key: &ObjectKey, life: &str) -> Metadata {
    Metadata {
        name: key.name.name.to_string(),
        generate_name: None,
        namespace: key.name.namespace.to_string(),
        uid: Uid::from(format!("{life} {key}").as_str()),
        generation: Generation::FIRST,
        creation_timestamp: Timestamp(0),
        deletion_timestamp: None,
        deletion_grace_period_seconds: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        finalizers: Vec::new(),
        owner_references: Vec::new(),
    }
}
