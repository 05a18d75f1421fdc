//! [`Server`]: puts the parts together, and takes them apart again. `pintle serve` is one, and so
//! is every Rust program that serves kinds of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pintle_authz::User;
use pintle_engine::{AccessMode, Engine, Hook, RuleSource};
use pintle_events::{Bus, Cursor, InvalidPattern, Pattern, Subscription};
use pintle_graphql::{GraphqlDoor, GraphqlSettings, Numbers, OperationLimits, StreamLimits};
use pintle_http::{Door, Doors, Entrance, Metrics, ServerLimits, Subject, answer};
use pintle_kinds::Conversion;
use pintle_kube::{KubeDoor, KubeSettings};
use pintle_model::{GroupResource, Revision};
use pintle_rest::{RestDoor, RestSettings};
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::apply::{Applied, apply};
use crate::authorization;
use crate::banner::Banner;
use crate::config::{GraphqlConfig, ServeConfig, StoreChoice};
use crate::conversion;
use crate::deliveries::{Deliveries, Running};
use crate::identity::Identity;
use crate::in_process::InProcess;
use crate::manifests::{self, Manifest, ManifestLimits, Manifests, Place};
use crate::observe::Observation;
use crate::policies::{Policies, read_policy};
use crate::serve::{Extensions, ServeError, check_reach, listen, open_store, start_engine};
use crate::service_manager::{ServiceManager, State};
use crate::signals::Signals;
use crate::tls::ServerTls;

/// A start waits so long for the consequences of what it applied.
const CALM_MAX: Duration = Duration::from_secs(5);

/// What a server is made from. Everything has a default: that of `pintle serve`.
#[derive(Debug, Default)]
#[must_use = "nothing happens before `start`"]
pub struct Builder {
    settings: ServeConfig,
    documents: Vec<Result<Value, serde_json::Error>>,
    program: Extensions,
    catches_signals: bool,
}

impl Builder {
    /// Goes by these settings, and serves what their files hold.
    pub fn settings(self, settings: ServeConfig) -> Self {
        Self { settings, ..self }
    }

    /// Keeps everything in memory, and listens on a free port of this machine: for tests.
    pub fn in_memory(mut self) -> Self {
        self.settings.store = StoreChoice::Memory;
        self.settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        self
    }

    /// Serves a kind: whatever is written as a `CustomResourceDefinition` of
    /// `apiextensions.k8s.io/v1`, such as `Device::crd()` of kube-rs.
    ///
    /// It is treated as if it stood in a file: a definition that is different from the last start
    /// takes the place of the one that is stored, and one that cannot be used stops the start.
    pub fn kind(self, definition: impl Serialize) -> Self {
        self.object(definition)
    }

    /// Serves several kinds.
    pub fn kinds<T: Serialize>(self, definitions: impl IntoIterator<Item = T>) -> Self {
        definitions.into_iter().fold(self, Self::object)
    }

    /// Makes an object, unless it is there. Rules follow what the program says, as kinds do.
    pub fn object(mut self, object: impl Serialize) -> Self {
        self.documents.push(serde_json::to_value(object));
        self
    }

    /// Asks the program about whatever the rules allow.
    pub fn hook(mut self, hook: impl Hook + 'static) -> Self {
        self.program.hook = Some(Arc::new(hook));
        self
    }

    /// Converts between versions of kinds: each object is stored in the storage version of its
    /// kind, and can be read and written in every version that is served.
    ///
    /// Versions between which there is no conversion are reached over others. A kind without any is
    /// served as upstream's strategy `None` has it: each version leaves out what it does not know.
    pub fn conversions(mut self, conversions: impl IntoIterator<Item = Conversion>) -> Self {
        for conversion in conversions {
            conversion::add(&mut self.program.conversions, &conversion);
        }
        self
    }

    /// Takes signals from before it answers on, so that one that comes at once finds it prepared.
    pub(crate) fn catching_signals(self) -> Self {
        Self { catches_signals: true, ..self }
    }

