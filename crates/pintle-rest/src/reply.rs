//! Responses: objects, pages, and failures with their codes.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, ETAG, HeaderName, RETRY_AFTER, VARY,
    WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use pintle_authz::PathForbidden;
use pintle_engine::{Engine, Refusal, Served};
use pintle_events::document::{self, View};
use pintle_events::{InvalidCursor, InvalidPattern};
use pintle_http::health::{self, Check};
use pintle_http::{
    Answer, Body, BodyError, ForeignHost, Format, InvalidEntityTag, Lapsed, Metrics, Misdirected,
    NotActing, Reason, Recording, Subject, Unauthenticated, answer, set_header,
};
use pintle_model::{GroupResource, InvalidRevision, InvalidSelector, Object};
use pintle_rules::{Conflict, Refusal as RulesRefusal};
use pintle_schema::Version;
use serde_json::{Map, Value, json};

use crate::accept;
use crate::docs::Asset;

/// A page of the door's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// For Fabrica's clients.
    Health,
    /// The process is alive.
    Healthz,
    /// Likewise.
    Livez,
    /// The server can do its work.
    Readyz,
    /// What is counted and timed.
    Metrics,
    /// What the door does, for programs.
    OpenApi,
    /// The same for people.
    Docs(Asset),
    /// Where another door is, on servers that have it: no kind takes the name, with or without.
    Reserved(&'static str),
}

impl Page {
    /// The pages that this door has.
    pub(crate) const ALL: [Self; 9] = [
        Self::Health,
        Self::Healthz,
        Self::Livez,
        Self::Readyz,
        Self::Metrics,
        Self::OpenApi,
        Self::Docs(Asset::Page),
        Self::Docs(Asset::Style),
        Self::Docs(Asset::Script),
    ];

    /// The first segments of the paths of other doors.
    const RESERVED: [&'static str; 5] = ["/graphql", "/api", "/apis", "/version", "/openapi"];

    /// All of them, and what is kept for other doors.
    pub(crate) fn every() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().chain(Self::RESERVED.map(Self::Reserved))
    }

    /// The page that has this first segment, and possibly others below it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let kept = || {
            let kept = Self::RESERVED.into_iter();
            kept.map(Self::Reserved).find(|page| page.is_at(name))
        };
        Self::at(name).filter(|_| !name.contains('/')).or_else(kept)
    }

    /// The page at this path, which has no slash before it.
    pub(crate) fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|page| page.is_at(path))
    }

    fn is_at(self, path: &str) -> bool {
        self.path().strip_prefix('/') == Some(path)
    }

    /// Where it is.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Healthz => "/healthz",
            Self::Livez => "/livez",
            Self::Readyz => "/readyz",
            Self::Metrics => "/metrics",
            Self::OpenApi => "/openapi.json",
            Self::Docs(Asset::Page) => "/docs",
            Self::Docs(Asset::Style) => "/docs/page.css",
            Self::Docs(Asset::Script) => "/docs/page.js",
            Self::Reserved(path) => path,
        }
    }

    /// Pages are to be read. Where there is none, no method is better than another.
    pub(crate) fn check_method(self, method: &Method) -> Result<(), Failure> {
        match self {
            Self::Reserved(_) => Ok(()),
            _ if method == Method::GET || method == Method::HEAD => Ok(()),
            _ => Err(Failure::MethodNotAllowed { allow: "GET, HEAD".to_owned() }),
        }
    }

    /// The path that the rules are asked about; nothing for a page that is for everybody, because
    /// it only says whether the server is well.
    pub(crate) const fn guarded_path(self) -> Option<&'static str> {
        match self {
            // What `/docs` shows, it reads from `/openapi.json`, as its reader.
            Self::Health | Self::Healthz | Self::Livez | Self::Readyz | Self::Docs(_) => None,
            Self::OpenApi => Some(self.path()),
            Self::Metrics => Some("/metrics"),
            Self::Reserved(path) => Some(path),
        }
    }
}

/// How the server is, for Fabrica's clients.
pub(crate) fn health() -> Response<Body> {
    json_response(StatusCode::OK, &json!({"status": "healthy", "service": "pintle"}))
}

/// What is counted and timed.
pub(crate) fn metrics(engine: &Engine, metrics: &Metrics, parts: &Parts) -> Response<Body> {
    let format = Format::asked_for(&parts.headers);
    text_response(StatusCode::OK, format.media_type(), metrics.page(engine, format))
}

