//! What the answer of JetStream to an event means.

use std::error::Error as _;

use async_nats::jetstream;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::{ErrorCode, publish::PublishAck};
use pintle_delivery::Outcome;

use crate::StreamName;

/// The message is longer than the stream takes.
const TOO_LONG: ErrorCode = ErrorCode(10054);

/// What became of an event.
///
/// - Acknowledged by the stream that was meant: taken, also when it was there before.
/// - Longer than server or stream take: refused, as it will always be.
/// - Everything else says something about the stream and nothing about the event: away.
pub(crate) fn outcome(
    answer: Result<PublishAck, PublishError>,
    stream: &StreamName,
    subject: &str,
) -> Outcome {
    let away = |why| Outcome::Away { why, wait: None };
    let error = match answer {
        Ok(ack) if ack.stream == stream.as_str() => return Outcome::Taken,
        Ok(ack) => return away(format!("the stream {} took it, and not {stream}", ack.stream)),
        Err(error) => error,
    };
    let said = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    match (error.kind(), said) {
        (PublishErrorKind::MaxPayloadExceeded, _) => {
            Outcome::Refused { why: "it is longer than max_payload of the server".to_owned() }
        }
        (_, Some(said)) if said.error_code() == TOO_LONG => {
            Outcome::Refused { why: format!("it is longer than the stream {stream} takes") }
        }
        (PublishErrorKind::StreamNotFound, _) => {
            away(format!("no stream takes the subject {subject:?}, or JetStream is not there"))
        }
        (PublishErrorKind::TimedOut, _) => away("it was not acknowledged in time".to_owned()),
        (_, Some(said)) => away(format!("the stream {stream} says: {said}")),
        (_, None) => away(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(stream: &str, duplicate: bool) -> PublishAck {
        PublishAck { stream: stream.to_owned(), duplicate, ..PublishAck::default() }
    }

    #[test]
    fn answers_are_told_apart() {
        for (answer, expected) in [
            (Ok(ack("EVENTS", false)), "taken"),
            (Ok(ack("EVENTS", true)), "taken"),
            (Ok(ack("OTHER", false)), "away the stream OTHER took it"),
            (Err(PublishErrorKind::MaxPayloadExceeded), "refused it is longer than max_payload"),
            (Err(PublishErrorKind::StreamNotFound), "away no stream takes the subject \"a.b\""),
            (Err(PublishErrorKind::TimedOut), "away it was not acknowledged in time"),
            (Err(PublishErrorKind::BrokenPipe), "away broken pipe"),
        ] {
            let answer = answer.map_err(PublishError::new);
            let stream = "EVENTS".parse().unwrap();
            let found = match outcome(answer, &stream, "a.b") {
                Outcome::Taken => "taken".to_owned(),
                Outcome::Away { why, .. } => format!("away {why}"),
                Outcome::Failing { why, .. } => format!("failing {why}"),
                Outcome::Refused { why } => format!("refused {why}"),
            };
            assert!(found.starts_with(expected), "{found}, not {expected}");
        }
    }
}
