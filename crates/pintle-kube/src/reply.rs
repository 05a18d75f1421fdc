//! Responses: documents in the form that was asked for, and failures.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Response, StatusCode};
use pintle_authz::PathForbidden;
use pintle_engine::Refusal;
use pintle_http::websocket::HandshakeError;
use pintle_http::{
    Answer, Body, BodyError, Lapsed, Misdirected, Recording, Unauthenticated, set_header,
};
use pintle_model::{FieldError, InvalidSelector};
use serde_json::Value;

use crate::accept::{Encoding, Form};
use crate::refusals::{self, Deed};
use crate::status::{About, Status};

/// Why a request was not answered with what it asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No page and no kind has this path.
    NoSuchPath,
    /// The path exists, and cannot do this.
    MethodNotAllowed { allow: &'static str },
    /// None of the forms that the client accepts is there.
    NotAcceptable,
    /// The `Content-Type` is not one that is understood here.
    UnsupportedMediaType { message: String },
    /// The credentials prove nothing.
    Unauthenticated(Unauthenticated),
    /// The caller showed none, and asked for what is only told to those who do.
    LoginRequired,
    /// The credentials that a stream began with prove nothing any more.
    Lapsed(Lapsed),
    /// The caller may not see this page.
    PathForbidden(PathForbidden),
    /// The request was meant for another host, or comes from another origin.
    Misdirected(Misdirected),
    /// The body could not be read.
    Body(BodyError),
    /// The WebSocket cannot be opened.
    Handshake(HandshakeError),
    /// The request is malformed, or asks for what is not there, in upstream's words.
    Told(Box<Status>),
    /// The engine refused.
    Refused(Box<Refused>),
    /// The gate did not let it pass.
    Closed(Box<Answer>),
}

/// A refusal of the engine, with what is needed to tell it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) about: About,
    pub(crate) deed: Deed,
}

impl Failure {
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::told(Status::bad_request(message))
    }

    pub(crate) fn told(status: Status) -> Self {
        Self::Told(Box::new(status))
    }

    /// Options that do not go together, or that there are not.
    pub(crate) fn invalid_options(kind: &str, faults: &[FieldError]) -> Self {
        let about =
            About { group: "meta.k8s.io".to_owned(), kind: kind.to_owned(), ..About::default() };
        Self::told(Status::invalid(&about, faults))
    }

    fn status(&self) -> Status {
        match self {
            Self::NoSuchPath => {
                let message = "the server could not find the requested resource";
                Status::new(404, "NotFound", message)
            }
            Self::MethodNotAllowed { .. } => {
                let message = "the server does not allow this method on the requested resource";
                Status::new(405, "MethodNotAllowed", message)
            }
            Self::NotAcceptable => Status::new(
                406,
                "NotAcceptable",
                "only the following media types are accepted: application/json, application/yaml",
            ),
            Self::UnsupportedMediaType { message } => {
                Status::new(415, "UnsupportedMediaType", message)
            }
            // What was wrong with it is for the log: as upstream, strangers are told nothing.
            Self::Unauthenticated(_) | Self::LoginRequired => {
                Status::new(401, "Unauthorized", "Unauthorized")
            }
            Self::Lapsed(lapsed) => Status::new(401, "Unauthorized", lapsed.to_string()),
            Self::PathForbidden(error) => Status::new(403, "Forbidden", error.to_string()),
            Self::Misdirected(Misdirected::NotOneHost(error)) => {
                Status::bad_request(error.to_string())
            }
            Self::Misdirected(Misdirected::Foreign(error)) => {
                Status::new(403, "Forbidden", error.to_string())
            }
            Self::Body(error) => body_status(error),
            Self::Handshake(error) => handshake_status(error),
            Self::Told(status) => Status::clone(status),
            Self::Refused(refused) => {
                refusals::status(&refused.refusal, &refused.about, refused.deed)
            }
            Self::Closed(answer) => {
                let status = Status::new(answer.status.as_u16(), "ServiceUnavailable", "");
                let status = Status { message: answer.message.clone(), ..status };
                answer.retry_after.map_or(status.clone(), |seconds| status.retry_after(seconds))
            }
        }
    }

    /// What was wrong with the credentials.
    const fn unproven(&self) -> Option<&'static str> {
        match self {
            Self::Unauthenticated(error) => Some(error.as_str()),
            Self::LoginRequired => Some(Unauthenticated::Missing.as_str()),
            _ => None,
        }
    }
}

