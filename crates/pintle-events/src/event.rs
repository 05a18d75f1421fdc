//! One event of CloudEvents 1.0, made from one write of the journal.
//!
//! A write makes a lifecycle event, and after it one event for each condition that it turned over,
//! in the order of their types. All of them follow from the entry in the log alone, so that they
//! are the same whenever somebody reads it, ids included.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use pintle_engine::{Action, Entry};
use pintle_model::{Condition, Json, Object, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::document::{View, write_object};
use crate::names::event_id;
use crate::{Cursor, Names};

/// One event. What it says is put into words when somebody asks for them, once.
#[derive(Debug)]
pub struct CloudEvent {
    id: String,
    event_type: String,
    source: String,
    /// Where to go on after it.
    cursor: Cursor,
    entry: Entry,
    subject: Subject,
    text: OnceLock<Text>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The object as a whole.
    Lifecycle(Action),
    /// One of its conditions.
    Condition(ConditionChange),
}

/// A condition that came, went, or has another status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionChange {
    /// `Ready`.
    pub condition_type: String,
    /// `True`, `False` or `Unknown`; nothing when the condition went.
    pub status: Option<String>,
    /// What it was before; nothing when the condition was not there.
    pub previous_status: Option<String>,
    /// Why, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transition_time: Option<String>,
}

/// Which half of the object an update was of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateType {
    /// Metadata or body.
    Spec,
    /// Status.
    Status,
}

/// An event in structured form, and where in it its data stands.
#[derive(Debug)]
struct Text {
    json: Bytes,
    data: Range<usize>,
}

/// The events that one entry makes, in their order.
pub(crate) fn events_of(entry: &Entry, names: &Names) -> Vec<Arc<CloudEvent>> {
    let kind = &entry.served().definition.kind.kind;
    let action = entry.action();
    let lifecycle = (names.lifecycle_type(kind, action.word()), Subject::Lifecycle(action));
    let changes = condition_changes(entry).into_iter().map(|change| {
        let event_type = names.condition_type(&change.condition_type);
        (event_type, Subject::Condition(change))
    });
    let all: Vec<_> = std::iter::once(lifecycle).chain(changes).collect();
    let (revision, last) = (entry.revision(), all.len() - 1);
    let source = names.source_of(kind, entry.stored().uid().as_str());
    let event = |(index, (event_type, subject))| {
        let part = u32::try_from(index).unwrap_or(u32::MAX);
        let cursor =
            if index == last { Cursor::after(revision) } else { Cursor::within(revision, part) };
        Arc::new(CloudEvent {
            id: event_id(revision, part),
            event_type,
            source: source.clone(),
            cursor,
            entry: entry.clone(),
            subject,
            text: OnceLock::new(),
        })
    };
    all.into_iter().enumerate().map(event).collect()
}

fn condition_changes(entry: &Entry) -> Vec<ConditionChange> {
    if entry.flips().is_empty() {
        return Vec::new();
    }
    let status = entry.object().status.as_ref().map(Json::to_value).unwrap_or_default();
    let now = |kind: &str| {
        let list = status.get("conditions").and_then(Value::as_array)?;
        list.iter().filter_map(Condition::of).find(|condition| condition.kind() == Some(kind))
    };
    let flips = entry.flips().before.iter();
    flips.map(|(kind, was)| ConditionChange::new(kind, was.as_deref(), now(kind))).collect()
}

impl ConditionChange {
    fn new(kind: &str, was: Option<&str>, now: Option<Condition<'_>>) -> Self {
        let text = |field: &str| {
            let value = now.and_then(|condition| condition.0.get(field));
            value.and_then(Value::as_str).map(str::to_owned)
        };
        Self {
            condition_type: kind.to_owned(),
            status: text("status"),
            previous_status: was.map(str::to_owned),
            reason: text("reason"),
            message: text("message"),
            transition_time: text("lastTransitionTime"),
        }
    }
}

impl CloudEvent {
    /// Unique together with [`CloudEvent::source`], and the same whenever the event is told.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `io.fabrica.device.updated`.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// `fabrica-api/resources/Device/<uid>`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// When the write was decided.
    pub fn time(&self) -> Timestamp {
        self.entry.at()
    }