/// The answer of a page about health: `ok`, or with `?verbose` and when something is wrong, all
/// that was looked at. `?exclude=NAME` leaves a check out. As upstream.
pub(crate) fn checked(page: &str, checks: &[Check], parts: &Parts) -> Response<Body> {
    let query = parts.uri.query().unwrap_or_default();
    let pairs = || query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let left_out = |check: &&Check| !pairs().any(|pair| pair == ("exclude", check.name));
    let checks: Vec<Check> = checks.iter().filter(left_out).cloned().collect();
    let (well, list) = health::list(page, &checks);
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let brief = well && !pairs().any(|(name, _)| name == "verbose");
    let text = if brief { "ok".to_owned() } else { list };
    text_response(status, "text/plain; charset=utf-8", text)
}

fn text_response(status: StatusCode, media_type: &str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    set_header(response.headers_mut(), CONTENT_TYPE, media_type);
    response
}

fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    json_bytes(status, value.to_string().into())
}

/// A response whose body is JSON text.
pub(crate) fn json_bytes(status: StatusCode, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A response with one object and its entity tag.
pub(crate) fn object_response(
    status: StatusCode,
    served: &Served,
    version: &Version,
    object: &Object,
    view: View,
) -> Response<Body> {
    let mut response = json_bytes(status, document::object(served, version, object, view));
    set_entity_tag(&mut response, object);
    set_media_type(&mut response, served, version);
    response
}

/// Says which version the objects of a response are in, where it is not the usual one.
pub(crate) fn set_media_type(response: &mut Response<Body>, served: &Served, version: &Version) {
    if served.definition.versions.len() > 1 {
        // What one version was answered is no answer to who asks for another.
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    }
    if version.name != served.default_version().name {
        let media_type = format!("application/json;version={}", version.name);
        set_header(response.headers_mut(), CONTENT_TYPE, &media_type);
    }
}

/// Sets the entity tag of an object.
pub(crate) fn set_entity_tag(response: &mut Response<Body>, object: &Object) {
    set_header(response.headers_mut(), ETAG, &format!("\"{}\"", object.revision));
}

/// A JSON body that is neither an object of a kind nor a failure.
pub(crate) fn message(value: &Value) -> Response<Body> {
    json_response(StatusCode::OK, value)
}

/// The version of a kind that a request asks for: `Accept: application/json;version=v1`, else the
/// default one.
pub(crate) fn negotiate(
    served: &Arc<Served>,
    headers: &HeaderMap,
) -> Result<Arc<Version>, Failure> {
    let asked = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .find_map(|part| part.trim().strip_prefix("version="));
    let asked = match asked {
        Some(asked) => asked.trim_matches('"'),
        None if served.default_version().served => return Ok(Arc::clone(served.default_version())),
        // A kind of which no version is served.
        None => &served.default_version().name,
    };
    let version = served.definition.version(asked).filter(|version| version.served);
    version.cloned().ok_or_else(|| Failure::UnknownVersion {
        asked: asked.chars().take(64).collect(),
        served: served.definition.served_versions().iter().map(|it| it.name.to_string()).collect(),
    })
}

/// Why a request was not answered with what it asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No page and no kind has this path.
    NoSuchPath,
    /// The path is that of a door which is not open on this server.
    ReservedPath {
        /// The path.
        path: &'static str,
    },
    /// Nothing is counted.
    NoMetrics,
    /// No kind has this plural name.
    UnknownKind { name: String },
    /// The caller showed no credentials, and asked for what is only told to those who do.
    LoginRequired,
    /// Two groups have a kind of this plural name.
    AmbiguousKind { plural: String, names: Vec<String> },
    /// The objects of the kind are in no namespace, and one was named.
    NotNamespaced { resource: GroupResource },
    /// The path exists, and cannot do this.
    MethodNotAllowed { allow: String },
    /// The client takes nothing of what there is.
    NotAcceptable,
    /// The kind has no such version.
    UnknownVersion { asked: String, served: Vec<String> },
    /// The version of the kind has no status subresource.
    NoStatusSubresource { version: String },
    /// The request is malformed.
    BadRequest { message: String },
    /// The body holds more values than are read.
    TooManyValues { message: String },
    /// The `Content-Type` is not one that is understood here.
    UnsupportedMediaType { given: String, accepted: &'static str },
    /// The credentials prove nothing.
    Unauthenticated(Unauthenticated),
    /// The credentials that a stream began with prove nothing any more.
    Lapsed(Lapsed),
    /// The caller may not see this page.
    PathForbidden(PathForbidden),
    /// The request was meant for another host, or comes from another origin.
    ForeignHost(ForeignHost),
    /// The body could not be read.
    Body(BodyError),
    /// `If-Match` can never be met.
    NeverMatches,
    /// The engine refused.
    Refused(Box<Refused>),
    /// The gate did not let it pass.
    Closed(Box<Answer>),
}

/// A refusal of the engine, with what is needed to tell it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) subject: Subject,
    /// The version came in a header, so a conflict is a failed precondition.
    pub(crate) by_header: bool,
    /// The current object, rendered, for a conflict whose caller asked for it and may see it.
    pub(crate) current: Option<Bytes>,
    /// The namespace that a name was looked for in.
    pub(crate) searched: Option<String>,
}

