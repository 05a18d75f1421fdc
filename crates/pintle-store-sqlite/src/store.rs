//! [`SqliteStore`]: the port, in front of the writer thread and the readers of history.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use pintle_model::{Change, GroupResource, Object, ObjectKey, Revision, Timestamp, Uid};
use pintle_store::{
    Answer, Committed, Compacted, Flushes, HistoryLimits, Image, ListQuery, Page, Store,
    StoreError, StoreInfo, Tail, TailQuery,
};
use tokio::sync::{oneshot, watch};

use crate::checkpoint::Checkpoints;
use crate::history::{Look, Readers};
use crate::jumps::Jumps;
use crate::load::load;
use crate::open::{self, OpenError};
use crate::queue::{CommitJob, Job, Queue};
use crate::row::Texts;
use crate::writer::Writer;

/// A store in one file of a directory that is ours alone.
///
/// It must be used on a Tokio runtime: reads of old history run on its blocking threads.
#[derive(Debug)]
pub struct SqliteStore {
    pub(crate) shared: Arc<Shared>,
    readers: Arc<Readers>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer thread and everybody else share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) image: Image,
    pub(crate) queue: Queue,
    pub(crate) limits: HistoryLimits,
    pub(crate) jumps: Jumps,
    pub(crate) counts: Counts,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// History is complete after this revision.
    pub(crate) oldest: AtomicU64,
    pub(crate) history_bytes: AtomicU64,
    pub(crate) cut_short: AtomicBool,
    pub(crate) commits: AtomicU64,
    pub(crate) changes: AtomicU64,
    pub(crate) flushes: Flushes,
}

impl SqliteStore {
    /// Opens the store in `dir`, and makes both where they do not exist.
    ///
    /// Blocks while the current objects are read. The directory is locked until the store is closed
    /// or dropped.
    pub fn open(dir: &Path, limits: HistoryLimits) -> Result<Self, OpenError> {
        let opened = open::open(dir)?;
        let file = opened.file;
        let mut loaded =
            load(&opened.connection).map_err(|error| open::load_error(&file, error))?;
        let jumps = Jumps::read(&opened.connection);
        let jumps = jumps.map_err(|error| open::sqlite_error(&file, error))?;
        let objects = std::mem::take(&mut loaded.objects);
        let shared = Arc::new(Shared {
            image: Image::new(objects, loaded.newest, &limits),
            queue: Queue::default(),
            limits,
            jumps: jumps.clone(),
            counts: Counts {
                oldest: loaded.marks.oldest.0.into(),
                history_bytes: (loaded.marks.folded_bytes + loaded.unfolded_bytes).into(),
                ..Counts::default()
            },
        });
        let no_thread = |source| OpenError::Directory { dir: dir.to_owned(), source };
        let checkpoints = Checkpoints::start(file.clone()).map_err(no_thread)?;
        let connection = opened.connection;
        let writer = Writer::new(connection, Arc::clone(&shared), loaded, checkpoints, opened.lock);
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let thread = thread.spawn(|| writer.run()).map_err(no_thread)?;
        let readers = Arc::new(Readers::new(file, jumps));
        Ok(Self { shared, readers, writer: Mutex::new(Some(thread)) })
    }

    /// Puts a request in the queue and waits for its answer.
    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.shared.queue.push(job(reply))?;
        let stopped = |_| StoreError::OutcomeUnknown("the writer stopped".to_owned());
        answer.await.map_err(stopped)?
    }

    fn check_line(&self, after: Revision) -> Result<(), StoreError> {
        let oldest = Revision(self.shared.counts.oldest.load(Ordering::Acquire));
        if after < oldest {
            return Err(StoreError::Expired { asked: after, oldest });
        }
        if let Some(jump) = self.shared.jumps.around(after) {
            return Err(StoreError::Expired { asked: after, oldest: jump.to });
        }
        Ok(())
    }

    fn stop(&self) -> Option<JoinHandle<()>> {
        self.shared.queue.close();
        self.readers.close();
        self.writer.lock().expect("nothing panics while it holds this lock").take()
    }
}

impl Drop for SqliteStore {
    /// Finishes what was accepted, as [`Store::close`] does.
    fn drop(&mut self) {
        if let Some(writer) = self.stop() {
            join(writer);
        }
    }
}

fn join(writer: JoinHandle<()>) {
    if writer.join().is_err() {
        tracing::error!("the writer thread panicked");
    }
}

impl Store for SqliteStore {
    fn peek(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.shared.image.peek(key)
    }

    fn get<'a>(&'a self, key: &'a ObjectKey) -> Answer<'a, Option<Arc<Object>>> {
        Box::pin(async { Ok(self.shared.image.peek(key)) })
    }

    fn find(&self, resource: &GroupResource, uid: &Uid) -> Option<Arc<Object>> {
        self.shared.image.find(resource, uid)
    }

    fn count(&self, resource: &GroupResource, namespace: &str) -> u64 {
        self.shared.image.count(resource, namespace)
    }

    fn list<'a>(&'a self, query: ListQuery<'a>) -> Answer<'a, Page> {
        Box::pin(async move { self.shared.image.list(query) })
    }

    fn commit(&self, changes: Vec<Change>) -> Answer<'_, Committed> {
        Box::pin(async move {
            let texts = changes.iter().map(Texts::of).collect();
            self.ask(|reply| Job::Commit(CommitJob { changes, texts, reply })).await
        })
    }

    fn tail<'a>(&'a self, query: TailQuery<'a>) -> Answer<'a, Tail> {
        Box::pin(async move {
            self.check_line(query.after)?;
            match self.shared.image.tail(query) {
                Err(StoreError::Expired { .. }) => {
                    let look = Look {
                        resource: query.resource.cloned(),
                        after: query.after,
                        limit: query.limit.max(1),
                        newest: self.shared.image.newest(),
                    };
                    Arc::clone(&self.readers).tail(look).await
                }
                answer => answer,
            }
        })
    }

    fn head(&self) -> watch::Receiver<Revision> {
        self.shared.image.head()
    }

    fn compact(&self, now: Timestamp) -> Answer<'_, Compacted> {
        Box::pin(async move { self.ask(|reply| Job::Compact(now, reply)).await })
    }

    fn info(&self) -> StoreInfo {
        let counts = &self.shared.counts;
        StoreInfo {
            newest: self.shared.image.newest(),
            oldest: Revision(counts.oldest.load(Ordering::Acquire)),
            objects: self.shared.image.len(),
            by_resource: self.shared.image.len_by_resource(),
            waiting: self.shared.queue.len() as u64,
            disk_bytes: self.readers.disk_bytes(),
            history_bytes: counts.history_bytes.load(Ordering::Relaxed),
            history_cut_short: counts.cut_short.load(Ordering::Relaxed),
            commits: counts.commits.load(Ordering::Relaxed),
            changes: counts.changes.load(Ordering::Relaxed),
        }
    }

    fn flushes(&self) -> &Flushes {
        &self.shared.counts.flushes
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let Some(writer) = self.stop() else { return Ok(()) };
            let joined = tokio::task::spawn_blocking(|| join(writer)).await;
            joined.map_err(|_| StoreError::Unavailable("closing was cut off".to_owned()))
        })
    }
}
