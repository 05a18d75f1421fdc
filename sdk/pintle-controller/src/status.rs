//! [`StatusWriter`]: writes a status, and nothing else.

use std::fmt;
use std::marker::PhantomData;

use kube::api::{GetParams, PostParams, Request};
use kube::{Client, Resource};
use pintle_kinds::report::{Seen, Settled, Stale, settle};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::explain;

/// What became of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Reported<K> {
    /// It says what was read already. Nothing was sent.
    Unchanged,
    /// It is stored; the object with it.
    Written(Box<K>),
}

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It rests on what is no longer so: compute it again.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The object is gone.
    #[error("the object is gone")]
    Gone,
    /// The object has no name.
    #[error("the object has no name")]
    Unnamed,
    /// The object or its status is no JSON object.
    #[error("the status cannot be written down: {0}")]
    Json(#[from] serde_json::Error),
    /// Others wrote the object all the time.
    #[error("others wrote the object {RACES_MAX} times in a row")]
    Contended,
    /// The server refused, or cannot be reached.
    #[error("{}", explain(.0))]
    Api(Box<kube::Error>),
}

/// A report that loses so many races in a row is given up on.
const RACES_MAX: usize = 16;

/// Writes the status of objects of one kind through their status subresource.
#[derive(Clone)]
pub struct StatusWriter<K> {
    client: Client,
    objects: PhantomData<fn() -> K>,
}

impl<K> fmt::Debug for StatusWriter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusWriter").finish_non_exhaustive()
    }
}

impl<K> StatusWriter<K>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + fmt::Debug,
{
    /// A writer that calls with this client.
    pub const fn new(client: Client) -> Self {
        Self { client, objects: PhantomData }
    }

    /// Reports what was seen, for an object as it was read.
    ///
    /// Nothing is sent when the object says so already. When somebody wrote the object since it was
    /// read, the report is brought in all the same as long as what is wanted (`generation`), and
    /// all of the status that the report does not speak of, is as it was read. Otherwise it is
    /// [`ReportError::Stale`], and the reconcile has to run again. Spec and metadata stay as they
    /// are in every case.
    pub async fn update(
        &self,
        object: &K,
        status: &impl Serialize,
    ) -> Result<Reported<K>, ReportError> {
        let wanted = serde_json::to_value(status)?;
        let read = serde_json::to_value(object)?;
        if *status_of(&read) == wanted {
            return Ok(Reported::Unchanged);
        }
        let meta = object.meta();
        let name = meta.name.as_deref().ok_or(ReportError::Unnamed)?;
        let requests = Request::new(K::url_path(&(), meta.namespace.as_deref()));
        let (mut target, mut next) = (read.clone(), wanted.clone());
        for _ in 0..RACES_MAX {
            match self.put(&requests, name, &target, &next).await {
                Err(kube::Error::Api(refused)) if refused.code == 409 => {}
                Err(error) => return Err(failed(error)),
                Ok(written) => return Ok(Reported::Written(Box::new(written))),
            }
            let get = requests.get(name, &GetParams::default()).map_err(kube::Error::BuildRequest);
            target = self.client.request(get.map_err(failed)?).await.map_err(failed)?;
            match settle(seen(&read), &wanted, seen(&target)) {
                Settled::Done => {
                    return Ok(Reported::Written(Box::new(serde_json::from_value(target)?)));
                }
                Settled::Write(status) => next = status,
                Settled::Stale(stale) => return Err(stale.into()),
            }
        }
        Err(ReportError::Contended)
    }

    async fn put(
        &self,
        requests: &Request,
        name: &str,
        object: &Value,
        status: &Value,
    ) -> Result<K, kube::Error> {
        let known = |field: &str| object.pointer(&format!("/metadata/{field}"));
        // Nothing but what says which object is meant, so that there is nothing else to write.
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {
                "name": name,
                "namespace": known("namespace"),
                "uid": known("uid"),
                "resourceVersion": known("resourceVersion"),
            },
            "status": status,
        });
        let body = serde_json::to_vec(&body).map_err(kube::Error::SerdeError)?;
        let request = requests.replace_subresource("status", name, &PostParams::default(), body);
        self.client.request(request.map_err(kube::Error::BuildRequest)?).await
    }
}

fn status_of(object: &Value) -> &Value {
    object.get("status").unwrap_or(&Value::Null)
}

fn seen(object: &Value) -> Seen<'_> {
    Seen {
        uid: object.pointer("/metadata/uid").and_then(Value::as_str),
        generation: object.pointer("/metadata/generation").and_then(Value::as_i64),
        status: status_of(object),
    }
}

fn failed(error: kube::Error) -> ReportError {
    match error {
        kube::Error::Api(status) if status.code == 404 => ReportError::Gone,
        other => ReportError::Api(Box::new(other)),
    }
}
