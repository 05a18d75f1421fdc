//! [`Manager`]: runs reconcilers, together.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};
use kube::runtime::Controller;
use kube::runtime::controller::{self, Action};
use kube::runtime::finalizer::{self, Event as FinalizerEvent};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt as _};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::reconciler::Place as _;
use crate::{
    Backoff, Context, Error, LeaderSettings, Lease, Metrics, Options, Reconciler, explain,
};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type Start = Box<dyn FnOnce(&Parts) -> Work + Send>;

/// What all reconcilers of a manager share.
#[derive(Clone)]
struct Parts {
    client: Client,
    name: String,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
}

/// Several reconcilers, and how they run.
#[must_use = "nothing runs before `run` or `spawn`"]
pub struct Manager {
    client: Client,
    name: String,
    metrics: Arc<Metrics>,
    leader: Option<LeaderSettings>,
    starts: Vec<Start>,
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Manager");
        shown.field("name", &self.name).field("leader", &self.leader);
        shown.field("reconcilers", &self.starts.len()).finish_non_exhaustive()
    }
}

/// Why a manager ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagerError {
    /// Another copy of the program is the leader now, or may be soon. Whatever was in progress has
    /// been finished, or was cut off when the lease ended.
    #[error("the lease was lost: another copy of the program is the leader, or may be soon")]
    LeaseLost,
    /// A part of it panicked.
    #[error("a reconciler's controller ended in a fault: {0}")]
    Fault(String),
}

/// After a report that was stale, the object is looked at again so soon: the change that made it
/// stale is on its way, or has arrived.
const STALE_PAUSE: Duration = Duration::from_millis(20);

impl Manager {
    /// A manager without reconcilers. Its name is what events say about who tells them.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
            metrics: Arc::new(Metrics::default()),
            leader: None,
            starts: Vec::new(),
        }
    }

    /// Runs a reconciler, too.
    pub fn with<R: Reconciler>(self, reconciler: R) -> Self {
        self.with_options(reconciler, Options::default())
    }

    /// Runs a reconciler, too, in a way of its own.
    pub fn with_options<R: Reconciler>(self, reconciler: R, options: Options) -> Self {
        self.with_controller(reconciler, options, |controller, _| controller)
    }

    /// Runs a reconciler, too, and lets kube-runtime know when else it is to be called: for changes
    /// of what its objects own (`Controller::owns`) or have to do with (`Controller::watches`).
    pub fn with_controller<R: Reconciler>(
        mut self,
        reconciler: R,
        options: Options,
        more: impl FnOnce(Controller<R::Object>, Client) -> Controller<R::Object> + Send + 'static,
    ) -> Self {
        self.starts.push(Box::new(move |parts| {
            let client = parts.client.clone();
            let api = match &options.namespace {
                Some(namespace) => <R::Object as Resource>::Scope::api(client.clone(), namespace),
                None => Api::all(client.clone()),
            };
            let controller = Controller::new(api, options.watch.clone());
            let controller = more(controller, client);
            Box::pin(run(parts.clone(), reconciler, options, controller))
        }));
        self
    }

    /// Works only while this copy of the program is the leader.
    pub fn leader_election(self, settings: LeaderSettings) -> Self {
        Self { leader: Some(settings), ..self }
    }

    /// What is counted, to be shown somewhere.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Runs until `stop` completes, and what is in progress then has ended.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ManagerError> {
        let (stopping, stopped) = watch::channel(false);
        let mut working = std::pin::pin!(self.work(stopped));
        tokio::select! {
            ended = &mut working => return ended,
            () = stop => stopping.send_replace(true),
        };
        working.await
    }

    /// Runs beside whatever else there is.
    pub fn spawn(self) -> Running {
        let metrics = self.metrics();
        let (stopping, stopped) = watch::channel(false);
        Running { stopping, metrics, task: tokio::spawn(self.work(stopped)) }
    }

    async fn work(self, mut stop: watch::Receiver<bool>) -> Result<(), ManagerError> {
        let Some(settings) = self.leader.clone() else { return self.reconcile(stop).await };
        let mut lease = Lease::new(self.client.clone(), settings);
        tokio::select! {
            () = lease.acquire() => {}
            () = stopped(&mut stop) => return Ok(()),
        }
        tracing::info!(name = self.name, "this copy is the leader");
        let (ending, ended) = watch::channel(false);
        let mut working = std::pin::pin!(self.reconcile(ended));
        let mut lost = tokio::select! {
            ended = &mut working => return ended,
            () = lease.keep() => true,
            () = stopped(&mut stop) => false,
        };
        ending.send_replace(true);
        if !lost {
            // Until what is in progress has ended, nobody else begins.
            lost = tokio::select! {
                ended = &mut working => ended.map(|()| false)?,
                () = lease.keep() => true,
            };
        }
        let end = lease.ends().unwrap_or_else(tokio::time::Instant::now);
        if lost {
            // What goes on after that would go on beside the work of somebody else.
            if let Ok(ended) = tokio::time::timeout_at(end, working).await {
                ended?;
            }
            return Err(ManagerError::LeaseLost);
        }
        // When it has ended there is nothing to give away.
        if let Ok(Err(error)) = tokio::time::timeout_at(end, lease.release()).await {
            let why = explain(&error);
            tracing::warn!(why, "the lease was not given away: the next leader waits for its end");
        }
        Ok(())
    }

    async fn reconcile(self, stop: watch::Receiver<bool>) -> Result<(), ManagerError> {
        let Self { client, name, metrics, starts, .. } = self;
        let parts = Parts { client, name, metrics, stop };
        let mut tasks = JoinSet::new();
        for start in starts {
            tasks.spawn(start(&parts));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|error| ManagerError::Fault(error.to_string()))?;
        }
        Ok(())
    }
}

