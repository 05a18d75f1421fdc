//! A controller in a process of its own, killed in the middle of its work again and again: what it
//! looks after comes to be as wanted, nothing is made twice, and each start looks at everything.

#![cfg(test)]

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, ListParams, PostParams};
use kube::{
    Client, Config, CustomResource, CustomResourceExt as _, Resource as _, ResourceExt as _,
};
use pintle::Server;
use pintle_controller::{Action, Context, Error, Manager, Reconciler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const RACKS: usize = 12;
const UNITS: usize = 8;
const KILLS: u32 = 6;

/// What the controller process is told.
const URL: &str = "CRASH_TEST_URL";
const RUN: &str = "CRASH_TEST_RUN";

/// What somebody wants of a rack.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[kube(group = "infra.example.io", version = "v1", kind = "Rack", plural = "racks", namespaced)]
#[kube(status = "RackStatus")]
pub(crate) struct RackSpec {
    units: usize,
}

/// What was seen of it, and by which start of the controller.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RackStatus {
    #[serde(default)]
    devices: usize,
    #[serde(default)]
    run: u32,
}

/// One unit of a rack.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[kube(group = "infra.example.io", version = "v1", kind = "Device", plural = "devices", namespaced)]
pub(crate) struct DeviceSpec {
    unit: usize,
}

#[derive(Debug)]
struct RackReconciler {
    run: u32,
}

impl Reconciler for RackReconciler {
    type Object = Rack;

    async fn reconcile(&self, rack: Arc<Rack>, context: &Context<Rack>) -> Result<Action, Error> {
        let devices: Api<Device> = Api::namespaced(context.client().clone(), "default");
        let there = devices.list(&of_rack(&rack)).await?.items;
        for unit in 0..rack.spec.units {
            if there.iter().any(|device| device.spec.unit == unit) {
                continue;
            }
            // The name is the server's: made twice, it would be two devices.
            let mut device = Device::new("", DeviceSpec { unit });
            device.metadata.name = None;
            device.metadata.generate_name = Some(format!("{}-", rack.name_any()));
            device.labels_mut().insert("rack".to_owned(), rack.name_any());
            device.owner_references_mut().extend(rack.controller_owner_ref(&()));
            devices.create(&PostParams::default(), &device).await?;
        }
        let count = devices.list(&of_rack(&rack)).await?.items.len();
        context.report(&rack, &RackStatus { devices: count, run: self.run }).await?;
        Ok(Action::await_change())
    }
}

fn of_rack(rack: &Rack) -> ListParams {
    ListParams::default().labels(&format!("rack={}", rack.name_any()))
}

fn client(url: &str) -> Client {
    Client::try_from(Config::new(url.parse().unwrap())).unwrap()
}

/// The controller process: this test, run by the other one.
#[tokio::test]
#[ignore = "is run by the other test, as a process of its own"]
async fn the_controller() {
    let (Ok(url), Ok(run)) = (std::env::var(URL), std::env::var(RUN)) else { return };
    let reconciler = RackReconciler { run: run.parse().unwrap() };
    let manager = Manager::new(client(&url), "racks").with(reconciler);
    let _running = manager.spawn();
    std::future::pending::<()>().await;
}

/// A controller process, killed when it is dropped.
struct Running(Child);

impl Running {
    fn start(url: &str, run: u32) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_controller", "--ignored"]).env(URL, url);
        command.env(RUN, run.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGKILL.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn within<T>(what: &str, doing: impl Future<Output = T>) -> T {
    let patience = Duration::from_mins(2);
    tokio::time::timeout(patience, doing).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

#[tokio::test]
async fn a_controller_that_is_killed_goes_on_where_it_was() {
    let server = Server::builder().kinds([Rack::crd(), Device::crd()]).in_memory().start();
    let server = server.await.unwrap();
    let url = format!("http://{}", server.address());
    let racks: Api<Rack> = Api::default_namespaced(client(&url));
    let devices: Api<Device> = Api::default_namespaced(client(&url));
    for rack in 0..RACKS {
        let rack = Rack::new(&format!("r{rack}"), RackSpec { units: UNITS });
        racks.create(&PostParams::default(), &rack).await.unwrap();
    }
    let count = async || devices.list(&ListParams::default()).await.unwrap().items.len();
    for run in 1..=KILLS {
        // In the middle of its work: some more devices are there, and not yet all of them.
        let enough = RACKS * UNITS * run as usize / (KILLS as usize + 1);
        let _running = Running::start(&url, run);
        within("some devices", async {
            while count().await < enough {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
    let between = count().await;
    println!("{between} of {} devices after {KILLS} kills", RACKS * UNITS);

    let last = KILLS + 1;
    let _running = Running::start(&url, last);
    let done =
        |rack: &Rack| rack.status.as_ref().is_some_and(|it| it.run == last && it.devices == UNITS);
    within("all racks", async {
        while !racks.list(&ListParams::default()).await.unwrap().items.iter().all(done) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    for rack in racks.list(&ListParams::default()).await.unwrap().items {
        let of_rack = devices.list(&of_rack(&rack)).await.unwrap().items;
        let mut units: Vec<usize> = of_rack.iter().map(|device| device.spec.unit).collect();
        units.sort_unstable();
        assert_eq!(units, (0..UNITS).collect::<Vec<_>>(), "{}", rack.name_any());
    }
    server.stop().await.unwrap();
}
