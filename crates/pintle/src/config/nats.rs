//! Settings of NATS: where events are published.

use std::path::PathBuf;

/// Into which streams of NATS events are published.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct NatsConfig {
    /// File of NATS JetStream streams that events are published to, with what each of them wants;
    /// needs a build with the feature nats
    #[arg(long, value_name = "FILE")]
    pub nats: Option<PathBuf>,
}
