//! The Kubernetes door: what clients of an API server see of it. What they do with it in full is
//! held by an acceptance suite of its own (`.ci/kubernetes`).

use serde_json::{Value, json};

use crate::harness::http::Reply;
use crate::harness::server::Server;
use crate::harness::stream::Framing;

const DEVICES: &str = "/apis/infra.example.io/v1/namespaces/default/devices";
const DEVICE: &str = "/apis/infra.example.io/v1/namespaces/default/devices/dev-123";
const STATUS: &str = "/apis/infra.example.io/v1/namespaces/default/devices/dev-123/status";
const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";
const MERGE: (&str, &str) = ("content-type", "application/merge-patch+json");
const JSON: (&str, &str) = ("content-type", "application/json");

async fn send(server: &Server, request: (&str, &str), header: (&str, &str), body: &Value) -> Reply {
    let (method, path) = request;
    server.send(method, path, &[header], body.to_string()).await
}

fn failure(reply: &Reply) -> (u16, String) {
    let status = reply.json();
    assert_eq!((&status["kind"], &status["status"]), (&json!("Status"), &json!("Failure")));
    assert_eq!(status["code"], reply.status);
    (reply.status, status["reason"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn clients_find_out_what_is_served() {
    let server = Server::devices().await;
    let groups = server.get("/apis").await.expect(200).json();
    let names: Vec<&str> =
        groups["groups"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
    assert!(names.contains(&"infra.example.io") && names.contains(&"events.k8s.io"), "{names:?}");
    let resources = server.get("/apis/infra.example.io/v1").await.expect(200).json();
    let named = |name: &str| {
        resources["resources"].as_array().unwrap().iter().find(|it| it["name"] == name).cloned()
    };
    assert_eq!(named("devices").unwrap()["kind"], "Device");
    assert_eq!(named("devices/status").unwrap()["verbs"], json!(["get", "patch", "update"]));
    let document = server.get("/openapi/v3/apis/infra.example.io/v1").await.expect(200).json();
    assert!(
        document["paths"]
            .get(format!("{}/{{name}}", DEVICES.replace("default", "{namespace}")))
            .is_some()
    );
    // What kubectl 1.20 asks for has a sign in its name that no media type may have.
    let asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let old = server.send("GET", "/openapi/v2", &[("accept", asked)], "").await.expect(200);
    let told = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    assert_eq!(old.header("content-type"), told);
    for path in
        ["/apis/none.example.io/v1", "/apis/infra.example.io/v9", "/api/v2", "/openapi/v3/api/v2"]
    {
        assert_eq!(failure(&server.get(path).await), (404, "NotFound".to_owned()), "{path}");
    }
}

/// The boundary, on this door: everything but the status is left out, and said to be.
#[tokio::test]
async fn a_status_write_changes_status_alone() {
    let server = Server::devices().await;
    let before = server.get(DEVICE).await.expect(200).json();
    let noise = json!({
        "metadata": {"labels": {"stolen": "yes"}},
        "spec": {"location": "stolen"},
        "status": {"phase": "Ready"},
    });
    let mut whole = before.clone();
    whole["spec"]["location"] = json!("stolen");
    whole["status"] = json!({"phase": "Ready"});
    let operations = json!([
        {"op": "add", "path": "/spec/location", "value": "stolen"},
        {"op": "add", "path": "/status", "value": {"phase": "Ready"}},
    ]);
    let json_patch = ("content-type", "application/json-patch+json");
    for (method, header, body) in
        [("PATCH", MERGE, &noise), ("PUT", JSON, &whole), ("PATCH", json_patch, &operations)]
    {
        let body = with_newest(&server, method, body).await;
        let reply = send(&server, (method, STATUS), header, &body).await.expect(200);
        assert!(reply.header("warning").contains("spec was ignored"), "{method}");
        let after = reply.json();
        assert_eq!(after["spec"], before["spec"], "{method}");
        assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"], "{method}");
        assert_eq!(after["metadata"]["generation"], before["metadata"]["generation"], "{method}");
        assert_eq!(after["status"]["phase"], "Ready", "{method}");
    }
}

/// A replace says which version it is of.
async fn with_newest(server: &Server, method: &str, body: &Value) -> Value {
    let mut body = body.clone();
    if method == "PUT" {
        let newest = server.get(DEVICE).await.json();
        body["metadata"]["resourceVersion"] = newest["metadata"]["resourceVersion"].clone();
    }
    body
}

#[tokio::test]
async fn refusals_are_in_upstreams_words() {
    let server = Server::devices().await;
    let device = server.get(DEVICE).await.expect(200).json();
    let other = json!({"kind": "Device", "apiVersion": "infra.example.io/v1"});
    let mut stale = device.clone();
    stale["metadata"]["resourceVersion"] = json!("1");
    let mut unversioned = device.clone();
    unversioned["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let list = format!("{DEVICES}?resourceVersionMatch=Exact");
    let future = format!("{DEVICES}?resourceVersion=1000000");
    let cases = [
        (
            "GET",
            "/apis/infra.example.io/v1/namespaces/default/devices/none",
            JSON,
            json!({}),
            404,
            "NotFound",
        ),
        ("POST", DEVICES, JSON, json!({}), 400, "BadRequest"),
        ("POST", DEVICES, JSON, other, 422, "Invalid"),
        ("POST", STATUS, JSON, json!({}), 405, "MethodNotAllowed"),
        ("PUT", DEVICE, JSON, stale, 409, "Conflict"),
        ("PUT", DEVICE, JSON, unversioned, 422, "Invalid"),
        ("PATCH", DEVICE, JSON, json!({}), 415, "UnsupportedMediaType"),
        ("PATCH", DEVICE, MERGE, json!([1]), 400, "BadRequest"),
        ("GET", &list, JSON, json!({}), 422, "Invalid"),
        ("GET", &future, JSON, json!({}), 504, "Timeout"),
        (
            "POST",
            DEVICES,
            ("content-type", "application/vnd.kubernetes.protobuf"),
            json!({}),
            415,
            "UnsupportedMediaType",
        ),
        (
            "POST",
            CONFIGS,
            ("content-type", "application/vnd.kubernetes.protobuf"),
            json!({}),
            400,
            "BadRequest",
        ),
    ];
    for (method, path, header, body, code, reason) in cases {
        let reply = send(&server, (method, path), header, &body).await;
        assert_eq!(failure(&reply), (code, reason.to_owned()), "{method} {path}");
    }
}

/// Doors are windows to one room.
#[tokio::test]
async fn what_one_door_writes_another_one_shows() {
    let server = Server::devices().await;
    let config = json!({"metadata": {"name": "c"}, "data": {"a": "1"}});
    let made = send(&server, ("POST", CONFIGS), JSON, &config).await.expect(201).json();
    let shown = server.get("/configmaps/c").await.expect(200).json();
    for field in ["uid", "resourceVersion", "generation"] {
        assert_eq!(shown["metadata"][field], made["metadata"][field], "{field}");
    }
    let uid = made["metadata"]["uid"].as_str().unwrap();
    assert_eq!(uid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    assert_eq!(server.get(&format!("/configmaps/{uid}")).await.expect(200).json(), shown);
}

/// Go clients send a time that was never set as null, and leave nothing out of a PUT.
#[tokio::test]
async fn what_go_clients_send_is_taken_without_a_word() {
    let server = Server::devices().await;
    let event = json!({
        "metadata": {"name": "e", "namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "interop", "reportingInstance": "one",
        "action": "Report", "reason": "Reached", "note": "it answers", "type": "Normal",
        "regarding": {"kind": "Device", "name": "dev-123", "namespace": "default"},
        "deprecatedSource": {}, "deprecatedFirstTimestamp": null, "deprecatedLastTimestamp": null,
    });
    let events = "/apis/events.k8s.io/v1/namespaces/default/events";
    send(&server, ("POST", events), JSON, &event).await.expect(201);

    let config = json!({"metadata": {"name": "c"}, "data": {"a": "1"}});
    let mut config = send(&server, ("POST", CONFIGS), JSON, &config).await.expect(201).json();
    config["data"]["a"] = "2".into();
    let path = format!("{CONFIGS}/c");
    let put = send(&server, ("PUT", &path), JSON, &config).await.expect(200);
    assert_eq!(put.headers.get("warning"), None);
}

#[tokio::test]
async fn a_watch_tells_objects_as_this_door_shows_them() {
    let server = Server::devices().await;
    let list = server.get(DEVICES).await.expect(200).json();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let path = format!("{DEVICES}?watch=true&resourceVersion={version}");
    let mut watch = server
        .watch_as(&path, Framing::Lines, &[("accept", "application/json")])
        .await
        .expect("it opens");
    let status = json!({"status": {"phase": "Ready"}});
    let reported = send(&server, ("PATCH", STATUS), MERGE, &status).await.expect(200).json();
    let event = watch.event().await;
    assert_eq!((event.kind.as_str(), &event.object), ("MODIFIED", &reported));
}
