//! Folding: copying the newest value of each lane from the log into `lanes`, step by step.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pintle_store::StoreError;
use rusqlite::{Connection, params};

use crate::load::Marks;
use crate::row::{COUNTED_BYTES, LANE_BITS, Lane, LaneId, revision, sql};
use crate::writer::Writer;

/// When so much is unfolded, a start would have to replay it, so folding does not wait for leisure.
const UNFOLDED_ROWS_MAX: u64 = 10_000;
const UNFOLDED_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// With less than so much, folding waits: a lane that is soon written again is never folded at all.
const WORTH_FOLDING_ROWS: u64 = 1_000;
const WORTH_FOLDING_BYTES: u64 = 8 * 1024 * 1024;

/// After a failure, busy folding waits so long, and idle folding until busy folding has worked.
const RETRY: Duration = Duration::from_secs(1);

/// A step looks at so many rows and copies about so many lanes: a few milliseconds.
const STEP_ROWS: i64 = 2_048;
const STEP_LANES: usize = 512;

impl Writer {
    fn unfolded_rows(&self) -> u64 {
        self.shared.image.newest().0 - self.marks.folded.0
    }

    pub(crate) fn must_fold(&self) -> bool {
        let may = self.fold_failed.is_none_or(|failed| failed.elapsed() > RETRY);
        may && self.is_tail_long()
    }

    fn is_tail_long(&self) -> bool {
        self.unfolded_rows() > UNFOLDED_ROWS_MAX || self.unfolded_bytes > UNFOLDED_BYTES_MAX
    }

    pub(crate) fn wants_to_fold_when_idle(&self) -> bool {
        let worth =
            self.unfolded_rows() > WORTH_FOLDING_ROWS || self.unfolded_bytes > WORTH_FOLDING_BYTES;
        worth && self.fold_failed.is_none()
    }

    /// One step; when it fails, the log simply stays longer, and the next step tries again.
    pub(crate) fn fold_quietly(&mut self) {
        let done = self.settle().and_then(|()| self.fold_step());
        self.fold_failed = done.as_ref().err().map(|_| Instant::now());
        if let Err(error) = done {
            tracing::warn!(%error, "the log cannot be folded now");
        }
    }

    /// Folds the next rows of the log.
    pub(crate) fn fold_step(&mut self) -> Result<(), StoreError> {
        if self.unfolded_rows() == 0 {
            self.unfolded_bytes = 0;
            return Ok(());
        }
        let marks = self.marks;
        let (folded, bytes) = self.upkeep(|connection| {
            let step = Step::plan(connection, marks)?;
            step.write(connection, marks)?;
            Ok((step.folded, step.bytes))
        })?;
        self.marks.folded = revision(folded);
        self.marks.folded_bytes += bytes;
        self.unfolded_bytes = self.unfolded_bytes.saturating_sub(bytes);
        Ok(())
    }
}

/// Folds all of the log, within the transaction that is open.
pub(crate) fn fold_all(connection: &Connection) -> rusqlite::Result<()> {
    loop {
        let marks = Marks::read(connection)?;
        let step = Step::plan(connection, marks)?;
        if step.folded == sql(marks.folded) {
            return Ok(());
        }
        step.write(connection, marks)?;
    }
}

/// What one step will do.
#[derive(Debug, Default)]
struct Step {
    /// The values to copy; those that were replaced within the step are not among them.
    copied: BTreeSet<LaneId>,
    /// The values that nothing refers to any more.
    dropped: Vec<LaneId>,
    /// The values that stay until history has passed a revision.
    pinned: Vec<(i64, LaneId)>,
    folded: i64,
    bytes: u64,
}

/// The small columns of a row of the log.
struct Written {
    revision: i64,
    wrote: i64,
    /// Metadata, body, status.
    was: [i64; 3],
    bytes: i64,
}

impl Written {
    /// The last revision whose event needs the value that this row replaced, which `was` wrote;
    /// nothing when only the event of `was` does.
    fn refers_until(&self, was: i64) -> Option<i64> {
        if self.wrote & LANE_BITS != Lane::Status.bit() {
            return Some(self.revision);
        }
        // Nobody selects by status, so it need not outlast the version that showed it last.
        let previous = self.was.into_iter().max();
        previous.filter(|previous| *previous != was)
    }
}

