//! Changes of a part of an object.

use serde_json::Value;

/// A patch. Paths may begin at the object or at its spec (its status, for a patch of the status).
#[derive(Debug, Clone, PartialEq)]
pub enum Patch {
    /// RFC 7396: objects merge, `null` removes, lists are replaced whole.
    Merge(Value),
    /// RFC 6902: a list of operations.
    Json(Value),
    /// `{"spec.location": "dc3"}`: paths, and what they are set to.
    Shorthand(Value),
}

impl Patch {
    pub(crate) const fn media_type(&self) -> &'static str {
        match self {
            Self::Merge(_) => "application/merge-patch+json",
            Self::Json(_) => "application/json-patch+json",
            Self::Shorthand(_) => "application/shorthand-patch+json",
        }
    }

    pub(crate) const fn value(&self) -> &Value {
        match self {
            Self::Merge(value) | Self::Json(value) | Self::Shorthand(value) => value,
        }
    }
}
