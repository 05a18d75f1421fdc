//! The Kubernetes door: what kubectl, client-go, kube-rs and the other clients of a Kubernetes API
//! server say and expect, on the same engine as every other door.
//!
//! The door turns a request into a read, a watch or a write of the engine, in the order of the
//! contract, and its answer into the bytes that such clients read. It knows no store, and no kind
//! has code of its own here: what built-in kinds differ in is data of their definitions.

mod accept;
mod api;
mod body;
mod delete;
mod discovery;
mod document;
mod face;
mod openapi;
mod options;
mod query;
mod read;
mod refusals;
mod reply;
mod review;
mod route;
mod scale;
mod status;
mod strict;
mod table;
mod watch;
mod write;

pub use api::{KubeDoor, KubeSettings};
