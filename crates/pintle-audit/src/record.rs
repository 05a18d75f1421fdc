//! [`Record`]: what a line says. The names here are those of the documented schema.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use pintle_http::Exchange;
use pintle_model::Timestamp;
use serde::{Serialize, Serializer};

/// The version of the schema. Fields may be added without a new one; readers skip what they do not
/// know.
const SCHEMA: u32 = 1;

/// A text that callers make up is cut to so many characters.
const TEXT_CHARS_MAX: usize = 256;

/// So many groups of a caller are told.
const GROUPS_MAX: usize = 64;

/// One line, before it has its number.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(crate) enum Record<'a> {
    /// A request was answered.
    Request(Box<Request<'a>>),
    /// A request was answered with a stream, which goes on.
    Opened(Box<Request<'a>>),
    /// That stream has ended.
    Closed(Box<Request<'a>>),
    /// A server begins to write here.
    #[serde(rename_all = "camelCase")]
    Started {
        time: Timestamp,
        version: &'a str,
        level: &'a str,
        /// The newest revision in the store: what no line before this one tells of was lost.
        #[serde(serialize_with = "as_text")]
        revision: u64,
    },
    /// It ends, and nothing is missing before this.
    Stopped { time: Timestamp },
    /// So many records are missing before this one, because there was no room for them.
    Lost { time: Timestamp, records: u64 },
}

/// What is told of a request. What is not known is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request<'a> {
    time: Timestamp,
    #[serde(serialize_with = "as_text")]
    id: &'a pintle_http::RequestId,
    door: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_uid: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acts_as: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acts_as_uid: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acts_as_groups: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
    method: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    verb: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subresource: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    decision: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    duration_us: u64,
}

#[derive(Serialize)]
struct Versioned<'a> {
    v: u32,
    #[serde(flatten)]
    record: &'a Record<'a>,
}

impl Record<'_> {
    /// As JSON, on one line.
    pub(crate) fn text(&self) -> String {
        let versioned = Versioned { v: SCHEMA, record: self };
        serde_json::to_string(&versioned).expect("text and numbers can be written as JSON")
    }
}

impl<'a> Request<'a> {
    pub(crate) fn of(exchange: &'a Exchange) -> Box<Self> {
        let caller = exchange.caller.as_ref();
        let user = caller.map(|caller| &*caller.user);
        let groups = user.map_or(&[][..], |user| &user.groups);
        let subresource = exchange.subresource.as_ref().map(pintle_authz::Subresource::as_str);
        let lane = if subresource == Some("status") { "status" } else { "main" };
        let micros = exchange.duration.as_micros();
        let acts_as = exchange.acts_as.as_deref();
        Box::new(Self {
            time: at(exchange.came),
            id: &exchange.id,
            door: exchange.door,
            user: user.map(|user| cut(&user.name)),
            user_uid: user.and_then(|user| user.uid.as_deref()).map(cut),
            groups: cut_all(groups),
            credential: caller.map(|caller| caller.credential.kind.as_str()),
            acts_as: acts_as.map(|user| cut(&user.name)),
            acts_as_uid: acts_as.and_then(|user| user.uid.as_deref()).map(cut),
            acts_as_groups: acts_as.map(|user| cut_all(&user.groups)).unwrap_or_default(),
            address: exchange.peer,
            user_agent: exchange.user_agent.as_ref().map(|agent| lossy(agent.as_bytes())),
            method: cut(exchange.method.as_str()),
            path: exchange.path,
            verb: exchange.verb.as_ref().map(|verb| cut(verb.as_str())),
            resource: exchange.resource.as_ref().map(|resource| cut(resource.as_str())),
            subresource: subresource.map(cut),
            namespace: exchange.namespace.as_deref().map(cut),
            name: exchange.name.as_deref().map(cut),
            uid: exchange.uid.as_ref().map(pintle_model::Uid::as_str),
            lane: exchange.is_write().then_some(lane),
            dry_run: exchange.dry_run,
            decision: exchange.decision.as_str(),
            why: exchange.why.as_deref().map(cut),
            status: exchange.status.map(|status| status.as_u16()),
            reason: exchange.reason.map(pintle_http::Reason::as_str),
            outcome: exchange.outcome.as_str(),
            revision: exchange.revision.map(|revision| revision.to_string()),
            events: (exchange.events > 0).then_some(exchange.events),
            duration_us: u64::try_from(micros).unwrap_or(u64::MAX),
        })
    }
}

/// The time by the clock of the machine.
pub(crate) fn now() -> Timestamp {
    at(SystemTime::now())
}

fn at(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A text, or its beginning and the sign that there was more.
fn cut_all(groups: &[Arc<str>]) -> Vec<Cow<'_, str>> {
    groups.iter().take(GROUPS_MAX).map(|group| cut(group)).collect()
}

fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => cut(text),
        Cow::Owned(text) => Cow::Owned(cut(&text).into_owned()),
    }
}

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
