//! Reads, writes, watches, and the lifecycle of objects: what every door stands on.
//!
//! The engine knows no HTTP, no JSON shape of a door, and no storage backend. Everything that
//! changes an object goes through [`Engine::write`], which takes a [`pintle_authz::Granted`] write
//! and nothing less.

mod access;
mod catalog;
mod clock;
mod conversion;
mod engine;
mod guard;
mod hook;
mod hub;
mod journal;
mod lens;
mod lifecycle;
mod limits;
mod measures;
mod opening;
mod quota;
mod read;
mod refusal;
mod stored_versions;
mod turns;
mod vital;
mod watch;
mod write;
mod write_all;

pub use access::{AccessMode, RuleSource};
pub use catalog::{Catalog, Served};
pub use clock::{Clock, Entropy, SystemClock, SystemEntropy};
pub use conversion::{Conversions, Convert, Half, Unconverted};
pub use engine::{Engine, Setup};
pub use hook::{Denied, Hook};
pub use journal::{Action, Entries, Entry, Journal, Reader, Reading};
pub use lifecycle::{NAMESPACES, Report};
pub use limits::Limits;
pub use measures::Measures;
pub use quota::QuotaExceeded;
pub use read::{Get, List, Listed, Removal, Selection};
pub use refusal::Refusal;
pub use watch::{Start, Watch, WatchEvent, Watcher};
pub use write::{Wait, Write, Written, ask_for};
pub use write_all::NoneWritten;

pub use pintle_store::{Flushes, Histogram};
