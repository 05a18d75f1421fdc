//! Log lines: for people on a terminal, as JSON for everything else. `RUST_LOG` chooses what is
//! told.

mod lines;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

pub use lines::LastLines;
use lines::Lines;

/// The client of NATS tells of each attempt to connect, and so do deliveries, in fewer words.
const DEFAULT: &str = "info,async_nats=off";

/// Starts logging to standard error; hold what it returns until the end. A second call changes
/// nothing.
pub fn start(format: LogFormat) -> LastLines {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = EnvFilter::try_new(&wanted).ok().filter(|_| !wanted.is_empty());
    let misread = filter.is_none() && !wanted.is_empty();
    let filter = filter.unwrap_or_else(|| EnvFilter::new(DEFAULT));
    let terminal = std::io::stderr().is_terminal();
    let lines = Lines::to(std::io::stderr());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines.clone())
        .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none());
    let human = match format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let started = if human { builder.try_init() } else { builder.json().try_init() };
    if started.is_err() {
        return LastLines::none();
    }
    if misread {
        tracing::warn!(RUST_LOG = wanted, "RUST_LOG is not understood; telling what `info` tells");
    }
    lines.until_written()
}
