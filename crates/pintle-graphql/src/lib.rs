//! The GraphQL door.
//!
//! [`Published`] is the schema of the kinds that are served at one moment: its text, and what every
//! field of it reads or does. An operation is planned once against it, and executed without looking
//! names up again: below the root fields, stored JSON text is projected straight into the response.

#![expect(
    dead_code,
    reason = "what executes operations is not open to callers yet: no door stands on it"
)]

mod coerce;
mod data;
mod ids;
mod json_text;
mod leaf;
mod limits;
mod plan;
mod project;
mod schema;

pub use limits::OperationLimits;
pub use schema::{KindTypes, LeftOut, Published};
