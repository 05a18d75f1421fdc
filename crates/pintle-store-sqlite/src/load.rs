//! Reading the current objects at start: one pass over the folded lanes, then the unfolded end of
//! the log.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pintle_model::{
    ConditionLedger, GroupResource, Json, Metadata, Object, ObjectKey, ObjectName, Revision,
    Timestamp,
};
use pintle_store::StoreError;
use rusqlite::{Connection, Row};

use crate::row::{self, COUNTED_BYTES, LANE_BITS, Lane, LaneId, blob, revision, text, unreadable};
use crate::sum::Stored;

/// What a store knows when it starts.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) objects: Vec<Arc<Object>>,
    pub(crate) newest: Revision,
    pub(crate) marks: Marks,
    pub(crate) unfolded_bytes: u64,
    pub(crate) resources: HashMap<GroupResource, i64>,
    /// By the revision that created an object, the one that wrote its metadata.
    pub(crate) metadata_at: HashMap<Revision, Revision>,
}

/// The one row of `marks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) folded: Revision,
    pub(crate) oldest: Revision,
    pub(crate) folded_bytes: u64,
}

impl Marks {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT folded, oldest, folded_bytes FROM marks";
        connection.prepare_cached(sql)?.query_one([], |row| {
            Ok(Self {
                folded: revision(row.get(0)?),
                oldest: revision(row.get(1)?),
                folded_bytes: row.get::<_, i64>(2)?.unsigned_abs(),
            })
        })
    }
}

/// Why loading failed: SQLite could not read, or what it read does not fit together.
#[derive(Debug)]
pub(crate) enum LoadError {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for LoadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for LoadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<LoadError> for StoreError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Sqlite(error) => unreadable(&error),
            LoadError::Store(error) => error,
        }
    }
}

pub(crate) fn load(connection: &Connection) -> Result<Loaded, LoadError> {
    let marks = Marks::read(connection)?;
    let resources = resources(connection)?;
    let mut loading = Loading::new(&resources);
    loading.read_lanes(connection)?;
    let (newest, unfolded_bytes) = loading.replay(connection, marks.folded)?;
    let (objects, metadata_at) = loading.finish()?;
    Ok(Loaded { objects, newest, marks, unfolded_bytes, resources, metadata_at })
}

/// About how many bytes the rows of the log after `folded` have, as the replay counts them.
pub(crate) fn unfolded_bytes(connection: &Connection, folded: Revision) -> rusqlite::Result<u64> {
    let sql = format!("SELECT ifnull(sum({COUNTED_BYTES}), 0) FROM log WHERE revision > ?1");
    let bytes: i64 = connection.query_one(&sql, [row::sql(folded)], |row| row.get(0))?;
    Ok(bytes.unsigned_abs())
}

/// The numbers of the resources.
pub(crate) fn resources(connection: &Connection) -> rusqlite::Result<HashMap<GroupResource, i64>> {
    let mut statement = connection.prepare("SELECT name, id FROM resources")?;
    let rows = statement.query_map([], |row| {
        Ok((GroupResource::from_text(row.get_ref(0)?.as_str()?), row.get(1)?))
    })?;
    rows.collect()
}

/// The lanes of one object, as far as they have been read.
#[derive(Debug, Default)]
struct Parts {
    key: Option<ObjectKey>,
    metadata: Option<(Arc<Metadata>, i64)>,
    body: Option<(Json, i64)>,
    status: Option<(Option<Json>, i64)>,
    body_version: Option<Arc<str>>,
    status_version: Option<Arc<str>>,
    ledger: Option<Arc<ConditionLedger>>,
    /// The newest of its revisions, and when that was written.
    newest: i64,
    at: i64,
}

/// The columns of one lane value; which of them mean something depends on the lane.
struct Columns<'r> {
    sum: Option<i64>,
    resource: Option<i64>,
    namespace: Option<&'r str>,
    name: Option<&'r str>,
    ledger: Option<&'r [u8]>,
    value: Option<&'r [u8]>,
    version: Option<&'r str>,
}

