//! `GET /events`: lifecycle events, as server-sent events or as JSON lines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use pintle_engine::Refusal;
use pintle_events::{CloudEvent, Cursor, Interest, Patterns, Reader, Subscription};
use pintle_http::{Body, Caller, Exchange, Lapse, Recording, Subject};
use pintle_model::{GroupResource, LabelSelector};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::accept;
use crate::api::RestDoor;
use crate::query::{self, bad, number};
use crate::reply::{Failure, failure_object};
use crate::watch::{Framing, LAST_EVENT_ID, PIECE_BYTES_MAX, end_after, stream_response};

/// Opens a stream of events.
pub(crate) async fn events(
    door: &Arc<RestDoor>,
    parts: &Parts,
    caller: Caller,
    recording: &Arc<Recording>,
) -> Result<Response<Body>, Failure> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(Failure::MethodNotAllowed { allow: "GET, HEAD".to_owned() });
    }
    accept::check(&parts.headers)?;
    let wanted = Wanted::parse(parts.uri.query())?;
    let framing = Framing::asked_for(&parts.headers);
    let stranger = door.settings.entrance.is_stranger(&caller);
    let lapse = caller.lapse();
    let interest = Interest {
        reader: Reader::Caller(caller.user),
        types: wanted.types,
        namespace: wanted.namespace,
        labels: wanted.labels,
        from: from(&parts.headers, wanted.after)?,
    };
    let interval = door.settings.entrance.bookmark_interval;
    let (subscription, gone) = match door.bus.open(interest).await {
        Ok(subscription) => (Some(subscription), None),
        // A history that is gone is told as an event, like one that goes while the stream runs.
        Err(refusal @ Refusal::Expired { .. }) => {
            (None, Some(error(framing, &told(refusal), recording)))
        }
        Err(Refusal::Forbidden(_)) if stranger => return Err(Failure::LoginRequired),
        Err(refusal) => return Err(told(refusal)),
    };
    recording.note(Exchange::allowed_path);
    let stream = Stream {
        recording: Arc::clone(recording),
        framing,
        subscription,
        pieces: gone.into_iter().collect(),
        lapse,
        ends: end_after(wanted.timeout_seconds),
        interval,
        speaks_at: Instant::now() + interval,
    };
    let pieces = futures_util::stream::unfold(stream, |mut stream| async move {
        let piece = stream.next().await?;
        Some((piece, stream))
    });
    Ok(stream_response(framing, pieces))
}

/// A refusal that is about all events.
fn told(refusal: Refusal) -> Failure {
    let resource = GroupResource::from_text("events");
    Failure::of(refusal, Subject { resource, name: String::new() })
}

/// After the event that the client saw last: a browser that connects again says so, and its
/// address still has where it began.
fn from(headers: &HeaderMap, after: Option<Cursor>) -> Result<Option<Cursor>, Failure> {
    let Some(last_seen) = headers.get(&LAST_EVENT_ID) else { return Ok(after) };
    match last_seen.to_str().unwrap_or("?") {
        "" => Ok(after),
        text => Ok(Some(Cursor::parse(text)?)),
    }
}

/// The parameters of the address.
#[derive(Debug)]
struct Wanted {
    types: Patterns,
    namespace: Option<Arc<str>>,
    labels: LabelSelector,
    after: Option<Cursor>,
    timeout_seconds: Option<u64>,
}

const KNOWN: &str = "types, namespace, labelSelector, after, timeoutSeconds";

impl Wanted {
    fn parse(text: Option<&str>) -> Result<Self, Failure> {
        let mut wanted = Self {
            types: Patterns::everything(),
            namespace: None,
            labels: LabelSelector::default(),
            after: None,
            timeout_seconds: None,
        };
        for (name, value) in query::pairs(text)? {
            wanted.set(&name, &value)?;
        }
        Ok(wanted)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        match name {
            "types" => self.types = Patterns::parse(value.split(','))?,
            "namespace" => self.namespace = Some(Arc::from(value)).filter(|_| !value.is_empty()),
            "labelSelector" => self.labels = LabelSelector::parse(value)?,
            "after" => self.after = Some(Cursor::parse(value)?),
            "timeoutSeconds" => self.timeout_seconds = number(name, value)?,
            _ => return Err(bad(name, value, &format!("is unknown; known are {KNOWN}"))),
        }
        Ok(())
    }
}

