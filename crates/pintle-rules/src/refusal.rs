//! Why a write was refused, in words of the domain. Doors turn these into codes once, elsewhere.

use std::sync::Arc;

use pintle_model::{FieldError, Generation, Object, Revision, Uid};

use crate::PatchError;

/// Why [`crate::decide`] refused a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// There is no such object.
    NotFound,
    /// A create met an object of that name.
    AlreadyExists {
        /// The object that has the name.
        uid: Uid,
    },
    /// A status write tried to change something that is not status.
    Boundary {
        /// What it tried: `spec`, `metadata.labels`, `/spec/location`; `/` when it tried to replace
        /// the object as a whole.
        path: String,
    },
    /// The version that the write was computed from must be given.
    PreconditionRequired,
    /// The version that was given cannot be one of this object.
    InvalidRevision {
        /// What was given.
        given: String,
        /// Why it cannot be.
        why: &'static str,
    },
    /// Somebody wrote the object since the version that the write was computed from.
    Conflict(Box<Conflict>),
    /// The object was deleted and made anew since, or another one was meant.
    UidMismatch {
        /// The uid that was expected, where one was given.
        expected: Option<Uid>,
        /// The uid that the object has.
        current: Uid,
        /// The version that the object has.
        revision: Revision,
    },
    /// The document says it is another object than the one addressed.
    IdentityMismatch {
        /// Which field: `metadata.name`.
        path: String,
        /// What it says.
        given: String,
        /// What was addressed.
        expected: String,
    },
    /// The document breaks rules.
    Invalid(Vec<FieldError>),
    /// Fields that the schema does not know, where the caller asked to be strict.
    UnknownFields(Vec<String>),
    /// The patch cannot be read or applied.
    Patch(PatchError),
    /// The server cannot do without this object.
    Indispensable,
    /// Conditions that the write would change belong to other managers, and it does not say that it
    /// takes them over. Never empty.
    OwnedByOthers(Vec<OwnedByOther>),
    /// The kind has no conditions, or not this one.
    NoCondition {
        /// Which one was asked for.
        kind: String,
    },
}

/// A condition that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedByOther {
    /// The type of the condition.
    pub kind: String,
    /// The manager that wrote it last.
    pub manager: String,
}

/// A lost race, with everything that a client needs to go on without another read.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The version that the write was computed from.
    pub expected: Revision,
    /// The version that the object has.
    pub current: Revision,
    /// The generation that the object has.
    pub generation: Generation,
    /// Whether the body changed since `expected`: the controller has to look at it again.
    pub spec_changed: bool,
    /// Whether the status changed since `expected`.
    pub status_changed: bool,
    /// The object as it is.
    pub object: Arc<Object>,
}

impl Conflict {
    /// What changed in `object` since `expected`.
    pub fn since(expected: Revision, object: &Arc<Object>) -> Self {
        Self {
            expected,
            current: object.revision,
            generation: object.generation(),
            spec_changed: object.body_revision > expected,
            status_changed: object.status_revision > expected,
            object: Arc::clone(object),
        }
    }
}
