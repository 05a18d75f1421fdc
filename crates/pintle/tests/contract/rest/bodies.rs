//! The shapes of bodies, and what of them is stored.

use serde_json::{Value, json};

use super::{check, device, text};
use crate::harness::server::Server;

#[tokio::test]
async fn a_create_takes_flat_and_enveloped_bodies() {
    let server = Server::devices().await;
    let cases = [
        ("a", json!({"name": "a", "location": "dc1"})),
        (
            "b",
            json!({"name": "b", "location": "dc1", "labels": {"k": "v"}, "annotations": {"n": "1"}}),
        ),
        ("c", json!({"metadata": {"name": "c"}, "spec": {"name": "c", "location": "dc1"}})),
        (
            "d",
            json!({
                "apiVersion": "infra.example.io/v1", "kind": "Device",
                "metadata": {"name": "d", "labels": {"k": "v"}, "annotations": {"n": "1"}},
                "spec": {"name": "d", "location": "dc1"},
            }),
        ),
    ];
    for (name, body) in cases {
        let created = server.post("/devices", &body).await.expect(201);
        let object = created.json();
        let metadata = &object["metadata"];
        let uid = text(&metadata["uid"]);
        assert_eq!((&metadata["name"], &object["spec"]["name"]), (&json!(name), &json!(name)));
        assert_eq!(object["spec"]["location"], "dc1");
        assert_eq!(
            (&object["apiVersion"], &object["kind"]),
            (&json!("infra.example.io/v1"), &json!("Device"))
        );
        assert_eq!(metadata["generation"], 1);
        assert_eq!(metadata["namespace"], "default");
        assert_eq!(metadata["createdAt"], metadata["creationTimestamp"]);
        assert!(metadata["updatedAt"].is_string());
        let tail = uid.strip_prefix("device-").expect("uids begin with the kind");
        assert!(tail.len() >= 16 && tail.bytes().all(|byte| byte.is_ascii_hexdigit()), "{uid}");
        assert_eq!(created.etag(), format!("\"{}\"", created.version()));
        assert!(created.header("location").ends_with(&uid), "{}", created.header("location"));
        let found = server.get(created.header("location")).await.expect(200);
        assert_eq!(
            (found.body, found.headers["etag"].clone()),
            (created.body, created.headers["etag"].clone())
        );
        if matches!(name, "b" | "d") {
            assert_eq!(metadata["labels"], json!({"k": "v"}));
            assert_eq!(metadata["annotations"], json!({"n": "1"}));
            assert_eq!(object["spec"], json!({"name": name, "location": "dc1"}));
        }
    }
}

