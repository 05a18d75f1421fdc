//! The GraphQL door.
//!
//! [`Published`] is the schema of the kinds that are served at one moment: its text, and what every
//! field of it reads or does. An operation is planned once against it, and executed without looking
//! names up again: below the root fields, stored JSON text is projected straight into the response.
//!
//! The door knows the engine, no store, and no other door; and no kind has code of its own in it.

mod coerce;
mod data;
mod door;
mod executor;
mod fault;
mod graphiql;
mod ids;
mod json_text;
mod leaf;
mod limits;
mod numbers;
mod operation;
mod plan;
mod prepare;
mod project;
mod publish;
mod request;
mod schema;
mod sse;
mod subscribe;
mod transport_ws;

pub use door::{GraphqlDoor, GraphqlSettings};
pub use limits::OperationLimits;
pub use numbers::Numbers;
pub use schema::{KindTypes, LeftOut, Parts, Published};
pub use transport_ws::StreamLimits;
