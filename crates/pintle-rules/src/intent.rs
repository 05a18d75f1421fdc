//! What a request wants, as a value: the lane, the edit, and the version it was computed from.

use pintle_model::{Manner, Revision, Uid};
use serde_json::{Map, Value};

use crate::{ApplyConditions, ConditionEdit, DeleteOptions, Patch};

/// Which half of an object a write is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Metadata and body: what somebody wants.
    Main,
    /// Status: what a controller has seen.
    Status,
}

/// A write, without its address.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// Which half it is for.
    pub lane: Lane,
    /// What it does there.
    pub edit: Edit,
    /// The version it was computed from.
    pub precondition: Precondition,
    /// What the door wants done where doors differ.
    pub conduct: Conduct,
    /// Who writes, for the ownership of conditions: `fieldManager`, or the first word of the
    /// User-Agent.
    pub manager: String,
}

impl Intent {
    /// Whether a write of one lane sees the other, as a patch does that is applied to the whole.
    pub const fn sees_all(&self) -> bool {
        matches!(self.lane, Lane::Main) || matches!(self.conduct.foreign, ForeignLane::Discard)
    }

    /// How the write was asked for.
    pub(crate) const fn manner(&self) -> Manner {
        match self.edit {
            Edit::Patch(..)
            | Edit::MergeStatus(_)
            | Edit::Condition(_)
            | Edit::ApplyConditions(_)
            | Edit::Scale(Scaling::Patch(_)) => self.conduct.patches_are,
            Edit::Create(_)
            | Edit::Replace(_)
            | Edit::Delete(_)
            | Edit::Scale(_)
            | Edit::Finalize(_)
            | Edit::Emptied => Manner::Replaced,
        }
    }
}

/// What a write does in its lane.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// A new object; main lane only.
    Create(Document),
    /// The lane as a whole.
    Replace(Document),
    /// A change relative to what is stored.
    Patch(Patch, PatchRoot),
    /// One condition, the others untouched; status lane only.
    Condition(ConditionEdit),
    /// The `status` of the document, merged into the stored one: what it does not name stays, a
    /// null clears, and conditions are merged by their type; status lane only.
    MergeStatus(Document),
    /// The conditions that one manager owns, the others untouched; status lane only.
    ApplyConditions(ApplyConditions),
    /// The object goes; main lane only.
    Delete(DeleteOptions),
    /// Another number of replicas, where the version says that it stands; main lane only.
    Scale(Scaling),
    /// The finalizers in the body of the document, where the kind has such; main lane only. Nothing
    /// else that the document says counts.
    Finalize(Document),
    /// What a deleted object contained is gone, and so goes the finalizer that the server keeps it
    /// by; main lane only. No door asks for this, and nothing else takes that finalizer away.
    Emptied,
}

/// A write to the scale of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scaling {
    /// So many replicas there shall be.
    Put(i64),
    /// A patch of what [`scale_of`](crate::scale_of) shows.
    Patch(Patch),
}

/// The document of a create or replace, split into lanes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// `metadata`, if the document has one.
    pub metadata: Option<Map<String, Value>>,
    /// The other top-level fields, without `apiVersion`, `kind` and `status`. Absent: the body
    /// stays as it is (in a create: empty).
    pub body: Option<Map<String, Value>>,
    /// `status`, if the document has one.
    pub status: Option<Value>,
    /// Top-level fields that stand in a status document and belong to the other lane. Their values
    /// were not even read.
    pub foreign: Vec<String>,
}

/// What the paths of a patch are relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchRoot {
    /// The whole object, as in `{"spec": {…}}`.
    Object,
    /// The lane: `spec` of the main lane, `status` of the status lane.
    Lane,
}

/// The version that a write was computed from, and how much of the object it speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Precondition {
    /// The `resourceVersion` that must still be the current one.
    pub revision: Option<Revision>,
    /// The uid that the object must have.
    pub uid: Option<Uid>,
    /// Which writes since `revision` count as a conflict.
    pub scope: ConflictScope,
    /// The object must not exist (`If-None-Match: *`).
    pub absent: bool,
    /// A write of this lane is refused when `revision` is not given.
    pub required: bool,
}

/// Which writes since the expected version make a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConflictScope {
    /// Any write.
    #[default]
    Object,
    /// Only a write to the status lane.
    Status,
    /// Only a write to one of the condition types that an [`Edit::ApplyConditions`] names; for
    /// other edits as [`ConflictScope::Status`].
    Conditions,
}

/// What the doors do differently, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conduct {
    /// What becomes of fields of the other lane in a status write.
    pub foreign: ForeignLane,
    /// Whether metadata fields that a replace does not mention stay.
    pub metadata: MetadataMode,
    /// What becomes of fields that the schema does not know.
    pub unknown_fields: FieldValidation,
    /// Whether conditions are a map that the server looks after (rule 7 of the contract).
    pub keeps_conditions: bool,
    /// What events call a patch. The server's own writes are updates to everybody else, however
    /// they are made.
    pub patches_are: Manner,
    /// What the uid of a new object looks like.
    pub uids: UidForm,
}

/// What the uid of a new object looks like. To whoever reads it, it is a text that nobody else has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UidForm {
    /// `device-1c0ffee0d15ea5e5`: the kind, and 16 random digits.
    Kind,
    /// A random UUID (RFC 9562, version 4), as the clients of Kubernetes parse it.
    Uuid,
}

/// What becomes of fields of the other lane in a status write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignLane {
    /// The write is refused, naming the path.
    Refuse,
    /// They are ignored, with a warning.
    Ignore,
    /// A patch is applied to the object as a whole, as upstream does; of the result, and of a whole
    /// document, only the status counts. What would have changed elsewhere is warned about.
    ///
    /// So a patch can copy what it cannot write: only for callers who may read the object.
    Discard,
}

/// How a replace treats metadata that it does not mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataMode {
    /// Each map or list that is named is replaced, the others stay.
    NamedOnly,
    /// What is not mentioned goes.
    Whole,
}

/// What becomes of unknown fields: the `fieldValidation` of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// Dropped in silence.
    Ignore,
    /// Dropped, with a warning.
    #[default]
    Warn,
    /// The write is refused.
    Strict,
}
