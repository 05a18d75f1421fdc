//! Making a data directory from a backup.

use std::fs;
use std::io::Write as _;
use std::iter;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use pintle_model::{Revision, Timestamp};
use rusqlite::Connection;

use crate::backup::{
    BackupError, BackupInfo, Companion, Partial, Progress, Stage, companions, copy, open_backup,
    sync_directory,
};
use crate::fold::fold_all;
use crate::jumps::Jump;
use crate::open::{self, Lock, OpenError};
use crate::verify::verify;

/// What a restore is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreOptions {
    /// What is in the directory may be put aside.
    pub replace: bool,
    /// The time.
    pub now: Timestamp,
}

/// What a restore has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The backup.
    pub backup: BackupInfo,
    /// The revision that the store goes on from.
    pub revision: Revision,
    /// Where what was in the directory is now, if anything was.
    pub aside: Option<PathBuf>,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something is there already.
    #[error(
        "{} is not empty: {found:?} is in it; choose another directory, or say --replace to put what \
         is there aside",
        dir.display()
    )]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
        /// Something in it.
        found: String,
    },
    /// The backup cannot be used, or its copy cannot be made.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

impl From<OpenError> for RestoreError {
    fn from(error: OpenError) -> Self {
        Self::Backup(error.into())
    }
}

/// Makes `dir` the data directory that `file` is a backup of. The lock of the directory is held
/// meanwhile, so no server may use it.
pub fn restore(
    file: &Path,
    dir: &Path,
    options: RestoreOptions,
    progress: &mut Progress<'_>,
) -> Result<Restored, RestoreError> {
    let (from, backup) = open_backup(file)?;
    let companions = companions(&from, file)?;
    drop(from);
    let left = contents(dir).map_err(|source| unusable(dir, source))?;
    if let Some(found) = left.first().filter(|_| !options.replace) {
        return Err(RestoreError::NotEmpty { dir: dir.to_owned(), found: found.clone() });
    }
    let lock = Lock::take(dir)?;
    let target = dir.join(open::DATABASE_NAME);
    let partial = Partial::begin(&target)?;
    let mut database = copy(file, &partial.path, progress)?;
    progress(Stage::Verifying);
    let contents = verify(&mut database, file)?;
    let jump = Jump::at(contents.newest, options.now);
    make_current(&mut database, jump).map_err(|error| open::sqlite_error(&target, error))?;
    database.close().map_err(|(_, error)| open::sqlite_error(&target, error))?;
    let aside = put_aside(dir, &left, options.now).map_err(|source| unusable(dir, source))?;
    for companion in &companions {
        let path = dir.join(&companion.name);
        write(&path, companion).map_err(|source| unusable(&path, source))?;
    }
    partial.finish(&target)?;
    lock.remember().map_err(|source| unusable(dir, source))?;
    let backup = BackupInfo { contents, ..backup };
    Ok(Restored { backup, revision: jump.to, aside })
}

fn unusable(path: &Path, source: std::io::Error) -> RestoreError {
    RestoreError::Backup(BackupError::Io { path: path.to_owned(), source })
}

/// Turns the copy of a backup into the database of a server.
fn make_current(database: &mut Connection, jump: Jump) -> rusqlite::Result<()> {
    let transaction = database.transaction()?;
    transaction.execute_batch("DROP TABLE backup; DROP TABLE companions;")?;
    fold_all(&transaction)?;
    jump.write(&transaction)?;
    transaction.commit()
}

/// What is in a directory, without what an attempt to restore leaves, and what others have put
/// aside.
fn contents(dir: &Path) -> std::io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let remembers = name == open::LOCK_NAME && entry.metadata()?.len() > 0;
        let is_ours = [open::LOCK_NAME, "pintle.db.partial", "lost+found"].contains(&&*name);
        if remembers || !(is_ours || name.starts_with(ASIDE)) {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// What the directory begins with that holds what was there before.
const ASIDE: &str = "replaced-";

fn put_aside(dir: &Path, left: &[String], now: Timestamp) -> std::io::Result<Option<PathBuf>> {
    let names = left.iter().filter(|name| *name != open::LOCK_NAME);
    let names: Vec<&String> = names.collect();
    if names.is_empty() {
        return Ok(None);
    }
    let name = format!("{ASIDE}{}", now.seconds().replace(':', "-"));
    let numbered = (2..1_000).map(|number| dir.join(format!("{name}.{number}")));
    let aside = iter::once(dir.join(&name)).chain(numbered).find(|aside| !aside.exists());
    let aside = aside.ok_or(std::io::ErrorKind::AlreadyExists)?;
    fs::create_dir(&aside)?;
    for name in names {
        fs::rename(dir.join(name), aside.join(name))?;
    }
    // What is in it, and that it is there.
    fs::File::open(&aside)?.sync_all()?;
    sync_directory(&aside)?;
    Ok(Some(aside))
}

fn write(path: &Path, companion: &Companion) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut options = fs::File::options();
    let mut file =
        options.write(true).create(true).truncate(true).mode(companion.mode).open(path)?;
    file.write_all(&companion.bytes)?;
    file.sync_all()?;
    sync_directory(path)
}
