//! Pintle as a server for kube-rs: typed calls, watches in both ways of listing, and a controller
//! with a finalizer that is elected on a Lease.
//!
//! The server is the one of `$KUBECONFIG`, and has `examples/devices/device.crd.yaml`. Each line of
//! the output is one thing that works; the first that does not ends the program with code 1.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Event as Finalizer, finalizer};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, CustomResource, ResourceExt as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_secs(60);
const FINALIZER: &str = "interop.example.io/teardown";

#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(group = "infra.example.io", version = "v1", kind = "Device", namespaced)]
#[kube(status = "DeviceStatus", schema = "disabled")]
struct DeviceSpec {
    name: String,
    location: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_generation: Option<i64>,
}

fn ok(what: &str) {
    println!("ok {what}");
}

/// Ends the program where something went wrong.
fn check<T, E: Debug>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => {
            ok(what);
            value
        }
        Err(error) => {
            println!("FAILED {what}: {error:?}");
            std::process::exit(1);
        }
    }
}

fn require(what: &str, holds: bool, found: impl Debug) {
    check(what, if holds { Ok(()) } else { Err(found) });
}

#[tokio::main]
async fn main() {
    let client = check("the kubeconfig is read", Client::try_default().await);
    let version = check("the version is told", client.apiserver_version().await);
    require("it is one of Kubernetes", version.major == "1", &version);
    let namespace = format!("rs-{}", std::process::id());
    let spaces: Api<Namespace> = Api::all(client.clone());
    let space = serde_json::from_value(json!({"metadata": {"name": namespace}}));
    let space: Namespace = space.expect("a Namespace has a name");
    check("a Namespace is created", spaces.create(&PostParams::default(), &space).await);

    let devices: Api<Device> = Api::namespaced(client.clone(), &namespace);
    try_calls(&devices).await;
    for (way, config) in [
        ("with a list", watcher::Config::default()),
        ("with a streamed list", watcher::Config::default().streaming_lists()),
    ] {
        try_watch(&devices, way, config).await;
    }
    try_controller(&client, &namespace, &devices).await;

    let deleted = spaces.delete(&namespace, &DeleteParams::default()).await;
    check("the Namespace is deleted", deleted);
    until("it goes", async || spaces.get_opt(&namespace).await.is_ok_and(|it| it.is_none())).await;
}

fn device(name: &str) -> Device {
    Device::new(name, DeviceSpec { name: name.to_owned(), location: "attic".to_owned() })
}

/// Waits until something holds.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let tried = timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    check(what, tried.await);
}

async fn try_calls(devices: &Api<Device>) {
    let (post, patch) = (PostParams::default(), PatchParams::default());
    let created = check("a Device is created", devices.create(&post, &device("one")).await);
    let exists = devices.create(&post, &device("one")).await;
    let exists = exists.as_ref().err();
    require(
        "creating it again is a conflict",
        matches!(exists, Some(kube::Error::Api(status)) if status.is_already_exists()),
        exists,
    );
    let change = json!({"status": {"phase": "Ready"}, "spec": {"location": "nowhere"}});
    let patched = devices.patch_status("one", &patch, &Patch::Merge(&change)).await;
    let patched = check("its status is patched", patched);
    require("and nothing else", patched.spec == created.spec, &patched);
    require("the generation stays", patched.metadata.generation == Some(1), &patched);

    let mut whole = patched.clone();
    whole.status = Some(DeviceStatus { phase: Some("Error".to_owned()), ..Default::default() });
    let replaced = devices.replace_status("one", &post, &whole).await;
    let replaced = check("its status is replaced", replaced);
    let stale = devices.replace_status("one", &post, &whole).await;
    require(
        "a status for an older version is a conflict",
        matches!(&stale, Err(kube::Error::Api(status)) if status.is_conflict()),
        &stale,
    );
    let change = json!({"spec": {"location": "cellar"}});
    let moved = devices.patch("one", &patch, &Patch::Merge(&change)).await;
    let moved = check("its spec is patched", moved);
    require("the status stays", moved.status == replaced.status, &moved);
    let found = devices.list(&ListParams::default().fields("spec.location=cellar")).await;
    let found = check("it is listed by a field", found);
    require("and found", found.items.len() == 1, found.items.len());
    check("it is deleted", devices.delete("one", &DeleteParams::default()).await);
    let gone = check("it is asked for", devices.get_opt("one").await);
    require("it is gone", gone.is_none(), gone);
}

