//! Mutations of what is wanted.

use serde_json::{Value, json};

use super::{ask, at, code, data};
use crate::harness::server::Server;

const FIELDS: &str = "{ changed clientMutationId device { metadata { name namespace \
    resourceVersion generation labels } spec { name location model } status { phase } } \
    errors { __typename code ... on InvalidError { causes { path } } } }";

async fn payload(server: &Server, field: &str, input: Value) -> Value {
    let type_name = match field {
        "createDevice" => "CreateDeviceInput",
        "updateDevice" => "UpdateDeviceInput",
        "patchDevice" => "PatchDeviceInput",
        _ => "DeleteDeviceInput",
    };
    let fields = if field == "deleteDevice" {
        FIELDS.replacen("changed", "removed", 1)
    } else {
        FIELDS.to_owned()
    };
    let mutation =
        format!("mutation($input: {type_name}!) {{ it: {field}(input: $input) {fields} }}");
    at(&data(&ask(server, &mutation, &json!({"input": input})).await), "/it")
}

fn version(payload: &Value) -> Value {
    at(payload, "/device/metadata/resourceVersion")
}

#[tokio::test]
async fn an_object_is_made_changed_and_removed() {
    let server = Server::devices().await;
    let input = json!({"metadata": {"name": "x", "labels": {"site": "dc1"}}, "clientMutationId": "c",
        "spec": {"name": "x", "location": "dc1", "model": "M"}});
    let made = payload(&server, "createDevice", input.clone()).await;
    assert_eq!((&made["errors"], &made["clientMutationId"]), (&json!([]), &json!("c")));
    assert_eq!(at(&made, "/device/metadata/namespace"), "default");
    let again = payload(&server, "createDevice", input).await;
    assert_eq!(at(&again, "/errors/0/code"), "ALREADY_EXISTS");

    let input = json!({"ref": {"name": "x"}, "resourceVersion": version(&made),
        "spec": {"name": "x", "location": "dc2"}});
    let replaced = payload(&server, "updateDevice", input.clone()).await;
    assert_eq!(
        at(&replaced, "/device/spec"),
        json!({"name": "x", "location": "dc2", "model": null})
    );
    assert_eq!(at(&replaced, "/device/metadata/labels"), json!({"site": "dc1"}));
    assert_eq!(at(&replaced, "/device/metadata/generation"), 2);
    let stale = payload(&server, "updateDevice", input).await;
    assert_eq!(at(&stale, "/errors/0/code"), "CONFLICT");

    let input = json!({"ref": {"name": "x"}, "spec": {"model": "N"},
        "metadata": {"labels": {"site": null, "rack": "7"}}});
    let patched = payload(&server, "patchDevice", input).await;
    assert_eq!(at(&patched, "/device/spec"), json!({"name": "x", "location": "dc2", "model": "N"}));
    assert_eq!(at(&patched, "/device/metadata/labels"), json!({"rack": "7"}));
    let cleared = json!({"ref": {"name": "x"}, "spec": {"location": null}});
    let cleared = payload(&server, "patchDevice", cleared).await;
    assert_eq!(at(&cleared, "/errors/0/causes/0/path"), "spec.location");

    let stale = json!({"ref": {"name": "x"}, "resourceVersion": version(&made)});
    let stale = payload(&server, "deleteDevice", stale).await;
    assert_eq!(
        (&stale["removed"], at(&stale, "/errors/0/code")),
        (&json!(false), json!("CONFLICT"))
    );
    let dry = payload(&server, "deleteDevice", json!({"ref": {"name": "x"}, "dryRun": true})).await;
    assert_eq!(dry["errors"], json!([]));
    let gone = payload(&server, "deleteDevice", json!({"ref": {"name": "x"}})).await;
    assert_eq!((&gone["removed"], &gone["errors"]), (&json!(true), &json!([])));
    assert_eq!(at(&gone, "/device/spec/model"), "N", "its last state");
    server.get("/devices/x").await.expect(404);
}

#[tokio::test]
async fn a_spec_input_has_no_place_for_a_status() {
    let server = Server::devices().await;
    let mutation =
        "mutation($input: CreateDeviceInput!) { createDevice(input: $input) { changed } }";
    let input = json!({"metadata": {"name": "x"}, "spec": {"name": "x", "location": "y"},
        "status": {"phase": "Ready"}});
    let reply = ask(&server, mutation, &json!({"input": input})).await;
    assert_eq!((reply.status, &*code(&reply)), (400, "BAD_USER_INPUT"));
    server.get("/devices/x").await.expect(404);
}

