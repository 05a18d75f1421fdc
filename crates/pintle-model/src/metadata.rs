//! The metadata of an object: what its owner says about it and what the server keeps about it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Generation, Timestamp, Uid};

/// Everything in `metadata` except what changes with each write (`resourceVersion`, `updatedAt`),
/// which belongs to the object's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Unique in its namespace.
    pub name: String,
    /// The prefix a generated name was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate_name: Option<String>,
    /// Empty for cluster scope.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Set once, at creation.
    pub uid: Uid,
    /// See [`Generation`].
    pub generation: Generation,
    /// Whole seconds.
    pub creation_timestamp: Timestamp,
    /// When deletion was asked for; the object goes when its finalizers have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    /// Seconds given to whoever has to clean up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_grace_period_seconds: Option<i64>,
    /// What selectors match.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What nothing matches.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Who has to act before the object may go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// Whose deletion takes this object along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
}

/// A reference to an object that owns this one. The owner lives in the same namespace or has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// `group/version` of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// Uid of the owner: an owner that was recreated is not the owner.
    pub uid: Uid,
    /// Whether this is the managing controller; at most one reference says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    /// Whether foreground deletion of the owner waits for this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

impl Metadata {
    /// Whether deletion was asked for.
    pub const fn is_terminating(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}