async fn try_watch(devices: &Api<Device>, way: &str, config: watcher::Config) {
    let post = PostParams::default();
    check("a Device is there", devices.create(&post, &device("seen")).await);
    let mut events = watcher(devices.clone(), config).boxed();
    let mut next = async |what: &str| match timeout(PATIENCE, events.try_next()).await {
        Ok(Ok(Some(event))) => event,
        other => check(&format!("a watch {way} tells {what}"), Err(other)),
    };
    let mut told = Vec::new();
    loop {
        match next("what is there").await {
            Event::Init => {}
            Event::InitApply(device) => told.push(device.name_any()),
            Event::InitDone => break,
            other => require("it begins with what is there", false, other),
        }
    }
    require("all that is there is told", told == ["seen"], &told);
    let change = json!({"status": {"phase": "Ready"}});
    let patch = PatchParams::default();
    let patched = devices.patch_status("seen", &patch, &Patch::Merge(&change)).await;
    let patched = check("its status is patched", patched);
    let event = next("a change").await;
    require(
        "the change is told with its version",
        matches!(&event, Event::Apply(it) if it.resource_version() == patched.resource_version()),
        &event,
    );
    check("it is deleted", devices.delete("seen", &DeleteParams::default()).await);
    let event = next("the end").await;
    require("the end is told", matches!(event, Event::Delete(_)), &event);
}

/// Takes a Lease that nobody holds, as leader election does: whoever writes it second has a
/// conflict.
async fn elect(leases: &Api<Lease>, who: &str) -> Result<Lease, kube::Error> {
    let mut lease = leases.get("leader").await?;
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(who.to_owned());
    spec.renew_time = Some(MicroTime(k8s_openapi::jiff::Timestamp::now()));
    leases.replace("leader", &PostParams::default(), &lease).await
}

async fn try_controller(client: &Client, namespace: &str, devices: &Api<Device>) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let spec = LeaseSpec { lease_duration_seconds: Some(15), ..LeaseSpec::default() };
    let mut lease = Lease { spec: Some(spec), ..Lease::default() };
    lease.metadata.name = Some("leader".to_owned());
    check("a Lease is created", leases.create(&PostParams::default(), &lease).await);
    let stale = leases.get("leader").await.expect("it was created");
    let held = check("one is elected", elect(&leases, "one").await);
    let holder = held.spec.and_then(|spec| spec.holder_identity);
    require("and holds the Lease", holder.as_deref() == Some("one"), holder);
    let rival = leases.replace("leader", &PostParams::default(), &stale).await;
    require(
        "another who read it before has a conflict",
        matches!(&rival, Err(kube::Error::Api(status)) if status.is_conflict()),
        &rival,
    );

    let controller = Controller::new(devices.clone(), watcher::Config::default())
        .run(
            reconcile,
            |_, _, _| Action::requeue(Duration::from_secs(1)),
            Arc::new(devices.clone()),
        )
        .for_each(|_| std::future::ready(()));
    let running = tokio::spawn(controller);
    check("a Device is created", devices.create(&PostParams::default(), &device("two")).await);
    let reported = async |message: &str| {
        let status = devices.get("two").await.ok().and_then(|device| device.status);
        status.and_then(|status| status.message).as_deref() == Some(message)
    };
    until("the controller reports", async || reported("in attic").await).await;
    let change = json!({"spec": {"location": "cellar"}});
    let moved = devices.patch("two", &PatchParams::default(), &Patch::Merge(&change)).await;
    check("its spec is patched", moved);
    until("the controller follows", async || reported("in cellar").await).await;
    let two = check("it is read", devices.get("two").await);
    require("it has the finalizer", two.finalizers() == [FINALIZER], two.finalizers());
    check("it is deleted", devices.delete("two", &DeleteParams::default()).await);
    let gone = async || devices.get_opt("two").await.is_ok_and(|it| it.is_none());
    until("the controller lets it go", gone).await;
    running.abort();
}

async fn reconcile(
    device: Arc<Device>,
    devices: Arc<Api<Device>>,
) -> Result<Action, kube::runtime::finalizer::Error<kube::Error>> {
    let report = async |event: Finalizer<Device>| {
        let Finalizer::Apply(device) = event else { return Ok(Action::await_change()) };
        let status = json!({"status": {
            "phase": "Ready",
            "message": format!("in {}", device.spec.location),
            "observedGeneration": device.metadata.generation,
        }});
        let patch = Patch::Merge(&status);
        devices.patch_status(&device.name_any(), &PatchParams::default(), &patch).await?;
        Ok(Action::await_change())
    };
    finalizer(&devices, FINALIZER, device, report).await
}
