//! What the objects of a kind look like: structural schemas, compiled once, and the definitions of
//! kinds that hold them.
//!
//! A [`Schema`] prunes, defaults and validates. A [`Definition`] is a kind with its versions, made
//! from a `CustomResourceDefinition` under the checks that Kubernetes makes when it accepts one.
//! The kinds that the server has without being told are [`core_definitions`]: the same type, from
//! the same sort of document.
//!
//! Pure: no I/O, no clock, no randomness. What a *write* may do to an object lives in
//! `pintle-rules`; labels, annotations and names of objects are checked in `pintle-model`.

mod core_kinds;
#[cfg(test)]
mod corpus;
mod definition;
mod documents;
mod faults;
mod habits;
mod json_path;
mod limits;
mod schema;

pub use core_kinds::{View, core_definitions, core_views};
pub use definition::{
    Approval, Column, Definition, Scale, SelectableField, Version, compare_versions,
};
pub use documents::{Reading, object_meta, read_document};
pub use habits::{Finalizers, Freezing, Habits};
pub use json_path::JsonPath;
pub use limits::counted_resource;
pub use schema::{ListType, PatchMerge, Schema, ValidationRule};
