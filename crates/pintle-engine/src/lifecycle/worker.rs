//! Does what the follower noted.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pintle_authz::{Granted, MASTERS, RuleBook, User};
use pintle_model::{GroupResource, Manner, Object, ObjectKey, OwnerReference, Timestamp};
use pintle_rules::{
    Conduct, DeleteOptions, Document, Edit, FieldValidation, ForeignLane, Intent, Lane,
    MetadataMode, Patch, PatchError, PatchFormat, PatchRoot, Precondition, Propagation,
    Refusal as RulesRefusal, UidForm,
};
use serde_json::{Map, Value, json};
use tokio::task::{Id, JoinError, JoinSet};

use super::follower::{Work, page};
use super::todo::Task;
use super::{definitions, garbage, namespaces, quotas};
use crate::quota::Quota;
use crate::{Engine, Refusal, Write, Written};

/// What failed is tried again after this time; twice as long each time it fails once more.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(32);

/// So many tasks are done at once, so that a long one does not hold up the others.
const TASKS_MAX: usize = 16;

/// So many objects are deleted at once by one task: enough to share the flushes to the disk.
const DELETES_MAX: usize = 32;

/// Works the list off, until the engine is gone.
#[derive(Debug)]
pub(crate) struct Worker {
    engine: Weak<Engine>,
    work: Arc<Work>,
}

impl Worker {
    pub(crate) const fn new(engine: Weak<Engine>, work: Arc<Work>) -> Self {
        Self { engine, work }
    }

    pub(crate) async fn run(self) {
        let mut running = JoinSet::new();
        let mut tasks: HashMap<Id, Task> = HashMap::new();
        let mut failed: HashMap<Task, u32> = HashMap::new();
        let mut resting = JoinSet::new();
        loop {
            tokio::select! {
                task = self.work.todo.take(), if running.len() < TASKS_MAX => {
                    let Some(engine) = self.engine.upgrade() else { return };
                    let hands = Hands { engine, work: Arc::clone(&self.work) };
                    let started = running.spawn(hands.see_to(task.clone()));
                    tasks.insert(started.id(), task);
                }
                Some(ended) = running.join_next_with_id() => {
                    let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
                    let Some(task) = tasks.remove(&id) else { continue };
                    if is_done(&task, ended.map(|(_, done)| done)) {
                        failed.remove(&task);
                        self.work.todo.done(&task);
                        continue;
                    }
                    let times = failed.entry(task.clone()).or_default();
                    let pause = RETRY_AFTER * (1 << *times);
                    *times = (*times + 1).min(RETRY_AFTER_MAX.as_secs().ilog2());
                    self.work.todo.rest(&task);
                    let work = Arc::clone(&self.work);
                    resting.spawn(async move {
                        tokio::time::sleep(pause).await;
                        work.todo.wake(&task);
                    });
                }
                Some(_) = resting.join_next() => {}
            }
        }
    }
}

/// Whether a task is done; what is wrong when it is not has been said then.
fn is_done(task: &Task, ended: Result<Result<(), Refusal>, JoinError>) -> bool {
    match ended {
        Ok(Ok(()) | Err(Refusal::ShuttingDown)) => return true,
        Ok(Err(refusal)) => tracing::warn!(?task, ?refusal, "will be tried again"),
        Err(error) => tracing::error!(?task, %error, "broken off; will be tried again"),
    }
    false
}

/// What the lifecycle reads and writes with: the engine, as a caller who may do everything.
#[derive(Debug, Clone)]
pub(super) struct Hands {
    engine: Arc<Engine>,
    pub(super) work: Arc<Work>,
}

impl Hands {
    async fn see_to(self, task: Task) -> Result<(), Refusal> {
        self.carry_out(&task).await
    }

    async fn carry_out(&self, task: &Task) -> Result<(), Refusal> {
        match task {
            Task::Definition(key) => definitions::look_after(self, key).await,
            Task::Namespace(key) => namespaces::look_after(self, key).await,
            Task::Collect(key) => garbage::collect(self, key).await,
            Task::Release(key) => garbage::release(self, key).await,
            Task::Quotas(namespace) => quotas::look_after(self, namespace).await,
        }
    }

    pub(super) fn peek(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.engine.store().peek(key)
    }

    /// What the store itself says: for verdicts that cannot be taken back.
    pub(super) async fn get(&self, key: &ObjectKey) -> Result<Option<Arc<Object>>, Refusal> {
        Ok(self.engine.store().get(key).await?)
    }

    pub(super) fn catalog(&self) -> Arc<crate::Catalog> {
        self.engine.catalog()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }

    /// Makes this the status of an object, if it is still there.
    pub(super) async fn write_status(&self, key: &ObjectKey, status: Value) -> Result<(), Refusal> {
        self.write_as(key, status_intent(status, None)).await.map(drop)
    }

