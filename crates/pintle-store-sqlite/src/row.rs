//! One change as a row of the log, and the names of lanes in the file.

use std::sync::Arc;

use bytes::Bytes;
use pintle_model::{
    Change, ConditionLedger, Flips, Json, Manner, Metadata, ObjectName, Put, Revision, StatusPut,
};
use pintle_store::{Event, StoreError};
use rusqlite::{Connection, Row, params};

use crate::sum::Stored;

/// Which part of an object a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Metadata = 0,
    Body = 1,
    Status = 2,
    /// Not a lane: the mark that the object is gone.
    Removed = 3,
}

impl Lane {
    pub(crate) const ALL: [Self; 3] = [Self::Metadata, Self::Body, Self::Status];

    /// Whether a value of it is written in one of the versions of its kind.
    pub(crate) const fn has_version(self) -> bool {
        matches!(self, Self::Body | Self::Status)
    }

    /// Its bit in `log.wrote`.
    pub(crate) const fn bit(self) -> i64 {
        1 << self as i64
    }
}

/// The bits of `log.wrote` that say which lanes were written, or that the object was removed.
pub(crate) const LANE_BITS: i64 = 15;
/// The bits that say that the write was a patch: both, so that one that changed is noticed. Rows of
/// older files have none of them.
const PATCHED_BITS: i64 = 16 + 32;
/// The bit that says that there is a row in `flips`.
const FLIPS_BIT: i64 = 64;

/// What `log.wrote` says beside the lanes: how the write was asked for, and whether it turned
/// conditions over.
pub(crate) fn manner(wrote: i64) -> Option<(Manner, bool)> {
    let manner = match wrote & PATCHED_BITS {
        0 => Manner::Replaced,
        PATCHED_BITS => Manner::Patched,
        _ => return None,
    };
    Some((manner, wrote & FLIPS_BIT != 0))
}

/// Where a lane value is: the revision that wrote it, and which lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LaneId(pub(crate) i64);

impl LaneId {
    pub(crate) const fn new(revision: i64, lane: Lane) -> Self {
        Self(revision * 4 + lane as i64)
    }

    pub(crate) const fn revision(self) -> i64 {
        self.0 / 4
    }

    pub(crate) const fn lane(self) -> Lane {
        match self.0 % 4 {
            0 => Lane::Metadata,
            1 => Lane::Body,
            2 => Lane::Status,
            _ => Lane::Removed,
        }
    }
}

/// A revision as SQLite keeps it.
pub(crate) fn sql(revision: Revision) -> i64 {
    i64::try_from(revision.0).expect("revisions are counted one by one from zero")
}

/// A revision as it was kept.
pub(crate) fn revision(kept: i64) -> Revision {
    Revision(kept.unsigned_abs())
}

/// The texts that a change needs besides what it carries. They are made by whoever asks for the
/// commit, because the writer's time is the scarcest.
#[derive(Debug)]
pub(crate) struct Texts {
    metadata: Option<Vec<u8>>,
    ledger: Option<Vec<u8>>,
    flips: Option<Vec<u8>>,
}

impl Texts {
    pub(crate) fn of(change: &Change) -> Self {
        let (metadata, put) = match &change.put {
            Put::Create { metadata, .. } => (Some(metadata), None),
            Put::Main { metadata, status, .. } => (Some(metadata), status.as_ref()),
            Put::Status(status) => (None, Some(status)),
            Put::Delete => (None, None),
        };
        let ledger = put.and_then(|put| put.ledger.as_ref());
        let flips = change.put.flips().filter(|flips| !flips.is_empty());
        let metadata = metadata.map(|metadata| serde_json::to_vec(&**metadata));
        let ledger = ledger.map(|ledger| serde_json::to_vec(&**ledger));
        Self {
            metadata: metadata.map(|text| text.expect("metadata has only text keys")),
            ledger: ledger.map(|text| text.expect("a ledger has only text keys")),
            flips: flips.map(|flips| serde_json::to_vec(flips).expect("types are text keys")),
        }
    }

    pub(crate) fn len(&self) -> usize {
        let texts = [&self.metadata, &self.ledger, &self.flips];
        texts.into_iter().flatten().map(Vec::len).sum()
    }
}

