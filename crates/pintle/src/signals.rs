//! The signals that ask the server to go: SIGTERM and SIGINT.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both of them, from when this was made.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    /// Waits for one of them.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for so long, or for one more of them.
    pub(crate) async fn linger(&mut self, delay: Duration) {
        if delay.is_zero() {
            return;
        }
        tracing::info!(?delay, "no longer ready; stopping after the delay, or a second signal");
        drop(tokio::time::timeout(delay, self.wait()).await);
    }
}
