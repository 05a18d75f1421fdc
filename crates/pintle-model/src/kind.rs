//! What a kind is called and where its objects live.

use std::sync::Arc;

use crate::GroupResource;

/// Whether objects of a kind live in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// Once for the whole server.
    Cluster,
}

/// The names of a kind. What its objects look like is in `pintle-schema`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// `infra.example.io`; empty for the core group.
    pub group: Arc<str>,
    /// `Device`.
    pub kind: Arc<str>,
    /// `DeviceList`.
    pub list_kind: Arc<str>,
    /// `devices`, as declared, never guessed.
    pub plural: Arc<str>,
    /// `device`.
    pub singular: Arc<str>,
    /// `dev`.
    pub short_names: Vec<Arc<str>>,
    /// `all`.
    pub categories: Vec<Arc<str>>,
    /// Where its objects live.
    pub scope: Scope,
}

impl Kind {
    /// `devices.infra.example.io`.
    pub fn resource(&self) -> GroupResource {
        GroupResource::new(&self.group, &self.plural)
    }

    /// `infra.example.io/v1`, or just the version in the core group.
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }
}
