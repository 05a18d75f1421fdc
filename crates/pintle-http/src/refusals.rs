//! The one table from refusals to reasons (and with them status codes) and sentences.

use std::fmt;

use http::StatusCode;
use pintle_engine::{Refusal, Unconverted};
use pintle_model::GroupResource;
use pintle_rules::{PatchError, Refusal as RulesRefusal};

use crate::Reason;

/// What a refusal is about, for its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The resource.
    pub resource: GroupResource,
    /// The object as the caller named it; empty for a list.
    pub name: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            write!(f, "{}", self.resource)
        } else {
            write!(f, "{} {:?}", self.resource, self.name)
        }
    }
}

/// A refusal as every door tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status: that of the reason, unless a door knows better.
    pub status: StatusCode,
    /// The code that programs look at.
    pub reason: Reason,
    /// What happened, to which object, and what to do.
    pub message: String,
    /// Whether the same caller can succeed by trying again (after what the message says).
    pub retryable: bool,
    /// Seconds to wait before that.
    pub retry_after: Option<u32>,
}

impl Answer {
    /// An answer that trying again does not change.
    pub fn of(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status: reason.status(),
            reason,
            message: message.into(),
            retryable: false,
            retry_after: None,
        }
    }

    fn retryable(self) -> Self {
        Self { retryable: true, ..self }
    }

    fn retry_after(self, seconds: u32) -> Self {
        Self { retryable: true, retry_after: Some(seconds), ..self }
    }
}

/// Looks a refusal up.
pub fn answer(refusal: &Refusal, subject: &Subject) -> Answer {
    match refusal {
        Refusal::Rules(refusal) => rules_answer(refusal, subject),
        Refusal::Forbidden(forbidden) => {
            let hint = forbidden.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
            Answer::of(Reason::Forbidden, format!("{forbidden}{hint}"))
        }
        Refusal::NamespaceNotFound { namespace } => Answer::of(
            Reason::NamespaceNotFound,
            format!("namespace {namespace:?} not found; create it first"),
        ),
        Refusal::NamespaceTerminating { namespace } => Answer::of(
            Reason::NamespaceTerminating,
            format!("namespace {namespace:?} is being deleted; nothing new can be created in it"),
        ),
        Refusal::KindTerminating => Answer::of(
            Reason::KindTerminating,
            format!("{} is being deleted; nothing new can be created", subject.resource),
        ),
        Refusal::QuotaExceeded(exceeded) => Answer::of(
            Reason::QuotaExceeded,
            format!(
                "{} cannot be created: {exceeded}; remove some, or raise the limit",
                exceeded.key
            ),
        ),
        Refusal::KindGone => Answer::of(
            Reason::KindNotServed,
            format!("{} is not served any more", subject.resource),
        ),
        Refusal::NotSelectable { field } => Answer::of(
            Reason::BadRequest,
            format!(
                "field label not supported: {field}; metadata.name and metadata.namespace always are, and the selectableFields of the kind"
            ),
        ),
        Refusal::TooLarge { bytes, bytes_max } => Answer::of(
            Reason::TooLarge,
            format!("{subject} would have {bytes} bytes; {bytes_max} are allowed"),
        ),
        Refusal::Expired { .. } | Refusal::FromTheFuture { .. } => revision_answer(refusal),
        Refusal::Unconverted(lost) => unconverted(lost),
        Refusal::Contended
        | Refusal::TooManyWatches
        | Refusal::Overloaded
        | Refusal::StorageFull(_)
        | Refusal::Unavailable(_)
        | Refusal::OutcomeUnknown(_)
        | Refusal::ShuttingDown
        | Refusal::Internal(_) => server_answer(refusal, subject),
    }
}

/// What the conversion said may speak of values that the caller may not see, so it is for the log.
fn unconverted(lost: &Unconverted) -> Answer {
    let Unconverted { key, half, from, to, why } = lost;
    let half = half.field();
    tracing::error!(%key, half, %from, %to, why, "an object cannot be converted");
    Answer::of(
        Reason::Internal,
        format!(
            "the {half} of {key} is stored in {from} and cannot be converted to {to}; ask for it in \
             {from}; the server's log says why"
        ),
    )
}

fn revision_answer(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::Expired { asked, oldest } => Answer::of(
            Reason::Expired,
            format!(
                "too old resource version: {asked} ({oldest}); list again and go on from there"
            ),
        )
        .retryable(),
        Refusal::FromTheFuture { asked, newest } => Answer::of(
            Reason::InvalidResourceVersion,
            format!("resourceVersion {asked} is larger than the newest one, {newest}"),
        ),
        _ => server_answer(
            refusal,
            &Subject { resource: GroupResource::from_text(""), name: String::new() },
        ),
    }
}

