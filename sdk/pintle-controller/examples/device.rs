//! The device controller of the guide, as a program of its own: it looks at each device, and reports
//! what it saw.
//!
//! With `pintle serve examples/devices` in one terminal, in the directory `sdk` of another:
//!
//! ```text
//! cargo run --example device
//! ```
//!
//! It calls <http://127.0.0.1:8080>, or the URL that it is given; where `KUBECONFIG` is set,
//! whatever that file names (over TLS when it is built with `--features tls`). A token can be in
//! `PINTLE_TOKEN`. Ctrl-C lets what is in progress finish, and ends it.
//!
//! A device with `config.address` is online when something accepts connections there; one without is
//! taken to be online, as in the guide. `config.interval`, such as `30s`, says how often it is
//! looked at.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, ListParams};
use kube::config::KubeConfigOptions;
use kube::{Client, Config, CustomResource, ResourceExt as _};
use pintle_controller::{
    Action, Condition, Conditions, Context, Error, Manager, Reconciler, Reported, Timestamp,
    explain,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

/// What somebody wants. The definition is the server's: `examples/devices/device.crd.yaml`.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize)]
#[kube(group = "infra.example.io", version = "v1", kind = "Device", plural = "devices")]
#[kube(namespaced, status = "DeviceStatus", schema = "disabled")]
pub(crate) struct DeviceSpec {
    /// What people call it.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) location: String,
    /// Its maker's name for its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Settings that it is to have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) config: BTreeMap<String, String>,
}

/// What a controller has seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceStatus {
    /// `Ready`, `Offline` or `Error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<String>,
    /// `Healthy` or `Unhealthy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<String>,
    /// The same for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// When it last answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_seen: Option<Timestamp>,
    /// The generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observed_generation: Option<i64>,
    /// `Ready`: whether it is online.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) conditions: Conditions,
}

/// What a look at a device has shown.
enum Sight {
    Online(String),
    Offline(String),
    /// The spec says something that nobody can do.
    Nonsense(String),
}

/// The reconciler of devices.
#[derive(Debug)]
pub(crate) struct DeviceReconciler;

impl Reconciler for DeviceReconciler {
    type Object = Device;

    async fn reconcile(
        &self,
        device: Arc<Device>,
        context: &Context<Device>,
    ) -> Result<Action, Error> {
        let interval = interval(&device.spec);
        let now = context.now();
        if let Some(rest) = interval.as_ref().ok().and_then(|it| rest(&device, *it, now)) {
            return Ok(Action::requeue(rest));
        }
        let sight = match &interval {
            Ok(_) => look(&device.spec).await,
            Err(nonsense) => Sight::Nonsense(nonsense.clone()),
        };
        let status = status(&device, sight, now);
        if let Reported::Written(_) = context.report(&device, &status).await? {
            say(&format!(
                "{} is {}: {}",
                device.name_any(),
                status.phase.unwrap_or_default(),
                status.message.unwrap_or_default()
            ));
        }
        // Nonsense stays until somebody writes something else, and that is a change.
        Ok(interval.map_or_else(|_| Action::await_change(), Action::requeue))
    }
}

/// How often a device is looked at.
fn interval(spec: &DeviceSpec) -> Result<Duration, String> {
    let Some(text) = spec.config.get("interval") else { return Ok(Duration::from_secs(30)) };
    let units = [("s", 1), ("m", 60), ("h", 3600)];
    let seconds = units.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok().filter(|number| *number > 0)?;
        number.checked_mul(*seconds)
    });
    let seconds = seconds.ok_or_else(|| {
        format!("config.interval is {text:?}: write a number and s, m or h, such as 30s")
    });
    seconds.map(Duration::from_secs)
}

/// How long to let a device be that was just seen. A report is a change of the object like any
/// other, and calls the reconciler again: without this, each new `lastSeen` would lead to the next.
fn rest(device: &Device, interval: Duration, now: Timestamp) -> Option<Duration> {
    let status = device.status.as_ref()?;
    let is_about_now = status.observed_generation == device.metadata.generation;
    let is_known = is_about_now && status.conditions.is_true("Ready");
    let age = Duration::try_from(now.duration_since(status.last_seen?)).ok()?;
    interval.checked_sub(age).filter(|rest| is_known && !rest.is_zero())
}

/// Looks at the world.
async fn look(spec: &DeviceSpec) -> Sight {
    let Some(address) = spec.config.get("address") else {
        return Sight::Online("Device is operational".to_owned());
    };
    let patience = Duration::from_secs(2);
    match tokio::time::timeout(patience, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Sight::Online(format!("Device answers at {address}")),
        Ok(Err(error)) => Sight::Offline(format!("{address} cannot be reached: {error}")),
        Err(_) => Sight::Offline(format!("{address} does not answer within {patience:?}")),
    }
}

