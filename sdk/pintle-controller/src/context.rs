//! [`Context`]: what a reconciler can use.

use std::fmt;

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::reflector::Store;
use kube::{Api, Client, ResourceExt as _};
use pintle_kinds::{Condition, Conditions, Timestamp};
use serde::Serialize;

use crate::reconciler::Place as _;
use crate::{Error, Object, Reported, StatusWriter};

/// What a reconciler of one kind can use.
#[derive(Clone)]
pub struct Context<K: Object> {
    client: Client,
    writer: StatusWriter<K>,
    recorder: Recorder,
    known: Option<Store<K>>,
    clock: fn() -> Timestamp,
}

impl<K: Object> fmt::Debug for Context<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl<K: Object> Context<K> {
    /// A context for tests, or for reconcilers that something else runs.
    pub fn new(client: Client, controller: &str) -> Self {
        let reporter = Reporter { controller: controller.to_owned(), instance: None };
        Self {
            writer: StatusWriter::new(client.clone()),
            recorder: Recorder::new(client.clone(), reporter),
            client,
            known: None,
            clock: Timestamp::now,
        }
    }

    pub(crate) fn knowing(self, known: Store<K>) -> Self {
        Self { known: Some(known), ..self }
    }

    /// The client, for other kinds.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The objects in the namespace of one of them, to be read and written; all of them where the
    /// kind has no namespaces.
    pub fn api(&self, near: &K) -> Api<K> {
        let namespace = near.namespace();
        K::Scope::api(self.client.clone(), namespace.as_deref().unwrap_or("default"))
    }

    /// All objects of the kind as they were seen last; nothing where no manager runs.
    pub const fn known(&self) -> Option<&Store<K>> {
        self.known.as_ref()
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The same with another clock, for tests.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Timestamp) -> Self {
        Self { clock, ..self }
    }

    /// Reports what was seen; see [`StatusWriter::update`].
    pub async fn report(&self, object: &K, status: &impl Serialize) -> Result<Reported<K>, Error> {
        Ok(self.writer.update(object, status).await?)
    }

    /// Reports one condition and nothing else.
    pub async fn set_condition(
        &self,
        object: &K,
        condition: Condition,
    ) -> Result<Reported<K>, Error> {
        let status = serde_json::to_value(object).map_err(Error::other)?;
        let mut status = status.get("status").cloned().unwrap_or_default();
        let list = status.get("conditions").cloned().filter(|list| !list.is_null());
        let mut conditions: Conditions = match list {
            Some(list) => serde_json::from_value(list).map_err(Error::other)?,
            None => Conditions::default(),
        };
        conditions.set(condition, self.now());
        if !status.is_object() {
            status = serde_json::json!({});
        }
        if let Some(fields) = status.as_object_mut() {
            let conditions = serde_json::to_value(&conditions).map_err(Error::other)?;
            fields.insert("conditions".to_owned(), conditions);
        }
        self.report(object, &status).await
    }

    /// Tells people what happened to an object, as an Event of Kubernetes.
    pub async fn event(
        &self,
        object: &K,
        kind: EventType,
        reason: &str,
        action: &str,
        note: Option<String>,
    ) -> Result<(), Error> {
        let event = Event {
            type_: kind,
            reason: reason.to_owned(),
            note,
            action: action.to_owned(),
            secondary: None,
        };
        Ok(self.recorder.publish(&event, &object.object_ref(&())).await?)
    }
}
