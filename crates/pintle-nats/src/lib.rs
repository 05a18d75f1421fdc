//! Events to NATS JetStream, as a [`Transport`](pintle_delivery::Transport).
//!
//! A [`Publisher`] brings one event after the other into one stream, and counts it as taken when
//! the stream has acknowledged it: the next one leaves after that. Each message has an id of its
//! own ([`message_id`]), by which JetStream drops repeats, so within the window of the stream for
//! duplicates every event is stored once and in order, whoever was killed in between.
//!
//! Before the first event, and whenever there is a new connection, the stream is looked at: it has
//! to be there, to acknowledge, and to take all subjects that could be published. What is wrong is
//! said, and tried again for as long as it takes.
//!
//! What is not here: reading from NATS, subjects without JetStream (nobody would know whether an
//! event was kept), and settings of streams beyond those that one needs to be made.

mod message;
mod outcome;
mod publisher;
mod subject;
mod target;

pub use message::message_id;
pub use publisher::{Publisher, PublisherError};
pub use subject::{InvalidSubject, Subjects, covers};
pub use target::{Credentials, InvalidServers, InvalidStream, Mode, Servers, StreamName, Target};
