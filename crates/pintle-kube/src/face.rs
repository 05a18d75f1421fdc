//! [`Face`]: the kind that a client speaks of, where it shows the objects of another one.

use std::borrow::Cow;
use std::sync::Arc;

use pintle_engine::Served;
use pintle_model::{FieldError, FieldPath, FieldSelector, validate_name};
use pintle_rules::{Document, Refusal as RulesRefusal};
use pintle_schema::Version;
use serde_json::{Map, Value};

use crate::api::Call;
use crate::refusals::Deed;
use crate::reply::Failure;

/// Names of fields: as they are shown, and as they are stored.
pub(crate) type Fields = &'static [(&'static str, &'static str)];

/// A kind as it is shown. Mostly it is the one that is stored.
#[derive(Debug, Clone)]
pub(crate) struct Face {
    pub(crate) served: Arc<Served>,
    pub(crate) version: Arc<Version>,
    /// Those that are stored under other names.
    pub(crate) fields: Fields,
}

impl Face {
    /// What every answer says of a version that gets old.
    pub(crate) fn deprecation(&self) -> Option<String> {
        let kind = &self.served.definition.kind;
        let said = self.version.deprecation_warning.clone();
        let usual =
            || format!("{} {} is deprecated", kind.api_version(&self.version.name), kind.kind);
        self.version.deprecated.then(|| said.unwrap_or_else(usual))
    }

    fn stored_name(&self, shown: &str) -> Option<&'static str> {
        self.fields.iter().find(|(name, _)| *name == shown).map(|(_, stored)| *stored)
    }

    /// The body of a document under the names that it is stored with. What has such a name already
    /// is none of the kind that is shown.
    pub(crate) fn stored_body(&self, body: Map<String, Value>) -> Map<String, Value> {
        if self.fields.is_empty() {
            return body;
        }
        let foreign = |name: &str| self.fields.iter().any(|(_, stored)| *stored == name);
        let kept = body.into_iter().filter(|(name, _)| !foreign(name));
        kept.map(|(name, value)| (self.stored_name(&name).map_or(name, str::to_owned), value))
            .collect()
    }

    /// A patch under the names that the object is stored with.
    pub(crate) fn stored_patch(&self, patch: Value) -> Value {
        match patch {
            patch if self.fields.is_empty() => patch,
            Value::Object(fields) => Value::Object(self.stored_body(fields)),
            Value::Array(operations) => {
                Value::Array(operations.into_iter().map(|it| self.stored_operation(it)).collect())
            }
            other => other,
        }
    }

    fn stored_operation(&self, mut operation: Value) -> Value {
        for name in ["path", "from"] {
            let Some(Value::String(pointer)) = operation.get_mut(name) else { continue };
            let path = pointer.strip_prefix('/').unwrap_or_default();
            let first = path.split('/').next().unwrap_or_default();
            if let (Some(stored), Some(rest)) = (self.stored_name(first), path.get(first.len()..)) {
                *pointer = format!("/{stored}{rest}");
            }
        }
        operation
    }

    /// A selector over the names that the object is stored with.
    pub(crate) fn stored_fields(&self, mut selector: FieldSelector) -> FieldSelector {
        for term in &mut selector.terms {
            let first = term.path.split('.').next().unwrap_or_default();
            if let (Some(stored), Some(rest)) =
                (self.stored_name(first), term.path.get(first.len()..))
            {
                term.path = format!("{stored}{rest}");
            }
        }
        selector
    }

    /// What the kind that is shown asks of a new object, beside what the stored one does.
    pub(crate) fn check_new(&self, call: &Call<'_>, document: &Document) -> Result<(), Failure> {
        if self.fields.is_empty() {
            return Ok(());
        }
        let body = document.body.as_ref().map(|body| shown_body(self.fields, body.clone()));
        let mut body = body.unwrap_or_default();
        // As a write does with the stored form: Go clients send null for a time that was never set.
        self.version.normalize_body(&mut body);
        let mut faults = self.version.validate_body(&body);
        faults.extend(self.name_fault(document));
        if faults.is_empty() {
            return Ok(());
        }
        let refusal = RulesRefusal::Invalid(faults);
        Err(call.refused(refusal.into(), call.name(), Deed::Create { built_in: true }))
    }
}

impl Face {
    /// The kind that is shown may be stricter with names. One that is still to be made up is right.
    fn name_fault(&self, document: &Document) -> Option<FieldError> {
        let name = document.metadata.as_ref()?.get("name")?.as_str()?;
        let metadata = FieldPath::ROOT.field("metadata");
        let rule = self.served.definition.name_rule;
        let checked = validate_name(metadata.field("name"), name, rule);
        checked.err().filter(|_| !name.is_empty())
    }
}

/// A body under the names that it is shown with.
pub(crate) fn shown_body(fields: Fields, body: Map<String, Value>) -> Map<String, Value> {
    let shown = |name: String| {
        let found = fields.iter().find(|(_, stored)| *stored == name);
        found.map_or(name.clone(), |(shown, _)| (*shown).to_owned())
    };
    body.into_iter().map(|(name, value)| (shown(name), value)).collect()
}

/// The text of a body under the names that it is shown with.
pub(crate) fn shown_text(fields: Fields, text: &str) -> Cow<'_, str> {
    if fields.is_empty() {
        return Cow::Borrowed(text);
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(body)) => Cow::Owned(Value::Object(shown_body(fields, body)).to_string()),
        _ => Cow::Borrowed(text),
    }
}
