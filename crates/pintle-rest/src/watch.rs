//! Watches, as server-sent events or as JSON lines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Response};
use pintle_authz::{Granted, Verb};
use pintle_engine::{Refusal, Served, Start, Watch, WatchEvent, Watcher};
use pintle_events::document::{View, write_object};
use pintle_http::{Audience, Body, ByAddress, Lapse, Lapsed, Recording, Subject, set_header};
use pintle_model::{Object, Revision};
use pintle_schema::Version;
use serde_json::json;

use crate::api::{Call, RestDoor};
use crate::read::accepts;
use crate::reply::{Failure, failure_object};

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Framing {
    /// `text/event-stream` (HTML, section 9.2).
    ServerSentEvents,
    /// `application/x-ndjson`.
    Lines,
}

pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Opens a watch.
pub(crate) async fn watch(door: &Arc<RestDoor>, call: Call<'_>) -> Result<Response<Body>, Failure> {
    let framing = Framing::asked_for(&call.parts.headers);
    if call.query.limit.is_some() || call.query.continue_token.is_some() {
        return Err(Failure::bad_request("limit and continue go with a list, not with a watch"));
    }
    let start = start(&call)?;
    let selections = call.selections(&Verb::Watch).into_iter();
    let grants = selections.map(|selection| call.grant(Watch { selection, start }, ""));
    let grants: Vec<Granted<Watch>> = grants.collect::<Result<_, _>>()?;
    let subject = call.subject("");
    let writer = Writer {
        door: Arc::clone(door),
        served: Arc::clone(&call.served),
        version: Arc::clone(&call.version),
        framing,
        audience: Audience::new(Told { framing, version: ByAddress(Arc::clone(&call.version)) }),
        subject,
        recording: Arc::clone(call.recording),
    };
    let ends = end_after(call.query.timeout_seconds);
    let lapse = call.caller.lapse();
    let stream = match call.engine().watch(grants).await {
        Ok(watcher) => Stream::new(writer, Some(watcher), None, lapse, ends),
        // A history that is gone is told as an event, like one that goes while the watch runs.
        Err(refusal @ Refusal::Expired { .. }) => {
            let last = Some(writer.error(&refusal));
            Stream::new(writer, None, last, lapse, ends)
        }
        Err(refusal) => return Err(call.refused(refusal, "")),
    };
    Ok(response(framing, stream))
}

/// Where to begin: after the event that the client saw last, after a version, or with the state.
fn start(call: &Call<'_>) -> Result<Start, Failure> {
    let last_seen = call.parts.headers.get(&LAST_EVENT_ID);
    let last_seen = last_seen.map(|value| value.to_str().unwrap_or("?"));
    match last_seen.or(call.query.resource_version.as_deref()) {
        None | Some("" | "0") => Ok(Start::WithState),
        Some(text) => Ok(Start::After(Revision::parse(text)?)),
    }
}

impl Framing {
    /// How a request wants events written.
    pub(crate) fn asked_for(headers: &HeaderMap) -> Self {
        if accepts(headers, "application/x-ndjson") { Self::Lines } else { Self::ServerSentEvents }
    }
}

/// When a stream ends that may stay open for so long.
pub(crate) fn end_after(seconds: Option<u64>) -> Option<tokio::time::Instant> {
    // Far beyond the life of any connection, and within what a timer can hold.
    let end = |seconds: u64| Duration::from_secs(seconds.min(365 * 24 * 3600));
    seconds.map(|seconds| tokio::time::Instant::now() + end(seconds))
}

fn response(framing: Framing, stream: Stream) -> Response<Body> {
    let pieces = futures_util::stream::unfold(stream, |mut stream| async move {
        let piece = stream.next().await?;
        Some((piece, stream))
    });
    stream_response(framing, pieces)
}

/// A response that goes on for as long as there are pieces.
pub(crate) fn stream_response(
    framing: Framing,
    pieces: impl futures_util::Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    let mut response = Response::new(Body::endless(pieces));
    let media_type = match framing {
        Framing::ServerSentEvents => "text/event-stream",
        Framing::Lines => "application/x-ndjson",
    };
    set_header(response.headers_mut(), CONTENT_TYPE, media_type);
    set_header(response.headers_mut(), CACHE_CONTROL, "no-store");
    response
}

/// One open stream.
#[derive(Debug)]
struct Stream {
    writer: Writer,
    /// Nothing once the watch has ended.
    watcher: Option<Watcher>,
    /// What the watcher has told and is still to be sent.
    pending: VecDeque<WatchEvent>,
    /// What is still to be said at the end.
    last: Option<Bytes>,
    /// The end of what the caller showed, which is the end of the stream.
    lapse: Lapse,
    ends: Option<tokio::time::Instant>,
}

impl Stream {
    const fn new(
        writer: Writer,
        watcher: Option<Watcher>,
        last: Option<Bytes>,
        lapse: Lapse,
        ends: Option<tokio::time::Instant>,
    ) -> Self {
        Self { writer, watcher, pending: VecDeque::new(), last, lapse, ends }
    }

