//! What stands in an input, once it was coerced: lookups that cannot fail.

use std::sync::LazyLock;

use pintle_model::Manner;
use pintle_rules::{Conduct, ConflictScope, FieldValidation, ForeignLane, MetadataMode, UidForm};
use serde_json::{Map, Value};

/// An input object without fields.
static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

/// The arguments of a root field, or the fields of an input object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a>(&'a Map<String, Value>);

impl<'a> Input<'a> {
    pub(crate) const fn of(fields: &'a Map<String, Value>) -> Self {
        Self(fields)
    }

    /// An input object that stands in a list.
    pub(crate) fn of_value(value: &'a Value) -> Self {
        Self(value.as_object().unwrap_or(&NOTHING))
    }

    /// The input object of this name; one without fields where there is none.
    pub(crate) fn below(self, name: &str) -> Self {
        Self(self.0.get(name).and_then(Value::as_object).unwrap_or(&NOTHING))
    }

    /// What was given; nothing where it was left out.
    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    /// A text; nothing where it was left out, or null.
    pub(crate) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(crate) fn is(self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }

    pub(crate) fn integer(self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    /// The items of a list; none where it was left out.
    pub(crate) fn items(self, name: &str) -> &'a [Value] {
        self.0.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// All that was given.
    pub(crate) const fn fields(self) -> &'a Map<String, Value> {
        self.0
    }

    pub(crate) fn scope(self) -> ConflictScope {
        match self.text("conflictScope") {
            Some("STATUS") => ConflictScope::Status,
            Some("CONDITIONS") => ConflictScope::Conditions,
            _ => ConflictScope::Object,
        }
    }
}

/// How this door writes: nothing that was sent is dropped in silence.
pub(crate) const CONDUCT: Conduct = Conduct {
    foreign: ForeignLane::Refuse,
    metadata: MetadataMode::NamedOnly,
    unknown_fields: FieldValidation::Strict,
    keeps_conditions: true,
    patches_are: Manner::Patched,
    uids: UidForm::Kind,
};
