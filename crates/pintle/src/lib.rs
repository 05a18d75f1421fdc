//! Pintle as a library: a server of your own kinds in your own program.
//!
//! [`Server::builder`] puts one together from settings, kinds, and what the program has to say
//! about rights; [`main()`] is the `main` of such a program, with the options of `pintle serve`.
//!
//! ```no_run
//! use pintle::events::UpdateType;
//! use pintle::model::Object;
//! use pintle::{Denied, Hook, Server, User, Write};
//!
//! /// Only controllers of the night shift report at night.
//! #[derive(Debug)]
//! struct Shifts;
//!
//! impl Hook for Shifts {
//!     fn can_update_status(&self, caller: &User, _: &Write, _: &Object) -> Result<(), Denied> {
//!         if caller.is_in("night-shift") { Ok(()) } else { Err(Denied::because("it is night")) }
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     pintle::main(async |settings| {
//!         let definition = std::fs::read("device.json")?;
//!         let definition: serde_json::Value = serde_json::from_slice(&definition)?;
//!         let server =
//!             Server::builder().settings(settings).kind(definition).hook(Shifts).start().await?;
//!         let mut events = server.subscribe("pintle.device.*", None).await?;
//!         tokio::spawn(async move {
//!             while let Ok(event) = events.next().await {
//!                 if event.update_type() == Some(UpdateType::Status) {
//!                     println!("{} reported", event.source());
//!                 }
//!             }
//!         });
//!         println!("{}", server.greeting());
//!         Ok(server.run().await?)
//!     })
//! }
//! ```
//!
//! The rest is the program `pintle` itself: [`cli::parse`] turns arguments, environment and
//! settings file into plain values, and [`manifests::load`] turns files into documents; neither
//! knows the engine.

pub use config::ServeConfig;
pub use in_process::InProcess;
pub use pintle_authz::User;
pub use pintle_engine::{Denied, Hook, Write};
pub use pintle_events as events;
pub use pintle_http::Body;
pub use pintle_model as model;
pub use program::{Failure, complain, main};
pub use serve::ServeError;
pub use server::{Builder, Server, SubscribeError};

mod apply;
pub mod audit;
pub mod auth;
mod authorization;
pub mod backup;
mod banner;
pub mod check;
pub mod cli;
pub mod config;
mod conversion;
mod deliveries;
mod identity;
mod in_process;
mod input_file;
pub mod kubeconfig;
pub mod logging;
pub mod manifests;
mod observe;
pub mod openapi;
mod policies;
mod program;
pub mod project;
mod reload;
pub mod serve;
mod server;
mod service_manager;
mod signals;
pub mod telemetry;
mod tls;
pub mod token;
mod yaml;
