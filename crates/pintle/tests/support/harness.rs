//! The real program as a child process, and a client for it. Every test binary that wants them
//! includes this file by its path.
//!
//! Nothing here sleeps: a wait ends with an event, and the patience below only bounds how long a
//! failure takes.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod http;
pub(crate) mod running;
pub(crate) mod server;
pub(crate) mod stream;

use std::time::Duration;

/// Whatever takes longer has failed. Generous, because machines that run tests are busy.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// Awaits something that must happen; `what` is told when it does not.
pub(crate) async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    let happened = tokio::time::timeout(PATIENCE, happens).await;
    happened.unwrap_or_else(|_| panic!("{what}: nothing for {} seconds", PATIENCE.as_secs()))
}