/// The status of a device after a look at it.
fn status(device: &Device, sight: Sight, now: Timestamp) -> DeviceStatus {
    let mut status = device.status.clone().unwrap_or_default();
    let (phase, health, reason, message) = match sight {
        Sight::Online(message) => ("Ready", "Healthy", "DeviceOnline", message),
        Sight::Offline(message) => ("Offline", "Unhealthy", "DeviceOffline", message),
        Sight::Nonsense(message) => ("Error", "Unhealthy", "InvalidConfig", message),
    };
    let generation = device.metadata.generation;
    let is_online = phase == "Ready";
    if is_online {
        status.last_seen = Timestamp::from_second(now.as_second()).ok();
    }
    status.phase = Some(phase.to_owned());
    status.health = Some(health.to_owned());
    status.observed_generation = generation;
    let ready = Condition::new("Ready", is_online, reason).observed(generation);
    status.conditions.set(ready.message(&message), now);
    status.message = Some(message);
    status
}

/// Why the controller does not work at all, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// What was said on the command line is no address.
    #[error("{0:?} is no URL of a server; write it as in http://127.0.0.1:8080")]
    Url(String),
    /// The kubeconfig cannot be used.
    #[error("{0}; `pintle kubeconfig` writes a file that can be named in KUBECONFIG")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// It is called over TLS.
    #[error("{0} is called over TLS; run this with `--features tls`")]
    Tls(String),
    /// It cannot be called.
    #[error(
        "{url} cannot be called: {why}; see that `pintle serve examples/devices` runs there, and \
         that the CA of its certificate, if it has one, is in the kubeconfig"
    )]
    Unreachable {
        /// The server.
        url: String,
        /// Why not.
        why: String,
    },
    /// It does not know who calls.
    #[error(
        "{0} does not know who calls; put a token that it knows into PINTLE_TOKEN, or into a \
         kubeconfig with `pintle kubeconfig`"
    )]
    Unknown(String),
    /// It does not let this user look at devices.
    #[error("{0} refuses this: {1}; give this user the role `controller` in its policy file")]
    Forbidden(String, String),
    /// It has no devices.
    #[error("{0} serves no devices; start it with their definition: pintle serve examples/devices")]
    NoDevices(String),
    /// The manager ended by itself.
    #[error(transparent)]
    Ended(#[from] pintle_controller::ManagerError),
}

impl StartError {
    fn of(url: String, error: &kube::Error) -> Self {
        match error {
            kube::Error::TlsRequired => Self::Tls(url),
            kube::Error::Api(status) if status.code == 401 => Self::Unknown(url),
            kube::Error::Api(status) if status.code == 403 => {
                Self::Forbidden(url, status.message.clone())
            }
            kube::Error::Api(status) if status.code == 404 => Self::NoDevices(url),
            error => Self::Unreachable { url, why: explain(error) },
        }
    }
}

/// Looks after the devices of a server until `stop` completes.
pub(crate) async fn run(config: Config, stop: impl Future<Output = ()>) -> Result<(), StartError> {
    let url = config.cluster_url.to_string();
    let failed = |error| StartError::of(url.clone(), &error);
    let client = Client::try_from(config).map_err(failed)?;
    // A manager waits for a server that is not there yet. Somebody who tries this wants to know.
    let devices: Api<Device> = Api::all(client.clone());
    devices.list(&ListParams::default().limit(1)).await.map_err(failed)?;
    say(&format!("Looking after the devices of {url} until Ctrl-C."));
    Ok(Manager::new(client, "device-controller").with(DeviceReconciler).run(stop).await?)
}

/// The server that was named, and who calls it.
async fn config() -> Result<Config, StartError> {
    let mut config = match (std::env::args().nth(1), std::env::var_os("KUBECONFIG")) {
        (Some(url), _) => address(&url)?,
        (None, Some(_)) => Config::from_kubeconfig(&KubeConfigOptions::default()).await?,
        (None, None) => address("http://127.0.0.1:8080")?,
    };
    if let Ok(token) = std::env::var("PINTLE_TOKEN") {
        config.auth_info.token = Some(token.into());
    }
    Ok(config)
}

/// The server at a URL, as whoever calls without credentials.
pub(crate) fn address(url: &str) -> Result<Config, StartError> {
    let wrong = || StartError::Url(url.to_owned());
    let parsed: http::Uri = url.parse().map_err(|_| wrong())?;
    if parsed.scheme().is_none() { Err(wrong()) } else { Ok(Config::new(parsed)) }
}

async fn told_to_stop() {
    let mut ended = signal(SignalKind::terminate()).ok();
    let ended = async {
        match &mut ended {
            Some(ended) => ended.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = ended => {}
    }
}

fn say(text: &str) {
    // A reader that has gone stops nothing.
    drop(writeln!(std::io::stdout(), "{text}"));
}

#[tokio::main]
async fn main() -> ExitCode {
    // What failed, and is tried again.
    tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(std::io::stderr).init();
    let ended = match config().await {
        Ok(config) => run(config, told_to_stop()).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}
