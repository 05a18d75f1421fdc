//! Reads the log, and keeps everything that is derived from it up to date.

use std::sync::{Arc, Mutex, MutexGuard};

use pintle_model::{GroupResource, Object, ObjectKey, ObjectName, Revision, Uid};
use pintle_store::{Event, ListQuery, Page, TailQuery};

use super::definitions::Definitions;
use super::garbage::OwnerPlace;
use super::owners::Owners;
use super::todo::{Task, Todo};
use super::worker::RETRY_AFTER;
use super::{NAMESPACES, declares_kinds, namespace_key};
use crate::Refusal;
use crate::access::{RULE_RESOURCES, are_rules};
use crate::engine::Shared;
use crate::quota::QUOTAS;

/// So many events are looked at in one go.
const BATCH: usize = 1_000;

/// What the follower and the worker share.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) todo: Todo,
    pub(crate) definitions: Definitions,
    owners: Mutex<Owners>,
}

impl Work {
    /// The objects that name `owner`.
    pub(crate) fn dependents(&self, owner: &Uid) -> Vec<ObjectKey> {
        self.owners().dependents(owner)
    }

    /// Whether the object with this uid is known to be gone. Uids never come back.
    pub(crate) fn is_gone(&self, owner: &Uid) -> bool {
        self.owners().is_gone(owner)
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().expect("nothing panics while it holds this lock")
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

    /// Takes in everything that exists, instead of whatever was known before: definitions, then
    /// rules, then the objects of every kind.
    pub(crate) async fn load(&mut self) -> Result<(), Refusal> {
        let newest = *self.shared.store.head().borrow();
        let definitions = self.everything(&GroupResource::from_text(super::DEFINITIONS)).await?;
        self.work.definitions.replace(&definitions);
        self.serve_definitions();
        self.rebuild_rules().await?;
        let mut owners = Owners::default();
        let mut found = Vec::new();
        for served in self.shared.catalog().iter() {
            for object in self.everything(&served.resource()).await? {
                owners.index(None, Some(&object));
                found.extend(tasks(&object));
            }
        }
        *self.work.owners() = owners;
        self.note_all(found);
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
            while let Err(error) = self.catch_up().await {
                tracing::error!(?error, "the log could not be followed; loading everything anew");
                if let Err(error) = self.load().await {
                    tracing::error!(?error, "loading failed too; will be tried again");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), Refusal> {
        let newest = *self.shared.store.head().borrow();
        while self.cursor < newest {
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
                // Some have more to count now, and some less.
                let quotas = self.everything(&QUOTAS).await?;
                self.note_all(quotas.iter().filter_map(|quota| recount(&quota.key)));
            }
            // The default roles give rights on every kind that is declared.
            if rules || kinds {
                self.rebuild_rules().await?;
            }
            self.cursor = tail.up_to;
            self.shared.followed(tail.up_to);
        }
        Ok(())
    }

    /// Takes in one event. True when it changes which kinds are served.
    fn see(&self, event: &Event) -> bool {
        let after = (!event.removed).then_some(&*event.object);
        let before = event.before.as_deref().or(event.removed.then_some(&*event.object));
        let declares = declares_kinds(&event.object.key.resource);
        if declares {
            match after {
                Some(definition) => self.work.definitions.put(definition),
                None => self.work.definitions.remove(&event.object.key.name.name),
            }
        }
        self.work.owners().index(before, after);
        if event.is_creation() || event.removed {
            self.see_counted(&event.object.key);
        }
        match (before, after) {
            (before, Some(object)) => {
                self.note_all(tasks(object));
                if let Some(before) = before
                    && before.metadata.owner_references != object.metadata.owner_references
                {
                    self.release_owners(before);
                }
            }
            (Some(gone), None) => self.see_gone(gone),
            (None, None) => {}
        }
        declares
    }

    /// There is one object more or less for the quotas of its namespace, if it has some.
    fn see_counted(&self, key: &ObjectKey) {
        if key.namespace().is_some_and(|it| self.shared.store.count(&QUOTAS, it) > 0) {
            self.note_all(recount(key));
        }
    }

    /// An object has gone: what it owned, what owned it, and what contained it may have waited.
    fn see_gone(&self, gone: &Object) {
        let todo = &self.work.todo;
        for dependent in self.work.owners().mark_gone(gone.uid()) {
            todo.note(Task::Collect(dependent));
        }
        self.release_owners(gone);
        if let Some(namespace) = gone.key.namespace().map(namespace_key)
            && let Some(found) = self.shared.store.peek(&namespace)
            && found.metadata.is_terminating()
        {
            todo.note(Task::Namespace(namespace));
        }
        if let Some(definition) = self.work.definitions.terminating(gone.key.resource.as_str()) {
            todo.note(Task::Definition(definition));
        }
    }

    fn note_all(&self, tasks: impl IntoIterator<Item = Task>) {
        for task in tasks {
            self.work.todo.note(task);
        }
    }

    /// The owners that an object names no more may have waited for it.
    fn release_owners(&self, before: &Object) {
        let catalog = self.shared.catalog();
        for owner in &before.metadata.owner_references {
            if let OwnerPlace::At(key) = OwnerPlace::of(&catalog, &before.key, owner) {
                self.work.todo.note(Task::Release(key));
            }
        }
    }

    fn serve_definitions(&self) {
        for key in self.work.definitions.serve(&self.shared) {
            self.work.todo.note(Task::Definition(key));
        }
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
        all_of(&self.shared, resource, None).await
    }
}

/// What there is to do about an object as it is.
fn tasks(object: &Object) -> impl Iterator<Item = Task> {
    let Object { key, metadata, .. } = object;
    let place = key.resource.as_str() == NAMESPACES;
    let owned = !metadata.owner_references.is_empty();
    let limits = key.resource == *QUOTAS;
    let task = |applies: bool, task: fn(ObjectKey) -> Task| applies.then(|| task(key.clone()));
    [
        task(place, Task::Namespace),
        task(owned, Task::Collect),
        task(metadata.is_terminating(), Task::Release),
    ]
    .into_iter()
    .flatten()
    .chain(limits.then(|| recount(key)).flatten())
}

/// What there is to do when what is counted in the namespace of an object may have changed.
fn recount(key: &ObjectKey) -> Option<Task> {
    key.namespace().map(namespace_key).map(Task::Quotas)
}

/// All objects of a resource, in one namespace or in all of them.
pub(crate) async fn all_of(
    shared: &Shared,
    resource: &GroupResource,
    namespace: Option<&str>,
) -> Result<Vec<Arc<Object>>, Refusal> {
    let mut found: Vec<Arc<Object>> = Vec::new();
    let mut at = None;
    loop {
        let after = found.last().map(|object| &object.key.name);
        let page = page(shared, resource, namespace, after, at).await?;
        at = Some(page.revision);
        found.extend(page.objects);
        if !page.more {
            return Ok(found);
        }
    }
}

/// One page of the objects of a resource, in one namespace or in all of them.
pub(super) async fn page(
    shared: &Shared,
    resource: &GroupResource,
    namespace: Option<&str>,
    after: Option<&ObjectName>,
    at: Option<Revision>,
) -> Result<Page, Refusal> {
    let limit = shared.limits.list_page;
    Ok(shared.store.list(ListQuery { resource, namespace, after, limit, at }).await?)
}
