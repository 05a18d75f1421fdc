//! What a delivery stands between: where events come from, and what brings them away.

use std::time::Duration;

use pintle_model::{Revision, Timestamp};

use crate::Position;

/// One event on its way.
#[derive(Debug, Clone)]
pub struct Parcel<E> {
    /// Its place: whoever has this one goes on after it.
    pub position: Position,
    /// When what it tells of happened.
    pub at: Timestamp,
    /// The event.
    pub event: E,
}

/// Some events, in order. It may be none: then there was something to look at, but nothing for us.
#[derive(Debug, Clone)]
pub struct Portion<E> {
    /// The events.
    pub parcels: Vec<Parcel<E>>,
    /// Everything up to here was looked at.
    pub up_to: Revision,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With what happens from now on.
    #[default]
    Now,
    /// With the oldest event there is.
    Oldest,
    /// With what comes after this.
    After(Position),
}

/// Events that were not delivered and never will be: after `after`, up to and including `up_to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last place before it.
    pub after: Position,
    /// The last revision of it.
    pub up_to: Revision,
}

/// Why a source has nothing more to give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Some of what was asked for is no longer kept.
    #[error("history is kept after revision {kept_after} only")]
    Expired {
        /// Everything after this revision is still there.
        kept_after: Revision,
    },
    /// The place that was asked for was never reached: these are not the events of that place.
    #[error("the newest revision is {newest}, which is before the place that was reached")]
    Ahead {
        /// The newest revision.
        newest: Revision,
    },
    /// The server is going down.
    #[error("the server is going down")]
    Closing,
    /// Something else, which may pass.
    #[error("{0}")]
    Failed(String),
}

/// Where events come from. It is asked for one portion at a time, when the one before is done with.
pub trait Source: Send {
    /// What it tells.
    type Event: Send + Sync;

    /// Goes to a place, and says which it is.
    fn open(&mut self, start: Start) -> impl Future<Output = Result<Position, SourceError>> + Send;

    /// What comes next; waits until there is something. After an error it has to be opened again.
    ///
    /// Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Portion<Self::Event>, SourceError>> + Send;

    /// The event that tells a receiver of a gap.
    fn gap(&self, gap: Gap) -> Self::Event;
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Taken,
    /// Nobody was reached, or whoever was asks for patience: tried again for as long as it takes.
    Away {
        /// What happened.
        why: String,
        /// How long the receiver wants to be left alone.
        wait: Option<Duration>,
    },
    /// The receiver fails at it, which may pass: tried again for long.
    Failing {
        /// What happened.
        why: String,
        /// How long the receiver wants to be left alone.
        wait: Option<Duration>,
    },
    /// The receiver does not want it: tried again a few times, should it have been a mistake.
    Refused {
        /// What happened.
        why: String,
    },
}

/// What brings events to one receiver.
pub trait Transport<E>: Send {
    /// Gets ready, so that what is wrong is told before there is anything to send. The error says
    /// what it is; it is tried again until it works.
    fn ready(&mut self) -> impl Future<Output = Result<(), String>> + Send {
        async { Ok(()) }
    }

    /// How many of these, from the first on, go into one message: at least one.
    fn fit(&self, parcels: &[Parcel<E>]) -> usize;

    /// Brings them there as one message, and waits for what becomes of it, but not for ever.
    fn send(&mut self, parcels: &[Parcel<E>]) -> impl Future<Output = Outcome> + Send;

    /// The event as one line of JSON, for the dead letters.
    fn json(&self, event: &E) -> Vec<u8>;
}
