//! The words of Pintle as types: objects and their lanes, keys, revisions, kinds, conditions,
//! selectors, and the change that one accepted write makes.
//!
//! Pure: no I/O, no clock, no randomness. What a kind *requires* of its objects lives in
//! `pintle-schema`; what a write *may do* lives in `pintle-rules`.

mod change;
mod condition;
mod field;
mod flips;
pub mod json;
mod key;
mod kind;
mod ledger;
mod metadata;
mod names;
mod object;
mod quantity;
mod revision;
mod selector;
mod timestamp;

pub use change::{Change, Manner, Put, StatusPut};
pub use condition::{Condition, ConditionStatus};
pub use field::{FieldError, FieldErrorKind, FieldPath};
pub use flips::Flips;
pub use json::Json;
pub use key::{GroupResource, ObjectKey, ObjectName};
pub use kind::{Kind, Scope};
pub use ledger::{ConditionLedger, LedgerEntry};
pub use metadata::{Metadata, OwnerReference};
pub use names::{
    NameRule, REFERENCES_MAX, validate_finalizers, validate_inner_metadata, validate_metadata_maps,
    validate_name, validate_qualified_name,
};
pub use object::Object;
pub use quantity::{InvalidQuantity, Quantity};
pub use revision::{Generation, InvalidRevision, Revision, Uid};
pub use selector::{FieldSelector, FieldTerm, InvalidSelector, LabelSelector, Requirement};
pub use timestamp::Timestamp;
