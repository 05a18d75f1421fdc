//! How the server is watched over, and how it goes.

use std::time::Duration;

use super::{UrlText, values};

/// The settings of metrics, of traces and of the end.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct OperationConfig {
    /// Count and time requests, and show it at /metrics
    #[arg(long, value_name = "BOOL", default_value_t = true, value_parser = values::switch)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(action = clap::ArgAction::Set)]
    pub metrics: bool,

    /// Trace requests, and send that to the OpenTelemetry collector at this URL, over HTTP; needs a
    /// build with the feature otel
    #[arg(long, value_name = "URL")]
    pub otel_endpoint: Option<UrlText>,

    /// Go on for so long when asked to stop, with /readyz failing; a second signal ends that
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    pub shutdown_delay: Duration,
}

impl Default for OperationConfig {
    fn default() -> Self {
        Self { metrics: true, otel_endpoint: None, shutdown_delay: Duration::ZERO }
    }
}
