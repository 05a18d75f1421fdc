//! A kind whose schema turns stricter than its objects are: on every door, writes go on that leave
//! what is wrong as it is, and no write makes it worse.

use serde_json::{Value, json};

use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server};
use crate::kinds::{anything, declare, definition, until_settled};

const GROUP: &str = "test.example.io";
const LAMP: &str = "/lamps/hall";
const KUBE: &str = "/apis/test.example.io/v1/namespaces/default/lamps/hall";
const MERGE: [(&str, &str); 1] = [("content-type", "application/merge-patch+json")];

/// A lamp that an older schema let in: with a phase and a model that there are no more, and a tag
/// that stands twice.
async fn outdated() -> Server {
    let server = Launch::bare().start().await;
    let named = |schema: &Value| definition(GROUP, "lamps", "Lamp", schema);
    declare(&server, &named(&anything())).await;
    until_settled(&server, "lamps.test.example.io").await;
    let half = json!({"phase": "Dim", "tags": ["a", "a"], "parts": [{"name": "bulb", "size": 0}]});
    server.post("/lamps", &json!({"metadata": {"name": "hall"}, "spec": half})).await.expect(201);
    server.patch("/lamps/hall/status", &json!({"status": half})).await.expect(200);

    let text = json!({"type": "string"});
    let half = json!({"type": "object", "properties": {
        "message": text,
        "phase": {"type": "string", "enum": ["On", "Off"]},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
        "parts": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {
                "name": text, "size": {"type": "integer", "minimum": 1},
            }},
        },
    }});
    let strict = json!({"type": "object", "properties": {"spec": half, "status": half}});
    let path = "/customresourcedefinitions/lamps.test.example.io";
    server.put(path, &named(&strict)).await.expect(200);
    server
}

/// What may be written to a lamp, and what the answer to anything else names.
fn changes() -> Vec<(Value, Option<&'static str>)> {
    let (bulb, cord) = (json!({"name": "bulb", "size": 0}), json!({"name": "cord", "size": 1}));
    vec![
        (json!({"message": "hi"}), None),
        (json!({"phase": "Out"}), Some("phase")),
        (json!({"tags": ["a", "b", "a"]}), None),
        (json!({"parts": [cord, bulb]}), None),
        (json!({"parts": [bulb, {"name": "cord", "size": -1}]}), Some("parts[1].size")),
        (json!({"message": 5}), Some("message")),
        (json!({"phase": "On"}), None),
        (json!({"phase": "Dim"}), Some("phase")),
    ]
}

/// Whether one fault is told, of this place in a half.
#[track_caller]
fn check(refused: Option<&[Value]>, (half, change): (&str, &Value), expected: Option<&str>) {
    let expected = expected.map(|place| vec![json!(format!("{half}.{place}"))]);
    assert_eq!(refused, expected.as_deref(), "{half}: {change}");
}

fn places(reply: &Reply, causes: &str, field: &str) -> Option<Vec<Value>> {
    let causes = reply.at(causes);
    let place = |cause: &Value| cause[field].clone();
    (reply.status == 422).then(|| causes.as_array().unwrap().iter().map(place).collect())
}

#[tokio::test]
async fn rest_holds_a_write_to_what_it_changes() {
    let server = outdated().await;
    for (change, expected) in changes() {
        for (half, path) in [("spec", LAMP.to_owned()), ("status", format!("{LAMP}/status"))] {
            let reply = server.patch(&path, &json!({half: change})).await;
            assert!([200, 422].contains(&reply.status), "{}", reply.text());
            check(places(&reply, "/causes", "path").as_deref(), (half, &change), expected);
        }
    }
}

/// The whole object, sent back as it was read, with one field changed: what controllers do.
#[tokio::test]
async fn kubernetes_holds_a_write_to_what_it_changes() {
    let server = outdated().await;
    for (change, expected) in changes() {
        for (half, path) in [("spec", KUBE.to_owned()), ("status", format!("{KUBE}/status"))] {
            let mut whole = server.get(KUBE).await.expect(200).json();
            for (field, value) in change.as_object().unwrap() {
                whole[half][field] = value.clone();
            }
            let dry = format!("{path}?dryRun=All");
            for reply in [
                server.put(&dry, &whole).await,
                server.send("PATCH", &path, &MERGE, json!({half: change}).to_string()).await,
            ] {
                assert!([200, 422].contains(&reply.status), "{}", reply.text());
                check(
                    places(&reply, "/details/causes", "field").as_deref(),
                    (half, &change),
                    expected,
                );
            }
        }
    }
    let made = json!({"apiVersion": "test.example.io/v1", "kind": "Lamp",
        "metadata": {"name": "new"}, "spec": {"phase": "Dim"}});
    let path = "/apis/test.example.io/v1/namespaces/default/lamps";
    server.post(path, &made).await.expect(422);
}

/// GraphQL knows by type which phases there are, and so asks for none of the old ones; it is the
/// other fields that the old one must not stand in the way of.
#[tokio::test]
async fn graphql_holds_a_write_to_what_it_changes() {
    let server = outdated().await;
    let cases = [
        (json!({"message": "hi"}), None),
        (json!({"tags": ["a", "b", "a"]}), None),
        (json!({"parts": [{"name": "bulb", "size": 0}, {"name": "cord", "size": 1}]}), None),
        (json!({"parts": [{"name": "cord", "size": -1}]}), Some("parts[0].size")),
        (json!({"phase": "On"}), None),
    ];
    for (change, expected) in cases {
        for (half, mutation) in [("spec", "patchLamp"), ("status", "patchLampStatus")] {
            let version = server.get(LAMP).await.expect(200).version().to_string();
            let input = json!({"ref": {"name": "hall"}, "resourceVersion": version, half: change});
            let kind = if half == "spec" { "PatchLampInput" } else { "PatchLampStatusInput" };
            let query = format!(
                "mutation($input: {kind}!) {{ payload: {mutation}(input: $input) {{ changed \
                 errors {{ code ... on InvalidError {{ causes {{ path }} }} }} }} }}"
            );
            let body = json!({"query": query, "variables": {"input": input}});
            let reply = server.post("/graphql", &body).await.expect(200);
            assert_eq!(reply.at("/errors"), Value::Null, "{}", reply.text());
            let errors = reply.at("/data/payload/errors");
            let causes = errors[0]["causes"].as_array();
            let refused: Option<Vec<_>> =
                causes.map(|causes| causes.iter().map(|cause| cause["path"].clone()).collect());
            check(refused.as_deref(), (half, &change), expected);
        }
    }
}
