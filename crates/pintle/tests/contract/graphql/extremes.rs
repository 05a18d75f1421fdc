//! What somebody sends who wants the server to work for nothing: it is refused at once, and costs
//! no memory that stays.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{ask, code, device};
use crate::harness::server::{Launch, Server};
use crate::harness::within;
use crate::socket::Socket;
use crate::watch::resident_bytes;

/// What a server may have more in memory after it than before, with what an allocator keeps.
const LEFT_BEHIND_MAX: usize = 128 * 1024 * 1024;

/// Documents, and what each of them is refused for; nothing for one long token, which is harmless.
fn documents() -> Vec<(&'static str, String, &'static str)> {
    let many = |count: usize, piece: &str| piece.repeat(count);
    let mut aliases = String::new();
    for number in 0..100_000 {
        let _infallible = write!(aliases, "a{number}:__typename ");
    }
    let mut bomb = String::from("{ devices(first: 1) { nodes { ...F0 } } }");
    for level in 0..60 {
        let next = level + 1;
        let _infallible = write!(bomb, " fragment F{level} on Device {{ ...F{next} ...F{next} }}");
    }
    bomb.push_str(" fragment F60 on Device { id kind }");
    let by = |name: &str| format!("{{ device(by: {{ref: {{name: {name}}}}}) {{ id }} }}");
    let listed = |ids: &str| format!("{{ nodes(ids: {ids}) {{ id }} }}");
    let cycle = "{ devices { nodes { ...A } } } fragment A on Device { id ...B } \
                 fragment B on Device { id ...A }";
    let pair = "fragment X on Device { id } ";
    vec![
        ("aliases", format!("{{ {aliases} }}"), "LIMIT_EXCEEDED"),
        (
            "depth",
            format!("{} __typename {}", many(200_000, "{a"), many(200_000, "}")),
            "LIMIT_EXCEEDED",
        ),
        ("unclosed", many(500_000, "{"), "LIMIT_EXCEEDED"),
        (
            "directives",
            format!("{{ __typename {} }}", many(70_000, "@include(if:true) ")),
            "LIMIT_EXCEEDED",
        ),
        (
            "unknown directives",
            format!("{{ __typename {} }}", many(700, "@x")),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("a cycle", cycle.to_owned(), "GRAPHQL_VALIDATION_FAILED"),
        ("fragments that double", bomb, "LIMIT_EXCEEDED"),
        (
            "one name for all",
            format!("{{ __typename }} {}", many(300, pair)),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("a long string", by(&format!("\"{}\"", many(2_000_000, "x"))), ""),
        ("a long list", listed(&format!("[{}]", many(400_000, "1,"))), "LIMIT_EXCEEDED"),
        (
            "a deep list",
            listed(&format!("{}{}", many(400_000, "["), many(400_000, "]"))),
            "LIMIT_EXCEEDED",
        ),
        (
            "a deep object",
            by(&format!("{}1{}", many(300_000, "{a:"), many(300_000, "}"))),
            "LIMIT_EXCEEDED",
        ),
        (
            "a long number",
            format!("{{ devices(first: {}) {{ totalCount }} }}", many(1_000_000, "9")),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("comments", format!("{{ __typename }}{}", many(500_000, "#\n")), "LIMIT_EXCEEDED"),
        ("nothing at all", many(2_000_000, " "), "GRAPHQL_PARSE_FAILED"),
        ("a block string", by(&format!("\"\"\"{}\"\"\"", many(1_000_000, "\\n"))), ""),
    ]
}

#[tokio::test]
async fn documents_without_measure_are_refused_at_once() {
    let server = Server::devices().await;
    ask(&server, "{ __typename }", &json!({})).await;
    let before = resident_bytes(&server);
    for (name, document, expected) in documents() {
        let reply = within(name, ask(&server, &document, &json!({}))).await;
        let error = reply.at("/errors/0/extensions/code");
        let error = error.as_str().unwrap_or_default();
        assert_eq!(error, expected, "{name}: {:.300}", reply.text());
        assert!(reply.body.len() < 20_000, "{name}: {} bytes of errors", reply.body.len());
    }
    let deep: String = format!("{}1{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let body = format!("{{\"query\":\"{{__typename}}\",\"variables\":{{\"a\":{deep}}}}}");
    let headers = [("content-type", "application/json")];
    let reply = within("deep variables", server.send("POST", "/graphql", &headers, body)).await;
    assert_eq!(reply.status, 400, "{:.300}", reply.text());
    if let (Some(before), Some(after)) = (before, resident_bytes(&server)) {
        let left = after.saturating_sub(before);
        assert!(left < LEFT_BEHIND_MAX, "{left} bytes were left behind");
    }
}

#[tokio::test]
async fn ten_thousand_subscriptions_of_one_socket_are_refused_beyond_the_first_hundred() {
    let server = Server::devices().await;
    let mut socket = Socket::greeted(&server).await;
    let before = resident_bytes(&server);
    let query = "subscription { watchDevices(sendInitialEvents: false, allowBookmarks: false) \
                 { type } }";
    let mut refused = 0;
    for number in 0..10_000 {
        socket.subscribe(&number.to_string(), query, json!({})).await;
        if number >= 100 {
            let failure = socket.failure(&number.to_string()).await;
            assert_eq!(failure["extensions"]["code"], json!("LIMIT_EXCEEDED"), "{failure}");
            refused += 1;
        }
    }
    assert_eq!(refused, 9_900);
    if let (Some(before), Some(after)) = (before, resident_bytes(&server)) {
        let left = after.saturating_sub(before);
        assert!(left < LEFT_BEHIND_MAX, "{left} bytes were left behind");
    }
}

#[tokio::test]
async fn a_socket_that_greets_with_a_flood_is_closed() {
    let server = Server::devices().await;
    let mut socket = Socket::new(&server).await;
    let large = json!({"type": "connection_init", "payload": {"a": "x".repeat(4 << 20)}});
    socket.send_raw(Message::text(large.to_string())).await;
    assert_eq!(socket.closed().await.0, 4400);
}

/// What was begun may go on, so that is what the answer says.
#[tokio::test]
async fn a_request_has_so_long_and_no_longer() {
    let server = Launch::devices().arg("--graphql-timeout=1ms").start().await;
    let mut items: Vec<Value> = Vec::new();
    for number in 0..100 {
        let name = format!("d{number}");
        let version = device(&server, &name).await;
        items.push(json!({"ref": {"name": name}, "resourceVersion": version,
            "status": {"message": "x"}}));
    }
    let query = "mutation($i: BulkUpdateDeviceStatusInput!) { \
                 bulkUpdateDeviceStatus(input: $i) { succeeded } }";
    let reply = ask(&server, query, &json!({"i": {"items": items}})).await;
    assert_eq!(
        (&*code(&reply), reply.at("/errors/0/extensions/retryable")),
        ("TIMEOUT", json!(false))
    );
    let message = reply.at("/errors/0/message");
    assert_eq!(message, json!("the operation took more than 1ms; read before you write again"));
}