/// What a row takes besides its values, about.
const ROW_BYTES: usize = 48;

/// One change, decided and ready to be written.
#[derive(Debug)]
pub(crate) struct LogRow<'a> {
    pub(crate) event: &'a Event,
    pub(crate) change: &'a Change,
    pub(crate) texts: &'a Texts,
    /// The number of its resource.
    pub(crate) resource: i64,
    /// Which revision wrote the metadata that stood before.
    pub(crate) metadata_was: Revision,
}

impl LogRow<'_> {
    pub(crate) fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let (body, status) = self.values();
        let object = &self.event.object;
        let name = self.texts.metadata.as_ref().map(|_| &object.key.name);
        let before = self.event.before.as_ref();
        connection
            .prepare_cached(
                "INSERT INTO log (revision, resource, object, wrote, at, metadata_was, body_was,
                    status_was, namespace, name, metadata, ledger, status, body,
                    metadata_sum, body_sum, status_sum, version)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                    ?17, ?18)",
            )?
            .execute(params![
                sql(self.event.revision),
                self.resource,
                sql(object.created_revision),
                self.wrote(),
                object.updated_at.0,
                sql(self.metadata_was),
                sql(before.map_or(Revision::ZERO, |before| before.body_revision)),
                sql(before.map_or(Revision::ZERO, |before| before.status_revision)),
                name.map(|name| &*name.namespace),
                name.map(|name| &*name.name),
                self.texts.metadata,
                self.texts.ledger,
                status.map(|status| &**status.as_bytes()),
                body.map(|body| &**body.as_bytes()),
                self.sum(Lane::Metadata).or_else(|| self.sum(Lane::Removed)),
                self.sum(Lane::Body),
                self.sum(Lane::Status),
                self.change.version,
            ])?;
        self.insert_flips(connection)
    }

    fn insert_flips(&self, connection: &Connection) -> rusqlite::Result<()> {
        let Some(flips) = &self.texts.flips else { return Ok(()) };
        let revision = sql(self.event.revision);
        connection
            .prepare_cached("INSERT INTO flips (revision, sum, value) VALUES (?1, ?2, ?3)")?
            .execute(params![revision, flips_sum(revision, flips), flips])?;
        Ok(())
    }

    /// The checksum of a lane, if it is written.
    fn sum(&self, lane: Lane) -> Option<i64> {
        let (body, status) = self.values();
        let (key, ledger, value) = match lane {
            Lane::Metadata => (Some(&self.event.object.key), None, self.texts.metadata.as_deref()),
            Lane::Body => (None, None, body.map(|body| &**body.as_bytes())),
            Lane::Status => {
                let status = status.map(|status| &**status.as_bytes());
                (None, self.texts.ledger.as_deref(), status)
            }
            Lane::Removed => (None, None, None),
        };
        let stored = Stored {
            id: LaneId::new(sql(self.event.revision), lane),
            object: sql(self.event.object.created_revision),
            at: self.event.object.updated_at.0,
            key: key.map(|key| (&key.resource, &key.name)),
            ledger,
            value,
            version: self.change.version.as_deref().filter(|_| lane.has_version()),
        };
        (self.wrote() & lane.bit() != 0).then(|| stored.sum())
    }

    /// About how many bytes of history this is; [`counted_bytes`] says the same of a stored row.
    pub(crate) fn bytes(&self) -> usize {
        let (body, status) = self.values();
        let name = &self.event.object.key.name;
        let name =
            self.texts.metadata.as_ref().map_or(0, |_| name.namespace.len() + name.name.len());
        ROW_BYTES
            + name
            + self.texts.len()
            + body.map_or(0, Json::len)
            + status.map_or(0, Json::len)
            + self.change.version.as_ref().map_or(0, |version| version.len())
    }

    pub(crate) const fn writes_metadata(&self) -> bool {
        self.texts.metadata.is_some()
    }

    fn wrote(&self) -> i64 {
        let manner = if self.change.manner == Manner::Patched { PATCHED_BITS } else { 0 };
        let flips = if self.texts.flips.is_some() { FLIPS_BIT } else { 0 };
        self.lanes() | manner | flips
    }

    fn lanes(&self) -> i64 {
        let [metadata, body, status] = Lane::ALL.map(Lane::bit);
        match &self.change.put {
            Put::Create { .. } => metadata | body | status,
            Put::Main { body: new_body, status: new_status, .. } => {
                let body = if new_body.is_some() { body } else { 0 };
                let status = if new_status.is_some() { status } else { 0 };
                metadata | body | status
            }
            Put::Status(_) => status,
            Put::Delete => Lane::Removed.bit(),
        }
    }

    fn values(&self) -> (Option<&Json>, Option<&Json>) {
        let status = |put: &'_ StatusPut| put.status.is_some();
        match &self.change.put {
            Put::Create { body, status, .. } => (Some(body), status.as_ref()),
            Put::Main { body, status: put, .. } => {
                let status = put.as_ref().filter(|put| status(put));
                (body.as_ref(), status.and_then(|put| put.status.as_ref()))
            }
            Put::Status(put) => (None, put.status.as_ref()),
            Put::Delete => (None, None),
        }
    }
}

