//! One version of a kind, and its schema as it applies to the two lanes of an object.

use std::borrow::{Borrow, Cow};
use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use pintle_model::{FieldError, FieldPath, Json};
use serde_json::{Map, Value};

use crate::{JsonPath, Schema};

/// One version of a kind.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the switches of a version are independent")]
pub struct Version {
    /// `v1beta1`.
    pub name: Arc<str>,
    /// Whether requests may name it.
    pub served: bool,
    /// Whether objects are stored in it.
    pub storage: bool,
    /// Whether answers carry a warning.
    pub deprecated: bool,
    /// What the warning says; nothing means the default text.
    pub deprecation_warning: Option<String>,
    /// The whole object: `apiVersion`, `kind`, `metadata`, body and status. To be looked into; the
    /// methods of this type apply it to the lanes of an object.
    pub schema: Schema,
    /// The document that `schema` was compiled from, for whoever publishes it.
    pub schema_document: Json,
    /// Whether status has its own endpoint.
    pub status_subresource: bool,
    /// The scale endpoint, if there is one.
    pub scale: Option<Scale>,
    /// What a table of objects shows.
    pub columns: Vec<Column>,
    /// Fields that a field selector may name, besides `metadata.name` and `metadata.namespace`.
    pub selectable: Vec<SelectableField>,
    /// Whether `status.conditions` is a list of objects shaped like `metav1.Condition`: with at
    /// least the text properties `type` and `status`.
    pub conditions: bool,
}

/// Where the scale endpoint finds its numbers, as simple JSON paths (`.spec.replicas`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// Under `.spec`.
    pub spec_replicas_path: Arc<str>,
    /// Under `.status`.
    pub status_replicas_path: Arc<str>,
    /// Under `.spec` or `.status`.
    pub label_selector_path: Option<Arc<str>>,
}

/// One entry of `additionalPrinterColumns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub name: Arc<str>,
    /// `integer`, `number`, `string`, `boolean` or `date`.
    pub column_type: Arc<str>,
    /// A format of the type, often empty.
    pub format: Arc<str>,
    /// For people.
    pub description: Arc<str>,
    /// 0 is always shown; others only in wide tables.
    pub priority: i32,
    /// Where the value is, in Kubernetes' JSON path language.
    pub json_path: Arc<str>,
    /// The same, read; it leads nowhere when it is not of the part of the language that is known.
    pub path: JsonPath,
}

/// A field that field selectors may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectableField {
    /// As a selector names it: `spec.color`.
    pub path: Arc<str>,
    /// The same, taken apart.
    pub segments: Vec<Arc<str>>,
}

/// What the body of an object is not.
const NOT_IN_BODY: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

impl Version {
    /// Prunes and defaults the body: every top-level field but `apiVersion`, `kind`, `metadata` and
    /// `status`, which are left alone should they be there. Returns the paths of dropped fields.
    pub fn normalize_body(&self, body: &mut Map<String, Value>) -> Vec<String> {
        self.schema.normalize_fields(body, &NOT_IN_BODY)
    }

    /// All faults of the body. What the root of the schema demands of `apiVersion`, `kind`,
    /// `metadata` and `status` is taken as met.
    pub fn validate_body(&self, body: &Map<String, Value>) -> Vec<FieldError> {
        self.schema.validate_fields(body, &NOT_IN_BODY)
    }

    /// [`Version::validate_body`] for a body that takes the place of another, less the faults of
    /// what the write left as it was ([`Schema::validate_changed`]). `before` is asked for what
    /// was there, as this version has it, only when there is a fault.
    pub fn validate_new_body<B: Borrow<Map<String, Value>>>(
        &self,
        body: &Map<String, Value>,
        before: impl FnOnce() -> Option<B>,
    ) -> Vec<FieldError> {
        let faults = self.validate_body(body);
        let before = Some(before).filter(|_| !faults.is_empty()).and_then(|before| before());
        let Some(before) = before else { return faults };
        self.schema.validate_changed_fields(body, before.borrow(), &NOT_IN_BODY)
    }

    /// Prunes and defaults a status. It becomes null when the schema knows no status, or when it
    /// was null and may not be: then there is no status. Paths begin with `status`.
    pub fn normalize_status(&self, status: &mut Value) -> Vec<String> {
        let path = FieldPath::ROOT.field("status");
        match self.schema.property("status") {
            Some(schema) => schema.normalize(path, status),
            None if self.schema.preserves_unknown() || status.is_null() => Vec::new(),
            None => {
                *status = Value::Null;
                vec![path.to_string()]
            }
        }
    }

