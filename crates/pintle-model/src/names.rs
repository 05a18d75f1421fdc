//! Which texts may be names, label keys, label values and annotation keys.
//!
//! The rules are those of Kubernetes' `apimachinery/pkg/util/validation`, because its clients check
//! them too.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{FieldError, FieldErrorKind, FieldPath, Metadata};

/// Which names the objects of a kind may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameRule {
    /// Lower-case letters, digits, `-` and `.`; at most 253 bytes (RFC 1123 subdomain).
    Subdomain,
    /// Lower-case letters, digits and `-`; at most 63 bytes (RFC 1123 label).
    Label,
    /// Anything that can stand between two slashes of a path, as RBAC's names.
    PathSegment,
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
     characters, '-' or '.', and must start and end with an alphanumeric character";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
     or '-', and must start and end with an alphanumeric character";

/// Checks an object's name or namespace against the rule of its kind.
pub fn validate_name(path: FieldPath<'_>, name: &str, rule: NameRule) -> Result<(), FieldError> {
    let invalid = |detail: &str| Err(FieldError::invalid(path, &Value::from(name), detail));
    match rule {
        _ if name.is_empty() => Err(FieldError::required(path, "name or generateName is required")),
        NameRule::Subdomain if !is_subdomain(name) => invalid(SUBDOMAIN),
        NameRule::Subdomain | NameRule::PathSegment if name.len() > 253 => {
            invalid("must be no more than 253 bytes")
        }
        NameRule::Label if !is_dns_label(name) => invalid(LABEL),
        NameRule::Label if name.len() > 63 => invalid("must be no more than 63 bytes"),
        NameRule::PathSegment if name == "." || name == ".." => invalid("may not be '.' or '..'"),
        NameRule::PathSegment if name.contains(['/', '%']) || name.contains(char::is_control) => {
            invalid("may not contain '/', '%' or control characters")
        }
        NameRule::Subdomain | NameRule::Label | NameRule::PathSegment => Ok(()),
    }
}

/// All annotations of one object together may take so many bytes, as upstream; and so may its
/// labels, which upstream bounds by the size of the object only.
const MAP_BYTES_MAX: usize = 256 * 1024;

/// So many faults of labels, and as many of annotations, are told; nobody reads more, and a client
/// can make any number.
const FAULTS_MAX: usize = 50;

/// Checks labels, annotations, finalizers and owner references.
pub fn validate_metadata_maps(metadata: &Metadata) -> Vec<FieldError> {
    let root = FieldPath::ROOT.field("metadata");
    let mut errors = Vec::new();
    check_labels(root.field("labels"), &metadata.labels, &mut errors);
    check_annotations(root.field("annotations"), &metadata.annotations, &mut errors);
    check_finalizers(root.field("finalizers"), &metadata.finalizers, &mut errors);
    check_propagation(root.field("finalizers"), &metadata.finalizers, &mut errors);
    check_owners(root.field("ownerReferences"), metadata, &mut errors);
    errors
}

/// Checks the metadata of an object that stands in another one, as far as it is there. What has the
/// wrong type is passed over.
pub fn validate_inner_metadata(
    path: FieldPath<'_>,
    metadata: &Map<String, Value>,
) -> Vec<FieldError> {
    fn part<T: DeserializeOwned + Default>(metadata: &Map<String, Value>, field: &str) -> T {
        let found = metadata.get(field).and_then(|value| T::deserialize(value).ok());
        found.unwrap_or_default()
    }
    let mut errors = Vec::new();
    for (field, rule) in [("name", NameRule::PathSegment), ("namespace", NameRule::Label)] {
        let name: String = part(metadata, field);
        if !name.is_empty() {
            errors.extend(validate_name(path.field(field), &name, rule).err());
        }
    }
    check_labels(path.field("labels"), &part(metadata, "labels"), &mut errors);
    check_annotations(path.field("annotations"), &part(metadata, "annotations"), &mut errors);
    let finalizers: Vec<String> = part(metadata, "finalizers");
    check_finalizers(path.field("finalizers"), &finalizers, &mut errors);
    errors
}

/// What an object owns goes first, or stays: not both.
fn check_propagation(path: FieldPath<'_>, finalizers: &[String], errors: &mut Vec<FieldError>) {
    let both = ["orphan", "foregroundDeletion"];
    if both.iter().all(|name| finalizers.iter().any(|it| it == name)) {
        let [one, other] = both;
        let detail = format!("finalizers {one} and {other} cannot be both set");
        errors.push(FieldError::new(path, FieldErrorKind::Invalid, detail));
    }
}

fn check_labels(
    path: FieldPath<'_>,
    labels: &BTreeMap<String, String>,
    errors: &mut Vec<FieldError>,
) {
    let faults = labels.iter().flat_map(|(key, value)| {
        let bad_key = |detail| FieldError::invalid(path, &Value::from(key.as_str()), detail);
        let bad_value = |detail| FieldError::invalid(path, &Value::from(value.as_str()), detail);
        let faults = [
            validate_qualified_name(key).err().map(bad_key),
            validate_label_value(value).err().map(bad_value),
        ];
        faults.into_iter().flatten()
    });
    errors.extend(faults.take(FAULTS_MAX));
    check_bytes(path, labels, errors);
}

fn check_annotations(
    path: FieldPath<'_>,
    annotations: &BTreeMap<String, String>,
    errors: &mut Vec<FieldError>,
) {
    let faults = annotations.keys().filter_map(|key| {
        let detail = validate_qualified_name(&key.to_lowercase()).err()?;
        Some(FieldError::invalid(path, &Value::from(key.as_str()), detail))
    });
    errors.extend(faults.take(FAULTS_MAX));
    check_bytes(path, annotations, errors);
}

