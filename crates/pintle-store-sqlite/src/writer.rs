//! The writer thread: the only one that changes the database and the image.
//!
//! Its loop takes what waits, commits it as one transaction, and does some upkeep. Folding,
//! compaction and checkpoints are in their own files; all of them are steps of this thread.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pintle_model::{Change, GroupResource, Revision, Timestamp};
use pintle_store::{Batch, Committed, Decided, Event, StoreError};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::checkpoint::Checkpoints;
use crate::load::{self, Loaded, Marks};
use crate::queue::{CommitJob, Job, Taken};
use crate::row::{LogRow, Texts};
use crate::store::Shared;

/// When nothing came for so long, there is time for upkeep.
const IDLE: Duration = Duration::from_millis(20);

pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) shared: Arc<Shared>,
    pub(crate) marks: Marks,
    pub(crate) unfolded_bytes: u64,
    /// When folding failed, if it did the last time.
    pub(crate) fold_failed: Option<Instant>,
    /// When the youngest row was written that the bound on bytes has cut off.
    pub(crate) cut_at: Option<Timestamp>,
    /// Whether there may be values that history has passed and that are still there.
    pub(crate) pins_wait: bool,
    pub(crate) checkpoints: Checkpoints,
    resources: HashMap<GroupResource, i64>,
    /// By the revision that created an object, the one that wrote its metadata.
    metadata_at: HashMap<Revision, Revision>,
    health: Health,
    #[cfg(test)]
    fault: Option<tests::Fault>,
    /// Held for as long as somebody may write.
    _lock: File,
}

/// Whether the database is known to be what the image shows.
enum Health {
    Sound,
    /// It failed in a way that leaves open what the disk holds: perhaps with this batch on it.
    InDoubt(Option<Written>),
}

/// What a transaction wrote, to be published when it is durable.
struct Written {
    events: Vec<Arc<Event>>,
    metadata_at: Vec<(Revision, Revision)>,
    resources: Vec<(GroupResource, i64)>,
    bytes: u64,
}

/// What a file at rest holds.
struct Settled {
    newest: Revision,
    unfolded_bytes: u64,
}

