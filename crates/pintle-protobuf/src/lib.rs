//! Kubernetes' protobuf encoding (`application/vnd.kubernetes.protobuf`) of the core kinds, read as
//! the JSON that the same client would have sent.
//!
//! What the messages look like is data, one row a field (`messages.rs`), made from upstream's Go
//! types by the program in `upstream/`. Nothing here knows what a kind means, and objects of
//! declared kinds have no protobuf form at all.
//!
//! Pure: no I/O, no clock, no randomness.

mod decode;
mod forms;
mod messages;
mod table;
mod wire;

pub use decode::{Decoded, ProtobufError, decode};

/// The media type of a body that [`decode`] reads.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
