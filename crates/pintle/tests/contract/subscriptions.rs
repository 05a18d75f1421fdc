//! Subscriptions from outside: what they tell over WebSockets and as server-sent events, where they
//! go on, when they end.

mod protocol;
mod sse;

use serde_json::{Value, json};

use crate::harness::server::{Launch, Server};
use crate::kinds::declare_things;
use crate::socket::Socket;

const DEVICES: &str = "subscription($from: ResourceVersion, $labels: String, $bookmarks: Boolean) { \
     watchDevices(resourceVersion: $from, labelSelector: $labels, allowBookmarks: $bookmarks) { \
     type resourceVersion initialEventsEnd object { metadata { name resourceVersion } \
     spec { location } status { message } } } }";

async fn device(server: &Server, name: &str) -> u64 {
    let device = json!({"metadata": {"name": name}, "spec": {"name": name, "location": "dc1"}});
    server.post("/devices", &device).await.expect(201).version()
}

async fn report(server: &Server, name: &str, message: &str) -> u64 {
    let status = json!({"status": {"message": message}});
    server.patch(&format!("/devices/{name}/status"), &status).await.expect(200).version()
}

/// `ADDED a 7`.
fn told(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let name = text(&event["object"]["metadata"]["name"]);
    format!("{} {name} {}", text(&event["type"]), text(&event["resourceVersion"]))
}

async fn newest(server: &Server) -> String {
    server.get("/devices").await.header("pintle-resource-version").to_owned()
}

#[tokio::test]
async fn a_subscription_tells_the_state_and_then_every_change() {
    let server = Server::devices().await;
    let made = device(&server, "a").await;
    let mut socket = Socket::greeted(&server).await;
    socket.subscribe("1", DEVICES, json!({})).await;
    let mut state = [socket.event("1").await, socket.event("1").await];
    state.sort_by_key(told);
    assert_eq!(told(&state[0]), format!("ADDED a {made}"));
    assert_eq!(state[0]["initialEventsEnd"], json!(false));
    assert_eq!(state[1]["object"]["metadata"]["name"], json!("dev-123"));
    let end = socket.event("1").await;
    assert_eq!(
        (&end["type"], &end["object"], &end["initialEventsEnd"]),
        (&json!("BOOKMARK"), &Value::Null, &json!(true))
    );
    let version = end["resourceVersion"].as_str().expect("a version").to_owned();
    assert_eq!(version, newest(&server).await);

    let reported = report(&server, "a", "Ready").await;
    let event = socket.event("1").await;
    assert_eq!(told(&event), format!("MODIFIED a {reported}"));
    assert_eq!(event["object"]["metadata"]["resourceVersion"], event["resourceVersion"]);
    assert_eq!(event["object"]["status"]["message"], json!("Ready"));
    // What changes nothing, and what is refused, is told to nobody.
    report(&server, "a", "Ready").await;
    server.put("/devices/a/status", &json!({"spec": {}})).await.expect(422);
    let gone = server.delete("/devices/a").await.expect(200);
    drop(gone);
    let event = socket.event("1").await;
    assert_eq!(event["type"], json!("DELETED"));
    assert_eq!(event["object"]["status"]["message"], json!("Ready"), "its last state");

    // From the version of the bookmark on, the same again.
    socket.send(&json!({"id": "1", "type": "complete"})).await;
    socket.subscribe("2", DEVICES, json!({"from": version})).await;
    assert_eq!(told(&socket.event("2").await), format!("MODIFIED a {reported}"));
    assert_eq!(socket.event("2").await["type"], json!("DELETED"));
    socket.leave().await;
}

