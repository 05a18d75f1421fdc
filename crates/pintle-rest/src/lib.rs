//! The REST door: plain resources for people with curl and for the clients of Fabrica-style
//! services.
//!
//! The door turns a request into a read, a watch or a write of the engine, in the order of the
//! contract: who calls, what is addressed, may they, what does the body say. It knows no store, and
//! no kind has code of its own here.

mod accept;
mod api;
mod docs;
mod endpoints;
mod events;
mod openapi;
mod query;
mod read;
mod reply;
mod review;
mod route;
mod shape;
mod watch;
mod write;

pub use api::{RestDoor, RestSettings};
pub use endpoints::{Asked, Endpoint, endpoints};
pub use openapi::{Terms, document};
