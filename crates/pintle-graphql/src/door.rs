//! [`GraphqlDoor`]: from a request to its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apollo_compiler::executable::OperationType;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, SEC_WEBSOCKET_VERSION, VARY,
    WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use pintle_authz::{User, Verb};
use pintle_engine::Engine;
use pintle_http::websocket::{Handshake, HandshakeError};
use pintle_http::{
    Body, BodyError, Caller, Door, Entrance, Exchange, Misdirected, NotActing, Reason, Recording,
    RequestBody, Unauthenticated, manager_of, set_header, told_warnings,
};

use crate::executor::{Call, Executed, execute};
use crate::fault::Fault;
use crate::graphiql;
use crate::limits::OperationLimits;
use crate::numbers::Numbers;
use crate::operation::Begun;
use crate::prepare::Prepared;
use crate::publish::{Edition, Publisher};
use crate::request::{Asked, MediaType, check_content_type};
use crate::sse;
use crate::subscribe::Encodings;
use crate::transport_ws::{self, StreamLimits};

/// Where operations are sent.
pub(crate) const PATH: &str = "/graphql";
/// Where the schema is read. Whoever may not read it cannot ask for it by introspection either.
const SCHEMA_PATH: &str = "/graphql/schema.graphql";

/// The methods that would do, in the details of a fault, and as a header.
const ALLOWED: &str = "allow";

/// What the GraphQL door can be told.
#[derive(Debug, Clone)]
pub struct GraphqlSettings {
    /// What it asks of callers, as every door does.
    pub entrance: Entrance,
    /// What one operation may cost.
    pub limits: OperationLimits,
    /// A request has so long.
    pub request_timeout: Duration,
    /// What connections may do that can carry several answers.
    pub streams: StreamLimits,
    /// Where it counts.
    pub numbers: Arc<Numbers>,
}

impl Default for GraphqlSettings {
    fn default() -> Self {
        let entrance = Entrance { body_bytes_max: 3 * 1024 * 1024, ..Entrance::default() };
        let limits = OperationLimits::default();
        Self {
            entrance,
            limits,
            request_timeout: Duration::from_mins(1),
            streams: StreamLimits::default(),
            numbers: Arc::default(),
        }
    }
}

/// The GraphQL door over one engine.
#[derive(Debug)]
pub struct GraphqlDoor {
    engine: Arc<Engine>,
    settings: GraphqlSettings,
    publisher: Arc<Publisher>,
    encodings: Arc<Encodings>,
}

/// What is answered instead of data.
type Faults = Vec<Fault>;

impl GraphqlDoor {
    /// A door over this engine.
    pub fn new(engine: Arc<Engine>, settings: GraphqlSettings) -> Arc<Self> {
        let publisher = Publisher::new(Arc::clone(&engine));
        let encodings = Arc::new(Encodings::new(Arc::clone(&settings.numbers)));
        Arc::new(Self { engine, settings, publisher, encodings })
    }

    pub(crate) const fn settings(&self) -> &GraphqlSettings {
        &self.settings
    }

    pub(crate) const fn encodings(&self) -> &Arc<Encodings> {
        &self.encodings
    }

    /// Completes when the server goes down.
    pub(crate) async fn closing(&self) {
        drop(self.engine.closing().wait_for(|closing| *closing).await);
    }

    /// The schema of the moment.
    pub(crate) async fn edition(&self) -> Arc<Edition> {
        self.publisher.edition().await
    }

    /// Makes the schema anew whenever the kinds have changed, for as long as the engine runs, and
    /// says in the status of a definition when its kind cannot be in it. Without this, a schema is
    /// made when somebody asks.
    pub async fn follow(self: Arc<Self>) {
        Arc::clone(&self.publisher).follow().await;
    }

    async fn answer(self: Arc<Self>, request: Request<RequestBody>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let recording = Recording::begin("graphql", &self.settings.entrance.observers, &parts);
        let media_type = MediaType::negotiated(&parts.headers);
        let written_as = media_type.as_ref().copied().unwrap_or(MediaType::Json);
        let routed = Box::pin(Arc::clone(&self).route(&parts, body, &recording, media_type)).await;
        let mut response = routed.unwrap_or_else(|faults| refuse(&faults, written_as, &recording));
        if let Err(closed) = recording.pass().await {
            response = refuse(&[Fault::of(*closed)], written_as, &recording);
        }
        recording.answered(response)
    }

