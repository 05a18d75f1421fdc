//! Controllers against a server in the same process, through its Kubernetes door: what is reported,
//! what is done again, what is never lost.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::events::EventType;
use kube::{Client, Config, CustomResource, CustomResourceExt as _};
use pintle::{Server, User};
use pintle_controller::{
    Action, Condition, Conditions, Context, Error, LeaderSettings, Manager, ManagerError, Options,
    Reconciler, ReportError, Reported, StatusWriter,
};
use pintle_kinds::report::Stale;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// What somebody wants.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, kube::KubeSchema)]
#[kube(
    group = "infra.example.io",
    version = "v1",
    kind = "Device",
    plural = "devices",
    namespaced,
    status = "DeviceStatus",
    derive = "PartialEq"
)]
#[x_kube(validation = Rule::new("self.location != 'nowhere'").message("somewhere, please"))]
pub(crate) struct DeviceSpec {
    location: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    config: BTreeMap<String, String>,
}

/// What a controller has seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    conditions: Conditions,
}

struct Place {
    server: Server,
    users: Client,
    devices: Api<Device>,
}

fn client(server: &Server, user: &str) -> Client {
    Client::new(server.in_process(User::authenticated(user, None, [])), "default")
}

impl Place {
    async fn new() -> Self {
        let server = Server::builder().kind(Device::crd()).in_memory().start().await.unwrap();
        let users = client(&server, "alice");
        let devices = Api::default_namespaced(users.clone());
        Self { server, users, devices }
    }

    async fn create(&self, name: &str) -> Device {
        let spec = DeviceSpec { location: "dc0".to_owned(), config: BTreeMap::new() };
        self.devices.create(&PostParams::default(), &Device::new(name, spec)).await.unwrap()
    }

    async fn patch(&self, name: &str, patch: serde_json::Value) -> Device {
        let params = PatchParams::default();
        self.devices.patch(name, &params, &Patch::Merge(&patch)).await.unwrap()
    }

    fn writer(&self) -> StatusWriter<Device> {
        StatusWriter::new(client(&self.server, "controller"))
    }

    fn manager(&self) -> Manager {
        Manager::new(client(&self.server, "controller"), "tests")
    }

