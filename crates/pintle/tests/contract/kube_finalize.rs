//! `/finalize` of a namespace: whoever has to do something before a namespace goes is in its
//! `spec.finalizers`, has a right to that list alone, and is waited for.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server};
use crate::harness::stream::{Framing, Watch};

const NAMESPACES: &str = "/api/v1/namespaces";
const LAB: &str = "/api/v1/namespaces/lab";
const FINALIZE: &str = "/api/v1/namespaces/lab/finalize";
const CONFIGS: &str = "/api/v1/namespaces/lab/configmaps";

const TOKENS: &str = "root-token,root,root-uid,system:masters\n\
                      finisher-token,finisher,finisher-uid\n\
                      writer-token,writer,writer-uid\n";

const RULES: &str = r"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: finisher}
rules: [{apiGroups: [''], resources: [namespaces/finalize], verbs: [update]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: writer}
rules: [{apiGroups: [''], resources: [namespaces], verbs: [get, update, patch, delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: finisher}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: finisher}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: finisher}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: writer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: writer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: writer}]
";

async fn ruled() -> (Server, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let (rules, tokens) = (directory.path().join("rules.yaml"), directory.path().join("tokens"));
    std::fs::write(&rules, RULES).unwrap();
    std::fs::write(&tokens, TOKENS).unwrap();
    (Launch::bare().path(rules).arg("--tokens").arg(tokens).start().await, directory)
}

async fn send_as(server: &Server, user: &str, request: (&str, &str), body: &Value) -> Reply {
    let (method, path) = request;
    let authorization = format!("Bearer {user}-token");
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let headers = [("authorization", authorization.as_str()), ("content-type", kind)];
    server.send(method, path, &headers, body.to_string()).await
}

fn lab(finalizers: &Value) -> Value {
    json!({"metadata": {"name": "lab"}, "spec": {"finalizers": finalizers}})
}

/// Waits for a state of the namespace that is so; nothing is the state of one that is gone.
async fn until(watch: &mut Watch, is_so: impl Fn(Option<&Value>) -> bool) {
    loop {
        let event = watch.event().await;
        let there = Some(&event.object).filter(|_| event.kind != "DELETED");
        if event.object["metadata"]["name"] == "lab" && is_so(there) {
            return;
        }
    }
}

async fn watch(server: &Server) -> Watch {
    let path = format!("{NAMESPACES}?watch=true");
    let headers = [("accept", "application/json")];
    server.watch_as(&path, Framing::Lines, &headers).await.expect("it opens")
}

