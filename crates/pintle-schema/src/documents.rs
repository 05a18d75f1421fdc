//! The schemas of what is no object of a kind: the metadata that every object has, the scale of an
//! object, questions.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use pintle_model::{FieldError, FieldPath};
use serde_json::{Map, Value};

use crate::Schema;

static SCHEMAS: LazyLock<BTreeMap<String, Schema>> = LazyLock::new(|| {
    let documents: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("documents.json")).expect("the embedded text is JSON");
    let compiled = |(kind, document): (String, Value)| {
        (kind, Schema::compile(&document).expect("the embedded schemas are structural"))
    };
    documents.into_iter().map(compiled).collect()
});

/// What `metadata` is, wherever it stands: `ObjectMeta` of `meta/v1`.
pub fn object_meta() -> &'static Schema {
    SCHEMAS.get("ObjectMeta").expect("the embedded schemas have it")
}

/// What a close reading finds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The paths of fields that nobody knows. They are dropped.
    pub unknown: Vec<String>,
    /// What has the wrong type.
    pub faults: Vec<FieldError>,
}

/// Reads a document of a kind of which nothing is stored: `Scale`, `TokenReview`,
/// `SubjectAccessReview` and its kin. `LocalSubjectAccessReview` is read as `SubjectAccessReview`.
pub fn read_document(kind: &str, document: &mut Map<String, Value>) -> Reading {
    let mut reading = Reading::default();
    let path = FieldPath::ROOT.field("metadata");
    if let Some(metadata) = document.get_mut("metadata").filter(|it| !it.is_null()) {
        reading.unknown.extend(object_meta().normalize(path, metadata));
        reading.faults.extend(object_meta().validate(path, metadata));
    }
    let kind = if kind == "LocalSubjectAccessReview" { "SubjectAccessReview" } else { kind };
    if let Some(schema) = SCHEMAS.get(kind) {
        reading.unknown.extend(schema.normalize_fields(document, &["metadata"]));
        reading.faults.extend(schema.validate_fields(document, &["metadata"]));
    }
    reading
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: &str, document: &Value) -> (Vec<String>, Vec<String>, Value) {
        let mut fields = document.as_object().unwrap().clone();
        let Reading { unknown, faults } = read_document(kind, &mut fields);
        let faults = faults.into_iter().map(|fault| fault.path).collect();
        (unknown, faults, Value::Object(fields))
    }

    #[test]
    fn documents_are_read_closely() {
        let scale = json!({
            "metadata": {"name": "a", "labels": null, "x": 1, "generation": "1"},
            "spec": {"replicas": "2", "y": 1},
            "z": 1,
        });
        let (unknown, faults, left) = read("Scale", &scale);
        assert_eq!(unknown, ["metadata.x", "spec.y", "z"]);
        assert_eq!(faults, ["metadata.generation", "spec.replicas"]);
        let kept = json!({"metadata": {"name": "a", "generation": "1"}, "spec": {"replicas": "2"}});
        assert_eq!(left, kept);
        for kind in ["SubjectAccessReview", "LocalSubjectAccessReview", "SelfSubjectAccessReview"] {
            let asked = json!({"spec": {"resourceAttributes": {"verb": "get", "verbs": "get"}}});
            let unknown = read(kind, &asked).0;
            assert_eq!(unknown, ["spec.resourceAttributes.verbs"], "{kind}");
        }
        for kind in ["TokenReview", "SelfSubjectRulesReview", "SelfSubjectReview"] {
            let (unknown, faults, _) =
                read(kind, &json!({"kind": kind, "x": 1, "status": {"y": 1}}));
            assert_eq!((unknown.as_slice(), faults.len()), (&["x".to_owned()][..], 0), "{kind}");
        }
    }
}
