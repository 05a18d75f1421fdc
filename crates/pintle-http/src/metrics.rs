//! [`Metrics`]: what is counted and timed, as a page for Prometheus.
//!
//! Label values come from the server alone: doors, verbs, the resources that it serves, status
//! codes. Even so there are at most [`SERIES_MAX`] sets of labels a family; what comes later is
//! counted under the resource `other`.

mod engine;
mod process;
mod text;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use pintle_authz::{Subresource, Verb};
use pintle_engine::{Engine, Histogram};
use pintle_model::GroupResource;

use crate::{Connections, Exchange, Observer, Serving};

use text::Kind;
pub use text::{Format, Text};

/// So many sets of labels a family has at most, and then one more for each door, verb and code.
const SERIES_MAX: usize = 4_096;

/// A part of the server that has numbers of its own. Its sets of labels must be bounded.
pub trait Collector: std::fmt::Debug + Send + Sync {
    /// Writes them on the page.
    fn show(&self, engine: &Engine, text: &mut Text);
}

/// Counts and times of requests, and the page that shows them with those of the engine.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Histogram>,
    writes: Family<WriteLabels, AtomicU64>,
    events: Family<About, AtomicU64>,
    turned_away: Family<&'static str, AtomicU64>,
    unproven: Family<&'static str, AtomicU64>,
    connections: Arc<Connections>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    streams: AtomicI64,
    began: SystemTime,
    collectors: Vec<Arc<dyn Collector>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct RequestLabels {
    door: &'static str,
    verb: &'static str,
    about: About,
    status_lane: bool,
    /// Zero for what was not answered.
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct WriteLabels {
    about: About,
    status_lane: bool,
    outcome: &'static str,
}

/// What a request was about, as far as it may be a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum About {
    /// A resource that is served.
    Served(GroupResource),
    /// No resource.
    None,
    /// One more than there is room for.
    Other,
}

impl About {
    fn of(exchange: &Exchange) -> Self {
        let served = exchange.resource.as_ref().filter(|_| exchange.serving == Serving::Served);
        served.cloned().map_or(Self::None, Self::Served)
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Served(resource) => resource.as_str(),
            Self::None => "",
            Self::Other => "other",
        }
    }
}

/// Labels that may have to give up the resource, when there are too many.
trait Labels: Clone + Eq + Hash + Ord {
    fn without_resource(&self) -> Self;
}

impl Labels for RequestLabels {
    fn without_resource(&self) -> Self {
        Self { about: About::Other, ..self.clone() }
    }
}

impl Labels for WriteLabels {
    fn without_resource(&self) -> Self {
        Self { about: About::Other, ..self.clone() }
    }
}

impl Labels for About {
    fn without_resource(&self) -> Self {
        Self::Other
    }
}

impl Labels for &'static str {
    fn without_resource(&self) -> Self {
        self
    }
}

/// One value for each set of labels.
#[derive(Debug)]
struct Family<L, V>(RwLock<HashMap<L, Arc<V>>>);

impl<L: Labels, V: Default> Family<L, V> {
    fn new() -> Self {
        Self(RwLock::default())
    }

    fn get(&self, labels: &L) -> Arc<V> {
        let read = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = read.get(labels) {
            return Arc::clone(found);
        }
        drop(read);
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let full = values.len() >= SERIES_MAX && !values.contains_key(labels);
        let labels = if full { labels.without_resource() } else { labels.clone() };
        Arc::clone(values.entry(labels).or_default())
    }

    /// All of them, in order.
    fn sorted(&self) -> Vec<(L, Arc<V>)> {
        let values = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let values = values.iter().map(|(labels, value)| (labels.clone(), Arc::clone(value)));
        let mut sorted: Vec<_> = values.collect();
        sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
        sorted
    }
}

fn verb(exchange: &Exchange) -> &'static str {
    match &exchange.verb {
        Some(Verb::Get) => "get",
        Some(Verb::List) => "list",
        Some(Verb::Watch) => "watch",
        Some(Verb::Create) => "create",
        Some(Verb::Update) => "update",
        Some(Verb::Patch) => "patch",
        Some(Verb::Delete) => "delete",
        Some(Verb::DeleteCollection) => "deletecollection",
        Some(Verb::Other(_)) | None => "other",
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::new(),
            writes: Family::new(),
            events: Family::new(),
            turned_away: Family::new(),
            unproven: Family::new(),
            connections: Arc::default(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            streams: AtomicI64::new(0),
            began: SystemTime::now(),
            collectors: Vec::new(),
        }
    }
}

