//! Who is told of events: reads the settings, and runs a delivery for each receiver.

mod numbers;
mod outgoing;
mod source;
mod webhooks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pintle_delivery::{Delivery, Patience, PlaceError, Records};
use pintle_engine::Engine;
use pintle_events::Bus;
use pintle_http::Collector;
use tokio::task::JoinSet;

use self::numbers::WebhookNumbers;
use self::source::BusSource;
use self::webhooks::WebhookSettingsError;
use crate::config::ServeConfig;

/// Why events cannot be delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The settings of webhooks cannot be used.
    #[error(transparent)]
    Webhooks(#[from] WebhookSettingsError),
    /// What was delivered before is not known.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// The receivers of the settings, with what is known of them.
#[derive(Debug)]
pub(crate) struct Deliveries {
    webhooks: Vec<(webhooks::Receiver, Records)>,
    prefix: Arc<str>,
    source: Arc<str>,
}

/// Deliveries that are running.
#[derive(Debug)]
pub(crate) struct Running {
    tasks: JoinSet<()>,
    numbers: Arc<WebhookNumbers>,
}

impl Deliveries {
    /// Reads all that the settings name. Without a data directory, places are not remembered, as
    /// objects are not.
    pub(crate) fn load(
        config: &ServeConfig,
        data_dir: Option<&Path>,
    ) -> Result<Self, DeliveryError> {
        let receivers = webhooks::receivers(&config.webhooks)?.into_values();
        let dir = data_dir.map(|dir| dir.join("webhooks"));
        let known = receivers.map(|receiver| {
            let records = records(dir.as_ref(), &receiver.name)?;
            Ok((receiver, records))
        });
        Ok(Self {
            webhooks: known.collect::<Result<_, PlaceError>>()?,
            prefix: config.events.event_type_prefix.as_str().into(),
            source: config.events.event_source.as_str().into(),
        })
    }

    /// Delivers, until the engine goes down.
    pub(crate) fn start(self, engine: &Engine, bus: &Arc<Bus>) -> Running {
        let mut tasks = JoinSet::new();
        let mut numbers = WebhookNumbers::default();
        for (receiver, records) in self.webhooks {
            let webhooks::Receiver { name, webhook, wanted, start } = receiver;
            tracing::info!(name, url = %webhook.url(), "an endpoint is told of events");
            let name: Arc<str> = name.into();
            let delivery = Delivery {
                name: Arc::clone(&name),
                source: BusSource {
                    bus: Arc::clone(bus),
                    wanted,
                    prefix: Arc::clone(&self.prefix),
                    source: Arc::clone(&self.source),
                    subscription: None,
                },
                transport: webhook,
                start,
                records,
                patience: Patience::default(),
                progress: numbers.of(name),
                stop: engine.closing(),
            };
            tasks.spawn(delivery.run());
        }
        Running { tasks, numbers: Arc::new(numbers) }
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
