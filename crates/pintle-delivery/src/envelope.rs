//! An event as transports of CloudEvents see it.

use bytes::Bytes;
use pintle_model::Timestamp;

/// An event of CloudEvents 1.0.
pub trait Envelope: Send + Sync {
    /// The same whenever the event is told, and different from those of all other events.
    fn id(&self) -> &str;

    /// What sort of event it is: segments between dots.
    fn event_type(&self) -> &str;

    /// Who tells it, and of what: a URI reference.
    fn source(&self) -> &str;

    /// When it happened.
    fn time(&self) -> Timestamp;

    /// The extension attributes, by name: lower-case letters and digits.
    fn extensions(&self) -> Vec<(&str, &str)>;

    /// All of it, as one JSON document on one line.
    fn json(&self) -> Bytes;

    /// Its data alone, as JSON.
    fn data(&self) -> Bytes;
}
