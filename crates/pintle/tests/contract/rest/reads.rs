//! GET and HEAD, and what a client that has a copy already is told.

use serde_json::json;

use super::{assert_answer, check, device};
use crate::harness::server::Server;

#[tokio::test]
async fn a_copy_that_is_current_is_not_sent_again() {
    let server = Server::devices().await;
    let stale = device(&server, "x").await;
    let fresh = server.patch("/devices/x", &json!({"spec": {"location": "dc2"}})).await.expect(200);
    let (stale, fresh) = (stale.etag().to_owned(), fresh.etag().to_owned());
    let cases = [
        ("if-none-match", fresh.clone(), 304),
        ("if-none-match", format!("W/{fresh}"), 304),
        ("if-none-match", format!("{stale}, {fresh}"), 304),
        ("if-none-match", "*".to_owned(), 304),
        ("if-none-match", stale.clone(), 200),
        ("if-none-match", "\"of another server\"".to_owned(), 200),
        ("if-none-match", "not quoted".to_owned(), 400),
        ("if-match", fresh.clone(), 200),
        ("if-match", format!("{stale}, {fresh}"), 200),
        ("if-match", "*".to_owned(), 200),
        ("if-match", stale.clone(), 412),
        ("if-match", format!("W/{fresh}"), 412),
    ];
    for (name, value, status) in cases {
        for path in ["/devices/x", "/devices/x/status"] {
            for method in ["GET", "HEAD"] {
                let reply = server.send(method, path, &[(name, &value)], "").await;
                let request = format!("{method} {path} {name}: {value}");
                assert_eq!(reply.status, status, "{request}");
                let has_body = method == "GET" && status != 304;
                assert_eq!(!reply.body.is_empty(), has_body, "{request}");
                if status < 400 {
                    assert_eq!(reply.etag(), fresh, "{request}");
                }
            }
        }
    }
    let missing = server.send("GET", "/devices/none", &[("if-none-match", "*")], "").await;
    assert_answer(&missing, "nothing there", 404, "NOT_FOUND");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = Server::devices().await;
    let paths = [
        "/devices",
        "/devices/dev-123",
        "/devices/dev-123/status",
        "/devices/none",
        "/health",
        "/readyz",
        "/gadgets",
    ];
    for path in paths {
        let get = server.get(path).await;
        let head = server.send("HEAD", path, &[], "").await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        let length = get.body.len().to_string();
        for name in ["content-type", "etag", "pintle-resource-version"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        assert_eq!(head.header("content-length"), length, "{path}");
    }
}

#[tokio::test]
async fn paths_may_end_in_a_slash_and_nothing_else() {
    let server = Server::devices().await;
    check(
        &server,
        &[
            ("GET", "/devices/", "", 200, "["),
            ("GET", "/devices/dev-123/", "", 200, "sensor-01"),
            ("GET", "/devices/dev-123/status/", "", 200, "sensor-01"),
            ("PATCH", "/devices/dev-123/status/", r#"{"phase":"Ready"}"#, 200, "Ready"),
            ("POST", "/devices/", r#"{"name":"a","location":"b"}"#, 201, ""),
            ("GET", "/devices/dev-123/spec", "", 404, "NOT_FOUND"),
            ("GET", "/devices//dev-123", "", 404, "NOT_FOUND"),
            ("GET", "/", "", 404, "NOT_FOUND"),
            ("GET", "/devices/%zz", "", 404, "NOT_FOUND"),
            ("GET", "/devices/dev%2D123", "", 200, "sensor-01"),
            ("GET", "/gadgets", "", 404, "KIND_NOT_SERVED"),
            ("GET", "/Devices", "", 404, "KIND_NOT_SERVED"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_path_says_which_methods_it_has() {
    let server = Server::devices().await;
    let cases = [
        ("/devices", "GET, HEAD, POST", ["PUT", "PATCH", "DELETE"].as_slice()),
        ("/devices/dev-123", "GET, HEAD, PUT, PATCH, DELETE", &["POST"]),
        ("/devices/dev-123/status", "GET, HEAD, PUT, PATCH", &["POST", "DELETE"]),
        ("/devices/dev-123/status/conditions/Ready", "PUT, DELETE", &["GET", "POST", "PATCH"]),
        ("/health", "GET, HEAD", &["POST", "PUT", "DELETE"]),
    ];
    for (path, allow, methods) in cases {
        for method in [methods, &["TRACE"]].concat() {
            let reply = server.send(method, path, &[], "").await;
            assert_answer(&reply, &format!("{method} {path}"), 405, "METHOD_NOT_ALLOWED");
            assert_eq!(reply.header("allow"), allow, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn health_is_told_in_every_dialect() {
    let server = Server::devices().await;
    check(&server, &[("GET", "/health", "", 200, r#""status":"healthy""#)]).await;
    for path in ["/healthz", "/readyz", "/livez"] {
        assert_eq!(server.get(path).await.expect(200).text(), "ok", "{path}");
    }
    let verbose = server.get("/readyz?verbose&exclude=follower").await.expect(200).text();
    assert_eq!(
        verbose,
        "[+]ping ok\n[+]store ok\n[+]tasks ok\n[+]shutdown ok\nreadyz check passed\n"
    );
}

#[tokio::test]
async fn a_server_without_credentials_answers_this_machine_only() {
    let server = Server::devices().await;
    let cases = [
        ("host", "attacker.example.com", 403),
        ("host", "localhost.attacker.example.com", 403),
        ("host", "10.1.2.3:8080", 403),
        ("origin", "https://attacker.example.com", 403),
        ("origin", "null", 403),
        ("host", "localhost:8080", 200),
        ("host", "[::1]:8080", 200),
        ("origin", "http://localhost:3000", 200),
    ];
    for (name, value, status) in cases {
        let reply = server.send("GET", "/devices/dev-123", &[(name, value)], "").await;
        assert_eq!(reply.status, status, "{name}: {value}: {}", reply.text());
    }
}

/// Who takes none of what there is, is told what there is; before anything is written.
#[tokio::test]
async fn what_a_client_does_not_take_is_not_sent() {
    let server = Server::devices().await;
    let before = server.get("/devices/dev-123").await.expect(200).version();
    let spec = r#"{"spec":{"name":"other","location":"elsewhere"}}"#;
    for (method, path, body, accept, expected) in [
        ("GET", "/devices/dev-123", "", "image/png", 406),
        ("GET", "/devices", "", "image/png, text/html;q=0.9", 406),
        ("GET", "/devices/dev-123", "", "image/png, */*;q=0.1", 200),
        ("GET", "/devices/dev-123", "", "application/*", 200),
        ("GET", "/devices/dev-123", "", "application/*;q=0, text/*;q=0, */*", 406),
        // What is wanted of a watch, a program may say everywhere.
        ("GET", "/devices/dev-123", "", "application/x-ndjson", 200),
        ("GET", "/devices/none", "", "image/png", 406),
        ("PUT", "/devices/dev-123", spec, "image/png", 406),
        ("DELETE", "/devices/dev-123", "", "image/png", 406),
        ("GET", "/devices?watch=true", "", "image/png", 406),
        ("GET", "/events", "", "image/png", 406),
        ("GET", "/openapi.json", "", "image/png", 406),
        ("GET", "/openapi.json", "", "*/*", 200),
        ("GET", "/healthz", "", "image/png", 200),
    ] {
        let headers = [("accept", accept), ("content-type", "application/json")];
        let reply = server.send(method, path, &headers, body).await;
        assert_eq!(reply.status, expected, "{method} {path} {accept}: {}", reply.text());
        if expected == 406 {
            assert_eq!(reply.at("/reason"), "NOT_ACCEPTABLE", "{method} {path}");
            assert!(reply.text().contains("application/json"), "{}", reply.text());
        }
    }
    assert_eq!(server.get("/devices/dev-123").await.expect(200).version(), before);
}