    async fn route(
        self: Arc<Self>,
        parts: &Parts,
        body: RequestBody,
        recording: &Arc<Recording>,
        media_type: Result<MediaType, Fault>,
    ) -> Result<Response<Body>, Faults> {
        self.settings.entrance.check_host(parts).map_err(misdirected)?;
        match parts.uri.path() {
            PATH => {
                recording.note(|exchange| exchange.path = PATH);
                if Handshake::is_asked(&parts.headers) {
                    return self.upgrade(parts, recording).await;
                }
                let looks = parts.method == Method::GET || parts.method == Method::HEAD;
                if looks && graphiql::is_wanted(&parts.headers) {
                    return Ok(graphiql::page(&parts.headers));
                }
                let written_as = WrittenAs::negotiated(media_type, &parts.headers).map_err(one)?;
                self.operation(parts, body, recording, written_as).await
            }
            path if graphiql::has(path) => {
                recording.note(|exchange| exchange.path = "/graphql/graphiql/{file}");
                match parts.method {
                    Method::GET | Method::HEAD => Ok(graphiql::at(path, &parts.headers)),
                    _ => Err(one(method_not_allowed("GET, HEAD"))),
                }
            }
            SCHEMA_PATH => {
                recording.note(|exchange| exchange.path = SCHEMA_PATH);
                self.schema(parts, recording).await
            }
            _ => Err(one(Fault::new(
                "NOT_FOUND",
                StatusCode::NOT_FOUND,
                "there is nothing at this path; operations go to /graphql",
            ))),
        }
    }

