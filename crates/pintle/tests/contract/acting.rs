//! Acting as somebody else: on every door alike, with that one's rights alone, and recorded.

use serde_json::{Value, json};

use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server, devices};
use crate::harness::within;
use crate::socket::Socket;

/// A server of the example with its rules, its users and one more who may do everything.
async fn restricted(directory: &std::path::Path) -> Server {
    let users = std::fs::read_to_string(devices().join("tokens.csv")).expect("it is there");
    let tokens = directory.join("tokens.csv");
    let users = users + "root-token,root,root-uid,system:masters\n";
    std::fs::write(&tokens, users).expect("it can be written");
    let launch = Launch::devices().arg("--policy").arg(devices().join("policy.yaml"));
    let launch = launch.arg("--tokens").arg(tokens);
    launch.arg("--audit-log").arg(directory.join("audit.log")).start().await
}

const KUBE: &str = "/apis/infra.example.io/v1/namespaces/default/devices/dev-123";
const REPORT: &str = "mutation($v: ResourceVersion!) { patchDeviceStatus(input: {ref: {name: \
                      \"dev-123\"}, resourceVersion: $v, status: {phase: Ready}}) { errors { code } } }";

/// The version that a status is computed from.
async fn version(server: &Server) -> Value {
    let found = server.send("GET", KUBE, &headers("Bearer root-token", &[]), "").await;
    json!({"v": found.expect(200).at("/metadata/resourceVersion")})
}

type Headers<'a> = &'a [(&'a str, &'a str)];

fn headers<'a>(token: &'a str, others: Headers<'a>) -> Vec<(&'a str, &'a str)> {
    let json = ("content-type", "application/json");
    let shown = Some(("authorization", token)).filter(|_| !token.is_empty());
    shown.into_iter().chain([json]).chain(others.iter().copied()).collect()
}

#[tokio::test]
async fn every_door_asks_whether_the_caller_may() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = restricted(directory.path()).await;
    let (root, alice) = ("Bearer root-token", "Bearer alice-token");
    let user = |name| ("impersonate-user", name);
    let cases: [(&str, Headers<'_>, u16); 9] = [
        (root, &[], 200),
        (root, &[user("alice")], 200),
        (root, &[user("mallory")], 403),
        (root, &[user("nobody"), ("impersonate-group", "system:masters")], 200),
        (root, &[("impersonate-group", "system:masters")], 400),
        (root, &[user("alice"), ("impersonate-extra-scopes", "x")], 400),
        (root, &[user("alice"), ("impersonate-users", "bob")], 400),
        (alice, &[user("root")], 403),
        ("", &[user("root")], 401),
    ];
    let query = json!({"query": "{ device(by: {ref: {name: \"dev-123\"}}) { id } }"}).to_string();
    for (token, others, expected) in cases {
        let headers = headers(token, others);
        let said = |reply: &Reply| (reply.status, reply.text());
        for path in ["/devices/dev-123", "/devices/dev-123/status", KUBE] {
            let (status, text) = said(&server.send("GET", path, &headers, "").await);
            assert_eq!(status, expected, "{path} {headers:?}: {text}");
        }
        let page = server.send("GET", "/openapi.json", &headers, "").await;
        let asked = server.send("POST", "/graphql", &headers, query.clone()).await;
        if expected == 400 {
            assert_eq!((page.status, asked.status), (400, 400), "{headers:?}");
        }
        let code = asked.at("/errors/0/extensions/httpStatus").as_u64().unwrap_or(200);
        assert_eq!(code, u64::from(expected), "{headers:?}: {}", asked.text());
    }
}

#[tokio::test]
async fn rights_are_those_of_whom_the_caller_acts_as_and_both_are_recorded() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut server = restricted(directory.path()).await;
    let status = json!({"status": {"phase": "Ready"}}).to_string();
    for (name, may) in [("alice", false), ("bob", true)] {
        let acting = [("impersonate-user", name)];
        let headers = headers("Bearer root-token", &acting);
        let id = |door: &'static str| [headers.clone(), vec![("x-request-id", door)]].concat();
        let rest = server.send("PUT", "/devices/dev-123/status", &id("rest"), status.clone()).await;
        assert_eq!(rest.status, if may { 200 } else { 403 }, "{name}: {}", rest.text());
        let body = json!({"query": REPORT, "variables": version(&server).await}).to_string();
        let told = server.send("POST", "/graphql", &id("graphql"), body).await;
        let errors = told.at("/data/patchDeviceStatus/errors");
        assert_eq!(errors, if may { json!([]) } else { json!([{"code": "FORBIDDEN"}]) }, "{name}");

        // As headers of the handshake, and in the first message, where browsers can say it.
        let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
        let shown = [protocol, ("authorization", "Bearer root-token"), ("impersonate-user", name)];
        let mut first = Socket::open(&server, &shown).await.expect("root may");
        first.greet(&Value::Null).await;
        let mut second = Socket::new(&server).await;
        let payload = json!({"Authorization": "Bearer root-token", "Impersonate-User": name});
        second.greet(&payload).await;
        for mut socket in [first, second] {
            socket.subscribe("1", REPORT, version(&server).await).await;
            let told = socket.payload("1", "next").await;
            assert_eq!(told["data"]["patchDeviceStatus"]["errors"], errors, "{name}");
        }
    }
    assert!(server.stop().await.success());
    let log = std::fs::read_to_string(directory.path().join("audit.log")).expect("there is a log");
    let records = log.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let records: Vec<Value> =
        records.filter(|record: &Value| record["resource"] == "devices.infra.example.io").collect();
    let acting = |name: &str| records.iter().filter(|it| it["actsAs"] == name).count();
    assert_eq!((acting("alice"), acting("bob")), (4, 4), "{log}");
    assert!(records.iter().all(|record| record["user"] == "root"), "{log}");
    let groups = |name: &str| {
        let record = records.iter().find(|it| it["actsAs"] == name).expect("there is one");
        record["actsAsGroups"].clone()
    };
    assert_eq!(groups("alice"), json!(["system:authenticated"]));
}

