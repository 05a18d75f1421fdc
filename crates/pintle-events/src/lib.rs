//! Lifecycle events: CloudEvents 1.0, made from the commit log.
//!
//! An event is not published by whoever writes; it is read from the log of what was committed. So
//! there is no event of a write that was not, none is lost, and everybody is told them in the order
//! of the commits. A [`Subscription`] has a cursor of its own, and can be resumed from it, also
//! after a restart, for as long as the log goes back.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use pintle_engine::{Engine, Refusal};
//! # use pintle_events::{Bus, Cursor, Names, Pattern};
//! # async fn run(engine: Arc<Engine>, kept: Cursor) -> Result<(), Box<dyn std::error::Error>> {
//! #[derive(serde::Deserialize)]
//! struct Device {
//!     status: serde_json::Value,
//! }
//!
//! let bus = Bus::new(engine, Names::new("io.fabrica", None, "fabrica-api")?);
//! let types = Pattern::parse("io.fabrica.device.*")?;
//! let mut devices = bus.subscribe(types, Some(kept)).await.unwrap();
//! while let Ok(event) = devices.next().await {
//!     let device: Device = event.resource_as()?;
//!     println!("{} {}: {}", event.event_type(), event.id(), device.status);
//!     devices.ack();
//!     let next_time = devices.acked();
//!     # let _ = next_time;
//! }
//! # Ok(()) }
//! ```

mod bus;
mod cursor;
pub mod document;
mod event;
mod names;
mod pattern;

pub use bus::{Bus, Interest, Subscription};
pub use cursor::{Cursor, InvalidCursor};
pub use event::{CloudEvent, ConditionChange, Subject, UpdateType};
pub use names::{InvalidName, NAME_BYTES_MAX, Names};
pub use pattern::{InvalidPattern, PATTERN_BYTES_MAX, PATTERNS_MAX, Pattern, Patterns};
pub use pintle_engine::{Action, Reader};
