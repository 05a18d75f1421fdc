//! A build that makes no traces.

use std::convert::Infallible;
use std::sync::Arc;

use pintle_http::{Collector, Observer};

use crate::config::OperationConfig;

/// Why no traces can be made.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// They are asked for, and cannot be had.
    #[error(
        "the setting \"otel-endpoint\" asks for traces, and this pintle was built without them: \
         build it with `cargo build --release -p pintle --features otel`, or leave the setting out"
    )]
    NotBuilt,
}

/// Nothing, ever.
#[derive(Debug)]
pub struct Telemetry(Infallible);

impl Telemetry {
    /// Refuses our own setting. The variables of OpenTelemetry may be meant for other programs.
    pub(crate) fn check(config: &OperationConfig) -> Result<(), TelemetryError> {
        if super::endpoint(config).is_some() {
            return Err(TelemetryError::NotBuilt);
        }
        Ok(())
    }

    /// There are no traces.
    pub(crate) fn start(
        config: &OperationConfig,
        _encrypted: bool,
    ) -> Result<Option<Self>, TelemetryError> {
        Self::check(config)?;
        let asks = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        let asks =
            asks.into_iter().find(|it| super::environment(it).is_some_and(|it| !it.is_empty()));
        if let Some(variable) = asks {
            tracing::info!(variable, "no traces are made: this pintle was built without them");
        }
        Ok(None)
    }

    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        match self.0 {}
    }

    pub(crate) fn numbers(&self) -> Arc<dyn Collector> {
        match self.0 {}
    }

    #[expect(clippy::unused_async, reason = "as in the build that makes traces")]
    pub(crate) async fn close(self) {
        match self.0 {}
    }
}
