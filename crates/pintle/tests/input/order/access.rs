//! RBAC objects: from files, in force, and taken away while the server runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ALICE, BOB, CONTROLLER, DEVICE, MALLORY, ROOT, STATUS, ruled};
use crate::harness::server::Server;
use crate::harness::stream::{Framing, Watch};
use crate::table::assert_sound;

const RULES: &str = r"
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: mallory-reads, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: User, name: mallory, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules:
- {apiGroups: [infra.example.io], resources: [devices], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reporter}
rules:
- {apiGroups: [infra.example.io], resources: [devices/status], verbs: [get, update, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: controller-reports}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reporter}
subjects: [{kind: User, name: device-controller, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: deputy}
rules:
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings, clusterroles, clusterrolebindings]
  verbs: [get, list, watch, create, update, patch]
- {apiGroups: [infra.example.io], resources: [devices], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: bob-is-deputy}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: deputy}
subjects: [{kind: User, name: bob, apiGroup: rbac.authorization.k8s.io}]
";

async fn status_of(server: &Server, method: &str, path: &str, who: &[(&str, &str)]) -> u16 {
    let body = match (method, path) {
        ("PATCH", STATUS) => r#"{"status":{"phase":"Ready"}}"#,
        ("PATCH", _) => r#"{"spec":{"model":"m"}}"#,
        _ => "",
    };
    server.send(method, path, who, body).await.status
}

#[tokio::test]
async fn rules_from_files_are_in_force() {
    let guarded = ruled(RULES).await;
    let server = &guarded.server;
    let cases = [
        ("GET", DEVICE, MALLORY, 200),
        ("GET", STATUS, MALLORY, 200),
        ("GET", "/devices", MALLORY, 200),
        ("GET", "/devices?namespace=other", MALLORY, 403),
        ("PATCH", DEVICE, MALLORY, 403),
        ("PATCH", STATUS, MALLORY, 403),
        ("DELETE", DEVICE, MALLORY, 403),
        // Rights on a part are none on the whole, and the reverse.
        ("GET", DEVICE, CONTROLLER, 403),
        ("GET", STATUS, CONTROLLER, 200),
        ("GET", "/devices", CONTROLLER, 403),
        ("PATCH", STATUS, CONTROLLER, 200),
        ("PATCH", DEVICE, CONTROLLER, 403),
        ("GET", DEVICE, BOB, 200),
        ("GET", "/devices", BOB, 403),
        ("PATCH", STATUS, BOB, 403),
        ("GET", DEVICE, ALICE, 403),
        ("GET", DEVICE, ROOT, 200),
    ];
    for (method, path, who, status) in cases {
        let found = status_of(server, method, path, &who).await;
        assert_eq!(found, status, "{method} {path} of {who:?}");
    }
    let seen = server.send("GET", STATUS, &CONTROLLER, "").await.expect(200);
    assert_eq!(seen.at("/spec"), Value::Null, "a part without the whole");
    assert_sound(server).await;
}

/// The watch has been told why it ends, and has ended, within a second of `since`.
async fn assert_ended(mut watch: Watch, since: Instant, what: &str) {
    let last = watch.event().await;
    assert_eq!(last.kind, "ERROR", "{what}: {last:?}");
    assert_eq!(last.object["code"], 403, "{what}: {last:?}");
    assert_eq!(watch.next().await, None, "{what}");
    assert!(since.elapsed() < Duration::from_secs(1), "{what}: {:?}", since.elapsed());
}

async fn open(server: &Server, who: &[(&str, &str)]) -> Watch {
    let opened = server.watch_as("/devices?watch&namespace=default", Framing::Lines, who).await;
    let mut watch = opened.expect("it may be watched");
    let (state, _) = watch.state().await;
    assert_eq!(state.len(), 1);
    watch
}

#[tokio::test]
async fn a_watch_ends_when_the_right_is_taken_away() {
    let guarded = ruled(RULES).await;
    let server = &guarded.server;
    let binding = "/rolebindings/mallory-reads";
    let kept = server.send("GET", binding, &ROOT, "").await.expect(200).json();
    let role = server.send("GET", "/roles/reader", &ROOT, "").await.expect(200).json();
    let again = |object: &Value| {
        let mut object = object.clone();
        let metadata = &object["metadata"];
        object["metadata"] = json!({"name": metadata["name"], "namespace": metadata["namespace"]});
        object
    };
    let mut of_root = open(server, &ROOT).await;

    let watch = open(server, &MALLORY).await;
    let since = Instant::now();
    server.send("DELETE", binding, &ROOT, "").await.expect(200);
    // What is answered is in force.
    assert_eq!(status_of(server, "GET", DEVICE, &MALLORY).await, 403);
    assert_ended(watch, since, "the binding went").await;

    server.json("POST", "/rolebindings", &ROOT, &again(&kept)).await.expect(201);
    assert_eq!(status_of(server, "GET", DEVICE, &MALLORY).await, 200, "given back");
    let watch = open(server, &MALLORY).await;
    let since = Instant::now();
    let others = json!({"subjects": [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}]});
    server.json("PATCH", binding, &ROOT, &others).await.expect(200);
    assert_ended(watch, since, "the subject went").await;

    let watch = open(server, &ALICE).await;
    let since = Instant::now();
    let less = json!({"rules": [{"apiGroups": ["infra.example.io"], "resources": ["devices"], "verbs": ["get", "list"]}]});
    server.json("PATCH", "/roles/reader", &ROOT, &less).await.expect(200);
    assert_ended(watch, since, "the verb went").await;
    assert_eq!(status_of(server, "GET", DEVICE, &ALICE).await, 200, "the others stay");

    server.send("DELETE", "/roles/reader", &ROOT, "").await.expect(200);
    assert_eq!(status_of(server, "GET", DEVICE, &ALICE).await, 403, "the role went");
    server.json("POST", "/roles", &ROOT, &again(&role)).await.expect(201);
    let mut watch = open(server, &ALICE).await;

    // Whose rights were left alone goes on, across all of this.
    server.send("DELETE", "/clusterrolebindings/controller-reports", &ROOT, "").await.expect(200);
    server.json("PATCH", DEVICE, &ROOT, &json!({"spec": {"model": "m"}})).await.expect(200);
    assert_eq!(watch.event().await.kind, "MODIFIED");
    assert_eq!(of_root.event().await.kind, "MODIFIED");
    assert_sound(server).await;
}

