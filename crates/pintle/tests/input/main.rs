//! The server against what it should not be sent: bad input of every sort, callers who may not, and
//! the kinds of other projects. The real program, from outside.

#![cfg(test)]

#[path = "../support/harness.rs"]
mod harness;

mod bad_input;
mod corpus;
mod order;
mod table;