impl Step {
    fn plan(connection: &Connection, marks: Marks) -> rusqlite::Result<Self> {
        let mut step = Self { folded: sql(marks.folded), ..Self::default() };
        let mut statement = connection.prepare_cached(&format!(
            "SELECT revision, wrote, metadata_was, body_was, status_was, {COUNTED_BYTES}
             FROM log WHERE revision > ?1 ORDER BY revision LIMIT ?2"
        ))?;
        let rows = statement.query_map([step.folded, STEP_ROWS], |row| {
            Ok(Written {
                revision: row.get(0)?,
                wrote: row.get(1)?,
                was: [row.get(2)?, row.get(3)?, row.get(4)?],
                bytes: row.get(5)?,
            })
        })?;
        for row in rows {
            step.take(&row?, sql(marks.oldest));
            if step.copied.len() + step.dropped.len() >= STEP_LANES {
                break;
            }
        }
        Ok(step)
    }

    fn take(&mut self, row: &Written, oldest: i64) {
        let removes = row.wrote & Lane::Removed.bit() != 0;
        for (lane, was) in Lane::ALL.into_iter().zip(row.was) {
            let wrote = row.wrote & lane.bit() != 0;
            if wrote {
                self.copied.insert(LaneId::new(row.revision, lane));
            }
            if was != 0 && (wrote || removes) {
                let until = row.refers_until(was).unwrap_or(oldest);
                self.replace(LaneId::new(was, lane), until, oldest);
            }
        }
        if removes {
            let mark = LaneId::new(row.revision, Lane::Removed);
            self.copied.insert(mark);
            self.pinned.push((row.revision, mark));
        }
        self.folded = row.revision;
        self.bytes += row.bytes.unsigned_abs();
    }

    /// A value was replaced; events up to `until` refer to it.
    fn replace(&mut self, old: LaneId, until: i64, oldest: i64) {
        if until > oldest {
            self.pinned.push((until, old));
        } else if !self.copied.remove(&old) {
            self.dropped.push(old);
        }
    }

    fn write(&self, connection: &Connection, marks: Marks) -> rusqlite::Result<()> {
        for lane in &self.copied {
            copy(connection, *lane)?;
        }
        let mut drop = connection.prepare_cached("DELETE FROM lanes WHERE id = ?1")?;
        for lane in &self.dropped {
            drop.execute([lane.0])?;
        }
        let mut pin =
            connection.prepare_cached("INSERT INTO pins (until, lane) VALUES (?1, ?2)")?;
        for (until, lane) in &self.pinned {
            pin.execute([*until, lane.0])?;
        }
        let bytes = i64::try_from(marks.folded_bytes + self.bytes).unwrap_or(i64::MAX);
        connection
            .prepare_cached("UPDATE marks SET folded = ?1, folded_bytes = ?2")?
            .execute(params![self.folded, bytes])?;
        Ok(())
    }
}

fn copy(connection: &Connection, lane: LaneId) -> rusqlite::Result<()> {
    let statement = match lane.lane() {
        Lane::Metadata => {
            "INSERT INTO lanes (id, object, at, sum, resource, namespace, name, value)
             SELECT ?1, object, at, metadata_sum, resource, namespace, name, metadata
             FROM log WHERE revision = ?2"
        }
        Lane::Body => {
            "INSERT INTO lanes (id, object, at, sum, value, version)
             SELECT ?1, object, at, body_sum, body, version FROM log WHERE revision = ?2"
        }
        Lane::Status => {
            "INSERT INTO lanes (id, object, at, sum, ledger, value, version)
             SELECT ?1, object, at, status_sum, ledger, status, version
             FROM log WHERE revision = ?2"
        }
        Lane::Removed => {
            "INSERT INTO lanes (id, object, at, sum)
             SELECT ?1, object, at, metadata_sum FROM log WHERE revision = ?2"
        }
    };
    connection.prepare_cached(statement)?.execute([lane.0, lane.revision()])?;
    Ok(())
}