/// Why a transaction did not end well.
enum Failure {
    /// It is certain that nothing of it is on disk.
    Refused(StoreError),
    /// It is not certain.
    InDoubt(StoreError),
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        shared: Arc<Shared>,
        loaded: Loaded,
        checkpoints: Checkpoints,
        lock: File,
    ) -> Self {
        Self {
            connection,
            shared,
            marks: loaded.marks,
            unfolded_bytes: loaded.unfolded_bytes,
            fold_failed: None,
            cut_at: None,
            pins_wait: true,
            checkpoints,
            resources: loaded.resources,
            metadata_at: loaded.metadata_at,
            health: Health::Sound,
            #[cfg(test)]
            fault: None,
            _lock: lock,
        }
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        // Whatever ends this thread, nobody may go on waiting for it.
        let _closes = ClosesQueue(Arc::clone(&self.shared));
        loop {
            let patience = self.wants_to_fold_when_idle().then_some(IDLE);
            match self.shared.queue.take(patience) {
                Taken::Jobs(jobs) => self.work(jobs),
                Taken::Nothing => self.fold_quietly(),
                Taken::Closed => break,
            }
        }
        self.checkpoints.stop();
    }

    fn work(&mut self, jobs: Vec<Job>) {
        let mut commits = Vec::with_capacity(jobs.len());
        let mut compactions = Vec::new();
        for job in jobs {
            match job {
                Job::Commit(commit) => commits.push(commit),
                Job::Compact(now, reply) => compactions.push((now, reply)),
                #[cfg(test)]
                Job::Tinker(tinker) => (tinker.0)(self),
            }
        }
        self.commit(commits);
        for (now, reply) in compactions {
            let done = self.settle().and_then(|()| self.compact(now));
            // Whoever asked may have gone.
            drop(reply.send(done));
        }
        if self.must_fold() {
            self.fold_quietly();
        }
        self.checkpoints.look(&self.connection);
    }

    /// Decides the changes of all requests, makes the winners durable, publishes them, and answers.
    fn commit(&mut self, jobs: Vec<CommitJob>) {
        if jobs.is_empty() {
            return;
        }
        if let Err(error) = self.settle() {
            for job in jobs {
                job.answer(Err(error.clone()));
            }
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut batch = Batch::new(&shared.image);
        let decided: Vec<_> = jobs.iter().map(|job| batch.decide(&job.changes)).collect();
        let outcome = self.make_durable(&jobs, &decided, batch.into_events());
        for (job, decided) in jobs.into_iter().zip(decided) {
            job.answer(answer(decided, &outcome));
        }
    }

    fn make_durable(
        &mut self,
        jobs: &[CommitJob],
        decided: &[Decided],
        events: Vec<Arc<Event>>,
    ) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let winners = jobs.iter().zip(decided);
        let winners = winners.filter(|(_, decided)| matches!(decided, Decided::Wins(_)));
        let changes = winners.flat_map(|(job, _)| job.changes.iter().zip(&job.texts));
        let mut written = Written::new(events);
        let began = Instant::now();
        match self.write(changes, &mut written) {
            Ok(()) => {
                self.shared.counts.flushes.add(written.events.len(), began.elapsed());
                self.publish(written);
                Ok(())
            }
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::InDoubt(error)) => self.find_out(written, &error),
        }
    }

    /// One transaction with a row for each change.
    fn write<'c>(
        &mut self,
        changes: impl Iterator<Item = (&'c Change, &'c Texts)>,
        written: &mut Written,
    ) -> Result<(), Failure> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Failure::before_commit)?;
        let mut metadata_at: HashMap<Revision, Revision> = HashMap::new();
        let mut fresh: HashMap<GroupResource, i64> = HashMap::new();
        for (event, (change, texts)) in written.events.iter().zip(changes) {
            let name = &event.object.key.resource;
            let known = self.resources.get(name).or_else(|| fresh.get(name)).copied();
            let resource = match known {
                Some(number) => number,
                None => number(&transaction, name, &mut fresh).map_err(Failure::before_commit)?,
            };
            let created = event.object.created_revision;
            let was = metadata_at.get(&created).or_else(|| self.metadata_at.get(&created)).copied();
            let metadata_was = was.unwrap_or(Revision::ZERO);
            let row = LogRow { event, change, texts, resource, metadata_was };
            row.insert(&transaction).map_err(Failure::before_commit)?;
            if row.writes_metadata() {
                metadata_at.insert(created, event.revision);
            }
            written.bytes += row.bytes() as u64;
        }
        written.metadata_at = metadata_at.into_iter().collect();
        written.resources = fresh.into_iter().collect();
        #[cfg(test)]
        if let Some(fault) = self.fault.take() {
            return fault.strike(transaction).map_err(Failure::in_commit);
        }
        transaction.commit().map_err(Failure::in_commit)
    }

    /// Shows what has become durable.
    fn publish(&mut self, written: Written) {
        self.metadata_at.extend(written.metadata_at);
        for event in written.events.iter().filter(|event| event.removed) {
            self.metadata_at.remove(&event.object.created_revision);
        }
        self.resources.extend(written.resources);
        self.unfolded_bytes += written.bytes;
        let counts = &self.shared.counts;
        counts.history_bytes.fetch_add(written.bytes, Ordering::Relaxed);
        counts.commits.fetch_add(1, Ordering::Relaxed);
        counts.changes.fetch_add(written.events.len() as u64, Ordering::Relaxed);
        self.checkpoints.count(written.events.len());
        self.shared.image.apply(&written.events);
    }

    /// After a failure that leaves the outcome open: tries at once to settle it, so that most
    /// requests get a certain answer after all.
    fn find_out(&mut self, written: Written, error: &StoreError) -> Result<(), StoreError> {
        let last = written.events.last().map(|event| event.revision);
        self.health = Health::InDoubt(Some(written));
        tracing::error!(%error, "a commit failed; finding out what the disk holds");
        match self.settle() {
            Ok(()) if Some(self.shared.image.newest()) == last => Ok(()),
            Ok(()) => Err(StoreError::Unavailable(error.to_string())),
            Err(_) => Err(StoreError::OutcomeUnknown(error.to_string())),
        }
    }

    /// Makes sure that the database is what the image shows, before anything else is written.
    ///
    /// A failed flush may leave frames in the WAL that a later start would or would not find. A
    /// complete checkpoint moves everything that counts into the database file and starts the WAL
    /// anew, so that afterwards there is one answer to what the disk holds.
    pub(crate) fn settle(&mut self) -> Result<(), StoreError> {
        let Health::InDoubt(_) = self.health else { return Ok(()) };
        let settled = self.settled().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let found = settled.newest;
        let Health::InDoubt(written) = std::mem::replace(&mut self.health, Health::Sound) else {
            return Ok(());
        };
        let newest = self.shared.image.newest();
        let last = written.as_ref().and_then(|written| written.events.last());
        if found == newest {
            tracing::warn!("the disk is sound again; the failed commit is not on it");
        } else if last.is_some_and(|last| last.revision == found)
            && let Some(written) = written
        {
            tracing::warn!("the disk is sound again; the failed commit is on it");
            self.publish(written);
        } else {
            self.health = Health::InDoubt(written);
            let what = format!("the log ends at {found}, where {newest} was expected");
            return Err(StoreError::Corrupt(what));
        }
        // What failed may have moved rows or dropped them, and was not counted as done.
        self.unfolded_bytes = settled.unfolded_bytes;
        let history_bytes = self.marks.folded_bytes + self.unfolded_bytes;
        self.shared.counts.history_bytes.store(history_bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Brings the file to rest, and reads from it what is there.
    fn settled(&mut self) -> rusqlite::Result<Settled> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        // Upkeep may have been cut short before it could do that, see `unflushed`.
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let busy = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: i64 = self.connection.query_one(busy, [], |row| row.get(0))?;
        if busy != 0 {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            return Err(rusqlite::Error::SqliteFailure(code, None));
        }
        self.marks = Marks::read(&self.connection)?;
        self.shared.counts.oldest.store(self.marks.oldest.0, Ordering::Release);
        self.resources = load::resources(&self.connection)?;
        let newest = "SELECT ifnull(max(revision), 0) FROM log";
        let newest: i64 = self.connection.query_one(newest, [], |row| row.get(0))?;
        let newest = crate::row::revision(newest).max(self.marks.folded);
        let unfolded_bytes = load::unfolded_bytes(&self.connection, self.marks.folded)?;
        Ok(Settled { newest, unfolded_bytes })
    }

    /// Runs a step of upkeep as one transaction that asks for no flush of its own.
    pub(crate) fn upkeep<T>(
        &mut self,
        step: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let done = self.unflushed(step);
        done.map_err(|error| {
            let (error, shaken) = classify(&error);
            if shaken {
                self.health = Health::InDoubt(None);
            }
            error
        })
    }

    fn unflushed<T>(
        &mut self,
        step: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        let done = self.in_transaction(step);
        let restored = self.connection.pragma_update(None, "synchronous", "FULL");
        if restored.is_err() {
            // Whatever commits without a flush is not durable: nothing may before this is settled.
            self.health = Health::InDoubt(None);
        }
        let done = done?;
        restored.map(|()| done)
    }

    fn in_transaction<T>(
        &mut self,
        step: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = step(&transaction)?;
        #[cfg(test)]
        if let Some(fault) = self.fault.take() {
            return fault.strike(transaction).map(|()| done);
        }
        transaction.commit()?;
        Ok(done)
    }
}

