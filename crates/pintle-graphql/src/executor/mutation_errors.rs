//! Refusals as data of a payload: one type of error for each sort of thing that a caller does about
//! it.

use pintle_engine::Refusal;
use pintle_http::{Answer, Reason, Recording, Subject, answer};
use pintle_model::{ConditionLedger, ObjectKey, Revision};
use pintle_rules::{Conflict, Refusal as RulesRefusal};

use std::sync::Arc;

use super::Call;
use super::address::Target;
use super::writes::Refused;
use crate::data::{Data, Record, Shown};

/// The error that a payload tells. The recording is told as well.
pub(crate) fn told(
    call: &Call,
    recording: &Recording,
    target: &Target,
    refused: &Refused,
) -> Record {
    let (found, error) = match refused {
        Refused::Refusal(refusal) => {
            recording.note(|exchange| exchange.refused(refusal));
            let found = worded(refusal, target);
            let error = typed(call, target, refusal, &found);
            (found, error)
        }
        Refused::Closed(closed) => {
            let found = (**closed).clone();
            let error = base("ServerError", "UNAVAILABLE", &found);
            (found, error)
        }
        Refused::Aborted { failed_item } => {
            let message = format!("item {failed_item} failed, so nothing was written");
            let found = Answer::of(Reason::Conflict, message);
            let item = i64::try_from(*failed_item).unwrap_or(i64::MAX);
            let error = base("AbortedError", "ABORTED", &found).with("failedItem", item);
            (found, error)
        }
    };
    recording.note(|exchange| exchange.told(&found));
    error
}

/// What the table of refusals says, in the words of this door.
fn worded(refusal: &Refusal, target: &Target) -> Answer {
    let key = &target.key;
    let subject = Subject { resource: key.resource.clone(), name: key.name.name.to_string() };
    let found = answer(refusal, &subject);
    if *refusal == Refusal::Rules(RulesRefusal::PreconditionRequired) {
        let message = format!(
            "the resourceVersion of {subject} is empty; send the one that the object had when you \
             read it"
        );
        return Answer { message, ..found };
    }
    found
}

fn base(type_name: &str, code: &'static str, found: &Answer) -> Record {
    Record::new(type_name)
        .with("code", Data::Name(code))
        .with("message", found.message.as_str())
        .with("retryable", found.retryable)
}

fn typed(call: &Call, target: &Target, refusal: &Refusal, found: &Answer) -> Record {
    match refusal {
        Refusal::Rules(refusal) => of_rules(call, target, refusal, found),
        Refusal::Forbidden(forbidden) => {
            let ask = &forbidden.ask;
            let part = ask.subresource.as_ref().map(|part| part.as_str().to_owned());
            let why = forbidden.reason.as_deref().unwrap_or("no rule allows it");
            base("ForbiddenError", "FORBIDDEN", found)
                .with("verb", ask.verb.as_str())
                .with("resource", ask.resource.as_str())
                .with("subresource", part)
                .with("reason", why)
        }
        Refusal::NamespaceNotFound { .. } => {
            base("NotFoundError", "NOT_FOUND", found).with("ref", names(target))
        }
        Refusal::NamespaceTerminating { .. } | Refusal::KindTerminating => {
            not_made("FORBIDDEN", target, found)
        }
        Refusal::QuotaExceeded(_) => not_made("QUOTA_EXCEEDED", target, found),
        Refusal::TooLarge { .. } => invalid("TOO_LARGE", found),
        Refusal::Overloaded | Refusal::TooManyWatches => {
            let seconds = i64::from(found.retry_after.unwrap_or(1));
            base("ThrottledError", "THROTTLED", found).with("retryAfterMs", seconds * 1_000)
        }
        Refusal::Contended => base("ServerError", "TIMEOUT", found),
        Refusal::StorageFull(_) => base("ServerError", "STORAGE_FULL", found),
        Refusal::Unavailable(_) | Refusal::ShuttingDown => {
            base("ServerError", "UNAVAILABLE", found)
        }
        Refusal::OutcomeUnknown(_) => base("ServerError", "OUTCOME_UNKNOWN", found),
        Refusal::Internal(_)
        | Refusal::Unconverted(_)
        | Refusal::KindGone
        | Refusal::Expired { .. }
        | Refusal::FromTheFuture { .. }
        | Refusal::NotSelectable { .. } => base("ServerError", "INTERNAL", found),
    }
}

