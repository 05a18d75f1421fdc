//! `pintle backup` and `pintle restore`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use pintle_model::Timestamp;
use pintle_store_sqlite::{
    BackupError, BackupInfo, Companion, RestoreError, RestoreOptions, Stage, backup, restore,
};

/// What `pintle backup` is told.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct BackupArgs {
    /// File to make; it must not exist
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// What the server is started with: pintle.yaml in the first directory may name the data
    /// directory
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Settings file of the server, in place of that one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Data directory to copy, a server may be using it; else as the settings have it, and
    /// pintle-data where they say nothing
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// What `pintle restore` is told.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct RestoreArgs {
    /// Backup to restore
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Data directory to make; it must be empty, and no server may be using it
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,

    /// Put what is in the data directory aside, into a directory in it
    #[arg(long)]
    pub replace: bool,
}

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The backup failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The restore failed.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// What else is in the data directory cannot be read.
    #[error("{} cannot be read", path.display())]
    Companion {
        /// Which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is more in the data directory than belongs there.
    #[error("{} has more than {COMPANIONS_MAX} files beside the database", dir.display())]
    TooMany {
        /// Which directory.
        dir: PathBuf,
    },
}

/// Makes a backup of a data directory in a file, and says what is in it.
pub fn run_backup(file: &Path, data_dir: &Path, out: &mut impl Write) -> Result<(), CopyError> {
    // Read first: a cursor into the log must not be ahead of the copy of the log.
    let companions = companions(data_dir)?;
    let by = env!("CARGO_PKG_VERSION");
    let info = backup(data_dir, &companions, (now(), by), file, &mut Reporter::new().tell())?;
    // A reader that has gone needs no message.
    drop(writeln!(out, "{}: {}", file.display(), in_words(&info)));
    Ok(())
}

/// Restores a backup, and says what is there now.
pub fn run_restore(args: &RestoreArgs, out: &mut impl Write) -> Result<(), CopyError> {
    let options = RestoreOptions { replace: args.replace, now: now() };
    let restored = restore(&args.file, &args.data_dir, options, &mut Reporter::new().tell())?;
    let (dir, revision) = (args.data_dir.display(), restored.revision);
    let mut said =
        format!("{dir}: {}, goes on from revision {revision}\n", in_words(&restored.backup));
    if let Some(aside) = restored.aside {
        said = format!("{said}{}: what was there before\n", aside.display());
    }
    drop(out.write_all(said.as_bytes()));
    Ok(())
}

/// What is in a backup, in one line.
pub(crate) fn in_words(info: &BackupInfo) -> String {
    let contents = &info.contents;
    let (made, revision, objects) = (info.made.seconds(), contents.newest, contents.objects);
    let (oldest, files) = (contents.oldest, info.companions.len());
    format!(
        "revision {revision} of {made}, {objects} objects, watches resume after {oldest}, \
         {files} other files"
    )
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Tells a person how far it is, when it takes long.
#[derive(Debug)]
pub(crate) struct Reporter {
    told: Instant,
}

const REPORT_INTERVAL: Duration = Duration::from_secs(1);

impl Reporter {
    pub(crate) fn new() -> Self {
        Self { told: Instant::now() }
    }

    pub(crate) fn tell(mut self) -> impl FnMut(Stage) {
        move |stage| {
            if self.told.elapsed() < REPORT_INTERVAL {
                return;
            }
            self.told = Instant::now();
            let mebibytes = |bytes: u64| bytes / (1024 * 1024);
            let said = match stage {
                Stage::Copying { done, all } => {
                    format!("copying: {} of {} MiB", mebibytes(done), mebibytes(all))
                }
                Stage::Verifying => "reading all of it again".to_owned(),
            };
            drop(writeln!(io::stderr(), "{said}"));
        }
    }
}

/// A larger file in a data directory is not ours.
const COMPANION_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// So many files there may be beside the database.
const COMPANIONS_MAX: usize = 1_000;
/// So deep are directories looked into.
const DEPTH_MAX: usize = 4;

/// What else is in a data directory: small files, such as the mode of authorisation, the
/// certificate authority of the server and the cursors of deliveries.
fn companions(dir: &Path) -> Result<Vec<Companion>, CopyError> {
    let mut found = Vec::new();
    collect(dir, dir, DEPTH_MAX, &mut found)?;
    Ok(found)
}

fn collect(
    root: &Path,
    dir: &Path,
    depth: usize,
    found: &mut Vec<Companion>,
) -> Result<(), CopyError> {
    let unreadable = |source| CopyError::Companion { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        // That there is no data directory is said later, and better.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(unreadable)?,
    };
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
        let name = entry.file_name();
        if dir == root && is_not_a_companion(&name.to_string_lossy()) {
            continue;
        }
        if kind.is_dir() && depth > 0 {
            collect(root, &path, depth - 1, found)?;
        } else if kind.is_file() {
            found.extend(companion(root, &path)?);
        }
        if found.len() > COMPANIONS_MAX {
            return Err(CopyError::TooMany { dir: root.to_owned() });
        }
    }
    Ok(())
}

/// The database itself, what is about this process or about backups, and what was put aside.
fn is_not_a_companion(name: &str) -> bool {
    let database = ["pintle.db", "pintle.db-wal", "pintle.db-shm", "pintle.lock", "lost+found"];
    database.contains(&name) || name.ends_with(".partial") || name.starts_with("replaced-")
}

/// One file, unless it is gone by now, or cannot be one of ours.
fn companion(root: &Path, path: &Path) -> Result<Option<Companion>, CopyError> {
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let read = || -> io::Result<Option<Companion>> {
        let metadata = fs::metadata(path)?;
        if metadata.len() > COMPANION_BYTES_MAX {
            let left_out = "is left out: it is too large to belong to the data";
            drop(writeln!(io::stderr(), "{} {left_out}", path.display()));
            return Ok(None);
        }
        let mode = metadata.permissions().mode() & 0o7777;
        Ok(Some(Companion {
            name,
            mode,
            bytes: crate::input_file::read(path, COMPANION_BYTES_MAX)?,
        }))
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map_err(|source| CopyError::Companion { path: path.to_owned(), source }),
    }
}