/// One open stream.
#[derive(Debug)]
struct Stream {
    recording: Arc<Recording>,
    framing: Framing,
    /// Nothing once it has ended.
    subscription: Option<Subscription>,
    /// What is ready to be sent.
    pieces: VecDeque<Bytes>,
    /// The end of what the caller showed, which is the end of the stream.
    lapse: Lapse,
    ends: Option<Instant>,
    interval: Duration,
    /// When something has to be said again.
    speaks_at: Instant,
}

impl Stream {
    /// The next piece of the stream; nothing ends it.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            // What is still to be sent is not for somebody who is nobody any more. An event that is
            // being sent comes to its end.
            if let Some(piece) = self.pieces.pop_front() {
                return Some(piece);
            }
            let subscription = self.subscription.as_mut()?;
            if let Some(lapsed) = (&mut self.lapse).now_or_never() {
                self.finish(&lapsed.into());
                continue;
            }
            if let Some(event) = subscription.next_now() {
                self.pieces = pieces(self.framing, event, subscription, &self.recording);
                self.speaks_at = Instant::now() + self.interval;
                continue;
            }
            let end = async {
                match self.ends {
                    Some(ends) => tokio::time::sleep_until(ends).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                lapsed = &mut self.lapse => self.finish(&lapsed.into()),
                () = end => return None,
                () = tokio::time::sleep_until(self.speaks_at) => {
                    self.pieces.push_back(sign_of_life(self.framing, subscription.cursor()));
                    self.speaks_at = Instant::now() + self.interval;
                }
                looked = subscription.look() => match looked {
                    // Whoever reads a long history of which nothing is for them lets others work.
                    Ok(()) => tokio::task::yield_now().await,
                    // A server that goes down just ends the stream: clients resume elsewhere, or
                    // here later.
                    Err(Refusal::ShuttingDown) => return None,
                    Err(refusal) => self.finish(&told(refusal)),
                }
            }
        }
    }

    fn finish(&mut self, failure: &Failure) {
        self.subscription = None;
        self.pieces.push_back(error(self.framing, failure, &self.recording));
    }
}

/// An event and those that are ready to go with it. Small ones go out together, because each piece
/// costs a write to the socket. A large one goes between its frame, so that its bytes are shared by
/// all streams and not copied for each.
fn pieces(
    framing: Framing,
    first: Arc<CloudEvent>,
    subscription: &mut Subscription,
    recording: &Recording,
) -> VecDeque<Bytes> {
    let mut pieces = VecDeque::new();
    let mut joined = Vec::new();
    let mut events = 0;
    let mut next = Some(first);
    while let Some(event) = next {
        let json = event.json();
        open_frame(framing, &event, &mut joined);
        if json.len() > PIECE_BYTES_MAX {
            pieces.push_back(std::mem::take(&mut joined).into());
            pieces.push_back(json);
        } else {
            joined.extend_from_slice(&json);
        }
        joined.extend_from_slice(framing.end());
        events += 1;
        if !pieces.is_empty() || joined.len() > PIECE_BYTES_MAX {
            break;
        }
        next = subscription.next_now();
    }
    recording.events(events);
    pieces.push_back(joined.into());
    pieces.retain(|piece: &Bytes| !piece.is_empty());
    pieces
}

fn open_frame(framing: Framing, event: &CloudEvent, out: &mut Vec<u8>) {
    if framing == Framing::ServerSentEvents {
        let (kind, cursor) = (one_line(event.event_type()), event.cursor());
        out.extend_from_slice(format!("event: {kind}\nid: {cursor}\ndata: ").as_bytes());
    }
}

/// The type of a condition may hold anything, and a line ends with its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Tells where the stream is. As server-sent events it is no event, and yet a client that connects
/// again goes on from there.
fn sign_of_life(framing: Framing, cursor: Cursor) -> Bytes {
    match framing {
        Framing::ServerSentEvents => format!(":\nid: {cursor}\n\n").into(),
        Framing::Lines => {
            let object = json!({"metadata": {"resourceVersion": cursor.to_string()}});
            line("BOOKMARK", &object).into()
        }
    }
}

