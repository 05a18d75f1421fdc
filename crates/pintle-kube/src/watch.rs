//! Watches: JSON lines over a response that goes on, or messages of a WebSocket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use pintle_engine::{Refusal, Start, Watch, WatchEvent, Watcher};
use pintle_http::websocket::{Handshake, Message, Socket, Utf8Bytes};
use pintle_http::{Audience, Body, ByAddress, Lapse, Lapsed, Recording, set_header};
use pintle_model::{Object, Revision};
use pintle_schema::Version;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::accept::{Form, Shape};
use crate::api::{Call, KubeDoor};
use crate::document::{View, write_object, write_partial};
use crate::face::{Face, Fields};
use crate::options::ListOptions;
use crate::read::Include;
use crate::refusals::Deed;
use crate::reply::{Failure, Refused, failure_object};
use crate::status::About;
use crate::table::Table;

/// Opens a watch.
pub(crate) async fn watch(door: &Arc<KubeDoor>, call: Call<'_>) -> Result<Response<Body>, Failure> {
    let form = Form::asked_for(&call.parts.headers).ok_or(Failure::NotAcceptable)?;
    let options = ListOptions::of(&call.query, true)?;
    let include = Include::of(&call)?;
    let selection = call.selection(&options);
    let granted = call.grant(Watch { selection, start: start(&call, &options) })?;
    let socket = Handshake::is_asked(&call.parts.headers).then(|| Handshake::of(call.parts));
    let socket = socket.transpose()?;
    let now = Instant::now();
    let ends = now + lasts(options.timeout_seconds);
    let interval = door.settings.entrance.bookmark_interval;
    let told = Told {
        version: ByAddress(Arc::clone(&call.face.version)),
        fields: call.face.fields,
        shape: form.shape,
        include,
    };
    let writer = Writer {
        door: Arc::clone(door),
        face: call.face.clone(),
        shape: form.shape,
        include,
        audience: Audience::new(told),
        about: call.about(""),
        recording: Arc::clone(call.recording),
        columns_told: false,
        marks_state: options.bookmarks && options.initial_events == Some(true),
    };
    let mut stream = Stream {
        writer,
        watcher: None,
        pending: VecDeque::new(),
        last: None,
        lapse: call.caller.lapse(),
        ends,
        interval,
        bookmark_at: options.bookmarks.then(|| first_bookmark(now, ends, interval)),
    };
    let opened = match refused_version(&call, &options) {
        Some(refusal) => Err(refusal),
        None => call.engine().watch(vec![granted]).await,
    };
    match opened {
        Ok(watcher) => stream.watcher = Some(watcher),
        // A version that cannot be told from is told as an event, like one that goes while the
        // watch runs.
        Err(refusal @ (Refusal::Expired { .. } | Refusal::FromTheFuture { .. })) => {
            stream.last = Some(stream.writer.refusal(&refusal));
        }
        Err(refusal) => return Err(call.refused(refusal, "", Deed::Read)),
    }
    Ok(match socket {
        Some(handshake) => {
            handshake.accept(None, MESSAGE_BYTES_MAX, move |socket| stream.talk(socket))
        }
        None => response(stream),
    })
}

/// A client has nothing to say over the WebSocket of a watch.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// A watch that wants the state wants it no older than the version that it names.
fn refused_version(call: &Call<'_>, options: &ListOptions) -> Option<Refusal> {
    let (asked, newest) = (options.version?, call.engine().newest());
    (asked > newest).then_some(Refusal::FromTheFuture { asked, newest })
}

/// Where to begin: with the state, after a version, or now.
fn start(call: &Call<'_>, options: &ListOptions) -> Start {
    let version = options.version.filter(|version| *version > Revision::ZERO);
    match (options.initial_events, version) {
        (Some(true), _) | (None, None) => Start::WithState,
        (Some(false), None) => Start::After(call.engine().newest()),
        (None | Some(false), Some(version)) => Start::After(version),
    }
}

/// Watches without an end of their own end after half an hour to an hour, not all at once; as
/// upstream.
const LASTS_SECONDS: u64 = 1_800;

fn lasts(seconds: Option<u64>) -> Duration {
    // Far beyond the life of any connection, and within what a timer can hold.
    let longest = 365 * 24 * 3600;
    let spread = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        LASTS_SECONDS + u64::from(since.subsec_micros()) % LASTS_SECONDS
    };
    Duration::from_secs(seconds.unwrap_or_else(spread).min(longest))
}

