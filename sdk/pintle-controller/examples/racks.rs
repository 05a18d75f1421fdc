//! A rack that makes its devices: for each rack as many devices as it has units, which belong to
//! it, and a status that says how many of them are ready.
//!
//! It runs a server in memory with the reconciler in the same process, makes a rack, takes a unit
//! away, and ends: `cargo run --example racks`.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, CustomResource, CustomResourceExt as _, Resource as _, ResourceExt as _};
use pintle::{Server, User};
use pintle_controller::{
    Action, Condition, Conditions, Context, Error, Manager, Options, Reconciler,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What somebody wants of a rack.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[kube(group = "infra.example.io", version = "v1", kind = "Rack", plural = "racks", namespaced)]
#[kube(status = "RackStatus")]
pub struct RackSpec {
    /// So many devices are in it.
    #[schemars(range(min = 0, max = 42))]
    pub units: u8,
}

/// What was seen of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RackStatus {
    /// So many of its devices are there.
    #[serde(default)]
    pub devices: u8,
    /// The generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Complete`: as many as wanted.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub conditions: Conditions,
}

/// What somebody wants of a device.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[kube(group = "infra.example.io", version = "v1", kind = "Device", plural = "devices", namespaced)]
pub struct DeviceSpec {
    /// Where it is.
    pub unit: u8,
}

#[derive(Debug)]
struct RackReconciler;

impl Reconciler for RackReconciler {
    type Object = Rack;

    async fn reconcile(&self, rack: Arc<Rack>, context: &Context<Rack>) -> Result<Action, Error> {
        let namespace = rack.namespace().unwrap_or_else(|| "default".to_owned());
        let devices: Api<Device> = Api::namespaced(context.client().clone(), &namespace);
        let there = devices.list(&of_rack(&rack)).await?.items;
        for unit in 0..rack.spec.units {
            if !there.iter().any(|device| device.spec.unit == unit) {
                make(&devices, &rack, unit).await?;
            }
        }
        for device in there.iter().filter(|device| device.spec.unit >= rack.spec.units) {
            devices.delete(&device.name_any(), &DeleteParams::default()).await?;
        }
        let count = devices.list(&of_rack(&rack)).await?.items.len();
        let generation = rack.metadata.generation;
        let mut status = rack.status.clone().unwrap_or_default();
        status.devices = u8::try_from(count).unwrap_or(u8::MAX);
        status.observed_generation = generation;
        let is_complete = status.devices == rack.spec.units;
        let complete = Condition::new("Complete", is_complete, "Counted").observed(generation);
        status.conditions.set(complete, context.now());
        context.report(&rack, &status).await?;
        Ok(Action::await_change())
    }
}

fn of_rack(rack: &Rack) -> ListParams {
    ListParams::default().labels(&format!("rack={}", rack.name_any()))
}

/// The name follows from what it is, so that a device that was just made and is not seen yet is not
/// made twice.
async fn make(devices: &Api<Device>, rack: &Rack, unit: u8) -> Result<(), Error> {
    let mut device = Device::new(&format!("{}-{unit}", rack.name_any()), DeviceSpec { unit });
    device.labels_mut().insert("rack".to_owned(), rack.name_any());
    // Who owns it: with the rack, the server removes the device.
    device.owner_references_mut().extend(rack.controller_owner_ref(&()));
    match devices.create(&PostParams::default(), &device).await {
        Err(kube::Error::Api(refused)) if refused.is_already_exists() => Ok(()),
        made => Ok(made.map(drop)?),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().kinds([Rack::crd(), Device::crd()]).in_memory().start().await?;
    let client =
        |user| Client::new(server.in_process(User::authenticated(user, None, [])), "default");
    let manager = Manager::new(client("rack-controller"), "racks");
    let manager = manager.with_controller(RackReconciler, Options::default(), |racks, client| {
        // A device that goes is a reason to look at its rack.
        racks.owns(Api::<Device>::all(client), kube::runtime::watcher::Config::default())
    });
    let running = manager.spawn();

    let racks: Api<Rack> = Api::default_namespaced(client("alice"));
    racks.create(&PostParams::default(), &Rack::new("r1", RackSpec { units: 3 })).await?;
    until(&racks, 3).await?;
    let smaller = Patch::Merge(json!({"spec": {"units": 2}}));
    racks.patch("r1", &PatchParams::default(), &smaller).await?;
    until(&racks, 2).await?;
    // Somebody takes a device away: it is made again.
    let devices: Api<Device> = Api::default_namespaced(client("alice"));
    let before = devices.get("r1-0").await?.uid();
    devices.delete("r1-0", &DeleteParams::default()).await?;
    within(async {
        while devices.get_opt("r1-0").await?.is_none_or(|device| device.uid() == before) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    })
    .await?;
    // With the rack go its devices.
    racks.delete("r1", &DeleteParams::default()).await?;
    within(async {
        while !devices.list(&ListParams::default()).await?.items.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    })
    .await?;
    running.stop().await?;
    server.stop().await?;
    Ok(())
}

/// Waits until the rack says that it has so many devices, and is complete.
async fn until(racks: &Api<Rack>, devices: u8) -> Result<(), Box<dyn std::error::Error>> {
    within(async {
        loop {
            let status = racks.get("r1").await?.status.unwrap_or_default();
            if status.devices == devices && status.conditions.is_true("Complete") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

async fn within(
    doing: impl Future<Output = Result<(), kube::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    Ok(tokio::time::timeout(Duration::from_mins(1), doing).await??)
}
