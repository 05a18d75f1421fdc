//! `pintle serve`: puts the parts together, and takes them apart again.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pintle_engine::{Engine, Limits, Refusal, RuleSource, Setup, SystemClock, SystemEntropy};
use pintle_events::Bus;
use pintle_http::{Doors, Entrance, Metrics, ServerLimits};
use pintle_model::Revision;
use pintle_rest::{RestDoor, RestSettings};
use pintle_store::{HistoryLimits, MemoryStore, Store};
use pintle_store_sqlite::{OpenError, SqliteStore};
use tokio::net::TcpListener;

use crate::apply::{Applied, ApplyError, apply};
use crate::audit::{Audit, AuditError};
use crate::authorization::{self, AuthorizationError};
use crate::banner::Banner;
use crate::config::{ServeConfig, StoreChoice};
use crate::deliveries::{Deliveries, DeliveryError};
use crate::identity::{Identity, IdentityError};
use crate::manifests::{self, Manifest, ManifestError, ManifestLimits};
use crate::observe;
use crate::policies::{Policies, PolicyFileError};
use crate::service_manager::{ServiceManager, State};
use crate::signals::Signals;
use crate::tls::{ServerTls, TlsError};

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file with kinds or objects cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A document in such a file cannot be applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// A policy file cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    /// Callers cannot be known.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The server cannot speak TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Whether requests are authorised could not be decided.
    #[error(transparent)]
    Authorization(#[from] AuthorizationError),
    /// Events cannot be delivered as the settings want it.
    #[error(transparent)]
    Deliveries(#[from] DeliveryError),
    /// Without a way to know callers, only this machine may reach the server.
    #[error(
        "{0} can be reached from other machines, and nothing is set up to know who calls: add \
         --tokens FILE, --jwt-issuer URL or --client-ca FILE, or listen on a loopback address such as 127.0.0.1:8080"
    )]
    OpenToTheWorld(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; is another server running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The data directory cannot be made.
    #[error("the data directory {} cannot be created", dir.display())]
    DataDir {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The engine did not start, or did not stop.
    #[error("the engine failed: {0:?}")]
    Engine(Refusal),
    /// There is no audit log where there should be one.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Signals cannot be awaited.
    #[error("signals cannot be awaited")]
    Signals(#[source] std::io::Error),
}

impl ServeError {
    /// The exit code: 2 for what the user has to put right, 1 for the rest.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Engine(_) | Self::Signals(_) => 1,
            Self::Manifest(_)
            | Self::Apply(_)
            | Self::Policy(_)
            | Self::Identity(_)
            | Self::Tls(_)
            | Self::Authorization(_)
            | Self::Deliveries(_)
            | Self::OpenToTheWorld(_)
            | Self::Listen { .. }
            | Self::DataDir { .. }
            | Self::Audit(_)
            | Self::Store(_) => 2,
        }
    }
}

/// A start waits so long for the consequences of what it applied.
const CALM_MAX: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT. What there is to know at the start is written to `out`.
pub async fn serve(config: &ServeConfig, out: &mut impl Write) -> Result<(), ServeError> {
    let manifests = manifests::load(&config.paths, &ManifestLimits::default())?;
    for place in &manifests.skipped {
        tracing::info!(%place, "not an object (no apiVersion and kind), so it is not loaded");
    }
    let identity = Identity::load(config).await?;
    let tls = ServerTls::load(config)?;
    check_reach(config, identity.asks(), tls.is_some())?;
    let policies = Policies::load(&config.policy)?;
    let audit = Audit::open(&config.audit)?;
    let store = open_store(config)?;
    let data_dir = (config.store == StoreChoice::Sqlite).then_some(config.data_dir.as_path());
    let deliveries = Deliveries::load(config, data_dir)?;
    let has_objects = store.info().newest > Revision::ZERO;
    let decided = authorization::decide(config, &manifests.manifests, data_dir, has_objects)?;
    let mode = decided.mode;
    let listener = listen(config.listen).await?;
    let address = listener.local_addr().unwrap_or(config.listen);
    let engine =
        start_engine(config, store, RuleSource { mode, policies: policies.read().to_vec() })
            .await?;
    if let Some(audit) = &audit {
        audit.start(engine.newest());
    }
    apply_files(&engine, &manifests.manifests).await?;
    // Then what is served is established, and the first version that a client sees is not just
    // about to change. Whatever takes longer goes on beside the requests.
    drop(tokio::time::timeout(CALM_MAX, engine.calm()).await);
    let banner = Banner {
        address,
        catalog: &engine.catalog(),
        mode,
        remembered: decided.remembered,
        has_tokens: identity.asks(),
        tls: tls.as_ref(),
        data: data_in_words(config),
        sample: sample(&engine, &manifests.manifests),
    };
    // A reader that has gone stops nothing.
    drop(write!(out, "{}", banner.text()).and_then(|()| out.flush()));
    let authentication = identity.authenticators(mode);
    let mut following = identity.follow();
    following.spawn(policies.follow(Arc::clone(&engine)));
    let encrypted = tls.as_ref().map(|tls| tls.tls.clone());
    if let Some(tls) = tls {
        tls.follow(&mut following);
    }
    let bus = Bus::new(Arc::clone(&engine), config.events.names());
    let deliveries = deliveries.start(&engine, &bus);
    let (observers, metrics) =
        observe::observers(config.operation.metrics, deliveries.numbers(), audit.as_ref());
    let connections = metrics.as_ref().map(|it| it.connections()).unwrap_or_default();
    let body_bytes_max = config.body_bytes_max;
    let entrance = Entrance { authentication, observers, body_bytes_max, ..Entrance::default() };
    let doors = doors(config, &engine, bus, entrance, metrics);
    let signals = Signals::new().map_err(ServeError::Signals)?;
    let manager = ServiceManager::of_this_process();
    manager.tell(State::Ready);
    let stop = go_when_asked(signals, config.operation.shutdown_delay, manager, &engine);
    let serving = pintle_http::serve(
        listener,
        doors,
        ServerLimits::default(),
        encrypted,
        connections,
        engine.closing(),
    );
    tokio::join!(serving, stop);
    deliveries.ended().await;
    close(&engine, audit).await
}

