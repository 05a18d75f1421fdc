//! Reading events back from the file: what watches need that were away for longer than the memory
//! remembers.
//!
//! How an event is put together again is described at the top of the crate.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pintle_model::{
    ConditionLedger, Flips, GroupResource, Json, Metadata, Object, ObjectKey, ObjectName, Revision,
    Timestamp,
};
use pintle_store::{Event, StoreError, Tail};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};
use tokio::sync::Semaphore;

use crate::jumps::Jumps;
use crate::load::{LoadError, Marks, corrupt};
use crate::row::{self, Lane, LaneId, blob, revision, sql, text};
use crate::schema::{Role, connect};
use crate::sum::Stored;

/// So many reads of history run at once; others wait their turn.
const READERS: usize = 2;

/// One read looks at no more than so many revisions, and stops after about so many bytes of values.
const STEP_REVISIONS: u64 = 2_000;
const STEP_BYTES: usize = 4 * 1024 * 1024;

/// Which part of history to read.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) resource: Option<GroupResource>,
    pub(crate) after: Revision,
    pub(crate) limit: usize,
    /// The newest revision that may be shown.
    pub(crate) newest: Revision,
}

/// A few connections for reading, opened when they are first needed.
#[derive(Debug)]
pub(crate) struct Readers {
    file: PathBuf,
    jumps: Jumps,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(file: PathBuf, jumps: Jumps) -> Self {
        let permits = Arc::new(Semaphore::new(READERS));
        Self { file, jumps, idle: Mutex::new(Vec::new()), permits }
    }

    /// How many bytes the database takes, with what waits beside it to be moved there.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let mut wal = self.file.clone().into_os_string();
        wal.push("-wal");
        let length = |file: &Path| std::fs::metadata(file).map_or(0, |found| found.len());
        length(&self.file) + length(Path::new(&wal))
    }

    /// Reads on a thread that may block.
    pub(crate) async fn tail(self: Arc<Self>, look: Look) -> Result<Tail, StoreError> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let reading = tokio::task::spawn_blocking(move || {
            let answer = self.read(&look);
            drop(permit);
            answer
        });
        let stopped = |_| StoreError::Unavailable("the reader of history stopped".to_owned());
        reading.await.map_err(stopped)?
    }

    fn read(&self, look: &Look) -> Result<Tail, StoreError> {
        let mut connection = self.connection().map_err(LoadError::from)?;
        let snapshot = connection.transaction().map_err(LoadError::from)?;
        let tail = read_tail(&snapshot, &self.jumps, look)?;
        drop(snapshot);
        // A connection that failed is not kept.
        if !self.permits.is_closed() {
            self.idle().push(connection);
        }
        Ok(tail)
    }

    fn connection(&self) -> rusqlite::Result<Connection> {
        let idle = self.idle().pop();
        idle.map_or_else(|| connect(&self.file, Role::Reader), Ok)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().expect("nothing panics while it holds this lock")
    }

    /// Closes the connections that are not in use, and refuses what comes.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }
}

/// Reads a bounded part of history, within one transaction.
pub(crate) fn read_tail(
    snapshot: &Connection,
    jumps: &Jumps,
    look: &Look,
) -> Result<Tail, LoadError> {
    let oldest = Marks::read(snapshot)?.oldest;
    if look.after < oldest {
        return Err(StoreError::Expired { asked: look.after, oldest }.into());
    }
    let to = jumps.beyond(look.newest.min(Revision(look.after.0 + STEP_REVISIONS)));
    let Some(resources) = Resources::read(snapshot, look.resource.as_ref())? else {
        return Ok(Tail { events: Vec::new(), up_to: to });
    };
    let mut reading = Reading::new(snapshot, resources)?;
    let mut log = snapshot.prepare_cached(
        "SELECT revision, resource, object, wrote, at, metadata_was, body_was, status_was
         FROM log WHERE revision > ?1 AND revision <= ?2 AND (?3 IS NULL OR resource = ?3)
         ORDER BY revision",
    )?;
    let mut rows = log.query((sql(look.after), sql(to), reading.resources.only))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let entry = Entry::of(row)?;
        let event = reading.event(&entry)?;
        events.push(Arc::new(event));
        if events.len() >= look.limit || reading.bytes > STEP_BYTES {
            return Ok(Tail { events, up_to: revision(entry.revision) });
        }
    }
    Ok(Tail { events, up_to: to })
}

/// The resources by number, and the one that is asked for.
struct Resources {
    names: HashMap<i64, GroupResource>,
    only: Option<i64>,
}

