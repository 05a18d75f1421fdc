//! [`Spans`]: what spans say of a request.
//!
//! Names of attributes are those of the semantic conventions for HTTP servers
//! (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server>); what they have no
//! name for begins with `pintle.`. No header but the user agent is told, no query and no body.

use std::borrow::Cow;
use std::str::FromStr as _;
use std::time::SystemTime;

use http::uri::Authority;
use http::{HeaderValue, Method, Version};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use pintle_authz::{Subresource, Verb};
use pintle_http::{Details, Exchange, Phase, Step, TraceParent};

/// A text that callers make up is cut to so many characters.
const TEXT_CHARS_MAX: usize = 256;

/// Load balancers ask every second, and nobody wants to know.
const PROBES: [&str; 4] = ["/health", "/healthz", "/livez", "/readyz"];

#[derive(Debug)]
pub(crate) struct Spans {
    tracer: SdkTracer,
    encrypted: bool,
    takes_parents: bool,
}

impl Spans {
    pub(crate) const fn new(tracer: SdkTracer, encrypted: bool, takes_parents: bool) -> Self {
        Self { tracer, encrypted, takes_parents }
    }

    /// Makes the spans of a request that is over.
    pub(crate) fn record(&self, exchange: &Exchange) {
        if PROBES.contains(&exchange.path) {
            return;
        }
        let details = exchange.details.as_deref();
        let trace_state = details.and_then(|details| details.trace_state.as_ref());
        let parent = exchange.trace.filter(|_| self.takes_parents);
        let parent = parent.map_or_else(Context::new, |parent| remote(&parent, trace_state));
        let builder = self
            .tracer
            .span_builder(name(exchange))
            .with_kind(SpanKind::Server)
            .with_start_time(exchange.came);
        let mut span = self.tracer.build_with_context(builder, &parent);
        if !span.is_recording() {
            return;
        }
        span.set_attributes(self.of_http(exchange));
        span.set_attributes(of_pintle(exchange));
        if let Some(details) = details {
            span.set_attributes(of_address(details));
            self.record_steps(&details.steps, exchange.came, span.span_context());
        }
        if exchange.status.is_some_and(|status| status.is_server_error()) {
            let why = exchange.reason.map_or("", |reason| reason.as_str());
            span.set_status(Status::error(why));
        }
        span.end_with_timestamp(exchange.came + exchange.duration);
    }

    /// The spans of its steps. Waiting for the store is a part of the write.
    fn record_steps(&self, steps: &[Step], came: SystemTime, parent: &SpanContext) {
        let under = |parent: &SpanContext| Context::new().with_remote_span_context(parent.clone());
        let root = under(parent);
        let write = steps.iter().find(|step| step.phase == Phase::Write);
        let write = write.map(|step| self.step(step, came, &root));
        let inside = write.as_ref().map_or_else(|| root.clone(), |it| under(it.span_context()));
        for step in steps.iter().filter(|step| step.phase != Phase::Write) {
            let parent = if step.phase == Phase::Commit { &inside } else { &root };
            drop(self.step(step, came, parent));
        }
    }

    fn step(&self, step: &Step, came: SystemTime, parent: &Context) -> Span {
        let began = came + step.after;
        let builder = self
            .tracer
            .span_builder(step.phase.as_str())
            .with_kind(SpanKind::Internal)
            .with_start_time(began);
        let mut span = self.tracer.build_with_context(builder, parent);
        span.end_with_timestamp(began + step.took);
        span
    }

    fn of_http(&self, exchange: &Exchange) -> Vec<KeyValue> {
        let method = known(&exchange.method);
        let scheme = if self.encrypted { "https" } else { "http" };
        let mut attributes = vec![
            KeyValue::new("http.request.method", method.unwrap_or("_OTHER")),
            KeyValue::new("url.scheme", scheme),
        ];
        if method.is_none() {
            let given = cut(exchange.method.as_str());
            attributes.push(KeyValue::new("http.request.method_original", given));
        }
        if !exchange.path.is_empty() {
            attributes.push(KeyValue::new("http.route", exchange.path));
        }
        if let Some(status) = exchange.status {
            let code = i64::from(status.as_u16());
            attributes.push(KeyValue::new("http.response.status_code", code));
            if status.is_server_error() {
                attributes.push(KeyValue::new("error.type", status.as_str().to_owned()));
            }
        }
        if let Some(peer) = exchange.peer {
            let address = peer.ip().to_string();
            attributes.push(KeyValue::new("client.address", address.clone()));
            attributes.push(KeyValue::new("network.peer.address", address));
            attributes.push(KeyValue::new("network.peer.port", i64::from(peer.port())));
        }
        let agent = exchange.user_agent.as_ref().map(|agent| text(agent.as_bytes()));
        attributes.extend(agent.map(|agent| KeyValue::new("user_agent.original", agent)));
        attributes
    }
}