/// A manager that runs beside something else. One that is dropped runs on.
#[derive(Debug)]
pub struct Running {
    stopping: watch::Sender<bool>,
    metrics: Arc<Metrics>,
    task: JoinHandle<Result<(), ManagerError>>,
}

impl Running {
    /// What is counted.
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Lets what is in progress finish, and ends.
    pub async fn stop(self) -> Result<(), ManagerError> {
        self.stopping.send_replace(true);
        self.ended().await
    }

    /// Waits until it has ended by itself.
    pub async fn ended(self) -> Result<(), ManagerError> {
        self.task.await.unwrap_or_else(|error| Err(ManagerError::Fault(error.to_string())))
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A manager that nobody holds any more runs on.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What the calls of one reconciler share.
struct Shared<R: Reconciler> {
    reconciler: R,
    context: Context<R::Object>,
    metrics: Arc<Metrics>,
    timeout: Duration,
    backoff: Mutex<Backoff<String>>,
}

async fn run<R: Reconciler>(
    parts: Parts,
    reconciler: R,
    options: Options,
    controller: Controller<R::Object>,
) {
    let Parts { client, name, metrics, mut stop } = parts;
    let shared = Arc::new(Shared {
        reconciler,
        context: Context::new(client, &name).knowing(controller.store()),
        metrics,
        timeout: options.timeout,
        backoff: Mutex::new(Backoff::new(options.backoff_first, options.backoff_max)),
    });
    let config = controller::Config::default().concurrency(options.concurrency);
    let (known, mut stopping) = (controller.store(), stop.clone());
    let working = controller
        .with_config(config)
        .graceful_shutdown_on(async move { stopped(&mut stop).await })
        .run(reconcile, |object, error, shared| pause_after(&*object, error, &shared), shared)
        .for_each(|ended| async move {
            match ended {
                Ok(_) | Err(controller::Error::ReconcilerFailed(..)) => {}
                Err(controller::Error::QueueError(error)) => tell_of::<R>(&error),
                Err(error) => tracing::debug!(%error, "a controller goes on"),
            }
        });
    // As long as kube-runtime has not seen all objects once, it begins no reconcile, and does not
    // stop either: where the server cannot be reached, that would be never.
    let unready = async {
        stopped(&mut stopping).await;
        if known.wait_until_ready().now_or_never().is_some() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = working => {}
        () = unready => {}
    }
}

/// A watch that fails begins anew, after pauses that grow to half a minute. Until it works again
/// nothing is reconciled, and nobody would know why.
fn tell_of<R: Reconciler>(error: &watcher::Error) {
    let kind = R::Object::kind(&());
    let why = match error {
        // History does not reach back so far: everything is read anew, and nothing was missed.
        watcher::Error::WatchError(status) if status.code == 410 => {
            return tracing::debug!(%kind, why = status.message, "a watch begins anew");
        }
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => explain(error),
        other => other.to_string(),
    };
    tracing::warn!(%kind, why, "objects cannot be watched; this is tried again");
}

async fn reconcile<R: Reconciler>(
    object: Arc<R::Object>,
    shared: Arc<Shared<R>>,
) -> Result<Action, Error> {
    let kind = R::Object::kind(&());
    shared.metrics.begin(&kind);
    let begun = Instant::now();
    let key = key_of(&*object);
    let ended = match bounded(&shared, object).await {
        // Then there is nothing to do, and nothing to complain about.
        Err(Error::Gone) => {
            shared.metrics.end(&kind, "gone", begun.elapsed());
            Ok(Action::await_change())
        }
        other => {
            let word = other.as_ref().map_or_else(Error::word, |_| "ok");
            shared.metrics.end(&kind, word, begun.elapsed());
            other
        }
    };
    if ended.is_ok() {
        shared.backoff.lock().unwrap_or_else(PoisonError::into_inner).forget(&key);
    }
    ended
}

/// A call that ends in time and without a panic, or has failed. kube-runtime has a task for each of
/// them, and hands the panic of one on to all.
async fn bounded<R: Reconciler>(
    shared: &Arc<Shared<R>>,
    object: Arc<R::Object>,
) -> Result<Action, Error> {
    let limit = shared.timeout;
    let called = tokio::time::timeout(limit, call(shared, object));
    // Nothing of ours is half done while a reconciler runs; what is its own is its own.
    match AssertUnwindSafe(called).catch_unwind().await {
        Ok(in_time) => in_time.unwrap_or(Err(Error::TimedOut(limit))),
        Err(payload) => Err(Error::Panicked(words_of(payload))),
    }
}

/// What a panic says.
fn words_of(payload: Box<dyn Any + Send>) -> String {
    let words = payload.downcast::<String>().map(|words| *words);
    words.unwrap_or_else(|payload| {
        let words = payload.downcast_ref::<&str>();
        words.map_or_else(|| "without words".to_owned(), ToString::to_string)
    })
}

async fn call<R: Reconciler>(
    shared: &Arc<Shared<R>>,
    object: Arc<R::Object>,
) -> Result<Action, Error> {
    let Shared { reconciler, context, .. } = &**shared;
    let Some(finalizer) = reconciler.finalizer() else {
        if object.meta().deletion_timestamp.is_some() {
            return Ok(Action::await_change());
        }
        return reconciler.reconcile(object, context).await;
    };
    let api = context.api(&object);
    let called = finalizer::finalizer(&api, finalizer, object, |event| async {
        match event {
            FinalizerEvent::Apply(object) => reconciler.reconcile(object, context).await,
            FinalizerEvent::Cleanup(object) => reconciler.cleanup(object, context).await,
        }
    });
    called.await.map_err(|error| match error {
        finalizer::Error::ApplyFailed(error) | finalizer::Error::CleanupFailed(error) => error,
        finalizer::Error::AddFinalizer(error) | finalizer::Error::RemoveFinalizer(error) => {
            error.into()
        }
        other => Error::other(other.to_string()),
    })
}

fn pause_after<R: Reconciler>(object: &R::Object, error: &Error, shared: &Shared<R>) -> Action {
    let kind = R::Object::kind(&());
    if let Error::Stale(stale) = error {
        tracing::debug!(%kind, name = object.name_any(), %stale, "reconciled again");
        return Action::requeue(STALE_PAUSE);
    }
    let mut backoff = shared.backoff.lock().unwrap_or_else(PoisonError::into_inner);
    let pause = backoff.fail(&key_of(object), Instant::now());
    tracing::warn!(%kind, name = object.name_any(), %error, ?pause, "a reconcile failed");
    Action::requeue(pause)
}

/// One life of an object: whatever is made anew under its name has not failed yet.
fn key_of(object: &impl Resource) -> String {
    let meta = object.meta();
    let name = || format!("{}/{}", meta.namespace.as_deref().unwrap_or(""), object.name_any());
    meta.uid.clone().unwrap_or_else(name)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1 as k8s;

    use super::*;

    #[test]
    fn failures_are_those_of_one_life() {
        let lease = |uid: Option<&str>| {
            let mut lease = k8s::Lease::default();
            lease.metadata.name = Some("l".to_owned());
            lease.metadata.namespace = Some("default".to_owned());
            lease.metadata.uid = uid.map(str::to_owned);
            key_of(&lease)
        };
        assert_eq!(lease(Some("a")), lease(Some("a")));
        assert_ne!(lease(Some("a")), lease(Some("b")));
        assert_eq!(lease(None), "default/l");
    }
}
