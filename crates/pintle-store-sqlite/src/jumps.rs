//! Revisions that a restore has skipped.
//!
//! Clients may have seen later revisions than a backup has. Were those given out again, a watch
//! would go on in a history that is not the one it comes from, and a write could match a version
//! that it was not computed from. So a restore lets the count jump: over all that can have been
//! given out since, up to the time of the restore in microseconds. (No store commits a million
//! times a second, so the count stays behind the clock, and the next restore jumps over this one as
//! well.)
//!
//! A jump is two revisions. History goes on from the first to the second as if nothing were in
//! between; whatever is in between belongs to the other history, and has expired.

use pintle_model::{Revision, Timestamp};
use rusqlite::Connection;

use crate::row::{revision, sql};

/// A jump is at least so far, also where the clock is wrong.
const MIN: u64 = 1 << 32;

/// All jumps, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Jumps(Vec<Jump>);

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jump {
    /// The last revision before it.
    pub(crate) from: Revision,
    /// The first that is current after it. Nothing was written there, but lists show it.
    pub(crate) to: Revision,
}

impl Jumps {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement =
            connection.prepare("SELECT origin, target FROM jumps ORDER BY origin")?;
        let rows = statement.query_map([], |row| {
            Ok(Jump { from: revision(row.get(0)?), to: revision(row.get(1)?) })
        })?;
        rows.collect::<rusqlite::Result<_>>().map(Self)
    }

    /// The jump that this revision lies in, and so belongs to another history.
    pub(crate) fn around(&self, revision: Revision) -> Option<Jump> {
        self.0.iter().copied().find(|jump| jump.from < revision && revision < jump.to)
    }

    /// A revision, or the end of the jump that it lies in.
    pub(crate) fn beyond(&self, revision: Revision) -> Revision {
        self.around(revision).map_or(revision, |jump| jump.to)
    }
}

impl Jump {
    /// The jump of a restore at `now`, from the newest revision of the backup.
    pub(crate) fn at(newest: Revision, now: Timestamp) -> Self {
        let clock = u64::try_from(now.0).unwrap_or(0);
        Self { from: newest, to: Revision(clock.max(newest.0.saturating_add(MIN))) }
    }

    /// Makes it. Everything up to its start must be folded.
    pub(crate) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute(
            "INSERT INTO jumps (origin, target) VALUES (?1, ?2)",
            [sql(self.from), sql(self.to)],
        )?;
        connection.execute("UPDATE marks SET folded = ?1", [sql(self.to)])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_over_all_that_can_have_been_given_out() {
        let now = Timestamp::parse("2026-11-25T12:00:00Z").unwrap();
        let clock = now.0.unsigned_abs();
        for (newest, expected) in [
            (0, clock),
            (1_000_000, clock),
            // The clock went back, or somebody has set it to zero.
            (clock - 1, clock - 1 + MIN),
            (clock + 5, clock + 5 + MIN),
        ] {
            let jump = Jump::at(Revision(newest), now);
            assert_eq!(jump, Jump { from: Revision(newest), to: Revision(expected) });
        }
        assert_eq!(Jump::at(Revision(7), Timestamp(-1)).to, Revision(7 + MIN));
    }

    #[test]
    fn what_is_skipped_lies_strictly_between() {
        let jump = |from, to| Jump { from: Revision(from), to: Revision(to) };
        let jumps = Jumps(vec![jump(10, 20), jump(30, 40)]);
        for (revision, beyond) in
            [(0, 0), (10, 10), (11, 20), (19, 20), (20, 20), (25, 25), (31, 40), (40, 40), (99, 99)]
        {
            assert_eq!(jumps.beyond(Revision(revision)), Revision(beyond), "{revision}");
        }
    }
}
