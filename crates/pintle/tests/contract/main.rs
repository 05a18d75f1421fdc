//! The whole server from outside: the real program, its real wire, its real files.

#![expect(clippy::tests_outside_test_module, reason = "every file here is a test module")]

#[path = "../support/harness.rs"]
mod harness;

mod crash;
mod guide;
mod kinds;
mod lifecycle;
mod properties;
mod rest;
mod rights;
mod transcripts;
mod watch;
