//! Names, uids, namespaces, plurals and versions: what a path means.

use serde_json::json;

use super::{check, device, names, text};
use crate::harness::server::{Launch, Server};
use crate::kinds;

#[tokio::test]
async fn a_uid_wins_over_a_name_unless_it_is_said() {
    let server = Server::devices().await;
    let uid = text(&device(&server, "plain").await.at("/metadata/uid"));
    // Another object, whose name is the uid of the first.
    let named = device(&server, &uid).await;
    let other_uid = text(&named.at("/metadata/uid"));
    let name_at =
        async |path: String| text(&server.get(&path).await.expect(200).at("/metadata/name"));
    assert_eq!(name_at(format!("/devices/{uid}")).await, "plain");
    assert_eq!(name_at(format!("/devices/{uid}?by=uid")).await, "plain");
    assert_eq!(name_at(format!("/devices/{uid}?by=name")).await, uid);
    assert_eq!(name_at(format!("/devices/{other_uid}")).await, uid);
    check(
        &server,
        &[
            ("GET", &format!("/devices/{other_uid}?by=name"), "", 404, "NOT_FOUND"),
            ("GET", "/devices/plain?by=uid", "", 200, "plain"),
            ("GET", "/devices/plain?by=colour", "", 400, "by"),
            ("PATCH", &format!("/devices/{uid}?by=name"), r#"{"model":"m"}"#, 200, &other_uid),
            ("DELETE", &format!("/devices/{uid}"), "", 200, &uid),
            // The first is gone, so now it is a name.
            ("GET", &format!("/devices/{uid}"), "", 200, &other_uid),
        ],
    )
    .await;
}

#[tokio::test]
async fn namespaces_keep_objects_apart() {
    let server = Server::devices().await;
    server.post("/namespaces", &json!({"metadata": {"name": "lab"}})).await.expect(201);
    let device = r#"{"metadata":{"name":"x"},"spec":{"name":"x","location":"lab"}}"#;
    let placed =
        r#"{"metadata":{"name":"y","namespace":"lab"},"spec":{"name":"y","location":"lab"}}"#;
    let elsewhere =
        r#"{"metadata":{"name":"z","namespace":"lab"},"spec":{"name":"z","location":"l"}}"#;
    check(
        &server,
        &[
            ("POST", "/devices?namespace=lab", device, 201, r#""namespace":"lab""#),
            ("POST", "/devices", placed, 201, r#""namespace":"lab""#),
            ("POST", "/devices?namespace=default", elsewhere, 400, "metadata.namespace"),
            ("POST", "/devices?namespace=nowhere", device, 404, "NAMESPACE_NOT_FOUND"),
            ("GET", "/devices/x", "", 404, "NOT_FOUND"),
            ("GET", "/devices/x?namespace=lab", "", 200, r#""namespace":"lab""#),
            ("GET", "/devices/dev-123?namespace=lab", "", 404, "NOT_FOUND"),
            ("PUT", "/devices/x/status?namespace=lab", r#"{"phase":"Ready"}"#, 200, "Ready"),
            ("GET", "/devices?namespace=nowhere", "", 200, "[]"),
        ],
    )
    .await;
    let uid = text(&server.get("/devices/x?namespace=lab").await.at("/metadata/uid"));
    check(&server, &[("GET", &format!("/devices/{uid}"), "", 200, "lab")]).await;
    assert_eq!(names(&server.get("/devices").await), ["dev-123", "x", "y"]);
    assert_eq!(names(&server.get("/devices?namespace=lab").await), ["x", "y"]);
    assert_eq!(names(&server.get("/devices?namespace=default").await), ["dev-123"]);
}

#[tokio::test]
async fn a_plural_that_two_groups_share_needs_its_group() {
    let server = Server::devices().await;
    let check_paths = async |plain: u16, holds: &str| {
        let rows = [
            ("GET", "/devices/dev-123", "", plain, holds),
            ("GET", "/devices", "", plain, ""),
            ("GET", "/devices.infra.example.io/dev-123", "", 200, "sensor-01"),
            ("GET", "/devices.none.example.io/dev-123", "", 404, "KIND_NOT_SERVED"),
            ("GET", "/namespaces.core/default", "", 200, "Namespace"),
            ("GET", "/namespaces/default", "", 200, "Namespace"),
        ];
        check(&server, &rows).await;
    };
    check_paths(200, "sensor-01").await;
    let other = kinds::definition("other.example.io", "devices", "Device", &kinds::anything());
    kinds::declare(&server, &other).await;
    check_paths(404, "/devices.infra.example.io").await;
    check_paths(404, "/devices.other.example.io").await;
    let theirs = json!({"metadata": {"name": "dev-123"}, "spec": {"theirs": true}});
    server.post("/devices.other.example.io", &theirs).await.expect(201);
    check(&server, &[("GET", "/devices.other.example.io/dev-123", "", 200, "theirs")]).await;
    server.delete("/customresourcedefinitions/devices.other.example.io").await.expect(200);
}

/// The same objects in two versions, one of which has no status subresource.
#[tokio::test]
async fn accept_chooses_the_version() {
    let version = |name: &str, storage: bool, served: bool, subresources: serde_json::Value| {
        json!({
            "name": name, "served": served, "storage": storage, "subresources": subresources,
            "schema": {"openAPIV3Schema": kinds::anything()},
        })
    };
    let versions = json!([
        version("v1", true, true, json!({"status": {}})),
        version("v1beta1", false, true, json!({})),
        version("v1alpha1", false, false, json!({})),
    ]);
    let server = Launch::bare().start().await;
    let widgets = kinds::with_versions("test.example.io", "widgets", "Widget", &versions);
    kinds::declare(&server, &widgets).await;
    let accept = async |method: &str, path: &str, version: &str, body: &str| {
        let accept = format!("application/json;version={version}");
        let headers = [("accept", accept.as_str()), super::JSON];
        server.send(method, path, &headers, body.to_owned()).await
    };
    let widget = json!({"metadata": {"name": "w"}, "spec": {"a": 1}, "status": {"seen": true}});
    server.post("/widgets", &widget).await.expect(201);
    for (version, status, api_version) in [
        ("v1", 200, json!("test.example.io/v1")),
        ("v1beta1", 200, json!("test.example.io/v1beta1")),
        ("\"v1\"", 200, json!("test.example.io/v1")),
        ("v1alpha1", 406, json!(null)),
        ("v7", 406, json!(null)),
    ] {
        let reply = accept("GET", "/widgets/w", version, "").await;
        assert_eq!((reply.status, reply.at("/apiVersion")), (status, api_version), "{version}");
        let list = accept("GET", "/widgets", version, "").await;
        assert_eq!(list.status, status, "{version}");
    }
    assert_eq!(server.get("/widgets/w").await.at("/apiVersion"), "test.example.io/v1");
    // Where there is no subresource, the object's own path writes status, and /status is not there.
    accept("GET", "/widgets/w/status", "v1beta1", "").await.expect(404);
    accept("PUT", "/widgets/w/status", "v1beta1", r#"{"status":{}}"#).await.expect(404);
    let patched = accept("PATCH", "/widgets/w", "v1beta1", r#"{"status":{"seen":"now"}}"#).await;
    assert_eq!(patched.expect(200).at("/status/seen"), "now");
    assert_eq!(server.get("/widgets/w/status").await.expect(200).at("/status/seen"), "now");
    // A document says its version too.
    let old = r#"{"apiVersion":"test.example.io/v1beta1","kind":"Widget","metadata":{"name":"w2"},"spec":{}}"#;
    let unserved = old.replace("v1beta1", "v1alpha1");
    check(
        &server,
        &[
            ("POST", "/widgets", old, 201, "test.example.io/v1beta1"),
            ("POST", "/widgets", &unserved, 400, "test.example.io/v1"),
        ],
    )
    .await;
}