impl Failure {
    /// A refusal of something that is about no one resource.
    pub(crate) fn of(refusal: Refusal, subject: Subject) -> Self {
        let (by_header, current, searched) = (false, None, None);
        Self::Refused(Box::new(Refused { refusal, subject, by_header, current, searched }))
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::BadRequest { message: message.into() }
    }

    pub(crate) fn told_of(refusal: Refusal, subject: Subject) -> Self {
        let refused = Refused { refusal, subject, by_header: false, current: None, searched: None };
        Self::Refused(Box::new(refused))
    }

    /// What was wrong with the credentials.
    const fn unproven(&self) -> Option<&'static str> {
        match self {
            Self::Unauthenticated(error) => Some(error.as_str()),
            Self::LoginRequired => Some(Unauthenticated::Missing.as_str()),
            _ => None,
        }
    }

    /// A fault of the server. What went wrong is for the log.
    pub(crate) fn internal(what: &str) -> Self {
        let subject =
            Subject { resource: GroupResource::from_text("request"), name: String::new() };
        Self::told_of(Refusal::Internal(what.to_owned()), subject)
    }

    /// Whether it says which kinds there are, and what they can do.
    pub(crate) const fn tells_of_kinds(&self) -> bool {
        matches!(
            self,
            Self::UnknownKind { .. }
                | Self::AmbiguousKind { .. }
                | Self::NotNamespaced { .. }
                | Self::UnknownVersion { .. }
                | Self::NoStatusSubresource { .. }
                | Self::MethodNotAllowed { .. }
        )
    }

    #[expect(clippy::too_many_lines, reason = "a table is read whole: one row a failure")]
    fn answer(&self) -> Answer {
        match self {
            Self::NoSuchPath => {
                let message = "there is nothing at this path; the kinds that are served are the \
                               objects of /customresourcedefinitions";
                Answer::of(Reason::NotFound, message)
            }
            Self::ReservedPath { path } => Answer::of(
                Reason::NotFound,
                format!(
                    "{path} is kept for the server's own use; a kind of that name is at \
                     {path}.<group>"
                ),
            ),
            Self::NoMetrics => Answer::of(
                Reason::NotFound,
                "metrics are switched off on this server; it has them with --metrics=true",
            ),
            Self::UnknownKind { name } => Answer::of(
                Reason::KindNotServed,
                format!(
                    "no kind with the plural name {name:?} is served here; the kinds are the \
                         objects of /customresourcedefinitions"
                ),
            ),
            Self::LoginRequired => {
                Answer::of(Reason::Unauthenticated, "send `Authorization: Bearer <token>`")
            }
            Self::AmbiguousKind { plural, names } => Answer::of(
                Reason::AmbiguousKind,
                format!("more than one group has {plural}; use {}", names.join(" or ")),
            ),
            Self::NotNamespaced { resource } => Answer::of(
                Reason::BadRequest,
                format!(
                    "the objects of {resource} are in no namespace; leave the query parameter \
                     \"namespace\" out"
                ),
            ),
            Self::MethodNotAllowed { allow } => {
                Answer::of(Reason::MethodNotAllowed, format!("this path can do {allow}"))
            }
            Self::TooManyValues { message } => Answer::of(Reason::TooLarge, message.as_str()),
            Self::NotAcceptable => {
                let offered = accept::OFFERED.join(", ");
                let message = format!("Accept takes nothing of what there is here: {offered}");
                Answer::of(Reason::NotAcceptable, message)
            }
            Self::UnknownVersion { asked, served } => Answer::of(
                Reason::VersionNotServed,
                format!("version {asked:?} is not served; served are {}", served.join(", ")),
            ),
            Self::NoStatusSubresource { version } => Answer::of(
                Reason::NotFound,
                format!(
                    "version {version:?} of this kind declares no status subresource; its \
                         status is written with the object"
                ),
            ),
            Self::BadRequest { message } => Answer::of(Reason::BadRequest, message.clone()),
            Self::UnsupportedMediaType { given, accepted } => Answer::of(
                Reason::UnsupportedMediaType,
                format!("Content-Type {given:?} is not understood here; send {accepted}"),
            ),
            Self::Unauthenticated(error) => Answer::of(Reason::Unauthenticated, error.to_string()),
            Self::Lapsed(lapsed) => Answer::of(Reason::Unauthenticated, lapsed.to_string()),
            Self::PathForbidden(error) => Answer::of(Reason::Forbidden, error.to_string()),
            Self::ForeignHost(error) => Answer::of(Reason::ForeignHost, error.to_string()),
            Self::Body(error) => body_answer(error),
            Self::NeverMatches => Answer {
                status: StatusCode::PRECONDITION_FAILED,
                ..Answer::of(
                    Reason::Conflict,
                    "a weak entity tag never matches in If-Match; send the tag as the ETag \
                     header had it",
                )
            },
            Self::Closed(answer) => (**answer).clone(),
            Self::Refused(refused) => {
                let mut found = answer(&refused.refusal, &refused.subject);
                if let Some(namespace) = &refused.searched
                    && refused.refusal == Refusal::Rules(RulesRefusal::NotFound)
                {
                    let place = format!(" in namespace {namespace:?}; ?namespace= names another");
                    found.message.push_str(&place);
                }
                if refused.by_header && found.status == StatusCode::CONFLICT {
                    found.status = StatusCode::PRECONDITION_FAILED;
                }
                found
            }
        }
    }

    /// The failure as JSON.
    fn body(&self, found: &Answer) -> Map<String, Value> {
        let mut body = self.details();
        body.insert("error".to_owned(), Value::from(found.message.as_str()));
        body.insert("code".to_owned(), Value::from(found.status.as_u16()));
        body.insert("reason".to_owned(), Value::from(found.reason.as_str()));
        if found.retryable {
            body.insert("retryable".to_owned(), Value::Bool(true));
        }
        body
    }

    /// What a failure says beside its code and its sentence.
    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        if let Self::Refused(refused) = self {
            refused.describe(&mut details);
        }
        if let Self::AmbiguousKind { names, .. } = self {
            details.insert("paths".to_owned(), json!(names));
        }
        details
    }
}

