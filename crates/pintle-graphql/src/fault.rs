//! What concerns a request, or a root field of it, and no one object: told at the top level of the
//! response, with a code for programs.

use http::StatusCode;
use pintle_http::{Answer, Reason};
use serde_json::{Map, Value, json};

use crate::coerce::BadInput;
use crate::limits::LimitExceeded;

/// Why a request, or a root field, has no answer.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// For programs.
    pub(crate) code: &'static str,
    /// The status that the REST door would answer with.
    pub(crate) status: StatusCode,
    /// For people.
    pub(crate) message: String,
    /// Whether the same caller can succeed by trying again.
    pub(crate) retryable: bool,
    /// Seconds to wait before that.
    pub(crate) retry_after: Option<u32>,
    /// What the code says beside its message.
    pub(crate) details: Vec<(&'static str, Value)>,
    /// Lines and columns in the document, from 1.
    pub(crate) locations: Vec<(usize, usize)>,
    /// Where in the response; empty when there is none.
    pub(crate) path: Box<[Value]>,
    /// Whether the request is one, and it is its document or its variables that are at fault.
    pub(crate) in_document: bool,
}

impl Fault {
    /// One that trying again does not change.
    pub(crate) fn new(code: &'static str, status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            message: message.into(),
            retryable: false,
            retry_after: None,
            details: Vec::new(),
            locations: Vec::new(),
            path: Box::default(),
            in_document: false,
        }
    }

    /// The request is malformed.
    pub(crate) fn bad_input(message: impl Into<String>) -> Self {
        Self::new("BAD_USER_INPUT", StatusCode::BAD_REQUEST, message)
    }

    /// The document is not one of GraphQL.
    pub(crate) fn parse(message: impl Into<String>) -> Self {
        Self::new("GRAPHQL_PARSE_FAILED", StatusCode::BAD_REQUEST, message).of_document()
    }

    /// The document does not fit the schema.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("GRAPHQL_VALIDATION_FAILED", StatusCode::BAD_REQUEST, message).of_document()
    }

    /// Who calls is not known, and has to be.
    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::of(Answer::of(Reason::Unauthenticated, message))
    }

    /// No kind of this name can be asked for here.
    pub(crate) fn kind_not_served(message: impl Into<String>) -> Self {
        Self::of(Answer::of(Reason::KindNotServed, message))
    }

    /// As the table of refusals has it.
    pub(crate) fn of(answer: Answer) -> Self {
        let Answer { status, reason, message, retryable, retry_after } = answer;
        Self { retryable, retry_after, ..Self::new(reason.as_str(), status, message) }
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// The request is one; its document, or a variable, is at fault.
    #[must_use]
    pub(crate) fn of_document(self) -> Self {
        Self { in_document: true, ..self }
    }

    /// The same for those who are told of requests.
    pub(crate) fn to_answer(&self) -> Answer {
        let known = Reason::ALL.iter().find(|reason| reason.as_str() == self.code);
        let alike = || Reason::ALL.iter().find(|reason| reason.status() == self.status);
        let reason = known.or_else(alike).copied().unwrap_or(Reason::BadRequest);
        Answer { status: self.status, ..Answer::of(reason, self.message.clone()) }
    }

    /// As the response tells it.
    pub(crate) fn to_json(&self, request_id: &str) -> Value {
        let mut error = Map::new();
        error.insert("message".to_owned(), json!(self.message));
        if !self.locations.is_empty() {
            let places = self.locations.iter();
            let places = places.map(|(line, column)| json!({"line": line, "column": column}));
            error.insert("locations".to_owned(), places.collect());
        }
        if !self.path.is_empty() {
            error.insert("path".to_owned(), Value::Array(self.path.to_vec()));
        }
        let mut extensions = Map::new();
        extensions.insert("code".to_owned(), json!(self.code));
        extensions.insert("reason".to_owned(), json!(kubernetes_reason(self.status)));
        extensions.insert("httpStatus".to_owned(), json!(self.status.as_u16()));
        extensions.insert("retryable".to_owned(), json!(self.retryable));
        if let Some(seconds) = self.retry_after {
            extensions.insert("retryAfterMs".to_owned(), json!(u64::from(seconds) * 1_000));
        }
        extensions.insert("requestId".to_owned(), json!(request_id));
        for (name, value) in &self.details {
            extensions.insert((*name).to_owned(), value.clone());
        }
        error.insert("extensions".to_owned(), Value::Object(extensions));
        Value::Object(error)
    }
}

/// The word that Kubernetes has for a status, in the `reason` of its own.
const fn kubernetes_reason(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        406 => "NotAcceptable",
        409 => "Conflict",
        410 => "Expired",
        413 => "RequestEntityTooLarge",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "BadRequest",
    }
}

impl From<BadInput> for Fault {
    fn from(bad: BadInput) -> Self {
        Self::bad_input(bad.to_string()).with("inputPath", bad.path).of_document()
    }
}

impl From<LimitExceeded> for Fault {
    fn from(exceeded: LimitExceeded) -> Self {
        let LimitExceeded { name, limit, actual } = exceeded;
        Self::new("LIMIT_EXCEEDED", StatusCode::BAD_REQUEST, exceeded.to_string())
            .of_document()
            .with("name", name)
            .with("limit", limit)
            .with("actual", actual)
    }
}