    async fn until(&self, name: &str, what: &str, is_so: impl Fn(&Device) -> bool) -> Device {
        within(what, async {
            loop {
                let found = self.devices.get(name).await.unwrap();
                if is_so(&found) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }
}

async fn within<T>(what: &str, doing: impl Future<Output = T>) -> T {
    let patience = Duration::from_mins(2);
    tokio::time::timeout(patience, doing).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

fn phase(phase: &str) -> DeviceStatus {
    DeviceStatus { phase: Some(phase.to_owned()), ..DeviceStatus::default() }
}

fn is_about_now(device: &Device) -> bool {
    let status = device.status.as_ref();
    status.and_then(|it| it.observed_generation) == device.metadata.generation
}

#[test]
fn a_definition_has_the_rules_and_the_conditions_of_its_type() {
    let definition = serde_json::to_value(Device::crd()).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let rules = &schema["spec"]["x-kubernetes-validations"];
    assert_eq!(rules[0]["rule"], "self.location != 'nowhere'", "{definition:#}");
    let conditions = &schema["status"]["properties"]["conditions"];
    assert_eq!(conditions["x-kubernetes-list-type"], "map", "{conditions:#}");
    assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
    assert_eq!(conditions["items"]["required"], json!(["status", "type"]));
}

#[tokio::test]
async fn a_report_changes_nothing_but_the_status() {
    let place = Place::new().await;
    let writer = place.writer();
    let read = place.create("d").await;
    let written = writer.update(&read, &phase("Ready")).await.unwrap();
    let Reported::Written(written) = written else { panic!("nothing was written") };
    assert_eq!((&written.spec, written.metadata.generation), (&read.spec, Some(1)));
    assert_eq!(written.status, Some(phase("Ready")));
    // Nothing to say: nothing is sent, so not even a server that is gone is noticed.
    assert_eq!(writer.update(&written, &phase("Ready")).await.unwrap(), Reported::Unchanged);
    let version = place.devices.get("d").await.unwrap().metadata.resource_version;
    assert_eq!(version, written.metadata.resource_version);
}

#[tokio::test]
async fn a_report_that_raced_is_brought_in_only_where_that_is_safe() {
    let place = Place::new().await;
    let writer = place.writer();
    let read = place.create("d").await;

    place.patch("d", json!({"metadata": {"labels": {"site": "a"}}})).await;
    let written = writer.update(&read, &phase("Ready")).await.unwrap();
    let Reported::Written(written) = written else { panic!("nothing was written") };
    assert_eq!(written.metadata.labels.unwrap()["site"], "a");

    let read = place.devices.get("d").await.unwrap();
    let other = json!({"status": {"conditions": [{"type": "Calibrated", "status": "False"}]}});
    let params = PatchParams::default();
    place.devices.patch_status("d", &params, &Patch::Merge(&other)).await.unwrap();
    let error = writer.update(&read, &phase("Offline")).await.unwrap_err();
    assert!(matches!(error, ReportError::Stale(Stale::StatusChanged { .. })), "{error}");

    let read = place.devices.get("d").await.unwrap();
    place.patch("d", json!({"spec": {"location": "dc1"}})).await;
    let mut status = read.status.clone().unwrap();
    status.phase = Some("Offline".to_owned());
    let error = writer.update(&read, &status).await.unwrap_err();
    assert!(matches!(error, ReportError::Stale(Stale::SpecChanged)), "{error}");
    let found = place.devices.get("d").await.unwrap();
    assert_eq!(found.status.unwrap().conditions.len(), 1, "somebody else's condition is gone");

    let read = place.devices.get("d").await.unwrap();
    place.devices.delete("d", &DeleteParams::default()).await.unwrap();
    let error = writer.update(&read, &phase("Ready")).await.unwrap_err();
    assert!(matches!(error, ReportError::Gone), "{error}");
    place.create("d").await;
    let error = writer.update(&read, &phase("Ready")).await.unwrap_err();
    assert!(matches!(error, ReportError::Stale(Stale::Recreated)), "{error}");
}

/// Reports which generation it saw, and remembers how it was called.
#[derive(Debug, Default)]
struct Mirror {
    calls: AtomicU32,
    /// So many of the first calls fail.
    failures: AtomicU32,
    busy: Mutex<Vec<String>>,
    twice_at_a_time: AtomicBool,
    /// The first call waits for this, when it is there.
    gate: Option<Arc<Notify>>,
    begun: Notify,
}

impl Mirror {
    async fn look(&self, device: &Device, context: &Context<Device>) -> Result<Action, Error> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            self.begun.notify_one();
            if let Some(gate) = &self.gate {
                gate.notified().await;
            }
        }
        if self.failures.load(Ordering::SeqCst) > 0 {
            self.failures.fetch_sub(1, Ordering::SeqCst);
            return Err(Error::other("it did not work"));
        }
        let generation = device.metadata.generation;
        let mut status = device.status.clone().unwrap_or_default();
        status.observed_generation = generation;
        status.location = Some(device.spec.location.clone());
        let seen = Condition::new("Seen", true, "Mirrored").observed(generation);
        status.conditions.set(seen, context.now());
        context.report(device, &status).await?;
        Ok(Action::await_change())
    }
}

#[derive(Debug, Clone, Default)]
struct Mirrors(Arc<Mirror>);

impl Reconciler for Mirrors {
    type Object = Device;

    async fn reconcile(
        &self,
        device: Arc<Device>,
        context: &Context<Device>,
    ) -> Result<Action, Error> {
        let name = device.metadata.name.clone().unwrap();
        {
            let mut busy = self.0.busy.lock().unwrap();
            if busy.contains(&name) {
                self.0.twice_at_a_time.store(true, Ordering::SeqCst);
            }
            busy.push(name.clone());
        }
        let ended = self.0.look(&device, context).await;
        self.0.busy.lock().unwrap().retain(|busy| *busy != name);
        ended
    }
}

fn quick() -> Options {
    Options { backoff_first: Duration::from_millis(5), ..Options::default() }
}

#[tokio::test]
async fn what_was_there_before_a_start_is_reconciled() {
    let place = Place::new().await;
    place.create("before").await;
    let running = place.manager().with(Mirrors::default()).spawn();
    place.until("before", "the report", is_about_now).await;
    running.stop().await.unwrap();
    // What happens while nobody runs is seen to by the next one.
    place.patch("before", json!({"spec": {"location": "dc7"}})).await;
    let running = place.manager().with(Mirrors::default()).spawn();
    let found = place.until("before", "the report", is_about_now).await;
    assert_eq!(found.status.unwrap().location.as_deref(), Some("dc7"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_change_during_a_reconcile_is_not_lost_and_makes_its_report_stale() {
    let place = Place::new().await;
    let gate = Arc::new(Notify::new());
    let mirror = Arc::new(Mirror { gate: Some(Arc::clone(&gate)), ..Mirror::default() });
    let running = place.manager().with(Mirrors(Arc::clone(&mirror))).spawn();
    place.create("d").await;
    within("the first call", mirror.begun.notified()).await;
    place.patch("d", json!({"spec": {"location": "dc1"}})).await;
    gate.notify_one();
    let found = place.until("d", "the report", is_about_now).await;
    assert_eq!(found.status.unwrap().location.as_deref(), Some("dc1"));
    assert!(!mirror.twice_at_a_time.load(Ordering::SeqCst));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let place = Place::new().await;
    let mirror = Arc::new(Mirror { failures: AtomicU32::new(3), ..Mirror::default() });
    let manager = place.manager().with_options(Mirrors(Arc::clone(&mirror)), quick());
    let metrics = manager.metrics();
    let running = manager.spawn();
    place.create("d").await;
    place.until("d", "the report", is_about_now).await;
    running.stop().await.unwrap();
    assert_eq!(metrics.ended("Device", "error"), 3, "{}", metrics.text());
    assert!(metrics.ended("Device", "ok") >= 1, "{}", metrics.text());
}

const ROUNDS: i64 = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_and_a_controller_race_for_ten_thousand_rounds() {
    let place = Place::new().await;
    let mirror = Arc::new(Mirror::default());
    let running = place.manager().with_options(Mirrors(Arc::clone(&mirror)), quick()).spawn();
    place.create("d").await;
    for round in 1..=ROUNDS {
        let edited = place.patch("d", json!({"spec": {"location": format!("dc{round}")}})).await;
        assert_eq!(edited.metadata.generation, Some(round + 1), "an edit was lost");
    }
    let last = place.until("d", "the last report", is_about_now).await;
    assert_eq!(last.spec.location, format!("dc{ROUNDS}"));
    assert_eq!(last.status.unwrap().location, Some(last.spec.location));
    assert!(!mirror.twice_at_a_time.load(Ordering::SeqCst));
    running.stop().await.unwrap();
}

/// Counts what has to be taken back.
#[derive(Debug, Clone, Default)]
struct Tidy(Arc<AtomicU32>);

impl Reconciler for Tidy {
    type Object = Device;

    async fn reconcile(
        &self,
        device: Arc<Device>,
        context: &Context<Device>,
    ) -> Result<Action, Error> {
        context.set_condition(&device, Condition::new("Set", true, "Up")).await?;
        Ok(Action::await_change())
    }

    fn finalizer(&self) -> Option<&str> {
        Some("infra.example.io/tidy")
    }

    async fn cleanup(&self, _: Arc<Device>, _: &Context<Device>) -> Result<Action, Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Action::await_change())
    }
}

#[tokio::test]
async fn an_object_goes_when_what_was_done_for_it_is_taken_back() {
    let place = Place::new().await;
    let tidy = Tidy::default();
    let running = place.manager().with_options(tidy.clone(), quick()).spawn();
    place.create("d").await;
    let set =
        |device: &Device| device.status.as_ref().is_some_and(|it| it.conditions.is_true("Set"));
    place.until("d", "the condition", set).await;
    place.devices.delete("d", &DeleteParams::default()).await.unwrap();
    within("the object to go", async {
        while place.devices.get_opt("d").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(tidy.0.load(Ordering::SeqCst) >= 1);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn of_two_copies_one_works_and_the_other_follows() {
    let place = Place::new().await;
    let settings = |identity: &str| LeaderSettings {
        lease_duration: Duration::from_secs(2),
        renew_interval: Duration::from_millis(200),
        ..LeaderSettings::new("default", "tests", identity)
    };
    let (first, second) = (Arc::new(Mirror::default()), Arc::new(Mirror::default()));
    let one = place.manager().with(Mirrors(Arc::clone(&first)));
    let one = one.leader_election(settings("one")).spawn();
    place.create("a").await;
    place.until("a", "the first report", is_about_now).await;
    let two = place.manager().with(Mirrors(Arc::clone(&second)));
    let two = two.leader_election(settings("two")).spawn();
    place.create("b").await;
    place.until("b", "the second report", is_about_now).await;
    assert_eq!(second.calls.load(Ordering::SeqCst), 0, "two leaders");
    // It gives the lease away, so that nobody waits for its end.
    one.stop().await.unwrap();
    place.patch("b", json!({"spec": {"location": "dc9"}})).await;
    place.until("b", "the report of the other", is_about_now).await;
    assert!(second.calls.load(Ordering::SeqCst) > 0);
    two.stop().await.unwrap();
    drop(place.users);
}

/// Brings connections to a server, until it is told to hold everything up.
async fn hold(server: &Server, held: watch::Receiver<bool>) -> String {
    let (to, listener) = (server.address(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let (mut there, mut held) = (TcpStream::connect(to).await.unwrap(), held.clone());
            tokio::spawn(async move {
                let is_held = async { held.wait_for(|held| *held).await.is_ok() };
                tokio::select! {
                    ended = copy_bidirectional(&mut here, &mut there) => drop(ended),
                    // The connections stay open, and nothing comes through them.
                    _ = is_held => std::future::pending::<()>().await,
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_leader_whose_server_does_not_answer_leads_no_longer() {
    let place = Place::new().await;
    let (held, holding) = watch::channel(false);
    let url = hold(&place.server, holding).await;
    let far = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
    let settings = |identity: &str| LeaderSettings {
        lease_duration: Duration::from_secs(1),
        renew_interval: Duration::from_millis(100),
        ..LeaderSettings::new("default", "tests", identity)
    };
    let one = Manager::new(far, "tests").with(Mirrors::default());
    let one = one.leader_election(settings("one")).spawn();
    place.create("a").await;
    place.until("a", "the first report", is_about_now).await;
    held.send_replace(true);
    let two = place.manager().with(Mirrors::default());
    let two = two.leader_election(settings("two")).spawn();
    // Well before a call to a server is given up.
    let ended = within("the end of the first", one.ended()).await;
    assert_eq!(ended, Err(ManagerError::LeaseLost));
    place.create("b").await;
    place.until("b", "the report of the other", is_about_now).await;
    two.stop().await.unwrap();
}

#[tokio::test]
async fn a_manager_stops_where_its_server_cannot_be_reached() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nowhere = Client::try_from(Config::new(format!("http://{gone}").parse().unwrap())).unwrap();
    let running = Manager::new(nowhere, "tests").with(Mirrors::default()).spawn();
    within("its end", running.stop()).await.unwrap();
    // Nor where it takes calls, and answers none.
    let place = Place::new().await;
    let (_held, holding) = watch::channel(true);
    let url = hold(&place.server, holding).await;
    let silent = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
    let running = Manager::new(silent, "tests").with(Mirrors::default()).spawn();
    within("its end", running.stop()).await.unwrap();
}

/// A kind beyond namespaces.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "infra.example.io", version = "v1", kind = "Site", plural = "sites")]
#[kube(status = "SiteStatus", derive = "PartialEq")]
pub(crate) struct SiteSpec {
    racks: u32,
}

/// What a controller has seen of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SiteStatus {
    #[serde(default)]
    seen: u32,
}

#[derive(Debug)]
struct Sites;

impl Reconciler for Sites {
    type Object = Site;

    async fn reconcile(&self, site: Arc<Site>, context: &Context<Site>) -> Result<Action, Error> {
        context.report(&site, &SiteStatus { seen: site.spec.racks }).await?;
        let note = Some(format!("{} racks", site.spec.racks));
        context.event(&site, EventType::Normal, "Counted", "Count", note).await?;
        Ok(Action::await_change())
    }

    fn finalizer(&self) -> Option<&str> {
        Some("infra.example.io/site")
    }
}

#[tokio::test]
async fn kinds_beyond_namespaces_have_controllers_and_events_as_well() {
    let server = Server::builder().kind(Site::crd()).in_memory().start().await.unwrap();
    let users = client(&server, "alice");
    let sites: Api<Site> = Api::all(users.clone());
    let manager = Manager::new(client(&server, "controller"), "tests");
    let running = manager.with(Sites).spawn();
    let site = Site::new("north", SiteSpec { racks: 3 });
    sites.create(&PostParams::default(), &site).await.unwrap();
    let events: Api<Event> = Api::all(users);
    within("the report and the event", async {
        loop {
            let seen = sites.get("north").await.unwrap().status.map(|it| it.seen);
            let told = events.list(&ListParams::default()).await.unwrap().items;
            let told = told.iter().any(|event| {
                event.regarding.as_ref().is_some_and(|it| it.name.as_deref() == Some("north"))
                    && event.note.as_deref() == Some("3 racks")
            });
            if seen == Some(3) && told {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    sites.delete("north", &DeleteParams::default()).await.unwrap();
    within("the end", async {
        while sites.get_opt("north").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    running.stop().await.unwrap();
}
