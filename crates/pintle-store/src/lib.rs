//! The storage port: what the engine asks of a store, and what every store promises.
//!
//! [`Store`] is the port; [`MemoryStore`] is the adapter that forgets; the `conformance`
//! suite (a feature) is what every adapter passes. [`Image`] is the in-memory picture of the
//! current objects and the recent past that adapters share: reads never touch a disk.

mod batch;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod image;
mod measures;
mod memory;
mod port;

pub use batch::{Batch, Decided};
pub use error::StoreError;
pub use image::Image;
pub use measures::{Flushes, Histogram};
pub use memory::MemoryStore;
pub use port::{
    Answer, Committed, Compacted, Event, HistoryLimits, ListQuery, Page, Store, StoreInfo, Tail,
    TailQuery,
};
