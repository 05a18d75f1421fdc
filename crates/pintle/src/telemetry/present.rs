//! A build that makes traces, when it is asked for them.

use std::fmt;
use std::sync::Arc;

use pintle_engine::Engine;
use pintle_http::{Collector, Observer, Text};
use pintle_otel::{Numbers, Settings, SettingsError, Traces};
use pintle_outbound::CaFileError;

use crate::config::OperationConfig;

/// Why no traces can be made.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// What is said of them cannot be.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The certificates to believe cannot be used.
    #[error(transparent)]
    Ca(#[from] CaFileError),
}

/// Traces that are being made.
#[derive(Debug)]
pub struct Telemetry(Traces);

impl Telemetry {
    /// Whether what is said of traces can be.
    pub(crate) fn check(config: &OperationConfig) -> Result<(), TelemetryError> {
        settings(config)?;
        Ok(())
    }

    /// Begins to make traces, if they are asked for. It must be called on a runtime.
    pub(crate) fn start(
        config: &OperationConfig,
        encrypted: bool,
    ) -> Result<Option<Self>, TelemetryError> {
        let Some(settings) = settings(config)? else { return Ok(None) };
        let traces = Traces::start(&settings, encrypted)?;
        tracing::info!(collector = settings.origin(), "requests are traced");
        Ok(Some(Self(traces)))
    }

    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        self.0.observer()
    }

    /// What became of spans, for the page of metrics.
    pub(crate) fn numbers(&self) -> Arc<dyn Collector> {
        Arc::new(TraceNumbers(Box::new(self.0.numbers())))
    }

    /// Brings away what is left, and ends.
    pub(crate) async fn close(self) {
        self.0.close().await;
    }
}

fn settings(config: &OperationConfig) -> Result<Option<Settings>, SettingsError> {
    Settings::read(super::endpoint(config), &super::environment)
}

struct TraceNumbers(Box<dyn Fn() -> Numbers + Send + Sync>);

impl fmt::Debug for TraceNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceNumbers").field(&(self.0)()).finish()
    }
}

impl Collector for TraceNumbers {
    fn show(&self, _engine: &Engine, text: &mut Text) {
        let Numbers { exported, dropped, failed, waiting } = (self.0)();
        text.counter(
            "pintle_trace_spans_exported_total",
            "Spans of traces that the collector took.",
            exported,
        );
        text.counters(
            "pintle_trace_spans_dropped_total",
            "Spans of traces that were dropped, by reason: no_room where they came faster than they were taken, not_taken where the collector was away or did not want them.",
            "reason",
            &[("no_room", dropped), ("not_taken", failed)],
        );
        text.gauge("pintle_trace_spans_waiting", "Spans of traces that wait to be sent.", waiting);
    }
}
