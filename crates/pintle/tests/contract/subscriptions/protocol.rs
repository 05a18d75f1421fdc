//! The protocol of the socket, from outside: who is let in, what closes it.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{DEVICES, device, newest, report, told};
use crate::harness::server::{Launch, Server, devices};
use crate::socket::Socket;

async fn with_tokens() -> Server {
    let arg = |name: &str, file: &str| format!("--{name}={}", devices().join(file).display());
    let tokens = Launch::devices().arg(arg("tokens", "tokens.csv"));
    tokens.arg(arg("policy", "policy.yaml")).start().await
}

#[tokio::test]
async fn what_breaks_the_protocol_closes_the_socket() {
    let server = Server::devices().await;
    let subscribe = |id: &str| {
        json!({"id": id, "type": "subscribe", "payload": {"query": "subscription { watchDevices { type } }"}}).to_string()
    };
    let init = r#"{"type":"connection_init"}"#.to_owned();
    let large = format!(r#"{{"type":"ping","payload":{{"a":"{}"}}}}"#, "x".repeat(4 << 20));
    for (messages, code) in [
        (vec![subscribe("1")], 4401),
        (vec![init.clone(), init.clone()], 4429),
        (vec![init.clone(), subscribe("1"), subscribe("1")], 4409),
        (vec!["{".to_owned()], 4400),
        (vec![init.clone(), r#"{"type":"start"}"#.to_owned()], 4400),
        (vec![init.clone(), large], 4400),
    ] {
        let mut socket = Socket::new(&server).await;
        for message in messages {
            socket.send_raw(Message::text(message)).await;
        }
        let (found, reason) = socket.closed().await;
        assert_eq!(found, code, "{reason}");
    }
    let mut socket = Socket::greeted(&server).await;
    socket.send_raw(Message::binary("{}")).await;
    assert_eq!(socket.closed().await.0, 4400);
    let socket = Socket::open(&server, &[]).await.expect("it opens, to say why not");
    assert_eq!(socket.closed().await.0, 4406);
    let foreign =
        [("sec-websocket-protocol", "graphql-transport-ws"), ("origin", "http://evil.example")];
    assert_eq!(Socket::open(&server, &foreign).await.unwrap_err(), 403);
}

#[tokio::test]
async fn queries_and_mutations_go_over_it_as_well() {
    let server = Server::devices().await;
    let version = device(&server, "a").await.to_string();
    let mut socket = Socket::greeted(&server).await;
    let mutation = "mutation($v: ResourceVersion!) { patchDeviceStatus(input: {ref: {name: \"a\"}, \
                    resourceVersion: $v, status: {phase: Ready}}) { changed errors { code } \
                    device { status { phase } } } }";
    socket.subscribe("1", mutation, json!({"v": version})).await;
    let result = socket.payload("1", "next").await;
    let expected = json!({"changed": true, "errors": [], "device": {"status": {"phase": "Ready"}}});
    assert_eq!(result["data"]["patchDeviceStatus"], expected, "{result}");
    assert_eq!(socket.payload("1", "complete").await, Value::Null);
    // The id is free again.
    socket.subscribe("1", mutation, json!({"v": version})).await;
    let result = socket.payload("1", "next").await;
    assert_eq!(result["data"]["patchDeviceStatus"]["errors"], json!([{"code": "CONFLICT"}]));
    assert_eq!(socket.payload("1", "complete").await, Value::Null);
    for (query, code) in [
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        (
            "subscription { a: watchDevices { type } b: watchDevices { type } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("subscription { watchDevices @skip(if: true) { type } }", "BAD_USER_INPUT"),
    ] {
        socket.subscribe("1", query, json!({})).await;
        let failure = socket.failure("1").await;
        assert!(
            failure["extensions"]["code"] == code
                || failure["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED",
            "{query}: {failure}"
        );
    }
    let large = json!({"labels": "x".repeat(100_000)});
    socket.subscribe("1", DEVICES, large).await;
    assert_eq!(socket.failure("1").await["extensions"]["code"], json!("LIMIT_EXCEEDED"));
}

#[tokio::test]
async fn so_many_operations_a_socket_may_have() {
    let server = Server::devices().await;
    let from = newest(&server).await;
    let mut socket = Socket::greeted(&server).await;
    for number in 0..100 {
        socket.subscribe(&number.to_string(), DEVICES, json!({"from": from})).await;
    }
    socket.subscribe("one more", "{ __typename }", json!({})).await;
    let failure = socket.failure("one more").await;
    assert_eq!(failure["extensions"]["code"], json!("LIMIT_EXCEEDED"), "{failure}");
    socket.send(&json!({"id": "7", "type": "complete"})).await;
    socket.subscribe("7", "{ __typename }", json!({})).await;
    assert_eq!(socket.payload("7", "next").await["data"]["__typename"], json!("Query"));
}

#[tokio::test]
async fn callers_show_who_they_are_in_the_handshake_or_in_the_first_message() {
    let server = with_tokens().await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let query = "subscription { watchDevices(sendInitialEvents: false) { type } }";
    let bearer = |token: &str| json!({"Authorization": format!("Bearer {token}")});

    let known = [protocol, ("authorization", "Bearer alice-token")];
    let mut socket = Socket::open(&server, &known).await.expect("alice is known");
    socket.greet(&json!({})).await;
    socket.subscribe("1", "{ devices { nodes { id } } }", json!({})).await;
    assert_eq!(socket.payload("1", "next").await["errors"], Value::Null);
    // What the first message says is looked at as well, and is of the same user.
    for payload in [
        bearer("nobody"),
        bearer("bob-token"),
        json!({"authorization": "Bearer alice-token", "headers": {"Authorization": "Bearer bob-token"}}),
    ] {
        let mut socket = Socket::open(&server, &known).await.expect("alice is known");
        socket.send(&json!({"type": "connection_init", "payload": payload})).await;
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 4403, "{payload}: {reason}");
    }
    let mut socket = Socket::open(&server, &known).await.expect("alice is known");
    socket.greet(&bearer("alice-token")).await;
    socket.subscribe("1", "{ devices { nodes { id } } }", json!({})).await;
    assert_eq!(socket.payload("1", "next").await["errors"], Value::Null);

    let unknown = [protocol, ("authorization", "Bearer nobody")];
    assert_eq!(Socket::open(&server, &unknown).await.unwrap_err(), 401);

    for payload in
        [bearer("alice-token"), json!({"headers": {"authorization": "Bearer alice-token"}})]
    {
        let mut socket = Socket::new(&server).await;
        socket.greet(&payload).await;
        socket.subscribe("1", query, json!({})).await;
        socket.subscribe("2", "{ __typename }", json!({})).await;
        assert_eq!(socket.payload("2", "next").await["errors"], Value::Null);
    }
    // Where strangers are let in, they are told to log in when they ask for something.
    let mut socket = Socket::new(&server).await;
    socket.greet(&json!({})).await;
    socket.subscribe("1", query, json!({})).await;
    assert_eq!(socket.failure("1").await["extensions"]["code"], json!("UNAUTHENTICATED"));
    for payload in [bearer("nobody"), json!({"Authorization": "a\nb"})] {
        let mut socket = Socket::new(&server).await;
        socket.send(&json!({"type": "connection_init", "payload": payload})).await;
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 4403, "{payload}: {reason}");
        assert!(!reason.contains("nobody"), "{reason}");
    }
}

/// The socket ends when the token is taken back, and a subscription when its right is.
#[tokio::test]
async fn what_was_shown_lapses_and_rights_are_looked_at_again() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let tokens = folder.path().join("tokens.csv");
    std::fs::write(
        &tokens,
        "alice-token-1,alice,1,viewers\nmaster-token-1,root,2,\"system:masters\"\n",
    )
    .unwrap();
    let server = Launch::devices().arg(format!("--tokens={}", tokens.display()));
    let server = server.arg("--authorization=rbac").start().await;
    let root = [("authorization", "Bearer master-token-1")];
    let rule = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "viewers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "viewers"}],
    });
    server.json("POST", "/clusterrolebindings", &root, &rule).await.expect(201);
    let mut socket = Socket::new(&server).await;
    socket.greet(&json!({"Authorization": "Bearer alice-token-1"})).await;
    socket.subscribe("1", DEVICES, json!({})).await;
    while socket.event("1").await["type"] != json!("BOOKMARK") {}
    server.send("DELETE", "/clusterrolebindings/viewers", &root, "").await.expect(200);
    let failure = socket.failure("1").await;
    assert_eq!(failure["extensions"]["code"], json!("FORBIDDEN"), "{failure}");
    assert_eq!(failure["extensions"]["verb"], json!("watch"));
    socket.subscribe("1", DEVICES, json!({})).await;
    assert_eq!(socket.failure("1").await["extensions"]["code"], json!("FORBIDDEN"));
    std::fs::write(&tokens, "master-token-1,root,2,\"system:masters\"\n").unwrap();
    let (code, reason) = socket.closed().await;
    assert_eq!(code, 4403, "{reason}");
}