#[tokio::test]
async fn names_are_made_and_places_must_exist() {
    let server = Server::devices().await;
    let spec = json!({"name": "x", "location": "y"});
    let generated = json!({"metadata": {"generateName": "x-"}, "spec": spec});
    let made = payload(&server, "createDevice", generated).await;
    assert!(at(&made, "/device/metadata/name").as_str().unwrap().starts_with("x-"));
    let elsewhere = json!({"metadata": {"name": "x", "namespace": "none"}, "spec": spec});
    let refused = payload(&server, "createDevice", elsewhere).await;
    assert_eq!(at(&refused, "/errors/0/code"), "NOT_FOUND");
    let unnamed = payload(&server, "createDevice", json!({"metadata": {}, "spec": spec})).await;
    assert_eq!(at(&unnamed, "/errors/0/code"), "INVALID");
}

/// The root fields of a mutation go one after the other.
#[tokio::test]
async fn several_mutations_keep_their_order() {
    let server = Server::devices().await;
    let mutation = "mutation { \
        a: createDevice(input: {metadata: {name: \"x\"}, spec: {name: \"x\", location: \"1\"}}) \
          { changed } \
        b: patchDevice(input: {ref: {name: \"x\"}, spec: {location: \"2\"}}) \
          { device { spec { location } } } \
        c: deleteDevice(input: {ref: {name: \"x\"}}) { removed } \
        d: patchDevice(input: {ref: {name: \"x\"}, spec: {location: \"3\"}}) { errors { code } } }";
    let found = data(&ask(&server, mutation, &json!({})).await);
    let expected = json!({"a": {"changed": true}, "b": {"device": {"spec": {"location": "2"}}},
        "c": {"removed": true}, "d": {"errors": [{"code": "NOT_FOUND"}]}});
    assert_eq!(found, expected);
}

#[tokio::test]
async fn fields_whose_names_are_alike_are_told_apart() {
    let server = Server::devices().await;
    let text = || json!({"type": "string"});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "forms.a.example.io"},
        "spec": {
            "group": "a.example.io",
            "scope": "Namespaced",
            "names": {"plural": "forms", "singular": "form", "kind": "Form"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "a-b": text(), "a.b": text(), "a_b": text(), "json": text(),
                }}},
            }],
        },
    });
    server.post("/customresourcedefinitions", &definition).await.expect(201);
    let input = json!({"metadata": {"name": "x"},
        "a_b": "exact", "a_b_": "hyphen", "a_b__": "dot", "json_": "kept"});
    let mutation = "mutation($input: CreateFormInput!) { createForm(input: $input) \
        { form { a_b a_b_ a_b__ json_ } errors { code } } }";
    let made = data(&ask(&server, mutation, &json!({"input": input})).await);
    let expected = json!({"a_b": "exact", "a_b_": "hyphen", "a_b__": "dot", "json_": "kept"});
    assert_eq!(made["createForm"], json!({"form": expected, "errors": []}));
    let stored = server.get("/forms/x").await.expect(200).json();
    for (field, value) in [("a_b", "exact"), ("a-b", "hyphen"), ("a.b", "dot"), ("json", "kept")] {
        assert_eq!(stored[field], value, "{stored}");
    }
}

#[tokio::test]
async fn a_number_that_json_cannot_have_clears_nothing() {
    let server = Server::devices().await;
    super::device(&server, "x").await;
    let patch = |number: &str| {
        format!(
            "mutation {{ patchDevice(input: {{ref: {{name: \"x\"}}, spec: {{location: {number}}}}}) \
             {{ errors {{ code }} }} }}"
        )
    };
    for number in ["9".repeat(400), "1e400".to_owned()] {
        let reply = ask(&server, &patch(&number), &json!({})).await;
        assert!(!code(&reply).is_empty(), "{}", reply.text());
    }
    let json = format!(
        "mutation {{ updateResourceStatus(input: {{apiVersion: \"infra.example.io/v1\", kind: \"Device\", \
         ref: {{name: \"x\"}}, resourceVersion: \"1\", status: {{phase: {}}}}}) {{ errors {{ code }} }} }}",
        "9".repeat(400)
    );
    let reply = ask(&server, &json, &json!({})).await;
    assert_eq!(code(&reply), "BAD_USER_INPUT", "{}", reply.text());
    assert!(
        reply.text().contains("input.status.phase: the number is too large"),
        "{}",
        reply.text()
    );
}
