//! Bringing events to somebody else: in order, at least once, whatever stops on the way.
//!
//! A [`Delivery`] takes events from a [`Source`] and gives them to a [`Transport`], one message
//! after the other, and remembers in a file how far it came ([`Place`]). It knows neither what an
//! event is nor what brings it there; transports of CloudEvents see events as [`Envelope`]s.
//!
//! - **Order.** The next message leaves when the one before it was taken, or was given up.
//! - **At least once.** How far it came is written *after* the receiver took an event. A crash in
//!   between costs repeats, which are recognised by the ids of the events.
//! - **Failures** are told apart ([`Outcome`]): what may pass is tried again for long, with growing
//!   pauses; what the receiver refuses is tried a few times and then put away ([`DeadLetters`]), so
//!   that one event that nobody wants does not hold up the rest.
//! - **Gaps.** A receiver that is away for longer than history is kept has missed something. It is
//!   told so, with an event that says what is missing ([`Source::gap`]).
//!
//! A delivery holds a cursor and the events in its hand, and no queue: a receiver that is slow or
//! gone costs neither memory nor anybody else's time.

mod dead;
mod delivery;
mod envelope;
mod header_value;
mod place;
mod ports;
mod position;
mod progress;
mod records;
mod retry;

pub use dead::{DEAD_LETTER_BYTES_MAX, DeadLetters};
pub use delivery::Delivery;
pub use envelope::Envelope;
pub use header_value::header_value;
pub use place::{Place, PlaceError};
pub use ports::{Gap, Outcome, Parcel, Portion, Source, SourceError, Start, Transport};
pub use position::{Position, PositionError};
pub use progress::{Numbers, Progress};
pub use records::Records;
pub use retry::Patience;