    /// The schema as text, for programs that generate code from it.
    async fn schema(&self, parts: &Parts, recording: &Recording) -> Result<Response<Body>, Faults> {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return Err(one(method_not_allowed("GET, HEAD")));
        }
        let caller = self.identify(parts, recording).await?;
        self.check_introspection(&caller).map_err(one)?;
        recording.note(Exchange::allowed_path);
        let edition = self.publisher.edition().await;
        let tag = &*edition.entity_tag;
        let same = |value: &HeaderValue| {
            value.to_str().is_ok_and(|tags| {
                let mut tags = tags.split(',').map(|it| it.trim().trim_start_matches("W/"));
                tags.any(|it| it == tag || it == "*")
            })
        };
        let is_known = parts.headers.get_all(IF_NONE_MATCH).iter().any(same);
        let mut response = if is_known {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            Response::new(Body::from(edition.published.sdl.as_bytes().to_vec()))
        };
        let headers = response.headers_mut();
        set_header(headers, CONTENT_TYPE, "text/plain; charset=utf-8");
        set_header(headers, CACHE_CONTROL, "no-cache, private");
        set_header(headers, ETAG, tag);
        Ok(response)
    }

    /// A WebSocket, over which operations come one after another.
    async fn upgrade(
        self: Arc<Self>,
        parts: &Parts,
        recording: &Recording,
    ) -> Result<Response<Body>, Faults> {
        let handshake = match Handshake::of(parts) {
            Ok(handshake) => handshake,
            Err(error) => return Ok(refuse_handshake(&error, recording)),
        };
        let entrance = &self.settings.entrance;
        let shown = match entrance.authentication.identify(parts).await {
            // They may still say who they are, with the first message.
            Ok(caller) if entrance.is_stranger(&caller) => None,
            Err(Unauthenticated::Missing) => None,
            Ok(caller) => {
                recording.note(|exchange| exchange.caller = Some(caller.clone()));
                self.acting(caller.clone(), &parts.headers, recording)?;
                Some(caller)
            }
            Err(error) => return Err(unproven(&error, recording)),
        };
        Ok(transport_ws::accept(Arc::clone(&self), parts.clone(), handshake, shown))
    }

    /// One operation of an HTTP request.
    async fn operation(
        &self,
        parts: &Parts,
        body: RequestBody,
        recording: &Arc<Recording>,
        written_as: WrittenAs,
    ) -> Result<Response<Body>, Faults> {
        let caller = self.identify(parts, recording).await?;
        self.check_stranger(&caller)?;
        if parts.method != Method::GET && parts.method != Method::POST {
            return Err(one(method_not_allowed("GET, POST")));
        }
        let asked = self.asked(parts, body, recording).await?;
        let edition = self.edition().await;
        let prepared = match self.prepare(&edition, &caller, &asked) {
            Ok(prepared) => prepared,
            Err(faults) => return self.refuse_as(written_as, faults, recording),
        };
        if prepared.kind() == OperationType::Subscription && written_as.takes_events() {
            let call = self.call(parts, caller, &edition, recording);
            return match self.subscribe(call, &asked, prepared).await {
                Ok(begun) => Ok(self.events(begun)),
                Err(faults) => self.refuse_as(WrittenAs::Events, faults, recording),
            };
        }
        check_method(&parts.method, prepared.kind()).map_err(one)?;
        let call = self.call(parts, caller, &edition, recording);
        let executed = self.execute(&call, &prepared).await?;
        let text = answer_text(&executed, recording);
        Ok(match written_as {
            WrittenAs::Events => self.events(Begun::Once(text.into())),
            WrittenAs::Json { media_type, .. } => response(StatusCode::OK, text, media_type),
        })
    }

    fn events(&self, begun: Begun) -> Response<Body> {
        sse::response(begun, self.settings.streams.keep_alive)
    }

    /// What is wrong with an operation. A stream is one whatever it tells.
    fn refuse_as(
        &self,
        written_as: WrittenAs,
        faults: Faults,
        recording: &Recording,
    ) -> Result<Response<Body>, Faults> {
        if let (WrittenAs::Events, Some(first)) = (written_as, faults.first()) {
            recording.note(|exchange| exchange.told(&first.to_answer()));
            return Ok(self.events(Begun::Refused(errors_text(&faults, recording))));
        }
        Err(faults)
    }

    /// What is wrong with a document says what the schema is like, so whoever has shown nothing is
    /// told of it only if everybody may read the schema.
    fn check_stranger(&self, caller: &Caller) -> Result<(), Faults> {
        if self.settings.entrance.is_stranger(caller) {
            self.check_introspection(caller).map_err(one)?;
        }
        Ok(())
    }

    /// Makes ready what a caller asks for, as far as that says nothing of what they may not see.
    pub(crate) fn prepare(
        &self,
        edition: &Edition,
        caller: &Caller,
        asked: &Asked,
    ) -> Result<Prepared, Faults> {
        self.check_stranger(caller)?;
        let prepared =
            edition.documents.prepare(&edition.published, &self.settings.limits, asked)?;
        if prepared.introspects() {
            self.check_introspection(caller).map_err(one)?;
        }
        Ok(prepared)
    }

    pub(crate) fn call(
        &self,
        parts: &Parts,
        caller: Caller,
        edition: &Edition,
        recording: &Arc<Recording>,
    ) -> Call {
        Call {
            engine: Arc::clone(&self.engine),
            published: Arc::clone(&edition.published),
            limits: self.settings.limits,
            is_stranger: self.settings.entrance.is_stranger(&caller),
            caller,
            recording: Arc::clone(recording),
            manager: manager_of(&parts.headers),
            warnings: Mutex::default(),
        }
    }

    async fn identify(&self, parts: &Parts, recording: &Recording) -> Result<Caller, Faults> {
        let identified = self.settings.entrance.identify(parts, recording).await;
        let caller = identified.map_err(|error| unproven(&error, recording))?;
        self.acting(caller, &parts.headers, recording)
    }

    /// Whom a caller asks to act as, if anybody.
    pub(crate) fn acts_as(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<User>>, NotActing> {
        self.settings.entrance.acts_as(&self.engine, caller, headers)
    }

    fn acting(
        &self,
        caller: Caller,
        headers: &HeaderMap,
        recording: &Recording,
    ) -> Result<Caller, Faults> {
        let acting = self.settings.entrance.acting(&self.engine, caller, headers, recording);
        acting.map_err(|error| {
            one(match error {
                NotActing::Malformed(why) => Fault::bad_input(why),
                NotActing::Stranger => Fault::unauthenticated(error.to_string()),
                NotActing::Forbidden(forbidden) => {
                    Fault::new("FORBIDDEN", StatusCode::FORBIDDEN, forbidden.to_string())
                }
            })
        })
    }

    async fn asked(
        &self,
        parts: &Parts,
        body: RequestBody,
        recording: &Recording,
    ) -> Result<Asked, Faults> {
        if parts.method == Method::GET {
            return Asked::from_query(parts.uri.query().unwrap_or_default()).map_err(one);
        }
        check_content_type(&parts.headers).map_err(one)?;
        let body = self.settings.entrance.read_body(parts, body, recording).await;
        Asked::from_body(&body.map_err(|error| one(body_fault(&error)))?).map_err(one)
    }

    /// Whether the caller may see the schema. Who has shown nothing, and may not, has to log in.
    fn check_introspection(&self, caller: &Caller) -> Result<(), Fault> {
        let checked = self.engine.rules().check_path(&caller.user, &Verb::Get, SCHEMA_PATH);
        checked.map_err(|forbidden| {
            if self.settings.entrance.is_stranger(caller) {
                return Fault::unauthenticated("send `Authorization: Bearer <token>`");
            }
            Fault::new("FORBIDDEN", StatusCode::FORBIDDEN, forbidden.to_string())
        })
    }

    /// Executes within the time that a request has. What a mutation has begun by then goes on, and
    /// nobody knows how far it came.
    pub(crate) async fn execute(
        &self,
        call: &Call,
        prepared: &Prepared,
    ) -> Result<Executed, Faults> {
        let patience = self.settings.request_timeout;
        let executed = tokio::time::timeout(patience, execute(call, prepared)).await;
        executed.map_err(|_| {
            // What may have been done must not be repeated blindly.
            let (what, retryable) = match prepared.kind() {
                OperationType::Mutation => ("; read before you write again", false),
                OperationType::Query | OperationType::Subscription => ("", true),
            };
            let message = format!("the operation took more than {patience:?}{what}");
            let fault = Fault::new("TIMEOUT", StatusCode::GATEWAY_TIMEOUT, message);
            one(Fault { retryable, ..fault })
        })
    }
}

