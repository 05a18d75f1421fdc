//! Opening a data directory: its lock, its file, and what can be wrong with them.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use pintle_store::StoreError;
use rusqlite::{Connection, TransactionBehavior};

use crate::schema::{APPLICATION_ID, Role, TABLES, VERSION, connect};

/// Why a data directory cannot be opened, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made or written.
    #[error("the data directory {dir} cannot be used: {source}; check that it can be written")]
    Directory {
        /// Which directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it open.
    #[error(
        "the data directory {dir} is in use by another server; stop that one, or choose another \
         directory"
    )]
    InUse {
        /// Which directory.
        dir: PathBuf,
    },
    /// The file is something else.
    #[error("{file} is not a Pintle database; move it away, or choose another directory")]
    NotOurs {
        /// Which file.
        file: PathBuf,
    },
    /// A newer version wrote the file.
    #[error(
        "{file} was written by a newer version of Pintle (schema {found}; this one knows schemas up \
         to {known}); use that version"
    )]
    TooNew {
        /// Which file.
        file: PathBuf,
        /// The schema version of the file.
        found: i32,
        /// The newest schema version that this program knows.
        known: i32,
    },
    /// What is in the file does not fit together.
    #[error("{file} is damaged: {what}; restore it from a backup")]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// What was found.
        what: String,
    },
    /// SQLite cannot open or read the file.
    #[error("{file} cannot be opened: {source}")]
    Sqlite {
        /// Which file.
        file: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// A data directory that is ours alone, and its database.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) file: PathBuf,
    pub(crate) lock: File,
}

/// Takes the lock of `dir`, opens its database, and makes its tables where it is new.
pub(crate) fn open(dir: &Path) -> Result<Opened, OpenError> {
    let lock = lock(dir)?;
    let file = dir.join("pintle.db");
    let connection = prepare(&file).map_err(|error| match error {
        Refusal::Sqlite(error) => sqlite_error(&file, error),
        Refusal::NotOurs => OpenError::NotOurs { file: file.clone() },
        Refusal::TooNew(found) => OpenError::TooNew { file: file.clone(), found, known: VERSION },
    })?;
    // The name of a new file is durable when its directory is.
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|source| OpenError::Directory { dir: dir.to_owned(), source })?;
    Ok(Opened { connection, file, lock })
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let unusable = |source| OpenError::Directory { dir: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(unusable)?;
    let lock = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(dir.join("pintle.lock"))
        .map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

enum Refusal {
    Sqlite(rusqlite::Error),
    NotOurs,
    TooNew(i32),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(file: &Path) -> Result<Connection, Refusal> {
    let mut connection = connect(file, Role::Writer)?;
    // A crash while it was made leaves a file without tables: that one is new, too.
    let tables = "SELECT count(*) FROM sqlite_schema";
    let fresh = connection.query_one(tables, [], |row| row.get::<_, i64>(0))? == 0;
    if fresh {
        connection.pragma_update(None, "page_size", 4096)?;
    } else {
        check_identity(&connection)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    if fresh {
        create(&mut connection)?;
    }
    Ok(connection)
}

fn check_identity(connection: &Connection) -> Result<(), Refusal> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if pragma("application_id")? != APPLICATION_ID {
        return Err(Refusal::NotOurs);
    }
    match pragma("user_version")? {
        VERSION => Ok(()),
        found if found > VERSION => Err(Refusal::TooNew(found)),
        _ => Err(Refusal::NotOurs),
    }
}

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

pub(crate) fn sqlite_error(file: &Path, source: rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let file = file.to_owned();
    match source.sqlite_error_code() {
        Some(NotADatabase) => OpenError::NotOurs { file },
        Some(DatabaseCorrupt) => OpenError::Damaged { file, what: source.to_string() },
        _ => OpenError::Sqlite { file, source },
    }
}

pub(crate) fn damaged(file: &Path, error: StoreError) -> OpenError {
    let what = match error {
        StoreError::Corrupt(what) => what,
        other => other.to_string(),
    };
    OpenError::Damaged { file: file.to_owned(), what }
}