    /// Starts the server: when this returns, it answers. It has to be called on a runtime of tokio.
    pub async fn start(self) -> Result<Server, ServeError> {
        let Self { settings: config, documents, program, catches_signals } = self;
        let manifests = load(&config, documents)?;
        tell_of_files(&config, &manifests);
        let identity = Identity::load(&config).await?;
        let tls = ServerTls::load(&config)?;
        check_reach(&config, identity.asks(), tls.is_some())?;
        let policies = Policies::load(&config.policy)?;
        let observation = Observation::open(&config, tls.is_some())?;
        let store = open_store(&config)?;
        let data_dir = (config.store == StoreChoice::Sqlite).then_some(config.data_dir.as_path());
        let deliveries = Deliveries::load(&config, data_dir)?;
        let has_objects = store.info().newest > Revision::ZERO;
        let decided = authorization::decide(&config, &manifests.manifests, data_dir, has_objects)?;
        let mode = decided.mode;
        let listener = listen(config.listen).await?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let rules = RuleSource { mode, policies: policies.read().to_vec() };
        let conversions = program.conversions.clone();
        let engine = start_engine(&config, store, rules, program).await?;
        observation.start(engine.newest());
        apply_all(&engine, &manifests.manifests).await?;
        conversion::tell_of_gaps(&conversions, &engine.catalog());
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
            data: data_in_words(&config),
            sample: sample(&engine, &manifests.manifests),
        };
        let greeting = banner.text();
        let signals =
            catches_signals.then(Signals::new).transpose().map_err(ServeError::Signals)?;
        let parts = Parts {
            config,
            identity,
            policies,
            tls,
            deliveries,
            observation,
            engine,
            mode,
            greeting,
        };
        Ok(Server { signals, ..parts.serve(listener, address) })
    }
}

/// What was opened, and does not answer yet.
#[derive(Debug)]
struct Parts {
    config: ServeConfig,
    identity: Identity,
    policies: Policies,
    tls: Option<ServerTls>,
    deliveries: Deliveries,
    observation: Observation,
    engine: Arc<Engine>,
    mode: AccessMode,
    greeting: String,
}

impl Parts {
    fn serve(self, listener: TcpListener, address: SocketAddr) -> Server {
        let Self {
            config,
            identity,
            policies,
            tls,
            deliveries,
            observation,
            engine,
            mode,
            greeting,
        } = self;
        let authentication = identity.authenticators(mode);
        let mut following = identity.follow();
        following.spawn(policies.follow(Arc::clone(&engine)));
        let encrypted = tls.as_ref().map(|tls| tls.tls.clone());
        if let Some(tls) = tls {
            tls.follow(&mut following);
        }
        let bus = Bus::new(Arc::clone(&engine), config.events.names());
        let deliveries = deliveries.start(&engine, &bus);
        let graphql = Arc::<Numbers>::default();
        let numbers = [deliveries.numbers(), Arc::<Numbers>::clone(&graphql) as _];
        let (observers, metrics) = observation.observers(config.operation.metrics, numbers);
        let connections = metrics.as_ref().map(|it| it.connections()).unwrap_or_default();
        let body_bytes_max = config.body_bytes_max;
        let entrance =
            Entrance { authentication, observers, body_bytes_max, ..Entrance::default() };
        let graphql = graphql_door(&config.graphql, &engine, &entrance, graphql);
        following.spawn(Arc::clone(&graphql).follow());
        let kube = KubeSettings { entrance: entrance.clone() };
        let kube = KubeDoor::new(Arc::clone(&engine), kube);
        let rest = rest(&config, &engine, &bus, entrance, metrics);
        let doors =
            Arc::new(Doors::new(rest).with(KubeDoor::SEGMENTS, kube).with(&["graphql"], graphql));
        let mut serving = JoinSet::new();
        serving.spawn(pintle_http::serve(
            listener,
            Arc::clone(&doors) as Arc<dyn Door>,
            ServerLimits::default(),
            encrypted,
            connections,
            engine.closing(),
        ));
        Server {
            engine,
            bus,
            doors,
            address,
            greeting,
            body_bytes_max,
            shutdown_delay: config.operation.shutdown_delay,
            deliveries,
            observation,
            serving,
            signals: None,
            following,
        }
    }
}

