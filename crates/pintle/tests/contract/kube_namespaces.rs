//! Namespaces and definitions, which hold others: what is in them is not left behind, whatever
//! clients ask for, and they go one by one.

use serde_json::{Value, json};

use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server};
use crate::kinds::{declare_things, until};

const NAMESPACES: &str = "/api/v1/namespaces";
const LAB: &str = "/api/v1/namespaces/lab";
const CONFIGS: &str = "/api/v1/namespaces/lab/configmaps";
const DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.test.example.io";

/// A namespace that is being deleted, and cannot go yet: somebody holds what is in it.
async fn held() -> Server {
    let server = Launch::bare().start().await;
    server.post(NAMESPACES, &json!({"metadata": {"name": "lab"}})).await.expect(201);
    let config = json!({"metadata": {"name": "c", "finalizers": ["example.io/hold"]}});
    server.post(CONFIGS, &config).await.expect(201);
    server.delete(LAB).await.expect(200);
    server
}

#[tokio::test]
async fn namespaces_are_not_deleted_as_a_collection() {
    let server = Launch::bare().start().await;
    server.post(NAMESPACES, &json!({"metadata": {"name": "lab"}})).await.expect(201);
    let refused = server.delete(NAMESPACES).await.expect(405);
    assert_eq!(refused.at("/reason"), "MethodNotAllowed");
    assert!(!refused.header("allow").contains("DELETE"), "{}", refused.header("allow"));
    let lab = server.get(LAB).await.expect(200);
    assert_eq!(lab.at("/metadata/deletionTimestamp"), Value::Null);
    let verbs = |resources: Value, named: &str, verbs: &str| {
        let all = resources.as_array().cloned().unwrap_or_default();
        let found = all.into_iter().find(|it| it[named] == "namespaces");
        found.unwrap_or_default()[verbs].to_string()
    };
    let listed = server.get("/api/v1").await.expect(200);
    let old = verbs(listed.at("/resources"), "name", "verbs");
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let listed = server.send("GET", "/api", &[("accept", accept)], "").await.expect(200);
    let new = verbs(listed.at("/items/0/versions/0/resources"), "resource", "verbs");
    for verbs in [old, new] {
        assert!(verbs.contains("\"delete\""), "{verbs}");
        assert!(!verbs.contains("deletecollection"), "{verbs}");
    }
    let described = server.get("/openapi/v3/api/v1").await.expect(200).json();
    assert_eq!(described["paths"][NAMESPACES]["delete"], Value::Null);
}

/// Nobody can let go of a namespace but the server, when there is nothing in it: on no door.
#[tokio::test]
async fn what_is_in_a_namespace_is_not_left_behind() {
    let server = held().await;
    let none = json!({"metadata": {"finalizers": null}});
    let empty = json!({"metadata": {"name": "lab", "finalizers": []}});
    let json_patch = json!([{"op": "remove", "path": "/metadata/finalizers"}]);
    let merge = "application/merge-patch+json";
    let json = "application/json";
    let query = "mutation { patchNamespace(input: {ref: {name: \"lab\"}, metadata: \
                 {finalizers: []}}) { errors { message } } }";
    for (method, path, kind, body) in [
        ("PATCH", LAB, merge, none.clone()),
        ("PATCH", LAB, "application/json-patch+json", json_patch.clone()),
        ("PATCH", LAB, "application/strategic-merge-patch+json", none.clone()),
        ("PUT", LAB, json, json!({"metadata": {"name": "lab"}})),
        ("PUT", LAB, json, empty.clone()),
        ("PATCH", "/namespaces/lab", merge, none),
        ("PATCH", "/namespaces/lab", "application/json-patch+json", json_patch),
        ("PUT", "/namespaces/lab", json, empty),
        ("POST", "/graphql", json, json!({"query": query})),
    ] {
        let reply = server.send(method, path, &[("content-type", kind)], body.to_string()).await;
        assert_eq!(reply.status, 200, "{method} {path} {body}: {}", reply.text());
        let lab = server.get(LAB).await.expect(200);
        assert_eq!(
            lab.at("/metadata/finalizers/0"),
            "pintle/namespace-contents",
            "{method} {path}"
        );
    }
    server.get(&format!("{CONFIGS}/c")).await.expect(200);

    // What others have put there is theirs to take away.
    let mut namespaces = server.watch("/namespaces?watch=true").await;
    server.patch(&format!("{CONFIGS}/c"), &json!({"metadata": {"finalizers": null}})).await;
    loop {
        let event = namespaces.event().await;
        if event.kind == "DELETED" && event.name() == "lab" {
            break;
        }
    }
    server.get(LAB).await.expect(404);
}