fn error(framing: Framing, failure: &Failure, recording: &Recording) -> Bytes {
    let text = line("ERROR", &failure_object(failure, recording));
    match framing {
        Framing::ServerSentEvents => format!("event: ERROR\ndata: {text}\n").into(),
        Framing::Lines => text.into(),
    }
}

/// What is no event has the form that watches give it.
fn line(kind: &str, object: &Value) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

impl Framing {
    /// What stands after an event.
    const fn end(self) -> &'static [u8] {
        match self {
            Self::ServerSentEvents => b"\n\n",
            Self::Lines => b"\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use pintle_engine::{
        AccessMode, Engine, Limits, RuleSource, Setup, SystemClock, SystemEntropy,
    };
    use pintle_events::{Bus, Names};
    use pintle_http::Observers;
    use pintle_model::Revision;
    use pintle_store::MemoryStore;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    /// A stream of events that never come, on a server that has written something.
    async fn quiet(framing: Framing, ends: Option<Instant>) -> (Arc<Engine>, Stream) {
        let setup = Setup {
            store: Arc::new(MemoryStore::default()),
            rules: RuleSource { mode: AccessMode::Open, policies: Vec::new() },
            hook: None,
            conversions: pintle_engine::Conversions::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            limits: Limits::default(),
        };
        let engine = Engine::start(setup).await.unwrap();
        engine.calm().await;
        let bus = Bus::new(Arc::clone(&engine), Names::default());
        let types = Patterns::parse(["no.such.type"]).unwrap();
        let subscription = bus.subscribe(types, Some(Cursor::after(Revision::ZERO))).await.unwrap();
        let (parts, ()) = http::Request::new(()).into_parts();
        let stream = Stream {
            recording: Recording::begin("rest", &Observers::default(), &parts),
            framing,
            subscription: Some(subscription),
            pieces: VecDeque::new(),
            lapse: Caller::anonymous().lapse(),
            ends,
            interval: INTERVAL,
            speaks_at: Instant::now() + INTERVAL,
        };
        (engine, stream)
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_says_how_far_it_is() {
        for framing in [Framing::ServerSentEvents, Framing::Lines] {
            let (engine, mut stream) = quiet(framing, None).await;
            let newest = engine.newest();
            assert!(newest > Revision::ZERO);
            let expected = match framing {
                Framing::ServerSentEvents => format!(":\nid: {newest}\n\n"),
                Framing::Lines => format!(
                    "{{\"type\":\"BOOKMARK\",\"object\":{{\"metadata\":{{\"resourceVersion\":\"{newest}\"}}}}}}\n"
                ),
            };
            for _ in 0..3 {
                let begun = Instant::now();
                assert_eq!(stream.next().await.unwrap(), expected);
                assert!(begun.elapsed() >= INTERVAL);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_when_its_time_is_up() {
        let ends = end_after(Some(1));
        let (_engine, mut stream) = quiet(Framing::Lines, ends).await;
        assert_eq!(stream.next().await, None);
        assert!(Some(Instant::now()) >= ends);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_the_server() {
        let (engine, mut stream) = quiet(Framing::Lines, None).await;
        engine.end_watches();
        assert_eq!(stream.next().await, None);
    }

    #[test]
    fn addresses_are_read_or_refused() {
        let cases = [
            ("", true),
            ("types=**", true),
            ("types=a.*,b.**&namespace=lab&labelSelector=a%3Db", true),
            ("after=42.0&timeoutSeconds=1", true),
            ("types=a..b", false),
            ("types=", false),
            ("types=a&types=b", false),
            ("after=x", false),
            ("after=", false),
            ("timeoutSeconds=x", false),
            ("labelSelector=a==b==c", false),
            ("type=a", false),
        ];
        for (text, good) in cases {
            assert_eq!(Wanted::parse(Some(text)).is_ok(), good, "{text}");
        }
    }
}
