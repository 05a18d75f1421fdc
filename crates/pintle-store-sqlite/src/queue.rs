//! What waits for the writer thread: bounded in number and in bytes, taken as a whole.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use pintle_model::{Change, Timestamp};
use pintle_store::{Committed, Compacted, StoreError};
use tokio::sync::oneshot;

use crate::row::Texts;

/// At most so many requests wait.
const WAITING_MAX: usize = 8_192;

/// At most so many bytes of changes wait; one larger request may wait alone.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One transaction takes at most so many requests and so many bytes, so that a flood does not make
/// its own first requests wait for its last ones.
const BATCH_JOBS_MAX: usize = 1_024;
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// One request to the writer thread.
#[derive(Debug)]
pub(crate) enum Job {
    Commit(CommitJob),
    Compact(Timestamp, Reply<Compacted>),
    #[cfg(test)]
    Tinker(Tinker),
}

/// Changes to be written together.
#[derive(Debug)]
pub(crate) struct CommitJob {
    pub(crate) changes: Vec<Change>,
    pub(crate) texts: Vec<Texts>,
    pub(crate) reply: Reply<Committed>,
}

/// Something a test does to the writer, on its own thread.
#[cfg(test)]
pub(crate) struct Tinker(pub(crate) Box<dyn FnOnce(&mut crate::writer::Writer) + Send>);

#[cfg(test)]
impl std::fmt::Debug for Tinker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tinker")
    }
}

impl Job {
    fn bytes(&self) -> usize {
        let Self::Commit(job) = self else { return 0 };
        let lanes: usize = job.changes.iter().map(change_bytes).sum();
        lanes + job.texts.iter().map(Texts::len).sum::<usize>()
    }
}

fn change_bytes(change: &Change) -> usize {
    use pintle_model::{Json, Put};
    let len = |json: &Option<Json>| json.as_ref().map_or(0, Json::len);
    let status_len = |put: &pintle_model::StatusPut| len(&put.status);
    size_of::<Change>()
        + match &change.put {
            Put::Create { body, status, .. } => body.len() + len(status),
            Put::Main { body, status, .. } => len(body) + status.as_ref().map_or(0, status_len),
            Put::Status(status) => status_len(status),
            Put::Delete => 0,
        }
}

/// What the writer finds when it looks.
#[derive(Debug)]
pub(crate) enum Taken {
    Jobs(Vec<Job>),
    /// Nothing came for as long as it was willing to wait.
    Nothing,
    /// Nothing waits, and nothing will.
    Closed,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<(Job, usize)>,
    bytes: usize,
    closed: bool,
    /// Whether nobody takes anything any more, though nobody asked for that.
    abandoned: bool,
}

impl Queue {
    /// Puts a request in the queue, or refuses it at once.
    pub(crate) fn push(&self, job: Job) -> Result<(), StoreError> {
        let bytes = job.bytes();
        let mut waiting = self.lock();
        if waiting.abandoned {
            let why = "the thread that writes has died of a fault of its own; restart the server";
            return Err(StoreError::Unavailable(why.to_owned()));
        }
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        let crowded = waiting.bytes + bytes > WAITING_BYTES_MAX && !waiting.jobs.is_empty();
        if crowded || waiting.jobs.len() >= WAITING_MAX {
            return Err(StoreError::Overloaded);
        }
        waiting.bytes += bytes;
        waiting.jobs.push_back((job, bytes));
        let first = waiting.jobs.len() == 1;
        drop(waiting);
        // The writer only sleeps when the queue is empty.
        if first {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// How many requests wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Takes whatever waits, up to the size of a batch; waits for it at most `patience`.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Taken {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return Taken::Closed;
            }
            let unhurt = "nothing panics while it holds this lock";
            let Some(patience) = patience else {
                waiting = self.wake.wait(waiting).expect(unhurt);
                continue;
            };
            let (guard, timeout) = self.wake.wait_timeout(waiting, patience).expect(unhurt);
            waiting = guard;
            if timeout.timed_out() && waiting.jobs.is_empty() && !waiting.closed {
                return Taken::Nothing;
            }
        }
        Taken::Jobs(waiting.batch())
    }

    /// Lets nothing more in. What waits will still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    /// The same, because whoever takes from it has died.
    pub(crate) fn abandon(&self) {
        self.lock().abandoned = true;
        self.close();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nothing panics while it holds this lock")
    }
}

impl Waiting {
    fn batch(&mut self) -> Vec<Job> {
        let mut batch = Vec::new();
        let mut bytes_taken = 0;
        while batch.len() < BATCH_JOBS_MAX
            && bytes_taken < BATCH_BYTES_MAX
            && let Some((job, bytes)) = self.jobs.pop_front()
        {
            self.bytes -= bytes;
            bytes_taken += bytes;
            batch.push(job);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use pintle_model::{Flips, Json, Put, StatusPut};
    use pintle_store::conformance::{change, key};

    use super::*;

    fn job(status: &Json) -> Job {
        let (status, flips) = (Some(status.clone()), Flips::default());
        let put = Put::Status(StatusPut { status, ledger: None, flips });
        let (reply, _) = oneshot::channel();
        let changes = vec![change(&key("a"), None, put)];
        Job::Commit(CommitJob { changes, texts: Vec::new(), reply })
    }

    /// Pushes until the queue refuses, and tells how often it did not.
    fn fill(queue: &Queue, bytes: usize) -> (usize, StoreError) {
        let status = Json::from_stored(vec![b'1'; bytes].into());
        let mut pushed = 0;
        loop {
            match queue.push(job(&status)) {
                Ok(()) => pushed += 1,
                Err(error) => return (pushed, error),
            }
        }
    }

    #[test]
    fn the_queue_is_bounded() {
        let mebibyte = 1024 * 1024;
        let cases = [(0, WAITING_MAX), (8 * mebibyte, 7), (mebibyte, 63), (99 * mebibyte, 1)];
        for (bytes, expected) in cases {
            let queue = Queue::default();
            assert_eq!(fill(&queue, bytes), (expected, StoreError::Overloaded), "{bytes}");
            let Taken::Jobs(jobs) = queue.take(None) else { panic!("something waits") };
            assert!(jobs.len() <= BATCH_JOBS_MAX && jobs.len() <= expected);
            assert!(queue.push(job(&Json::empty_object())).is_ok(), "there is room again");
        }
    }

    #[test]
    fn a_closed_queue_is_emptied_and_takes_nothing() {
        let queue = Queue::default();
        assert!(matches!(queue.take(Some(Duration::from_millis(1))), Taken::Nothing));
        queue.push(job(&Json::empty_object())).unwrap();
        queue.close();
        assert_eq!(queue.push(job(&Json::empty_object())), Err(StoreError::Closed));
        assert!(matches!(queue.take(None), Taken::Jobs(_)));
        assert!(matches!(queue.take(None), Taken::Closed));
    }
}
