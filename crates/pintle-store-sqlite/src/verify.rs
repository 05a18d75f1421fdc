//! Reading everything that a database holds, to know that all of it can be read.

use std::fs;
use std::path::Path;

use pintle_model::Revision;
use rusqlite::Connection;

use crate::backup::copy;
use crate::history::{Look, read_tail};
use crate::jumps::Jumps;
use crate::load::{LoadError, load};
use crate::open::{self, OpenError};
use crate::schema::{Role, VERSION, connect};

/// What a sound database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// The newest revision.
    pub newest: Revision,
    /// Watches can resume after this one.
    pub oldest: Revision,
    /// How many objects there are.
    pub objects: u64,
    /// How many events history has.
    pub events: u64,
}

/// So many events are read at once.
const EVENTS: usize = 1_000;

/// Reads all that the database in a data directory holds, also while a server uses it; nothing when
/// there is none.
pub fn verify_directory(dir: &Path) -> Result<Option<Contents>, OpenError> {
    let file = dir.join(open::DATABASE_NAME);
    let refused = |error| open::refused(&file, error);
    if !file.exists() {
        let lock = dir.join(open::LOCK_NAME);
        let made_before = fs::metadata(&lock).is_ok_and(|lock| lock.len() > 0);
        return if made_before { Err(OpenError::Lost { file, lock }) } else { Ok(None) };
    }
    open::check_size(&file).map_err(refused)?;
    let sqlite = |error| open::sqlite_error(&file, error);
    let mut connection = connect(&file, Role::Reader).map_err(sqlite)?;
    if open::version_of(&connection).map_err(refused)? < VERSION {
        // Only what is up to date can be read.
        connection = copy(&file, Path::new(":memory:"), &mut |_| {})?;
    }
    verify(&mut connection, &file).map(Some)
}

/// Reads all pages, all objects and all of history, and compares them with their checksums.
pub(crate) fn verify(connection: &mut Connection, file: &Path) -> Result<Contents, OpenError> {
    let sqlite = |error| open::sqlite_error(file, error);
    // What a server does meanwhile is not seen.
    let snapshot = connection.transaction().map_err(sqlite)?;
    let whole = "PRAGMA integrity_check(1)";
    let said: String = snapshot.query_one(whole, [], |row| row.get(0)).map_err(sqlite)?;
    if said != "ok" {
        return Err(OpenError::Damaged { file: file.to_owned(), what: said });
    }
    read(&snapshot).map_err(|error| open::load_error(file, error))
}

fn read(snapshot: &Connection) -> Result<Contents, LoadError> {
    let loaded = load(snapshot)?;
    let (newest, oldest) = (loaded.newest, loaded.marks.oldest);
    let objects = loaded.objects.len() as u64;
    // The memory is needed for history.
    drop(loaded);
    let jumps = Jumps::read(snapshot)?;
    let (mut after, mut events) = (oldest, 0);
    while after < newest {
        let look = Look { resource: None, after, limit: EVENTS, newest };
        let tail = read_tail(snapshot, &jumps, &look)?;
        events += tail.events.len() as u64;
        after = tail.up_to;
    }
    Ok(Contents { newest, oldest, objects, events })
}