#[tokio::test]
async fn the_objects_of_a_kind_are_not_left_behind() {
    let server = Launch::bare().start().await;
    declare_things(&server).await;
    let thing = json!({"metadata": {"name": "t", "finalizers": ["example.io/hold"]}});
    server.post("/things", &thing).await.expect(201);
    server.delete(DEFINITION).await.expect(200);
    let mut definitions = server.watch("/customresourcedefinitions?watch=true").await;
    let reply = server.patch(DEFINITION, &json!({"metadata": {"finalizers": null}})).await;
    let finalizers = reply.expect(200).at("/metadata/finalizers");
    assert_eq!(finalizers, json!(["customresourcecleanup.apiextensions.k8s.io"]));
    server.patch("/things/t", &json!({"metadata": {"finalizers": null}})).await.expect(200);
    loop {
        let event = definitions.event().await;
        if event.kind == "DELETED" && event.name() == "things.test.example.io" {
            break;
        }
    }
    declare_things(&server).await;
    let things = server.get("/apis/test.example.io/v1/things").await.expect(200);
    assert_eq!(things.at("/items"), json!([]), "they do not come back with their kind");
}

/// Before a namespace is deleted, its finalizers are anybody's.
#[tokio::test]
async fn a_finalizer_of_the_servers_name_keeps_nothing_before() {
    let server = Launch::bare().start().await;
    let finalizers = json!(["pintle/namespace-contents", "example.io/hold"]);
    let lab = json!({"metadata": {"name": "lab", "finalizers": finalizers}});
    server.post(NAMESPACES, &lab).await.expect(201);
    let reply = server.patch(LAB, &json!({"metadata": {"finalizers": null}})).await.expect(200);
    assert_eq!(reply.at("/metadata/finalizers"), Value::Null);
}

#[tokio::test]
async fn the_label_that_says_the_name_says_the_name() {
    let server = Launch::bare().start().await;
    let label = "kubernetes.io/metadata.name";
    let lab = json!({"metadata": {"name": "lab", "labels": {label: "other", "mine": "yes"}}});
    server.post(NAMESPACES, &lab).await.expect(201);
    let said = |reply: Reply| reply.expect(200).json()["metadata"]["labels"].clone();
    let expected = json!({label: "lab", "mine": "yes"});
    for body in [json!({label: "default"}), json!({label: null})] {
        let reply = server.patch(LAB, &json!({"metadata": {"labels": body}})).await;
        assert_eq!(said(reply), expected);
    }
    assert_eq!(
        said(
            server.put(LAB, &json!({"metadata": {"name": "lab", "labels": {"mine": "yes"}}})).await
        ),
        expected
    );
}

#[tokio::test]
async fn namespaces_are_selected_by_their_phase() {
    let server = held().await;
    let mut watch = server.watch("/namespaces?watch=true").await;
    until(&mut watch, "lab", |it| it["status"]["phase"] == "Terminating").await;
    let names = async |phase: &str| {
        let path = format!("{NAMESPACES}?fieldSelector=status.phase%3D{phase}");
        let found = server.get(&path).await.expect(200).at("/items");
        let names = found.as_array().into_iter().flatten().map(|it| it["metadata"]["name"].clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("Terminating").await, ["lab"]);
    assert_eq!(names("Active").await, ["default"]);
}
