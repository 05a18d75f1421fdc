//! Traces for OpenTelemetry: what the settings and the environment say of them. Only builds with
//! the feature `otel` can make any; others say so when they are asked.

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod present;

use crate::config::{OperationConfig, UrlText};

#[cfg(not(feature = "otel"))]
pub use absent::{Telemetry, TelemetryError};
#[cfg(feature = "otel")]
pub use present::{Telemetry, TelemetryError};

fn endpoint(config: &OperationConfig) -> Option<&str> {
    config.otel_endpoint.as_ref().map(|UrlText(text)| text.as_str())
}

/// A variable that is no text has nothing to say.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
