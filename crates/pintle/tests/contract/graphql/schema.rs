//! The schema: what it has, and how it follows the kinds.

use serde_json::{Value, json};

use super::{ask, at, code, data};
use crate::harness::server::Server;
use crate::harness::stream::{Event, Watch};
use crate::kinds::condition;

/// Waits for an event of a watch.
async fn until(watch: &mut Watch, is_it: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = watch.event().await;
        if is_it(&event) {
            return event;
        }
    }
}

/// A definition of a kind with one field.
fn kind(group: &str, plural: &str, kind: &str, field: &str) -> Value {
    let singular = plural.trim_end_matches('s');
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": singular, "kind": kind},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {field: {"type": "string"}}},
                    "status": {"type": "object", "properties": {field: {"type": "string"}}},
                }}},
            }],
        },
    })
}

#[tokio::test]
async fn the_schema_has_an_entity_tag_and_stays_the_same() {
    let server = Server::devices().await;
    let first = server.get("/graphql/schema.graphql").await.expect(200);
    let tag = first.etag().to_owned();
    assert!(first.header("content-type").starts_with("text/plain"));
    let again = server.get("/graphql/schema.graphql").await;
    assert_eq!((again.body, again.headers["etag"].to_str().unwrap()), (first.body, &*tag));
    let known = [("if-none-match", &*tag)];
    let same = server.send("GET", "/graphql/schema.graphql", &known, "").await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    server.send("POST", "/graphql/schema.graphql", &[], "").await.expect(405);
}

#[tokio::test]
async fn the_schema_follows_the_kinds() {
    let server = Server::devices().await;
    let query = "{ gadgets { nodes { spec { size } } } }";
    assert_eq!(code(&ask(&server, query, &json!({})).await), "GRAPHQL_VALIDATION_FAILED");
    let before = server.get("/graphql/schema.graphql").await.etag().to_owned();
    let gadgets = kind("a.example.io", "gadgets", "Gadget", "size");
    server.post("/customresourcedefinitions", &gadgets).await.expect(201);
    assert_eq!(data(&ask(&server, query, &json!({})).await), json!({"gadgets": {"nodes": []}}));
    assert_ne!(server.get("/graphql/schema.graphql").await.etag(), before);

    // A later kind of the same name has a long one, and the earlier one keeps its own.
    let others = kind("b.example.io", "gadgets", "Gadget", "color");
    server.post("/customresourcedefinitions", &others).await.expect(201);
    let both = "{ gadgets { nodes { spec { size } } } \
                gadgets_b_example_io { nodes { spec { color } } } }";
    data(&ask(&server, both, &json!({})).await);

    let mut watch = server.watch("/customresourcedefinitions?watch=true").await;
    server.delete("/customresourcedefinitions/gadgets.a.example.io").await.expect(200);
    until(&mut watch, |event| event.kind == "DELETED" && event.name() == "gadgets.a.example.io")
        .await;
    // Whoever has the answer to this knows that the server has seen all that came before.
    let widgets = kind("a.example.io", "widgets", "Widget", "size");
    server.post("/customresourcedefinitions", &widgets).await.expect(201);
    let gone = "{ __type(name: \"Gadget\") { fields { name } } widgets { totalCount } \
                gadgets { nodes { spec { color } } } }";
    let found = data(&ask(&server, gone, &json!({})).await);
    assert_eq!(found["widgets"], json!({"totalCount": 0}), "{found}");
}

#[tokio::test]
async fn a_kind_that_finds_no_name_is_told_in_its_definition() {
    let server = Server::devices().await;
    // The groups differ only where GraphQL has one sign for both.
    for group in ["a.example.io", "b.c.example.io", "b-c.example.io"] {
        let definition = kind(group, "gadgets", "Gadget", "size");
        server.post("/customresourcedefinitions", &definition).await.expect(201);
    }
    let mut watch = server.watch("/customresourcedefinitions?watch=true").await;
    let says = |status: &'static str| {
        move |event: &Event| {
            let is_it = event.name() == "gadgets.b-c.example.io";
            is_it && condition(&event.object, "GraphQLSchemaReady") == status
        }
    };
    let said = until(&mut watch, says("False")).await;
    let conditions = said.object["status"]["conditions"].as_array().unwrap();
    let told = conditions.iter().find(|it| it["type"] == "GraphQLSchemaReady").unwrap();
    assert_eq!(told["reason"], "NameConflict");
    assert_eq!(condition(&said.object, "Established"), "True");
    let query = "{ gadgets { totalCount } gadgets_b_c_example_io { totalCount } }";
    data(&ask(&server, query, &json!({})).await);
    server.get("/gadgets.b-c.example.io").await.expect(200);
    let first = server.get("/customresourcedefinitions/gadgets.a.example.io").await.json();
    assert_eq!(condition(&first, "GraphQLSchemaReady"), Value::Null, "all is well");

    // Once the name is free, the kind has it, and that is said as well.
    server.delete("/customresourcedefinitions/gadgets.b.c.example.io").await.expect(200);
    until(&mut watch, says("True")).await;
}

#[tokio::test]
async fn introspection_shows_all_of_it() {
    let server = Server::devices().await;
    let query = "{ __schema { queryType { name } mutationType { name } subscriptionType { name } \
                 types { kind name fields { name args { name } type { name kind ofType { name } } } \
                 inputFields { name } enumValues { name } possibleTypes { name } } \
                 directives { name } } }";
    let schema = at(&data(&ask(&server, query, &json!({})).await), "/__schema");
    let types = schema["types"].as_array().unwrap();
    let find = |name: &str| types.iter().find(|it| it["name"] == name).unwrap();
    let fields = |name: &str, of: &str| -> Vec<String> {
        let fields = find(name)[of].as_array().unwrap().iter();
        fields.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(fields("Mutation", "fields").contains(&"updateDeviceStatus".to_owned()));
    let input = fields("UpdateDeviceStatusInput", "inputFields");
    assert!(input.contains(&"status".to_owned()) && !input.contains(&"spec".to_owned()));
    let input = fields("CreateDeviceInput", "inputFields");
    assert!(input.contains(&"spec".to_owned()) && !input.contains(&"status".to_owned()));
    let possible = find("Resource")["possibleTypes"].to_string();
    assert!(possible.contains("Device") && possible.contains("Namespace"));
}
