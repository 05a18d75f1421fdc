//! [`decide`]: the contract in one sitting.

use std::sync::Arc;

use pintle_model::{Change, Manner, Object, ObjectKey, Put, Revision, Timestamp, Uid};
use pintle_schema::{Definition, Version};

use crate::intent::{ConflictScope, Edit, Intent, Lane, Precondition};
use crate::refusal::{Conflict, Refusal};
use crate::{boundary, create, deletion, identity, main_lane, status_lane};

/// What the core may not find out by itself: the time, fresh ids, how far the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The time of the write.
    pub now: Timestamp,
    /// A uid that nobody has, for a create.
    pub uid: Uid,
    /// Letters that make a generated name unique.
    pub name_suffix: String,
    /// The newest revision that the store has given out.
    pub newest: Revision,
}

/// Everything beside the request that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The kind that is written.
    pub definition: &'a Definition,
    /// The version of the kind that the request speaks.
    pub version: &'a Version,
    /// The object addressed. In a create the name may be empty, for a generated one.
    pub key: &'a ObjectKey,
    /// The object as it is.
    pub current: Option<&'a Arc<Object>>,
    /// Time and ids.
    pub stamp: &'a Stamp,
}

/// What becomes of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The result equals what is stored: success, and no trace.
    Unchanged(Arc<Object>),
    /// One change, to be committed against exactly the object that was decided on.
    Change(Change),
}

/// A verdict and what the caller should be told beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What becomes of the write.
    pub verdict: Verdict,
    /// What was ignored or dropped, in full sentences.
    pub warnings: Vec<String>,
    /// What an object is made that goes with the same write, because nothing keeps it any more:
    /// nobody stores it, and its writer is answered with it.
    pub last: Option<Put>,
}

/// Decides one write. Total: whatever comes in, the answer is a decision or a refusal.
///
/// The order of checks is that of the contract (rule 3): which object the document says it is, then
/// existence, boundary, precondition, schema and rules. Authentication, addressing, authorisation
/// and parsing happened before. Only patches say which object they are for after they were applied.
pub fn decide(situation: Situation<'_>, intent: &Intent) -> Result<Decision, Refusal> {
    if let Edit::Create(document)
    | Edit::Replace(document)
    | Edit::MergeStatus(document)
    | Edit::Finalize(document) = &intent.edit
    {
        identity::check_document(document, situation.key)?;
    }
    match (intent.lane, &intent.edit) {
        (Lane::Main, Edit::Create(document)) => create::create(situation, document, intent),
        (Lane::Status, _) if !situation.version.status_subresource => Err(Refusal::NotFound),
        (Lane::Main | Lane::Status, _) => {
            let current = situation.current.ok_or(Refusal::NotFound)?;
            change(situation, current, intent)
        }
    }
}

/// Decides a write to an object that exists.
fn change(
    situation: Situation<'_>,
    current: &Arc<Object>,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    if intent.precondition.absent {
        return Err(Refusal::AlreadyExists { uid: current.uid().clone() });
    }
    if intent.lane == Lane::Status {
        boundary::check(&intent.edit, intent.conduct)?;
    }
    check_precondition(&still_wanted(intent), current, situation.stamp)?;
    check_conditions_fresh(intent, current)?;
    match (intent.lane, &intent.edit) {
        (Lane::Main, Edit::Replace(document)) => {
            main_lane::replace(situation, current, document, intent)
        }
        (Lane::Main, Edit::Patch(patch, root)) => {
            main_lane::patch(situation, current, patch, *root, intent)
        }
        (Lane::Main, Edit::Delete(options)) => deletion::delete(situation, current, *options),
        (Lane::Main, Edit::Scale(scaling)) => main_lane::scale(situation, current, scaling, intent),
        (Lane::Main, Edit::Finalize(document)) => {
            main_lane::finalize(situation, current, document, intent)
        }
        (Lane::Main, Edit::Emptied) => Ok(deletion::emptied(situation, current)),
        (Lane::Main, Edit::Condition(edit)) => {
            Err(Refusal::NoCondition { kind: edit.condition_type().to_owned() })
        }
        (Lane::Status, Edit::MergeStatus(document)) => {
            status_lane::merge(situation, current, document, intent)
        }
        (Lane::Status, Edit::ApplyConditions(wanted)) => {
            status_lane::apply_conditions(situation, current, wanted, intent)
        }
        (Lane::Status, Edit::Replace(document)) => {
            status_lane::replace(situation, current, document, intent)
        }
        (Lane::Status, Edit::Patch(patch, root)) => {
            status_lane::patch(situation, current, patch, *root, intent)
        }
        (Lane::Status, Edit::Condition(edit)) => {
            status_lane::edit_condition(situation, current, edit, intent)
        }
        // Only whole objects are made and removed, and only a status is merged.
        (Lane::Main | Lane::Status, Edit::Create(_))
        | (Lane::Main, Edit::MergeStatus(_) | Edit::ApplyConditions(_))
        | (Lane::Status, Edit::Delete(_) | Edit::Scale(_) | Edit::Finalize(_) | Edit::Emptied) => {
            Err(Refusal::NotFound)
        }
    }
}