/// A server that runs. One that is dropped stops answering at once; [`Server::stop`] lets what is
/// in progress finish.
#[derive(Debug)]
pub struct Server {
    engine: Arc<Engine>,
    bus: Arc<Bus>,
    doors: Arc<Doors>,
    address: SocketAddr,
    greeting: String,
    body_bytes_max: usize,
    shutdown_delay: Duration,
    deliveries: Running,
    observation: Observation,
    serving: JoinSet<()>,
    signals: Option<Signals>,
    following: JoinSet<()>,
}

impl Server {
    /// A server with the settings of `pintle serve` and no kinds of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What there is to tell people at the start: where it listens, what it serves, what to try.
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Its lifecycle events.
    pub const fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// Subscribes to the events whose types a pattern matches (`*` is one segment between dots,
    /// `**` any number of them), from a place that was told before, or from now.
    pub async fn subscribe(
        &self,
        types: &str,
        from: Option<Cursor>,
    ) -> Result<Subscription, SubscribeError> {
        let opened = self.bus.subscribe(Pattern::parse(types)?, from).await;
        let subject = Subject { resource: GroupResource::new("", "events"), name: String::new() };
        opened.map_err(|refusal| SubscribeError::Refused(answer(&refusal, &subject).message))
    }

    /// What this user would be answered over a connection, without one. The program says who it
    /// is; what such a user may do is asked of the rules, as always.
    pub fn in_process(&self, user: User) -> InProcess {
        InProcess::new(Arc::clone(&self.doors) as Arc<dyn Door>, user, self.body_bytes_max)
    }

    /// Serves until SIGTERM or SIGINT, and stops. One more of them breaks the stop off.
    pub async fn run(mut self) -> Result<(), ServeError> {
        let waited = self.wait().await;
        self.stop().await.and(waited)
    }

    /// Serves until SIGTERM or SIGINT. Then is the time to end what calls this server, and to stop
    /// it.
    pub async fn wait(&mut self) -> Result<(), ServeError> {
        let caught = self.signals.take();
        let mut signals = caught.map_or_else(Signals::new, Ok).map_err(ServeError::Signals)?;
        let manager = ServiceManager::of_this_process();
        manager.tell(State::Ready);
        let broken = tokio::select! {
            () = signals.wait() => None,
            name = self.breaks() => Some(name),
        };
        manager.tell(State::Stopping);
        self.engine.announce_end();
        if let Some(task) = broken {
            tracing::error!(task, "broken off: this is a fault of the server, which goes down");
            self.signals = Some(signals);
            return Err(ServeError::Broken(task));
        }
        signals.linger(self.shutdown_delay).await;
        tracing::info!("going down: finishing what is in progress; a signal breaks it off");
        self.signals = Some(signals);
        Ok(())
    }

    /// Waits until something ends that must not before the server does, and says what.
    async fn breaks(&mut self) -> &'static str {
        tokio::select! {
            name = self.engine.breaks() => name,
            Some(_) = self.serving.join_next() => "the accepting of connections",
            () = broken_off(&mut self.following) => "the following of files and kinds",
        }
    }

    /// Stops: nothing new is accepted, watches end, requests in progress finish, and what was
    /// acknowledged is on disk. After [`Server::wait`], one more signal breaks it off.
    pub async fn stop(mut self) -> Result<(), ServeError> {
        match self.signals.take() {
            Some(mut signals) => self.stop_unless(signals.wait()).await,
            None => self.stop_unless(std::future::pending()).await,
        }
    }

    /// Stops, and waits for nobody any more once `hurried` is over. What was acknowledged is on
    /// disk all the same.
    async fn stop_unless(mut self, hurried: impl Future<Output = ()>) -> Result<(), ServeError> {
        self.engine.end_watches();
        let drained = async {
            while self.serving.join_next().await.is_some() {}
            self.deliveries.ended().await;
        };
        tokio::select! {
            () = drained => {}
            () = hurried => tracing::warn!("broken off: requests in progress get no answer"),
        }
        self.serving.shutdown().await;
        let closed = self.engine.close().await.map_err(ServeError::Engine);
        self.observation.close().await;
        closed
    }
}

/// Waits until a task panics; those that have nothing to do may end.
async fn broken_off(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if ended.is_err() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// Why there is no subscription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The pattern is none.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// History does not go back to that place, or the server is going down.
    #[error("{0}")]
    Refused(String),
}