    /// Makes this the status of exactly this version of an object. False when somebody wrote it
    /// meanwhile.
    pub(super) async fn write_status_of(
        &self,
        object: &Object,
        status: Value,
    ) -> Result<bool, Refusal> {
        self.write_as(&object.key, status_intent(status, Some(object))).await
    }

    /// The quotas of a namespace.
    pub(super) async fn quotas_in(&self, namespace: &ObjectKey) -> Result<Vec<Quota>, Refusal> {
        self.engine.quotas_in(&namespace.name.name).await
    }

    /// What the status of a quota has to say now.
    pub(super) fn usage(&self, quota: &Quota) -> Value {
        let namespace = &quota.object.key.name.namespace;
        quota.status(&self.catalog(), &|resource| self.engine.store().count(resource, namespace))
    }

    /// Takes one finalizer off an object, if it is still there.
    pub(super) async fn remove_finalizer(
        &self,
        object: &Object,
        finalizer: &str,
    ) -> Result<(), Refusal> {
        let all = &object.metadata.finalizers;
        let rest: Vec<&String> = all.iter().filter(|name| *name != finalizer).collect();
        self.swap(object, "finalizers", json!(all), json!(rest)).await
    }

    /// Lets go of an object that contains nothing any more.
    pub(super) async fn let_go(&self, object: &Object) -> Result<(), Refusal> {
        self.write(&object.key, Lane::Main, Edit::Emptied, this(object)).await.map(drop)
    }

    /// Takes the server's own finalizer out of the body of an object, if others are there with it.
    /// False when somebody wrote the object meanwhile.
    pub(super) async fn leave_to_others(&self, object: &Object) -> Result<bool, Refusal> {
        let catalog = self.catalog();
        let served = catalog.get(&object.key.resource);
        let Some(finalizers) = served.and_then(|it| it.definition.habits.finalizers) else {
            return Ok(true);
        };
        let stored = object.body.to_map();
        let rest = json!(finalizers.of_others(&stored));
        if rest == json!([]) || finalizers.of(&stored) == Some(&rest) {
            return Ok(true);
        }
        let mut body = Map::new();
        finalizers.put(&mut body, Some(rest));
        let edit = Edit::Finalize(Document { body: Some(body), ..Document::default() });
        let precondition = Precondition { revision: Some(object.revision), ..this(object) };
        self.write(&object.key, Lane::Main, edit, precondition).await
    }

    /// Makes these the owners of an object.
    pub(super) async fn put_owners(
        &self,
        object: &Object,
        owners: &[OwnerReference],
    ) -> Result<(), Refusal> {
        let all = json!(object.metadata.owner_references);
        self.swap(object, "ownerReferences", all, json!(owners)).await
    }

    /// Replaces one field of metadata if it still is what it was, whatever else was written to the
    /// object meanwhile. If it is not, then the log brings the task back.
    async fn swap(
        &self,
        object: &Object,
        field: &str,
        was: Value,
        becomes: Value,
    ) -> Result<(), Refusal> {
        let path = format!("/metadata/{field}");
        let document = json!([
            {"op": "test", "path": &path, "value": was},
            {"op": "replace", "path": &path, "value": becomes},
        ]);
        let patch = Patch::parse(PatchFormat::Json, &document)
            .map_err(|error| Refusal::Internal(error.to_string()))?;
        let edit = Edit::Patch(patch, PatchRoot::Object);
        self.write(&object.key, Lane::Main, edit, this(object)).await.map(drop)
    }

    /// Deletes this object, whatever was written to it meanwhile.
    pub(super) async fn delete(&self, object: &Object) -> Result<(), Refusal> {
        let edit = Edit::Delete(DeleteOptions::default());
        self.write(&object.key, Lane::Main, edit, this(object)).await.map(drop)
    }

    /// Deletes exactly this version of an object. False when somebody wrote it meanwhile.
    pub(super) async fn delete_version(
        &self,
        object: &Object,
        propagation: Propagation,
    ) -> Result<bool, Refusal> {
        let precondition = Precondition { revision: Some(object.revision), ..this(object) };
        let edit = Edit::Delete(DeleteOptions { propagation, ..DeleteOptions::default() });
        self.write(&object.key, Lane::Main, edit, precondition).await
    }

    /// Asks all objects of a resource to go, and says whether they have. The resource or namespace
    /// must be closed to creates already.
    pub(super) async fn delete_all(
        &self,
        resource: &GroupResource,
        namespace: Option<&str>,
    ) -> Result<bool, Refusal> {
        self.engine.turns().closed().await;
        let shared = self.engine.shared();
        let mut after = None;
        loop {
            let page = page(shared, resource, namespace, after.as_ref(), None).await?;
            after = page.objects.last().map(|object| object.key.name.clone());
            self.delete_each(page.objects).await?;
            if !page.more {
                break;
            }
        }
        Ok(page(shared, resource, namespace, None, None).await?.objects.is_empty())
    }

