//! What a store can answer instead of doing what it was asked.

use pintle_model::Revision;

/// Why a store did not do what it was asked. Losing a race is not an error: see
/// [`crate::Committed::Lost`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The history that was asked for is gone.
    #[error("revision {asked} is older than the oldest one kept, {oldest}")]
    Expired {
        /// What was asked for.
        asked: Revision,
        /// The oldest revision from which history is complete.
        oldest: Revision,
    },
    /// A revision that the store has not given out yet.
    #[error("revision {asked} is larger than the newest one, {newest}")]
    FromTheFuture {
        /// What was asked for.
        asked: Revision,
        /// The newest revision.
        newest: Revision,
    },
    /// The disk has no room. Nothing was written; reads go on, and writes will when there is room.
    #[error("the disk that holds the data is full: {0}")]
    Full(String),
    /// The store cannot write for another reason. Nothing of this change was written.
    #[error("the store cannot write: {0}")]
    Unavailable(String),
    /// The commit neither succeeded nor failed as far as anybody knows. Never retry it blindly:
    /// read back first.
    #[error("the outcome of the commit is unknown: {0}")]
    OutcomeUnknown(String),
    /// Too much is waiting to be written. Nothing of this change was written.
    #[error("too many writes are waiting")]
    Overloaded,
    /// What is stored cannot be read.
    #[error("the stored data is damaged: {0}")]
    Corrupt(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
