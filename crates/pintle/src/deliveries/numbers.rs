//! What deliveries to webhooks count, on the page of metrics.

use std::sync::Arc;

use pintle_delivery::{Numbers, Progress};
use pintle_engine::{Clock as _, Engine, SystemClock};
use pintle_http::{Collector, Text};

const LABEL: &str = "endpoint";

/// What is counted, by the name of the endpoint. There are as many as the settings name, and their
/// number has a limit.
#[derive(Debug, Default)]
pub(crate) struct WebhookNumbers(Vec<(Arc<str>, Arc<Progress>)>);

impl WebhookNumbers {
    /// Where the delivery to one more endpoint counts.
    pub(crate) fn of(&mut self, name: Arc<str>) -> Arc<Progress> {
        let progress = Arc::<Progress>::default();
        self.0.push((name, Arc::clone(&progress)));
        progress
    }
}

impl Collector for WebhookNumbers {
    fn show(&self, engine: &Engine, text: &mut Text) {
        let (now, newest) = (SystemClock.now(), engine.newest());
        let numbers = self.0.iter().map(|(name, it)| (&**name, it.numbers(now, newest)));
        let numbers: Vec<_> = numbers.collect();
        counts(text, &numbers);
        lags(text, &numbers);
    }
}

fn counts(text: &mut Text, numbers: &[(&str, Numbers)]) {
    text.counters(
        "pintle_webhook_delivered_total",
        "Events that endpoints of webhooks took, by endpoint.",
        LABEL,
        &each(numbers, |it| it.delivered),
    );
    text.counters(
        "pintle_webhook_failed_attempts_total",
        "Messages that endpoints did not take, each attempt for itself, by endpoint.",
        LABEL,
        &each(numbers, |it| it.failed_attempts),
    );
    text.counters(
        "pintle_webhook_dead_letters_total",
        "Events that were given up, by endpoint.",
        LABEL,
        &each(numbers, |it| it.dead_letters),
    );
    text.counters(
        "pintle_webhook_gaps_total",
        "How often endpoints missed events that were no longer known, by endpoint.",
        LABEL,
        &each(numbers, |it| it.gaps),
    );
}

fn lags(text: &mut Text, numbers: &[(&str, Numbers)]) {
    text.gauges(
        "pintle_webhook_lag_revisions",
        "How many revisions endpoints are behind, by endpoint.",
        LABEL,
        &each(numbers, |it| it.lag_revisions),
    );
    text.gauges(
        "pintle_webhook_lag_seconds",
        "How long ago that happened which an endpoint is being told, by endpoint; 0 when it has been told everything.",
        LABEL,
        &each(numbers, |it| it.lag.as_secs_f64()),
    );
}

fn each<'n, V>(numbers: &[(&'n str, Numbers)], value: impl Fn(&Numbers) -> V) -> Vec<(&'n str, V)> {
    numbers.iter().map(|(name, it)| (*name, value(it))).collect()
}
