//! The feature `tls`, against a server with a certificate of its own CA, with rights and tokens:
//! controllers work with the kubeconfig that `pintle kubeconfig` writes, and with a file of the CA;
//! whom they should not believe they do not, and say so.

#![cfg(test)]

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::api::{Api, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, CustomResource, CustomResourceExt as _};
use pintle::config::TlsConfig;
use pintle::kubeconfig::{self, KubeconfigArgs};
use pintle::{ServeConfig, Server};
use pintle_controller::{
    Action, Condition, Conditions, Context, Error, LeaderSettings, Manager, Reconciler, explain,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt as _;

/// What somebody wants.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[kube(group = "infra.example.io", version = "v1", kind = "Device", plural = "devices", namespaced)]
#[kube(status = "DeviceStatus")]
pub(crate) struct DeviceSpec {
    location: String,
}

/// What a controller has seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DeviceStatus {
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    conditions: Conditions,
}

#[derive(Debug)]
struct Reports;

impl Reconciler for Reports {
    type Object = Device;

    async fn reconcile(
        &self,
        device: Arc<Device>,
        context: &Context<Device>,
    ) -> Result<Action, Error> {
        context.set_condition(&device, Condition::new("Ready", true, "Seen")).await?;
        Ok(Action::await_change())
    }
}

/// A server, and what its clients have to know.
struct Place {
    server: Server,
    settings: ServeConfig,
    dir: TempDir,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (tokens, policy) = (dir.path().join("tokens.csv"), dir.path().join("policy.yaml"));
        std::fs::write(&tokens, "s3cret-of-alice,alice,1\ns3cret-of-reporter,reporter,2\n")
            .unwrap();
        let rules = "- role: user\n  permissions:\n    - devices:create\n    - devices:update\n\
                     - role: controller\n  permissions:\n    - devices:update_status\n    \
                     - leases.coordination.k8s.io:create\n    - leases.coordination.k8s.io:update\n\
                     - user: alice\n  role: user\n- user: reporter\n  role: controller\n";
        std::fs::write(&policy, rules).unwrap();
        let settings = ServeConfig {
            tls: TlsConfig { tls_self_signed: true, ..TlsConfig::default() },
            data_dir: dir.path().to_owned(),
            tokens: Some(tokens),
            policy: vec![policy],
            ..ServeConfig::default()
        };
        let server = Server::builder().settings(settings.clone()).in_memory().kind(Device::crd());
        let server = server.start().await.unwrap();
        Self { server, settings, dir }
    }

    /// What `pintle kubeconfig` writes for a user.
    fn kubeconfig(&self, user: &str) -> Kubeconfig {
        let args = KubeconfigArgs {
            user: Some(user.to_owned()),
            server: Some(format!("https://{}", self.server.address())),
            ..KubeconfigArgs::default()
        };
        let mut text = Vec::new();
        kubeconfig::run(&self.settings, &args, &mut text).unwrap();
        Kubeconfig::from_yaml(std::str::from_utf8(&text).unwrap()).unwrap()
    }

    async fn client(&self, user: &str) -> Client {
        client(self.kubeconfig(user)).await
    }

    fn ca_file(&self) -> PathBuf {
        self.dir.path().join("tls/ca.crt")
    }
}

async fn client(kubeconfig: Kubeconfig) -> Client {
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    Client::try_from(config).unwrap()
}

async fn within<T>(what: &str, doing: impl Future<Output = T>) -> T {
    let patience = Duration::from_mins(2);
    tokio::time::timeout(patience, doing).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

/// Believes these certificates (PEM), and no others.
fn believing(mut kubeconfig: Kubeconfig, ca_file: Option<&Path>) -> Kubeconfig {
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|it| it.cluster.as_mut()) {
        cluster.certificate_authority_data = None;
        cluster.certificate_authority = ca_file.map(|file| file.display().to_string());
    }
    kubeconfig
}

#[tokio::test]
async fn a_controller_reports_over_tls_with_a_token_of_its_own() {
    let place = Place::new().await;
    let reporter = place.client("reporter").await;
    let manager = Manager::new(reporter, "reporter").with(Reports);
    let manager = manager.leader_election(LeaderSettings::new("default", "reporter", "one"));
    let running = manager.spawn();
    let ca_file = place.ca_file();
    let alice = client(believing(place.kubeconfig("alice"), Some(&ca_file))).await;
    let devices: Api<Device> = Api::default_namespaced(alice);
    let spec = DeviceSpec { location: "dc0".to_owned() };
    devices.create(&PostParams::default(), &Device::new("d", spec)).await.unwrap();
    within("the report", async {
        loop {
            let status = devices.get("d").await.unwrap().status.unwrap_or_default();
            if status.conditions.is_true("Ready") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // Its token is for reports alone.
    let spec = DeviceSpec { location: "dc1".to_owned() };
    let own: Api<Device> = Api::default_namespaced(place.client("reporter").await);
    let refused = own.create(&PostParams::default(), &Device::new("e", spec)).await.unwrap_err();
    let said = explain(&refused);
    assert!(said.contains("reporter") && said.ends_with("(403 Forbidden)"), "{said}");
    running.stop().await.unwrap();
    place.server.stop().await.unwrap();
}

#[tokio::test]
async fn whoever_cannot_be_believed_is_not_and_that_is_said() {
    let (place, other) = (Place::new().await, Place::new().await);
    let known = place.kubeconfig("alice");
    let foreign = other.ca_file();
    let mut unknown = known.clone();
    for user in unknown.auth_infos.iter_mut().filter_map(|it| it.auth_info.as_mut()) {
        user.token = Some("s3cret-of-nobody".to_owned().into());
    }
    for (what, kubeconfig, said) in [
        ("another CA", believing(known.clone(), Some(&foreign)), "not that of the server"),
        ("no CA", believing(known, None), "not that of the server"),
        ("another token", unknown, "401"),
    ] {
        let devices: Api<Device> = Api::default_namespaced(client(kubeconfig).await);
        let error = devices.list(&ListParams::default()).await.unwrap_err();
        let told = explain(&error);
        assert!(told.contains(said), "{what}: {told}");
        assert!(!told.contains("s3cret"), "{what}: {told}");
    }
}

/// What is logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Words<'a>(&'a mut String);
        impl tracing::field::Visit for Words<'_> {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                write!(self.0, "{field}={value:?} ").unwrap();
            }
        }
        let mut text = self.0.lock().unwrap();
        text.push_str(event.metadata().level().as_str());
        text.push(' ');
        event.record(&mut Words(&mut text));
        text.push('\n');
    }
}

/// A manager waits for its server. Somebody who reads its log knows what it waits for.
#[tokio::test]
async fn a_manager_that_cannot_believe_its_server_says_so() {
    let (place, other) = (Place::new().await, Place::new().await);
    let foreign = other.ca_file();
    let strange = client(believing(place.kubeconfig("reporter"), Some(&foreign))).await;
    let log = Log::default();
    let _logging =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
    let running = Manager::new(strange, "reporter").with(Reports).spawn();
    within("a warning", async {
        let is_told =
            |line: &str| line.starts_with("WARN") && line.contains("not that of the server");
        while !log.0.lock().unwrap().lines().any(is_told) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    running.stop().await.unwrap();
}
