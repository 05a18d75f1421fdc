//! Why the engine did not do what it was asked, in words of the domain.

use pintle_authz::Forbidden;
use pintle_model::Revision;
use pintle_store::StoreError;

/// Why the engine refused. Doors turn it into codes once, in one table.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// The caller may not.
    Forbidden(Forbidden),
    /// The contract does not allow it.
    Rules(pintle_rules::Refusal),
    /// The namespace that an object should be created in does not exist.
    NamespaceNotFound {
        /// Its name.
        namespace: String,
    },
    /// The namespace is being deleted, so nothing new may be made in it.
    NamespaceTerminating {
        /// Its name.
        namespace: String,
    },
    /// The kind is being deleted, so nothing new may be made of it.
    KindTerminating,
    /// The namespace may hold no more objects of the kind.
    QuotaExceeded(Box<crate::QuotaExceeded>),
    /// What is watched is of a kind that is gone. One of the same name is another kind.
    KindGone,
    /// The history that was asked for is gone: list again.
    Expired {
        /// What was asked for.
        asked: Revision,
        /// History is complete after this revision.
        oldest: Revision,
    },
    /// The revision that was asked for has not been given out yet.
    FromTheFuture {
        /// What was asked for.
        asked: Revision,
        /// The newest revision.
        newest: Revision,
    },
    /// A field selector names a field that cannot be selected by.
    NotSelectable {
        /// The field.
        field: String,
    },
    /// The object would be larger than allowed.
    TooLarge {
        /// How large it would be, in bytes.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// An object is stored in a version that cannot be converted to the one that was asked for.
    Unconverted(Box<crate::Unconverted>),
    /// Other writers of the object were faster until the deadline.
    Contended,
    /// So many watches are open that no more are accepted.
    TooManyWatches,
    /// The disk is full. Reads go on.
    StorageFull(String),
    /// The store cannot write now. Nothing was written.
    Unavailable(String),
    /// Nobody knows whether the write happened. Read before you write again.
    OutcomeUnknown(String),
    /// Too many writes are waiting.
    Overloaded,
    /// The server is going down.
    ShuttingDown,
    /// A fault of the server's own.
    Internal(String),
}

impl From<pintle_rules::Refusal> for Refusal {
    fn from(refusal: pintle_rules::Refusal) -> Self {
        Self::Rules(refusal)
    }
}

impl From<Forbidden> for Refusal {
    fn from(forbidden: Forbidden) -> Self {
        Self::Forbidden(forbidden)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Expired { asked, oldest } => Self::Expired { asked, oldest },
            StoreError::FromTheFuture { asked, newest } => Self::FromTheFuture { asked, newest },
            StoreError::Full(why) => Self::StorageFull(why),
            StoreError::Unavailable(why) => Self::Unavailable(why),
            StoreError::OutcomeUnknown(why) => Self::OutcomeUnknown(why),
            StoreError::Overloaded => Self::Overloaded,
            StoreError::Corrupt(why) => {
                Self::Internal(format!("the stored data is damaged: {why}"))
            }
            StoreError::Closed => Self::ShuttingDown,
        }
    }
}