#[tokio::test]
async fn what_comes_into_and_leaves_a_filter_is_added_and_deleted() {
    let server = Server::devices().await;
    let from = newest(&server).await;
    device(&server, "a").await;
    device(&server, "b").await;
    let label = |value: Value| json!({"metadata": {"labels": {"watched": value}}});
    let entered = server.patch("/devices/a", &label(json!("yes"))).await.expect(200).version();
    let reported = report(&server, "a", "Ready").await;
    let left = server.patch("/devices/a", &label(json!(null))).await.expect(200).version();
    report(&server, "a", "Gone").await;
    let mut socket = Socket::greeted(&server).await;
    socket.subscribe("1", DEVICES, json!({"from": from, "labels": "watched=yes"})).await;
    for expected in [
        format!("ADDED a {entered}"),
        format!("MODIFIED a {reported}"),
        format!("DELETED a {left}"),
    ] {
        assert_eq!(told(&socket.event("1").await), expected);
    }
    // One object alone, by its name.
    let query = "subscription { watchDevices(name: \"b\", sendInitialEvents: true) { type \
                 resourceVersion object { metadata { name } } } }";
    socket.subscribe("2", query, json!({})).await;
    assert!(told(&socket.event("2").await).starts_with("ADDED b "));
    assert!(told(&socket.event("2").await).starts_with("BOOKMARK"));
    report(&server, "a", "Up").await;
    report(&server, "b", "Up").await;
    assert!(told(&socket.event("2").await).starts_with("MODIFIED b "));
}

#[tokio::test]
async fn only_changes_of_what_is_asked_for_are_told_if_wanted() {
    let server = Server::devices().await;
    device(&server, "a").await;
    let mut socket = Socket::greeted(&server).await;
    let query = "subscription { watchDevices(name: \"a\", sendInitialEvents: false, \
                 onlyWhenChanged: true, allowBookmarks: false) { type resourceVersion object { \
                 metadata { name } status { message } } } }";
    socket.subscribe("1", query, json!({})).await;
    // A query behind it: the subscription has begun when it is answered.
    socket.subscribe("q", "{ __typename }", json!({})).await;
    assert_eq!(socket.payload("q", "next").await, json!({"data": {"__typename": "Query"}}));
    assert_eq!(socket.payload("q", "complete").await, Value::Null);
    report(&server, "a", "Ready").await;
    server.patch("/devices/a", &json!({"spec": {"location": "dc2"}})).await.expect(200);
    let last = report(&server, "a", "Lost").await;
    assert!(told(&socket.event("1").await).starts_with("MODIFIED a "));
    let event = socket.event("1").await;
    assert_eq!(told(&event), format!("MODIFIED a {last}"));
    assert_eq!(event["object"]["status"]["message"], json!("Lost"));
}

#[tokio::test]
async fn resources_of_several_kinds_are_told_in_one_order() {
    let server = Server::devices().await;
    declare_things(&server).await;
    let from = newest(&server).await;
    let query = "subscription($from: ResourceVersion, $kinds: [KindRefInput!]!) { \
                 watchResources(kinds: $kinds, resourceVersion: $from) { type resourceVersion \
                 object { __typename id kind metadata { name } json ... on Device { status { \
                 message } } } } }";
    let kinds = json!([
        {"apiVersion": "infra.example.io/v1", "kind": "Device"},
        {"apiVersion": "test.example.io/v1", "kind": "Thing"},
    ]);
    let mut versions = Vec::new();
    for name in ["a", "b"] {
        versions.push(device(&server, name).await);
        let thing = json!({"metadata": {"name": name}, "spec": {}});
        versions.push(server.post("/things", &thing).await.expect(201).version());
    }
    versions.push(report(&server, "a", "Ready").await);
    let mut socket = Socket::greeted(&server).await;
    socket.subscribe("1", query, json!({"from": from, "kinds": kinds})).await;
    let mut found = Vec::new();
    for (version, kind) in versions.iter().zip(["Device", "Thing", "Device", "Thing", "Device"]) {
        let event = socket.event("1").await;
        assert_eq!(event["resourceVersion"], json!(version.to_string()));
        assert_eq!(event["object"]["kind"], json!(kind));
        assert_eq!(event["object"]["json"]["kind"], json!(kind));
        found.push(event);
    }
    assert_eq!(found[4]["object"]["status"]["message"], json!("Ready"));
    for kinds in [json!([]), json!([{"apiVersion": "v1", "kind": "Nothing"}])] {
        socket.subscribe("2", query, json!({"from": from, "kinds": kinds})).await;
        let code = socket.failure("2").await["extensions"]["code"].clone();
        assert!(code == "BAD_USER_INPUT" || code == "KIND_NOT_SERVED", "{code}");
    }
}

