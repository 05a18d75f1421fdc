//! What deliveries count, on the page of metrics.

use std::sync::Arc;

use pintle_delivery::{Numbers, Progress};
use pintle_engine::{Clock as _, Engine, SystemClock};
use pintle_http::{Collector, Text};

/// What the numbers of one sort of receivers are called.
#[derive(Debug)]
pub(crate) struct Names {
    /// The label that names a receiver.
    pub(crate) label: &'static str,
    /// Names and helps, in the order of [`Numbers`].
    pub(crate) delivered: [&'static str; 2],
    pub(crate) failed_attempts: [&'static str; 2],
    pub(crate) dead_letters: [&'static str; 2],
    pub(crate) gaps: [&'static str; 2],
    pub(crate) lag_revisions: [&'static str; 2],
    pub(crate) lag_seconds: [&'static str; 2],
}

/// Those of webhooks.
pub(crate) const OF_WEBHOOKS: Names = Names {
    label: "endpoint",
    delivered: [
        "pintle_webhook_delivered_total",
        "Events that endpoints of webhooks took, by endpoint.",
    ],
    failed_attempts: [
        "pintle_webhook_failed_attempts_total",
        "Messages that endpoints did not take, each attempt for itself, by endpoint.",
    ],
    dead_letters: ["pintle_webhook_dead_letters_total", "Events that were given up, by endpoint."],
    gaps: [
        "pintle_webhook_gaps_total",
        "How often endpoints missed events that were no longer known, by endpoint.",
    ],
    lag_revisions: [
        "pintle_webhook_lag_revisions",
        "How many revisions endpoints are behind, by endpoint.",
    ],
    lag_seconds: [
        "pintle_webhook_lag_seconds",
        "How long ago that happened which an endpoint is being told, by endpoint; 0 when it has been told everything.",
    ],
};

/// Those of NATS.
#[cfg(feature = "nats")]
pub(crate) const OF_NATS: Names = Names {
    label: "target",
    delivered: [
        "pintle_nats_delivered_total",
        "Events that streams of NATS acknowledged, by target.",
    ],
    failed_attempts: [
        "pintle_nats_failed_attempts_total",
        "Events that were not acknowledged, each attempt for itself, by target; attempts to connect are among them.",
    ],
    dead_letters: ["pintle_nats_dead_letters_total", "Events that were given up, by target."],
    gaps: [
        "pintle_nats_gaps_total",
        "How often targets missed events that were no longer known, by target.",
    ],
    lag_revisions: [
        "pintle_nats_lag_revisions",
        "How many revisions targets are behind, by target.",
    ],
    lag_seconds: [
        "pintle_nats_lag_seconds",
        "How long ago that happened which a target is being told, by target; 0 when it has been told everything.",
    ],
};

/// What is counted, by the name of the receiver. There are as many as the settings name, and their
/// number has a limit.
#[derive(Debug)]
pub(crate) struct DeliveryNumbers {
    names: &'static Names,
    counted: Vec<(Arc<str>, Arc<Progress>)>,
}

impl DeliveryNumbers {
    pub(crate) const fn new(names: &'static Names) -> Self {
        Self { names, counted: Vec::new() }
    }

    /// Where the delivery to one more receiver counts.
    pub(crate) fn of(&mut self, name: Arc<str>) -> Arc<Progress> {
        let progress = Arc::<Progress>::default();
        self.counted.push((name, Arc::clone(&progress)));
        progress
    }
}

impl Collector for DeliveryNumbers {
    fn show(&self, engine: &Engine, text: &mut Text) {
        let (now, newest) = (SystemClock.now(), engine.newest());
        let numbers = self.counted.iter().map(|(name, it)| (&**name, it.numbers(now, newest)));
        let (numbers, names) = (numbers.collect::<Vec<_>>(), self.names);
        let mut counters = |[name, help]: [&str; 2], value: fn(&Numbers) -> u64| {
            text.counters(name, help, names.label, &each(&numbers, value));
        };
        counters(names.delivered, |it| it.delivered);
        counters(names.failed_attempts, |it| it.failed_attempts);
        counters(names.dead_letters, |it| it.dead_letters);
        counters(names.gaps, |it| it.gaps);
        let [name, help] = names.lag_revisions;
        text.gauges(name, help, names.label, &each(&numbers, |it| it.lag_revisions));
        let [name, help] = names.lag_seconds;
        text.gauges(name, help, names.label, &each(&numbers, |it| it.lag.as_secs_f64()));
    }
}

fn each<'n, V>(numbers: &[(&'n str, Numbers)], value: impl Fn(&Numbers) -> V) -> Vec<(&'n str, V)> {
    numbers.iter().map(|(name, it)| (*name, value(it))).collect()
}

/// All of them.
#[derive(Debug)]
pub(crate) struct All(pub(crate) Vec<DeliveryNumbers>);

impl Collector for All {
    fn show(&self, engine: &Engine, text: &mut Text) {
        self.0.iter().for_each(|numbers| numbers.show(engine, text));
    }
}
