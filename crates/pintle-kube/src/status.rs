//! `v1.Status`: how this door says that something failed, or that something is gone.

use pintle_model::{FieldError, GroupResource};
use serde_json::{Map, Value, json};

/// What an answer is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) group: String,
    pub(crate) plural: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl About {
    pub(crate) fn resource(&self) -> String {
        GroupResource::new(&self.group, &self.plural).as_str().to_owned()
    }

    /// `Device.infra.example.io`.
    pub(crate) fn qualified_kind(&self) -> String {
        GroupResource::new(&self.group, &self.kind).as_str().to_owned()
    }

    fn details(&self, kind: &str) -> Map<String, Value> {
        let mut details = Map::new();
        for (field, value) in [("name", &*self.name), ("group", &*self.group), ("kind", kind)] {
            if !value.is_empty() {
                details.insert(field.to_owned(), Value::from(value));
            }
        }
        details
    }
}

/// One failure as upstream tells it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) details: Map<String, Value>,
}

impl Status {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, reason, message, metadata: Map::new(), details: Map::new() }
    }

    /// The details name the resource, as most do.
    pub(crate) fn of_resource(mut self, about: &About) -> Self {
        self.details.extend(about.details(&about.plural));
        self
    }

    /// The details name the kind, as those about its fields do.
    pub(crate) fn of_kind(mut self, about: &About) -> Self {
        self.details.extend(about.details(&about.kind));
        self
    }

    pub(crate) fn with_detail(mut self, name: &str, value: Value) -> Self {
        self.details.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn with_cause(self, reason: &str, message: &str, field: &str) -> Self {
        let mut cause = json!({"reason": reason, "message": message});
        if !field.is_empty()
            && let Some(cause) = cause.as_object_mut()
        {
            cause.insert("field".to_owned(), Value::from(field));
        }
        self.with_detail("causes", json!([cause]))
    }

    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        self.with_detail("retryAfterSeconds", json!(seconds))
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn conflict(about: &About, why: &str) -> Self {
        let (resource, name) = (about.resource(), &about.name);
        let message = format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
        Self::new(409, "Conflict", message).of_resource(about)
    }

    /// Faults of fields, all of them.
    pub(crate) fn invalid(about: &About, faults: &[FieldError]) -> Self {
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let told = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{} {:?} is invalid: {told}", about.qualified_kind(), about.name);
        let causes: Vec<Value> = faults
            .iter()
            .map(|fault| {
                json!({
                    "reason": fault.kind.reason(),
                    "message": fault.message(),
                    "field": fault.path,
                })
            })
            .collect();
        Self::new(422, "Invalid", message)
            .of_kind(about)
            .with_detail("causes", Value::Array(causes))
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut value = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if let Some(fields) = value.as_object_mut() {
            if !self.reason.is_empty() {
                fields.insert("reason".to_owned(), Value::from(self.reason));
            }
            if !self.details.is_empty() {
                fields.insert("details".to_owned(), Value::Object(self.details.clone()));
            }
        }
        value
    }
}

/// That an object is gone.
pub(crate) fn success(about: &About, uid: &str) -> Value {
    let mut details = about.details(&about.plural);
    details.insert("uid".to_owned(), Value::from(uid));
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}