/// So long before the end a watch says how far it has come, so that its client can go on there.
const BEFORE_THE_END: Duration = Duration::from_secs(2);

fn first_bookmark(now: Instant, ends: Instant, interval: Duration) -> Instant {
    let farewell = ends.checked_sub(BEFORE_THE_END).unwrap_or(now);
    farewell.min(now + interval)
}

fn response(stream: Stream) -> Response<Body> {
    let pieces = futures_util::stream::unfold(stream, |mut stream| async move {
        let events = stream.next().await?;
        Some((joined(events), stream))
    });
    let mut response = Response::new(Body::endless(pieces));
    set_header(response.headers_mut(), CONTENT_TYPE, "application/json");
    set_header(response.headers_mut(), CACHE_CONTROL, "no-cache, private");
    response
}

/// Each piece costs a write to the socket.
fn joined(mut events: Vec<Bytes>) -> Bytes {
    if events.len() == 1 {
        return events.pop().unwrap_or_default();
    }
    events.concat().into()
}

/// Events are joined up to so many bytes.
const PIECE_BYTES_MAX: usize = 64 * 1024;

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
    ends: Instant,
    interval: Duration,
    /// Nothing when the client wants no bookmarks.
    bookmark_at: Option<Instant>,
}

impl Stream {
    /// The next events, each with its line end; nothing ends the stream.
    async fn next(&mut self) -> Option<Vec<Bytes>> {
        loop {
            let Some(watcher) = &mut self.watcher else {
                return self.last.take().map(|last| vec![last]);
            };
            // What is still to be sent is not for somebody who is nobody any more.
            if let Some(lapsed) = (&mut self.lapse).now_or_never() {
                return Some(vec![self.lapsed(lapsed)]);
            }
            if !self.pending.is_empty() {
                let events = self.writer.some(&mut self.pending);
                if events.is_empty() {
                    continue;
                }
                return Some(events);
            }
            let bookmark = async {
                match self.bookmark_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                lapsed = &mut self.lapse => return Some(vec![self.lapsed(lapsed)]),
                () = tokio::time::sleep_until(self.ends) => return None,
                events = watcher.next() => match events {
                    Ok(events) => self.pending = events.into(),
                    Err(refusal) => self.finish(&refusal),
                },
                () = bookmark => {
                    self.bookmark_at = Some(Instant::now() + self.interval);
                    if let Some(revision) = watcher.cursor() {
                        return Some(vec![self.writer.bookmark(revision, false)]);
                    }
                }
            }
        }
    }

    fn lapsed(&mut self, lapsed: Lapsed) -> Bytes {
        self.watcher = None;
        self.pending.clear();
        self.writer.failure(&lapsed.into())
    }

    /// A server that goes down just ends the stream: clients resume elsewhere, or here later. A
    /// kind that goes ends it as well, as upstream: whoever asks anew is told that it is gone.
    fn finish(&mut self, refusal: &Refusal) {
        self.watcher = None;
        let says_nothing = matches!(refusal, Refusal::ShuttingDown | Refusal::KindGone);
        self.last = (!says_nothing).then(|| self.writer.refusal(refusal));
    }

    /// Sends each event as a message, until either side has enough.
    async fn talk(mut self, mut socket: Socket) {
        loop {
            tokio::select! {
                events = self.next() => {
                    let Some(events) = events else { break };
                    for event in events {
                        self.writer.recording.sent(event.len());
                        let text = Utf8Bytes::try_from(event).unwrap_or_default();
                        if socket.send(Message::Text(text)).await.is_err() {
                            return;
                        }
                    }
                }
                said = socket.next() => match said {
                    // Pings are answered by whoever reads.
                    Some(Ok(message)) if !message.is_close() => {}
                    _ => return,
                }
            }
        }
        drop(socket.close(None).await);
    }
}

/// What events look like by. Versions stand for the kind that is shown; ages in the rows of tables
/// are those of when the first of all watchers was told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    version: ByAddress<Version>,
    fields: Fields,
    shape: Shape,
    /// Says nothing but for tables.
    include: Include,
}

