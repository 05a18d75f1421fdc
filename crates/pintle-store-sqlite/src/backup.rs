//! Backups: a copy of the database as it was at one revision, in one file, with what else belongs
//! to the data.
//!
//! A backup is a database of its own, with two tables more: one row about the backup, and the small
//! files that stand beside the database (`companions`). It is made through a connection of its own,
//! in one read transaction: a server that writes meanwhile is not held up, and only its WAL grows
//! for as long. What was copied is read whole before it gets its name.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use pintle_model::Timestamp;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::open::{self, OpenError};
use crate::schema::{Role, VERSION, connect};
use crate::sum;
use crate::verify::{Contents, verify};

/// A small file that belongs to the data, beside the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// Its name in the data directory, with `/` between directories.
    pub name: String,
    /// Its mode, such as `0o600`.
    pub mode: u32,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupInfo {
    /// When it was made.
    pub made: Timestamp,
    /// The version of Pintle that made it.
    pub by: String,
    /// What is in it.
    pub contents: Contents,
    /// The names of its companions.
    pub companions: Vec<String>,
    /// How many bytes it has.
    pub bytes: u64,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// So many bytes are copied.
    Copying {
        /// So far.
        done: u64,
        /// In all.
        all: u64,
    },
    /// All of it is being read.
    Verifying,
}

/// Is told how far it is.
pub type Progress<'p> = dyn FnMut(Stage) + 'p;

/// Why there is no backup, or it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("there is no database in {}; name the data directory of a server", dir.display())]
    NoDatabase {
        /// Where.
        dir: PathBuf,
    },
    /// A file has this name already.
    #[error("{} exists already; choose another name, or remove it", file.display())]
    Exists {
        /// Its name.
        file: PathBuf,
    },
    /// Somebody else is at it.
    #[error("another backup to {} is being made", file.display())]
    Busy {
        /// Its name.
        file: PathBuf,
    },
    /// A database, perhaps, but no backup.
    #[error("{} is not a backup; name a file that `pintle backup` made", file.display())]
    NotABackup {
        /// Its name.
        file: PathBuf,
    },
    /// The database or the backup cannot be read.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// A file or directory cannot be used.
    #[error("{} cannot be used", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

const TABLES: &str = "
    CREATE TABLE backup (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        made INTEGER NOT NULL,
        version TEXT NOT NULL
    ) STRICT;
    CREATE TABLE companions (
        name TEXT PRIMARY KEY,
        mode INTEGER NOT NULL,
        sum INTEGER NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;
";

/// So many pages are copied between two reports.
const STEP_PAGES: i32 = 1_024;

/// Makes a backup of the database in `dir`, also while a server uses it.
///
/// `companions` must have been read before this is called: then what they say was seen of the
/// database is in the copy.
pub fn backup(
    dir: &Path,
    companions: &[Companion],
    (made, by): (Timestamp, &str),
    to: &Path,
    progress: &mut Progress<'_>,
) -> Result<BackupInfo, BackupError> {
    let source = dir.join(open::DATABASE_NAME);
    if !source.is_file() {
        return Err(BackupError::NoDatabase { dir: dir.to_owned() });
    }
    open::check_size(&source).map_err(|error| open::refused(&source, error))?;
    if to.exists() {
        return Err(BackupError::Exists { file: to.to_owned() });
    }
    let partial = Partial::begin(to)?;
    let sqlite = |error| open::sqlite_error(&source, error);
    let mut copy = copy(&source, &partial.path, progress)?;
    describe(&mut copy, companions, made, by).map_err(sqlite)?;
    progress(Stage::Verifying);
    let contents = verify(&mut copy, &source)?;
    copy.close().map_err(|(_, error)| sqlite(error))?;
    let bytes = partial.finish(to)?;
    let companions = companions.iter().map(|companion| companion.name.clone()).collect();
    Ok(BackupInfo { made, by: by.to_owned(), contents, companions, bytes })
}

/// Reads all of a backup, and tells what is in it.
pub fn inspect(file: &Path, progress: &mut Progress<'_>) -> Result<BackupInfo, BackupError> {
    let (mut connection, found) = open_backup(file)?;
    let version = open::version_of(&connection).map_err(|error| open::refused(file, error))?;
    if version < VERSION {
        // Only what is up to date can be read.
        connection = copy(file, Path::new(":memory:"), progress)?;
    }
    progress(Stage::Verifying);
    let contents = verify(&mut connection, file)?;
    Ok(BackupInfo { contents, ..found })
}

/// Opens a backup for reading. What it contains is not known yet.
pub(crate) fn open_backup(file: &Path) -> Result<(Connection, BackupInfo), BackupError> {
    let unusable = |source| BackupError::Io { path: file.to_owned(), source };
    let metadata = fs::metadata(file).map_err(unusable)?;
    if !metadata.is_file() {
        return Err(unusable(io::Error::other("it is not a regular file")));
    }
    let sqlite = |error| open::sqlite_error(file, error);
    let connection = connect(file, Role::Reader).map_err(sqlite)?;
    open::version_of(&connection).map_err(|error| open::refused(file, error))?;
    let found = about(&connection).map_err(sqlite)?;
    let (made, by) = found.ok_or_else(|| BackupError::NotABackup { file: file.to_owned() })?;
    let companions = companions(&connection, file)?;
    let companions = companions.into_iter().map(|companion| companion.name).collect();
    let nothing = Contents {
        newest: pintle_model::Revision::ZERO,
        oldest: pintle_model::Revision::ZERO,
        objects: 0,
        events: 0,
    };
    let info = BackupInfo { made, by, contents: nothing, companions, bytes: metadata.len() };
    Ok((connection, info))
}

fn about(connection: &Connection) -> rusqlite::Result<Option<(Timestamp, String)>> {
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('backup', 'companions')";
    // The second has an index of its own, of another name.
    if connection.query_one(tables, [], |row| row.get::<_, i64>(0))? != 2 {
        return Ok(None);
    }
    let about = "SELECT made, version FROM backup";
    connection.query_one(about, [], |row| Ok((Timestamp(row.get(0)?), row.get(1)?))).optional()
}

/// The companions of a backup, compared with their checksums.
pub(crate) fn companions(
    connection: &Connection,
    file: &Path,
) -> Result<Vec<Companion>, OpenError> {
    let sqlite = |error| open::sqlite_error(file, error);
    let mut statement = connection
        .prepare("SELECT name, mode, bytes, sum FROM companions ORDER BY name")
        .map_err(sqlite)?;
    let rows = statement.query_map([], |row| {
        let (name, mode, bytes) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((Companion { name, mode, bytes }, row.get::<_, i64>(3)?))
    });
    let rows = rows.map_err(sqlite)?.collect::<rusqlite::Result<Vec<_>>>().map_err(sqlite)?;
    let altered = |companion: &Companion| OpenError::Damaged {
        file: file.to_owned(),
        what: format!("its copy of {:?} is not what was written", companion.name),
    };
    rows.into_iter()
        .map(|(companion, sum)| {
            let sound = sum_of(&companion) == sum && is_inside(&companion.name);
            if sound { Ok(companion) } else { Err(altered(&companion)) }
        })
        .collect()
}

/// Whether a name stays in the directory that it is put into.
fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components().peekable();
    let normal = |part| matches!(part, std::path::Component::Normal(_));
    parts.peek().is_some() && parts.all(normal)
}

