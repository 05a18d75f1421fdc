//! `/openapi.json` and `/docs` over the wire: what is described is what answers, in both
//! directions, for as long as the kinds stay the same.

use serde_json::{Value, json};

use crate::harness::server::{Launch, Server, devices};
use crate::kinds;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

async fn described(server: &Server) -> Value {
    server.get("/openapi.json").await.expect(200).json()
}

/// One line an operation on devices: `GET /devices listDevices`.
fn outline(document: &Value) -> String {
    let mut lines = String::new();
    let paths = document["paths"].as_object().expect("paths");
    for (path, item) in paths.iter().filter(|(path, _)| path.starts_with("/devices")) {
        for (method, operation) in item.as_object().expect("a path has operations") {
            if let Some(id) = operation["operationId"].as_str() {
                let method = method.to_uppercase();
                lines.extend([&*method, " ", path, " ", id, "\n"]);
            }
        }
    }
    lines
}

#[tokio::test]
async fn operations_on_devices_are_the_reviewed_ones() {
    let server = Server::devices().await;
    let found = outline(&described(&server).await);
    let reviewed = include_str!("openapi.txt");
    assert_eq!(found, reviewed, "if this is meant, put it into openapi.txt:\n{found}");
}

/// A method that is not described is not allowed, and one that is described is.
#[tokio::test]
async fn the_description_and_the_router_have_the_same_methods() {
    let server = Server::devices().await;
    let document = described(&server).await;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let real = path.replace("{id}", "nobody").replace("{type}", "Ready");
        for method in METHODS {
            // A stream of events would not end by itself.
            if path == "/events" && matches!(method, "GET" | "HEAD") {
                continue;
            }
            let name = if method == "HEAD" { "get" } else { &method.to_lowercase() };
            let allowed = server.send(method, &real, &[], "").await.status != 405;
            assert_eq!(allowed, item.get(name).is_some(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn it_changes_with_the_kinds_and_only_with_them() {
    let server = Server::devices().await;
    let first = server.get("/openapi.json").await.expect(200);
    let tag = first.etag().to_owned();
    let known = [
        ("if-none-match", tag.clone(), 304),
        ("if-none-match", format!("\"other\", W/{tag}"), 304),
        ("if-none-match", "*".to_owned(), 304),
        ("if-none-match", "\"other\"".to_owned(), 200),
    ];
    for (name, value, status) in &known {
        let reply = server.send("GET", "/openapi.json", &[(name, value)], "").await;
        assert_eq!((reply.status, reply.etag()), (*status, &*tag), "{value}");
    }
    server.patch("/devices/dev-123", &json!({"spec": {"location": "dc9"}})).await.expect(200);
    assert_eq!(server.get("/openapi.json").await.etag(), tag);
    kinds::declare_things(&server).await;
    let second = server.get("/openapi.json").await.expect(200);
    assert_ne!(second.etag(), tag);
    assert!(second.json()["paths"].get("/things").is_some());
}

/// Strangers learn of no kinds, and the page for people has none in it.
#[tokio::test]
async fn a_server_with_tokens_describes_itself_to_those_who_have_one() {
    let launch = Launch::devices().arg("--tokens").arg(devices().join("tokens.csv"));
    let launch = launch.arg("--policy").arg(devices().join("policy.yaml"));
    let server = launch.start().await;
    let reply = server.get("/openapi.json").await.expect(401);
    assert_eq!(reply.at("/reason"), "UNAUTHENTICATED");
    let alice = [("authorization", "Bearer alice-token")];
    let document = server.send("GET", "/openapi.json", &alice, "").await.expect(200).json();
    assert_eq!(document["security"], json!([{"bearer": []}, {}]));
    assert_eq!(document["paths"]["/healthz"]["get"]["security"], json!([]));
    for path in ["/docs", "/docs/page.js", "/docs/page.css"] {
        let page = server.get(path).await.expect(200);
        assert!(!page.text().contains("Device"), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
    }
}

#[tokio::test]
async fn an_answer_in_another_version_says_so() {
    let server = Server::devices().await;
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage,
               "schema": {"openAPIV3Schema": kinds::anything()}})
    };
    let versions = json!([version("v1", true), version("v1beta1", false)]);
    let things = kinds::with_versions("test.example.io", "things", "Thing", &versions);
    kinds::declare(&server, &things).await;
    server.post("/things", &json!({"metadata": {"name": "a"}, "spec": {}})).await.expect(201);
    for (accept, expected) in [
        ("*/*", "application/json"),
        ("application/json;version=v1", "application/json"),
        ("application/json;version=v1beta1", "application/json;version=v1beta1"),
    ] {
        for path in ["/things", "/things/a"] {
            let reply = server.send("GET", path, &[("accept", accept)], "").await.expect(200);
            assert_eq!(reply.header("content-type"), expected, "{accept} {path}");
        }
    }
}
