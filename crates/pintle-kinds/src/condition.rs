//! `status.conditions`, shaped like `metav1.Condition`: a list that is a map by `type`.

use std::ops::Deref;

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

/// Whether what a condition says is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// The controller cannot tell.
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(is_so: bool) -> Self {
        if is_so { Self::True } else { Self::False }
    }
}

/// One thing that is so, is not so, or is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about, in one word: `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is so.
    pub status: ConditionStatus,
    /// Why, in one word: `DeviceOnline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, in a sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Since when `status` is what it is. [`Conditions::set`] fills it in, and so does Pintle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
    /// The generation of the spec that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// A condition of a type, for a reason.
    pub fn new(
        kind: impl Into<String>,
        status: impl Into<ConditionStatus>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            kind: kind.into(),
            status: status.into(),
            reason: Some(reason.into()),
            message: None,
            last_transition_time: None,
            observed_generation: None,
        }
    }

    /// The same with words for people.
    #[must_use]
    pub fn message(self, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// The same about this generation of the spec (`metadata.generation`).
    #[must_use]
    pub fn observed(self, generation: impl Into<Option<i64>>) -> Self {
        Self { observed_generation: generation.into(), ..self }
    }
}

/// The conditions of an object, each type once.
///
/// Its schema is that of a list map by `type`, so that writers of different types do not get into
/// each other's way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Conditions(Vec<Condition>);

impl Conditions {
    /// The condition of a type.
    pub fn get(&self, kind: &str) -> Option<&Condition> {
        self.0.iter().find(|condition| condition.kind == kind)
    }

    /// Whether there is a condition of this type that is `True`.
    pub fn is_true(&self, kind: &str) -> bool {
        self.get(kind).is_some_and(|condition| condition.status == ConditionStatus::True)
    }

    /// Puts a condition in place of the one of its type, and says whether anything is different.
    ///
    /// `lastTransitionTime` becomes `now` (to the second) when `status` does not stay what it was,
    /// and stays otherwise, whatever the condition says itself.
    pub fn set(&mut self, mut condition: Condition, now: Timestamp) -> bool {
        let known = self.0.iter_mut().find(|known| known.kind == condition.kind);
        let since = known.as_ref().filter(|known| known.status == condition.status);
        let since = since.and_then(|known| known.last_transition_time);
        // A time that cannot be rounded is at the end of all times.
        let now = now.round(Unit::Second).unwrap_or(now);
        condition.last_transition_time = Some(since.unwrap_or(now));
        match known {
            Some(known) if *known == condition => false,
            Some(known) => {
                *known = condition;
                true
            }
            None => {
                self.0.push(condition);
                true
            }
        }
    }

    /// Takes the condition of a type out, and says whether there was one.
    pub fn remove(&mut self, kind: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|condition| condition.kind != kind);
        self.0.len() < before
    }
}

impl Deref for Conditions {
    type Target = [Condition];

    fn deref(&self) -> &[Condition] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a Conditions {
    type Item = &'a Condition;
    type IntoIter = std::slice::Iter<'a, Condition>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::new(second, 400_000_000).unwrap()
    }

    #[test]
    fn the_transition_time_changes_only_when_the_status_does() {
        let mut conditions = Conditions::default();
        let ready = |is_so: bool| Condition::new("Ready", is_so, "Because");
        // What is set, when, whether that is different, and since when it then is so.
        for (condition, second, changed, since) in [
            (ready(false), 10, true, 10),
            (ready(false), 20, false, 10),
            (ready(false).message("still"), 30, true, 10),
            (ready(true), 40, true, 40),
            (Condition { last_transition_time: Some(at(1)), ..ready(true) }, 50, false, 40),
            (ready(true).observed(3), 60, true, 40),
            (Condition { status: ConditionStatus::Unknown, ..ready(true) }, 70, true, 70),
        ] {
            assert_eq!(conditions.set(condition.clone(), at(second)), changed, "{condition:?}");
            let found = conditions.get("Ready").unwrap();
            let expected = Timestamp::from_second(since).unwrap();
            assert_eq!(found.last_transition_time, Some(expected), "{condition:?}");
            assert_eq!(conditions.len(), 1);
        }
    }

    #[test]
    fn a_time_that_nobody_set_is_set_at_the_next_write() {
        let sent = json!([{"type": "Ready", "status": "True"}]);
        let mut conditions: Conditions = serde_json::from_value(sent).unwrap();
        assert!(conditions.set(Condition::new("Ready", true, "Online"), at(5)));
        let since = conditions.get("Ready").unwrap().last_transition_time;
        assert_eq!(since.unwrap().to_string(), "1970-01-01T00:00:05Z");
    }

    #[test]
    fn each_type_stands_for_itself() {
        let mut conditions = Conditions::default();
        assert!(!conditions.is_true("Ready"));
        conditions.set(Condition::new("Ready", true, "Online"), at(1));
        conditions.set(Condition::new("Calibrated", false, "Drifting"), at(2));
        assert!(conditions.is_true("Ready") && !conditions.is_true("Calibrated"));
        assert!(conditions.remove("Ready") && !conditions.remove("Ready"));
        assert_eq!(conditions.iter().map(|it| &*it.kind).collect::<Vec<_>>(), ["Calibrated"]);
        let text = serde_json::to_value(&conditions).unwrap();
        let expected = json!([{
            "type": "Calibrated", "status": "False", "reason": "Drifting",
            "lastTransitionTime": "1970-01-01T00:00:02Z",
        }]);
        assert_eq!(text, expected);
    }
}