struct Loading {
    resources: HashMap<i64, GroupResource>,
    /// Namespaces and versions: many objects share few of them.
    names: HashSet<Arc<str>>,
    /// In about the order of creation, which is often that of keys too, and then quick to sort.
    objects: Vec<Option<(i64, Parts)>>,
    /// Where in `objects` the object is that was created at a revision.
    places: HashMap<i64, usize>,
}

impl Loading {
    fn new(resources: &HashMap<GroupResource, i64>) -> Self {
        let resources = resources.iter().map(|(name, number)| (*number, name.clone())).collect();
        let (names, objects, places) = (HashSet::new(), Vec::new(), HashMap::new());
        Self { resources, names, objects, places }
    }

    /// Ids grow with revisions, so of a lane the last value read is the newest.
    fn read_lanes(&mut self, connection: &Connection) -> Result<(), LoadError> {
        let mut statement = connection.prepare(
            "SELECT id, object, at, resource, namespace, name, ledger, value, sum, version
             FROM lanes ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let columns = Columns {
                sum: row.get(8)?,
                resource: row.get(3)?,
                namespace: text(row, 4)?,
                name: text(row, 5)?,
                ledger: blob(row, 6)?,
                value: blob(row, 7)?,
                version: text(row, 9)?,
            };
            self.put(LaneId(row.get(0)?), row.get(1)?, row.get(2)?, &columns)?;
        }
        Ok(())
    }

    /// Applies the log after `folded`; hands back the newest revision and the bytes of the rows.
    fn replay(
        &mut self,
        connection: &Connection,
        folded: Revision,
    ) -> Result<(Revision, u64), LoadError> {
        let mut statement = connection.prepare(&format!(
            "SELECT revision, object, at, wrote, resource, namespace, name, metadata, ledger,
                status, body, {COUNTED_BYTES}, metadata_sum, body_sum, status_sum, version
             FROM log WHERE revision > ?1 ORDER BY revision"
        ))?;
        let mut rows = statement.query([row::sql(folded)])?;
        let (mut newest, mut bytes) = (folded, 0);
        while let Some(row) = rows.next()? {
            let found = revision(row.get(0)?);
            if found != newest.next() {
                let missing = newest.next();
                return Err(corrupt(format!("the log goes on at {found}, not at {missing}")).into());
            }
            self.replay_row(row)?;
            newest = found;
            bytes += row.get::<_, i64>(11)?.unsigned_abs();
        }
        Ok((newest, bytes))
    }