/// The precondition as far as it can be checked before the edit is applied: a patch that names the
/// version itself meets the demand for one, and is held to it once it was applied.
fn still_wanted(intent: &Intent) -> Precondition {
    let mut precondition = intent.precondition.clone();
    precondition.required &= !identity::names_version(&intent.edit);
    precondition
}

/// Compares the version a write was computed from with the one that the object has.
pub(crate) fn check_precondition(
    precondition: &Precondition,
    current: &Arc<Object>,
    stamp: &Stamp,
) -> Result<(), Refusal> {
    if let Some(uid) = &precondition.uid
        && uid != current.uid()
    {
        return Err(Refusal::UidMismatch {
            expected: Some(uid.clone()),
            current: current.uid().clone(),
            revision: current.revision,
        });
    }
    match precondition.revision {
        None if precondition.required => Err(Refusal::PreconditionRequired),
        None => Ok(()),
        Some(expected) => check_revision(expected, precondition.scope, current, stamp),
    }
}

fn check_revision(
    expected: Revision,
    scope: ConflictScope,
    current: &Arc<Object>,
    stamp: &Stamp,
) -> Result<(), Refusal> {
    let invalid = |why| Err(Refusal::InvalidRevision { given: expected.to_string(), why });
    if expected == Revision::ZERO {
        return invalid("zero is before the first write and belongs to no object");
    }
    if expected > stamp.newest.max(current.revision) {
        return invalid("it is larger than any that was given out");
    }
    if expected < current.created_revision {
        let (current, revision) = (current.uid().clone(), current.revision);
        return Err(Refusal::UidMismatch { expected: None, current, revision });
    }
    let conflict = match scope {
        ConflictScope::Object => expected != current.revision,
        ConflictScope::Status => current.status_revision > expected,
        // `check_conditions_fresh` looks at the types that the edit names.
        ConflictScope::Conditions => false,
    };
    if conflict {
        return Err(Refusal::Conflict(Box::new(Conflict::since(expected, current))));
    }
    Ok(())
}

/// The narrowest condition: only a write to one of the types that are applied conflicts.
fn check_conditions_fresh(intent: &Intent, current: &Arc<Object>) -> Result<(), Refusal> {
    let Precondition { revision: Some(expected), scope: ConflictScope::Conditions, .. } =
        intent.precondition
    else {
        return Ok(());
    };
    let stale = match &intent.edit {
        Edit::ApplyConditions(wanted) => wanted.is_stale(expected, current),
        _ => current.status_revision > expected,
    };
    if stale {
        return Err(Refusal::Conflict(Box::new(Conflict::since(expected, current))));
    }
    Ok(())
}

impl Decision {
    /// What a write to `current` comes to; no put means that all of it is stored already.
    pub(crate) fn new(
        situation: Situation<'_>,
        current: &Arc<Object>,
        manner: Manner,
        put: Option<Put>,
        warnings: Vec<String>,
    ) -> Self {
        let verdict = match put {
            None => Verdict::Unchanged(Arc::clone(current)),
            Some(put) => Verdict::Change(Change {
                key: current.key.clone(),
                expect: Some(current.revision),
                put,
                at: situation.stamp.now,
                manner,
                version: Some(Arc::clone(&situation.version.name)),
            }),
        };
        Self { verdict, warnings, last: None }
    }
}
