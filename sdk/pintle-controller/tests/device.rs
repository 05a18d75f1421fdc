//! The example `device`, against servers in the same process: what it reports, that it lets devices
//! be that it has just seen, and what it says where it cannot work.

#![cfg(test)]

#[expect(dead_code, reason = "its `main` is for the command line")]
#[path = "../examples/device.rs"]
mod device;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use device::{Device, DeviceSpec, StartError, address, run};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Config};
use pintle::{ServeConfig, Server, User};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/devices").join(file)
}

/// A server of the devices of the guide.
async fn serve(settings: ServeConfig) -> (Server, Config) {
    let settings = ServeConfig { paths: vec![example("device.crd.yaml")], ..settings };
    let server = Server::builder().settings(settings).in_memory().start().await.unwrap();
    let config = address(&format!("http://{}", server.address())).unwrap();
    (server, config)
}

fn devices(server: &Server) -> Api<Device> {
    let user = User::authenticated("alice", None, []);
    Api::default_namespaced(Client::new(server.in_process(user), "default"))
}

async fn within<T>(what: &str, doing: impl Future<Output = T>) -> T {
    let patience = Duration::from_mins(2);
    tokio::time::timeout(patience, doing).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

async fn create(devices: &Api<Device>, name: &str, config: &[(&str, &str)]) {
    let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let config: BTreeMap<String, String> = config.collect();
    let (called, location) = ("sensor-01".to_owned(), "datacenter-1".to_owned());
    let spec = DeviceSpec { name: called, location, model: None, config };
    devices.create(&PostParams::default(), &Device::new(name, spec)).await.unwrap();
}

async fn configure(devices: &Api<Device>, name: &str, config: Value) {
    let patch = Patch::Merge(json!({"spec": {"config": config}}));
    devices.patch(name, &PatchParams::default(), &patch).await.unwrap();
}

/// The device as soon as the controller says this about what is wanted now.
async fn until(devices: &Api<Device>, name: &str, phase: &str, reason: &str) -> Device {
    within(&format!("{name} to be {phase}"), async {
        loop {
            let found = devices.get(name).await.unwrap();
            let status = found.status.clone().unwrap_or_default();
            let ready = status.conditions.get("Ready");
            let reported = ready.and_then(|it| it.reason.as_deref()) == Some(reason);
            let is_about_now = status.observed_generation == found.metadata.generation;
            if is_about_now && reported && status.phase.as_deref() == Some(phase) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn devices_are_looked_at_and_let_be() {
    let (server, config) = serve(ServeConfig::default()).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(run(config, async { drop(stopped.await) }));
    let devices = devices(&server);
    let world = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = world.local_addr().unwrap().to_string();

    create(&devices, "plain", &[("interval", "1h")]).await;
    create(&devices, "asked", &[("interval", "1h"), ("address", &place)]).await;
    let plain = until(&devices, "plain", "Ready", "DeviceOnline").await;
    let asked = until(&devices, "asked", "Ready", "DeviceOnline").await;
    let status = asked.status.unwrap();
    assert_eq!(status.message, Some(format!("Device answers at {place}")));
    assert_eq!((status.health.as_deref(), status.last_seen.is_some()), (Some("Healthy"), true));

    drop(world);
    configure(&devices, "asked", json!({"model": "any"})).await;
    let asked = until(&devices, "asked", "Offline", "DeviceOffline").await;
    let offline = asked.status.unwrap();
    let message = offline.message.unwrap();
    assert!(message.starts_with(&format!("{place} cannot be reached: ")), "{message}");
    assert_eq!(offline.last_seen, status.last_seen, "when it answered last");

    configure(&devices, "asked", json!({"interval": "soon"})).await;
    let asked = until(&devices, "asked", "Error", "InvalidConfig").await;
    let message = asked.status.unwrap().message.unwrap();
    assert!(message.ends_with("write a number and s, m or h, such as 30s"), "{message}");

    // After all that, what was seen at first was not reported again.
    let found = devices.get("plain").await.unwrap();
    assert_eq!(found.metadata.resource_version, plain.metadata.resource_version);
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_device_is_looked_at_again_after_its_interval() {
    let (server, config) = serve(ServeConfig::default()).await;
    let running = tokio::spawn(run(config, std::future::pending()));
    let devices = devices(&server);
    create(&devices, "d", &[("interval", "1s")]).await;
    let first = until(&devices, "d", "Ready", "DeviceOnline").await.status.unwrap().last_seen;
    within("another look", async {
        while devices.get("d").await.unwrap().status.unwrap().last_seen <= first {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    running.abort();
    server.stop().await.unwrap();
}

/// How it ends where it cannot work. It waits for nobody.
async fn fault(config: Config) -> StartError {
    within("its end", Box::pin(run(config, std::future::pending()))).await.unwrap_err()
}

#[tokio::test]
async fn where_it_cannot_work_it_says_what_to_do() {
    let (server, mut config) = serve(ServeConfig {
        policy: vec![example("policy.yaml")],
        tokens: Some(example("tokens.csv")),
        ..ServeConfig::default()
    })
    .await;
    let said = fault(config.clone()).await.to_string();
    assert!(said.contains("does not know who calls; put a token"), "{said}");
    config.auth_info.token = Some("mallory-token".to_owned().into());
    let said = fault(config.clone()).await.to_string();
    assert!(said.contains("\"mallory\"") && said.contains("role `controller`"), "{said}");
    server.stop().await.unwrap();
    let said = fault(config).await.to_string();
    assert!(said.contains("Connection refused"), "{said}");
    assert!(said.contains("`pintle serve examples/devices`"), "{said}");

    let server = Server::builder().in_memory().start().await.unwrap();
    let config = address(&format!("http://{}", server.address())).unwrap();
    let said = fault(config).await.to_string();
    assert!(said.contains("serves no devices; start it with"), "{said}");
    server.stop().await.unwrap();

    for text in ["localhost", "--help", "127.0.0.1:8080"] {
        let said = address(text).unwrap_err().to_string();
        assert!(said.contains("write it as in http://127.0.0.1:8080"), "{said}");
    }
}
