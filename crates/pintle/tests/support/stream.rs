//! Watches: what a server tells, line by line.

use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use super::http::{Client, Reply};
use super::within;

/// How a watch is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `application/x-ndjson`.
    Lines,
    /// `text/event-stream`.
    ServerSentEvents,
}

/// One event of a watch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub(crate) kind: String,
    pub(crate) object: Value,
    /// What `id:` says; only server-sent events have one.
    pub(crate) id: Option<String>,
}

/// An open watch.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) headers: HeaderMap,
    framing: Framing,
    body: Incoming,
    buffer: Vec<u8>,
}

impl Watch {
    /// Opens a watch; the answer if the server refuses.
    pub(crate) async fn open(
        client: &Client,
        path: &str,
        framing: Framing,
        headers: &[(&str, &str)],
    ) -> Result<Self, Reply> {
        let accept = match framing {
            Framing::Lines => "application/x-ndjson",
            Framing::ServerSentEvents => "text/event-stream",
        };
        let headers = [&[("accept", accept)], headers].concat();
        let opened = within("opening a watch", client.open("GET", path, &headers)).await;
        let (parts, body) = opened.expect("the server answers").into_parts();
        if !parts.status.is_success() {
            let body = within("a refusal", body.collect()).await.expect("a whole answer");
            let (status, headers) = (parts.status.as_u16(), parts.headers);
            return Err(Reply { status, headers, body: body.to_bytes() });
        }
        Ok(Self { headers: parts.headers, framing, body, buffer: Vec::new() })
    }

    /// The next event; nothing when the server has ended the watch.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        match self.framing {
            Framing::Lines => self.line().await.map(|line| event(&line, None)),
            Framing::ServerSentEvents => self.server_sent_event().await,
        }
    }

    /// The next event, which must come.
    pub(crate) async fn event(&mut self) -> Event {
        self.next().await.expect("the watch goes on")
    }

    /// Reads the state and the bookmark that ends it; the objects, and the bookmark's version.
    pub(crate) async fn state(&mut self) -> (Vec<Value>, u64) {
        let mut objects = Vec::new();
        loop {
            let event = self.event().await;
            if event.kind == "BOOKMARK" {
                let end = &event.object["metadata"]["annotations"]["k8s.io/initial-events-end"];
                assert_eq!(end, "true", "the first bookmark ends the state: {event:?}");
                return (objects, event.version());
            }
            assert_eq!(event.kind, "ADDED", "{event:?}");
            objects.push(event.object);
        }
    }

    /// The next line, without its end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut searched = 0;
        loop {
            let rest = &self.buffer[searched..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let after = self.buffer.split_off(searched + end + 1);
                let mut line = std::mem::replace(&mut self.buffer, after);
                line.pop();
                return Some(String::from_utf8(line).expect("events are UTF-8"));
            }
            searched = self.buffer.len();
            // A server that is killed breaks the stream, which is an end too.
            let frame = within("the next event of a watch", self.body.frame()).await?.ok()?;
            if let Some(data) = frame.data_ref() {
                self.buffer.extend_from_slice(data);
            }
        }
    }

    async fn server_sent_event(&mut self) -> Option<Event> {
        let (mut kind, mut id, mut data) = (None, None, String::new());
        loop {
            let line = self.line().await?;
            match line.split_once(": ") {
                Some(("event", value)) => kind = Some(value.to_owned()),
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("data", value)) => data.push_str(value),
                _ if line.is_empty() && !data.is_empty() => {
                    let event = event(&data, id);
                    assert_eq!(kind, Some(event.kind.clone()), "event: and type agree");
                    return Some(event);
                }
                _ => {}
            }
        }
    }
}

fn event(json: &str, id: Option<String>) -> Event {
    let mut value: Value = serde_json::from_str(json).expect("events are JSON");
    let kind = value["type"].as_str().expect("events have a type").to_owned();
    Event { kind, object: value["object"].take(), id }
}

impl Event {
    #[track_caller]
    pub(crate) fn version(&self) -> u64 {
        let version = self.object["metadata"]["resourceVersion"].as_str();
        version.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no version: {self:?}"))
    }

    pub(crate) fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }
}
