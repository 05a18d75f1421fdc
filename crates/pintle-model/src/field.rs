//! Where in a document something is wrong, and what.

use std::fmt;

use serde_json::Value;

/// A path into a document, built on the stack while walking it: `spec.ports[0].name`.
///
/// Only when something is wrong is it turned into text.
#[derive(Debug, Clone, Copy)]
pub struct FieldPath<'a> {
    parent: Option<&'a Self>,
    segment: Segment<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Segment<'a> {
    Root,
    Field(&'a str),
    Key(&'a str),
    Index(usize),
}

impl<'a> FieldPath<'a> {
    /// The document itself.
    pub const ROOT: FieldPath<'static> = FieldPath { parent: None, segment: Segment::Root };

    /// The declared field `name` of this place.
    #[must_use]
    pub fn field(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), segment: Segment::Field(name) }
    }

    /// The entry `key` of a map, written in brackets because a key may hold dots.
    #[must_use]
    pub fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), segment: Segment::Key(key) }
    }

    /// The item `index` of a list.
    #[must_use]
    pub fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), segment: Segment::Index(index) }
    }
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        parent.fmt(f)?;
        match self.segment {
            Segment::Root => Ok(()),
            Segment::Field(name) if matches!(parent.segment, Segment::Root) => f.write_str(name),
            Segment::Field(name) => write!(f, ".{name}"),
            Segment::Key(key) => write!(f, "[{key}]"),
            Segment::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// What is wrong with a field. The names and phrases are those of Kubernetes' field errors, because
/// its clients read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// It must be there and is not.
    Required,
    /// Its value breaks a rule.
    Invalid,
    /// Its value has the wrong JSON type.
    TypeInvalid,
    /// It cannot be read as what stands there in every object.
    Malformed,
    /// It is not one of the allowed values.
    NotSupported,
    /// It stands twice where once is allowed.
    Duplicate,
    /// It names something that does not exist.
    NotFound,
    /// It may not be set, or not be changed.
    Forbidden,
    /// Its text is too long.
    TooLong,
    /// It has too many items.
    TooMany,
}

impl FieldErrorKind {
    /// The machine-readable reason, as in `details.causes[].reason`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::TypeInvalid | Self::Malformed => "FieldValueTypeInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::NotFound => "FieldValueNotFound",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
        }
    }

    const fn phrase(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid | Self::Malformed => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::NotFound => "Not found",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
        }
    }
}

/// One thing that is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The place: `spec.ports[0].name`.
    pub path: String,
    /// The sort of fault.
    pub kind: FieldErrorKind,
    /// What was found, shortened, where showing it helps.
    pub value: Option<String>,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// Values in messages are cut here, so that an error is never as large as its cause.
const VALUE_SHOWN_MAX: usize = 120;

impl FieldError {
    /// A fault that shows the value it found.
    pub fn with_value(
        path: impl fmt::Display,
        kind: FieldErrorKind,
        value: &Value,
        detail: impl Into<String>,
    ) -> Self {
        let mut shown = value.to_string();
        if shown.chars().count() > VALUE_SHOWN_MAX {
            shown = shown.chars().take(VALUE_SHOWN_MAX).chain("…".chars()).collect();
        }
        Self { path: path.to_string(), kind, value: Some(shown), detail: detail.into() }
    }

    /// A fault that shows no value.
    pub fn new(path: impl fmt::Display, kind: FieldErrorKind, detail: impl Into<String>) -> Self {
        Self { path: path.to_string(), kind, value: None, detail: detail.into() }
    }

    /// A required field that is missing.
    pub fn required(path: impl fmt::Display, detail: impl Into<String>) -> Self {
        Self::new(path, FieldErrorKind::Required, detail)
    }

    /// A value that breaks a rule.
    pub fn invalid(path: impl fmt::Display, value: &Value, detail: impl Into<String>) -> Self {
        Self::with_value(path, FieldErrorKind::Invalid, value, detail)
    }

    /// A field that may not be set or changed.
    pub fn forbidden(path: impl fmt::Display, detail: impl Into<String>) -> Self {
        Self::new(path, FieldErrorKind::Forbidden, detail)
    }

    /// The fault without its path: what stands in `details.causes[].message`.
    pub fn message(&self) -> String {
        let mut text = self.kind.phrase().to_owned();
        if let Some(value) = &self.value {
            text.push_str(": ");
            text.push_str(value);
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message())
        } else {
            write!(f, "{}: {}", self.path, self.message())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_kubernetes_writes_them() {
        let spec = FieldPath::ROOT.field("spec");
        let ports = spec.field("ports");
        let port = ports.index(0);
        let labels = port.field("labels");
        assert_eq!(labels.key("a.b/c").to_string(), "spec.ports[0].labels[a.b/c]");
        let error = FieldError::invalid(ports.index(3), &Value::from("x"), "must be a number");
        assert_eq!(error.to_string(), r#"spec.ports[3]: Invalid value: "x": must be a number"#);
        assert_eq!(FieldError::required(spec, "").to_string(), "spec: Required value");
    }
}
