//! An object as Kubernetes shows it: spliced together from its lanes, which are JSON text already.

use std::fmt::Write as _;

use bytes::Bytes;
use pintle_model::{Kind, Metadata, Object, Revision};
use pintle_schema::Version;
use serde::Serialize;
use serde_json::{Value, json};

use crate::face::{Fields, shown_text};

/// How much of an object is shown, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// Whether the caller may see the body.
    pub(crate) body: bool,
    /// Whether it says what it is. In lists of built-in kinds the list says it for all.
    pub(crate) typed: bool,
    /// Fields that are stored under other names.
    pub(crate) fields: Fields,
}

impl View {
    pub(crate) const WHOLE: Self = Self { body: true, typed: true, fields: &[] };
}

/// One object as one JSON document.
pub(crate) fn object(kind: &Kind, version: &Version, object: &Object, view: View) -> Bytes {
    let mut out = String::with_capacity(object.size() + 640);
    write_object(&mut out, kind, version, object, view);
    out.into()
}

/// Appends one object.
pub(crate) fn write_object(
    out: &mut String,
    kind: &Kind,
    version: &Version,
    object: &Object,
    view: View,
) {
    out.push('{');
    if view.typed {
        out.push_str(r#""apiVersion":""#);
        if !kind.group.is_empty() {
            out.push_str(&kind.group);
            out.push('/');
        }
        out.push_str(&version.name);
        out.push_str(r#"","kind":""#);
        out.push_str(&kind.kind);
        out.push_str(r#"","#);
    }
    out.push_str(r#""metadata":"#);
    write_metadata(out, object);
    if view.body && !object.body.is_empty_object() {
        out.push(',');
        out.push_str(inner(&shown_text(view.fields, text(object.body.as_bytes()))));
    }
    if let Some(status) = &object.status {
        out.push_str(r#","status":"#);
        out.push_str(text(status.as_bytes()));
    }
    out.push('}');
}

/// Appends the metadata of an object, as an object of its own kind.
pub(crate) fn write_partial(out: &mut String, version: &str, object: &Object) {
    out.push_str(r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/"#);
    out.push_str(version);
    out.push_str(r#"","metadata":"#);
    write_metadata(out, object);
    out.push('}');
}

/// One object as a tree, for whoever has to look into it.
pub(crate) fn tree(kind: &Kind, version: &Version, shown: &Object, view: View) -> Value {
    serde_json::from_slice(&object(kind, version, shown, view)).unwrap_or_else(|_| json!({}))
}

/// Stored lanes are JSON, and JSON is UTF-8.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("{}")
}

/// The text of an object without its braces.
fn inner(text: &str) -> &str {
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default()
}

/// Appends `metadata`. What a dry run would have created has no version.
fn write_metadata(out: &mut String, object: &Object) {
    let metadata: &Metadata = &object.metadata;
    out.push_str(r#"{"name":"#);
    push_json(out, &metadata.name);
    if let Some(prefix) = &metadata.generate_name {
        field(out, "generateName", prefix);
    }
    if !metadata.namespace.is_empty() {
        field(out, "namespace", &metadata.namespace);
    }
    field(out, "uid", &metadata.uid);
    if object.revision > Revision::ZERO {
        let written = write!(out, r#","resourceVersion":"{}""#, object.revision);
        written.expect("text grows in memory");
    }
    field(out, "generation", &metadata.generation);
    field(out, "creationTimestamp", &metadata.creation_timestamp.seconds());
    if let Some(deleted) = metadata.deletion_timestamp {
        field(out, "deletionTimestamp", &deleted.seconds());
        field(out, "deletionGracePeriodSeconds", &metadata.deletion_grace_period_seconds);
    }
    if !metadata.labels.is_empty() {
        field(out, "labels", &metadata.labels);
    }
    if !metadata.annotations.is_empty() {
        field(out, "annotations", &metadata.annotations);
    }
    if !metadata.owner_references.is_empty() {
        field(out, "ownerReferences", &metadata.owner_references);
    }
    if !metadata.finalizers.is_empty() {
        field(out, "finalizers", &metadata.finalizers);
    }
    out.push('}');
}

fn field(out: &mut String, name: &str, value: &impl Serialize) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    push_json(out, value);
}

fn push_json(out: &mut String, value: &impl Serialize) {
    out.push_str(&serde_json::to_string(value).expect("texts, lists and maps of texts are JSON"));
}