/// Who may write rules gives away no more than they have (upstream: `escalate` and `bind`).
#[tokio::test]
async fn nobody_gives_themselves_more_rights() {
    let guarded = ruled(RULES).await;
    let server = &guarded.server;
    let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let bob = json!([{"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}]);
    let admin = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
    let writes = [
        ("POST", "/clusterroles", json!({"metadata": {"name": "more"}, "rules": everything})),
        ("POST", "/roles", json!({"metadata": {"name": "more"}, "rules": everything})),
        ("PATCH", "/clusterroles/deputy", json!({"rules": everything})),
        (
            "POST",
            "/clusterrolebindings",
            json!({"metadata": {"name": "more"}, "roleRef": admin, "subjects": bob}),
        ),
        (
            "POST",
            "/rolebindings",
            json!({"metadata": {"name": "more"}, "roleRef": admin, "subjects": bob}),
        ),
    ];
    for (method, path, body) in writes {
        let reply = server.json(method, path, &BOB, &body).await;
        assert_eq!(reply.status, 403, "{method} {path}: {}", reply.text());
    }
    assert_eq!(status_of(server, "DELETE", DEVICE, &BOB).await, 403);
    // What they have they may give.
    let mine =
        json!([{"apiGroups": ["infra.example.io"], "resources": ["devices"], "verbs": ["get"]}]);
    let role = json!({"metadata": {"name": "less"}, "rules": mine});
    server.json("POST", "/clusterroles", &BOB, &role).await.expect(201);
    assert_sound(server).await;
}

/// Whoever may update an object may not have it collected with an owner of their choice (group 6).
#[tokio::test]
async fn the_right_to_update_is_not_the_right_to_delete() {
    let guarded = super::guarded(None).await;
    let server = &guarded.server;
    let gone = json!([{
        "apiVersion": "infra.example.io/v1", "kind": "Device", "name": "gone",
        "uid": "device-0000000000000000",
    }]);
    let owned = json!({"metadata": {"ownerReferences": gone}});
    for method in ["PATCH", "PUT"] {
        let reply = server.json(method, DEVICE, &ALICE, &owned).await;
        assert_eq!(reply.status, 403, "{method}: {}", reply.text());
        assert!(reply.text().contains("ownerReferences"), "{method}: {}", reply.text());
    }
    server.json("PATCH", DEVICE, &ALICE, &json!({"spec": {"model": "m"}})).await.expect(200);
    assert_sound(server).await;
}

/// Whoever may patch and not read learns nothing of a spec by moving it around.
#[tokio::test]
async fn a_patch_shows_nothing_to_whoever_may_not_read() {
    let policy = r"
- reads: explicit
- {role: patcher, permissions: [devices:patch]}
- {user: alice, role: patcher}
";
    let guarded = super::guarded(Some(policy)).await;
    let server = &guarded.server;
    let probes = [
        json!([{"op": "copy", "from": "/spec/location", "path": "/metadata/annotations/leak"}]),
        json!([{"op": "copy", "from": "/spec", "path": "/metadata/name"}]),
        json!([{"op": "move", "from": "/spec/model", "path": "/metadata/resourceVersion"}]),
        json!([{"op": "test", "path": "/spec/location", "value": "datacenter-1"}]),
    ];
    for probe in probes {
        let headers =
            [ALICE.as_slice(), &[("content-type", "application/json-patch+json")]].concat();
        let reply = server.send("PATCH", DEVICE, &headers, probe.to_string()).await;
        assert_eq!(reply.status, 403, "{probe}: {}", reply.text());
        assert!(!reply.text().contains("datacenter"), "{probe}: {}", reply.text());
    }
    let reply = server.json("PATCH", DEVICE, &ALICE, &json!({"spec": {"model": "m"}})).await;
    let reply = reply.expect(200);
    assert!(reply.json().get("spec").is_none(), "{}", reply.text());
}