fn of_rules(call: &Call, target: &Target, refusal: &RulesRefusal, found: &Answer) -> Record {
    match refusal {
        RulesRefusal::NotFound => {
            base("NotFoundError", "NOT_FOUND", found).with("ref", names(target))
        }
        RulesRefusal::AlreadyExists { uid } => base("AlreadyExistsError", "ALREADY_EXISTS", found)
            .with("ref", names(target))
            .with("uid", uid.as_str()),
        RulesRefusal::Boundary { path } => {
            base("BoundaryError", "SPEC_WRITE_FORBIDDEN", found).with("path", path.as_str())
        }
        RulesRefusal::PreconditionRequired => {
            base("PreconditionError", "PRECONDITION_REQUIRED", found)
        }
        RulesRefusal::InvalidRevision { .. } => {
            base("PreconditionError", "INVALID_RESOURCE_VERSION", found)
        }
        RulesRefusal::Conflict(conflict) => of_conflict(call, target, conflict, found),
        RulesRefusal::UidMismatch { expected, current, .. } => {
            base("UidMismatchError", "UID_MISMATCH", found)
                .with("expectedUid", expected.as_ref().map(|uid| uid.as_str().to_owned()))
                .with("currentUid", current.as_str())
        }
        RulesRefusal::OwnedByOthers(owned) => {
            let mut managers: Vec<&str> = owned.iter().map(|it| it.manager.as_str()).collect();
            managers.sort_unstable();
            managers.dedup();
            let types: Vec<&str> = owned.iter().map(|it| it.kind.as_str()).collect();
            base("FieldManagerConflictError", "FIELD_MANAGER_CONFLICT", found)
                .with("conflictingManagers", managers)
                .with("conditionTypes", types)
        }
        RulesRefusal::Invalid(faults) => {
            let causes = faults
                .iter()
                .map(|fault| cause(&fault.path, fault.kind.reason(), &fault.message()));
            base("InvalidError", "INVALID", found).with("causes", causes.collect::<Vec<_>>())
        }
        RulesRefusal::UnknownFields(fields) => {
            let why = "the schema of the kind has no such field";
            let causes = fields.iter().map(|path| cause(path, "FieldValueNotSupported", why));
            base("InvalidError", "INVALID", found).with("causes", causes.collect::<Vec<_>>())
        }
        RulesRefusal::IdentityMismatch { path, .. } => base("InvalidError", "INVALID", found)
            .with("causes", vec![cause(path, "FieldValueInvalid", &found.message)]),
        RulesRefusal::Patch(_) if found.reason == Reason::TooLarge => invalid("TOO_LARGE", found),
        RulesRefusal::Patch(_) | RulesRefusal::NoCondition { .. } => invalid("INVALID", found),
        RulesRefusal::Indispensable => base("ForbiddenError", "FORBIDDEN", found)
            .with("verb", "delete")
            .with("resource", target.key.resource.as_str())
            .with("reason", found.message.as_str()),
    }
}

fn of_conflict(call: &Call, target: &Target, conflict: &Conflict, found: &Answer) -> Record {
    let object = &conflict.object;
    let current = call.engine.shows(&call.caller.user, object).then(|| {
        let (kind, object) = (Arc::clone(&target.kind), Arc::clone(object));
        Arc::new(Shown { kind, object, whole: true })
    });
    let managers = object
        .ledger
        .as_deref()
        .map(|ledger| managers_since(ledger, conflict.expected, object.status_revision));
    base("ConflictError", "CONFLICT", found)
        .with("expectedResourceVersion", conflict.expected.to_string())
        .with("currentResourceVersion", conflict.current.to_string())
        .with("currentGeneration", conflict.generation.0)
        .with("specChanged", conflict.spec_changed)
        .with("statusChanged", conflict.status_changed)
        .with("conflictingManagers", managers.unwrap_or_default())
        .with("current", current)
}

/// Who wrote conditions after a version.
fn managers_since(ledger: &ConditionLedger, expected: Revision, newest: Revision) -> Vec<String> {
    let entries = ledger.entries.values();
    let since = entries.filter(|entry| entry.changed.unwrap_or(newest) > expected);
    let mut managers: Vec<String> = since.map(|entry| entry.manager.clone()).collect();
    managers.sort_unstable();
    managers.dedup();
    managers
}

/// A create that nobody may make here, whatever their rights.
fn not_made(code: &'static str, target: &Target, found: &Answer) -> Record {
    base("ForbiddenError", code, found)
        .with("verb", "create")
        .with("resource", target.key.resource.as_str())
        .with("reason", found.message.as_str())
}

fn invalid(code: &'static str, found: &Answer) -> Record {
    base("InvalidError", code, found).with("causes", Vec::<Data>::new())
}

fn cause(path: &str, reason: &str, message: &str) -> Record {
    Record::new("").with("path", path).with("reason", reason).with("message", message)
}

fn names(target: &Target) -> Record {
    let Target { kind, key: ObjectKey { name, .. }, .. } = target;
    let namespace = Some(&*name.namespace).filter(|namespace| !namespace.is_empty());
    Record::new("")
        .with("apiVersion", kind.api_version())
        .with("kind", &*kind.definition.kind.kind)
        .with("namespace", namespace)
        .with("name", &*name.name)
}
