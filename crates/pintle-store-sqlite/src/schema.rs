//! The tables, and the settings of a connection.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// "Pntl" in the header of the file tells our databases from others.
pub(crate) const APPLICATION_ID: i32 = 0x506e_746c;

/// The version of the tables. When it grows, opening an older file brings it up to date.
pub(crate) const VERSION: i32 = 5;

/// Large values stand last in a row, so that reading the others never follows overflow pages.
pub(crate) const TABLES: &str = "
    -- One row: up to where the log is folded, and after which revision history is complete.
    CREATE TABLE marks (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        folded INTEGER NOT NULL,
        oldest INTEGER NOT NULL,
        -- What the rows after `oldest` and up to `folded` count as, in bytes.
        folded_bytes INTEGER NOT NULL
    ) STRICT;
    INSERT INTO marks VALUES (0, 0, 0, 0);

    CREATE TABLE resources (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;

    -- One row for each revision; `object` is the revision at which the object was created.
    -- `wrote` has a bit for each lane: 1 metadata, 2 body, 4 status; 8 is a removal. 16 and 32 say
    -- that it was a patch, 64 that it turned conditions over.
    -- Each lane that is written has a checksum; that of a removal stands in `metadata_sum`.
    CREATE TABLE log (
        revision INTEGER PRIMARY KEY,
        resource INTEGER NOT NULL,
        object INTEGER NOT NULL,
        wrote INTEGER NOT NULL,
        at INTEGER NOT NULL,
        metadata_was INTEGER NOT NULL,
        body_was INTEGER NOT NULL,
        status_was INTEGER NOT NULL,
        metadata_sum INTEGER,
        body_sum INTEGER,
        status_sum INTEGER,
        namespace TEXT,
        name TEXT,
        metadata BLOB,
        ledger BLOB,
        status BLOB,
        body BLOB
    ) STRICT;

    -- The folded value of a lane. `id` is four times the revision that wrote it, plus the lane:
    -- 0 metadata, 1 body, 2 status; 3 says that the object was removed.
    CREATE TABLE lanes (
        id INTEGER PRIMARY KEY,
        object INTEGER NOT NULL,
        at INTEGER NOT NULL,
        sum INTEGER NOT NULL,
        resource INTEGER,
        namespace TEXT,
        name TEXT,
        ledger BLOB,
        value BLOB
    ) STRICT;

    -- Which replaced lanes stay until history has left a revision behind.
    CREATE TABLE pins (
        until INTEGER NOT NULL,
        lane INTEGER NOT NULL,
        PRIMARY KEY (until, lane)
    ) STRICT, WITHOUT ROWID;
";

/// What came with version 3.
pub(crate) const FLIPS: &str = "
    -- The conditions that a write turned over, with what they were: the few writes that do.
    CREATE TABLE flips (
        revision INTEGER PRIMARY KEY,
        sum INTEGER NOT NULL,
        value BLOB NOT NULL
    ) STRICT;
";

/// What came with version 4.
pub(crate) const JUMPS: &str = "
    -- Revisions that a restore has skipped: from `origin` straight to `target`.
    CREATE TABLE jumps (
        origin INTEGER PRIMARY KEY,
        target INTEGER NOT NULL
    ) STRICT;
";

/// What came with version 5.
pub(crate) const LANE_VERSIONS: &str = "
    -- The version of its kind that a body or a status is written in. It stands behind the large
    -- values, with which it is always read.
    ALTER TABLE log ADD COLUMN version TEXT;
    ALTER TABLE lanes ADD COLUMN version TEXT;
";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Reader,
    Checkpointer,
}

/// How long a statement waits for the lock of another connection of this process.
const BUSY_WAIT_MS: u32 = 5_000;

/// When the WAL starts anew, its file is cut to this size.
const WAL_KEPT_BYTES: u32 = 64 * 1024 * 1024;

/// Opens a connection with its settings made.
pub(crate) fn connect(file: &Path, role: Role) -> rusqlite::Result<Connection> {
    let access = match role {
        Role::Writer => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Role::Reader => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Role::Checkpointer => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    // Each connection stays with one thread at a time, so SQLite's own lock around it is left out.
    let connection = Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let cache_kib = if role == Role::Writer { 8 * 1024 } else { 1024 };
    connection.execute_batch(&format!(
        "PRAGMA busy_timeout = {BUSY_WAIT_MS};
         PRAGMA cache_size = -{cache_kib};
         PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY;
         PRAGMA foreign_keys = OFF;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = {WAL_KEPT_BYTES};"
    ))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
