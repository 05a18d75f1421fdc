//! Random changes against a model that is too simple to be wrong: every revision's objects, kept
//! whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_model::{
    Change, Flips, GroupResource, Json, Manner, Object, ObjectKey, Put, Revision, StatusPut,
    Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;

use super::Backend;
use super::fixture::{metadata, status};
use super::history::whole_tail;
use crate::{Committed, HistoryLimits, ListQuery, Store, TailQuery};

/// A change in the abstract: what it wants, which of a few objects it is for, and how far back the
/// version is that it was decided against.
#[derive(Debug, Clone)]
pub struct Wish {
    what: What,
    object: usize,
    behind: u64,
    text: u8,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Create { with_status: bool },
    Labels,
    Body,
    BodyAndStatus,
    Status,
    ClearStatus,
    Delete,
}

/// Any wish; most of them fit what is there.
pub fn wish() -> impl Strategy<Value = Wish> {
    let what = prop_oneof![
        4 => any::<bool>().prop_map(|with_status| What::Create { with_status }),
        1 => Just(What::Labels),
        2 => Just(What::Body),
        1 => Just(What::BodyAndStatus),
        4 => Just(What::Status),
        1 => Just(What::ClearStatus),
        2 => Just(What::Delete),
    ];
    let behind = prop_oneof![12 => Just(0_u64), 1 => Just(1_u64)];
    (what, 0..6_usize, behind, any::<u8>()).prop_map(|(what, object, behind, text)| Wish {
        what,
        object,
        behind,
        text,
    })
}

#[derive(Debug, Clone, Default)]
struct Model {
    /// The objects as they were at each revision, from zero on.
    shown: Vec<BTreeMap<ObjectKey, Object>>,
    /// What each revision wrote.
    written: Vec<Written>,
}

#[derive(Debug, Clone, PartialEq)]
struct Written {
    object: Object,
    removed: bool,
    manner: Manner,
    flips: Flips,
}

impl Model {
    fn now(&self) -> BTreeMap<ObjectKey, Object> {
        self.shown.last().cloned().unwrap_or_default()
    }

    /// The index and rival of the change that loses, or nothing when all of them win.
    fn commit(&mut self, changes: &[Change]) -> Option<(usize, Option<Object>)> {
        let before = self.clone();
        for (index, change) in changes.iter().enumerate() {
            let current = self.now().get(&change.key).cloned();
            let fits = current.as_ref().map(|object| object.revision) == change.expect
                && current.is_none() == matches!(change.put, Put::Create { .. });
            if !fits {
                *self = before;
                return Some((index, self.now().get(&change.key).cloned()));
            }
            self.write(change, current);
        }
        None
    }

    fn write(&mut self, change: &Change, current: Option<Object>) {
        let revision = Revision(self.shown.len() as u64);
        let removed = matches!(change.put, Put::Delete);
        let mut object = current.unwrap_or_else(|| blank(&change.key, revision));
        (object.revision, object.updated_at) = (revision, change.at);
        write_lanes(&mut object, change, revision);
        let mut now = self.now();
        now.remove(&change.key);
        if !removed {
            now.insert(change.key.clone(), object.clone());
        }
        self.shown.push(now);
        let flips = change.put.flips().cloned().unwrap_or_default();
        self.written.push(Written { object, removed, manner: change.manner, flips });
    }
}

fn blank(key: &ObjectKey, revision: Revision) -> Object {
    Object {
        key: key.clone(),
        metadata: Arc::new(metadata(key, "")),
        body: Json::empty_object(),
        status: None,
        ledger: None,
        updated_at: Timestamp(0),
        revision,
        created_revision: revision,
        body_revision: revision,
        status_revision: revision,
        body_version: None,
        status_version: None,
    }
}

fn write_lanes(object: &mut Object, change: &Change, revision: Revision) {
    let (metadata, body, put_status) = match &change.put {
        Put::Create { metadata, body, status } => {
            object.status.clone_from(status);
            object.status_version.clone_from(&change.version);
            (Some(metadata), Some(body), None)
        }
        Put::Main { metadata, body, status } => (Some(metadata), body.as_ref(), status.as_ref()),
        Put::Status(status) => (None, None, Some(status)),
        Put::Delete => (None, None, None),
    };
    if let Some(metadata) = metadata {
        object.metadata = Arc::clone(metadata);
    }
    if let Some(body) = body {
        (object.body, object.body_revision) = (body.clone(), revision);
        object.body_version.clone_from(&change.version);
    }
    if let Some(StatusPut { status, ledger, flips: _ }) = put_status {
        object.status.clone_from(status);
        object.ledger.clone_from(ledger);
        object.status_revision = revision;
        object.status_version.clone_from(&change.version);
    }
}

/// The resources of the objects that wishes are for.
pub const RESOURCES: [&str; 2] = ["devices.infra.example.io", "rooms"];

fn key(object: usize) -> ObjectKey {
    let resource = GroupResource::from_text(RESOURCES[object % 2]);
    ObjectKey::new(resource, ["", "lab"][object / 4], &object.to_string())
}

impl Wish {
    /// The object that it is for.
    pub fn key(&self) -> ObjectKey {
        key(self.object)
    }