/// Says which documents are no objects, unless they are in use as something else.
fn tell_of_files(config: &ServeConfig, manifests: &Manifests) {
    let real = |file: &PathBuf| file.canonicalize().ok();
    let lists = config.webhooks.webhooks.iter().chain(&config.nats.nats);
    let in_use: Vec<PathBuf> = config.policy.iter().chain(lists).filter_map(real).collect();
    let is_used = |place: &&Place| real(&place.file).is_some_and(|it| in_use.contains(&it));
    for place in manifests.skipped.iter().filter(|place| !is_used(place)) {
        if read_policy(&place.file).is_ok() {
            let file = place.file.display();
            tracing::info!(%file, "this policy is not in force; --policy with its name would do that");
        } else {
            tracing::info!(%place, "not an object (no apiVersion and kind), so it is not loaded");
        }
    }
    if manifests.manifests.is_empty() && !config.paths.is_empty() {
        let paths: Vec<_> = config.paths.iter().map(|path| path.display().to_string()).collect();
        let looked_for = "*.yaml, *.yml and *.json with kinds or objects";
        tracing::warn!(paths = paths.join(", "), looked_for, "nothing to load was found there");
    }
}

/// What files and program declare, in the order to apply it.
fn load(
    config: &ServeConfig,
    documents: Vec<Result<Value, serde_json::Error>>,
) -> Result<Manifests, ServeError> {
    let mut manifests = manifests::load(&config.paths, &ManifestLimits::default())?;
    let documents: Vec<Value> = documents.into_iter().collect::<Result<_, _>>()?;
    manifests.add(documents)?;
    Ok(manifests)
}

/// Applies what is declared, and says what came of it.
async fn apply_all(engine: &Engine, manifests: &[Manifest]) -> Result<(), ServeError> {
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

fn rest(
    config: &ServeConfig,
    engine: &Arc<Engine>,
    bus: &Arc<Bus>,
    entrance: Entrance,
    metrics: Option<Arc<Metrics>>,
) -> Arc<RestDoor> {
    let settings = RestSettings {
        entrance,
        require_status_precondition: config.require_status_precondition,
        metrics,
    };
    RestDoor::new(Arc::clone(engine), Arc::clone(bus), settings)
}

fn graphql_door(
    config: &GraphqlConfig,
    engine: &Arc<Engine>,
    entrance: &Entrance,
    numbers: Arc<Numbers>,
) -> Arc<GraphqlDoor> {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let limits = OperationLimits {
        tokens_max: count(config.graphql_tokens_max),
        depth_max: count(config.graphql_depth_max),
        aliases_max: count(config.graphql_aliases_max),
        root_fields_max: count(config.graphql_root_fields_max),
        directives_max: count(config.graphql_directives_max),
        cost_max: config.graphql_cost_max.into(),
        page_max: config.graphql_page_max.into(),
        bulk_items_max: count(config.graphql_bulk_max),
    };
    let body_bytes_max = config.graphql_body_bytes_max;
    let entrance = Entrance { body_bytes_max, ..entrance.clone() };
    let request_timeout = config.graphql_timeout;
    let operations_max = count(config.graphql_subscriptions_max);
    let streams = StreamLimits { operations_max, ..StreamLimits::default() };
    let settings = GraphqlSettings { entrance, limits, request_timeout, streams, numbers };
    GraphqlDoor::new(Arc::clone(engine), settings)
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

/// The path of an object to try things on: the first one from the files that is not of a core kind.
fn sample(engine: &Engine, manifests: &[Manifest]) -> Option<String> {
    let catalog = engine.catalog();
    manifests.iter().find_map(|manifest| {
        let resource = catalog.resource_of(&manifest.api_version, &manifest.kind)?;
        let served = catalog.get(&resource).filter(|served| !served.definition.core)?;
        let namespace = manifest.namespace.as_deref().is_none_or(|it| it == "default");
        let short = catalog.has_short_name(served);
        let plural =
            if short { served.definition.kind.plural.to_string() } else { resource.to_string() };
        let name = manifest.name.as_deref().filter(|_| namespace)?;
        Some(format!("/{plural}/{name}"))
    })
}
