//! The server's command line, its settings, the files that it starts from, and how its parts are
//! put together.
//!
//! [`cli::parse`] turns arguments, environment and settings file into plain values, and
//! [`manifests::load`] turns files into documents; neither knows the engine. [`serve::serve`] opens
//! the store, starts the engine, applies the documents and opens the doors.

mod apply;
pub mod audit;
pub mod auth;
mod authorization;
pub mod backup;
mod banner;
pub mod check;
pub mod cli;
pub mod config;
mod deliveries;
mod identity;
mod input_file;
pub mod logging;
pub mod manifests;
mod observe;
mod policies;
mod reload;
pub mod serve;
mod service_manager;
mod signals;
mod tls;
pub mod token;
mod yaml;
