//! A typed client of Pintle's REST door.
//!
//! [`Client::connect`] is a client of a server, [`Client::over`] one of a server in the same
//! process; [`Client::api`] is what can be done with the objects of one kind. Users write with
//! [`Api::replace`] and [`Api::patch`], controllers with [`Api::update_status`],
//! [`Api::patch_status`] and [`Api::report`], which can change nothing but the status.
//!
//! ```no_run
//! # #[derive(serde::Serialize, serde::Deserialize)]
//! # struct Device { metadata: serde_json::Value }
//! # pintle_kinds::kind! {
//! #     Device: "Device" in "infra.example.io", version "v1", plural "devices", namespaced true
//! # }
//! use pintle_client::{Client, Error, Patch};
//! use serde_json::json;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("http://127.0.0.1:8080")?;
//! let devices = client.api::<Device>();
//! let device = devices.get("dev-123").await?;
//! match devices.update_status(&device, &json!({"phase": "Ready"})).await {
//!     Err(Error::Conflict(conflict)) if conflict.spec_changed => println!("reconcile again"),
//!     written => drop(written?),
//! }
//! devices.patch("dev-123", &Patch::Merge(json!({"spec": {"location": "dc3"}}))).await?;
//! # Ok(()) }
//! ```
//!
//! What fails before the server can have done anything is tried again, with pauses that grow, and
//! so is whatever only reads. A write whose end is not known is [`Error::OutcomeUnknown`], and is
//! left to the caller.

mod api;
mod client;
mod encode;
mod error;
mod patch;
mod retry;
mod transport;
mod watch;

pub use api::{Api, List, ListOptions, Reported};
pub use client::{Client, ClientBuilder, ConnectError};
pub use error::{Cause, Conflict, Error, Refused};
pub use patch::Patch;
pub use pintle_kinds::Kind;
pub use watch::{Event, Watch};
