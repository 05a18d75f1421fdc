//! `pintle serve`: a [`Server`] that goes by its settings alone, and what each part is opened with.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use pintle_engine::{
    Conversions, Engine, Hook, Limits, Refusal, RuleSource, Setup, SystemClock, SystemEntropy,
};
use pintle_store::{HistoryLimits, MemoryStore, Store};
use pintle_store_sqlite::{OpenError, SqliteStore};
use tokio::net::TcpListener;

use crate::Server;
use crate::apply::ApplyError;
use crate::audit::AuditError;
use crate::authorization::AuthorizationError;
use crate::config::{ServeConfig, StoreChoice};
use crate::deliveries::DeliveryError;
use crate::identity::IdentityError;
use crate::manifests::ManifestError;
use crate::policies::PolicyFileError;
use crate::telemetry::TelemetryError;
use crate::tls::TlsError;

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file with kinds or objects cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A kind or an object of the program cannot be written down.
    #[error("a kind or an object that the program gives is no JSON: {0}")]
    Document(#[from] serde_json::Error),
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
    /// Traces cannot be made as the settings want it.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// Something that the server cannot do without has broken off, by a fault of its own.
    #[error(
        "{0} broke off, by a fault of the server; what was acknowledged is on disk: start it again, and report what the log says"
    )]
    Broken(&'static str),
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
            Self::Engine(_) | Self::Broken(_) | Self::Signals(_) => 1,
            Self::Manifest(_)
            | Self::Document(_)
            | Self::Apply(_)
            | Self::Policy(_)
            | Self::Identity(_)
            | Self::Tls(_)
            | Self::Authorization(_)
            | Self::Deliveries(_)
            | Self::Telemetry(_)
            | Self::OpenToTheWorld(_)
            | Self::Listen { .. }
            | Self::DataDir { .. }
            | Self::Audit(_)
            | Self::Store(_) => 2,
        }
    }
}

/// Serves until SIGTERM or SIGINT. What there is to know at the start is written to `out`.
pub async fn serve(config: &ServeConfig, out: &mut impl Write) -> Result<(), ServeError> {
    let server = Server::builder().settings(config.clone()).catching_signals().start().await?;
    // A reader that has gone stops nothing.
    drop(write!(out, "{}", server.greeting()).and_then(|()| out.flush()));
    server.run().await
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

/// What a program that embeds the server adds to it.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    pub(crate) hook: Option<Arc<dyn Hook>>,
    pub(crate) conversions: Conversions,
}

pub(crate) async fn start_engine(
    config: &ServeConfig,
    store: Arc<dyn Store>,
    rules: RuleSource,
    program: Extensions,
) -> Result<Arc<Engine>, ServeError> {
    let limits = Limits { object_bytes_max: config.body_bytes_max, ..Limits::default() };
    let setup = Setup {
        store,
        rules,
        hook: program.hook,
        conversions: program.conversions,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        limits,
    };
    Engine::start(setup).await.map_err(ServeError::Engine)
}

pub(crate) fn open_store(config: &ServeConfig) -> Result<Arc<dyn Store>, ServeError> {
    let limits = HistoryLimits {
        age: config.history_age,
        events_max: config.history_events.unwrap_or(u64::MAX),
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

pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}
