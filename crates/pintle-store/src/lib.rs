//! The storage port: what the engine asks of a store, and what every store promises.
//!
//! [`Store`] is the port; [`MemoryStore`] is the adapter that forgets; [`conformance`] is the one
//! suite that every adapter passes. [`Image`] is the in-memory picture of the current objects and
//! the recent past that adapters share: reads never touch a disk.

mod error;
mod port;

pub use error::StoreError;
pub use port::{
    Answer, Committed, Compacted, Event, HistoryLimits, ListQuery, Page, Store, StoreInfo, Tail,
    TailQuery,
};
