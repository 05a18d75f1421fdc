//! Kinds that tests declare while the server runs.

use serde_json::{Value, json};

use crate::harness::server::Server;
use crate::harness::stream::Watch;

/// A definition with one version, `v1`, that has a status subresource.
pub(crate) fn definition(group: &str, plural: &str, kind: &str, schema: &Value) -> Value {
    let version = json!({
        "name": "v1", "served": true, "storage": true,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    });
    with_versions(group, plural, kind, &json!([version]))
}

/// A definition of a namespaced kind with these versions.
pub(crate) fn with_versions(group: &str, plural: &str, kind: &str, versions: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
            "versions": versions,
        },
    })
}

/// A schema that takes whatever there is in spec and status.
pub(crate) fn anything() -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({"type": "object", "properties": {"spec": open, "status": open}})
}

/// Declares `things`, which hold anything.
pub(crate) async fn declare_things(server: &Server) {
    declare(server, &definition("test.example.io", "things", "Thing", &anything())).await;
}

/// Declares a kind, which must be accepted.
pub(crate) async fn declare(server: &Server, definition: &Value) {
    server.post("/customresourcedefinitions", definition).await.expect(201);
}

/// Waits until the server has written by itself what there is to write after a declaration: that
/// the kind is served, and that its namespaces are there.
pub(crate) async fn until_settled(server: &Server, definition: &str) {
    let mut definitions = server.watch("/customresourcedefinitions?watch=true").await;
    until(&mut definitions, definition, |object| condition(object, "Established") == "True").await;
    let mut namespaces = server.watch("/namespaces?watch=true").await;
    until(&mut namespaces, "default", |object| object["status"]["phase"] == "Active").await;
}

/// Waits until an object of this name is so.
pub(crate) async fn until(watch: &mut Watch, name: &str, is_so: impl Fn(&Value) -> bool) {
    loop {
        let event = watch.event().await;
        if event.name() == name && is_so(&event.object) {
            return;
        }
    }
}

/// The status of a condition; null when it is not there.
pub(crate) fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    found.map_or(Value::Null, |condition| condition["status"].clone())
}