#[tokio::test]
async fn a_server_that_goes_down_says_so() {
    let mut server = Server::devices().await;
    let mut open = Socket::greeted(&server).await;
    open.subscribe("1", DEVICES, json!({})).await;
    let idle = Socket::greeted(&server).await;
    assert!(told(&open.event("1").await).starts_with("ADDED"));
    let (stopped, first, second) = tokio::join!(server.stop(), open.closed(), idle.closed());
    assert!(stopped.success());
    assert_eq!((first.0, second.0), (1001, 1001));
}

/// Writes over a socket are seen by those who are told of requests as those of the REST door are.
#[tokio::test]
async fn operations_over_a_socket_are_counted_and_recorded() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let log = folder.path().join("audit.jsonl");
    let server = Launch::devices().arg(format!("--audit-log={}", log.display())).start().await;
    let version = device(&server, "a").await.to_string();
    let mut socket = Socket::greeted(&server).await;
    let mutation = "mutation($v: ResourceVersion!) { patchDeviceStatus(input: {ref: {name: \"a\"}, \
                    resourceVersion: $v, status: {phase: Ready}}) { changed } }";
    socket.subscribe("1", mutation, json!({"v": version})).await;
    socket.payload("1", "next").await;
    socket.payload("1", "complete").await;
    socket.subscribe("2", DEVICES, json!({})).await;
    while socket.event("2").await["type"] != json!("BOOKMARK") {}
    report(&server, "a", "Lost").await;
    socket.event("2").await;
    let metrics = server.get("/metrics").await.text();
    let has =
        |needles: &[&str]| metrics.lines().any(|line| needles.iter().all(|it| line.contains(it)));
    assert!(has(&["pintle_graphql_subscription_events_total"]), "{metrics}");
    assert!(has(&["door=\"graphql\"", "verb=\"patch\""]), "{metrics}");
    drop(socket);
    let mut server = server;
    server.stop().await;
    let records = std::fs::read_to_string(&log).expect("there is a log");
    let line = records.lines().find(|line| line.contains("\"graphql\"") && line.contains("patch"));
    assert!(line.is_some(), "{records}");
}
