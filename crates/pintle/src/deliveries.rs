//! Who is told of events: reads the settings, and runs a delivery for each receiver.

#[cfg(feature = "nats")]
mod nats;
#[cfg(not(feature = "nats"))]
mod no_nats;
mod numbers;
mod outgoing;
mod source;
mod webhooks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pintle_delivery::{Delivery, Patience, PlaceError, Records, Start, Transport};
use pintle_engine::Engine;
use pintle_events::Bus;
use pintle_http::Collector;
use tokio::task::JoinSet;

#[cfg(not(feature = "nats"))]
use self::no_nats as nats;

use self::nats::NatsSettingsError;
use self::numbers::{All, DeliveryNumbers, OF_WEBHOOKS};
use self::outgoing::Outgoing;
use self::source::{BusSource, Wanted};
use self::webhooks::WebhookSettingsError;
use crate::config::ServeConfig;

/// Why events cannot be delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The settings of webhooks cannot be used.
    #[error(transparent)]
    Webhooks(#[from] WebhookSettingsError),
    /// The settings of NATS cannot be used.
    #[error(transparent)]
    Nats(#[from] NatsSettingsError),
    /// What was delivered before is not known.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// One who is told of events, with what is known of them.
#[derive(Debug)]
struct Receiver<T> {
    name: Arc<str>,
    transport: T,
    wanted: Wanted,
    start: Start,
    records: Records,
}

/// The receivers of the settings.
#[derive(Debug)]
pub(crate) struct Deliveries {
    webhooks: Vec<Receiver<pintle_webhooks::Webhook>>,
    nats: nats::Targets,
    prefix: Arc<str>,
    source: Arc<str>,
}

/// Deliveries that are running.
#[derive(Debug)]
pub(crate) struct Running {
    tasks: JoinSet<()>,
    numbers: Arc<All>,
}

impl Deliveries {
    /// Reads all that the settings name. Without a data directory, places are not remembered, as
    /// objects are not.
    pub(crate) fn load(
        config: &ServeConfig,
        data_dir: Option<&Path>,
    ) -> Result<Self, DeliveryError> {
        let dir = data_dir.map(|dir| dir.join("webhooks"));
        let webhooks = webhooks::receivers(&config.webhooks)?.into_values();
        let webhooks = webhooks.map(|webhooks::Receiver { name, webhook, wanted, start }| {
            let records = records(dir.as_ref(), &name)?;
            Ok(Receiver { name: name.into(), transport: webhook, wanted, start, records })
        });
        Ok(Self {
            webhooks: webhooks.collect::<Result<_, PlaceError>>()?,
            nats: nats::Targets::load(config, data_dir)?,
            prefix: config.events.event_type_prefix.as_str().into(),
            source: config.events.event_source.as_str().into(),
        })
    }

    /// Delivers, until the engine goes down.
    pub(crate) fn start(self, engine: &Engine, bus: &Arc<Bus>) -> Running {
        let Self { webhooks, nats, prefix, source } = self;
        let mut starting = Starting { engine, bus, prefix, source, tasks: JoinSet::new() };
        let mut of_webhooks = DeliveryNumbers::new(&OF_WEBHOOKS);
        for receiver in webhooks {
            let url = receiver.transport.url();
            tracing::info!(name = &*receiver.name, %url, "an endpoint is told of events");
            starting.deliver(receiver, &mut of_webhooks);
        }
        let mut numbers = vec![of_webhooks];
        nats.start(&mut starting, &mut numbers);
        Running { tasks: starting.tasks, numbers: Arc::new(All(numbers)) }
    }
}

/// What every delivery begins with.
struct Starting<'a> {
    engine: &'a Engine,
    bus: &'a Arc<Bus>,
    prefix: Arc<str>,
    source: Arc<str>,
    tasks: JoinSet<()>,
}

impl Starting<'_> {
    fn deliver<T>(&mut self, receiver: Receiver<T>, numbers: &mut DeliveryNumbers)
    where
        T: Transport<Outgoing> + Sync + 'static,
    {
        let Receiver { name, transport, wanted, start, records } = receiver;
        let delivery = Delivery {
            name: Arc::clone(&name),
            source: BusSource {
                bus: Arc::clone(self.bus),
                wanted,
                prefix: Arc::clone(&self.prefix),
                source: Arc::clone(&self.source),
                subscription: None,
            },
            transport,
            start,
            records,
            patience: Patience::default(),
            progress: numbers.of(name),
            stop: self.engine.closing(),
        };
        self.tasks.spawn(delivery.run());
    }
}

fn records(dir: Option<&PathBuf>, name: &str) -> Result<Records, PlaceError> {
    dir.map_or_else(|| Ok(Records::default()), |dir| Records::open(dir, name))
}

impl Running {
    /// What the deliveries count, for the page of metrics.
    pub(crate) fn numbers(&self) -> Arc<dyn Collector> {
        Arc::clone(&self.numbers) as _
    }

    /// Waits until all of them have ended, which they do when the engine goes down.
    pub(crate) async fn ended(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a delivery ended in a fault of the server");
            }
        }
    }
}
