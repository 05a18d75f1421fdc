//! [`AuditLog`]: the log as everybody else sees it.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pintle_model::Revision;

use crate::file::{LogFile, Rotation};
use crate::observer::Level;
use crate::queue::{Line, Queue, Sort};
use crate::record::{self, Record};
use crate::sink::{Sink, StandardOutput};
use crate::writer::{Flush, Writer};

/// At the end, what is still on its way has so long to be written.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    StandardOutput,
    /// A file.
    File {
        /// Its name.
        path: PathBuf,
        /// How it is kept from growing without end.
        rotation: Rotation,
    },
}

/// Why there is no audit log.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be used.
    #[error("the audit log {} cannot be written", path.display())]
    File {
        /// Its name.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The thread that writes cannot be started.
    #[error("the thread that writes the audit log cannot be started")]
    Thread(#[source] io::Error),
}

/// A change cannot be recorded now, so it must not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written, so nothing is changed; try again later")]
pub struct Unavailable;

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditInfo {
    /// Records written.
    pub written: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Records that were lost because there was no room, while others were being written.
    pub crowded_out: u64,
    /// Records that were lost because there was no room, and nothing could be written.
    pub unwritable: u64,
    /// Changes that were not made, because they could not be recorded.
    pub refused: u64,
    /// Records that wait to be written.
    pub waiting: usize,
    /// Whether the log is being written, as far as is known.
    pub works: bool,
    /// Whether a change that comes now has to wait for room, and is refused if none comes.
    pub holds_up_changes: bool,
}

/// An audit log, and the thread that writes it.
#[derive(Debug)]
pub struct AuditLog {
    queue: Arc<Queue>,
    wait: Duration,
    writer: Mutex<Option<Thread>>,
}

#[derive(Debug)]
struct Thread {
    thread: JoinHandle<()>,
    /// Tells how many lines were not written.
    ended: mpsc::Receiver<usize>,
}

impl AuditLog {
    /// Opens the log. A change waits for room at most `wait`.
    pub fn open(target: Target, flush: Flush, wait: Duration) -> Result<Self, OpenError> {
        match target {
            Target::StandardOutput => Self::over(StandardOutput, flush, wait),
            Target::File { path, rotation } => {
                let file = LogFile::open(path.clone(), rotation);
                let file = file.map_err(|source| OpenError::File { path, source })?;
                Self::over(file, flush, wait)
            }
        }
    }

    pub(crate) fn over(sink: impl Sink, flush: Flush, wait: Duration) -> Result<Self, OpenError> {
        let queue = Arc::new(Queue::new());
        let writer = Writer::new(Arc::clone(&queue), sink, flush);
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("audit-writer".to_owned());
        let thread = thread.spawn(move || {
            // Whoever closes the log may have stopped waiting.
            let _nobody = end.send(writer.run());
        });
        let thread = thread.map_err(OpenError::Thread)?;
        Ok(Self { queue, wait, writer: Mutex::new(Some(Thread { thread, ended })) })
    }

    /// Takes room for the record of a change that is about to be made, if there is some right now.
    pub(crate) fn reserve_now(&self) -> bool {
        self.queue.room_now(Sort::Promised)
    }

    /// Takes room for the record of a change that is about to be made; waits for it for a while.
    pub(crate) fn reserve(&self) -> impl Future<Output = Result<(), Unavailable>> + Send + use<> {
        let (queue, wait) = (Arc::clone(&self.queue), self.wait);
        async move {
            tokio::time::timeout(wait, queue.room()).await.map_err(|_| {
                queue.counts.refused.fetch_add(1, Ordering::Relaxed);
                Unavailable
            })
        }
    }

    /// Records a change, for which room was taken.
    pub(crate) fn record_change(&self, record: &Record<'_>) {
        self.queue.push(Line { sort: Sort::Promised, text: record.text() });
    }

    /// Records something that changed nothing, if there is room. If there is none, it is counted,
    /// and a later line tells the count.
    pub(crate) fn record_other<'r>(&self, record: impl FnOnce() -> Record<'r>) {
        if self.queue.room_now(Sort::Spare) {
            self.queue.push(Line { sort: Sort::Spare, text: record().text() });
        } else {
            self.queue.lose();
        }
    }

    /// Records that a server of this version begins, with a store at this revision.
    pub fn start(&self, version: &str, level: Level, revision: Revision) {
        let (time, level) = (record::now(), level.as_str());
        self.record_other(|| Record::Started { time, version, level, revision: revision.0 });
    }

    /// Opens the file anew, as tools that rotate logs ask for.
    pub fn reopen(&self) {
        self.queue.reopen();
    }

    /// What happened so far.
    pub fn info(&self) -> AuditInfo {
        let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.queue.counts;
        AuditInfo {
            written: count(&counts.written),
            bytes: count(&counts.bytes),
            crowded_out: count(&counts.crowded_out),
            unwritable: count(&counts.unwritable),
            refused: count(&counts.refused),
            waiting: self.queue.on_their_way(),
            works: self.queue.works(),
            holds_up_changes: self.queue.holds_up_changes(),
        }
    }

    /// Records the end, writes what is on its way, and ends. Blocks for a few seconds at most.
    pub fn close(&self) {
        let writer = self.writer.lock().expect("nothing panics while it holds this lock").take();
        let Some(writer) = writer else { return };
        self.record_other(|| Record::Stopped { time: record::now() });
        self.queue.close(CLOSE_MAX);
        match writer.ended.recv_timeout(2 * CLOSE_MAX) {
            Ok(0) => drop(writer.thread.join()),
            Ok(unwritten) => {
                tracing::error!(unwritten, "the audit log ends without its last records");
            }
            Err(_) => {
                let unwritten = self.queue.on_their_way();
                tracing::error!(
                    unwritten,
                    "the audit log is stuck, and ends without its last records"
                );
            }
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