/// Writes events.
#[derive(Debug)]
struct Writer {
    door: Arc<KubeDoor>,
    face: Face,
    shape: Shape,
    include: Include,
    audience: Audience<Told>,
    about: About,
    recording: Arc<Recording>,
    /// Whether a table of this stream has named its columns.
    columns_told: bool,
    /// Whether the end of the state that the watch began with is told.
    marks_state: bool,
}

impl Writer {
    /// As many events as go out together.
    fn some(&mut self, pending: &mut VecDeque<WatchEvent>) -> Vec<Bytes> {
        let mut events = Vec::new();
        let mut bytes = 0;
        while bytes < PIECE_BYTES_MAX
            && let Some(event) = pending.pop_front()
        {
            let line = match event {
                // The state is told to one watcher alone.
                WatchEvent::Existing(object) => {
                    let names_columns = self.names_columns();
                    self.made("ADDED", &object, names_columns)
                }
                WatchEvent::Added(object) => self.object("ADDED", &object),
                WatchEvent::Modified { object, .. } => self.object("MODIFIED", &object),
                WatchEvent::Deleted(object) => self.object("DELETED", &object),
                WatchEvent::Bookmark { revision, ends_state } => {
                    if !(ends_state && self.marks_state) {
                        continue;
                    }
                    self.bookmark(revision, true)
                }
            };
            bytes += line.len();
            events.push(line);
        }
        self.recording.events(events.len());
        events
    }

    /// An event as all watchers are told it who asked alike; the first one of a table names the
    /// columns, too.
    fn object(&mut self, kind: &'static str, object: &Arc<Object>) -> Bytes {
        if self.names_columns() {
            return self.made(kind, object, true);
        }
        self.door.events.get(&self.audience, kind, object, || self.made(kind, object, false))
    }

    const fn names_columns(&mut self) -> bool {
        matches!(self.shape, Shape::Table(_)) && !std::mem::replace(&mut self.columns_told, true)
    }

    fn made(&self, kind: &str, object: &Object, names_columns: bool) -> Bytes {
        let mut line = format!(r#"{{"type":"{kind}","object":"#);
        match self.shape {
            Shape::Object => {
                let Face { served, version, fields } = &self.face;
                let view = View { fields, ..View::WHOLE };
                write_object(&mut line, &served.definition.kind, version, object, view);
            }
            Shape::Partial(version) => write_partial(&mut line, version, object),
            Shape::Table(version) => {
                let Face { served, version: shown, fields } = &self.face;
                let mut table = Table::new(served, shown, version, self.include);
                table.add(object, View { fields, ..View::WHOLE });
                let metadata = json!({"resourceVersion": object.revision.to_string()});
                line.push_str(&table.finish(&metadata, names_columns));
            }
        }
        line.push_str("}\n");
        line.into()
    }

    fn bookmark(&self, revision: Revision, ends_state: bool) -> Bytes {
        let kind = &self.face.served.definition.kind;
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if ends_state && let Some(metadata) = metadata.as_object_mut() {
            let annotations = json!({"k8s.io/initial-events-end": "true"});
            metadata.insert("annotations".to_owned(), annotations);
        }
        let object = match self.shape {
            Shape::Object => json!({
                "kind": &*kind.kind,
                "apiVersion": kind.api_version(&self.face.version.name),
                "metadata": metadata,
            }),
            Shape::Partial(version) => json!({
                "kind": "PartialObjectMetadata",
                "apiVersion": format!("meta.k8s.io/{version}"),
                "metadata": metadata,
            }),
            Shape::Table(version) => json!({
                "kind": "Table",
                "apiVersion": format!("meta.k8s.io/{version}"),
                "metadata": metadata,
                "columnDefinitions": null,
                "rows": [],
            }),
        };
        line("BOOKMARK", &object)
    }

    fn refusal(&self, refusal: &Refusal) -> Bytes {
        self.failure(&Failure::Refused(Box::new(Refused {
            refusal: refusal.clone(),
            about: self.about.clone(),
            deed: Deed::Read,
        })))
    }

    fn failure(&self, failure: &Failure) -> Bytes {
        line("ERROR", &failure_object(failure, &self.recording))
    }
}

/// The type comes first, as in events that are about an object.
fn line(kind: &str, object: &Value) -> Bytes {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n").into()
}
