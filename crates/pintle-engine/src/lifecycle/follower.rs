//! Reads the log, and keeps everything that is derived from it up to date.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use pintle_model::{GroupResource, Object, ObjectKey, ObjectName, Revision, Uid};
use pintle_store::{Event, ListQuery, TailQuery};

use super::definitions::Definitions;
use super::todo::{Task, Todo};
use super::{NAMESPACES, declares_kinds};
use crate::Refusal;
use crate::access::{RULE_RESOURCES, are_rules};
use crate::engine::Shared;

/// So many events are looked at in one go.
const BATCH: usize = 1_000;

/// What the follower and the worker share.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) todo: Todo,
    pub(crate) definitions: Definitions,
    owners: Mutex<Owners>,
}

/// Which objects name an owner, by its uid.
#[derive(Debug, Default)]
struct Owners {
    dependents: HashMap<Uid, BTreeSet<ObjectKey>>,
}

impl Work {
    /// The objects that name `owner`.
    pub(crate) fn dependents(&self, owner: &Uid) -> Vec<ObjectKey> {
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.dependents.get(owner).into_iter().flatten().cloned().collect()
    }

    fn index(&self, before: Option<&Object>, after: Option<&Object>) {
        let uids = |object: Option<&Object>| -> BTreeSet<Uid> {
            let owners = object.into_iter().flat_map(|object| &object.metadata.owner_references);
            owners.map(|owner| owner.uid.clone()).collect()
        };
        let (before_uids, after_uids) = (uids(before), uids(after));
        if before_uids == after_uids {
            return;
        }
        let Some(key) = after.or(before).map(|object| object.key.clone()) else { return };
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in before_uids.difference(&after_uids) {
            if let Some(keys) = owners.dependents.get_mut(gone) {
                keys.remove(&key);
                if keys.is_empty() {
                    owners.dependents.remove(gone);
                }
            }
        }
        for new in after_uids.difference(&before_uids) {
            owners.dependents.entry(new.clone()).or_default().insert(key.clone());
        }
    }
}

/// Follows the log from the state at start-up.
#[derive(Debug)]
pub(crate) struct Follower {
    shared: Arc<Shared>,
    work: Arc<Work>,
    cursor: Revision,
}