    /// The next piece of the stream; nothing ends it.
    async fn next(&mut self) -> Option<Bytes> {
        let Some(watcher) = &mut self.watcher else { return self.last.take() };
        // What is still to be sent is not for somebody who is nobody any more.
        if let Some(lapsed) = (&mut self.lapse).now_or_never() {
            return Some(self.lapsed(lapsed));
        }
        if !self.pending.is_empty() {
            return Some(self.writer.piece(&mut self.pending));
        }
        let interval = self.writer.door.settings.entrance.bookmark_interval;
        let end = async {
            match self.ends {
                Some(ends) => tokio::time::sleep_until(ends).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            lapsed = &mut self.lapse => Some(self.lapsed(lapsed)),
            () = end => None,
            events = watcher.next() => match events {
                Ok(events) => {
                    self.pending = events.into();
                    Some(self.writer.piece(&mut self.pending))
                }
                Err(refusal) => self.finish(&refusal),
            },
            () = tokio::time::sleep(interval) => {
                let revision = watcher.cursor().unwrap_or_default();
                Some(self.writer.event(&WatchEvent::Bookmark { revision, ends_state: false }))
            }
        }
    }

    fn lapsed(&mut self, lapsed: Lapsed) -> Bytes {
        self.watcher = None;
        self.pending.clear();
        self.writer.failure(&lapsed.into())
    }

    /// A server that goes down just ends the stream: clients resume elsewhere, or here later.
    fn finish(&mut self, refusal: &Refusal) -> Option<Bytes> {
        self.watcher = None;
        (*refusal != Refusal::ShuttingDown).then(|| self.writer.error(refusal))
    }
}

/// What events look like by: watchers of one version of a kind are told the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    framing: Framing,
    version: ByAddress<Version>,
}

/// Writes events.
#[derive(Debug)]
struct Writer {
    door: Arc<RestDoor>,
    served: Arc<Served>,
    version: Arc<Version>,
    framing: Framing,
    audience: Audience<Told>,
    subject: Subject,
    recording: Arc<Recording>,
}

impl Writer {
    /// Small events go out together, because each piece costs a write to the socket. A large one
    /// goes alone, so that its bytes are shared by all watchers and not copied for each.
    fn piece(&self, pending: &mut VecDeque<WatchEvent>) -> Bytes {
        let waiting = pending.len();
        let mut piece = Bytes::new();
        let mut joined: Vec<u8> = Vec::new();
        while let Some(event) = pending.front() {
            let bytes = self.event(event);
            if !piece.is_empty() && piece.len().max(joined.len()) + bytes.len() > PIECE_BYTES_MAX {
                break;
            }
            pending.pop_front();
            if piece.is_empty() {
                piece = bytes;
                continue;
            }
            if joined.is_empty() {
                joined.extend_from_slice(&piece);
            }
            joined.extend_from_slice(&bytes);
        }
        self.recording.events(waiting - pending.len());
        if joined.is_empty() { piece } else { joined.into() }
    }

    fn event(&self, event: &WatchEvent) -> Bytes {
        match event {
            WatchEvent::Existing(object) => self.existing(object),
            WatchEvent::Added(object) => self.object_event("ADDED", object),
            WatchEvent::Modified { object, .. } => self.object_event("MODIFIED", object),
            WatchEvent::Deleted(object) => self.object_event("DELETED", object),
            WatchEvent::Bookmark { revision, ends_state } => self.bookmark(*revision, *ends_state),
        }
    }

    /// What was there already is told without an `id`: the revision of one object says nothing
    /// about which others were told before it, so a client must not resume from there.
    fn existing(&self, object: &Arc<Object>) -> Bytes {
        frame(self.framing, "ADDED", None, &self.json("ADDED", object))
    }

    fn json(&self, kind: &str, object: &Object) -> String {
        let mut json = format!(r#"{{"type":"{kind}","object":"#);
        write_object(&mut json, &self.served, &self.version, object, View::Whole);
        json.push('}');
        json
    }

    fn object_event(&self, kind: &'static str, object: &Arc<Object>) -> Bytes {
        self.door.events.get(&self.audience, kind, object, || {
            frame(self.framing, kind, Some(object.revision), &self.json(kind, object))
        })
    }

    fn bookmark(&self, revision: Revision, ends_state: bool) -> Bytes {
        let kind = &self.served.definition.kind;
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if ends_state && let Some(metadata) = metadata.as_object_mut() {
            let annotations = json!({"k8s.io/initial-events-end": "true"});
            metadata.insert("annotations".to_owned(), annotations);
        }
        let object = json!({
            "apiVersion": kind.api_version(&self.version.name),
            "kind": &*kind.kind,
            "metadata": metadata,
        });
        let json = event_json("BOOKMARK", &object);
        // While the state is still being told there is no version to resume from.
        let id = Some(revision).filter(|revision| *revision > Revision::ZERO);
        frame(self.framing, "BOOKMARK", id, &json)
    }

    fn error(&self, refusal: &Refusal) -> Bytes {
        self.failure(&Failure::told_of(refusal.clone(), self.subject.clone()))
    }

    fn failure(&self, failure: &Failure) -> Bytes {
        let json = event_json("ERROR", &failure_object(failure, &self.recording));
        frame(self.framing, "ERROR", None, &json)
    }
}

/// The type comes first, as in events that are about an object.
fn event_json(kind: &str, object: &serde_json::Value) -> String {
    format!(r#"{{"type":"{kind}","object":{object}}}"#)
}

fn frame(framing: Framing, kind: &str, id: Option<Revision>, json: &str) -> Bytes {
    match (framing, id) {
        (Framing::Lines, _) => format!("{json}\n"),
        (Framing::ServerSentEvents, Some(id)) => {
            format!("event: {kind}\nid: {id}\ndata: {json}\n\n")
        }
        (Framing::ServerSentEvents, None) => format!("event: {kind}\ndata: {json}\n\n"),
    }
    .into()
}

/// Events are joined up to so many bytes.
pub(crate) const PIECE_BYTES_MAX: usize = 64 * 1024;
