//! What there is to do: a set, so that a thing noted twice is done once.

use std::collections::BTreeSet;
use std::sync::Mutex;

use pintle_model::ObjectKey;
use tokio::sync::Notify;

/// One thing to look after. Doing it again when it is done already changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Task {
    /// Write what became of a definition, or clean up after it.
    Definition(ObjectKey),
    /// Write the phase of a namespace, or empty it.
    Namespace(ObjectKey),
    /// See whether an owned object still has an owner.
    Collect(ObjectKey),
    /// See whether a deleted owner waits for nothing any more.
    Release(ObjectKey),
}

/// Tasks that were noted and not yet taken.
#[derive(Debug, Default)]
pub(crate) struct Todo {
    tasks: Mutex<BTreeSet<Task>>,
    noted: Notify,
}

impl Todo {
    pub(crate) fn note(&self, task: Task) {
        self.lock().insert(task);
        self.noted.notify_one();
    }

    /// Waits for something to do, and takes it.
    pub(crate) async fn take(&self) -> Task {
        loop {
            let noted = self.noted.notified();
            if let Some(task) = self.lock().pop_first() {
                return task;
            }
            noted.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<Task>> {
        self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
