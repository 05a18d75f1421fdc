//! Tasks that the engine cannot do without: one that ends before the engine does is told of.

use std::sync::Arc;

use tokio::sync::watch;

use crate::Engine;
use crate::engine::Shared;

/// Which vital task broke off first; nothing while all of them run.
#[derive(Debug)]
pub(crate) struct Vitals(watch::Sender<Option<&'static str>>);

impl Default for Vitals {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

/// Tells when it goes, be it that its task panics.
struct Alarm {
    shared: Arc<Shared>,
    name: &'static str,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if !self.shared.is_closing() {
            self.shared.vitals.0.send_if_modified(|broken| {
                let first = broken.is_none();
                broken.get_or_insert(self.name);
                first
            });
        }
    }
}

/// Runs a task that must not end before the engine is closed.
pub(crate) async fn vital(shared: Arc<Shared>, name: &'static str, task: impl Future<Output = ()>) {
    let _alarm = Alarm { shared, name };
    task.await;
}

impl Engine {
    /// Which of the tasks that the engine cannot do without has broken off, if one has. Then what
    /// is written may have no consequences any more: rights that are taken away may still count.
    pub fn broken(&self) -> Option<&'static str> {
        *self.shared().vitals.0.borrow()
    }

    /// Waits until such a task breaks off, and says which. Cancel-safe.
    pub async fn breaks(&self) -> &'static str {
        let mut broken = self.shared().vitals.0.subscribe();
        loop {
            if let Some(name) = *broken.borrow_and_update() {
                return name;
            }
            if broken.changed().await.is_err() {
                // The sender is in what `self` holds.
                std::future::pending::<()>().await;
            }
        }
    }
}
