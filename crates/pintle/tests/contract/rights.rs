//! Who may do what, by the example's policy and tokens, and that a right is asked for first.

use serde_json::json;

use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server, devices};

async fn restricted() -> Server {
    let launch = Launch::devices().arg("--policy").arg(devices().join("policy.yaml"));
    launch.arg("--tokens").arg(devices().join("tokens.csv")).start().await
}

async fn send_as(server: &Server, user: &str, method: &str, path: &str, body: &str) -> Reply {
    let authorization = format!("Bearer {user}-token");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    server.send(method, path, &headers, body.to_owned()).await
}

#[tokio::test]
async fn the_right_to_write_one_lane_gives_none_to_write_the_other() {
    let server = restricted().await;
    let spec = r#"{"spec":{"name":"s","location":"dc9"}}"#;
    let status = r#"{"status":{"phase":"Ready"}}"#;
    let condition = r#"{"status":"True"}"#;
    let cases = [
        ("PUT", "/devices/dev-123", spec, ["alice", "bob"].as_slice()),
        ("PATCH", "/devices/dev-123", spec, &["alice", "bob"]),
        ("PUT", "/devices/dev-123/status", status, &["controller", "bob"]),
        ("PATCH", "/devices/dev-123/status", status, &["controller", "bob"]),
        ("PUT", "/devices/dev-123/status/conditions/Ready", condition, &["controller", "bob"]),
        ("GET", "/devices/dev-123", "", &["alice", "controller", "bob"]),
        ("GET", "/devices/dev-123/status", "", &["alice", "controller", "bob"]),
        ("GET", "/devices", "", &["alice", "controller", "bob"]),
        ("POST", "/devices", r#"{"name":"x","location":"y"}"#, &[]),
        ("DELETE", "/devices/dev-123", "", &[]),
        ("GET", "/customresourcedefinitions", "", &[]),
    ];
    for (method, path, body, may) in cases {
        for user in ["alice", "controller", "bob", "mallory"] {
            let reply = send_as(&server, user, method, path, body).await;
            let expected = if may.contains(&user) { 200 } else { 403 };
            assert_eq!(reply.status, expected, "{user}: {method} {path}: {}", reply.text());
        }
    }
}

/// No right is 403, whatever else is wrong with the request.
#[tokio::test]
async fn rights_come_first() {
    let server = restricted().await;
    let cases = [
        ("PUT", "/devices/dev-123/status", "nonsense"),
        ("PUT", "/devices/dev-123/status", r#"{"spec":{},"status":{}}"#),
        ("PUT", "/devices/dev-123/status", r#"{"metadata":{"resourceVersion":"1"},"status":{}}"#),
        ("PUT", "/devices/none/status", r#"{"status":{}}"#),
        ("PATCH", "/devices/none/status", "nonsense"),
        ("PUT", "/devices/device-0123456789abcdef/status", r#"{"status":{}}"#),
        ("DELETE", "/devices/none", "nonsense"),
        ("PUT", "/devices/dev-123/status/conditions/Ready", "nonsense"),
        ("GET", "/devices/none", ""),
        ("GET", "/devices/device-0123456789abcdef", ""),
        ("GET", "/devices?watch=true&resourceVersion=999999", ""),
        ("POST", "/devices", "nonsense"),
        ("POST", "/devices?namespace=none", "{}"),
    ];
    for (method, path, body) in cases {
        let reply = send_as(&server, "mallory", method, path, body).await;
        assert_eq!(
            (reply.status, reply.at("/reason")),
            (403, json!("FORBIDDEN")),
            "{method} {path} {body}"
        );
    }
}

#[tokio::test]
async fn strangers_are_asked_who_they_are() {
    let server = restricted().await;
    let headers: [&[(&str, &str)]; 4] = [
        &[],
        &[("authorization", "Bearer nobody")],
        &[("authorization", "Basic YWxpY2U6")],
        &[("authorization", "Bearer alice-token"), ("authorization", "Bearer bob-token")],
    ];
    for headers in headers {
        for path in ["/devices", "/devices/dev-123", "/gadgets"] {
            let reply = server.send("GET", path, headers, "").await;
            assert_eq!(reply.status, 401, "{headers:?} {path}: {}", reply.text());
            assert!(reply.header("www-authenticate").starts_with("Bearer"), "{headers:?}");
        }
    }
    for path in ["/health", "/healthz", "/readyz"] {
        server.get(path).await.expect(200);
    }
}

/// Whoever may write status and not read the object sees metadata and status, and no spec: in
/// answers, and in conflicts.
#[tokio::test]
async fn whoever_may_not_read_sees_no_spec() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let policy = dir.path().join("policy.yaml");
    let text = "- reads: explicit\n- role: reporter\n  permissions: [devices:update_status]\n\
                - user: device-controller\n  role: reporter\n";
    std::fs::write(&policy, text).expect("it can be written");
    let launch = Launch::devices().arg("--policy").arg(policy);
    let server = launch.arg("--tokens").arg(devices().join("tokens.csv")).start().await;
    let headers = [
        ("authorization", "Bearer controller-token"),
        ("content-type", "application/json"),
        ("prefer", "return=representation"),
    ];
    let merging = [headers[0], ("content-type", "application/merge-patch+json")];
    let path = "/devices/dev-123/status";
    let status = r#"{"status":{"phase":"Ready"}}"#;
    let written = server.send("PUT", path, &headers, status).await.expect(200);
    assert_eq!((written.at("/status/phase"), written.at("/spec")), (json!("Ready"), json!(null)));
    let stale = r#"{"metadata":{"resourceVersion":"1"},"status":{"phase":"Error"}}"#;
    let conflict = server.send("PUT", path, &headers, stale).await;
    assert_eq!(
        (conflict.at("/current"), conflict.text().contains("sensor-01")),
        (json!(null), false)
    );
    server.send("GET", "/devices/dev-123", &headers, "").await.expect(403);
    server.send("GET", "/devices?watch=true", &headers, "").await.expect(403);
    // Nor does a warning tell whether a guess of it was right.
    let path = "/apis/infra.example.io/v1/namespaces/default/devices/dev-123/status";
    let mut told = Vec::new();
    for (location, phase) in [("datacenter-1", "Ready"), ("elsewhere", "Error")] {
        let version = server.send("PATCH", path, &merging, "{}").await.expect(200);
        let body = json!({
            "apiVersion": "infra.example.io/v1", "kind": "Device",
            "metadata": {
                "name": "dev-123",
                "resourceVersion": version.at("/metadata/resourceVersion"),
            },
            "spec": {
                "name": "sensor-01", "location": location, "model": "TempSensor-Pro",
                "config": {"interval": "30s"},
            },
            "status": {"phase": phase},
        });
        let reply = server.send("PUT", path, &headers, body.to_string()).await.expect(200);
        told.push(reply.header("warning").to_owned());
    }
    assert!(told[0].contains("spec was ignored"), "{told:?}");
    assert_eq!(told[0], told[1]);
}

/// As upstream: `resourceNames` count for a list and a watch that are narrowed to one name.
#[tokio::test]
async fn rights_on_one_name_are_enough_for_what_is_narrowed_to_it() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let tokens = folder.path().join("tokens.csv");
    let lines = "root-token,root,1,system:masters\nann-token,ann,2\n";
    std::fs::write(&tokens, lines).expect("a file");
    let launch = Launch::devices().arg(format!("--tokens={}", tokens.display()));
    let server = launch.arg("--authorization=rbac").start().await;
    let rbac = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{rbac}/v1"), "kind": "Role",
        "metadata": {"name": "one"}, "rules": [{"apiGroups": ["infra.example.io"],
        "resources": ["devices"], "resourceNames": ["dev-123"],
        "verbs": ["get", "list", "watch", "deletecollection"]}]});
    let binding = json!({"apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding",
        "metadata": {"name": "one"}, "subjects": [{"kind": "User", "name": "ann", "apiGroup": rbac}],
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "one"}});
    let other = json!({"metadata": {"name": "other"}, "spec": {"name": "o", "location": "x"}});
    for (path, object) in [("roles", role), ("rolebindings", binding), ("devices", other)] {
        let made = send_as(&server, "root", "POST", &format!("/{path}"), &object.to_string()).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }
    let kubernetes = "/apis/infra.example.io/v1/namespaces/default/devices";
    let rest = "/devices?namespace=default";
    for (path, separator) in [(kubernetes, '?'), (rest, '&')] {
        let narrowed = |selector: &str| format!("{path}{separator}fieldSelector={selector}");
        let own = narrowed("metadata.name%3Ddev-123");
        let listed = send_as(&server, "ann", "GET", &own, "").await.expect(200).json();
        let items = listed["items"].as_array().or_else(|| listed.as_array()).expect("a list");
        assert_eq!(items.len(), 1, "{listed}");
        let watch = format!("{own}&watch=true&timeoutSeconds=1");
        assert_eq!(send_as(&server, "ann", "GET", &watch, "").await.status, 200);
        for selector in ["", "metadata.name%3Dother", "metadata.name!%3Dother"] {
            let wider = narrowed(selector);
            for path in [wider.clone(), format!("{wider}&watch=true")] {
                let reply = send_as(&server, "ann", "GET", &path, "").await;
                assert_eq!(reply.status, 403, "{path}: {}", reply.text());
            }
        }
    }
    let all = send_as(&server, "ann", "DELETE", kubernetes, "").await;
    assert_eq!(all.status, 403, "{}", all.text());
    let own = format!("{kubernetes}?fieldSelector=metadata.name%3Ddev-123");
    send_as(&server, "ann", "DELETE", &own, "").await.expect(200);
    let left = send_as(&server, "root", "GET", "/devices", "").await.json();
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
}
