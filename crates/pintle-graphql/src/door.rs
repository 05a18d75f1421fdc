//! [`GraphqlDoor`]: from a request to its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use apollo_compiler::executable::OperationType;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use pintle_authz::Verb;
use pintle_engine::Engine;
use pintle_http::{
    Body, BodyError, Caller, Door, Entrance, Exchange, Misdirected, Reason, Recording, RequestBody,
    manager_of,
};

use crate::executor::{Call, Executed, execute};
use crate::fault::Fault;
use crate::limits::OperationLimits;
use crate::prepare::Prepared;
use crate::publish::Publisher;
use crate::request::{Asked, MediaType, check_content_type};

/// Where operations are sent.
const PATH: &str = "/graphql";
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
}

impl Default for GraphqlSettings {
    fn default() -> Self {
        let entrance = Entrance { body_bytes_max: 3 * 1024 * 1024, ..Entrance::default() };
        let limits = OperationLimits::default();
        Self { entrance, limits, request_timeout: Duration::from_mins(1) }
    }
}

/// The GraphQL door over one engine.
#[derive(Debug)]
pub struct GraphqlDoor {
    engine: Arc<Engine>,
    settings: GraphqlSettings,
    publisher: Arc<Publisher>,
}

/// What is answered instead of data.
type Faults = Vec<Fault>;

impl GraphqlDoor {
    /// A door over this engine.
    pub fn new(engine: Arc<Engine>, settings: GraphqlSettings) -> Arc<Self> {
        let publisher = Publisher::new(Arc::clone(&engine));
        Arc::new(Self { engine, settings, publisher })
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
        let routed = Box::pin(self.route(&parts, body, &recording, media_type)).await;
        let mut response = routed.unwrap_or_else(|faults| refuse(&faults, written_as, &recording));
        if let Err(closed) = recording.pass().await {
            response = refuse(&[Fault::of(*closed)], written_as, &recording);
        }
        recording.answered(response)
    }

    async fn route(
        &self,
        parts: &Parts,
        body: RequestBody,
        recording: &Arc<Recording>,
        media_type: Result<MediaType, Fault>,
    ) -> Result<Response<Body>, Faults> {
        self.settings.entrance.check_host(parts).map_err(misdirected)?;
        match parts.uri.path() {
            PATH => {
                recording.note(|exchange| exchange.path = PATH);
                self.operation(parts, body, recording, media_type.map_err(one)?).await
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
        set(headers, CONTENT_TYPE, "text/plain; charset=utf-8");
        set(headers, CACHE_CONTROL, "no-cache, private");
        set(headers, ETAG, tag);
        Ok(response)
    }

    /// A query or a mutation.
    async fn operation(
        &self,
        parts: &Parts,
        body: RequestBody,
        recording: &Arc<Recording>,
        media_type: MediaType,
    ) -> Result<Response<Body>, Faults> {
        if parts.method != Method::GET && parts.method != Method::POST {
            return Err(one(method_not_allowed("GET, POST")));
        }
        let caller = self.identify(parts, recording).await?;
        let is_stranger = self.settings.entrance.is_stranger(&caller);
        if is_stranger {
            self.check_introspection(&caller).map_err(one)?;
        }
        let asked = self.asked(parts, body, recording).await?;
        let edition = self.publisher.edition().await;
        let prepared =
            edition.documents.prepare(&edition.published, &self.settings.limits, &asked)?;
        if prepared.introspects() {
            self.check_introspection(&caller).map_err(one)?;
        }
        check_method(&parts.method, prepared.kind()).map_err(one)?;
        let call = Call {
            engine: Arc::clone(&self.engine),
            published: Arc::clone(&edition.published),
            limits: self.settings.limits,
            caller,
            is_stranger,
            recording: Arc::clone(recording),
            manager: manager_of(&parts.headers),
        };
        let executed = self.execute(&call, &prepared).await?;
        Ok(answer(&executed, media_type, recording))
    }

    async fn identify(&self, parts: &Parts, recording: &Recording) -> Result<Caller, Faults> {
        self.settings.entrance.identify(parts, recording).await.map_err(|error| {
            recording.note(|exchange| exchange.unproven = Some(error.as_str()));
            one(Fault::unauthenticated(error.to_string()))
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
    async fn execute(&self, call: &Call, prepared: &Prepared) -> Result<Executed, Faults> {
        let patience = self.settings.request_timeout;
        let executed = tokio::time::timeout(patience, execute(call, prepared)).await;
        executed.map_err(|_| {
            let seconds = patience.as_secs();
            let what = match prepared.kind() {
                OperationType::Mutation => "; read before you write again",
                OperationType::Query | OperationType::Subscription => "",
            };
            let message = format!("the operation took more than {seconds} seconds{what}");
            let fault = Fault::new("TIMEOUT", StatusCode::GATEWAY_TIMEOUT, message);
            one(Fault { retryable: true, ..fault })
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
        OperationType::Subscription => {
            Err(Fault::bad_input("a subscription needs a transport that can tell more than once"))
        }
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
fn answer(executed: &Executed, media_type: MediaType, recording: &Recording) -> Response<Body> {
    let mut text = String::with_capacity(executed.data.len() + 64);
    text.push('{');
    if !executed.faults.is_empty() {
        text.push_str("\"errors\":");
        text.push_str(&errors_text(&executed.faults, recording));
        text.push(',');
    }
    text.push_str("\"data\":");
    text.push_str(&executed.data);
    text.push('}');
    response(StatusCode::OK, text, media_type)
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
        set(headers, ALLOW, allowed.as_str().unwrap_or_default());
    }
    if let Some(seconds) = first.retry_after {
        set(headers, http::header::RETRY_AFTER, &seconds.to_string());
    }
    if first.status == StatusCode::UNAUTHORIZED {
        set(headers, WWW_AUTHENTICATE, "Bearer realm=\"pintle\"");
    }
    if matches!(first.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
        // What was not read is in the way of the next request.
        set(headers, http::header::CONNECTION, "close");
    }
    response
}

fn errors_text(faults: &[Fault], recording: &Recording) -> String {
    let id = recording.id().to_string();
    let errors = faults.iter().map(|fault| fault.to_json(&id));
    serde_json::Value::Array(errors.collect()).to_string()
}

fn response(status: StatusCode, text: String, media_type: MediaType) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    set(headers, CONTENT_TYPE, media_type.as_str());
    set(headers, CACHE_CONTROL, "no-store");
    set(headers, VARY, "accept");
    response
}

/// Sets a header whose value is known to be printable ASCII, or leaves it out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