impl Door for GraphqlDoor {
    fn handle(
        self: Arc<Self>,
        request: Request<RequestBody>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(self.answer(request))
    }
}

/// How the answer of an operation is written.
#[derive(Debug, Clone, Copy)]
enum WrittenAs {
    /// As a whole. A client that takes events as well is told by them what has no end.
    Json { media_type: MediaType, or_events: bool },
    /// As events, whatever it is.
    Events,
}

impl WrittenAs {
    fn negotiated(
        media_type: Result<MediaType, Fault>,
        headers: &HeaderMap,
    ) -> Result<Self, Fault> {
        let or_events = sse::is_taken(headers);
        match media_type {
            Ok(media_type) => Ok(Self::Json { media_type, or_events }),
            Err(_) if or_events => Ok(Self::Events),
            Err(fault) => Err(fault),
        }
    }

    const fn takes_events(self) -> bool {
        matches!(self, Self::Events | Self::Json { or_events: true, .. })
    }
}

/// Who sent it has shown something that proves nothing.
fn unproven(error: &Unauthenticated, recording: &Recording) -> Faults {
    recording.note(|exchange| exchange.unproven = Some(error.as_str()));
    one(Fault::unauthenticated(error.to_string()))
}

fn refuse_handshake(error: &HandshakeError, recording: &Recording) -> Response<Body> {
    let fault = match error {
        HandshakeError::Version => {
            Fault::new("BAD_REQUEST", StatusCode::UPGRADE_REQUIRED, error.to_string())
        }
        HandshakeError::Malformed(_) => Fault::bad_input(error.to_string()),
        HandshakeError::ForeignOrigin { .. } => {
            Fault::new("FOREIGN_HOST", StatusCode::FORBIDDEN, error.to_string())
        }
    };
    let mut response = refuse(&[fault], MediaType::Json, recording);
    if *error == HandshakeError::Version {
        set_header(response.headers_mut(), SEC_WEBSOCKET_VERSION, "13");
    }
    response
}

fn one(fault: Fault) -> Faults {
    vec![fault]
}

