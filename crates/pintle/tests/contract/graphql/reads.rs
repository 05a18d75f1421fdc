//! Queries: one object, many, and what is told where there is none.

use serde_json::{Value, json};

use super::{ask, at, code, data, device};
use crate::harness::server::Server;

#[tokio::test]
async fn one_object_is_found_by_id_and_by_names() {
    let server = Server::devices().await;
    device(&server, "x").await;
    let by_ref = "{ device(by: {ref: {name: \"x\"}}) { id __typename apiVersion kind json \
                  metadata { name namespace uid } spec { location name } status { phase } } }";
    let found = at(&data(&ask(&server, by_ref, &json!({})).await), "/device");
    let stored = server.get("/devices/x").await.json();
    assert_eq!(found["json"], stored);
    assert_eq!(found["__typename"], "Device");
    assert_eq!(found["metadata"]["uid"], stored["metadata"]["uid"]);
    assert_eq!(found["spec"], stored["spec"]);
    assert_eq!(found["status"], Value::Null, "nobody has reported one");
    let keys: Vec<_> = found.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 8);
    for id in [&found["id"], &found["metadata"]["uid"]] {
        let query = "query($id: ID!) { device(by: {id: $id}) { metadata { name } } }";
        let same = data(&ask(&server, query, &json!({"id": id})).await);
        assert_eq!(same, json!({"device": {"metadata": {"name": "x"}}}), "{id}");
    }
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Device { kind } \
                 ... on Namespace { metadata { name } } } }";
    let namespace = "{ namespace(by: {ref: {name: \"default\"}}) { id } }";
    let namespace = at(&data(&ask(&server, namespace, &json!({})).await), "/namespace/id");
    let ids = json!({"ids": [found["id"], "nonsense", namespace, "devices.infra.example.io/none"]});
    let nodes = at(&data(&ask(&server, nodes, &ids).await), "/nodes");
    let expected = json!([
        {"id": found["id"], "kind": "Device"},
        null,
        {"id": namespace, "metadata": {"name": "default"}},
        null,
    ]);
    assert_eq!(nodes, expected);
    let generic = "{ a: resource(ref: {apiVersion: \"infra.example.io/v1\", kind: \"Device\", \
                   name: \"x\"}) { id ... on Device { spec { location } } } \
                   b: resource(ref: {apiVersion: \"v1\", kind: \"Namespace\", name: \"none\"}) \
                   { id } }";
    let generic = data(&ask(&server, generic, &json!({})).await);
    let expected = json!({"a": {"id": found["id"], "spec": {"location": "dc1"}}, "b": null});
    assert_eq!(generic, expected);
}

#[tokio::test]
async fn a_query_that_cannot_be_answered_is_an_error_beside_the_data() {
    let server = Server::devices().await;
    device(&server, "x").await;
    let cases = [
        ("{ a: device(by: {}) { id } }", "BAD_USER_INPUT"),
        ("{ a: device(by: {id: \"x\", ref: {name: \"x\"}}) { id } }", "BAD_USER_INPUT"),
        (
            "{ a: resource(ref: {apiVersion: \"x/v1\", kind: \"Gadget\", name: \"x\"}) { id } }",
            "KIND_NOT_SERVED",
        ),
        ("{ a: namespace(by: {ref: {name: \"x\", namespace: \"y\"}}) { id } }", "BAD_USER_INPUT"),
    ];
    for (query, expected) in cases {
        let both = format!(
            "{{ ok: device(by: {{ref: {{name: \"x\"}}}}) {{ kind }} {}",
            query.trim_start_matches('{')
        );
        let reply = ask(&server, &both, &json!({})).await;
        assert_eq!((reply.status, &*code(&reply)), (200, expected), "{query}: {}", reply.text());
        assert_eq!(reply.at("/errors/0/path"), json!(["a"]), "{query}");
        assert!(reply.at("/errors/0/locations/0/line").is_u64(), "{query}");
        assert_eq!(reply.at("/data"), json!({"ok": {"kind": "Device"}, "a": null}), "{query}");
    }
    let required = "{ devices(first: 0) { nodes { id } } }";
    let reply = ask(&server, required, &json!({})).await;
    assert_eq!((&*code(&reply), reply.at("/data")), ("BAD_USER_INPUT", Value::Null));
}

const PAGE: &str = "query($after: String, $first: Int = 2, $labels: String, $fields: String) { \
    devices(first: $first, after: $after, labelSelector: $labels, fieldSelector: $fields) { \
    resourceVersion totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } \
    edges { cursor node { metadata { name } } } nodes { metadata { name } } } }";

fn names(page: &Value) -> Vec<String> {
    let nodes = page["nodes"].as_array().expect("a list");
    nodes.iter().map(|node| at(node, "/metadata/name").as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_show_one_moment() {
    let server = Server::devices().await;
    server.delete("/devices/dev-123").await.expect(200);
    for name in ["a", "b", "c", "d", "e"] {
        device(&server, name).await;
    }
    let page =
        async |variables: Value| at(&data(&ask(&server, PAGE, &variables).await), "/devices");
    let first = page(json!({})).await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["totalCount"], Value::Null);
    assert_eq!(at(&first, "/pageInfo/hasNextPage"), true);
    assert_eq!(at(&first, "/pageInfo/hasPreviousPage"), false);
    assert_eq!(at(&first, "/edges/1/cursor"), at(&first, "/pageInfo/endCursor"));
    assert_eq!(at(&first, "/edges/0/node"), at(&first, "/nodes/0"));
    server.delete("/devices/c").await.expect(200);
    device(&server, "bb").await;
    let second = page(json!({"after": at(&first, "/pageInfo/endCursor")})).await;
    assert_eq!(names(&second), ["c", "d"], "as things were when the first page was read");
    assert_eq!(second["resourceVersion"], first["resourceVersion"]);
    let last = page(json!({"after": at(&second, "/pageInfo/endCursor"), "first": 9})).await;
    assert_eq!(names(&last), ["e"]);
    assert_eq!(at(&last, "/pageInfo/hasNextPage"), false);
    let all = page(json!({"first": 500})).await;
    assert_eq!(names(&all), ["a", "b", "bb", "d", "e"]);
    assert_eq!(all["totalCount"], 5);
    assert_eq!(names(&page(json!({"fields": "metadata.name=bb"})).await), ["bb"]);
    assert_eq!(names(&page(json!({"labels": "site=none"})).await), [""; 0]);
    for (variables, expected) in [
        (json!({"first": 1_001}), "LIMIT_EXCEEDED"),
        (json!({"after": "x"}), "BAD_USER_INPUT"),
        (json!({"labels": "a in ("}), "BAD_USER_INPUT"),
    ] {
        let reply = ask(&server, PAGE, &variables).await;
        assert_eq!(code(&reply), expected, "{variables}: {}", reply.text());
    }
    let at_version = "query($version: ResourceVersion, $match: ResourceVersionMatch) { \
        devices(resourceVersion: $version, resourceVersionMatch: $match) { \
          resourceVersion nodes { metadata { name } } } }";
    let exact = json!({"version": first["resourceVersion"], "match": "EXACT"});
    let then = at(&data(&ask(&server, at_version, &exact).await), "/devices");
    assert_eq!(names(&then), ["a", "b", "c", "d", "e"]);
    let reply = ask(&server, at_version, &json!({"version": "99999999"})).await;
    assert_eq!(code(&reply), "INVALID_RESOURCE_VERSION");
}