    /// Where to go on after this event.
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The write that made it.
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// What it is about.
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Of an update, which half of the object it was of.
    pub fn update_type(&self) -> Option<UpdateType> {
        match self.subject {
            Subject::Lifecycle(Action::Updated | Action::Patched) => {
                Some(if self.entry.is_status() { UpdateType::Status } else { UpdateType::Spec })
            }
            Subject::Lifecycle(Action::Created | Action::Deleted) | Subject::Condition(_) => None,
        }
    }

    /// The object after the write; of a removed one its last state.
    pub fn object(&self) -> Arc<Object> {
        self.entry.object()
    }

    /// The extension attributes, by name.
    pub fn extensions(&self) -> Vec<(&'static str, &str)> {
        let kind = &self.entry.served().definition.kind;
        let uid = self.entry.stored().uid().as_str();
        let mut extensions = vec![("resourcekind", &*kind.kind), ("resourceuid", uid)];
        // An attribute is never empty, and the core group has no name.
        if !kind.group.is_empty() {
            extensions.push(("resourcegroup", &kind.group));
        }
        match &self.subject {
            Subject::Lifecycle(action) => extensions.push(("action", action.word())),
            Subject::Condition(change) => {
                extensions.push(("conditiontype", &change.condition_type));
                let status = change.status.as_deref();
                extensions.extend(status.map(|status| ("conditionstatus", status)));
            }
        }
        extensions
    }

    /// The event in structured mode: one JSON document.
    pub fn json(&self) -> Bytes {
        self.text().json.clone()
    }

    /// Its data alone, as JSON.
    pub fn data(&self) -> Bytes {
        let Text { json, data } = self.text();
        json.slice(data.clone())
    }

    /// Its data as a type of the caller's.
    pub fn data_as<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.data())
    }

    /// The object after the write as a type of the caller's, as the REST door shows it.
    pub fn resource_as<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.resource())
    }

    fn resource(&self) -> String {
        let served = self.entry.served();
        let object = self.object();
        let mut text = String::with_capacity(object.size() + 640);
        write_object(&mut text, served, served.default_version(), &object, View::Whole);
        text
    }

    fn text(&self) -> &Text {
        self.text.get_or_init(|| self.written())
    }

    fn written(&self) -> Text {
        let data = self.data_text();
        let mut json = String::with_capacity(data.len() + 640);
        json.push_str(r#"{"specversion":"1.0""#);
        let time = self.time().to_string();
        let attributes = [
            ("type", self.event_type()),
            ("source", self.source()),
            ("id", self.id()),
            ("time", &time),
            ("datacontenttype", "application/json"),
        ];
        for (name, value) in attributes.into_iter().chain(self.extensions()) {
            write!(json, ",\"{name}\":{}", Value::from(value)).expect("text grows in memory");
        }
        json.push_str(",\"data\":");
        let start = json.len();
        json.push_str(&data);
        let data = start..json.len();
        json.push('}');
        Text { json: json.into(), data }
    }

    fn data_text(&self) -> String {
        let object = self.entry.stored();
        let kind = &self.entry.served().definition.kind.kind;
        let resource = [
            ("resourceKind", &**kind),
            ("resourceUID", object.uid().as_str()),
            ("resourceName", &object.key.name.name),
        ];
        let mut text = match &self.subject {
            Subject::Lifecycle(action) => format!("{{\"action\":\"{}\"", action.word()),
            Subject::Condition(change) => {
                let mut text = serde_json::to_string(change).expect("texts are JSON");
                text.pop();
                text
            }
        };
        for (name, value) in resource {
            write!(text, ",\"{name}\":{}", Value::from(value)).expect("text grows in memory");
        }
        if let Subject::Lifecycle(_) = self.subject {
            text.push_str(",\"resource\":");
            text.push_str(&self.resource());
        }
        write!(text, ",\"metadata\":{}}}", self.metadata()).expect("text grows in memory");
        text
    }

    fn metadata(&self) -> Value {
        let mut metadata = json!({
            "updatedAt": self.time().to_string(),
            "resourceVersion": self.entry.revision().to_string(),
        });
        if let (Some(update), Some(fields)) = (self.update_type(), metadata.as_object_mut()) {
            fields.insert("updateType".to_owned(), Value::from(update.word()));
        }
        metadata
    }
}

impl UpdateType {
    /// As `data.metadata.updateType` has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Status => "status",
        }
    }
}