impl Follower {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, work: Arc::default(), cursor: Revision::ZERO }
    }

    pub(crate) fn work(&self) -> Arc<Work> {
        Arc::clone(&self.work)
    }

    /// Takes in everything that exists: definitions, then rules, then the objects of every kind.
    pub(crate) async fn load(&mut self) -> Result<(), Refusal> {
        let newest = *self.shared.store.head().borrow();
        let definitions = self.everything(&GroupResource::from_text(super::DEFINITIONS)).await?;
        for definition in &definitions {
            self.work.definitions.put(definition);
        }
        self.serve_definitions();
        self.rebuild_rules().await?;
        let catalog = self.shared.catalog();
        for served in catalog.iter() {
            for object in self.everything(&served.resource()).await? {
                self.take_in(None, Some(&object));
            }
        }
        self.cursor = newest;
        self.shared.followed(newest);
        Ok(())
    }

    /// Follows the log for as long as the engine runs: also while it is going down, because writes
    /// that are still in progress rely on it.
    pub(crate) async fn run(mut self) {
        let mut head = self.shared.store.head();
        head.mark_changed();
        while head.changed().await.is_ok() {
            if let Err(error) = self.catch_up().await {
                tracing::error!(?error, "the log could not be followed; loading everything anew");
                if let Err(error) = self.load().await {
                    tracing::error!(?error, "loading failed too");
                }
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), Refusal> {
        loop {
            let query = TailQuery { resource: None, after: self.cursor, limit: BATCH };
            let tail = self.shared.store.tail(query).await?;
            let mut kinds = false;
            let mut rules = false;
            for event in tail.events.iter().filter(|event| !event.is_status_only()) {
                kinds |= self.see(event);
                rules |= are_rules(&event.object.key.resource);
            }
            if kinds {
                self.serve_definitions();
            }
            // The default roles give rights on every kind that is declared.
            if rules || kinds {
                self.rebuild_rules().await?;
            }
            let more = tail.events.len() == BATCH;
            self.cursor = tail.up_to;
            self.shared.followed(tail.up_to);
            if !more {
                return Ok(());
            }
        }
    }

    /// Notes what one event leads to. True when it changes which kinds are served.
    fn see(&self, event: &Event) -> bool {
        let after = (!event.removed).then_some(&*event.object);
        let before = event.before.as_deref().or(event.removed.then_some(&*event.object));
        self.take_in(before, after);
        let resource = &event.object.key.resource;
        if declares_kinds(resource) {
            match after {
                Some(definition) => self.work.definitions.put(definition),
                None => self.work.definitions.remove(&event.object.key.name.name),
            }
            return true;
        }
        false
    }

    fn serve_definitions(&self) {
        for key in self.work.definitions.serve(&self.shared) {
            self.work.todo.note(Task::Definition(key));
        }
    }

    fn take_in(&self, before: Option<&Object>, after: Option<&Object>) {
        self.work.index(before, after);
        let todo = &self.work.todo;
        match (before, after) {
            (_, Some(object)) => {
                if object.key.resource.as_str() == NAMESPACES {
                    todo.note(Task::Namespace(object.key.clone()));
                }
                if !object.metadata.owner_references.is_empty() {
                    todo.note(Task::Collect(object.key.clone()));
                }
                if object.metadata.is_terminating() {
                    todo.note(Task::Release(object.key.clone()));
                }
            }
            (Some(gone), None) => self.see_gone(gone),
            (None, None) => {}
        }
    }

    /// An object has gone: what it owned, what owned it, and what contained it may have waited.
    fn see_gone(&self, gone: &Object) {
        let todo = &self.work.todo;
        for dependent in self.work.dependents(gone.uid()) {
            todo.note(Task::Collect(dependent));
        }
        let catalog = self.shared.catalog();
        for owner in &gone.metadata.owner_references {
            if let Some(key) = super::garbage::owner_key(&catalog, &gone.key, owner) {
                todo.note(Task::Release(key));
            }
        }
        if let Some(namespace) = gone.key.namespace() {
            todo.note(Task::Namespace(super::namespace_key(namespace)));
        }
        todo.note(Task::Definition(ObjectKey::new(
            GroupResource::from_text(super::DEFINITIONS),
            "",
            gone.key.resource.as_str(),
        )));
    }

    async fn rebuild_rules(&self) -> Result<(), Refusal> {
        let mut objects = Vec::new();
        for resource in RULE_RESOURCES {
            objects.extend(self.everything(&GroupResource::from_text(resource)).await?);
        }
        let catalog = self.shared.catalog();
        let declared = catalog.iter().filter(|served| !served.definition.core);
        let declared: Vec<_> = declared.map(|served| served.resource()).collect();
        self.shared.access.rebuild(&declared, &objects);
        Ok(())
    }

    async fn everything(&self, resource: &GroupResource) -> Result<Vec<Arc<Object>>, Refusal> {
        everything(&self.shared, resource, None).await
    }
}

/// All objects of a resource, in one namespace or in all of them.
pub(super) async fn everything(
    shared: &Shared,
    resource: &GroupResource,
    namespace: Option<&str>,
) -> Result<Vec<Arc<Object>>, Refusal> {
    let mut found: Vec<Arc<Object>> = Vec::new();
    let mut after: Option<ObjectName> = None;
    let mut at = None;
    loop {
        let limit = shared.limits.list_page;
        let query = ListQuery { resource, namespace, after: after.as_ref(), limit, at };
        let page = shared.store.list(query).await?;
        at = Some(page.revision);
        after = page.objects.last().map(|object| object.key.name.clone());
        found.extend(page.objects);
        if !page.more {
            return Ok(found);
        }
    }
}