fn body_answer(error: &BodyError) -> Answer {
    let reason = match error {
        BodyError::TooLarge { .. } => Reason::TooLarge,
        BodyError::Encoded { .. } => Reason::UnsupportedMediaType,
        BodyError::TimedOut(_) => Reason::RequestTimeout,
        BodyError::Broken => Reason::BadRequest,
    };
    Answer::of(reason, error.to_string())
}

impl Refused {
    fn describe(&self, details: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| details.insert(name.to_owned(), value);
        match &self.refusal {
            Refusal::Rules(RulesRefusal::Conflict(conflict)) => {
                self.describe_conflict(conflict, details);
            }
            Refusal::Rules(RulesRefusal::UidMismatch { expected, current, .. }) => {
                put("expectedUid", json!(expected.as_ref().map(pintle_model::Uid::as_str)));
                put("currentUid", json!(current.as_str()));
            }
            Refusal::Rules(RulesRefusal::AlreadyExists { uid }) => {
                put("uid", json!(uid.as_str()));
            }
            Refusal::Rules(RulesRefusal::Boundary { path }) => {
                put("path", json!(path));
            }
            Refusal::Rules(RulesRefusal::Invalid(faults)) => {
                let causes = faults.iter().map(|fault| {
                    json!({
                        "path": fault.path,
                        "reason": fault.kind.reason(),
                        "message": fault.message(),
                    })
                });
                put("causes", Value::Array(causes.collect()));
            }
            Refusal::Rules(RulesRefusal::UnknownFields(fields)) => {
                put("fields", json!(fields));
            }
            Refusal::Expired { oldest, .. } => {
                put("oldestResourceVersion", json!(oldest.to_string()));
            }
            Refusal::FromTheFuture { newest, .. } => {
                put("currentResourceVersion", json!(newest.to_string()));
            }
            _ => {}
        }
    }

