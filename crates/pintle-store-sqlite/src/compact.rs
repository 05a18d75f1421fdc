//! Compaction: dropping the old end of the history, a few hundred rows at a time.

use std::sync::atomic::Ordering;

use pintle_model::{Revision, Timestamp};
use pintle_store::{Compacted, StoreError};
use rusqlite::{Connection, params};

use crate::load::Marks;
use crate::row::{COUNTED_BYTES, revision, sql};
use crate::writer::Writer;

/// A step drops at most so many rows of the log, and so many values that were pinned.
const STEP_ROWS: usize = 512;

/// A step drops at most so many events from memory.
const STEP_EVENTS: usize = 4_096;

impl Writer {
    /// One step of [`pintle_store::Store::compact`].
    pub(crate) fn compact(&mut self, now: Timestamp) -> Result<Compacted, StoreError> {
        let cutoff = self.shared.limits.cutoff(now);
        let in_memory = self.shared.image.expire(cutoff, STEP_EVENTS);
        let doomed = self.doomed(cutoff)?;
        // What is to be dropped must be folded first.
        if doomed.line > self.marks.folded {
            self.fold_step()?;
            return Ok(Compacted { events: 0, more: true });
        }
        if doomed.events > 0 || self.pins_wait {
            self.pins_wait = self.drop_rows(&doomed)? == STEP_ROWS;
        }
        self.note_cut(&doomed, cutoff);
        let more = doomed.more || self.pins_wait || in_memory.more;
        Ok(Compacted { events: doomed.events, more })
    }

    /// The rows that the next step drops.
    fn doomed(&mut self, cutoff: Timestamp) -> Result<Doomed, StoreError> {
        let history_bytes = self.marks.folded_bytes + self.unfolded_bytes;
        let limits = &self.shared.limits;
        let bounds = Bounds {
            cutoff,
            line: limits.line(self.shared.image.newest()),
            excess: history_bytes.saturating_sub(limits.bytes_max),
        };
        let found = Doomed::find(&self.connection, self.marks.oldest, &bounds);
        found.map_err(|error| crate::row::unreadable(&error))
    }

    /// Moves the line, and hands back how many pinned values went with the rows.
    fn drop_rows(&mut self, doomed: &Doomed) -> Result<usize, StoreError> {
        let marks = Marks {
            oldest: doomed.line,
            folded_bytes: self.marks.folded_bytes.saturating_sub(doomed.bytes),
            ..self.marks
        };
        // Readers hear of the new line first: they may refuse early, but never look behind it.
        self.shared.counts.oldest.store(marks.oldest.0, Ordering::Release);
        let dropped = self.upkeep(|connection| {
            drop_log(connection, marks)?;
            release_pins(connection, marks.oldest)
        });
        let Ok(released) = dropped else {
            self.shared.counts.oldest.store(self.marks.oldest.0, Ordering::Release);
            return dropped;
        };
        self.marks = marks;
        self.shared.counts.history_bytes.fetch_sub(doomed.bytes, Ordering::Relaxed);
        Ok(released)
    }

    /// Says so when the bound on bytes takes what the age would have kept.
    fn note_cut(&mut self, doomed: &Doomed, cutoff: Timestamp) {
        self.cut_at = self.cut_at.max(doomed.cut_at);
        let short = self.cut_at.is_some_and(|at| at >= cutoff);
        let was = self.shared.counts.cut_short.swap(short, Ordering::Relaxed);
        if short && !was {
            tracing::warn!(
                bytes_max = self.shared.limits.bytes_max,
                age_seconds = self.shared.limits.age.as_secs(),
                "history is cut before its age, because it would take too many bytes; watches that \
                 were away for long will have to list again"
            );
        }
    }
}

/// What history must drop, oldest rows first.
#[derive(Debug)]
struct Bounds {
    /// What was written before this,
    cutoff: Timestamp,
    /// and what was written up to here,
    line: Revision,
    /// and as much as it takes to be rid of so many bytes.
    excess: u64,
}

/// Rows of the log to be dropped.
#[derive(Debug)]
struct Doomed {
    /// History will begin after this revision.
    line: Revision,
    events: usize,
    bytes: u64,
    /// When the youngest of them was written that only the bound on bytes takes: age and count
    /// are what history is to have, and that bound is what keeps it from having it.
    cut_at: Option<Timestamp>,
    /// Whether the step ended before the rows did.
    more: bool,
}

impl Doomed {
    /// The oldest rows, as far as one of the bounds takes them.
    fn find(connection: &Connection, oldest: Revision, bounds: &Bounds) -> rusqlite::Result<Self> {
        let mut doomed = Self { line: oldest, events: 0, bytes: 0, cut_at: None, more: false };
        let mut statement = connection.prepare_cached(&format!(
            "SELECT revision, at, {COUNTED_BYTES} FROM log WHERE revision > ?1 ORDER BY revision"
        ))?;
        let mut rows = statement.query([sql(oldest)])?;
        while let Some(row) = rows.next()? {
            let (written, at) = (revision(row.get(0)?), Timestamp(row.get(1)?));
            let unwanted = at < bounds.cutoff || written <= bounds.line;
            if !unwanted && doomed.bytes >= bounds.excess {
                return Ok(doomed);
            }
            if doomed.events == STEP_ROWS {
                doomed.more = true;
                return Ok(doomed);
            }
            doomed.line = written;
            doomed.events += 1;
            doomed.bytes += row.get::<_, i64>(2)?.unsigned_abs();
            if !unwanted {
                doomed.cut_at = doomed.cut_at.max(Some(at));
            }
        }
        Ok(doomed)
    }
}

fn drop_log(connection: &Connection, marks: Marks) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM log WHERE revision <= ?1")?
        .execute([sql(marks.oldest)])?;
    connection
        .prepare_cached("DELETE FROM flips WHERE revision <= ?1")?
        .execute([sql(marks.oldest)])?;
    let bytes = i64::try_from(marks.folded_bytes).unwrap_or(i64::MAX);
    connection
        .prepare_cached("UPDATE marks SET oldest = ?1, folded_bytes = ?2")?
        .execute(params![sql(marks.oldest), bytes])?;
    Ok(())
}

/// Drops values that nothing in history refers to any more.
fn release_pins(connection: &Connection, oldest: Revision) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached(
        "SELECT until, lane FROM pins WHERE until <= ?1 ORDER BY until, lane LIMIT ?2",
    )?;
    let limit = i64::try_from(STEP_ROWS).unwrap_or(i64::MAX);
    let pins = statement
        .query_map([sql(oldest), limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
    let mut lane_out = connection.prepare_cached("DELETE FROM lanes WHERE id = ?1")?;
    let mut pin_out =
        connection.prepare_cached("DELETE FROM pins WHERE until = ?1 AND lane = ?2")?;
    for (until, lane) in &pins {
        lane_out.execute([lane])?;
        pin_out.execute([until, lane])?;
    }
    Ok(pins.len())
}
