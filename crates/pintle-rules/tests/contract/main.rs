//! The status contract, rule by rule, as tables over one world of a few kinds.

#![cfg(test)]
#![expect(clippy::needless_pass_by_value, reason = "the rows of a table are made in place")]

mod apply_conditions;
mod conditions;
mod create;
mod decide_rate;
mod delete;
mod kinds;
mod merge_status;
mod order;
mod patch;
mod preconditions;
mod properties;
mod ratchet;
mod replace;
mod said;
mod status;
mod told;
mod unchanged;
mod world;
