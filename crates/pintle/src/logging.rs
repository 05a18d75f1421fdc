//! Log lines: for people on a terminal, as JSON for everything else. `RUST_LOG` chooses what is
//! told.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts logging to standard error. A second call changes nothing.
pub fn start(format: LogFormat) {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = EnvFilter::try_new(&wanted).ok().filter(|_| !wanted.is_empty());
    let misread = filter.is_none() && !wanted.is_empty();
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none());
    let human = match format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let started = if human { builder.try_init() } else { builder.json().try_init() };
    drop(started);
    if misread {
        tracing::warn!(RUST_LOG = wanted, "RUST_LOG is not understood; telling what `info` tells");
    }
}