#[tokio::test]
async fn creates_are_refused_with_a_reason() {
    let server = Server::devices().await;
    let spec = r#""spec":{"name":"x","location":"y"}"#;
    let named = |more: &str| format!(r#"{{"metadata":{{"name":"x"}},{spec}{more}}}"#);
    let cases = [
        (String::new(), 400, "BAD_REQUEST"),
        ("{}".into(), 400, "empty object"),
        ("[]".into(), 400, "must be a JSON object"),
        ("{".into(), 400, "not valid JSON"),
        (format!("{} {{}}", named("")), 400, "not valid JSON"),
        (named(r#","spec":{}"#), 400, "more than once"),
        (named(r#","kind":"Gadget""#), 400, "Gadget"),
        (named(r#","apiVersion":"infra.example.io/v9""#), 400, "infra.example.io/v1"),
        (named(r#","apiVersion":"other.example.io/v1""#), 400, "infra.example.io/v1"),
        (format!(r#"{{"metadata":{{"name":"Not A Name"}},{spec}}}"#), 422, "metadata.name"),
        (format!(r#"{{"metadata":{{}},{spec}}}"#), 422, "metadata.name"),
        (format!(r#"{{"metadata":{{"name":7}},{spec}}}"#), 422, "metadata.name"),
        (
            format!(r#"{{"metadata":{{"name":"x","labels":{{"a":1}}}},{spec}}}"#),
            422,
            "metadata.labels",
        ),
        (
            format!(r#"{{"metadata":{{"name":"x","namespace":"nowhere"}},{spec}}}"#),
            404,
            "NAMESPACE_NOT_FOUND",
        ),
        (r#"{"metadata":{"name":"x"},"spec":{"name":"x"}}"#.into(), 422, "spec.location"),
        (r#"{"metadata":{"name":"x"},"spec":{"name":1,"location":"y"}}"#.into(), 422, "spec.name"),
        (r#"{"metadata":{"name":"x"}}"#.into(), 422, "spec"),
        (format!(r#"{{"metadata":{{"name":"dev-123"}},{spec}}}"#), 409, "ALREADY_EXISTS"),
    ];
    for (body, status, holds) in &cases {
        check(&server, &[("POST", "/devices", body, *status, holds)]).await;
    }
    check(&server, &[("GET", "/devices/x", "", 404, "NOT_FOUND")]).await;
}

#[tokio::test]
async fn a_name_can_be_generated() {
    let server = Server::devices().await;
    let body =
        json!({"metadata": {"generateName": "pump-"}, "spec": {"name": "p", "location": "l"}});
    let name = |reply: crate::harness::http::Reply| text(&reply.at("/metadata/name"));
    let one = name(server.post("/devices", &body).await.expect(201));
    let two = name(server.post("/devices", &body).await.expect(201));
    assert!(one.starts_with("pump-") && two.starts_with("pump-") && one != two, "{one} {two}");
}

#[tokio::test]
async fn a_status_that_comes_with_the_object_is_not_stored() {
    let server = Server::devices().await;
    let object = json!({
        "metadata": {"name": "x"},
        "spec": {"name": "x", "location": "y"},
        "status": {"phase": "Ready"},
    });
    let created = server.post("/devices", &object).await.expect(201);
    let put = server.put("/devices/x", &object).await.expect(200);
    let patch =
        server.patch("/devices/x", &json!({"status": {"phase": "Ready"}})).await.expect(200);
    for reply in [created, put, patch] {
        assert_eq!(reply.at("/status"), json!({}));
        assert!(reply.header("warning").contains("status"), "{:?}", reply.headers);
    }
}

#[tokio::test]
async fn a_put_keeps_what_it_does_not_name() {
    let server = Server::devices().await;
    let start = json!({
        "metadata": {
            "name": "x", "labels": {"a": "1", "b": "2"}, "annotations": {"n": "1"},
            "finalizers": ["example.io/hold"],
        },
        "spec": {"name": "x", "location": "dc1", "model": "m"},
    });
    let spec = json!({"name": "x", "location": "dc1", "model": "m"});
    let created = server.post("/devices", &start).await.expect(201);
    let with_uid = |uid: &Value| json!({"metadata": {"uid": uid, "labels": {"c": "3"}}});
    let cases: [(Value, &str, Value); 6] = [
        (
            json!({"spec": {"name": "x", "location": "dc2"}}),
            "/spec",
            json!({"name": "x", "location": "dc2"}),
        ),
        (json!({"spec": spec}), "/metadata/labels", json!({"a": "1", "b": "2"})),
        (json!({"metadata": {"labels": {"b": "4"}}}), "/spec", spec),
        (json!({"metadata": {"annotations": {}}}), "/metadata/labels", json!({"b": "4"})),
        (with_uid(&created.at("/metadata/uid")), "/metadata/labels", json!({"c": "3"})),
        (json!({"metadata": {"finalizers": []}}), "/metadata/annotations", Value::Null),
    ];
    for (body, pointer, expected) in cases {
        let reply = server.put("/devices/x", &body).await.expect(200);
        assert_eq!(reply.at(pointer), expected, "{pointer} after {body}");
    }
    assert_eq!(server.get("/devices/x").await.at("/metadata/finalizers"), Value::Null);
}

#[tokio::test]
async fn a_put_of_something_else_is_refused() {
    let server = Server::devices().await;
    device(&server, "x").await;
    check(
        &server,
        &[
            ("PUT", "/devices/x", "{}", 400, "empty object"),
            ("PUT", "/devices/x", "", 400, "BAD_REQUEST"),
            ("PUT", "/devices/x", "[1]", 400, "must be a JSON object"),
            ("PUT", "/devices/none", r#"{"spec":{"name":"n","location":"l"}}"#, 404, "NOT_FOUND"),
            ("PUT", "/devices/x", r#"{"metadata":{"name":"y"}}"#, 400, "metadata.name"),
            ("PUT", "/devices/x", r#"{"metadata":{"namespace":"y"}}"#, 400, "metadata.namespace"),
            ("PUT", "/devices/x", r#"{"metadata":{"uid":"device-0"}}"#, 409, "UID_MISMATCH"),
            ("PUT", "/devices/x", r#"{"spec":{"name":"n"}}"#, 422, "spec.location"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_status_comes_bare_or_wrapped() {
    let server = Server::devices().await;
    let path = "/devices/dev-123/status";
    let cases = [
        (
            "PUT",
            json!({"phase": "Ready", "health": "Healthy"}),
            json!({"phase": "Ready", "health": "Healthy"}),
        ),
        ("PUT", json!({"status": {"phase": "Offline"}}), json!({"phase": "Offline"})),
        ("PATCH", json!({"health": "Degraded"}), json!({"phase": "Offline", "health": "Degraded"})),
        ("PATCH", json!({"status": {"health": null}}), json!({"phase": "Offline"})),
        ("PATCH", json!({}), json!({"phase": "Offline"})),
        ("PUT", json!({"status": {}}), json!({})),
    ];
    for (method, body, expected) in cases {
        let reply = server.json(method, path, &[], &body).await.expect(200);
        assert_eq!(reply.at("/status"), expected, "{method} {body}");
        assert_eq!(reply.at("/spec/name"), "sensor-01", "the answer is the whole resource");
        assert_eq!(reply.at("/metadata/generation"), 1);
        assert_eq!(server.get(path).await.expect(200).body, reply.body);
    }
    check(
        &server,
        &[
            ("PUT", path, "{}", 400, "empty object"),
            ("PUT", path, r#"{"metadata":{}}"#, 400, "no status"),
            ("PUT", path, "[]", 400, "BAD_REQUEST"),
            ("PUT", path, r#"{"status":7}"#, 422, "status"),
            ("PUT", path, r#"{"status":{"phase":"Asleep"}}"#, 422, "status.phase"),
            ("PUT", path, r#"{"status":{"phase":"Ready","phase":"Error"}}"#, 400, "more than once"),
            ("PUT", "/devices/none/status", r#"{"status":{}}"#, 404, "NOT_FOUND"),
        ],
    )
    .await;
}

/// Whatever else the body carries, its identity is welcome and the rest is refused.
#[tokio::test]
async fn a_status_write_cannot_carry_anything_else() {
    let server = Server::devices().await;
    let path = "/devices/dev-123/status";
    let before = server.get("/devices/dev-123").await;
    let whole = before.json();
    let spec = whole["spec"].to_string();
    let same_spec = format!(r#"{{"spec":{spec},"status":{{"phase":"Ready"}}}}"#);
    check(
        &server,
        &[
            ("PUT", path, r#"{"spec":{},"status":{}}"#, 422, "SPEC_WRITE_FORBIDDEN"),
            ("PUT", path, &same_spec, 422, "\"path\":\"spec"),
            ("PUT", path, r#"{"spec":null,"status":{}}"#, 422, "SPEC_WRITE_FORBIDDEN"),
            ("PUT", path, r#"{"spec":{}}"#, 422, "SPEC_WRITE_FORBIDDEN"),
            ("PUT", path, r#"{"other":1,"status":{}}"#, 422, "SPEC_WRITE_FORBIDDEN"),
            (
                "PUT",
                path,
                r#"{"metadata":{"labels":{"a":"b"}},"status":{}}"#,
                422,
                "metadata.labels",
            ),
            (
                "PUT",
                path,
                r#"{"metadata":{"resourceVersion":"1"},"spec":{},"status":{}}"#,
                422,
                "SPEC_WRITE_FORBIDDEN",
            ),
            ("PATCH", path, r#"{"spec":{"location":"x"}}"#, 422, "SPEC_WRITE_FORBIDDEN"),
            (
                "PATCH",
                path,
                r#"{"spec":{"location":null},"status":{}}"#,
                422,
                "SPEC_WRITE_FORBIDDEN",
            ),
            (
                "PATCH",
                path,
                r#"{"metadata":{"annotations":{"a":"b"}}}"#,
                422,
                "SPEC_WRITE_FORBIDDEN",
            ),
        ],
    )
    .await;
    assert_eq!(server.get("/devices/dev-123").await.body, before.body);
    let identity = json!({
        "apiVersion": whole["apiVersion"], "kind": whole["kind"],
        "metadata": {
            "name": "dev-123", "namespace": "default", "uid": whole["metadata"]["uid"],
            "resourceVersion": whole["metadata"]["resourceVersion"],
        },
        "status": {"phase": "Ready"},
    });
    server.put(path, &identity).await.expect(200);
}

#[tokio::test]
async fn a_delete_says_what_went() {
    let server = Server::devices().await;
    let uid = text(&device(&server, "x").await.at("/metadata/uid"));
    let gone = server.delete("/devices/x").await.expect(200);
    assert_eq!(gone.at("/uid"), json!(uid));
    assert!(text(&gone.at("/message")).contains("Device"), "{}", gone.text());
    check(
        &server,
        &[
            ("DELETE", "/devices/x", "", 404, "NOT_FOUND"),
            ("GET", &format!("/devices/{uid}"), "", 404, "NOT_FOUND"),
            ("DELETE", "/devices/dev-123", "[]", 400, "delete options"),
            (
                "DELETE",
                "/devices/dev-123",
                r#"{"preconditions":{"uid":"device-0"}}"#,
                409,
                "UID_MISMATCH",
            ),
            ("DELETE", "/devices/dev-123", r#"{"preconditions":{"resourceVersion":"1"}}"#, 409, ""),
            ("DELETE", "/devices/dev-123?propagationPolicy=Sideways", "", 400, "propagationPolicy"),
            ("DELETE", "/devices/dev-123", r#"{"propagationPolicy":"Background"}"#, 200, "message"),
        ],
    )
    .await;
}