impl Resources {
    /// Nothing when the resource that is asked for was never written.
    fn read(
        connection: &Connection,
        asked: Option<&GroupResource>,
    ) -> rusqlite::Result<Option<Self>> {
        let numbers = crate::load::resources(connection)?;
        let only = match asked {
            None => None,
            Some(asked) => match numbers.get(asked) {
                Some(number) => Some(*number),
                None => return Ok(None),
            },
        };
        let names = numbers.into_iter().map(|(name, number)| (number, name)).collect();
        Ok(Some(Self { names, only }))
    }
}

/// The small columns of a row of the log.
#[derive(Debug, Clone, Copy)]
struct Entry {
    revision: i64,
    resource: i64,
    object: i64,
    wrote: i64,
    at: i64,
    was: [i64; 3],
}

impl Entry {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            revision: row.get(0)?,
            resource: row.get(1)?,
            object: row.get(2)?,
            wrote: row.get(3)?,
            at: row.get(4)?,
            was: [row.get(5)?, row.get(6)?, row.get(7)?],
        })
    }

    /// The revisions that wrote the lanes of the version that this entry made.
    fn is(&self) -> [i64; 3] {
        let mut is = self.was;
        for (lane, at) in Lane::ALL.into_iter().zip(&mut is) {
            if self.wrote & lane.bit() != 0 {
                *at = self.revision;
            }
        }
        is
    }
}

/// A lane value, shared by the events that refer to it.
#[derive(Debug, Clone)]
struct Value {
    at: Timestamp,
    lane: LaneValue,
}

#[derive(Debug, Clone)]
enum LaneValue {
    Metadata(ObjectName, Arc<Metadata>),
    Body(Json, Option<Arc<str>>),
    Status(Option<Json>, Option<Arc<ConditionLedger>>, Option<Arc<str>>),
}

/// One read in the making.
struct Reading<'c> {
    resources: Resources,
    values: HashMap<LaneId, Option<Value>>,
    bytes: usize,
    from_log: CachedStatement<'c>,
    from_lanes: CachedStatement<'c>,
    from_flips: CachedStatement<'c>,
}

impl<'c> Reading<'c> {
    fn new(connection: &'c Connection, resources: Resources) -> rusqlite::Result<Self> {
        let from_log = connection.prepare_cached(
            "SELECT at, namespace, name, CASE ?2 WHEN 2 THEN ledger END,
                CASE ?2 WHEN 0 THEN metadata WHEN 1 THEN body ELSE status END,
                CASE ?2 WHEN 0 THEN metadata_sum WHEN 1 THEN body_sum ELSE status_sum END,
                CASE ?2 WHEN 0 THEN NULL ELSE version END
             FROM log WHERE revision = ?1",
        )?;
        let from_lanes = connection.prepare_cached(
            "SELECT at, namespace, name, ledger, value, sum, version FROM lanes WHERE id = ?1",
        )?;
        let from_flips =
            connection.prepare_cached("SELECT value, sum FROM flips WHERE revision = ?1")?;
        let values = HashMap::new();
        Ok(Self { resources, values, bytes: 0, from_log, from_lanes, from_flips })
    }

    fn event(&mut self, entry: &Entry) -> Result<Event, LoadError> {
        let missing = || {
            let what = "refers to a value that is not there";
            corrupt(format!("the event of revision {} {what}", entry.revision))
        };
        let removed = entry.wrote & Lane::Removed.bit() != 0;
        let mut object = self.version(entry, entry.is())?.ok_or_else(missing)?;
        (object.revision, object.updated_at) = (revision(entry.revision), Timestamp(entry.at));
        let created = entry.revision == entry.object;
        let before = if created { None } else { self.version(entry, entry.was)?.map(Arc::new) };
        let revision = object.revision;
        let (manner, turned) = row::manner(entry.wrote).ok_or_else(|| {
            corrupt(format!("how revision {revision} was asked for cannot be read"))
        })?;
        let flips = if turned { self.flips(entry.revision)? } else { Flips::default() };
        Ok(Event { revision, before, object: Arc::new(object), removed, manner, flips })
    }

    fn flips(&mut self, at: i64) -> Result<Flips, LoadError> {
        let found = self.from_flips.query_row([at], |row| {
            let text = row.get_ref(0)?.as_blob()?;
            Ok(row::flips(text, row.get(1)?, at))
        });
        let missing = || corrupt(format!("the conditions that revision {at} turned are missing"));
        Ok(found.optional()?.ok_or_else(missing)??)
    }