    fn replay_row(&mut self, row: &Row<'_>) -> Result<(), LoadError> {
        let (revision, object, at): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let wrote: i64 = row.get(3)?;
        if revision != object && !self.places.contains_key(&object) {
            return Err(corrupt(format!("revision {revision} changes an unknown object")).into());
        }
        let [metadata_sum, body_sum, status_sum]: [Option<i64>; 3] =
            [row.get(12)?, row.get(13)?, row.get(14)?];
        let sums = [metadata_sum, body_sum, status_sum].into_iter().flatten().count();
        if (wrote & LANE_BITS).count_ones() as usize != sums {
            let what = "has not as many checksums as values";
            return Err(corrupt(format!("revision {revision} {what}")).into());
        }
        for lane in [Lane::Metadata, Lane::Body, Lane::Status, Lane::Removed] {
            if wrote & lane.bit() == 0 {
                continue;
            }
            let (sum, ledger, value) = match lane {
                Lane::Metadata => (metadata_sum, None, blob(row, 7)?),
                Lane::Status => (status_sum, blob(row, 8)?, blob(row, 9)?),
                Lane::Body => (body_sum, None, blob(row, 10)?),
                Lane::Removed => (metadata_sum, None, None),
            };
            let columns = Columns {
                sum,
                resource: row.get(4)?,
                namespace: text(row, 5)?,
                name: text(row, 6)?,
                ledger,
                value,
                version: text(row, 15)?.filter(|_| lane.has_version()),
            };
            self.put(LaneId::new(revision, lane), object, at, &columns)?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        id: LaneId,
        object: i64,
        at: i64,
        columns: &Columns<'_>,
    ) -> Result<(), StoreError> {
        let written = id.revision();
        let lacks = || corrupt(format!("the value written by revision {written} is missing"));
        let key = match id.lane() {
            Lane::Metadata => Some(self.key(columns).ok_or_else(lacks)?),
            Lane::Body | Lane::Status | Lane::Removed => None,
        };
        let (ledger, value) = (columns.ledger, columns.value);
        let stored = Stored {
            id,
            object,
            at,
            key: key.as_ref().map(|key| (&key.resource, &key.name)),
            ledger,
            value,
            version: columns.version,
        };
        if columns.sum != Some(stored.sum()) {
            let of = key.as_ref().or_else(|| self.known_key(object));
            return Err(row::altered(id, of.map(|key| &key.name)));
        }
        if id.lane() == Lane::Removed {
            self.remove(object);
            return Ok(());
        }
        let version = columns.version.map(|version| self.interned(version));
        let parts = self.parts(object).ok_or_else(lacks)?;
        if written > parts.newest {
            (parts.newest, parts.at) = (written, at);
        }
        match id.lane() {
            Lane::Metadata => {
                let text = columns.value.ok_or_else(lacks)?;
                parts.metadata = Some((row::metadata(text, written)?, written));
                if parts.key.is_none() {
                    parts.key = key;
                }
            }
            Lane::Body => {
                parts.body = Some((columns.value.map(row::json).ok_or_else(lacks)?, written));
                parts.body_version = version;
            }
            Lane::Status | Lane::Removed => {
                parts.ledger = columns.ledger.map(|text| row::ledger(text, written)).transpose()?;
                parts.status = Some((columns.value.map(row::json), written));
                parts.status_version = version;
            }
        }
        Ok(())
    }

    fn parts(&mut self, object: i64) -> Option<&mut Parts> {
        let place = *self.places.entry(object).or_insert_with(|| {
            self.objects.push(Some((object, Parts::default())));
            self.objects.len() - 1
        });
        self.objects.get_mut(place)?.as_mut().map(|(_, parts)| parts)
    }

    fn known_key(&self, object: i64) -> Option<&ObjectKey> {
        let (_, parts) = self.objects.get(*self.places.get(&object)?)?.as_ref()?;
        parts.key.as_ref()
    }

    fn remove(&mut self, object: i64) {
        if let Some(place) = self.places.remove(&object)
            && let Some(parts) = self.objects.get_mut(place)
        {
            *parts = None;
        }
    }

    fn key(&mut self, columns: &Columns<'_>) -> Option<ObjectKey> {
        let resource = self.resources.get(&columns.resource?)?.clone();
        let namespace = self.interned(columns.namespace?);
        Some(ObjectKey { resource, name: ObjectName { namespace, name: columns.name?.into() } })
    }

    fn interned(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    #[expect(clippy::type_complexity, reason = "the two halves of what loading is for")]
    fn finish(self) -> Result<(Vec<Arc<Object>>, HashMap<Revision, Revision>), StoreError> {
        let mut objects = Vec::with_capacity(self.places.len());
        let mut metadata_at = HashMap::with_capacity(self.places.len());
        for (created, parts) in self.objects.into_iter().flatten() {
            let lacks =
                || corrupt(format!("the object created at revision {created} has a lane missing"));
            let (object, written) = parts.finish(created).ok_or_else(lacks)?;
            metadata_at.insert(object.created_revision, written);
            objects.push(Arc::new(object));
        }
        Ok((objects, metadata_at))
    }
}

impl Parts {
    /// The object, and which revision wrote its metadata.
    fn finish(self, created: i64) -> Option<(Object, Revision)> {
        let (metadata, metadata_at) = self.metadata?;
        let (body, body_at) = self.body?;
        let (status, status_at) = self.status?;
        let object = Object {
            key: self.key?,
            metadata,
            body,
            status,
            ledger: self.ledger,
            updated_at: Timestamp(self.at),
            revision: revision(self.newest),
            created_revision: revision(created),
            body_revision: revision(body_at),
            status_revision: revision(status_at),
            body_version: self.body_version,
            status_version: self.status_version,
        };
        Some((object, revision(metadata_at)))
    }
}

pub(crate) fn corrupt(what: String) -> StoreError {
    StoreError::Corrupt(what)
}
