//! The server's command line, its settings, and the files that it starts from.
//!
//! Nothing here knows the engine: [`cli::parse`] turns arguments, environment and settings file into
//! plain values, and [`manifests::load`] turns files into documents. `main` composes them.

pub mod cli;
pub mod config;
pub mod manifests;
mod yaml;
