//! GraphQL over server-sent events, in the mode of one connection an operation.
//!
//! Source: `PROTOCOL.md` of graphql-sse. Results are `next` events, also those that only tell of
//! errors, and a `complete` ends the stream. Comments in between say that the server is there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use pintle_http::{Body, Recording};
use tokio::time::Instant;

use crate::door::errors_text;
use crate::operation::{Begun, Open};
use crate::subscribe::{Subscription, Told};

const MEDIA_TYPE: &str = "text/event-stream";
/// With the field that browsers need to notice the event.
const COMPLETE: &[u8] = b"event: complete\ndata: \n\n";
const SIGN_OF_LIFE: &[u8] = b":\n\n";

/// Whether a client takes server-sent events, among other things perhaps.
pub(crate) fn is_taken(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_meant = parts.next().is_some_and(|it| it.eq_ignore_ascii_case(MEDIA_TYPE));
        is_meant && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// The answer of an operation, as a stream.
pub(crate) fn response(begun: Begun, keep_alive: Duration) -> Response<Body> {
    let body = match begun {
        Begun::Once(result) => Body::Whole(whole(&next(&result))),
        Begun::Refused(errors) => Body::Whole(whole(&refused(&errors))),
        Begun::Open(open) => Body::endless(pieces(*open, keep_alive)),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn whole(event: &[u8]) -> Bytes {
    [event, COMPLETE].concat().into()
}

fn next(result: &[u8]) -> Vec<u8> {
    // JSON text has no line ends of its own.
    [b"event: next\ndata: ", result, b"\n\n"].concat()
}

fn refused(errors: &str) -> Vec<u8> {
    next(format!("{{\"errors\":{errors}}}").as_bytes())
}

/// One open stream.
struct Telling {
    /// Nothing once it has ended.
    subscription: Option<Subscription>,
    recording: Arc<Recording>,
    keep_alive: Duration,
}

fn pieces(open: Open, keep_alive: Duration) -> impl Stream<Item = Bytes> + Send {
    let Open { subscription, recording } = open;
    let state = Telling { subscription: Some(subscription), recording, keep_alive };
    // The first piece is there at once, so that a client sees that the stream is open.
    let greeting = stream::iter([Bytes::from_static(SIGN_OF_LIFE)]);
    greeting.chain(stream::unfold(state, |mut state| async move {
        let piece = state.piece().await?;
        Some((piece, state))
    }))
}

impl Telling {
    async fn piece(&mut self) -> Option<Bytes> {
        let subscription = self.subscription.as_mut()?;
        let silent_until = Instant::now() + self.keep_alive;
        let told = tokio::select! {
            told = subscription.next() => told,
            () = tokio::time::sleep_until(silent_until) => {
                return Some(Bytes::from_static(SIGN_OF_LIFE));
            }
        };
        match told {
            Some(Told::Result(result)) => Some(next(&result).into()),
            Some(Told::Failed(fault)) => {
                self.subscription = None;
                Some(whole(&refused(&errors_text(&[fault], &self.recording))))
            }
            // A server that goes down just ends the stream: clients resume elsewhere, or here
            // later.
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_say_that_they_take_events() {
        for (accept, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; q=0.5", true),
            ("application/json, text/event-stream", true),
            ("text/event-stream;q=0", false),
            ("text/*", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(is_taken(&headers), expected, "{accept}");
        }
        assert!(!is_taken(&HeaderMap::new()));
    }

    #[test]
    fn results_become_events() {
        let body = |begun| match response(begun, Duration::from_secs(1)).into_body() {
            Body::Whole(bytes) => String::from_utf8(bytes.into()).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            body(Begun::Once("{}".into())),
            "event: next\ndata: {}\n\nevent: complete\ndata: \n\n"
        );
        assert_eq!(
            body(Begun::Refused("[]".into())),
            "event: next\ndata: {\"errors\":[]}\n\nevent: complete\ndata: \n\n"
        );
    }
}
