//! What one accepted write does to the store.

use std::sync::Arc;

use crate::{ConditionLedger, Flips, Json, Metadata, ObjectKey, Revision, Timestamp};

/// One write to one object, and the state it was decided against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which object.
    pub key: ObjectKey,
    /// The revision that the decision saw; nothing means that the object must not exist.
    pub expect: Option<Revision>,
    /// What it becomes.
    pub put: Put,
    /// When the write was decided.
    pub at: Timestamp,
    /// How it was asked for.
    pub manner: Manner,
    /// The version of the kind that body and status are written in; nothing where nobody said.
    pub version: Option<Arc<str>>,
}

/// How a write was asked for. It changes nothing about the object; events tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// As a whole.
    #[default]
    Replaced,
    /// Relative to what was there.
    Patched,
}

/// The lanes that a change writes. A status write has no place for metadata or a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// A new object. `status` is only there for kinds whose version has no status subresource.
    Create {
        /// All of its metadata.
        metadata: Arc<Metadata>,
        /// All of its body.
        body: Json,
        /// Its first status.
        status: Option<Json>,
    },
    /// The main lane.
    Main {
        /// All of its metadata.
        metadata: Arc<Metadata>,
        /// The new body; nothing when it stays.
        body: Option<Json>,
        /// The new status, where the version that the request speaks has no status subresource;
        /// nothing when it stays.
        status: Option<StatusPut>,
    },
    /// The status lane.
    Status(StatusPut),
    /// The object goes, with both lanes.
    Delete,
}

/// The status lane of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPut {
    /// The new status; nothing clears it.
    pub status: Option<Json>,
    /// Who wrote which condition, after this change.
    pub ledger: Option<Arc<ConditionLedger>>,
    /// Which conditions this change turns over.
    pub flips: Flips,
}

impl Put {
    /// Which conditions it turns over. The first status of an object turns nothing over.
    pub const fn flips(&self) -> Option<&Flips> {
        match self {
            Self::Main { status: Some(put), .. } | Self::Status(put) => Some(&put.flips),
            Self::Create { .. } | Self::Main { status: None, .. } | Self::Delete => None,
        }
    }
}
