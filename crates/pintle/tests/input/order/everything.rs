//! The whole of it: every caller at every endpoint of the door, computed from the door itself, on
//! objects that are there, elsewhere, and nowhere.

use pintle_rest::{Asked, Endpoint, endpoints};

use super::{ALICE, BOB, CONTROLLER, MALLORY, ROOT, ruled, stored_status};
use crate::table::{Row, check_seen_by, row};

/// Roles as administrators give them; what they give is said once more in `may`, in other words.
const RULES: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: lab}
---
apiVersion: infra.example.io/v1
kind: Device
metadata: {name: dev-9, namespace: lab}
spec: {name: other, location: x}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: alice-edits}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: User, name: alice, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: controller-reports, namespace: lab}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: status-writer}
subjects: [{kind: User, name: device-controller, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: bob-looks}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: User, name: bob, apiGroup: rbac.authorization.k8s.io}]
";

const READS: [&str; 3] = ["get", "list", "watch"];

/// Whether a caller may do something to the devices of a namespace.
fn may(caller: &str, verb: &str, status: bool, namespace: &str) -> bool {
    let reads = READS.contains(&verb);
    match (caller, status) {
        ("root", _) | ("alice", false) => true,
        ("alice" | "bob", true) | ("bob", false) => reads,
        ("device-controller", true) => namespace == "lab",
        ("device-controller", false) => namespace == "lab" && reads,
        _ => false,
    }
}

/// One way to do each: what is sent changes nothing.
fn body(endpoint: &Endpoint) -> &'static str {
    let conditions = endpoint.path.contains("conditions");
    match (&endpoint.asked, endpoint.method.as_str()) {
        (_, "POST") => r#"{"metadata":{"name":"new"},"spec":{"name":"n","location":"x"}}"#,
        (_, "PUT") if conditions => r#"{"status":"False"}"#,
        (Asked::Objects { status: true, .. }, "PUT" | "PATCH") => r#"{"status":{"phase":"Error"}}"#,
        (_, "PUT") => r#"{"spec":{"name":"n","location":"x"}}"#,
        (_, "PATCH") => r#"{"spec":{"location":"x"}}"#,
        _ => "",
    }
}

fn rows_of(endpoint: &Endpoint, verb: &str, status: bool) -> Vec<Row> {
    let Endpoint { path, method, .. } = endpoint;
    let callers = [
        ("alice", ALICE),
        ("device-controller", CONTROLLER),
        ("bob", BOB),
        ("mallory", MALLORY),
        ("root", ROOT),
    ];
    let writes = !matches!(verb, "get" | "list" | "watch");
    let dry = if writes { "&dryRun=All" } else { "" };
    let has_name = path.contains("{id}");
    let is_condition = path.contains("{type}");
    let mut rows = Vec::new();
    for (object, namespace, exists) in
        [("dev-123", "default", true), ("dev-9", "lab", true), ("none", "lab", false)]
    {
        let path = path
            .replace("{resource}", "devices")
            .replace("{id}", object)
            .replace("{type}", "Ready");
        let watch = if verb == "watch" { "&watch&timeoutSeconds=1" } else { "" };
        let request = format!("{method} {path}?namespace={namespace}{dry}{watch}");
        let request = row(format!("{verb} of {object}, status {status}"), &request);
        let text = body(endpoint);
        let request = if text.is_empty() { request } else { request.json(text) };
        for (caller, headers) in callers {
            let (name, value) = headers[0];
            let asked = request.clone().header(name, value);
            let accepted = match () {
                () if has_name && !exists => (404, "NOT_FOUND"),
                // No status of it has this condition.
                () if is_condition && method == "DELETE" && object == "dev-9" => (404, ""),
                () if method == "POST" => (201, ""),
                () => (200, ""),
            };
            rows.push(if may(caller, verb, status, namespace) {
                asked.is(accepted.0, accepted.1, "")
            } else {
                asked.is(403, "FORBIDDEN", "")
            });
        }
        rows.push(request.is(401, "UNAUTHENTICATED", ""));
    }
    rows
}

#[tokio::test]
async fn every_caller_at_every_endpoint() {
    let guarded = ruled(RULES).await;
    let server = &guarded.server;
    let report = serde_json::json!({"status": stored_status()});
    server.json("PUT", super::STATUS, &ROOT, &report).await.expect(200);
    let all = endpoints();
    let mut rows: Vec<Row> = Vec::new();
    for endpoint in &all {
        if let Asked::Objects { verb, status } = &endpoint.asked {
            rows.extend(rows_of(endpoint, verb.as_str(), *status));
            if verb.as_str() == "list" && endpoint.method == "GET" {
                rows.extend(rows_of(endpoint, "watch", false));
            }
        }
    }
    assert!(rows.len() > 200, "{} rows of {} endpoints", rows.len(), all.len());
    check_seen_by(server, &ROOT, rows).await;
}

/// Pages and questions: for everybody, for whoever is known, or for an administrator.
#[tokio::test]
async fn every_caller_at_every_page() {
    let guarded = ruled(RULES).await;
    let server = &guarded.server;
    let pages: Vec<Endpoint> =
        endpoints().into_iter().filter(|it| !matches!(it.asked, Asked::Objects { .. })).collect();
    assert!(pages.len() > 20, "{pages:?}");
    for Endpoint { path, method, asked } in pages {
        let for_all_known = match &asked {
            Asked::Nothing | Asked::Objects { .. } => true,
            // Mallory may watch nothing that an event could be about.
            Asked::Path => !["/events", "/metrics"].contains(&path.as_str()),
            Asked::Review(_) => path.starts_with("/self"),
        };
        let address = if path == "/events" { "/events?timeoutSeconds=1" } else { path.as_str() };
        // As upstream, everybody may know the version of what they are talking to.
        let for_all = asked == Asked::Nothing || path == "/version";
        for (headers, passes) in
            [(ROOT.as_slice(), true), (&MALLORY, for_all_known), (&[], for_all)]
        {
            let status = server.send(method.as_str(), address, headers, "").await.status;
            let refused = if headers.is_empty() { 401 } else { 403 };
            let found = [401, 403].contains(&status);
            assert_eq!(found, !passes, "{method} {path} {headers:?}: {status}");
            assert!(passes || status == refused, "{method} {path} {headers:?}: {status}");
        }
    }
}