#[tokio::test]
async fn the_finalizers_of_a_namespace_have_a_right_of_their_own() {
    let (server, _directory) = ruled().await;
    let mut made = lab(&json!(["example.io/hold"]));
    made["metadata"]["labels"] = json!({"mine": "yes"});
    let made = send_as(&server, "root", ("POST", NAMESPACES), &made).await.expect(201).json();
    assert_eq!(made["spec"]["finalizers"], json!(["example.io/hold", "kubernetes"]));

    let mut wanted = made.clone();
    wanted["spec"]["finalizers"] = json!(["kubernetes", "example.io/other"]);
    wanted["metadata"]["labels"] = json!({"stolen": "yes"});
    wanted["metadata"]["finalizers"] = json!(["example.io/stolen"]);
    wanted["status"] = json!({"phase": "Terminating"});
    for (user, path, code) in [
        ("writer", FINALIZE, 403),
        ("finisher", LAB, 403),
        ("nobody", FINALIZE, 401),
        ("finisher", FINALIZE, 200),
    ] {
        let reply = send_as(&server, user, ("PUT", path), &wanted).await;
        assert_eq!(reply.status, code, "{user} {path}: {}", reply.text());
    }
    let after = send_as(&server, "root", ("GET", LAB), &json!({})).await.expect(200).json();
    assert_eq!(after["spec"]["finalizers"], json!(["kubernetes", "example.io/other"]));
    assert_eq!(after["status"], made["status"]);
    for field in ["labels", "finalizers", "deletionTimestamp"] {
        assert_eq!(after["metadata"][field], made["metadata"][field], "{field}");
    }

    // The list is there to be read by whoever writes the rest, and stays.
    let mut written = after.clone();
    written["spec"]["finalizers"] = json!([]);
    written["metadata"]["labels"] = json!({"mine": "still"});
    for method in ["PUT", "PATCH"] {
        let reply = send_as(&server, "writer", (method, LAB), &written).await.expect(200);
        assert!(reply.header("warning").contains("spec.finalizers was ignored"), "{method}");
        assert_eq!(reply.json()["metadata"]["labels"]["mine"], "still", "{method}");
        assert_eq!(reply.json()["spec"], after["spec"], "{method}");
        written["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    }
}

#[tokio::test]
async fn what_is_wrong_with_finalizers_is_refused() {
    let server = Launch::bare().start().await;
    let send = async |method: &str, path: &str, body: &Value| {
        let kind = ("content-type", "application/json");
        server.send(method, path, &[kind], body.to_string()).await
    };
    let made = send("POST", NAMESPACES, &lab(&json!([]))).await.expect(201).json();
    assert_eq!(made["spec"]["finalizers"], json!(["kubernetes"]));
    let with = |field: &str, value: Value| {
        let mut body = made.clone();
        body["metadata"][field] = value;
        body
    };
    for (method, path, body, code) in [
        ("GET", FINALIZE, json!({}), 405),
        ("PATCH", FINALIZE, json!({}), 405),
        ("DELETE", FINALIZE, json!({}), 405),
        ("PUT", "/api/v1/namespaces/none/finalize", lab(&json!([])), 400),
        ("PUT", "/api/v1/namespaces/none/finalize", json!({"metadata": {"name": "none"}}), 404),
        ("PUT", FINALIZE, with("resourceVersion", json!("1")), 409),
        ("PUT", FINALIZE, with("uid", json!("another")), 409),
        ("PUT", FINALIZE, lab(&json!(["plain"])), 422),
        ("PUT", FINALIZE, lab(&json!("no list")), 400),
        ("PUT", "/api/v1/namespaces/lab/configmaps/c/finalize", json!({}), 404),
    ] {
        let reply = send(method, path, &body).await;
        assert_eq!(reply.status, code, "{method} {path} {body}: {}", reply.text());
    }
    let dry = format!("{FINALIZE}?dryRun=All");
    let shown = send("PUT", &dry, &lab(&json!(["a/b"]))).await.expect(200).json();
    assert_eq!(shown["spec"]["finalizers"], json!(["a/b"]));
    let after = send("GET", LAB, &json!({})).await.expect(200).json();
    assert_eq!(after, made, "nothing of that was written");
}

#[tokio::test]
async fn a_namespace_stays_until_its_own_finalizer_is_taken_away() {
    let server = Launch::bare().start().await;
    server.post(NAMESPACES, &lab(&json!(["example.io/hold"]))).await.expect(201);
    server.post(CONFIGS, &json!({"metadata": {"name": "c"}})).await.expect(201);
    let mut watch = watch(&server).await;
    server.delete(LAB).await.expect(200);
    // The server takes its own away when it has done what it stands for.
    until(&mut watch, |it| it.unwrap()["spec"]["finalizers"] == json!(["example.io/hold"])).await;
    until(&mut watch, |it| it.unwrap()["metadata"]["finalizers"] == Value::Null).await;
    assert_eq!(server.get(CONFIGS).await.expect(200).json()["items"], json!([]));
    let held = server.get(LAB).await.expect(200).json();
    assert_eq!(held["status"]["phase"], "Terminating");
    server.delete(LAB).await.expect(200);
    server.put(LAB, &lab(&json!([]))).await.expect(200);
    server.get(LAB).await.expect(200);
    server.post(CONFIGS, &json!({"metadata": {"name": "late"}})).await.expect(403);

    server.put(FINALIZE, &lab(&json!([]))).await.expect(200);
    server.get(LAB).await.expect(404);
    until(&mut watch, |it| it.is_none()).await;
}

/// Nothing is left behind in a namespace that is not there, whoever has lost patience.
#[tokio::test]
async fn a_namespace_is_emptied_whatever_its_finalizers_say() {
    let server = Launch::bare().start().await;
    server.post(NAMESPACES, &lab(&json!([]))).await.expect(201);
    let held = json!({"metadata": {"name": "c", "finalizers": ["example.io/hold"]}});
    server.post(CONFIGS, &held).await.expect(201);
    let mut watch = watch(&server).await;
    server.delete(LAB).await.expect(200);
    server.put(FINALIZE, &lab(&json!([]))).await.expect(200);
    let kept = server.get(LAB).await.expect(200).json();
    assert!(kept["metadata"]["deletionTimestamp"].is_string());
    let config = format!("{CONFIGS}/c");
    server.put(&config, &json!({"metadata": {"name": "c"}})).await.expect(200);
    until(&mut watch, |it| it.is_none()).await;
    server.get(&config).await.expect(404);
}