/// A kind that is declared later can be watched at once, and what is open goes on undisturbed.
#[tokio::test]
async fn subscriptions_survive_a_new_schema() {
    let server = Server::devices().await;
    let mut socket = Socket::greeted(&server).await;
    let from = newest(&server).await;
    socket.subscribe("1", DEVICES, json!({"from": from})).await;
    declare_things(&server).await;
    let query = "subscription { watchThings(sendInitialEvents: true) { type object { metadata { \
                 name } } } }";
    socket.subscribe("2", query, json!({})).await;
    assert_eq!(socket.event("2").await["type"], json!("BOOKMARK"));
    let made = device(&server, "a").await;
    assert_eq!(told(&socket.event("1").await), format!("ADDED a {made}"));
    let name = server.get("/customresourcedefinitions").await.json();
    let names = name.as_array().expect("a list").iter();
    let things = names
        .map(|crd| crd["metadata"]["name"].as_str().expect("a name").to_owned())
        .find(|name| name.starts_with("things."))
        .expect("it was declared");
    server.delete(&format!("/customresourcedefinitions/{things}?by=name")).await;
    let gone = socket.failure("2").await;
    assert_eq!(gone["extensions"]["code"], json!("KIND_NOT_SERVED"), "{gone}");
    let reported = report(&server, "a", "Ready").await;
    assert_eq!(told(&socket.event("1").await), format!("MODIFIED a {reported}"));
}

#[tokio::test]
async fn a_version_that_is_none_or_too_old_is_refused() {
    let server = Launch::devices().arg("--history-age=1h").arg("--history-bytes-max=4KiB");
    let server = server.start().await;
    let early = newest(&server).await;
    device(&server, "a").await;
    // Nothing tells when history is cut, so it is asked for again and again.
    for round in 0.. {
        assert!(round < 2_000, "version {early} never got too old");
        report(&server, "a", &format!("{round} {}", "x".repeat(1_000))).await;
        let path = format!("/devices?watch=true&timeoutSeconds=1&resourceVersion={early}");
        if round % 50 == 49 && server.get(&path).await.text().contains("EXPIRED") {
            break;
        }
    }
    let mut socket = Socket::greeted(&server).await;
    for (from, code) in [
        ("99999999", "INVALID_RESOURCE_VERSION"),
        ("yesterday", "INVALID_RESOURCE_VERSION"),
        ("0", "INVALID_RESOURCE_VERSION"),
        ("", "INVALID_RESOURCE_VERSION"),
        (&early, "WATCH_EXPIRED"),
    ] {
        socket.subscribe("1", DEVICES, json!({"from": from})).await;
        let failure = socket.failure("1").await;
        let extensions = &failure["extensions"];
        assert_eq!(extensions["code"], json!(code), "{from}: {failure}");
        assert_eq!(failure["path"], json!(["watchDevices"]), "{failure}");
        if code == "WATCH_EXPIRED" {
            assert_eq!(extensions["httpStatus"], json!(410));
            assert_eq!(extensions["requestedResourceVersion"], json!(early));
            assert_eq!(extensions["currentResourceVersion"], json!(newest(&server).await));
            assert_eq!(extensions["retryable"], json!(true));
        }
    }
}

/// The connection is cut again and again, at any event; who goes on from the last version they
/// were told misses nothing and is told nothing twice.
#[tokio::test]
async fn resuming_loses_nothing_and_repeats_nothing() {
    const WRITES: u64 = 1_500;
    let server = Server::devices().await;
    device(&server, "a").await;
    let from = newest(&server).await;
    let writing = async {
        let mut versions = Vec::new();
        for round in 0..WRITES {
            versions.push(report(&server, "a", &format!("round {round}")).await);
        }
        versions
    };
    let reading = async {
        let mut seen: Vec<u64> = Vec::new();
        let mut cursor = from.clone();
        let mut cuts = 0_u64;
        while (seen.len() as u64) < WRITES {
            let mut socket = Socket::greeted(&server).await;
            socket.subscribe("1", DEVICES, json!({"from": cursor, "bookmarks": false})).await;
            // One event or two, and the line is cut without a word.
            let events = 1 + (cuts * 7 + 3) % 2;
            cuts += 1;
            for _ in 0..events.min(WRITES - seen.len() as u64) {
                let event = socket.event("1").await;
                cursor = event["resourceVersion"].as_str().expect("a version").to_owned();
                seen.push(cursor.parse().expect("a number"));
            }
        }
        (seen, cuts)
    };
    let (versions, (seen, cuts)) = tokio::join!(writing, reading);
    assert_eq!(seen, versions);
    assert!(cuts >= 1_000, "{cuts}");
}