/// What the semantic conventions have no name for, save `user.name`.
fn of_pintle(exchange: &Exchange) -> Vec<KeyValue> {
    let status_lane = exchange.subresource == Some(Subresource::Status);
    let lane = if status_lane { "status" } else { "main" };
    let verb = exchange.verb.as_ref().map(Verb::as_str);
    let user = exchange.caller.as_ref().map(|caller| &*caller.user.name);
    let revision = exchange.revision.map(|revision| revision.to_string());
    let texts: [(&str, Option<Value>); 11] = [
        ("pintle.request_id", Some(exchange.id.to_string().into())),
        ("pintle.door", Some(exchange.door.into())),
        ("pintle.verb", verb.map(|verb| cut(verb).into())),
        ("pintle.resource", exchange.resource.as_ref().map(|it| cut(it.as_str()).into())),
        ("pintle.lane", exchange.is_write().then(|| lane.into())),
        ("pintle.namespace", exchange.namespace.as_deref().map(|it| cut(it).into())),
        ("pintle.name", exchange.name.as_deref().map(|it| cut(it).into())),
        ("user.name", user.map(|user| cut(user).into())),
        ("pintle.decision", Some(exchange.decision.as_str().into())),
        ("pintle.reason", exchange.reason.map(|reason| reason.as_str().into())),
        ("pintle.revision", revision.map(Into::into)),
    ];
    let texts = texts.into_iter().filter_map(|(name, value)| Some(KeyValue::new(name, value?)));
    let outcome = KeyValue::new("pintle.outcome", exchange.outcome.as_str());
    let events = i64::try_from(exchange.events).ok().filter(|_| exchange.endless);
    let events = events.map(|events| KeyValue::new("pintle.events", events));
    let dry_run = exchange.dry_run.then(|| KeyValue::new("pintle.dry_run", true));
    texts.chain([outcome]).chain(events).chain(dry_run).collect()
}

/// How the request was addressed.
fn of_address(details: &Details) -> Vec<KeyValue> {
    let mut attributes = vec![KeyValue::new("url.path", cut(&details.path))];
    let version = match details.version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    };
    attributes.extend(version.map(|it| KeyValue::new("network.protocol.version", it)));
    let host = details.host.as_ref().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    if let Some(host) = host {
        let name = host.host().trim_matches(['[', ']']);
        attributes.push(KeyValue::new("server.address", cut(name)));
        let port = host.port_u16().map(i64::from);
        attributes.extend(port.map(|port| KeyValue::new("server.port", port)));
    }
    attributes
}

/// The span of the caller.
fn remote(parent: &TraceParent, trace_state: Option<&HeaderValue>) -> Context {
    let state = trace_state.and_then(|state| TraceState::from_str(state.to_str().ok()?).ok());
    let flags = TraceFlags::default().with_sampled(parent.sampled);
    let (trace, span) = (TraceId::from(parent.trace), SpanId::from(parent.span));
    let context = SpanContext::new(trace, span, flags, true, state.unwrap_or_default());
    Context::new().with_remote_span_context(context)
}

/// The method and the path with placeholders, which are few.
fn name(exchange: &Exchange) -> Cow<'static, str> {
    let method = known(&exchange.method).unwrap_or("HTTP");
    if exchange.path.is_empty() {
        method.into()
    } else {
        format!("{method} {}", exchange.path).into()
    }
}

/// The methods of RFC 9110 and PATCH; others are made up by callers.
fn known(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

fn text(bytes: &[u8]) -> String {
    cut(&String::from_utf8_lossy(bytes))
}

#[cfg(test)]
mod tests;