    /// All faults of a status. Paths begin with `status`. Rules at the root of the schema that
    /// speak about status together with other fields are not applied.
    pub fn validate_status(&self, status: &Value) -> Vec<FieldError> {
        let path = FieldPath::ROOT.field("status");
        let schema = self.schema.property("status");
        schema.map_or_else(Vec::new, |schema| schema.validate(path, status))
    }

    /// [`Version::validate_status`] for a status that takes the place of another, as
    /// [`Version::validate_new_body`].
    pub fn validate_new_status<B: Borrow<Value>>(
        &self,
        status: &Value,
        before: impl FnOnce() -> Option<B>,
    ) -> Vec<FieldError> {
        let faults = self.validate_status(status);
        let before = Some(before).filter(|_| !faults.is_empty()).and_then(|before| before());
        let (Some(before), Some(schema)) = (before, self.schema.property("status")) else {
            return faults;
        };
        schema.validate_changed(FieldPath::ROOT.field("status"), status, before.borrow())
    }

    /// What the schema demands of an object's name, beyond the name rule of its kind.
    pub fn validate_name(&self, name: &str) -> Vec<FieldError> {
        let metadata = FieldPath::ROOT.field("metadata");
        let schema = self.schema.property("metadata").and_then(|schema| schema.property("name"));
        schema.map_or_else(Vec::new, |schema| {
            schema.validate(metadata.field("name"), &Value::from(name))
        })
    }

    /// The status that an object has which nobody wrote one for, where the schema has a default.
    pub fn default_status(&self) -> Option<&Value> {
        self.schema.property("status").and_then(Schema::default_value)
    }

    /// The value of a selectable field as text, empty when it is not set; nothing when the path is
    /// not selectable.
    pub fn selectable_text<'v>(
        &self,
        path: &str,
        body: &'v Map<String, Value>,
        status: Option<&'v Value>,
    ) -> Option<Cow<'v, str>> {
        let field = self.selectable.iter().find(|field| *field.path == *path)?;
        Some(field.text(body, status))
    }

    /// The key that sorts versions by Kubernetes' priority.
    pub(super) fn priority(&self) -> (Stability, Reverse<(u64, u64)>, Arc<str>) {
        let (stability, major, minor) = parse_version(&self.name);
        (stability, Reverse((major, minor)), Arc::clone(&self.name))
    }
}

impl SelectableField {
    fn text<'v>(&self, body: &'v Map<String, Value>, status: Option<&'v Value>) -> Cow<'v, str> {
        let mut segments = self.segments.iter();
        let first = segments.next().map_or("", |segment| segment);
        let start = if first == "status" { status } else { body.get(first) };
        let value = segments.fold(start, |value, segment| value?.get(&**segment));
        match value {
            Some(Value::String(text)) => Cow::Borrowed(text),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Cow::Owned(value.to_string()),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => Cow::Borrowed(""),
        }
    }
}

/// Whether `status.conditions` is a list of objects with the text properties `type` and `status`.
pub(super) fn has_conditions(schema: &Schema) -> bool {
    let items = schema
        .property("status")
        .and_then(|status| status.property("conditions"))
        .and_then(Schema::items);
    let has_text =
        |name| items.and_then(|items| items.property(name)).is_some_and(Schema::is_string);
    has_text("type") && has_text("status")
}

/// Compares two names of versions by Kubernetes' priority: the one to prefer is less. GA comes
/// before beta before alpha, then larger numbers first, then everything else by name.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let key = |name: &'_ str| {
        let (stability, major, minor) = parse_version(name);
        (stability, Reverse((major, minor)))
    };
    key(a).cmp(&key(b)).then_with(|| a.cmp(b))
}

/// How mature a version says it is, most mature first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stability {
    Ga,
    Beta,
    Alpha,
    Other,
}

/// Reads `v<major>`, `v<major>beta<minor>` or `v<major>alpha<minor>`.
fn parse_version(name: &str) -> (Stability, u64, u64) {
    let parsed = name.strip_prefix('v').and_then(|rest| {
        for (word, stability) in [("beta", Stability::Beta), ("alpha", Stability::Alpha)] {
            if let Some((major, minor)) = rest.split_once(word) {
                return Some((stability, version_number(major)?, version_number(minor)?));
            }
        }
        Some((Stability::Ga, version_number(rest)?, 0))
    });
    parsed.unwrap_or((Stability::Other, 0, 0))
}

/// A positive number without a leading zero or sign.
fn version_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.starts_with(|c: char| ('1'..='9').contains(&c)))
}
