//! Traces of requests, for OpenTelemetry.
//!
//! [`Traces`] is an observer of the doors. When a request was answered it makes one span of what is
//! known of it, and one for each step that took time (`spans`); sampling, ids and resource
//! attributes are those of the OpenTelemetry SDK. Spans wait in a queue with a limit, and a task
//! brings them to a collector over OTLP, as protobuf over HTTP (`export`).
//!
//! Nothing of this holds up a request: a span for which there is no room, or that the collector
//! does not take, is dropped and counted ([`Numbers`]).
//!
//! What is not here: logs and metrics, which Pintle shows in ways of its own; and traces of what
//! the server does by itself.

mod export;
mod queue;
mod settings;
mod spans;

use std::sync::Arc;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use pintle_http::{Exchange, Observer};
use pintle_outbound::CaFileError;
use tokio::task::JoinHandle;

pub use queue::Numbers;
pub use settings::{Environment, Settings, SettingsError};

use export::Exporter;
use queue::Queue;
use spans::Spans;

/// Makes spans of requests, and sees to it that they get away.
#[derive(Debug)]
pub struct Traces {
    spans: Arc<Spans>,
    queue: Arc<Queue>,
    exporting: JoinHandle<()>,
}

impl Traces {
    /// Begins to export. It must be called on a runtime. `encrypted` says whether callers speak TLS
    /// with the server.
    pub fn start(settings: &Settings, encrypted: bool) -> Result<Self, CaFileError> {
        let resource = resource();
        let exporter = Exporter::new(settings, &resource)?;
        let (queue, waiting) = Queue::new(settings.queue_spans_max);
        let queue = Arc::new(queue);
        let exporting = queue::export(Arc::clone(&queue), waiting, exporter, settings.batches());
        let exporting = tokio::spawn(exporting);
        // Its samplers and limits are those that the environment asks for.
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(queue::Processor(Arc::clone(&queue)))
            .build();
        let scope = InstrumentationScope::builder("pintle").with_version(VERSION).build();
        let tracer = provider.tracer_with_scope(scope);
        let spans = Arc::new(Spans::new(tracer, encrypted, settings.takes_parents));
        Ok(Self { spans, queue, exporting })
    }

    /// Who has to be told of requests.
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(Tracing(Arc::clone(&self.spans)))
    }

    /// What became of spans so far, whenever it is asked.
    pub fn numbers(&self) -> impl Fn() -> Numbers + Send + Sync + 'static {
        let queue = Arc::clone(&self.queue);
        move || queue.numbers()
    }

    /// Exports what waits, and ends; takes a few seconds at most. What could not be brought away by
    /// then is dropped.
    pub async fn close(self) {
        self.queue.close();
        if let Err(error) = self.exporting.await {
            tracing::error!(%error, "the export of traces ended in a fault of the server");
        }
        let Numbers { dropped, .. } = self.queue.numbers();
        if dropped > 0 {
            tracing::warn!(dropped, "some spans of traces were dropped since the start");
        }
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is the same for all spans: of the environment, else our own.
fn resource() -> Resource {
    let found = Resource::builder().build();
    let name = found.get(&"service.name".into()).map(|name| name.to_string()).unwrap_or_default();
    // That is what the SDK says where nobody has said anything.
    let is_unknown = name.is_empty() || name.starts_with("unknown_service");
    let ours = [
        ("service.name", is_unknown.then(|| "pintle".to_owned())),
        ("service.version", Some(VERSION.to_owned())),
        ("service.instance.id", Some(instance())),
        ("process.pid", Some(std::process::id().to_string())),
    ];
    let ours = ours.into_iter().filter(|(key, _)| {
        is_unknown && *key == "service.name" || found.get(&(*key).into()).is_none()
    });
    let ours = ours.filter_map(|(key, value)| Some(KeyValue::new(key, value?)));
    Resource::builder().with_attributes(ours).build()
}

/// A random UUID (RFC 9562, version 4), which tells this run of the server from all others.
fn instance() -> String {
    let bits = || u128::from(getrandom::u64().unwrap_or_default());
    let bits = (bits() << 64 | bits()) & !(0xf << 76 | 0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let digits = format!("{bits:032x}");
    let (mut rest, mut groups) = (digits.as_str(), Vec::new());
    for length in [8, 4, 4, 4] {
        let (group, after) = rest.split_at(length);
        groups.push(group);
        rest = after;
    }
    groups.push(rest);
    groups.join("-")
}

/// The observer. Streams are told of when they have ended, everything else when it was answered.
#[derive(Debug)]
struct Tracing(Arc<Spans>);

impl Observer for Tracing {
    fn answered(&self, exchange: &Exchange) {
        if !exchange.endless {
            self.0.record(exchange);
        }
    }

    fn ended(&self, exchange: &Exchange) {
        if exchange.endless {
            self.0.record(exchange);
        }
    }

    fn wants_details(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn instances_are_uuids_and_differ() {
        let (one, other) = (super::instance(), super::instance());
        assert_ne!(one, other);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{one}");
        let at = |index| one.chars().nth(index).unwrap();
        assert_eq!(at(14), '4', "{one}");
        assert!("89ab".contains(at(19)), "{one}");
    }
}