    fn describe_conflict(&self, conflict: &Conflict, details: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| details.insert(name.to_owned(), value);
        put("expectedResourceVersion", json!(conflict.expected.to_string()));
        put("currentResourceVersion", json!(conflict.current.to_string()));
        put("currentGeneration", json!(conflict.generation.0));
        put("specChanged", json!(conflict.spec_changed));
        put("statusChanged", json!(conflict.status_changed));
        put("retryable", json!(true));
        if let Some(current) = &self.current {
            put("current", serde_json::from_slice(current).unwrap_or(Value::Null));
        }
    }
}

/// Tells a failure: `{"error": text, "code": status, "reason": CODE, "requestId": name, ...}`.
pub(crate) fn answer_failure(failure: &Failure, recording: &Recording) -> Response<Body> {
    let found = failure.answer();
    let mut response = json_response(found.status, &failure_body(failure, &found, recording));
    let headers = response.headers_mut();
    if let Some(seconds) = found.retry_after {
        set_header(headers, RETRY_AFTER, &seconds.to_string());
    }
    if found.status == StatusCode::UNAUTHORIZED {
        set_header(headers, WWW_AUTHENTICATE, "Bearer realm=\"pintle\"");
    }
    match failure {
        Failure::MethodNotAllowed { allow } => set_header(headers, ALLOW, allow),
        // What was not read is in the way of the next request.
        Failure::Body(_) => set_header(headers, CONNECTION, "close"),
        Failure::UnsupportedMediaType { accepted, .. } if accepted.contains("patch") => {
            set_header(headers, HeaderName::from_static("accept-patch"), accepted);
        }
        _ => {}
    }
    response
}

/// A failure in the form that watches tell it, as the object of an ERROR event.
pub(crate) fn failure_object(failure: &Failure, recording: &Recording) -> Value {
    failure_body(failure, &failure.answer(), recording)
}

/// Notes a failure, and says it as JSON.
fn failure_body(failure: &Failure, found: &Answer, recording: &Recording) -> Value {
    recording.note(|exchange| {
        if let Failure::Refused(refused) = failure {
            exchange.refused(&refused.refusal);
        }
        exchange.unproven = failure.unproven();
        exchange.told(found);
    });
    let mut body = failure.body(found);
    body.insert("requestId".to_owned(), Value::from(recording.id().to_string()));
    Value::Object(body)
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

impl From<NotActing> for Failure {
    fn from(error: NotActing) -> Self {
        match error {
            NotActing::Malformed(why) => Self::bad_request(why),
            NotActing::Stranger => Self::LoginRequired,
            NotActing::Forbidden(forbidden) => {
                let resource = forbidden.ask.resource.clone();
                let name = forbidden.ask.name.as_deref().unwrap_or_default().to_owned();
                let subject = Subject { resource, name };
                Self::of(Refusal::Forbidden(*forbidden), subject)
            }
        }
    }
}

impl From<Misdirected> for Failure {
    fn from(error: Misdirected) -> Self {
        match error {
            Misdirected::NotOneHost(error) => Self::bad_request(error.to_string()),
            Misdirected::Foreign(error) => Self::ForeignHost(error),
        }
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<InvalidSelector> for Failure {
    fn from(error: InvalidSelector) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<InvalidPattern> for Failure {
    fn from(error: InvalidPattern) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<InvalidCursor> for Failure {
    fn from(error: InvalidCursor) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<InvalidEntityTag> for Failure {
    fn from(error: InvalidEntityTag) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<InvalidRevision> for Failure {
    fn from(error: InvalidRevision) -> Self {
        let why = "it must be the decimal text that the server gave out";
        let refusal = RulesRefusal::InvalidRevision { given: error.0, why };
        let resource = GroupResource::from_text("request");
        Self::Refused(Box::new(Refused {
            refusal: Refusal::Rules(refusal),
            subject: Subject { resource, name: String::new() },
            by_header: false,
            current: None,
            searched: None,
        }))
    }
}