    /// The version whose lanes were written at these revisions; nothing when one of them is gone.
    fn version(&mut self, entry: &Entry, at: [i64; 3]) -> Result<Option<Object>, LoadError> {
        let resource = self.resources.names.get(&entry.resource).cloned();
        let resource = resource.ok_or_else(|| {
            corrupt(format!("the event of revision {} is of no known resource", entry.revision))
        })?;
        let [metadata_at, body_at, status_at] = at;
        let of = (entry.object, &resource);
        let metadata = self.value(LaneId::new(metadata_at, Lane::Metadata), of)?;
        let body = self.value(LaneId::new(body_at, Lane::Body), of)?;
        let status = self.value(LaneId::new(status_at, Lane::Status), of)?;
        let (Some(metadata), Some(body), Some(status)) = (metadata, body, status) else {
            return Ok(None);
        };
        let newest = at.into_iter().max().unwrap_or(0);
        let written = [(metadata_at, &metadata), (body_at, &body), (status_at, &status)];
        let updated_at =
            written.into_iter().find(|(at, _)| *at == newest).map(|(_, value)| value.at);
        let (
            LaneValue::Metadata(name, metadata),
            LaneValue::Body(body, body_version),
            LaneValue::Status(status, ledger, status_version),
        ) = (metadata.lane, body.lane, status.lane)
        else {
            return Ok(None);
        };
        Ok(Some(Object {
            key: ObjectKey { resource, name },
            metadata,
            body,
            status,
            ledger,
            updated_at: updated_at.unwrap_or_default(),
            revision: revision(newest),
            created_revision: revision(entry.object),
            body_revision: revision(body_at),
            status_revision: revision(status_at),
            body_version,
            status_version,
        }))
    }

    /// The value of a lane, from wherever it is; nothing when it has left history.
    fn value(&mut self, id: LaneId, of: (i64, &GroupResource)) -> Result<Option<Value>, LoadError> {
        if let Some(known) = self.values.get(&id) {
            return Ok(known.clone());
        }
        let (lane, at) = (id.lane(), id.revision());
        let mut bytes = 0;
        let mut decode = |row: &Row<'_>| Ok(decode(row, id, of, &mut bytes));
        let in_log = self.from_log.query_row((at, lane as i64), &mut decode).optional()?;
        let found = match in_log {
            Some(found) => Some(found),
            None => self.from_lanes.query_row([id.0], &mut decode).optional()?,
        };
        let value = found.transpose()?;
        self.bytes += bytes;
        self.values.insert(id, value.clone());
        Ok(value)
    }
}

fn decode(
    row: &Row<'_>,
    id: LaneId,
    (object, resource): (i64, &GroupResource),
    bytes: &mut usize,
) -> Result<Value, LoadError> {
    let at = id.revision();
    let lacks = || corrupt(format!("the value written by revision {at} is missing"));
    let (ledger, value) = (blob(row, 3)?, blob(row, 4)?);
    *bytes += ledger.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
    let name = match id.lane() {
        Lane::Metadata => Some(object_name(row)?.ok_or_else(lacks)?),
        Lane::Body | Lane::Status | Lane::Removed => None,
    };
    let written_at = Timestamp(row.get(0)?);
    let key = name.as_ref().map(|name| (resource, name));
    let version = text(row, 6)?;
    let stored = Stored { id, object, at: written_at.0, key, ledger, value, version };
    if row.get::<_, Option<i64>>(5)? != Some(stored.sum()) {
        return Err(row::altered(id, name.as_ref()).into());
    }
    let lane = match (id.lane(), name) {
        (Lane::Metadata, Some(name)) => {
            LaneValue::Metadata(name, row::metadata(value.ok_or_else(lacks)?, at)?)
        }
        (Lane::Metadata, None) => return Err(lacks().into()),
        (Lane::Body, _) => {
            LaneValue::Body(value.map(row::json).ok_or_else(lacks)?, version.map(Arc::from))
        }
        (Lane::Status | Lane::Removed, _) => {
            let ledger = ledger.map(|text| row::ledger(text, at)).transpose()?;
            LaneValue::Status(value.map(row::json), ledger, version.map(Arc::from))
        }
    };
    Ok(Value { at: written_at, lane })
}

fn object_name(row: &Row<'_>) -> rusqlite::Result<Option<ObjectName>> {
    let (namespace, name) = (text(row, 1)?, text(row, 2)?);
    let name = namespace.zip(name);
    Ok(name.map(|(namespace, name)| ObjectName { namespace: namespace.into(), name: name.into() }))
}