fn misdirected(error: Misdirected) -> Faults {
    one(match error {
        Misdirected::NotOneHost(error) => Fault::bad_input(error.to_string()),
        Misdirected::Foreign(error) => {
            Fault::new("FOREIGN_HOST", StatusCode::FORBIDDEN, error.to_string())
        }
    })
}

fn method_not_allowed(allow: &'static str) -> Fault {
    let message = format!("this path can do {allow}");
    let fault = Fault::new("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED, message);
    fault.with(ALLOWED, allow)
}

/// Whoever follows a link must not change anything by it; and one answer tells only once.
fn check_method(method: &Method, kind: OperationType) -> Result<(), Fault> {
    match kind {
        OperationType::Query => Ok(()),
        OperationType::Mutation if *method == Method::POST => Ok(()),
        OperationType::Mutation => {
            let message = "a mutation is sent with POST";
            let fault = Fault::new("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED, message);
            Err(fault.with(ALLOWED, "POST"))
        }
        OperationType::Subscription => Err(Fault::bad_input(
            "a subscription is told by events: ask with `Accept: text/event-stream`, or over a \
                 WebSocket (graphql-transport-ws)",
        )),
    }
}

fn body_fault(error: &BodyError) -> Fault {
    let reason = match error {
        BodyError::TooLarge { .. } => Reason::TooLarge,
        BodyError::Encoded { .. } => Reason::UnsupportedMediaType,
        BodyError::TimedOut(_) => Reason::RequestTimeout,
        BodyError::Broken => Reason::BadRequest,
    };
    let code =
        if let BodyError::TooLarge { .. } = error { "LIMIT_EXCEEDED" } else { reason.as_str() };
    let fault = Fault::new(code, reason.status(), error.to_string());
    match error {
        BodyError::TooLarge { bytes_max } => {
            fault.with("name", "body bytes").with("limit", *bytes_max)
        }
        _ => fault,
    }
}

/// The answer of an operation that was executed.
pub(crate) fn answer_text(executed: &Executed, recording: &Recording) -> String {
    let mut text = String::with_capacity(executed.data.len() + 64);
    text.push('{');
    if !executed.faults.is_empty() {
        text.push_str("\"errors\":");
        text.push_str(&errors_text(&executed.faults, recording));
        text.push(',');
    }
    text.push_str("\"data\":");
    text.push_str(&executed.data);
    if !executed.warnings.is_empty() {
        let warnings = told_warnings(&executed.warnings);
        let extensions = serde_json::json!({"warnings": warnings}).to_string();
        text.push_str(",\"extensions\":");
        text.push_str(&extensions);
    }
    text.push('}');
    text
}

/// The answer of a request that was not executed: there is no `data`.
fn refuse(faults: &[Fault], media_type: MediaType, recording: &Recording) -> Response<Body> {
    let text = format!("{{\"errors\":{}}}", errors_text(faults, recording));
    let Some(first) = faults.first() else {
        return response(StatusCode::INTERNAL_SERVER_ERROR, text, media_type);
    };
    recording.note(|exchange| exchange.told(&first.to_answer()));
    let mut response = response(media_type.status(first), text, media_type);
    let headers = response.headers_mut();
    let mut details = first.details.iter();
    if let Some((_, allowed)) = details.find(|(name, _)| *name == ALLOWED) {
        set_header(headers, ALLOW, allowed.as_str().unwrap_or_default());
    }
    if let Some(seconds) = first.retry_after {
        set_header(headers, http::header::RETRY_AFTER, &seconds.to_string());
    }
    if first.status == StatusCode::UNAUTHORIZED {
        set_header(headers, WWW_AUTHENTICATE, "Bearer realm=\"pintle\"");
    }
    if matches!(first.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
        // What was not read is in the way of the next request.
        set_header(headers, http::header::CONNECTION, "close");
    }
    response
}

pub(crate) fn errors_text(faults: &[Fault], recording: &Recording) -> String {
    let id = recording.id().to_string();
    let errors = faults.iter().map(|fault| fault.to_json(&id));
    serde_json::Value::Array(errors.collect()).to_string()
}

fn response(status: StatusCode, text: String, media_type: MediaType) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    set_header(headers, CONTENT_TYPE, media_type.as_str());
    set_header(headers, CACHE_CONTROL, "no-store");
    set_header(headers, VARY, "accept");
    response
}