fn body_status(error: &BodyError) -> Status {
    let message = error.to_string();
    match error {
        BodyError::TooLarge { .. } => Status::new(413, "RequestEntityTooLarge", message),
        BodyError::Encoded { .. } => Status::new(415, "UnsupportedMediaType", message),
        BodyError::TimedOut(_) => Status::new(408, "Timeout", message),
        BodyError::Broken => Status::bad_request(message),
    }
}

fn handshake_status(error: &HandshakeError) -> Status {
    match error {
        HandshakeError::ForeignOrigin { .. } => Status::new(403, "Forbidden", error.to_string()),
        HandshakeError::Version | HandshakeError::Malformed(_) => {
            Status::bad_request(error.to_string())
        }
    }
}

/// Tells a failure: always as JSON, which every client reads.
pub(crate) fn answer_failure(failure: &Failure, recording: &Recording) -> Response<Body> {
    let status = noted(failure, recording);
    let mut response = document(status.code, Encoding::Json, &status.to_value());
    let headers = response.headers_mut();
    if let Some(seconds) = status.details.get("retryAfterSeconds") {
        set_header(headers, RETRY_AFTER, &seconds.to_string());
    }
    if status.code == 401 {
        set_header(headers, WWW_AUTHENTICATE, "Bearer realm=\"pintle\"");
    }
    match failure {
        Failure::MethodNotAllowed { allow } => set_header(headers, ALLOW, allow),
        // What was not read is in the way of the next request.
        Failure::Body(_) => set_header(headers, CONNECTION, "close"),
        _ => {}
    }
    response
}

/// A failure as the object of an ERROR event.
pub(crate) fn failure_object(failure: &Failure, recording: &Recording) -> Value {
    noted(failure, recording).to_value()
}

fn noted(failure: &Failure, recording: &Recording) -> Status {
    let status = failure.status();
    recording.note(|exchange| {
        if let Failure::Refused(refused) = failure {
            exchange.refused(&refused.refusal);
        }
        exchange.unproven = failure.unproven();
        exchange.told(&refusals::answer(failure, &status));
    });
    status
}

/// A document in an encoding.
pub(crate) fn document(code: u16, encoding: Encoding, value: &Value) -> Response<Body> {
    encoded(code, encoding, value.to_string().into())
}

/// JSON text in an encoding.
pub(crate) fn encoded(code: u16, encoding: Encoding, json: Bytes) -> Response<Body> {
    let body = match encoding {
        Encoding::Json => json,
        Encoding::Yaml => yaml(&json).into(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    set_header(response.headers_mut(), CONTENT_TYPE, encoding.media_type());
    set_header(response.headers_mut(), CACHE_CONTROL, "no-cache, private");
    response
}

/// JSON is YAML too: should it not be written otherwise, it goes as it is.
fn yaml(json: &[u8]) -> String {
    let value: Value = serde_json::from_slice(json).unwrap_or(Value::Null);
    serde_saphyr::to_string(&value).unwrap_or_else(|_| value.to_string())
}

/// The encoding of an answer that has no table.
pub(crate) fn plain_form(headers: &HeaderMap) -> Result<Form, Failure> {
    Form::plain(headers).ok_or(Failure::NotAcceptable)
}

impl From<Lapsed> for Failure {
    fn from(lapsed: Lapsed) -> Self {
        Self::Lapsed(lapsed)
    }
}

impl From<Unauthenticated> for Failure {
    fn from(error: Unauthenticated) -> Self {
        Self::Unauthenticated(error)
    }
}

impl From<Misdirected> for Failure {
    fn from(error: Misdirected) -> Self {
        Self::Misdirected(error)
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<HandshakeError> for Failure {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<InvalidSelector> for Failure {
    fn from(error: InvalidSelector) -> Self {
        Self::bad_request(error.to_string())
    }
}