fn check_bytes(path: FieldPath<'_>, map: &BTreeMap<String, String>, errors: &mut Vec<FieldError>) {
    let bytes: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAP_BYTES_MAX {
        errors.push(FieldError::new(
            path,
            FieldErrorKind::TooLong,
            format!("all entries together take {bytes} bytes; {MAP_BYTES_MAX} are allowed"),
        ));
    }
}

/// So many finalizers, and so many owner references, an object may have. Upstream has no bound but
/// the size of the object.
pub const REFERENCES_MAX: usize = 1_000;

/// Checks a list of finalizers, wherever it stands.
pub fn validate_finalizers(path: FieldPath<'_>, finalizers: &[String]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check_finalizers(path, finalizers, &mut errors);
    errors
}

fn check_finalizers(path: FieldPath<'_>, finalizers: &[String], errors: &mut Vec<FieldError>) {
    if finalizers.len() > REFERENCES_MAX {
        errors.push(too_many(path, finalizers.len()));
        return;
    }
    for (index, finalizer) in finalizers.iter().enumerate() {
        let value = Value::from(finalizer.as_str());
        if let Err(detail) = validate_qualified_name(finalizer) {
            errors.push(FieldError::invalid(path.index(index), &value, detail));
        }
        if finalizers.iter().take(index).any(|earlier| earlier == finalizer) {
            errors.push(FieldError::with_value(
                path.index(index),
                FieldErrorKind::Duplicate,
                &value,
                "",
            ));
        }
    }
}

fn check_owners(path: FieldPath<'_>, metadata: &Metadata, errors: &mut Vec<FieldError>) {
    let owners = &metadata.owner_references;
    if owners.len() > REFERENCES_MAX {
        errors.push(too_many(path, owners.len()));
        return;
    }
    for (index, owner) in owners.iter().enumerate() {
        let at = path.index(index);
        let required = [
            ("apiVersion", owner.api_version.as_str()),
            ("kind", &owner.kind),
            ("name", &owner.name),
            ("uid", owner.uid.as_str()),
        ];
        for (field, value) in required {
            if value.is_empty() {
                errors.push(FieldError::required(at.field(field), "must not be empty"));
            }
        }
        if owner.uid == metadata.uid {
            errors.push(FieldError::forbidden(at.field("uid"), "an object may not own itself"));
        }
    }
    if owners.iter().filter(|owner| owner.controller == Some(true)).count() > 1 {
        errors.push(FieldError::invalid(
            path,
            &Value::Null,
            "only one reference can have controller set to true",
        ));
    }
}

fn too_many(path: FieldPath<'_>, found: usize) -> FieldError {
    FieldError::new(
        path,
        FieldErrorKind::TooMany,
        format!("{found} entries; {REFERENCES_MAX} are allowed"),
    )
}

/// Checks a label key, an annotation key, a finalizer or the name of an amount: `[prefix/]name`.
/// What is wrong comes back in words.
pub fn validate_qualified_name(text: &str) -> Result<(), String> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if let Some(prefix) = prefix
        && (!is_subdomain(prefix) || prefix.len() > 253)
    {
        return Err(format!("prefix part: {SUBDOMAIN}"));
    }
    let shaped = is_name_shaped(name) && !name.is_empty();
    if !shaped || name.len() > 63 {
        return Err(
            "name part must be 1 to 63 alphanumeric characters, '-', '_' or '.', and must \
                    start and end with an alphanumeric character"
                .to_owned(),
        );
    }
    Ok(())
}

/// Checks the value of a label.
pub(crate) fn validate_label_value(text: &str) -> Result<(), String> {
    if text.len() > 63 || !is_name_shaped(text) {
        return Err(
            "a label value must be empty, or at most 63 alphanumeric characters, '-', '_' \
                    or '.', and must start and end with an alphanumeric character"
                .to_owned(),
        );
    }
    Ok(())
}

fn is_name_shaped(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_dns_label)
}

fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes.iter().all(|byte| plain(byte) || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_their_kind() {
        let long = "a".repeat(254);
        let cases = [
            ("sensor-01", true, true, true),
            ("a.b", true, false, true),
            ("system:node", false, false, true),
            ("Sensor", false, false, true),
            ("-a", false, false, true),
            ("a/b", false, false, false),
            ("..", false, false, false),
            ("a..b", false, false, true),
            ("", false, false, false),
            ("ünder", false, false, true),
            (&long, false, false, false),
        ];
        for (name, subdomain, label, segment) in cases {
            let check = |rule| validate_name(FieldPath::ROOT, name, rule).is_ok();
            assert_eq!(check(NameRule::Subdomain), subdomain, "{name:?}");
            assert_eq!(check(NameRule::Label), label, "{name:?}");
            assert_eq!(check(NameRule::PathSegment), segment, "{name:?}");
        }
    }

    #[test]
    fn label_keys_and_values_are_checked() {
        for good in ["app", "example.io/app", "a_b.c-d"] {
            assert!(validate_qualified_name(good).is_ok(), "{good}");
        }
        for bad in ["", "/app", "a/b/c", "-app", "Example.io/app", "a b"] {
            assert!(validate_qualified_name(bad).is_err(), "{bad}");
        }
        assert!(validate_label_value("").is_ok());
        assert!(validate_label_value("v1.2_3").is_ok());
        assert!(validate_label_value("no spaces").is_err());
    }
}
