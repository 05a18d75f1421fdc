//! A lease whose holder is lost: killed, cut off from the server, or robbed of it. At no time do
//! two copies work, and after some time one does again.

#![cfg(test)]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1 as k8s;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Config, CustomResource, CustomResourceExt as _};
use pintle::Server;
use pintle_controller::{
    Action, Context, Error, LeaderSettings, Lease, Manager, ManagerError, Reconciler,
};
use pintle_kinds::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const LEASE: Duration = Duration::from_secs(3);
const RENEW: Duration = Duration::from_millis(200);

/// What the other process is told: where the server is.
const URL: &str = "LEADER_TEST_URL";

/// What is looked after.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[kube(group = "infra.example.io", version = "v1", kind = "Rack", plural = "racks", namespaced)]
#[kube(status = "RackStatus")]
pub(crate) struct RackSpec {
    units: u32,
}

/// Which copy has seen how much of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RackStatus {
    #[serde(default)]
    by: String,
    #[serde(default)]
    units: u32,
}

/// Says of each rack who looked at it. With one that has no units, who is robbed is never done.
#[derive(Debug, Clone)]
struct Racks {
    identity: &'static str,
    calls: Arc<AtomicU32>,
    first: Arc<Mutex<Option<Timestamp>>>,
}

impl Racks {
    fn by(identity: &'static str) -> Self {
        Self { identity, calls: Arc::default(), first: Arc::default() }
    }
}

impl Reconciler for Racks {
    type Object = Rack;

    async fn reconcile(&self, rack: Arc<Rack>, context: &Context<Rack>) -> Result<Action, Error> {
        self.first.lock().unwrap().get_or_insert_with(Timestamp::now);
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (by, units) = (self.identity.to_owned(), rack.spec.units);
        context.report(&rack, &RackStatus { by, units }).await?;
        if units == 0 && self.identity == "robbed" {
            std::future::pending::<()>().await;
        }
        Ok(Action::await_change())
    }
}

fn client(address: &str) -> Client {
    Client::try_from(Config::new(address.parse().unwrap())).unwrap()
}

fn settings(identity: &str) -> LeaderSettings {
    LeaderSettings {
        lease_duration: LEASE,
        renew_interval: RENEW,
        ..LeaderSettings::new("default", "racks", identity)
    }
}

fn manager(url: &str, reconciler: &Racks) -> Manager {
    let manager = Manager::new(client(url), "racks").with(reconciler.clone());
    manager.leader_election(settings(reconciler.identity))
}

