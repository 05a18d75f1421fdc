//! Reconciles that take too long, panic or fail: each object is tried again after pauses that grow,
//! the others go on, everything is counted, and the manager runs on.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use kube::api::{Api, DeleteParams, PostParams};
use kube::{Client, CustomResource, CustomResourceExt as _, ResourceExt as _};
use pintle::{Server, User};
use pintle_controller::{Action, Context, Error, Manager, Metrics, Options, Reconciler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What becomes of a reconcile.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[kube(group = "tests.example.io", version = "v1", kind = "Job", plural = "jobs", namespaced)]
pub(crate) struct JobSpec {
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum Fate {
    Good,
    Slow,
    Panic,
    Fault,
    /// It does not even let others have its thread.
    Blocked,
}

/// When an object was looked at: begin and end of each call.
type Calls = BTreeMap<String, Vec<(Instant, Instant)>>;

#[derive(Debug)]
struct Jobs {
    calls: watch::Sender<Calls>,
    /// Everything is good from now on.
    is_healed: AtomicBool,
    /// What [`Fate::Blocked`] waits for.
    gate: Mutex<mpsc::Receiver<()>>,
}

/// Notes the end of a call, however it ends.
struct Call<'a>(&'a Jobs, String, Instant);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let ended = (self.2, Instant::now());
        self.0.calls.send_modify(|calls| calls.entry(self.1.clone()).or_default().push(ended));
    }
}

impl Jobs {
    fn new() -> (Arc<Self>, mpsc::Sender<()>) {
        let (open, gate) = mpsc::channel();
        let calls = watch::channel(Calls::new()).0;
        (Arc::new(Self { calls, is_healed: AtomicBool::new(false), gate: Mutex::new(gate) }), open)
    }

    async fn work(&self, job: &Job) -> Result<Action, Error> {
        let _call = Call(self, job.name_any(), Instant::now());
        let fate = if self.is_healed.load(Ordering::SeqCst) { Fate::Good } else { job.spec.fate };
        match fate {
            Fate::Good => Ok(Action::await_change()),
            Fate::Slow => std::future::pending().await,
            Fate::Panic => panic!("the job {} panics", job.name_any()),
            Fate::Fault => Err(Error::other("it did not work")),
            Fate::Blocked => {
                self.gate.lock().unwrap().recv().unwrap();
                Ok(Action::await_change())
            }
        }
    }

    /// Waits until an object was looked at so often, and says when.
    async fn called(&self, name: &str, times: usize) -> Vec<(Instant, Instant)> {
        let mut calls = self.calls.subscribe();
        let known = |calls: &Calls| calls.get(name).is_some_and(|calls| calls.len() >= times);
        let known = within(name, calls.wait_for(known)).await;
        known.unwrap()[name].clone()
    }
}

struct Reconciles(Arc<Jobs>);

impl Reconciler for Reconciles {
    type Object = Job;

    async fn reconcile(&self, job: Arc<Job>, _: &Context<Job>) -> Result<Action, Error> {
        self.0.work(&job).await
    }
}

/// Cleans up as it reconciles.
struct Cleans(Arc<Jobs>);

impl Reconciler for Cleans {
    type Object = Job;

    async fn reconcile(&self, _: Arc<Job>, _: &Context<Job>) -> Result<Action, Error> {
        Ok(Action::await_change())
    }

    fn finalizer(&self) -> Option<&str> {
        Some("tests.example.io/job")
    }

    async fn cleanup(&self, job: Arc<Job>, _: &Context<Job>) -> Result<Action, Error> {
        self.0.work(&job).await
    }
}

struct Place {
    server: Server,
    jobs: Api<Job>,
}

impl Place {
    async fn new() -> Self {
        let server = Server::builder().kind(Job::crd()).in_memory().start().await.unwrap();
        let jobs = Api::default_namespaced(client(&server, "alice"));
        Self { server, jobs }
    }

    fn manager(&self, reconciler: impl Reconciler<Object = Job>) -> Manager {
        Manager::new(client(&self.server, "controller"), "tests")
            .with_options(reconciler, options())
    }