/// Ends the engine, and then the log of what was done with it.
async fn close(engine: &Engine, audit: Option<Audit>) -> Result<(), ServeError> {
    let closed = engine.close().await.map_err(ServeError::Engine);
    if let Some(audit) = audit {
        audit.close().await;
    }
    closed
}

/// Applies what the files declare, and says what came of it.
async fn apply_files(engine: &Engine, manifests: &[Manifest]) -> Result<(), ServeError> {
    let Applied { created, updated, kept, left_out } = apply(engine, manifests).await?;
    if !manifests.is_empty() {
        tracing::info!(
            created,
            updated,
            kept,
            left_out,
            "files applied (objects that exist already are kept as they are)"
        );
    }
    Ok(())
}

/// Ends the watches, and with that the serving, when a signal has come and the delay is over.
async fn go_when_asked(
    mut signals: Signals,
    delay: Duration,
    manager: ServiceManager,
    engine: &Engine,
) {
    signals.wait().await;
    manager.tell(State::Stopping);
    engine.announce_end();
    signals.linger(delay).await;
    tracing::info!("going down: finishing what is in progress");
    engine.end_watches();
}

/// Who can reach the server from elsewhere must be known, and had better be alone with it.
pub(crate) fn check_reach(
    config: &ServeConfig,
    asks: bool,
    encrypts: bool,
) -> Result<(), ServeError> {
    if config.listen.ip().is_loopback() {
        return Ok(());
    }
    if !asks {
        return Err(ServeError::OpenToTheWorld(config.listen));
    }
    if !encrypts {
        let advice = "--tls-cert or --tls-self-signed ends that";
        tracing::warn!(advice, "credentials come in the clear, for whoever is on the way to read");
    }
    Ok(())
}

/// The doors of this server, behind one address.
fn doors(
    config: &ServeConfig,
    engine: &Arc<Engine>,
    bus: Arc<Bus>,
    entrance: Entrance,
    metrics: Option<Arc<Metrics>>,
) -> Arc<Doors> {
    let settings = RestSettings {
        entrance,
        require_status_precondition: config.require_status_precondition,
        metrics,
    };
    Arc::new(Doors::new(RestDoor::new(Arc::clone(engine), bus, settings)))
}

pub(crate) async fn start_engine(
    config: &ServeConfig,
    store: Arc<dyn Store>,
    rules: RuleSource,
) -> Result<Arc<Engine>, ServeError> {
    let limits = Limits { object_bytes_max: config.body_bytes_max, ..Limits::default() };
    let setup = Setup {
        store,
        rules,
        hook: None,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        limits,
    };
    Engine::start(setup).await.map_err(ServeError::Engine)
}

fn open_store(config: &ServeConfig) -> Result<Arc<dyn Store>, ServeError> {
    let limits = HistoryLimits {
        age: config.history_age,
        bytes_max: config.history_bytes_max,
        ..HistoryLimits::default()
    };
    match config.store {
        StoreChoice::Memory => Ok(Arc::new(MemoryStore::new(limits))),
        StoreChoice::Sqlite => {
            let dir = &config.data_dir;
            // What is in it is for the user of the server alone, whatever the modes of its files.
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(|source| ServeError::DataDir { dir: dir.clone(), source })?;
            Ok(Arc::new(SqliteStore::open(dir, limits)?))
        }
    }
}

fn data_in_words(config: &ServeConfig) -> String {
    match config.store {
        StoreChoice::Memory => "in memory only: everything is forgotten at the end".to_owned(),
        StoreChoice::Sqlite => {
            let file = config.data_dir.join("pintle.db");
            format!("{} (SQLite; what is acknowledged is on disk)", file.display())
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// The path of an object to try things on: the first one from the files that is not of a core kind.
fn sample(engine: &Engine, manifests: &[Manifest]) -> Option<String> {
    let catalog = engine.catalog();
    manifests.iter().find_map(|manifest| {
        let text = |pointer| manifest.value.pointer(pointer).and_then(serde_json::Value::as_str);
        let resource = catalog.resource_of(text("/apiVersion")?, text("/kind")?)?;
        let served = catalog.get(&resource).filter(|served| !served.definition.core)?;
        let namespace = text("/metadata/namespace").is_none_or(|it| it == "default");
        let alone = catalog.by_plural(&served.definition.kind.plural).count() == 1;
        let plural =
            if alone { served.definition.kind.plural.to_string() } else { resource.to_string() };
        let name = text("/metadata/name").filter(|_| namespace)?;
        Some(format!("/{plural}/{name}"))
    })
}
