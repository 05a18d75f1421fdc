//! The engine over a store in memory, with a clock and a source of chance that the tests own.

#![cfg(test)]

mod contention;
mod conversions;
mod definitions;
mod double;
mod faults;
mod garbage;
mod hook;
mod journal;
mod namespaces;
mod quotas;
mod reads;
mod rights;
mod watch_properties;
mod watches;
mod world;
mod write_all;
mod writes;
