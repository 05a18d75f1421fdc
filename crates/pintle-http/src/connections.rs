//! [`Connections`]: how many are open, and how many never came to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted of connections.
#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicU64,
    failed_handshakes: AtomicU64,
}

/// One that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Open(Arc<Connections>);

impl Connections {
    /// How many are open.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// With how many TLS did not come about.
    pub fn failed_handshakes(&self) -> u64 {
        self.failed_handshakes.load(Ordering::Relaxed)
    }

    /// One more.
    pub(crate) fn one_more(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }
}

impl Open {
    pub(crate) fn handshake_failed(&self) {
        self.0.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
