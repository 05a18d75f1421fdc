//! What receivers are told: events of the bus, and gaps.

use std::sync::Arc;

use bytes::Bytes;
use pintle_delivery::{Envelope, Gap};
use pintle_events::CloudEvent;
use pintle_model::{Revision, Timestamp};
use serde_json::{Value, json};

/// One event on its way out.
#[derive(Debug, Clone)]
pub(crate) enum Outgoing {
    /// Something happened.
    Event(Arc<CloudEvent>),
    /// Things happened of which the receiver will not be told any more.
    Gap(Arc<GapEvent>),
}

/// The event that says what a receiver missed.
#[derive(Debug)]
pub(crate) struct GapEvent {
    id: String,
    event_type: String,
    source: String,
    time: Timestamp,
    data: Value,
}

impl GapEvent {
    /// `prefix` and `source` are what all events of the server begin with.
    pub(crate) fn new(prefix: &str, source: &str, gap: Gap, time: Timestamp) -> Self {
        let Gap { after, up_to } = gap;
        let from: Revision = after.read_after().next();
        Self {
            // Other events begin with a digit.
            id: format!("gap-{from}-{up_to}"),
            event_type: format!("{prefix}.gap"),
            source: source.to_owned(),
            time,
            data: json!({
                "action": "gap",
                "fromResourceVersion": from.to_string(),
                "toResourceVersion": up_to.to_string(),
            }),
        }
    }

    fn json(&self) -> Bytes {
        let event = json!({
            "specversion": "1.0",
            "type": self.event_type,
            "source": self.source,
            "id": self.id,
            "time": self.time.to_string(),
            "datacontenttype": "application/json",
            "action": "gap",
            "data": self.data,
        });
        event.to_string().into()
    }
}

impl Envelope for Outgoing {
    fn id(&self) -> &str {
        match self {
            Self::Event(event) => event.id(),
            Self::Gap(gap) => &gap.id,
        }
    }

    fn event_type(&self) -> &str {
        match self {
            Self::Event(event) => event.event_type(),
            Self::Gap(gap) => &gap.event_type,
        }
    }

    fn source(&self) -> &str {
        match self {
            Self::Event(event) => event.source(),
            Self::Gap(gap) => &gap.source,
        }
    }

    fn time(&self) -> Timestamp {
        match self {
            Self::Event(event) => event.time(),
            Self::Gap(gap) => gap.time,
        }
    }

    fn extensions(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Event(event) => event.extensions(),
            Self::Gap(_) => vec![("action", "gap")],
        }
    }

    fn json(&self) -> Bytes {
        match self {
            Self::Event(event) => event.json(),
            Self::Gap(gap) => gap.json(),
        }
    }

    fn data(&self) -> Bytes {
        match self {
            Self::Event(event) => event.data(),
            Self::Gap(gap) => gap.data.to_string().into(),
        }
    }
}
