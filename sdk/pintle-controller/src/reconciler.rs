//! [`Reconciler`]: what a controller does with one object.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Action, Context, Error};

/// Where the objects of a kind are: in namespaces, or in none.
pub trait Place<K> {
    /// The objects in a namespace, where the kind has any; else all of them.
    fn api(client: Client, namespace: &str) -> Api<K>;
}

impl<K: Resource<DynamicType = (), Scope = Self>> Place<K> for NamespaceResourceScope {
    fn api(client: Client, namespace: &str) -> Api<K> {
        Api::namespaced(client, namespace)
    }
}

impl<K: Resource<DynamicType = (), Scope = Self>> Place<K> for ClusterResourceScope {
    fn api(client: Client, _: &str) -> Api<K> {
        Api::all(client)
    }
}

/// The objects that reconcilers are for: kinds in namespaces or beyond them, as
/// `#[derive(CustomResource)]` makes them.
pub trait Object:
    Resource<DynamicType = (), Scope: Place<Self>>
    + Serialize
    + DeserializeOwned
    + Clone
    + Debug
    + Send
    + Sync
    + 'static
{
}

impl<K> Object for K where
    K: Resource<DynamicType = (), Scope: Place<Self>>
        + Serialize
        + DeserializeOwned
        + Clone
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// Brings the world to what objects of one kind want, and says what it saw.
///
/// It is called for every object at a start, after every change of one, and when the last call
/// asked for it; never twice at a time for one object. It has to come to the same end however often
/// it is called.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind.
    type Object: Object;

    /// Looks at one object, and does what it takes. An error is followed by another call, after a
    /// pause that grows; so is a panic, and a call that takes longer than [`Options::timeout`],
    /// which is dropped where it waits.
    fn reconcile(
        &self,
        object: Arc<Self::Object>,
        context: &Context<Self::Object>,
    ) -> impl Future<Output = Result<Action, Error>> + Send;

    /// The name that keeps objects from going before [`Reconciler::cleanup`], such as
    /// `infra.example.io/device`. Without one, deletion waits for nobody.
    fn finalizer(&self) -> Option<&str> {
        None
    }

    /// Takes back what was done for an object that is being deleted. Once this succeeds, the object
    /// goes.
    fn cleanup(
        &self,
        _object: Arc<Self::Object>,
        _context: &Context<Self::Object>,
    ) -> impl Future<Output = Result<Action, Error>> + Send {
        async { Ok(Action::await_change()) }
    }
}

/// How a reconciler is called.
#[derive(Debug, Clone)]
pub struct Options {
    /// Objects of this namespace; nothing for all. A kind beyond namespaces has none.
    pub namespace: Option<String>,
    /// Which objects: selectors of labels and fields.
    pub watch: watcher::Config,
    /// So many objects are reconciled at once.
    pub concurrency: u16,
    /// One call has so long.
    pub timeout: Duration,
    /// The pause after a first failure; it doubles with each one in a row.
    pub backoff_first: Duration,
    /// The longest such pause.
    pub backoff_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespace: None,
            watch: watcher::Config::default(),
            concurrency: 8,
            timeout: Duration::from_mins(5),
            backoff_first: Duration::from_millis(200),
            backoff_max: Duration::from_mins(5),
        }
    }
}