    /// The change that it comes to, given the object that there is.
    pub fn change(&self, current: Option<&Object>) -> Change {
        let creates = matches!(self.what, What::Create { .. });
        let expect = current.map(|object| Revision(object.revision.0 - self.behind));
        let expect = expect.filter(|_| !(creates && self.behind == 0));
        let at = Timestamp(i64::from(self.text) * 1_000);
        let manner = if self.text.is_multiple_of(2) { Manner::Replaced } else { Manner::Patched };
        let version = [None, Some("v1"), Some("v2beta1")][usize::from(self.text) % 3];
        let version = version.map(Arc::from);
        Change { key: self.key(), expect, put: self.put(current), at, manner, version }
    }

    /// Every third write turns a condition over.
    fn flips(&self) -> Flips {
        let before = Some(self.text.to_string()).filter(|_| self.text.is_multiple_of(2));
        let flip = self.text.is_multiple_of(3).then(|| ("Ready".to_owned(), before));
        Flips { before: flip.into_iter().collect() }
    }

    fn put(&self, current: Option<&Object>) -> Put {
        let text = self.text.to_string();
        let body = Json::from_value(&json!({ "spec": text }));
        let labelled = || {
            let mut metadata = metadata(&self.key(), &text);
            metadata.labels.insert("label".to_owned(), text.clone());
            Arc::new(metadata)
        };
        let kept = || current.map_or_else(labelled, |object| Arc::clone(&object.metadata));
        match self.what {
            What::Create { with_status } => {
                let status = status(&text).status.filter(|_| with_status);
                Put::Create { metadata: labelled(), body, status }
            }
            What::Labels => Put::Main { metadata: labelled(), body: None, status: None },
            What::Body => Put::Main { metadata: kept(), body: Some(body), status: None },
            What::BodyAndStatus => {
                Put::Main { metadata: labelled(), body: Some(body), status: Some(status(&text)) }
            }
            What::Status => Put::Status(StatusPut { flips: self.flips(), ..status(&text) }),
            What::ClearStatus => {
                Put::Status(StatusPut { status: None, ledger: None, flips: self.flips() })
            }
            What::Delete => Put::Delete,
        }
    }
}

/// Random commits get the answers that the model gives, and leave the same objects, the same past
/// and the same events.
pub fn agrees_with_the_model(backend: &dyn Backend) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let commits = vec(vec(wish(), 1..4), 1..30);
    let outcome = TestRunner::new(config).run(&commits, |commits| {
        let store = backend.open(HistoryLimits::default());
        runtime.block_on(check(&*store, &commits));
        Ok::<(), TestCaseError>(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn check(store: &dyn Store, commits: &[Vec<Wish>]) {
    let mut model = Model { shown: vec![BTreeMap::new()], written: Vec::new() };
    for wishes in commits {
        let now = model.now();
        let changes: Vec<_> = wishes.iter().map(|wish| wish.change(now.get(&wish.key()))).collect();
        let first = model.written.len();
        let expected = model.commit(&changes);
        match store.commit(changes).await.unwrap() {
            Committed::At(versions) => {
                assert_eq!(expected, None);
                let written = model.written.iter().skip(first).map(|written| &written.object);
                assert!(versions.iter().map(|version| &**version).eq(written), "{versions:?}");
            }
            Committed::Lost { index, theirs } => {
                assert_eq!(expected, Some((index, theirs.as_deref().cloned())));
            }
        }
    }
    check_lists(store, &model).await;
    check_tails(store, &model).await;
}

async fn check_lists(store: &dyn Store, model: &Model) {
    for (revision, shown) in model.shown.iter().enumerate() {
        for resource in RESOURCES.map(GroupResource::from_text) {
            for namespace in [None, Some(""), Some("lab")] {
                let at = Some(Revision(revision as u64));
                let query =
                    ListQuery { resource: &resource, namespace, after: None, limit: 100, at };
                let page = store.list(query).await.unwrap();
                let expected = shown.values().filter(|object| {
                    object.key.resource == resource
                        && namespace
                            .is_none_or(|namespace| *object.key.name.namespace == *namespace)
                });
                assert!(page.objects.iter().map(|object| &**object).eq(expected), "{query:?}");
            }
        }
    }
}

async fn check_tails(store: &dyn Store, model: &Model) {
    let everything = TailQuery { resource: None, after: Revision::ZERO, limit: 7 };
    let events = whole_tail(store, everything).await;
    let found = events.iter().map(|event| Written {
        object: Object::clone(&event.object),
        removed: event.removed,
        manner: event.manner,
        flips: event.flips.clone(),
    });
    assert!(found.eq(model.written.iter().cloned()));
    for (event, before) in events.iter().zip(&model.shown) {
        assert_eq!(event.before.as_deref(), before.get(&event.object.key));
    }
    for resource in RESOURCES.map(GroupResource::from_text) {
        let of = TailQuery { resource: Some(&resource), ..everything };
        let expected = events.iter().filter(|event| event.object.key.resource == resource);
        let found = whole_tail(store, of).await;
        assert!(found.iter().map(|event| event.revision).eq(expected.map(|event| event.revision)));
    }
}
