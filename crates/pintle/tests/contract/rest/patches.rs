//! Patches: their media types, where their paths begin, and single conditions.

use serde_json::{Value, json};

use super::{assert_answer, check, device};
use crate::harness::server::Server;

const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const SHORTHAND: &str = "application/shorthand-patch+json";

/// A patch, and the spec or status after it.
struct Case {
    media_type: &'static str,
    patch: Value,
    after: Value,
}

fn case(media_type: &'static str, patch: Value, after: Value) -> Case {
    Case { media_type, patch, after }
}

async fn walk(server: &Server, path: &str, lane: &str, cases: Vec<Case>) {
    for Case { media_type, patch, after } in cases {
        let headers = [("content-type", media_type)];
        let reply = server.send("PATCH", path, &headers, patch.to_string()).await;
        assert_eq!(reply.status, 200, "{patch}: {}", reply.text());
        assert_eq!(reply.at(lane), after, "{lane} after {patch}");
    }
}

#[tokio::test]
async fn a_spec_is_patched_from_the_object_or_from_the_spec() {
    let server = Server::devices().await;
    device(&server, "x").await;
    let spec = |more: Value| {
        let mut spec = json!({"name": "x", "location": "dc1"});
        let more = more.as_object().cloned().unwrap_or_default();
        spec.as_object_mut().expect("an object").extend(more);
        spec
    };
    let cases = vec![
        case(MERGE, json!({"spec": {"model": "a"}}), spec(json!({"model": "a"}))),
        case(MERGE, json!({"model": "b"}), spec(json!({"model": "b"}))),
        case("application/json", json!({"model": "c"}), spec(json!({"model": "c"}))),
        case("application/json; charset=utf-8", json!({"spec": {"model": null}}), spec(json!({}))),
        case(
            MERGE,
            json!({"config": {"a": "1", "b": "2"}}),
            spec(json!({"config": {"a": "1", "b": "2"}})),
        ),
        case(MERGE, json!({"spec": {"config": {"a": null}}}), spec(json!({"config": {"b": "2"}}))),
        case(MERGE, json!({}), spec(json!({"config": {"b": "2"}}))),
        case(
            JSON_PATCH,
            json!([{"op": "test", "path": "/spec/config/b", "value": "2"},
                {"op": "add", "path": "/spec/config/c", "value": "3"}]),
            spec(json!({"config": {"b": "2", "c": "3"}})),
        ),
        case(JSON_PATCH, json!([{"op": "remove", "path": "/config"}]), spec(json!({}))),
        case(
            JSON_PATCH,
            json!([{"op": "copy", "from": "/name", "path": "/model"}]),
            spec(json!({"model": "x"})),
        ),
        case(JSON_PATCH, json!([]), spec(json!({"model": "x"}))),
        case(
            SHORTHAND,
            json!({"spec.config.a": "1"}),
            spec(json!({"model": "x", "config": {"a": "1"}})),
        ),
        case(
            SHORTHAND,
            json!({"config.b": "2", "model": null}),
            spec(json!({"config": {"a": "1", "b": "2"}})),
        ),
    ];
    walk(&server, "/devices/x", "/spec", cases).await;
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(server.patch("/devices/x", &labels).await.at("/metadata/labels"), json!({"a": "b"}));
}

#[tokio::test]
async fn a_status_is_patched_from_the_object_or_from_the_status() {
    let server = Server::devices().await;
    let cases = vec![
        case(MERGE, json!({"status": {"phase": "Ready"}}), json!({"phase": "Ready"})),
        case(MERGE, json!({"health": "Healthy"}), json!({"phase": "Ready", "health": "Healthy"})),
        case(MERGE, json!({"phase": null}), json!({"health": "Healthy"})),
        case(
            JSON_PATCH,
            json!([{"op": "add", "path": "/status/message", "value": "m"}]),
            json!({"health": "Healthy", "message": "m"}),
        ),
        case(
            JSON_PATCH,
            json!([{"op": "move", "from": "/message", "path": "/lastSeen"},
            {"op": "replace", "path": "/lastSeen", "value": "2025-10-24T16:00:00Z"}]),
            json!({"health": "Healthy", "lastSeen": "2025-10-24T16:00:00Z"}),
        ),
        case(SHORTHAND, json!({"status.health": null, "status.lastSeen": null}), json!({})),
    ];
    walk(&server, "/devices/dev-123/status", "/status", cases).await;
}

/// A media type that is not understood is refused with those that are.
#[tokio::test]
async fn a_media_type_that_is_not_understood_is_refused() {
    let server = Server::devices().await;
    let (object, status) = ("/devices/dev-123", "/devices/dev-123/status");
    let cases = [
        (object, "text/plain", "application/shorthand-patch+json"),
        (object, "application/strategic-merge-patch+json", "application/merge-patch+json"),
        (object, "application/apply-patch+yaml", "application/json-patch+json"),
        (status, "text/plain", "application/merge-patch+json"),
    ];
    for (path, media_type, accepted) in cases {
        let reply = server.send("PATCH", path, &[("content-type", media_type)], "{}").await;
        assert_answer(&reply, media_type, 415, accepted);
        assert!(reply.header("accept-patch").contains(accepted), "{:?}", reply.headers);
    }
    for method in ["POST", "PUT"] {
        let path = if method == "POST" { "/devices" } else { object };
        let reply = server.send(method, path, &[("content-type", "text/yaml")], "a: b").await;
        assert_answer(&reply, method, 415, "application/json");
    }
    let zipped = [("content-type", MERGE), ("content-encoding", "gzip")];
    server.send("PATCH", object, &zipped, "{}").await.expect(415);
}

