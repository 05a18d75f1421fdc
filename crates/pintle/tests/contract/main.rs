//! The whole server from outside: the real program, its real wire, its real files.

#![cfg(test)]

#[path = "../support/harness.rs"]
mod harness;

mod crash;
mod events;
mod guide;
mod kinds;
mod lifecycle;
mod metrics;
mod properties;
mod rest;
mod rights;
mod transcripts;
mod watch;
