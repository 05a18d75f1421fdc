//! The status contract, rule by rule, as tables over one world of a few kinds.

#![expect(clippy::tests_outside_test_module, reason = "every file here is a test module")]

mod conditions;
mod create;
mod decide_rate;
mod delete;
mod kinds;
mod order;
mod patch;
mod preconditions;
mod properties;
mod replace;
mod said;
mod status;
mod unchanged;
mod world;
