//! The requests of one connection: prebuilt, so that sending one costs little.

use std::str::FromStr;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HOST, IF_MATCH, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, request};

use crate::collection::{Collection, Door, version_in, versioned};
use crate::connection::Body;
use crate::device::{self, Numbered};
use crate::documents::Document;
use crate::error::{BenchError, Result};
use crate::objects::Created;
use crate::server::Subject;

/// Each connection has so many objects of its own to go round.
pub(crate) const OBJECTS_PER_CONNECTION: usize = 10;

/// What a client does over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `PUT /devices/{uid}/status`, with `If-Match` or without.
    StatusPut { if_match: bool, status_bytes: usize },
    /// `PATCH /devices/{uid}/status`, one field.
    StatusPatch,
    /// `GET /devices/{uid}`.
    Get,
    /// `GET /devices?limit=N`, the first page.
    List { limit: u32 },
}

impl Operation {
    /// What reports call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::StatusPut { if_match: false, .. } => "status PUT",
            Self::StatusPut { if_match: true, .. } => "status PUT, If-Match",
            Self::StatusPatch => "status PATCH",
            Self::Get => "GET",
            Self::List { .. } => "LIST",
        }
    }
}

/// The headers that every request to a subject has.
pub(crate) fn common_headers(subject: &Subject) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, subject.target.host.clone());
    headers.insert(USER_AGENT, HeaderValue::from_static("pintle-bench"));
    if let Some(token) = &subject.authorization {
        headers.insert(AUTHORIZATION, token.clone());
    }
    headers
}

/// A request to a subject, without a body.
pub(crate) fn request(subject: &Subject, method: Method, path: &str) -> Result<Request<Body>> {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = method;
    parts.uri = Uri::from_str(path)
        .map_err(|error| BenchError::Refused(format!("{path:?} is not a path: {error}")))?;
    parts.headers = common_headers(subject);
    Ok(Request::from_parts(parts, Body::default()))
}

/// A request to a subject that carries JSON.
pub(crate) fn json_request(
    subject: &Subject,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Request<Body>> {
    let (mut parts, _) = request(subject, method, path)?.into_parts();
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Request::from_parts(parts, Body::new(body)))
}

/// `GET` of a stream of changes after a version, as JSON lines.
pub(crate) fn watch_request(
    subject: &Subject,
    collection: &Collection,
    version: &str,
) -> Result<Request<Body>> {
    let path = format!("{}?watch=true&resourceVersion={version}", collection.path());
    let mut request = request(subject, Method::GET, &path)?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static(collection.watch_media_type()));
    Ok(request)
}

/// The requests of so many connections, each with objects of its own. There must be enough.
pub(crate) fn per_connection(
    subject: &Subject,
    collection: &Collection,
    operation: Operation,
    objects: &[Created],
    connections: usize,
) -> Result<Vec<Requests>> {
    let own = objects.chunks_exact(OBJECTS_PER_CONNECTION).take(connections);
    own.map(|objects| Requests::new(subject, collection, operation, objects)).collect()
}

/// The requests of one connection, in rotation over its objects.
#[derive(Debug)]
pub(crate) struct Requests {
    slots: Vec<Slot>,
    at: usize,
    body: Option<Numbered>,
    sequence: u64,
    if_match: bool,
    /// Whether bodies have the version that they were computed from.
    versioned: bool,
    /// Whether the last answer told of an error.
    failed: bool,
}

#[derive(Debug)]
struct Slot {
    head: request::Parts,
    etag: Option<HeaderValue>,
    name: String,
    document: Option<Document>,
}

impl Requests {
    /// The requests for `operation` on these objects, of which there must be at least one.
    pub(crate) fn new(
        subject: &Subject,
        collection: &Collection,
        operation: Operation,
        objects: &[Created],
    ) -> Result<Self> {
        let documents = collection.door() == Door::Graphql;
        let slot = |object: &Created| {
            let (head, _) = head(subject, collection, operation, object)?.into_parts();
            let name = object.path.rsplit('/').next().unwrap_or_default().to_owned();
            let document = documents.then(|| Document::of(operation, &name));
            Ok(Slot { head, etag: Some(object.etag.clone()), name, document })
        };
        let body = match operation {
            Operation::StatusPut { status_bytes, .. } if documents => {
                Some(device::status_input(status_bytes))
            }
            Operation::StatusPut { status_bytes, .. } => Some(device::status_body(status_bytes)),
            Operation::StatusPatch => Some(device::status_patch()),
            Operation::Get | Operation::List { .. } => None,
        };
        Ok(Self {
            slots: objects.iter().map(slot).collect::<Result<_>>()?,
            at: 0,
            body,
            sequence: first_sequence(),
            if_match: matches!(operation, Operation::StatusPut { if_match: true, .. })
                && !collection.puts_versions(),
            versioned: match operation {
                Operation::StatusPut { .. } => collection.puts_versions(),
                Operation::StatusPatch => collection.patches_versions(),
                Operation::Get | Operation::List { .. } => false,
            },
            failed: false,
        })
    }

    /// The next request, with a body that no earlier one had.
    pub(crate) fn next(&mut self) -> Request<Body> {
        self.sequence += 1;
        self.numbered(self.sequence)
    }

