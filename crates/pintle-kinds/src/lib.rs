//! Kinds as Rust types, for whoever serves, calls or looks after them.
//!
//! A kind is any type that serde reads and writes as an object with `metadata`, most simply one
//! with `#[derive(kube::CustomResource)]`. [`kind!`](crate::kind!) says what it is called;
//! [`Conditions`] is the type of its `status.conditions`; [`report`] decides what becomes of a
//! status when somebody else wrote the object meanwhile; [`Conversion`] leads from one version of a
//! kind to another.
//!
//! Nothing here needs a runtime, a clock or the network.

mod condition;
#[cfg(feature = "schemars")]
mod condition_schema;
mod conversion;
pub mod report;
#[cfg(feature = "schemars")]
mod sample;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use condition::{Condition, ConditionStatus, Conditions};
#[cfg(feature = "schemars")]
pub use conversion::round_trip;
pub use conversion::{Conversion, Way, round_trip_of, same_fields};
pub use jiff::Timestamp;

/// What a kind is called, on the wire and by people.
pub trait Kind: Serialize + DeserializeOwned {
    /// `infra.example.io`; empty for the core group.
    const GROUP: &'static str;
    /// `v1`.
    const VERSION: &'static str;
    /// `Device`.
    const KIND: &'static str;
    /// `devices`.
    const PLURAL: &'static str;
    /// Whether its objects live in namespaces.
    const NAMESPACED: bool;
}

/// Says what the kind of a type is called.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Rack {
///     metadata: serde_json::Value,
///     spec: serde_json::Value,
/// }
///
/// pintle_kinds::kind! {
///     Rack: "Rack" in "infra.example.io", version "v1", plural "racks", namespaced true
/// }
///
/// assert_eq!(<Rack as pintle_kinds::Kind>::PLURAL, "racks");
/// ```
#[macro_export]
macro_rules! kind {
    ($type:ty: $kind:literal in $group:literal, version $version:literal, plural $plural:literal,
     namespaced $namespaced:literal) => {
        impl $crate::Kind for $type {
            const GROUP: &'static str = $group;
            const VERSION: &'static str = $version;
            const KIND: &'static str = $kind;
            const PLURAL: &'static str = $plural;
            const NAMESPACED: bool = $namespaced;
        }
    };
}
