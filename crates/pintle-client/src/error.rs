//! Why a call did not do what it should, as types.

use std::time::Duration;

use pintle_kinds::report::Stale;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection. Nothing was sent.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke, or no answer came in time. A write may have been carried out.
    #[error("the server did not answer: {0}")]
    Interrupted(String),
    /// The server does not know whether the write was carried out: read before you write again.
    #[error("{0}")]
    OutcomeUnknown(Box<Refused>),
    /// No such object, kind, namespace or condition.
    #[error("{0}")]
    NotFound(Box<Refused>),
    /// Who calls is not known.
    #[error("{0}")]
    Unauthenticated(Box<Refused>),
    /// The rules do not allow it.
    #[error("{0}")]
    Forbidden(Box<Refused>),
    /// The object has another version than the one that was named.
    #[error("{0}")]
    Conflict(Box<Conflict>),
    /// An object of this name exists.
    #[error("{0}")]
    AlreadyExists(Box<Refused>),
    /// The object was deleted, and made anew.
    #[error("{0}")]
    Recreated(Box<Refused>),
    /// The object breaks its schema, or the request breaks the contract.
    #[error("{0}")]
    Invalid(Box<Refused>),
    /// History does not go back so far: list again.
    #[error("{0}")]
    Expired(Box<Refused>),
    /// Nothing was done because of how busy the server is, or because it stops.
    #[error("{0}")]
    Unavailable(Box<Refused>),
    /// Any other refusal.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// A report rests on what is no longer so: compute it again.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// What should be sent is no JSON object, or has no name.
    #[error("this cannot be sent: {0}")]
    Unsendable(String),
    /// What came back is not what it should be.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

/// What the server says when it does not do what was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message} ({status} {reason})")]
pub struct Refused {
    /// The status code of HTTP.
    pub status: u16,
    /// The stable code: `NOT_FOUND`. Empty when the answer is not Pintle's.
    pub reason: String,
    /// What happened, for people.
    pub message: String,
    /// The name of the request in the server's log.
    pub request_id: Option<String>,
    /// When to try again, if time is all that it takes.
    pub retry_after: Option<Duration>,
    /// Everything that the server said, `causes` among it.
    pub details: Map<String, Value>,
}

/// One fault of a document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cause {
    /// `spec.location`.
    #[serde(default)]
    pub path: String,
    /// `FieldValueRequired`.
    #[serde(default)]
    pub reason: String,
    /// For people.
    #[serde(default)]
    pub message: String,
}

/// A conflict, and what it takes to get over it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{refused}")]
pub struct Conflict {
    /// The version that was named.
    pub expected_resource_version: Option<String>,
    /// The version that the object has.
    pub current_resource_version: Option<String>,
    /// The generation that the object has.
    pub current_generation: Option<i64>,
    /// Whether what is wanted was written since: then look at it again first.
    pub spec_changed: bool,
    /// Whether the status was written since.
    pub status_changed: bool,
    /// Whether the same change can succeed on the current version.
    pub retryable: bool,
    /// All of what the server said.
    pub refused: Refused,
}

impl Refused {
    pub(crate) fn new(status: u16, mut details: Map<String, Value>) -> Self {
        let mut text = |name: &str| match details.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        Self {
            status,
            reason: text("reason").unwrap_or_default(),
            message: text("error").unwrap_or_else(|| "the server refused".to_owned()),
            request_id: text("requestId"),
            retry_after: None,
            details,
        }
    }

    /// The faults of a document, one by one.
    pub fn causes(&self) -> Vec<Cause> {
        let causes = self.details.get("causes").cloned().unwrap_or_default();
        serde_json::from_value(causes).unwrap_or_default()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.details.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    fn is(&self, name: &str) -> bool {
        self.details.get(name).and_then(Value::as_bool).unwrap_or_default()
    }
}

impl Conflict {
    fn of(refused: Refused) -> Self {
        Self {
            expected_resource_version: refused.text("expectedResourceVersion"),
            current_resource_version: refused.text("currentResourceVersion"),
            current_generation: refused.details.get("currentGeneration").and_then(Value::as_i64),
            spec_changed: refused.is("specChanged"),
            status_changed: refused.is("statusChanged"),
            retryable: refused.is("retryable"),
            refused,
        }
    }
}

impl Error {
    /// The error that a refusal is.
    pub(crate) fn of(refused: Refused) -> Self {
        let (status, reason) = (refused.status, refused.reason.clone());
        match (status, reason.as_str()) {
            (_, "CONFLICT") => Self::Conflict(Box::new(Conflict::of(refused))),
            (_, "ALREADY_EXISTS") => Self::AlreadyExists(Box::new(refused)),
            (_, "UID_MISMATCH") => Self::Recreated(Box::new(refused)),
            (_, "OUTCOME_UNKNOWN") => Self::OutcomeUnknown(Box::new(refused)),
            (_, "UNAVAILABLE" | "AUDIT_UNAVAILABLE" | "THROTTLED" | "TIMEOUT") => {
                Self::Unavailable(Box::new(refused))
            }
            (401, _) => Self::Unauthenticated(Box::new(refused)),
            (403, _) => Self::Forbidden(Box::new(refused)),
            (404, _) => Self::NotFound(Box::new(refused)),
            (410, _) => Self::Expired(Box::new(refused)),
            (400 | 422, _) => Self::Invalid(Box::new(refused)),
            _ => Self::Refused(Box::new(refused)),
        }
    }

    /// What the server said, if it was the server.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::OutcomeUnknown(refused)
            | Self::NotFound(refused)
            | Self::Unauthenticated(refused)
            | Self::Forbidden(refused)
            | Self::AlreadyExists(refused)
            | Self::Recreated(refused)
            | Self::Invalid(refused)
            | Self::Expired(refused)
            | Self::Unavailable(refused)
            | Self::Refused(refused) => Some(refused),
            Self::Conflict(conflict) => Some(&conflict.refused),
            Self::Unreachable(_)
            | Self::Interrupted(_)
            | Self::Stale(_)
            | Self::Unsendable(_)
            | Self::Unreadable(_) => None,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.refused().and_then(|refused| refused.retry_after)
    }

    /// Whether it is certain that nothing was done, and may be different the next time.
    pub(crate) const fn did_nothing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unavailable(_))
    }

    /// Whether it may be different the next time.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Interrupted(_) | Self::OutcomeUnknown(_) => true,
            Self::Refused(refused) => matches!(refused.status, 502..=504),
            _ => self.did_nothing(),
        }
    }
}
