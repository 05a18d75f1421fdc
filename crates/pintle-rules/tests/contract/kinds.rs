//! The kinds that the tests write.

use std::sync::{Arc, LazyLock};

use pintle_schema::{Definition, core_definitions};
use serde_json::{Value, json};

/// `devices.infra.example.io`.
///
/// - `v1` has the status subresource and conditions like `metav1.Condition`.
/// - `v1alpha1` has the same schema without the subresource.
/// - `v1beta1` has conditions without times, whose `status` has a default, and names of at most
///   eight letters.
/// - `v2` has the subresource and no schema for a status.
pub(crate) fn devices() -> Arc<Definition> {
    static DEVICES: LazyLock<Arc<Definition>> = LazyLock::new(|| Arc::new(declared()));
    Arc::clone(&DEVICES)
}

fn declared() -> Definition {
    let version = |name: &str, storage, schema: Value, subresource: bool| {
        let subresources = if subresource { json!({"status": {}}) } else { json!({}) };
        json!({
            "name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": schema}, "subresources": subresources,
        })
    };
    let body = json!({"spec": {
        "group": "infra.example.io",
        "scope": "Namespaced",
        "names": {"plural": "devices", "singular": "device", "kind": "Device"},
        "versions": [
            version("v1", true, device(), true),
            version("v1alpha1", false, device(), false),
            version("v1beta1", false, timeless_device(), true),
            version("v2", false, json!({"type": "object", "properties": {"spec": spec()}}), true),
        ],
    }});
    let body = body.as_object().unwrap();
    Definition::from_crd("devices.infra.example.io", body).unwrap()
}

/// One of the kinds that the server has by itself, by its plural name.
pub(crate) fn core(plural: &str) -> Arc<Definition> {
    let mut kinds = core_definitions().into_iter();
    kinds.find(|definition| &*definition.kind.plural == plural).unwrap()
}

fn spec() -> Value {
    json!({
        "type": "object",
        "properties": {
            "location": {"type": "string"},
            "replicas": {"type": "integer", "default": 1, "minimum": 0},
            "weight": {"type": "number"},
            "settings": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
    })
}

fn device() -> Value {
    json!({"type": "object", "properties": {"spec": spec(), "status": {
        "type": "object",
        "properties": {
            "health": {"type": "string", "enum": ["Healthy", "Degraded", "Failed"]},
            "observedGeneration": {"type": "integer"},
            "load": {"type": "number"},
            "phase": {"type": "string", "default": "Pending"},
            "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "conditions": {"type": "array", "items": {
                "type": "object",
                "required": ["type", "status"],
                "properties": {
                    "type": {"type": "string"},
                    "status": {"type": "string"},
                    "reason": {"type": "string"},
                    "message": {"type": "string"},
                    "observedGeneration": {"type": "integer"},
                    "lastTransitionTime": {"type": "string", "format": "date-time"},
                },
            }},
        },
    }}})
}

fn timeless_device() -> Value {
    json!({"type": "object", "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 8}}},
        "spec": spec(),
        "status": {"type": "object", "properties": {"conditions": {"type": "array", "items": {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": {"type": "string"},
                "status": {"type": "string", "default": "Unknown"},
            },
        }}}},
    }})
}