async fn within<T>(what: &str, doing: impl Future<Output = T>) -> T {
    let patience = Duration::from_mins(2);
    tokio::time::timeout(patience, doing).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

struct Place {
    server: Server,
    url: String,
    racks: Api<Rack>,
    leases: Api<k8s::Lease>,
}

impl Place {
    async fn new() -> Self {
        let server = Server::builder().kind(Rack::crd()).in_memory().start().await.unwrap();
        let url = format!("http://{}", server.address());
        let racks = Api::default_namespaced(client(&url));
        let leases = Api::default_namespaced(client(&url));
        Self { server, url, racks, leases }
    }

    async fn create(&self, name: &str, units: u32) {
        let rack = Rack::new(name, RackSpec { units });
        self.racks.create(&PostParams::default(), &rack).await.unwrap();
    }

    /// Waits until a copy has said that it looked at the rack as it is.
    async fn until_seen(&self, name: &str, by: &str) {
        within(&format!("{name} seen by {by}"), async {
            loop {
                let rack = self.racks.get(name).await.unwrap();
                if rack.status.is_some_and(|it| it.by == by && it.units == rack.spec.units) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    async fn lease(&self) -> k8s::LeaseSpec {
        self.leases.get("racks").await.unwrap().spec.unwrap()
    }

    /// The lease as its holder left it, and as the next one has taken it.
    async fn until_taken(&self, by: &str) -> (k8s::LeaseSpec, k8s::LeaseSpec) {
        let mut before = self.lease().await;
        within(&format!("the lease taken by {by}"), async {
            loop {
                let now = self.lease().await;
                if now.holder_identity.as_deref() == Some(by) {
                    return (before, now);
                }
                before = now;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    async fn change_lease(&self, patch: serde_json::Value) {
        let params = PatchParams::default();
        self.leases.patch("racks", &params, &Patch::Merge(&patch)).await.unwrap();
    }
}

/// The process that is killed: this test, run by the next one.
#[tokio::test]
#[ignore = "is run by another test, as a process of its own"]
async fn the_leader_that_is_killed() {
    let Ok(url) = std::env::var(URL) else { return };
    let _running = manager(&url, &Racks::by("killed")).spawn();
    std::future::pending::<()>().await;
}

/// A process, killed when it is dropped.
struct Killed(Child);

impl Killed {
    fn start(url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_leader_that_is_killed", "--ignored"]).env(URL, url);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // SIGKILL: nothing is given away.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn who_follows_a_killed_leader_waits_for_the_end_of_its_lease() {
    let place = Place::new().await;
    let killed = Killed::start(&place.url);
    place.create("a", 1).await;
    place.until_seen("a", "killed").await;
    assert_eq!(place.lease().await.lease_transitions, Some(0), "the first has it from nobody");
    let heir = Racks::by("heir");
    let running = manager(&place.url, &heir).spawn();
    place.create("b", 1).await;
    place.until_seen("b", "killed").await;

    drop(killed);
    place.create("c", 1).await;
    let (left, taken) = place.until_taken("heir").await;
    assert_eq!(left.holder_identity.as_deref(), Some("killed"));
    assert_eq!(taken.lease_transitions, Some(left.lease_transitions.unwrap() + 1));
    let (renewed, acquired) = (left.renew_time.unwrap().0, taken.acquire_time.unwrap().0);
    let pause = acquired.duration_since(renewed);
    assert!(
        pause >= LEASE.try_into().unwrap(),
        "it was good for {LEASE:?}, and taken in {pause:?}"
    );
    place.until_seen("c", "heir").await;
    let first = heir.first.lock().unwrap().unwrap();
    assert!(first >= acquired, "it worked at {first}, and was the leader at {acquired}");
    running.stop().await.unwrap();
    place.server.stop().await.unwrap();
}

#[tokio::test]
async fn a_leader_that_finds_its_lease_taken_stops() {
    let place = Place::new().await;
    let robbed = Racks::by("robbed");
    let running = manager(&place.url, &robbed).spawn();
    place.create("a", 1).await;
    place.until_seen("a", "robbed").await;
    // What it would do for ever ends as well, when its lease does.
    place.create("endless", 0).await;
    place.until_seen("endless", "robbed").await;
    let began = Instant::now();
    place.change_lease(json!({"spec": {"holderIdentity": "thief"}})).await;
    let ended = within("the end", running.ended()).await;
    assert_eq!(ended, Err(ManagerError::LeaseLost));
    let took = began.elapsed();
    assert!(took < LEASE + Duration::from_secs(5), "it worked on for {took:?}");
    assert_eq!(place.lease().await.holder_identity.as_deref(), Some("thief"), "it is not ours");

    let calls = robbed.calls.load(Ordering::SeqCst);
    let heir = Racks::by("heir");
    let heirs = manager(&place.url, &heir).spawn();
    place.create("b", 1).await;
    place.until_seen("b", "heir").await;
    assert_eq!(robbed.calls.load(Ordering::SeqCst), calls, "it works on");
    heirs.stop().await.unwrap();
    place.server.stop().await.unwrap();
}

/// A way to the server that can become silent: then nothing passes, and no connection ends.
struct Wire {
    url: String,
    silent: watch::Sender<bool>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (silent, silence) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(carry(from, server, silence.clone()));
            }
        });
        Self { url, silent }
    }
}

async fn carry(mut from: TcpStream, server: SocketAddr, mut silence: watch::Receiver<bool>) {
    let mut to = TcpStream::connect(server).await.unwrap();
    let silent = async { silence.wait_for(|silent| *silent).await.is_ok() };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
        true = silent => std::future::pending().await,
    }
}

#[tokio::test]
async fn a_leader_that_is_cut_off_stops_before_its_lease_ends() {
    let place = Place::new().await;
    let wire = Wire::to(place.server.address()).await;
    let mut lease = Lease::new(client(&wire.url), settings("cut off"));
    lease.acquire().await;
    wire.silent.send_replace(true);
    let began = Instant::now();
    within("the end of its time", lease.keep()).await;
    let took = began.elapsed();
    assert!(took < LEASE, "it believed in it for {took:?}, and it was good for {LEASE:?}");
    place.server.stop().await.unwrap();
}

#[tokio::test]
async fn a_lease_that_somebody_else_writes_to_is_not_lost_by_that() {
    let place = Place::new().await;
    let eager = LeaderSettings { renew_interval: Duration::from_millis(5), ..settings("leader") };
    let mut lease = Lease::new(client(&place.url), eager);
    lease.acquire().await;
    let acquired = place.lease().await;
    let mut renewals = 0;
    let writing = async {
        let mut last = acquired.renew_time.clone();
        for n in 0.. {
            place.change_lease(json!({"metadata": {"annotations": {"n": n.to_string()}}})).await;
            let renewed = place.lease().await.renew_time;
            renewals += u32::from(renewed != last);
            last = renewed;
            if renewals == 50 {
                return;
            }
        }
    };
    tokio::select! {
        () = lease.keep() => panic!("lost, and nobody has taken it"),
        () = within("enough renewals", writing) => {}
    }
    let kept = place.lease().await;
    assert_eq!(kept.acquire_time, acquired.acquire_time);
    assert_eq!(kept.lease_transitions, acquired.lease_transitions);
    place.server.stop().await.unwrap();
}

#[tokio::test]
async fn a_lease_is_good_for_as_long_as_it_says_itself() {
    let place = Place::new().await;
    let mut first = Lease::new(client(&place.url), settings("first"));
    first.acquire().await;
    // Another copy, of a time when leases were shorter.
    let brief = LeaderSettings {
        lease_duration: Duration::from_millis(100),
        renew_interval: Duration::from_millis(20),
        ..settings("second")
    };
    let mut second = Lease::new(client(&place.url), brief);
    within("its end", second.acquire()).await;
    let taken = place.lease().await;
    assert_eq!(taken.lease_transitions, Some(1));
    assert_eq!(taken.lease_duration_seconds, Some(1), "whole seconds, and none too few");
    place.server.stop().await.unwrap();
}
