//! The status contract as one pure function.
//!
//! [`decide`] takes what a request wants ([`Intent`]) and the current object, and says what becomes
//! of it ([`Verdict`]): nothing, one [`pintle_model::Change`], or a [`Refusal`]. No clock, no ids,
//! no store: those come in through [`Stamp`] and the caller's hands. Every door and every lane goes
//! through this one function; doors differ only in the data of [`Conduct`].

mod boundary;
mod check;
mod conditions;
mod create;
mod decide;
mod deletion;
mod identity;
mod intent;
mod main_lane;
mod metadata;
mod patch;
mod refusal;
mod status_lane;
mod stored;
mod visible;

pub use conditions::{ApplyConditions, ConditionEdit};
pub use decide::{Decision, Situation, Stamp, Verdict, decide};
pub use deletion::{
    DeleteOptions, FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Propagation, cleanup_finalizer,
};
pub use intent::{
    Conduct, ConflictScope, Document, Edit, FieldValidation, ForeignLane, Intent, Lane,
    MetadataMode, PatchRoot, Precondition, Scaling, UidForm,
};
pub use patch::{
    JsonPatch, Patch, PatchError, PatchFormat, PatchLimits, Shorthand, StrategicPatch, Touch,
};
pub use refusal::{Conflict, OwnedByOther, Refusal};
pub use visible::scale_of;
