//! What there is to do: a queue in which a thing noted twice stands once.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use pintle_model::ObjectKey;
use tokio::sync::Notify;

/// One thing to look after. Doing it again when it is done already changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    /// Write what became of a definition, or clean up after it.
    Definition(ObjectKey),
    /// Write the phase of a namespace, or empty it.
    Namespace(ObjectKey),
    /// See whether an owned object still has an owner.
    Collect(ObjectKey),
    /// See whether a deleted owner waits for nothing any more.
    Release(ObjectKey),
    /// Count what the quotas of a namespace limit.
    Quotas(ObjectKey),
}

/// Tasks that were noted, in that order, and those that are being done. What is noted while it is
/// being done is done once more, and never by two at a time.
#[derive(Debug, Default)]
pub(crate) struct Todo {
    queue: Mutex<Queue>,
    noted: Notify,
    /// Wakes whoever waits for nothing to be left.
    calm: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<Task>,
    noted: HashSet<Task>,
    taken: HashSet<Task>,
    /// What failed, and waits for its time.
    resting: HashSet<Task>,
}

impl Todo {
    pub(crate) fn note(&self, task: Task) {
        let mut queue = self.lock();
        // Something is different now, so what failed may work at once.
        queue.resting.remove(&task);
        self.add(&mut queue, task);
    }

    fn add(&self, queue: &mut Queue, task: Task) {
        if queue.noted.insert(task.clone()) && !queue.taken.contains(&task) {
            queue.ready.push_back(task);
            self.noted.notify_one();
        }
    }

    /// Waits for something to do, and takes it. Cancel-safe.
    pub(crate) async fn take(&self) -> Task {
        loop {
            let noted = self.noted.notified();
            if let Some(task) = self.lock().take() {
                return task;
            }
            noted.await;
        }
    }

    /// Says that a task is no longer being done.
    pub(crate) fn done(&self, task: &Task) {
        let mut queue = self.lock();
        queue.taken.remove(task);
        if queue.noted.contains(task) {
            queue.ready.push_back(task.clone());
            self.noted.notify_one();
        }
        if queue.is_empty() {
            self.calm.notify_waiters();
        }
    }

    /// Says that a task has failed. It counts as something to do until it has been tried again.
    pub(crate) fn rest(&self, task: &Task) {
        let mut queue = self.lock();
        queue.taken.remove(task);
        queue.noted.remove(task);
        queue.resting.insert(task.clone());
    }

    /// Says that it is time to try a task again, unless that has been done since.
    pub(crate) fn wake(&self, task: &Task) {
        let mut queue = self.lock();
        if queue.resting.remove(task) {
            self.add(&mut queue, task.clone());
        }
    }

    /// Waits until there is nothing to do, and nothing being done.
    pub(crate) async fn calm(&self) {
        loop {
            let calm = self.calm.notified();
            tokio::pin!(calm);
            // From here on a wake-up is not missed.
            calm.as_mut().enable();
            if self.lock().is_empty() {
                return;
            }
            calm.await;
        }
    }

    /// How many tasks wait or are being done.
    pub(crate) fn len(&self) -> usize {
        let queue = self.lock();
        queue.noted.len() + queue.taken.len() + queue.resting.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics while it holds this lock")
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.noted.is_empty() && self.taken.is_empty() && self.resting.is_empty()
    }

    fn take(&mut self) -> Option<Task> {
        let task = self.ready.pop_front()?;
        self.noted.remove(&task);
        self.taken.insert(task.clone());
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::namespace_key;

    fn task(name: &str) -> Task {
        Task::Namespace(namespace_key(name))
    }

    fn taken(todo: &Todo) -> Option<Task> {
        todo.lock().take()
    }

    #[test]
    fn what_failed_is_tried_again_when_it_is_time_or_when_it_is_noted() {
        let todo = Todo::default();
        todo.note(task("a"));
        assert_eq!(taken(&todo), Some(task("a")));
        todo.note(task("a"));
        todo.rest(&task("a"));
        assert_eq!(taken(&todo), None, "it rests, though it was noted while it was being done");
        assert_eq!((todo.len(), todo.lock().is_empty()), (1, false), "and is not forgotten");
        todo.wake(&task("a"));
        assert_eq!(taken(&todo), Some(task("a")));
        todo.rest(&task("a"));
        todo.note(task("a"));
        assert_eq!(taken(&todo), Some(task("a")), "something is different");
        todo.wake(&task("a"));
        assert_eq!(taken(&todo), None, "it is being done");
        todo.done(&task("a"));
        assert_eq!(todo.len(), 0);
    }
}
