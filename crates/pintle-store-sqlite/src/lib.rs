//! The embedded store: one SQLite file, log first, with group commit.
//!
//! # What is written when
//!
//! A commit appends to the `log`: one row a change, with only the lanes that the change wrote. That
//! is the whole cost of durability. One writer thread takes whatever waits, decides it
//! ([`pintle_store::Batch`]), writes it in one transaction (WAL, `synchronous=FULL`), publishes it
//! to the [`pintle_store::Image`] and answers. Reads are answered from the image and never touch
//! the file.
//!
//! In the background and in small steps the writer **folds** the log: it copies the newest value of
//! each lane into `lanes`, so that a start reads `lanes` and replays only a short, unfolded end of
//! the log. **Compaction** is separate: it drops rows from the old end of the log when history no
//! longer has to keep them, and only rows that are folded.
//!
//! # How history is read back
//!
//! Every revision has exactly one log row. It holds the lanes it wrote, and for each lane the
//! revision of the value that was there before (`metadata_was`, `body_was`, `status_was`). So an
//! event's object is: the lanes of its own row, and the others by reference; and what it replaced
//! is three references. A lane value is found by the revision that wrote it alone, in `log` while
//! that row is there, else in `lanes`.
//!
//! A value in `lanes` that was replaced must therefore stay as long as an event in history refers
//! to it. When folding replaces the value of revision `p` by that of revision `u`, the row of `u`
//! itself refers to `p` as what it replaced, and so do the versions between them. A row in `pins`
//! says until which revision the value stays, and compaction removes it when its line has passed
//! there: `u`. The last lanes of a removed object stay until its removal has passed.
//!
//! A status write is the exception, because heartbeats must be cheap. What it replaced stays only
//! until the version right before `u`, which is the last that showed it (its revision is the
//! largest of `u`'s three references); if that version is the very write of `p`, the value goes at
//! once and is pinned nowhere. So [`Event::before`](pintle_store::Event::before) can be absent for
//! a status write whose previous status has left history, and for no other event.
//!
//! Because of that a row says itself what a status write did to conditions, where it did anything:
//! a row of `flips` has the `status` that they had. How a write was asked for is a bit of its row.
//!
//! # What survives what
//!
//! The line where history begins, the fold mark and the schema version are rows of the same
//! database and move in the same transactions as the data. Folding and compaction need no flush of
//! their own: the log they read is durable, and the next commit's flush covers them.

mod backup;
mod checkpoint;
mod compact;
mod fold;
mod history;
mod jumps;
mod load;
mod open;
mod queue;
mod restore;
mod row;
mod schema;
mod store;
mod sum;
mod verify;
mod writer;

pub use backup::{BackupError, BackupInfo, Companion, Progress, Stage, backup, inspect};
pub use open::OpenError;
pub use restore::{RestoreError, RestoreOptions, Restored, restore};
pub use store::SqliteStore;
pub use verify::{Contents, verify_directory};
