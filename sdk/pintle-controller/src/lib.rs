//! Controllers in Rust, on kube-runtime: for Pintle's Kubernetes door, in the server's own process
//! or apart from it, and for any Kubernetes.
//!
//! A [`Reconciler`] looks at one object, does what it takes, and says what it saw with
//! [`Context::report`]. A report can change nothing but the status; it loses nobody's edit of the
//! spec and nobody else's part of the status ([`StatusWriter`]). A [`Manager`] runs several of
//! them, with finalizers, pauses that grow, leader election, metrics and a stop that lets what is
//! in progress finish.
//!
//! What kube-runtime already sees to: every object is reconciled once at a start; an object is
//! never reconciled twice at a time; a change during a reconcile leads to another one after it.

mod backoff;
mod context;
mod error;
mod leader;
mod manager;
mod metrics;
mod reconciler;
mod status;

pub use backoff::Backoff;
pub use context::Context;
pub use error::{Error, explain};
pub use kube::runtime::controller::Action;
pub use leader::{LeaderSettings, Lease};
pub use manager::{Manager, ManagerError, Running};
pub use metrics::Metrics;
pub use pintle_kinds::{Condition, ConditionStatus, Conditions, Timestamp};
pub use reconciler::{Object, Options, Reconciler};
pub use status::{ReportError, Reported, StatusWriter};
