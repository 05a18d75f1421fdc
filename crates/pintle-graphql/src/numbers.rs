//! What subscriptions count, for the page of metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pintle_engine::Engine;
use pintle_http::{Collector, Text};

/// What is counted. The door counts, and whoever puts a server together shows it.
#[derive(Debug, Default)]
pub struct Numbers {
    sockets: AtomicU64,
    subscriptions: AtomicU64,
    told: AtomicU64,
    encoded: AtomicU64,
    slow_consumers: AtomicU64,
}

/// Counts something for as long as it is there.
#[derive(Debug)]
pub(crate) struct Open {
    numbers: Arc<Numbers>,
    of: fn(&Numbers) -> &AtomicU64,
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.of)(&self.numbers).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Numbers {
    /// One more WebSocket.
    pub(crate) fn socket(self: &Arc<Self>) -> Open {
        self.open(|numbers| &numbers.sockets)
    }

    /// One more subscription.
    pub(crate) fn subscription(self: &Arc<Self>) -> Open {
        self.open(|numbers| &numbers.subscriptions)
    }

    fn open(self: &Arc<Self>, of: fn(&Self) -> &AtomicU64) -> Open {
        of(self).fetch_add(1, Ordering::Relaxed);
        Open { numbers: Arc::clone(self), of }
    }

    /// An event is told to a subscription.
    pub(crate) fn one_told(&self) {
        self.told.fetch_add(1, Ordering::Relaxed);
    }

    /// A result is made of an event.
    pub(crate) fn one_encoded(&self) {
        self.encoded.fetch_add(1, Ordering::Relaxed);
    }

    /// A subscription is ended because nobody reads it.
    pub(crate) fn one_too_slow(&self) {
        self.slow_consumers.fetch_add(1, Ordering::Relaxed);
    }

    /// How many WebSockets are open.
    pub fn sockets(&self) -> u64 {
        self.sockets.load(Ordering::Relaxed)
    }

    /// How many subscriptions are open.
    pub fn subscriptions(&self) -> u64 {
        self.subscriptions.load(Ordering::Relaxed)
    }

    /// How often an event was told to a subscription.
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// How often a result was made for that. Subscriptions that tell alike share results.
    pub fn encoded(&self) -> u64 {
        self.encoded.load(Ordering::Relaxed)
    }

    /// How many subscriptions were ended because nobody read them.
    pub fn slow_consumers(&self) -> u64 {
        self.slow_consumers.load(Ordering::Relaxed)
    }
}

impl Collector for Numbers {
    fn show(&self, _: &Engine, text: &mut Text) {
        text.gauge("pintle_graphql_sockets", "WebSockets that are open.", self.sockets());
        text.gauge(
            "pintle_graphql_subscriptions",
            "Subscriptions that are open, over WebSockets and as server-sent events.",
            self.subscriptions(),
        );
        text.counter(
            "pintle_graphql_subscription_events_total",
            "Events that subscriptions told, each for itself.",
            self.told(),
        );
        text.counter(
            "pintle_graphql_encoded_events_total",
            "Results that were made of events; subscriptions that tell alike share them.",
            self.encoded(),
        );
        text.counter(
            "pintle_graphql_slow_consumers_total",
            "Subscriptions that were ended because nobody read what they told.",
            self.slow_consumers(),
        );
    }
}
