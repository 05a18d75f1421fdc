//! One version of an object, as lanes.

use std::sync::Arc;

use crate::{
    Change, ConditionLedger, Generation, Json, Metadata, ObjectKey, Put, Revision, StatusPut,
    Timestamp, Uid,
};

/// One version of an object: metadata, body and status, each with the revision of its last change.
///
/// Lanes are shared between versions: a status write makes a new `Object` that points to the same
/// metadata and the same body as the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Where it lives.
    pub key: ObjectKey,
    /// What its owner and the server say about it.
    pub metadata: Arc<Metadata>,
    /// Every top-level field but `apiVersion`, `kind`, `metadata` and `status`: an object,
    /// usually with the one field `spec`.
    pub body: Json,
    /// What controllers have seen.
    pub status: Option<Json>,
    /// Who wrote which condition.
    pub ledger: Option<Arc<ConditionLedger>>,
    /// When it was last written, in any lane.
    pub updated_at: Timestamp,
    /// The revision of this version: its `resourceVersion`.
    pub revision: Revision,
    /// The revision at which it was created.
    pub created_revision: Revision,
    /// The revision of the last change to the body. Creation counts.
    pub body_revision: Revision,
    /// The revision of the last change to the status. Creation counts.
    pub status_revision: Revision,
    /// The version of its kind that the body is in; nothing where it was not noted, which databases
    /// did not before format 5.
    pub body_version: Option<Arc<str>>,
    /// The version of its kind that the status is in.
    pub status_version: Option<Arc<str>>,
}

impl Object {
    /// The version that `change` makes of `before` at `revision`; nothing when it is a removal, or
    /// when a change of something that must exist meets nothing.
    pub fn after(before: Option<&Self>, change: &Change, revision: Revision) -> Option<Self> {
        match (&change.put, before) {
            (Put::Create { metadata, body, status }, _) => Some(Self {
                key: change.key.clone(),
                metadata: Arc::clone(metadata),
                body: body.clone(),
                status: status.clone(),
                ledger: None,
                updated_at: change.at,
                revision,
                created_revision: revision,
                body_revision: revision,
                status_revision: revision,
                body_version: change.version.clone(),
                status_version: change.version.clone(),
            }),
            (Put::Main { metadata, body, status }, Some(before)) => {
                let mut next = Self { updated_at: change.at, revision, ..before.clone() };
                next.metadata = Arc::clone(metadata);
                if let Some(body) = body {
                    next.body = body.clone();
                    next.body_revision = revision;
                    next.body_version.clone_from(&change.version);
                }
                if let Some(status) = status {
                    next.put_status(status, change, revision);
                }
                Some(next)
            }
            (Put::Status(status), Some(before)) => {
                let mut next = Self { updated_at: change.at, revision, ..before.clone() };
                next.put_status(status, change, revision);
                Some(next)
            }
            (Put::Main { .. } | Put::Status(_), None) | (Put::Delete, _) => None,
        }
    }

    fn put_status(&mut self, put: &StatusPut, change: &Change, revision: Revision) {
        self.status_version.clone_from(&change.version);
        self.status.clone_from(&put.status);
        self.ledger.clone_from(&put.ledger);
        self.status_revision = revision;
    }

    /// Its uid.
    pub fn uid(&self) -> &Uid {
        &self.metadata.uid
    }

    /// Its generation.
    pub fn generation(&self) -> Generation {
        self.metadata.generation
    }

    /// Roughly how many bytes its lanes take.
    pub fn size(&self) -> usize {
        self.body.len() + self.status.as_ref().map_or(0, Json::len)
    }
}