impl Observer for Metrics {
    fn answered(&self, exchange: &Exchange) {
        let status_lane = exchange.subresource == Some(Subresource::Status);
        let about = About::of(exchange);
        let labels = RequestLabels {
            door: exchange.door,
            verb: verb(exchange),
            about: about.clone(),
            status_lane,
            code: exchange.status.map_or(0, |status| status.as_u16()),
        };
        self.requests.get(&labels).add(exchange.duration);
        if exchange.is_write() && !exchange.dry_run {
            let labels = WriteLabels { about, status_lane, outcome: exchange.outcome.as_str() };
            self.writes.get(&labels).fetch_add(1, Ordering::Relaxed);
        }
        if exchange.is_turned_away() {
            let count = self.turned_away.get(&exchange.decision.as_str());
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(reason) = exchange.unproven {
            self.unproven.get(&reason).fetch_add(1, Ordering::Relaxed);
        }
        self.bytes_in.fetch_add(exchange.bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(exchange.bytes_out, Ordering::Relaxed);
        self.streams.fetch_add(i64::from(exchange.endless), Ordering::Relaxed);
    }

    fn sent(&self, exchange: &Exchange, events: u64, bytes: u64) {
        if events > 0 {
            self.events.get(&About::of(exchange)).fetch_add(events, Ordering::Relaxed);
        }
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    fn ended(&self, exchange: &Exchange) {
        self.streams.fetch_sub(i64::from(exchange.endless), Ordering::Relaxed);
    }
}

impl Metrics {
    /// The page shows these numbers as well.
    #[must_use]
    pub fn with_collector(mut self, collector: Arc<dyn Collector>) -> Self {
        self.collectors.push(collector);
        self
    }

    /// Where the server counts its connections.
    pub fn connections(&self) -> Arc<Connections> {
        Arc::clone(&self.connections)
    }

    /// The page.
    pub fn page(&self, engine: &Engine, format: Format) -> String {
        let mut text = Text::new(format);
        self.requests(&mut text);
        self.callers(&mut text);
        self.traffic(&mut text);
        engine::show(&mut text, engine);
        for collector in &self.collectors {
            collector.show(engine, &mut text);
        }
        self.process(&mut text);
        text.end()
    }

    fn requests(&self, text: &mut Text) {
        text.family(
            "pintle_request_duration_seconds",
            Kind::Histogram,
            "Requests, until they were answered (streams: until they began), by door, verb, resource, lane and code; the code is 0 where the client was gone before.",
        );
        for (labels, histogram) in self.requests.sorted() {
            let code = labels.code.to_string();
            let labels = [
                ("door", labels.door),
                ("verb", labels.verb),
                ("resource", labels.about.as_str()),
                ("lane", lane(labels.status_lane)),
                ("code", &code),
            ];
            text.histogram("pintle_request_duration_seconds", &labels, &histogram);
        }
        text.family(
            "pintle_writes_total",
            Kind::Counter,
            "Write requests by resource, lane and outcome: changed, unchanged, conflict, refused, failed, abandoned.",
        );
        for (labels, count) in self.writes.sorted() {
            let shown = [
                ("resource", labels.about.as_str()),
                ("lane", lane(labels.status_lane)),
                ("outcome", labels.outcome),
            ];
            text.sample("pintle_writes_total", &shown, count.load(Ordering::Relaxed));
        }
    }

    fn callers(&self, text: &mut Text) {
        text.family(
            "pintle_turned_away_total",
            Kind::Counter,
            "Requests of callers who are not known (unauthenticated), or may not (forbidden).",
        );
        for (decision, count) in self.turned_away.sorted() {
            let labels = [("decision", decision)];
            text.sample("pintle_turned_away_total", &labels, count.load(Ordering::Relaxed));
        }
        text.family(
            "pintle_authentication_failures_total",
            Kind::Counter,
            "Requests whose callers proved nothing, by what was wrong with what they showed.",
        );
        for (reason, count) in self.unproven.sorted() {
            let count = count.load(Ordering::Relaxed);
            text.sample("pintle_authentication_failures_total", &[("reason", reason)], count);
        }
        text.gauge("pintle_connections_open", "Connections.", self.connections.open());
        text.counter(
            "pintle_tls_handshakes_failed_total",
            "Connections with which TLS did not come about.",
            self.connections.failed_handshakes(),
        );
    }

    fn traffic(&self, text: &mut Text) {
        text.counter(
            "pintle_request_bytes_total",
            "Bytes of the bodies of requests.",
            self.bytes_in.load(Ordering::Relaxed),
        );
        text.counter(
            "pintle_response_bytes_total",
            "Bytes of the bodies of answers, streams included.",
            self.bytes_out.load(Ordering::Relaxed),
        );
        text.gauge(
            "pintle_streams_open",
            "Streams that are open: watches and events.",
            self.streams.load(Ordering::Relaxed),
        );
        text.family(
            "pintle_events_sent_total",
            Kind::Counter,
            "Events that streams have told, by resource; those of /events have none.",
        );
        for (about, count) in self.events.sorted() {
            let labels = [("resource", about.as_str())];
            text.sample("pintle_events_sent_total", &labels, count.load(Ordering::Relaxed));
        }
    }

    fn process(&self, text: &mut Text) {
        process::show(text);
        let began = self.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        text.gauge(
            "process_start_time_seconds",
            "When the process began, in seconds since 1970.",
            began.as_secs(),
        );
        text.family("pintle_build_info", Kind::Gauge, "Which build this is; always 1.");
        text.sample("pintle_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    }
}

const fn lane(status: bool) -> &'static str {
    if status { "status" } else { "main" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_kinds_than_there_is_room_for_are_other() {
        let family: Family<About, AtomicU64> = Family::new();
        for number in 0..SERIES_MAX + 100 {
            let resource = GroupResource::new("x.io", &format!("kind{number}"));
            family.get(&About::Served(resource)).fetch_add(1, Ordering::Relaxed);
        }
        let sorted = family.sorted();
        assert_eq!(sorted.len(), SERIES_MAX + 1);
        let (last, count) = sorted.last().unwrap();
        assert_eq!((last, count.load(Ordering::Relaxed)), (&About::Other, 100));
    }
}
