//! Conversions of Rust types, as the engine takes them.

use std::sync::Arc;

use pintle_engine::{Catalog, Conversions, Convert};
use pintle_kinds::{Conversion, Way};
use pintle_model::GroupResource;
use serde_json::Value;

#[derive(Debug)]
struct Typed(Way);

impl Convert for Typed {
    fn spec(&self, spec: Value) -> Result<Value, String> {
        self.0.spec(spec)
    }

    fn status(&self, status: Value) -> Result<Value, String> {
        self.0.status(status)
    }
}

/// Adds both ways of a conversion.
pub(crate) fn add(conversions: &mut Conversions, conversion: &Conversion) {
    let kind = GroupResource::from_text(conversion.kind());
    let [one, other] = conversion.versions();
    conversions.add(kind.clone(), one, other, Arc::new(Typed(conversion.forth().clone())));
    conversions.add(kind, other, one, Arc::new(Typed(conversion.back().clone())));
}

/// Warns of what conversions do not cover: most likely a name is misspelt, or one was forgotten.
pub(crate) fn tell_of_gaps(conversions: &Conversions, catalog: &Catalog) {
    for kind in conversions.kinds() {
        let Some(served) = catalog.get(kind) else {
            tracing::warn!(%kind, "there are conversions of a kind that is not served");
            continue;
        };
        let stored = &*served.definition.storage_version().name;
        for version in served.definition.served_versions() {
            let version = &*version.name;
            let both = [(stored, version), (version, stored)];
            if !both.iter().all(|(from, to)| conversions.lead(kind, from, to)) {
                tracing::warn!(%kind, version, stored, "no conversion leads to this version and back");
            }
        }
    }
}