#[tokio::test]
async fn patches_are_refused_whole() {
    let server = Server::devices().await;
    let before = server.get("/devices/dev-123").await;
    let (object, status) = ("/devices/dev-123", "/devices/dev-123/status");
    let cases = [
        (object, MERGE, "", 400, "BAD_REQUEST"),
        (object, MERGE, "{", 400, "not valid JSON"),
        (object, MERGE, "[]", 400, "BAD_REQUEST"),
        (object, JSON_PATCH, "{}", 400, "BAD_REQUEST"),
        (object, JSON_PATCH, r#"[{"op":"jump","path":"/spec"}]"#, 400, "BAD_REQUEST"),
        (
            object,
            JSON_PATCH,
            r#"[{"op":"test","path":"/spec/location","value":"x"}]"#,
            422,
            "PATCH_TEST_FAILED",
        ),
        (
            object,
            JSON_PATCH,
            r#"[{"op":"remove","path":"/spec/model"},{"op":"remove","path":"/spec/nothing"}]"#,
            422,
            "PATCH_FAILED",
        ),
        (object, JSON_PATCH, r#"[{"op":"remove","path":"/spec/location"}]"#, 422, "spec.location"),
        (object, MERGE, r#"{"spec":{"location":null}}"#, 422, "spec.location"),
        (object, MERGE, r#"{"spec":{"location":"a","location":"b"}}"#, 400, "more than once"),
        (object, MERGE, r#"{"metadata":{"name":"other"}}"#, 400, "metadata.name"),
        (
            status,
            JSON_PATCH,
            r#"[{"op":"replace","path":"/spec/location","value":"x"}]"#,
            422,
            "SPEC_WRITE_FORBIDDEN",
        ),
        (
            status,
            JSON_PATCH,
            r#"[{"op":"copy","from":"/spec/location","path":"/status/message"}]"#,
            422,
            "SPEC_WRITE_FORBIDDEN",
        ),
        (
            status,
            JSON_PATCH,
            r#"[{"op":"move","from":"/metadata/labels/site","path":"/status/message"}]"#,
            422,
            "SPEC_WRITE_FORBIDDEN",
        ),
        (status, SHORTHAND, r#"{"spec.location":"x"}"#, 422, "SPEC_WRITE_FORBIDDEN"),
        ("/devices/none", MERGE, "{}", 404, "NOT_FOUND"),
    ];
    for (path, media_type, patch, code, holds) in cases {
        let reply = server.send("PATCH", path, &[("content-type", media_type)], patch).await;
        assert_answer(&reply, &format!("{path} {media_type} {patch}"), code, holds);
    }
    assert_eq!(server.get("/devices/dev-123").await.body, before.body);
}

#[tokio::test]
async fn one_condition_is_written_without_the_others() {
    let server = Server::devices().await;
    let ready =
        json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Up"}]}});
    let before = server.put("/devices/dev-123/status", &ready).await.expect(200);
    let first = before.at("/status/conditions/0");
    let path = "/devices/dev-123/status/conditions/Calibrated";
    let put = server.put(path, &json!({"status": "False", "reason": "Drift"})).await.expect(200);
    assert_eq!(put.at("/status/conditions/0"), first);
    let time = put.at("/status/conditions/1/lastTransitionTime");
    assert!(time.is_string());
    // The client's clock alone is no change; neither is the same once more.
    let dated = json!({"type": "Calibrated", "status": "False", "reason": "Drift",
        "lastTransitionTime": "2001-01-01T00:00:00Z"});
    assert_eq!(server.put(path, &dated).await.expect(200).body, put.body);
    let reworded =
        server.put(path, &json!({"status": "False", "reason": "Worse"})).await.expect(200);
    assert_eq!(reworded.at("/status/conditions/1/lastTransitionTime"), time);
    let gone = server.delete(path).await.expect(200);
    assert_eq!(gone.at("/status/conditions"), json!([first]));
    check(
        &server,
        &[
            ("DELETE", path, "", 404, "CONDITION_NOT_FOUND"),
            ("PUT", path, "{}", 400, "empty object"),
            ("PUT", path, "[]", 400, "JSON object"),
            ("PUT", path, r#"{"status":"Perhaps"}"#, 422, "status"),
            ("PUT", path, r#"{"reason":"NoStatus"}"#, 422, "status"),
            ("PUT", path, r#"{"type":"Other","status":"True"}"#, 400, "Calibrated"),
            (
                "PUT",
                path,
                r#"{"status":"True","observedGeneration":99}"#,
                422,
                "observedGeneration",
            ),
            (
                "PUT",
                "/devices/none/status/conditions/Ready",
                r#"{"status":"True"}"#,
                404,
                "NOT_FOUND",
            ),
            (
                "PUT",
                "/devices/dev-123/status",
                r#"{"conditions":[{"type":"A","status":"True"},{"type":"A","status":"False"}]}"#,
                422,
                "conditions",
            ),
        ],
    )
    .await;
}

/// A patch that replaces the list drops what others wrote there, and is told so.
#[tokio::test]
async fn dropping_the_condition_of_another_manager_is_warned_of() {
    let server = Server::devices().await;
    let path = "/devices/dev-123/status";
    let condition = |kind: &str| json!({"conditions": [{"type": kind, "status": "True"}]});
    let put = server.json("PUT", path, &[("user-agent", "kubelet/1.0")], &condition("Ready")).await;
    put.expect(200);
    let reply =
        server.json("PATCH", &format!("{path}?fieldManager=doctor"), &[], &condition("Well")).await;
    let warning = reply.header("warning");
    assert!(warning.contains("Ready") && warning.contains("kubelet"), "{warning}");
    let own =
        server.json("PATCH", &format!("{path}?fieldManager=doctor"), &[], &condition("Ill")).await;
    assert_eq!(own.expect(200).headers("warning"), [] as [&str; 0]);
}
