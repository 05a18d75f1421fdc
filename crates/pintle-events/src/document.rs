//! An object as the REST door and events show it: spliced together from its lanes, which are JSON
//! text already.

use std::fmt::Write as _;

use bytes::Bytes;
use pintle_engine::Served;
use pintle_model::{Kind, Metadata, Object};
use pintle_schema::Version;
use serde::Serialize;

/// How much of an object a caller sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// All of it.
    Whole,
    /// Metadata and status: for callers who may write status and not read the object.
    WithoutBody,
}

/// One object as one JSON document.
pub fn object(served: &Served, version: &Version, object: &Object, view: View) -> Bytes {
    let mut out = String::with_capacity(object.size() + 640);
    write_object(&mut out, served, version, object, view);
    out.into()
}

/// Appends one object.
pub fn write_object(
    out: &mut String,
    served: &Served,
    version: &Version,
    object: &Object,
    view: View,
) {
    write_object_of(out, &served.definition.kind, version, object, view);
}

/// [`write_object`], for whoever has the kind alone.
pub fn write_object_of(
    out: &mut String,
    kind: &Kind,
    version: &Version,
    object: &Object,
    view: View,
) {
    out.push_str(r#"{"apiVersion":""#);
    if !kind.group.is_empty() {
        out.push_str(&kind.group);
        out.push('/');
    }
    out.push_str(&version.name);
    out.push_str(r#"","kind":""#);
    out.push_str(&kind.kind);
    out.push_str(r#"","metadata":"#);
    write_metadata(out, object);
    if view == View::Whole && !object.body.is_empty_object() {
        out.push(',');
        out.push_str(inner(text(object.body.as_bytes())));
    }
    if version.status_subresource || object.status.is_some() {
        out.push_str(r#","status":"#);
        out.push_str(object.status.as_ref().map_or("{}", |status| text(status.as_bytes())));
    }
    out.push('}');
}

/// Stored lanes are JSON, and JSON is UTF-8.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("{}")
}

/// The text of an object without its braces.
fn inner(text: &str) -> &str {
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default()
}

/// Metadata under both families of names: those of Fabrica and those of Kubernetes.
pub fn write_metadata(out: &mut String, object: &Object) {
    let metadata: &Metadata = &object.metadata;
    let created = metadata.creation_timestamp.seconds();
    out.push_str(r#"{"name":"#);
    push_text(out, &metadata.name);
    if let Some(prefix) = &metadata.generate_name {
        field(out, "generateName", prefix);
    }
    if !metadata.namespace.is_empty() {
        out.push_str(r#","namespace":"#);
        push_text(out, &metadata.namespace);
    }
    out.push_str(r#","uid":"#);
    push_text(out, metadata.uid.as_str());
    let numbers = write!(
        out,
        r#","resourceVersion":"{}","generation":{},"creationTimestamp":"{created}","createdAt":"{created}","updatedAt":"{}""#,
        object.revision, metadata.generation, object.updated_at,
    );
    numbers.expect("text grows in memory");
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
    if !metadata.finalizers.is_empty() {
        field(out, "finalizers", &metadata.finalizers);
    }
    if !metadata.owner_references.is_empty() {
        field(out, "ownerReferences", &metadata.owner_references);
    }
    out.push('}');
}

fn field(out: &mut String, name: &str, value: &impl Serialize) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    push_json(out, value);
}

/// A text as JSON. Names seldom hold anything that has to be escaped.
fn push_text(out: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        return push_json(out, &text);
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
}

fn push_json(out: &mut String, value: &impl Serialize) {
    out.push_str(&serde_json::to_string(value).expect("texts, lists and maps of texts are JSON"));
}
