//! Events as requests: the three content modes of the HTTP binding.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use pintle_delivery::{Envelope, Parcel, header_value};

use crate::Mode;
use crate::sign::message_id;

/// A batch has at most so many events.
pub const BATCH_EVENTS_MAX: usize = 100;

/// And at most so many bytes, unless a single event is longer.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;

const STRUCTURED: HeaderValue =
    HeaderValue::from_static("application/cloudevents+json; charset=UTF-8");
const BATCH: HeaderValue =
    HeaderValue::from_static("application/cloudevents-batch+json; charset=UTF-8");
const DATA: HeaderValue = HeaderValue::from_static("application/json");

/// What is sent.
pub(crate) struct Request {
    /// The same whenever these events are sent together.
    pub(crate) id: String,
    pub(crate) content_type: HeaderValue,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// How many of these go into one request.
pub(crate) fn fit<E: Envelope>(mode: Mode, parcels: &[Parcel<E>]) -> usize {
    match mode {
        Mode::Structured | Mode::Binary => 1,
        Mode::Batch => {
            let mut bytes = 0;
            let fits = |parcel: &&Parcel<E>| {
                bytes += parcel.event.json().len() + 1;
                bytes <= BATCH_BYTES_MAX
            };
            parcels.iter().take(BATCH_EVENTS_MAX).take_while(fits).count().max(1)
        }
    }
}

/// The request of these; nothing when there are none.
pub(crate) fn request<E: Envelope>(mode: Mode, parcels: &[Parcel<E>]) -> Option<Request> {
    let first = &parcels.first()?.event;
    let (headers, content_type, body) = match mode {
        Mode::Structured => (HeaderMap::new(), STRUCTURED, first.json()),
        Mode::Binary => (attributes(first), DATA, first.data()),
        Mode::Batch => (HeaderMap::new(), BATCH, list(parcels)),
    };
    let id = message_id(first.id(), parcels.len() - 1);
    Some(Request { id, content_type, headers, body })
}

fn list<E: Envelope>(parcels: &[Parcel<E>]) -> Bytes {
    let mut body = BytesMut::new();
    for (index, parcel) in parcels.iter().enumerate() {
        body.put_u8(if index == 0 { b'[' } else { b',' });
        body.put(parcel.event.json());
    }
    body.put_u8(b']');
    body.freeze()
}

/// The attributes of an event as headers.
fn attributes<E: Envelope>(event: &E) -> HeaderMap {
    let time = event.time().to_string();
    let attributes = [
        ("specversion", "1.0"),
        ("id", event.id()),
        ("type", event.event_type()),
        ("source", event.source()),
        ("time", &time),
    ];
    let attributes = attributes.into_iter().chain(event.extensions());
    let headers = attributes.filter_map(|(name, value)| {
        let name = HeaderName::try_from(format!("ce-{name}")).ok()?;
        Some((name, HeaderValue::try_from(header_value(value)).ok()?))
    });
    headers.collect()
}
