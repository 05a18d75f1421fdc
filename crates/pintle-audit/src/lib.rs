//! The audit log: who did what to which object, and how it ended, as JSON lines.
//!
//! # The promise
//!
//! A change is not made before there is room for its record, and room is only given while lines are
//! being written. When they cannot be, changes wait for a while and are then refused; reads go on.
//! A record of anything else is written when there is room. If there is none, it is counted, and
//! the next line that is written tells how many are missing.
//!
//! # The parts
//!
//! Whoever answers a request makes its line and puts it into a queue; one thread writes whatever is
//! there, and gives the room back only then. So a request costs no system call of its own, and a
//! disk that hangs holds up nobody but who changes something. What waits in the queue when the
//! process dies is lost: some milliseconds of records, always the last ones.

mod file;
mod log;
mod observer;
mod queue;
mod record;
mod sink;
mod writer;

pub use file::Rotation;
pub use log::{AuditInfo, AuditLog, OpenError, Target, Unavailable};
pub use observer::{Auditor, Level};
pub use writer::Flush;
