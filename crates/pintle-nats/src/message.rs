//! Events as messages: the two content modes of the NATS binding.
//!
//! <https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md>

use async_nats::header::{HeaderMap, HeaderValue};
use bytes::Bytes;
use pintle_delivery::{Envelope, header_value};

use crate::Mode;

const CONTENT_TYPE: &str = "content-type";
const STRUCTURED: &str = "application/cloudevents+json";
const DATA: &str = "application/json";

/// What is published.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

/// What JetStream knows repeats by: the `id` of the event, and its `source`. Two servers, or one
/// that forgets everything at its end, give the same `id` to different events.
pub fn message_id<E: Envelope>(event: &E) -> String {
    header_value(&format!("{}@{}", event.id(), event.source()))
}

pub(crate) fn message<E: Envelope>(mode: Mode, event: &E) -> Message {
    let mut headers = HeaderMap::new();
    let (content_type, payload) = match mode {
        Mode::Structured => (STRUCTURED, event.json()),
        Mode::Binary => {
            add_attributes(&mut headers, event);
            (DATA, event.data())
        }
    };
    headers.insert(CONTENT_TYPE, content_type);
    Message { headers, payload }
}

fn add_attributes<E: Envelope>(headers: &mut HeaderMap, event: &E) {
    let time = event.time().to_string();
    let attributes = [
        ("specversion", "1.0"),
        ("id", event.id()),
        ("type", event.event_type()),
        ("source", event.source()),
        ("time", &time),
    ];
    for (name, value) in attributes.into_iter().chain(event.extensions()) {
        // It cannot fail: what a header cannot hold was encoded.
        if let Ok(value) = header_value(value).parse::<HeaderValue>() {
            headers.insert(format!("ce-{name}"), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use pintle_model::Timestamp;

    use super::*;

    struct Event;

    impl Envelope for Event {
        fn id(&self) -> &'static str {
            "42.0"
        }

        fn event_type(&self) -> &'static str {
            "pintle.device.created"
        }

        fn source(&self) -> &'static str {
            "pintle/resources/Device/device-1"
        }

        fn time(&self) -> Timestamp {
            Timestamp(0)
        }

        fn extensions(&self) -> Vec<(&str, &str)> {
            vec![("action", "über \"50%\"\r\n")]
        }

        fn json(&self) -> Bytes {
            "{\"whole\":1}".into()
        }

        fn data(&self) -> Bytes {
            "{\"data\":1}".into()
        }
    }

    fn headers(message: &Message) -> Vec<(String, String)> {
        let all = message.headers.iter().map(|(name, values)| {
            (name.to_string(), values.iter().map(ToString::to_string).collect::<String>())
        });
        let mut all: Vec<_> = all.collect();
        all.sort();
        all
    }

    #[test]
    fn a_structured_message_is_the_event() {
        let message = message(Mode::Structured, &Event);
        assert_eq!(message.payload, "{\"whole\":1}");
        let expected = [("content-type", "application/cloudevents+json")];
        assert_eq!(headers(&message), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn a_binary_message_has_the_attributes_as_headers() {
        let message = message(Mode::Binary, &Event);
        assert_eq!(message.payload, "{\"data\":1}");
        let expected = [
            ("ce-action", "%C3%BCber%20%2250%25%22%0D%0A"),
            ("ce-id", "42.0"),
            ("ce-source", "pintle/resources/Device/device-1"),
            ("ce-specversion", "1.0"),
            ("ce-time", "1970-01-01T00:00:00.000000Z"),
            ("ce-type", "pintle.device.created"),
            ("content-type", "application/json"),
        ];
        assert_eq!(headers(&message), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn repeats_are_known_by_id_and_source() {
        assert_eq!(message_id(&Event), "42.0@pintle/resources/Device/device-1");
    }
}
