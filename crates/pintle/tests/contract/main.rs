//! The whole server from outside: the real program, its real wire, its real files.

#![cfg(test)]

#[path = "../support/harness.rs"]
mod harness;

// The servers that answer as a test says are those of the HTTP client's own tests.
#[path = "../../../pintle-outbound/tests/client/server.rs"]
#[expect(dead_code, reason = "others need more of them")]
mod endpoint;

mod absent;
mod acting;
mod audit;
mod backup;
mod client;
mod command_line;
mod conversions;
mod crash;
mod embedded;
mod events;
mod faults;
mod full_disk;
mod graphql;
mod guide;
mod identity;
mod kinds;
mod kube;
mod kube_documents;
mod kube_finalize;
mod kube_kinds;
mod kube_namespaces;
mod kube_quota;
mod kube_race;
mod lifecycle;
mod log;
mod metrics;
mod openapi;
mod project;
mod properties;
mod ratchet;
mod rest;
mod rights;
mod secrets;
mod shutdown;
mod socket;
mod subscriptions;
mod transcripts;
mod twins;
mod watch;
mod webhooks;