/// What is the server's fault, or its load's.
fn server_answer(refusal: &Refusal, subject: &Subject) -> Answer {
    match refusal {
        Refusal::Contended => Answer::of(
            Reason::Timeout,
            format!(
                "{subject} is written by so many that this write did not get through in time; \
                     nothing was written"
            ),
        )
        .retry_after(1),
        Refusal::TooManyWatches => {
            Answer::of(Reason::Throttled, "too many watches are open").retry_after(5)
        }
        Refusal::Overloaded => {
            Answer::of(Reason::Throttled, "too many writes are waiting").retry_after(1)
        }
        Refusal::StorageFull(why) => Answer::of(
            Reason::StorageFull,
            format!(
                "nothing was written: the disk is full ({why}); reads go on, and writes will \
                     when there is room"
            ),
        )
        .retry_after(10),
        Refusal::Unavailable(why) => {
            Answer::of(Reason::Unavailable, format!("nothing was written: {why}")).retry_after(1)
        }
        Refusal::OutcomeUnknown(why) => Answer::of(
            Reason::OutcomeUnknown,
            format!(
                "whether {subject} was written is not known ({why}); read it before you write \
                     again"
            ),
        ),
        Refusal::ShuttingDown => {
            Answer::of(Reason::Unavailable, "the server is shutting down").retry_after(1)
        }
        // What went wrong inside is for the log, not for the caller.
        _ => {
            tracing::error!(?refusal, "internal error");
            let message = "an internal error; the server's log says more";
            Answer::of(Reason::Internal, message)
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a table is read whole: one row a refusal")]
fn rules_answer(refusal: &RulesRefusal, subject: &Subject) -> Answer {
    match refusal {
        RulesRefusal::NotFound => Answer::of(Reason::NotFound, format!("{subject} not found")),
        RulesRefusal::AlreadyExists { .. } => {
            Answer::of(Reason::AlreadyExists, format!("{subject} already exists"))
        }
        RulesRefusal::Boundary { path } => Answer::of(
            Reason::SpecWriteForbidden,
            format!(
                "{path} cannot be written through the status of {subject}; write it through \
                     the object itself, and send status only here"
            ),
        ),
        RulesRefusal::PreconditionRequired => Answer::of(
            Reason::PreconditionRequired,
            format!(
                "a status write of {subject} must say which version it was computed from: send \
                     If-Match or metadata.resourceVersion"
            ),
        ),
        RulesRefusal::InvalidRevision { given, why } => Answer::of(
            Reason::InvalidResourceVersion,
            format!("resourceVersion {given:?} of {subject}: {why}"),
        ),
        RulesRefusal::Conflict(conflict) => {
            let advice = if conflict.spec_changed {
                "its spec changed since, so look at it again before you write"
            } else {
                "its spec did not change since, so apply your change to the current version"
            };
            let message = format!(
                "{subject} has been modified: you expected version {}, it is at {}; {advice}",
                conflict.expected, conflict.current
            );
            Answer::of(Reason::Conflict, message).retryable()
        }
        RulesRefusal::UidMismatch { expected, current, .. } => {
            let meant = expected.as_ref().map_or_else(
                || {
                    "the version you sent is older than this object, which was made since"
                        .to_owned()
                },
                |uid| format!("you meant the object with uid {:?}", uid.as_str()),
            );
            let current = current.as_str();
            let message = format!("{meant}; {subject} has uid {current:?}: read it again");
            Answer::of(Reason::UidMismatch, message)
        }
        RulesRefusal::IdentityMismatch { path, given, expected } => Answer::of(
            Reason::BadRequest,
            format!("{path} is {given:?} in the document and {expected:?} in the request"),
        ),
        RulesRefusal::Invalid(faults) => {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            let message = format!("{subject} is invalid: {}", faults.join("; "));
            Answer::of(Reason::Invalid, message)
        }
        RulesRefusal::UnknownFields(fields) => Answer::of(
            Reason::UnknownField,
            format!("{subject} has no such fields: {}", fields.join(", ")),
        ),
        RulesRefusal::Patch(error) => patch_answer(error, subject),
        RulesRefusal::Indispensable => Answer::of(
            Reason::Forbidden,
            format!("{subject} cannot be deleted: requests without a namespace mean it"),
        ),
        RulesRefusal::OwnedByOthers(owned) => {
            let owned: Vec<_> = owned
                .iter()
                .map(|it| format!("{:?} belongs to {:?}", it.kind, it.manager))
                .collect();
            let message = format!(
                "conditions of {subject} have other owners: {}; leave them out, or take them over \
                 with force",
                owned.join(", ")
            );
            Answer::of(Reason::FieldManagerConflict, message)
        }
        RulesRefusal::NoCondition { kind } => {
            Answer::of(Reason::ConditionNotFound, format!("{subject} has no condition {kind:?}"))
        }
    }
}

fn patch_answer(error: &PatchError, subject: &Subject) -> Answer {
    let reason = match error {
        PatchError::Malformed(_) => Reason::BadRequest,
        PatchError::TooManyOperations { .. }
        | PatchError::TooLarge { .. }
        | PatchError::TooMuchWork => Reason::TooLarge,
        PatchError::TestFailed { .. } => Reason::PatchTestFailed,
        PatchError::CannotApply { .. } | PatchError::TooDeep { .. } => Reason::PatchFailed,
    };
    Answer::of(reason, format!("the patch of {subject}: {error}"))
}