    async fn delete_each(&self, objects: Vec<Arc<Object>>) -> Result<(), Refusal> {
        let mut deleting: JoinSet<Result<(), Refusal>> = JoinSet::new();
        let mut objects = objects.into_iter().filter(|object| !object.metadata.is_terminating());
        loop {
            while deleting.len() < DELETES_MAX
                && let Some(object) = objects.next()
            {
                let hands = self.clone();
                deleting.spawn(async move { hands.delete(&object).await });
            }
            match deleting.join_next().await {
                None => return Ok(()),
                Some(Ok(deleted)) => deleted?,
                Some(Err(error)) => return Err(Refusal::Internal(error.to_string())),
            }
        }
    }

    /// Writes as the server itself. That the object is gone is no fault; false says that somebody
    /// was first with it.
    async fn write(
        &self,
        key: &ObjectKey,
        lane: Lane,
        edit: Edit,
        precondition: Precondition,
    ) -> Result<bool, Refusal> {
        let intent = Intent { lane, edit, precondition, conduct: CONDUCT, manager: MANAGER.into() };
        self.write_as(key, intent).await
    }

    async fn write_as(&self, key: &ObjectKey, intent: Intent) -> Result<bool, Refusal> {
        match self.engine.write_as_server(key, intent).await {
            Ok(_)
            | Err(Refusal::Rules(RulesRefusal::NotFound | RulesRefusal::UidMismatch { .. })) => {
                Ok(true)
            }
            Err(Refusal::Rules(
                RulesRefusal::Conflict(_) | RulesRefusal::Patch(PatchError::TestFailed { .. }),
            )) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }
}

/// The precondition that it is this object, in whatever version.
fn this(object: &Object) -> Precondition {
    Precondition { uid: Some(object.uid().clone()), ..Precondition::default() }
}

const MANAGER: &str = "pintle";

/// A write of the server itself that makes this the status of an object; of exactly this version of
/// it, where one is given.
pub(crate) fn status_intent(status: Value, of: Option<&Object>) -> Intent {
    let edit = Edit::Replace(Document { status: Some(status), ..Document::default() });
    let precondition = of.map_or_else(Precondition::default, |object| Precondition {
        revision: Some(object.revision),
        ..this(object)
    });
    Intent { lane: Lane::Status, edit, precondition, conduct: CONDUCT, manager: MANAGER.into() }
}

/// A main write of the server itself.
pub(super) fn main_intent(edit: Edit, precondition: Precondition) -> Intent {
    Intent { lane: Lane::Main, edit, precondition, conduct: CONDUCT, manager: MANAGER.into() }
}

const CONDUCT: Conduct = Conduct {
    foreign: ForeignLane::Refuse,
    metadata: MetadataMode::NamedOnly,
    unknown_fields: FieldValidation::Ignore,
    keeps_conditions: true,
    patches_are: Manner::Replaced,
    uids: UidForm::Kind,
};

impl Engine {
    /// Writes as the server itself, which may do everything.
    pub(super) async fn write_as_server(
        &self,
        key: &ObjectKey,
        intent: Intent,
    ) -> Result<Written, Refusal> {
        self.write_unasked(self.grant_to_server(key, intent)?).await
    }

    /// What the server may write, which is everything.
    pub(crate) fn grant_to_server(
        &self,
        key: &ObjectKey,
        intent: Intent,
    ) -> Result<Granted<Write>, Refusal> {
        let catalog = self.catalog();
        let served = catalog.get(&key.resource).ok_or_else(|| {
            Refusal::Internal(format!("{} is written by the server, and not served", key.resource))
        })?;
        // In the version that it is in, so that what cannot be converted can be looked after, too.
        let noted = self.store().peek(key).and_then(|object| object.body_version.clone());
        let noted = noted.and_then(|name| served.definition.version(&name));
        let write = Write {
            served: Arc::clone(served),
            version: Arc::clone(noted.unwrap_or_else(|| served.default_version())),
            key: key.clone(),
            intent,
            dry_run: false,
        };
        let server = Arc::new(User::authenticated("system:pintle", None, [MASTERS.into()]));
        Ok(RuleBook::allow_all().grant(&server, write)?)
    }

    /// Makes the namespace that requests without one mean.
    pub(crate) async fn ensure_default_namespace(&self) -> Result<(), Refusal> {
        let key = super::namespace_key("default");
        if self.store().peek(&key).is_some() {
            return Ok(());
        }
        let edit = Edit::Create(Document::default());
        self.write_as_server(&key, main_intent(edit, Precondition::default())).await.map(drop)
    }
}