/// The SQL for [`LogRow::bytes`] of a stored row. It reads no value, only how long each one is.
pub(crate) const COUNTED_BYTES: &str = "48 + ifnull(octet_length(namespace), 0)
    + ifnull(octet_length(name), 0) + ifnull(octet_length(metadata), 0)
    + ifnull(octet_length(ledger), 0) + ifnull(octet_length(status), 0)
    + ifnull(octet_length(body), 0) + ifnull(octet_length(version), 0)
    + CASE WHEN wrote & 64 THEN ifnull((SELECT octet_length(value) FROM flips
        WHERE flips.revision = log.revision), 0) ELSE 0 END";

/// Reads stored JSON; a damaged text is an error that names where it stood.
pub(crate) fn metadata(text: &[u8], at: i64) -> Result<Arc<Metadata>, StoreError> {
    let parsed = serde_json::from_slice(text);
    parsed.map(Arc::new).map_err(|error| damaged(at, "metadata", &error))
}

pub(crate) fn ledger(text: &[u8], at: i64) -> Result<Arc<ConditionLedger>, StoreError> {
    let parsed = serde_json::from_slice(text);
    parsed.map(Arc::new).map_err(|error| damaged(at, "ledger", &error))
}

pub(crate) fn flips(text: &[u8], sum: i64, at: i64) -> Result<Flips, StoreError> {
    if flips_sum(at, text) != sum {
        let what =
            format!("what is kept of the conditions of revision {at} is not what was written");
        return Err(StoreError::Corrupt(what));
    }
    serde_json::from_slice(text).map_err(|error| damaged(at, "changes of conditions", &error))
}

fn flips_sum(at: i64, text: &[u8]) -> i64 {
    let id = LaneId::new(at, Lane::Status);
    let value = Some(text);
    Stored { id, object: 0, at: 0, key: None, ledger: None, value, version: None }.sum()
}

pub(crate) fn json(text: &[u8]) -> Json {
    Json::from_stored(Bytes::copy_from_slice(text))
}

/// A value that does not fit its checksum; `of` is the object, as far as that is known.
pub(crate) fn altered(id: LaneId, of: Option<&ObjectName>) -> StoreError {
    let what = match id.lane() {
        Lane::Metadata => "metadata",
        Lane::Body => "body",
        Lane::Status => "status",
        Lane::Removed => "removal",
    };
    let of = of.map(|name| format!(" of {name}")).unwrap_or_default();
    let at = id.revision();
    StoreError::Corrupt(format!(
        "the {what}{of} written by revision {at} is not what was written (its checksum differs)"
    ))
}

fn damaged(at: i64, what: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("the {what} written by revision {at} cannot be read: {error}"))
}

/// The bytes of a column, or nothing where it is null.
pub(crate) fn blob<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Option<&'r [u8]>> {
    Ok(row.get_ref(column)?.as_blob_or_null()?)
}

/// The text of a column, or nothing where it is null.
pub(crate) fn text<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Option<&'r str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

/// An error of a read, for whoever asked.
pub(crate) fn unreadable(error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}
