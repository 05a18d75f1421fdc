//! Does what the follower noted.

use std::sync::{Arc, Weak};
use std::time::Duration;

use pintle_authz::{MASTERS, RuleBook, User};
use pintle_model::{GroupResource, Object, ObjectKey, Timestamp};
use pintle_rules::{
    Conduct, DeleteOptions, Document, Edit, FieldValidation, ForeignLane, Intent, Lane,
    MetadataMode, Patch, PatchFormat, PatchRoot, Precondition, Refusal as RulesRefusal,
};
use serde_json::{Value, json};

use super::follower::{Work, everything};
use super::todo::Task;
use super::{definitions, garbage, namespaces};
use crate::{Engine, Refusal, Write, Written};

/// What failed is tried again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

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
        loop {
            let task = self.work.todo.take().await;
            let Some(engine) = self.engine.upgrade() else { return };
            let hands = Hands { engine, work: Arc::clone(&self.work) };
            if let Err(refusal) = hands.carry_out(&task).await {
                tracing::warn!(?task, ?refusal, "will be tried again");
                self.again_later(task);
            }
        }
    }

    fn again_later(&self, task: Task) {
        let work = Arc::clone(&self.work);
        // Short-lived and harmless when it outlives the engine: it notes a task nobody takes.
        drop(tokio::spawn(async move {
            tokio::time::sleep(RETRY_AFTER).await;
            work.todo.note(task);
        }));
    }
}

/// What the lifecycle reads and writes with: the engine, as a caller who may do everything.
#[derive(Debug)]
pub(super) struct Hands {
    engine: Arc<Engine>,
    pub(super) work: Arc<Work>,
}

impl Hands {
    async fn carry_out(&self, task: &Task) -> Result<(), Refusal> {
        match task {
            Task::Definition(key) => definitions::look_after(self, key).await,
            Task::Namespace(key) => namespaces::look_after(self, key).await,
            Task::Collect(key) => garbage::collect(self, key).await,
            Task::Release(key) => garbage::release(self, key).await,
        }
    }

    pub(super) fn peek(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.engine.store().peek(key)
    }

    pub(super) fn catalog(&self) -> Arc<crate::Catalog> {
        self.engine.catalog()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }

    /// Makes this the status of an object, if it is still there.
    pub(super) async fn write_status(&self, key: &ObjectKey, status: Value) -> Result<(), Refusal> {
        let document = Document { status: Some(status), ..Document::default() };
        self.write(key, Lane::Status, Edit::Replace(document), Precondition::default()).await
    }

    /// Takes one finalizer off an object, if it is still there.
    pub(super) async fn remove_finalizer(
        &self,
        key: &ObjectKey,
        finalizer: &str,
    ) -> Result<(), Refusal> {
        let Some(object) = self.peek(key) else { return Ok(()) };
        let rest: Vec<&String> =
            object.metadata.finalizers.iter().filter(|name| *name != finalizer).collect();
        self.merge_metadata(&object, json!({ "finalizers": rest })).await
    }

    /// Merges into the metadata of exactly this version of an object.
    pub(super) async fn merge_metadata(
        &self,
        object: &Object,
        metadata: Value,
    ) -> Result<(), Refusal> {
        let document = json!({ "metadata": metadata });
        let patch = Patch::parse(PatchFormat::Merge, &document)
            .map_err(|error| Refusal::Internal(error.to_string()))?;
        let edit = Edit::Patch(patch, PatchRoot::Object);
        self.write(&object.key, Lane::Main, edit, exactly(object)).await
    }

    /// Deletes exactly this object, whatever was written to it meanwhile.
    pub(super) async fn delete(
        &self,
        object: &Object,
        options: DeleteOptions,
    ) -> Result<(), Refusal> {
        let precondition =
            Precondition { uid: Some(object.uid().clone()), ..Precondition::default() };
        self.write(&object.key, Lane::Main, Edit::Delete(options), precondition).await
    }

    /// Asks all objects of a resource to go, and says how many are still there.
    pub(super) async fn delete_all(
        &self,
        resource: &GroupResource,
        namespace: Option<&str>,
    ) -> Result<usize, Refusal> {
        let shared = self.engine.shared();
        for object in everything(shared, resource, namespace).await? {
            if !object.metadata.is_terminating() {
                self.delete(&object, DeleteOptions::default()).await?;
            }
        }
        Ok(everything(shared, resource, namespace).await?.len())
    }

    /// Writes as the server itself. That the object is gone, or was written meanwhile, is no fault:
    /// the log brings the task back.
    async fn write(
        &self,
        key: &ObjectKey,
        lane: Lane,
        edit: Edit,
        precondition: Precondition,
    ) -> Result<(), Refusal> {
        let intent = Intent { lane, edit, precondition, conduct: CONDUCT, manager: MANAGER.into() };
        match self.engine.write_as_server(key, intent).await {
            Ok(_)
            | Err(Refusal::Rules(
                RulesRefusal::NotFound
                | RulesRefusal::Conflict(_)
                | RulesRefusal::UidMismatch { .. },
            )) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }
}

/// The precondition that nobody wrote since.
fn exactly(object: &Object) -> Precondition {
    Precondition {
        uid: Some(object.uid().clone()),
        revision: Some(object.revision),
        ..Precondition::default()
    }
}

const MANAGER: &str = "pintle";

const CONDUCT: Conduct = Conduct {
    foreign: ForeignLane::Refuse,
    metadata: MetadataMode::NamedOnly,
    unknown_fields: FieldValidation::Ignore,
    keeps_conditions: true,
};

impl Engine {
    /// Writes as the server itself, which may do everything.
    async fn write_as_server(&self, key: &ObjectKey, intent: Intent) -> Result<Written, Refusal> {
        let catalog = self.catalog();
        let served = catalog.get(&key.resource).ok_or_else(|| {
            Refusal::Internal(format!("{} is written by the server, and not served", key.resource))
        })?;
        let write = Write {
            served: Arc::clone(served),
            version: Arc::clone(served.default_version()),
            key: key.clone(),
            intent,
            dry_run: false,
        };
        let server = Arc::new(User::authenticated("system:pintle", None, [MASTERS.into()]));
        self.write(RuleBook::allow_all().grant(&server, write)?).await
    }

    /// Makes the namespace that requests without one mean.
    pub(crate) async fn ensure_default_namespace(&self) -> Result<(), Refusal> {
        let key = super::namespace_key("default");
        if self.store().peek(&key).is_some() {
            return Ok(());
        }
        let intent = Intent {
            lane: Lane::Main,
            edit: Edit::Create(Document::default()),
            precondition: Precondition::default(),
            conduct: CONDUCT,
            manager: MANAGER.into(),
        };
        self.write_as_server(&key, intent).await.map(drop)
    }
}
