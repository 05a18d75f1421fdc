//! Conditions, shaped like `metav1.Condition`.

use serde_json::{Map, Value};

/// Whether what a condition says is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// The controller cannot tell.
    Unknown,
}

impl ConditionStatus {
    /// Reads `True`, `False` or `Unknown`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "True" => Some(Self::True),
            "False" => Some(Self::False),
            "Unknown" => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// A view of one entry of `status.conditions`. Fields that a kind adds stay where they are.
#[derive(Debug, Clone, Copy)]
pub struct Condition<'a>(pub &'a Map<String, Value>);

impl<'a> Condition<'a> {
    /// The entry as a condition, when it is an object with a `type`.
    pub fn of(value: &'a Value) -> Option<Self> {
        value.as_object().map(Self).filter(|condition| condition.kind().is_some())
    }

    /// `type`, the key of the map that conditions are.
    pub fn kind(self) -> Option<&'a str> {
        self.text("type")
    }

    /// `status` as it was sent.
    pub fn status(self) -> Option<&'a str> {
        self.text("status")
    }

    /// `lastTransitionTime` as it is stored.
    pub fn last_transition_time(self) -> Option<&'a str> {
        self.text("lastTransitionTime")
    }

    /// `observedGeneration`.
    pub fn observed_generation(self) -> Option<i64> {
        self.0.get("observedGeneration").and_then(Value::as_i64)
    }

    fn text(self, field: &str) -> Option<&'a str> {
        self.0.get(field).and_then(Value::as_str)
    }
}
