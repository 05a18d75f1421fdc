//! Fields that the schema does not have, and defaults.

use serde_json::{Value, json};

use super::{JSON, check};
use crate::harness::server::{Launch, Server};
use crate::kinds;

#[tokio::test]
async fn unknown_fields_are_dropped_refused_or_warned_of() {
    let server = Server::devices().await;
    let body = |name: &str| json!({"metadata": {"name": name}, "spec": {"name": name, "location": "l", "colour": "red"}});
    let writes = [
        ("POST", "/devices", body("x"), 201),
        ("PUT", "/devices/dev-123", body("dev-123"), 200),
        ("PATCH", "/devices/dev-123", json!({"spec": {"colour": "red"}}), 200),
        ("PUT", "/devices/dev-123/status", json!({"status": {"colour": "red"}}), 200),
        ("PATCH", "/devices/dev-123/status", json!({"status": {"colour": "red"}}), 200),
    ];
    for (method, path, body, good) in writes {
        let send = async |query: &str| {
            server.send(method, &format!("{path}{query}"), &[JSON], body.to_string()).await
        };
        let strict = send("?fieldValidation=Strict").await.expect(400);
        assert_eq!(strict.at("/reason"), "UNKNOWN_FIELD", "{method} {path}");
        assert!(strict.text().contains("colour"), "{}", strict.text());
        for (query, warns) in [
            ("?fieldValidation=Ignore&dryRun=All", false),
            ("?dryRun=All", true),
            ("?fieldValidation=Warn", true),
        ] {
            let reply = send(query).await.expect(good);
            assert!(!reply.text().contains("colour"), "{method} {path}{query}: {}", reply.text());
            let warning = reply.header("warning");
            assert_eq!(
                warning.starts_with("299 - \"") && warning.contains("colour"),
                warns,
                "{method} {path}{query}: {warning}"
            );
        }
    }
    check(
        &server,
        &[("PATCH", "/devices/dev-123?fieldValidation=Loose", "{}", 400, "fieldValidation")],
    )
    .await;
}

#[tokio::test]
async fn defaults_are_filled_in_and_are_no_change_when_sent_back() {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "default": {}, "properties": {
            "replicas": {"type": "integer", "default": 3, "minimum": 1},
            "mode": {"type": "string", "enum": ["on", "off"], "default": "on"},
        }},
        "status": {"type": "object", "properties": {"seen": {"type": "integer"}}},
    }});
    let server = Launch::bare().start().await;
    kinds::declare(&server, &kinds::definition("test.example.io", "gadgets", "Gadget", &schema))
        .await;
    let created = server.post("/gadgets", &json!({"metadata": {"name": "g"}})).await.expect(201);
    assert_eq!(created.at("/spec"), json!({"replicas": 3, "mode": "on"}));
    let same = [
        ("PUT", "/gadgets/g", json!({"spec": {}})),
        ("PUT", "/gadgets/g", json!({"spec": {"mode": "on"}})),
        ("PATCH", "/gadgets/g", json!({"spec": {"replicas": null}})),
        ("PUT", "/gadgets/g/status", json!({"status": {}})),
    ];
    for (method, path, body) in same {
        let reply = server.json(method, path, &[], &body).await.expect(200);
        assert_eq!(reply.body, created.body, "{method} {path} {body}");
    }
    let wrong: [(Value, &str); 3] = [
        (json!({"spec": {"replicas": 0}}), "spec.replicas"),
        (json!({"spec": {"replicas": 1.5}}), "spec.replicas"),
        (json!({"spec": {"mode": "dim"}}), "spec.mode"),
    ];
    for (body, path) in wrong {
        let reply = server.put("/gadgets/g", &body).await.expect(422);
        assert_eq!(reply.at("/causes/0/path"), path, "{}", reply.text());
    }
}

/// Metadata and spec have their limits, and what is too large is said to be.
#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let server = Launch::devices().arg("--body-bytes-max=64KiB").start().await;
    let large =
        json!({"spec": {"name": "x", "location": "l", "config": {"a": "x".repeat(70_000)}}});
    let reply = server.put("/devices/dev-123", &large).await;
    assert_eq!((reply.status, reply.at("/reason")), (413, json!("TOO_LARGE")), "{}", reply.text());
    server.get("/devices/dev-123").await.expect(200);
}
