//! The definition of a kind: its names, and for each version what its objects look like.
//!
//! How one is read from a `CustomResourceDefinition`, and which are refused, is in `crd`.

mod approval;
mod crd;
mod successor;
#[cfg(test)]
mod tests;
mod version;

use std::sync::Arc;

use pintle_model::{FieldError, FieldPath, Kind, NameRule};
use serde_json::{Map, Value};

use crate::Habits;
use crate::schema::unknown_in;

pub use approval::Approval;
pub(crate) use crd::read_core;
pub use version::{Column, Scale, SelectableField, Version, compare_versions};

/// A kind with all of its versions.
#[derive(Debug, Clone)]
pub struct Definition {
    /// What it is called and where its objects live.
    pub kind: Kind,
    /// As declared, in that order; exactly one of them is stored.
    pub versions: Vec<Arc<Version>>,
    /// Which names its objects may have.
    pub name_rule: NameRule,
    /// Whether the server has this kind without being told.
    pub core: bool,
    /// Whether `spec.conversion.strategy` is `Webhook`. The declaration is accepted and the webhook
    /// is never called: what converts is a program that embeds the server, or nothing.
    pub conversion_webhook: bool,
    /// What it does that no schema can say.
    pub habits: Habits,
}

impl Definition {
    /// Reads a `CustomResourceDefinition` from its name and its body (`{"spec": {…}}`). All faults
    /// come back together, their paths relative to the object.
    pub fn from_crd(name: &str, body: &Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        crd::read(name, body)
    }

    /// Fills in what a `CustomResourceDefinition` leaves out of its names, as upstream does: the
    /// singular, and the kind of lists.
    pub fn complete_declaration(body: &mut Map<String, Value>) {
        crd::complete(body);
    }

    /// The paths of words in the schemas of a `CustomResourceDefinition` that mean nothing, such as
    /// a misspelt `required`. Compiling passes over them.
    pub fn unknown_keywords(body: &Map<String, Value>) -> Vec<String> {
        let spec = FieldPath::ROOT.field("spec");
        let path = spec.field("versions");
        let versions = body.get("spec").and_then(|spec| spec.get("versions"));
        let mut found = Vec::new();
        for (index, version) in versions.and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            let version_path = path.index(index);
            let schema_path = version_path.field("schema");
            if let Some(schema) = version.pointer("/schema/openAPIV3Schema") {
                unknown_in(schema_path.field("openAPIV3Schema"), schema, &mut found);
            }
        }
        found
    }

    /// What is wrong with this as the successor of a stored declaration: an established kind keeps
    /// its scope and kind, and every version that objects may be stored in stays declared. `body`
    /// and `status` are those of the stored `CustomResourceDefinition`.
    pub fn check_successor(
        &self,
        body: &Map<String, Value>,
        status: Option<&Value>,
    ) -> Vec<FieldError> {
        successor::check(self, body, status)
    }

    /// What is wrong with the list of stored versions in a status that is written for a stored
    /// declaration: it has the storage version, and none that is not declared. `body` is that of
    /// the stored `CustomResourceDefinition`, `before` and `wanted` are its status.
    pub fn check_stored_versions(
        body: &Map<String, Value>,
        before: Option<&Value>,
        wanted: Option<&Value>,
    ) -> Vec<FieldError> {
        successor::check_stored_list(body, before, wanted)
    }

    /// A version by name, served or not.
    pub fn version(&self, name: &str) -> Option<&Arc<Version>> {
        self.versions.iter().find(|version| *version.name == *name)
    }

    /// The version that objects are stored in.
    pub fn storage_version(&self) -> &Arc<Version> {
        self.versions
            .iter()
            .find(|version| version.storage)
            .expect("a definition is only made with one storage version")
    }

    /// The versions that requests may name, in Kubernetes' order of priority: GA before beta before
    /// alpha, then larger numbers first, then everything else by name.
    pub fn served_versions(&self) -> Vec<&Arc<Version>> {
        let mut served: Vec<_> = self.versions.iter().filter(|version| version.served).collect();
        served.sort_by_key(|version| version.priority());
        served
    }

    /// The served version of highest priority; nothing when none is served.
    pub fn preferred_version(&self) -> Option<&Arc<Version>> {
        self.served_versions().first().copied()
    }
}