/// With the right to act as somebody else ends what is done with it.
#[tokio::test]
async fn who_may_act_as_another_no_more_can_do_nothing_more() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let tokens = directory.path().join("tokens.csv");
    let users = "root-token,root,1,system:masters\nnob-token,nob,2\n";
    std::fs::write(&tokens, users).expect("it can be written");
    let launch = Launch::devices().arg("--authorization=rbac");
    let server = launch.arg("--tokens").arg(tokens).start().await;
    let rbac = "rbac.authorization.k8s.io";
    let api = format!("{rbac}/v1");
    let role = |name: &str, rule: Value| json!({"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]});
    let binding = |name: &str, user: &str| {
        json!({"apiVersion": api, "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "subjects": [{"kind": "User", "name": user, "apiGroup": rbac}],
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name}})
    };
    let objects = [
        (
            "clusterroles",
            role(
                "acting",
                json!({
            "apiGroups": [""], "resources": ["users"], "resourceNames": ["alice"],
            "verbs": ["impersonate"]}),
            ),
        ),
        (
            "clusterroles",
            role(
                "devices",
                json!({
            "apiGroups": ["infra.example.io"], "resources": ["devices", "devices/status"],
            "verbs": ["*"]}),
            ),
        ),
        ("clusterrolebindings", binding("acting", "nob")),
        ("clusterrolebindings", binding("devices", "alice")),
    ];
    let root = headers("Bearer root-token", &[]);
    for (plural, object) in objects {
        let path = format!("/apis/{rbac}/v1/{plural}");
        server.send("POST", &path, &root, object.to_string()).await.expect(201);
    }
    let as_alice = [("impersonate-user", "alice"), ("accept", "application/x-ndjson")];
    let as_alice = headers("Bearer nob-token", &as_alice);
    let watch = server.send("GET", "/devices?watch=true", &as_alice, "");
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let shown = [protocol, ("authorization", "Bearer nob-token"), ("impersonate-user", "alice")];
    let mut socket = Socket::open(&server, &shown).await.expect("nob may");
    socket.greet(&Value::Null).await;
    let revoked = async {
        socket.subscribe("1", REPORT, version(&server).await).await;
        let told = socket.payload("1", "next").await;
        assert_eq!(told["data"]["patchDeviceStatus"]["errors"], json!([]), "{told}");
        socket.payload("1", "complete").await;
        let path = format!("/apis/{rbac}/v1/clusterrolebindings/acting");
        server.send("DELETE", &path, &root, "").await.expect(200);
        socket.subscribe("2", REPORT, version(&server).await).await;
        let told = socket.payload("2", "next").await;
        let errors = &told["data"]["patchDeviceStatus"]["errors"];
        assert_eq!(*errors, json!([{"code": "FORBIDDEN"}]), "{told}");
    };
    // The watch ends only because the right is gone.
    let (watched, ()) =
        within("the end of the watch", async { tokio::join!(watch, revoked) }).await;
    let last = watched.text().trim_end().lines().last().map(str::to_owned).unwrap_or_default();
    assert!(last.contains("\"ERROR\"") && last.contains("FORBIDDEN"), "{}", watched.text());
}

#[tokio::test]
async fn a_socket_is_refused_to_who_may_not_act_as_they_say() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = restricted(directory.path()).await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let alice = ("authorization", "Bearer alice-token");
    for (header, expected) in [("impersonate-user", 403), ("impersonate-group", 400)] {
        let refused = Socket::open(&server, &[protocol, alice, (header, "bob")]).await;
        assert_eq!(refused.unwrap_err(), expected, "{header}");
    }
    let many: Vec<String> = (0..101).map(|index| format!("g{index}")).collect();
    let of = |token: &str, more: Value| {
        let mut payload = json!({"Authorization": format!("Bearer {token}-token")});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        payload
    };
    for (payload, expected) in [
        (of("alice", json!({"Impersonate-User": "bob"})), 4403),
        (json!({"headers": {"impersonate-user": "bob"}}), 4403),
        (of("root", json!({"Impersonate-Group": "g"})), 4400),
        (of("root", json!({"Impersonate-User": 7})), 4400),
        (of("root", json!({"headers": [["Impersonate-User", "bob"]]})), 4400),
        (json!({"Authorization": ["Bearer root-token"]}), 4400),
        (of("root", json!({"impersonate-user": "a", "headers": {"Impersonate-User": "b"}})), 4400),
        (of("root", json!({"Impersonate-User": "bob", "Impersonate-Extra-x": "y"})), 4400),
        (of("root", json!({"Impersonate-User": "bob", "Impersonate-Group": many})), 4400),
    ] {
        let mut socket = Socket::new(&server).await;
        socket.send(&json!({"type": "connection_init", "payload": payload})).await;
        let (code, reason) = socket.closed().await;
        assert_eq!(code, expected, "{payload}: {reason}");
    }
    let groups =
        json!({"Impersonate-User": "nobody", "Impersonate-Group": ["a", "system:masters"]});
    let mut socket = Socket::new(&server).await;
    socket.greet(&of("root", groups)).await;
    socket.subscribe("1", REPORT, version(&server).await).await;
    let told = socket.payload("1", "next").await;
    assert_eq!(told["data"]["patchDeviceStatus"]["errors"], json!([]), "{told}");
}