    async fn create(&self, name: &str, fate: Fate) {
        let job = Job::new(name, JobSpec { fate });
        self.jobs.create(&PostParams::default(), &job).await.unwrap();
    }
}

fn client(server: &Server, user: &str) -> Client {
    Client::new(server.in_process(User::authenticated(user, None, [])), "default")
}

async fn within<T>(what: &str, doing: impl Future<Output = T>) -> T {
    let patience = Duration::from_mins(2);
    tokio::time::timeout(patience, doing).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

const PAUSES_MS: [u64; 6] = [20, 40, 80, 160, 200, 200];

fn options() -> Options {
    Options {
        timeout: Duration::from_millis(50),
        backoff_first: Duration::from_millis(20),
        backoff_max: Duration::from_millis(200),
        ..Options::default()
    }
}

/// Waits until so many calls are counted; the count follows their end.
async fn counted(metrics: &Metrics, result: &str, count: usize) {
    within(result, async {
        while metrics.ended("Job", result) < u64::try_from(count).unwrap() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_fails_is_tried_again_after_pauses_that_grow_and_others_go_on() {
    let place = Place::new().await;
    let (jobs, _open) = Jobs::new();
    let manager = place.manager(Reconciles(Arc::clone(&jobs)));
    let metrics = manager.metrics();
    let running = manager.spawn();
    let bad = [("slow", Fate::Slow), ("panic", Fate::Panic), ("fault", Fate::Fault)];
    for (name, fate) in bad {
        place.create(name, fate).await;
    }
    for (name, result) in [("slow", "timeout"), ("panic", "panic"), ("fault", "error")] {
        let calls = jobs.called(name, PAUSES_MS.len() + 1).await;
        let gaps = calls.windows(2).map(|pair| pair[1].0.duration_since(pair[0].1));
        for (gap, pause) in gaps.zip(PAUSES_MS) {
            assert!(gap >= Duration::from_millis(pause), "{name}: {gap:?} instead of {pause} ms");
        }
        counted(&metrics, result, PAUSES_MS.len()).await;
    }
    // All of that does not keep others from being looked at.
    place.create("good", Fate::Good).await;
    jobs.called("good", 1).await;
    counted(&metrics, "ok", 1).await;

    jobs.is_healed.store(true, Ordering::SeqCst);
    counted(&metrics, "ok", 1 + bad.len()).await;
    running.stop().await.unwrap();
    let text = metrics.text();
    assert!(text.contains("reconciles_active{kind=\"Job\"} 0"), "{text}");
    assert!(text.contains("reconciles_total{kind=\"Job\",result=\"panic\"} "), "{text}");
    assert_eq!(metrics.ended("Job", "ok"), 1 + 3, "nothing is left to be tried again: {text}");
    place.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_keeps_its_thread_does_not_keep_the_others() {
    let place = Place::new().await;
    let (jobs, open) = Jobs::new();
    let running = place.manager(Reconciles(Arc::clone(&jobs))).spawn();
    place.create("blocked", Fate::Blocked).await;
    for number in 0..20 {
        let name = format!("good-{number}");
        place.create(&name, Fate::Good).await;
        jobs.called(&name, 1).await;
    }
    assert!(!jobs.calls.borrow().contains_key("blocked"), "it has ended");
    open.send(()).unwrap();
    jobs.called("blocked", 1).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_cleanup_that_panics_keeps_its_object_until_it_succeeds() {
    let place = Place::new().await;
    let (jobs, _open) = Jobs::new();
    let manager = place.manager(Cleans(Arc::clone(&jobs)));
    let metrics = manager.metrics();
    let running = manager.spawn();
    place.create("panic", Fate::Panic).await;
    within("the finalizer", async {
        while place.jobs.get("panic").await.unwrap().finalizers().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    place.jobs.delete("panic", &DeleteParams::default()).await.unwrap();
    jobs.called("panic", 3).await;
    counted(&metrics, "panic", 3).await;
    assert!(place.jobs.get_opt("panic").await.unwrap().is_some(), "it is gone before its cleanup");
    jobs.is_healed.store(true, Ordering::SeqCst);
    within("its end", async {
        while place.jobs.get_opt("panic").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    running.stop().await.unwrap();
}