fn sum_of(companion: &Companion) -> i64 {
    sum::of_file(companion.name.as_bytes(), companion.mode, &companion.bytes)
}

/// Copies the database as it is now.
pub(crate) fn copy(
    source: &Path,
    to: &Path,
    progress: &mut Progress<'_>,
) -> Result<Connection, OpenError> {
    let of_source = |error| open::sqlite_error(source, error);
    let from = connect(source, Role::Reader).map_err(of_source)?;
    let found = open::version_of(&from).map_err(|error| open::refused(source, error))?;
    let of_copy = |error| open::sqlite_error(to, error);
    let mut copy = Connection::open(to).map_err(of_copy)?;
    // What is flushed at the end need not be flushed before.
    copy.pragma_update(None, "synchronous", "OFF").map_err(of_copy)?;
    // The transaction keeps one state of the source in view; without it, each write of the server
    // would let the copy begin anew.
    from.execute_batch("BEGIN").map_err(of_source)?;
    let marks = "SELECT folded FROM marks";
    from.query_one(marks, [], |row| row.get::<_, i64>(0)).map_err(of_source)?;
    let page: u64 = from
        .pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))
        .map(u64::from)
        .map_err(of_source)?;
    copy_pages(&from, &mut copy, page, progress).map_err(of_copy)?;
    // One file, that can be read where nothing can be written.
    copy.pragma_update(None, "journal_mode", "DELETE").map_err(of_copy)?;
    open::bring_up_to_date(&mut copy, found).map_err(of_copy)?;
    Ok(copy)
}

fn copy_pages(
    from: &Connection,
    copy: &mut Connection,
    page_bytes: u64,
    progress: &mut Progress<'_>,
) -> rusqlite::Result<()> {
    let running = Backup::new(from, copy)?;
    loop {
        let step = running.step(STEP_PAGES)?;
        let pages = running.progress();
        let bytes = |pages: i32| u64::from(pages.unsigned_abs()) * page_bytes;
        let done = bytes(pages.pagecount - pages.remaining);
        progress(Stage::Copying { done, all: bytes(pages.pagecount) });
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            // Somebody is recovering the file right now.
            _ => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    }
}

fn describe(
    copy: &mut Connection,
    companions: &[Companion],
    made: Timestamp,
    by: &str,
) -> rusqlite::Result<()> {
    let transaction = copy.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute(
        "INSERT INTO backup (id, made, version) VALUES (0, ?1, ?2)",
        params![made.0, by],
    )?;
    for companion in companions {
        transaction.execute(
            "INSERT INTO companions (name, mode, sum, bytes) VALUES (?1, ?2, ?3, ?4)",
            params![companion.name, companion.mode, sum_of(companion), companion.bytes],
        )?;
    }
    transaction.commit()
}

/// A file that has not got its name yet, and never gets it unless it is whole.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) path: PathBuf,
    file: File,
    finished: bool,
}

impl Partial {
    /// Begins the file that will be `to`, beside it.
    pub(crate) fn begin(to: &Path) -> Result<Self, BackupError> {
        let mut path = to.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        let unusable = |source| BackupError::Io { path: path.clone(), source };
        // Secrets are in it.
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BackupError::Busy { file: to.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        // An attempt that was killed may have left something.
        file.set_len(0).map_err(unusable)?;
        Ok(Self { path, file, finished: false })
    }

    /// Makes it durable, and gives it its name; tells its size.
    pub(crate) fn finish(mut self, to: &Path) -> Result<u64, BackupError> {
        let unusable = |source| BackupError::Io { path: to.to_owned(), source };
        self.file.sync_all().map_err(unusable)?;
        fs::rename(&self.path, to).map_err(unusable)?;
        self.finished = true;
        sync_directory(to).map_err(unusable)?;
        self.file.metadata().map(|metadata| metadata.len()).map_err(unusable)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.finished {
            // Whatever it is that failed, it is told already.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// The name of a new file is durable when its directory is.
pub(crate) fn sync_directory(of: &Path) -> io::Result<()> {
    let parent = of.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