    /// The next request, with this number in its body.
    pub(crate) fn numbered(&mut self, sequence: u64) -> Request<Body> {
        self.at = (self.at + 1) % self.slots.len();
        let slot = self.slots.get(self.at).expect("the remainder is in range");
        let mut head = slot.head.clone();
        if self.if_match
            && let Some(etag) = &slot.etag
        {
            head.headers.insert(IF_MATCH, etag.clone());
        }
        let mut body = self.body.as_ref().map(|body| body.with(sequence)).unwrap_or_default();
        let version = slot.etag.as_ref().and_then(|etag| etag.to_str().ok());
        let version = version.unwrap_or_default().trim_matches('"');
        if let Some(document) = &slot.document {
            body = document.body(&slot.name, version, &body);
        } else if self.versioned {
            body = versioned(&slot.name, version, &body);
        }
        Request::from_parts(head, Body::new(body))
    }

    /// Whether the next request needs to know the body of the answer to the last one.
    pub(crate) fn reads_answers(&self) -> bool {
        self.versioned || self.sends_documents()
    }

    /// Whether it goes through the GraphQL door.
    fn sends_documents(&self) -> bool {
        self.slots.first().is_some_and(|slot| slot.document.is_some())
    }

    /// Whether the body of the last answer told of an error, whatever its status was.
    pub(crate) const fn failed(&self) -> bool {
        self.failed
    }

    /// Takes note of the body that came back for the last request: the version for the next one.
    pub(crate) fn told(&mut self, body: &[u8]) {
        let version = version_in(body);
        // Every answer through that door shows an object, or says why it does not.
        self.failed = self.sends_documents() && version.is_none();
        if self.versioned
            && let Some(slot) = self.slots.get_mut(self.at)
            && let Some(version) = version
        {
            slot.etag = HeaderValue::from_str(&version).ok();
        }
    }

    /// Takes note of what came back for the last request: the version for the next `If-Match`.
    ///
    /// After an answer without one, the next write of that object goes without a condition.
    pub(crate) fn answered(&mut self, headers: &HeaderMap) {
        if self.if_match
            && let Some(slot) = self.slots.get_mut(self.at)
        {
            slot.etag = headers.get(ETAG).cloned();
        }
    }
}

fn head(
    subject: &Subject,
    collection: &Collection,
    operation: Operation,
    object: &Created,
) -> Result<Request<Body>> {
    if collection.door() == Door::Graphql {
        return json_request(subject, Method::POST, "/graphql", Bytes::new());
    }
    let status = format!("{}/status", object.path);
    match operation {
        Operation::StatusPut { .. } => json_request(subject, Method::PUT, &status, Bytes::new()),
        Operation::StatusPatch => {
            let mut request = json_request(subject, Method::PATCH, &status, Bytes::new())?;
            let merge_patch = HeaderValue::from_static("application/merge-patch+json");
            request.headers_mut().insert(CONTENT_TYPE, merge_patch);
            Ok(request)
        }
        Operation::Get => request(subject, Method::GET, &object.path),
        Operation::List { limit } => {
            request(subject, Method::GET, &format!("{}?limit={limit}", collection.path()))
        }
    }
}

/// Where counting begins: never where an earlier run on the same objects left off, or its last
/// write and our first would be the same and change nothing.
fn first_sequence() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(operation: Operation) -> Requests {
        let subject = Subject::given("http://127.0.0.1:1".parse().unwrap());
        let object =
            |path: &str| Created { path: path.to_owned(), etag: HeaderValue::from_static("\"1\"") };
        let objects = [object("/devices/a"), object("/devices/b")];
        Requests::new(&subject, &Collection::rest("devices"), operation, &objects).unwrap()
    }

    #[test]
    fn each_operation_asks_for_what_it_is_named_after() {
        let put = Operation::StatusPut { if_match: false, status_bytes: 370 };
        let cases = [
            (put, "PUT", "/devices/b/status", Some("application/json")),
            (
                Operation::StatusPatch,
                "PATCH",
                "/devices/b/status",
                Some("application/merge-patch+json"),
            ),
            (Operation::Get, "GET", "/devices/b", None),
            (Operation::List { limit: 7 }, "GET", "/devices?limit=7", None),
        ];
        for (operation, method, path, media_type) in cases {
            let request = requests(operation).next();
            assert_eq!(request.method().as_str(), method);
            assert_eq!(request.uri(), path);
            let found = request.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap());
            assert_eq!(found, media_type);
            assert_eq!(request.headers()[HOST], "127.0.0.1:1");
        }
    }

    #[test]
    fn objects_take_turns() {
        let mut requests = requests(Operation::Get);
        let paths: Vec<_> = (0..3).map(|_| requests.next().uri().to_string()).collect();
        assert_eq!(paths, ["/devices/b", "/devices/a", "/devices/b"]);
    }

    #[test]
    fn if_match_follows_the_last_answer_of_the_same_object() {
        let mut requests = requests(Operation::StatusPut { if_match: true, status_bytes: 370 });
        let mut sent = |answer: Option<&'static str>| {
            let request = requests.next();
            let mut headers = HeaderMap::new();
            if let Some(etag) = answer {
                headers.insert(ETAG, HeaderValue::from_static(etag));
            }
            requests.answered(&headers);
            request.headers().get(IF_MATCH).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(sent(Some("\"5\"")).as_deref(), Some("\"1\""));
        assert_eq!(sent(None).as_deref(), Some("\"1\""));
        assert_eq!(sent(None).as_deref(), Some("\"5\""));
        assert_eq!(sent(None), None);
    }
}
