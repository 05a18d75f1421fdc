//! Opening a data directory: its lock, its file, and what can be wrong with them.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use pintle_store::StoreError;
use rusqlite::{Connection, TransactionBehavior};

use crate::load::LoadError;
use crate::schema::{APPLICATION_ID, FLIPS, JUMPS, LANE_VERSIONS, Role, TABLES, VERSION, connect};

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
    /// The database that was made here is gone.
    #[error(
        "{file} is missing or empty, but a database was made here before; restore it from a backup, \
         or delete {lock} to begin anew without the data"
    )]
    Lost {
        /// The file that should be there.
        file: PathBuf,
        /// The file that remembers it.
        lock: PathBuf,
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
    let unusable = |source| OpenError::Directory { dir: dir.to_owned(), source };
    let lock = Lock::take(dir)?;
    let file = dir.join(DATABASE_NAME);
    let connection = prepare(&file, lock.remembers).map_err(|error| refused(&file, error))?;
    let lock = lock.remember().map_err(unusable)?;
    // The name of a new file is durable when its directory is.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(unusable)?;
    Ok(Opened { connection, file, lock })
}

pub(crate) const DATABASE_NAME: &str = "pintle.db";
pub(crate) const LOCK_NAME: &str = "pintle.lock";

/// What the lock file says once there is a database; any text in it means that.
const MEMORY: &[u8] = b"A database was made here: without pintle.db no server starts.\n";

/// A data directory that nobody else uses, for as long as its file is open.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    /// Whether a database was made here before.
    remembers: bool,
}

impl Lock {
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::Directory { dir: dir.to_owned(), source };
        // Objects may be secret, and whoever may open the lock can keep others out.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(dir.join(LOCK_NAME))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { dir: dir.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let remembers = file.metadata().map_err(unusable)?.len() > 0;
        Ok(Self { file, remembers })
    }

    /// Notes that there is a database here now.
    pub(crate) fn remember(mut self) -> io::Result<File> {
        if !self.remembers {
            self.file.write_all(MEMORY)?;
            self.file.sync_all()?;
        }
        Ok(self.file)
    }
}

/// Why a file cannot be used, before it is said which one.
#[derive(Debug)]
pub(crate) enum Refusal {
    Sqlite(rusqlite::Error),
    File(io::Error),
    NotOurs,
    TooNew(i32),
    Lost,
    Damaged(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

pub(crate) fn refused(file: &Path, refusal: Refusal) -> OpenError {
    let file = file.to_owned();
    let dir = file.parent().unwrap_or(Path::new(""));
    match refusal {
        Refusal::Sqlite(error) => sqlite_error(&file, error),
        Refusal::File(source) => OpenError::Directory { dir: dir.to_owned(), source },
        Refusal::NotOurs => OpenError::NotOurs { file },
        Refusal::TooNew(found) => OpenError::TooNew { file, found, known: VERSION },
        Refusal::Lost => OpenError::Lost { lock: dir.join(LOCK_NAME), file },
        Refusal::Damaged(what) => OpenError::Damaged { file, what },
    }
}

fn prepare(file: &Path, made_before: bool) -> Result<Connection, Refusal> {
    if bytes_of(file)? > 0 {
        check_size(file)?;
    } else if made_before {
        // Said before SQLite makes the file.
        return Err(Refusal::Lost);
    }
    let mut connection = connect(file, Role::Writer)?;
    // A crash while it was made leaves a file without tables: that one is new, too.
    let tables = "SELECT count(*) FROM sqlite_schema";
    let fresh = connection.query_one(tables, [], |row| row.get::<_, i64>(0))? == 0;
    if fresh && made_before {
        return Err(Refusal::Lost);
    }
    let found = if fresh { 0 } else { version_of(&connection)? };
    if fresh {
        connection.pragma_update(None, "page_size", 4096)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    bring_up_to_date(&mut connection, found)?;
    Ok(connection)
}

/// How long a file is; one that is not there is as good as empty.
fn bytes_of(file: &Path) -> io::Result<u64> {
    match std::fs::metadata(file) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Refuses a file whose end was cut off, which SQLite itself would read as zeros.
///
/// While there is a WAL, a checkpoint may have been cut short, and the size says nothing.
pub(crate) fn check_size(file: &Path) -> Result<(), Refusal> {
    let mut wal = file.as_os_str().to_owned();
    wal.push("-wal");
    if bytes_of(Path::new(&wal))? > 0 {
        return Ok(());
    }
    let mut header = [0; 100];
    match File::open(file)?.read_exact(&mut header) {
        // SQLite says best what else it is.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        read => read?,
    }
    let (found, Some(expected)) = (bytes_of(file)?, bytes_by_header(&header)) else {
        return Ok(());
    };
    if found == expected {
        return Ok(());
    }
    let what = format!("it has {found} bytes, where its header says {expected}");
    Err(Refusal::Damaged(what))
}

/// How long a database is by the first 100 bytes of it, if they are a database's and say so
/// (sections 1.2 and 1.3 of SQLite's "Database File Format").
fn bytes_by_header(header: &[u8; 100]) -> Option<u64> {
    let number = |at: usize| {
        let bytes = header.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let (page_bytes, pages) = (number(16)? >> 16, number(28)?);
    // A size of 64 KiB is written as 1. The count holds only while the two counters agree.
    let page_bytes = if page_bytes == 1 { 1 << 16 } else { page_bytes };
    let says_so = header.starts_with(b"SQLite format 3\0") && number(24)? == number(92)?;
    says_so.then(|| u64::from(page_bytes) * u64::from(pages))
}

/// The version of its tables.
pub(crate) fn version_of(connection: &Connection) -> Result<i32, Refusal> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if pragma("application_id")? != APPLICATION_ID {
        return Err(Refusal::NotOurs);
    }
    match pragma("user_version")? {
        found @ 2..=VERSION => Ok(found),
        found if found > VERSION => Err(Refusal::TooNew(found)),
        _ => Err(Refusal::NotOurs),
    }
}

/// Makes the tables that a file of version `found` does not have.
pub(crate) fn bring_up_to_date(connection: &mut Connection, found: i32) -> rusqlite::Result<()> {
    if found == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if found == 0 {
        transaction.execute_batch(TABLES)?;
    }
    if found < 3 {
        transaction.execute_batch(FLIPS)?;
    }
    if found < 4 {
        transaction.execute_batch(JUMPS)?;
    }
    transaction.execute_batch(LANE_VERSIONS)?;
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

pub(crate) fn load_error(file: &Path, error: LoadError) -> OpenError {
    match error {
        LoadError::Sqlite(error) => sqlite_error(file, error),
        LoadError::Store(error) => damaged(file, error),
    }
}

fn damaged(file: &Path, error: StoreError) -> OpenError {
    let what = match error {
        StoreError::Corrupt(what) => what,
        other => other.to_string(),
    };
    OpenError::Damaged { file: file.to_owned(), what }
}