/// The number of a resource that has none yet.
fn number(
    transaction: &Connection,
    name: &GroupResource,
    fresh: &mut HashMap<GroupResource, i64>,
) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached("INSERT INTO resources (name) VALUES (?1)")?
        .execute([name.as_str()])?;
    let number = transaction.last_insert_rowid();
    fresh.insert(name.clone(), number);
    Ok(number)
}

fn answer(decided: Decided, outcome: &Result<(), StoreError>) -> Result<Committed, StoreError> {
    match (decided, outcome) {
        (Decided::Wins(versions), Ok(())) => Ok(Committed::At(versions)),
        // The rival may be one of those that did not become durable.
        (Decided::Wins(_) | Decided::Lost { rival_in_batch: true, .. }, Err(error)) => {
            Err(error.clone())
        }
        (Decided::Lost { index, theirs, .. }, _) => Ok(Committed::Lost { index, theirs }),
    }
}

impl CommitJob {
    fn answer(self, answer: Result<Committed, StoreError>) {
        // Whoever asked may have gone; the write stands all the same.
        drop(self.reply.send(answer));
    }
}

impl Written {
    const fn new(events: Vec<Arc<Event>>) -> Self {
        Self { events, metadata_at: Vec::new(), resources: Vec::new(), bytes: 0 }
    }
}

impl Failure {
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    fn before_commit(error: rusqlite::Error) -> Self {
        Self::Refused(classify(&error).0)
    }

    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    fn in_commit(error: rusqlite::Error) -> Self {
        match classify(&error) {
            (error, false) => Self::Refused(error),
            (error, true) => Self::InDoubt(error),
        }
    }
}

/// What a failed write means for whoever asked, and whether it leaves open what the disk holds.
///
/// A full disk is noticed before a commit's last frame is written. An I/O error may come from the
/// flush after it.
fn classify(error: &rusqlite::Error) -> (StoreError, bool) {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (StoreError::Full(error.to_string()), false),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OutOfMemory) => {
            (StoreError::Unavailable(error.to_string()), false)
        }
        Some(_) => (StoreError::Unavailable(error.to_string()), true),
        // Not from SQLite: the statement was never run.
        None => (StoreError::Unavailable(error.to_string()), false),
    }
}

/// Closes the queue when the thread ends, however it ends.
struct ClosesQueue(Arc<Shared>);

impl Drop for ClosesQueue {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue.abandon();
        } else {
            self.0.queue.close();
        }
        while let Taken::Jobs(jobs) = self.0.queue.take(None) {
            drop(jobs);
        }
    }
}

#[cfg(test)]
mod tests;
