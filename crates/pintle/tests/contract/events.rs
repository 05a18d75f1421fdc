//! `GET /events` from outside: complete, in order, resumable anywhere, and only for those who may
//! watch what it is about.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::http::{Client, Reply};
use crate::harness::server::{Launch, Server};
use crate::harness::stream::{Framing, Watch};

const WRITERS: usize = 4;

/// The next event that is no bookmark; nothing when the server has ended the stream.
async fn next(stream: &mut Watch) -> Option<Value> {
    loop {
        let line = stream.line().await?;
        let event: Value = serde_json::from_str(&line).expect("a line is JSON");
        if event["type"] != "BOOKMARK" {
            return Some(event);
        }
    }
}

async fn event(stream: &mut Watch) -> Value {
    next(stream).await.expect("the stream goes on")
}

/// All events up to the one that a marker makes, which comes after everything there was.
async fn until_marker(server: &Server, stream: &mut Watch) -> Vec<Value> {
    let body = json!({"metadata": {"generateName": "marker-"}});
    let made = server.post("/namespaces", &body).await.expect(201);
    let uid = made.at("/metadata/uid");
    let mut events = Vec::new();
    loop {
        let event = event(stream).await;
        if event["resourceuid"] == uid {
            return events;
        }
        events.push(event);
    }
}

fn ids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

async fn version(server: &Server) -> u64 {
    let list = server.get("/devices").await.expect(200);
    list.header("pintle-resource-version").parse().expect("a version")
}

fn ready(n: usize) -> Value {
    let status = if n.is_multiple_of(2) { "True" } else { "False" };
    json!({"status": {"phase": "Ready", "conditions": [
        {"type": "Ready", "status": status, "reason": "R", "message": n.to_string()},
        {"type": "Synced", "status": status, "reason": "R", "message": "-"},
    ]}})
}

/// A device with a writer of its own, which reports so many times and then removes it.
async fn write(client: Client, writer: usize, reports: usize) {
    let headers = [("content-type", "application/json")];
    let name = format!("d-{writer}");
    let send = async |method: &str, path: &str, body: &Value| {
        let sent = client.try_send(method, path, &headers, body.to_string()).await;
        let reply = sent.expect("the server answers");
        assert!(reply.status < 300, "{}", reply.text());
    };
    let device = json!({"metadata": {"name": name}, "spec": {"name": name, "location": "x"}});
    send("POST", "/devices", &device).await;
    for n in 0..reports {
        send("PUT", &format!("/devices/{name}/status"), &ready(n)).await;
    }
    send("DELETE", &format!("/devices/{name}"), &json!({})).await;
}

async fn write_all(server: &Server, reports: usize) {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(Client::new(server.client.address), writer, reports));
    }
    while let Some(done) = writers.join_next().await {
        done.expect("writers do not panic");
    }
}

/// What a watch says of a change, in the words of events.
fn in_words(kind: &str) -> &'static [&'static str] {
    match kind {
        "ADDED" => &["created"],
        "MODIFIED" => &["updated", "patched"],
        "DELETED" => &["deleted"],
        other => panic!("{other} is no change"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_and_watches_tell_the_same_of_concurrent_writers() {
    const REPORTS: usize = 15;
    let server = Server::devices().await;
    let start = version(&server).await;
    let mut watch = server.watch(&format!("/devices?watch=true&resourceVersion={start}")).await;
    let types = "types=io.fabrica.device.*";
    let mut stream = server.watch(&format!("/events?{types}&after={start}")).await;
    write_all(&server, REPORTS).await;
    let mut revisions = Vec::new();
    for _ in 0..WRITERS * (REPORTS + 2) {
        let (told, event) = (watch.event().await, event(&mut stream).await);
        let data = &event["data"];
        assert_eq!(data["resource"], told.object, "the same object, as it is shown");
        assert!(in_words(&told.kind).contains(&data["action"].as_str().expect("an action")));
        assert_eq!(data["metadata"]["resourceVersion"], told.version().to_string());
        revisions.push(told.version());
    }
    assert!(revisions.is_sorted_by(|one, next| one < next), "{revisions:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_resumes_between_any_two_events() {
    let server = Server::devices().await;
    let start = version(&server).await;
    write_all(&server, 4).await;
    for types in ["**", "io.fabrica.condition.synced"] {
        let after =
            |cursor: &str| format!("/events?types={types},**.namespace.created&after={cursor}");
        let mut stream = server.watch(&after(&start.to_string())).await;
        let all = until_marker(&server, &mut stream).await;
        let of_devices = |events: &[Value]| -> Vec<String> {
            let is_device = |event: &&Value| event["resourcekind"] == "Device";
            ids(&events.iter().filter(is_device).cloned().collect::<Vec<_>>())
        };
        let expected = of_devices(&all);
        let writes = if types == "**" { 6 + 8 } else { 4 };
        assert_eq!(expected.len(), WRITERS * writes, "{types}");
        for (told, id) in expected.iter().enumerate() {
            // By the address, and as a browser does: then what it saw last wins.
            let began = after("1");
            let last_seen = [("last-event-id", id.as_str())];
            let mut streams = [
                server.watch(&after(id)).await,
                server.watch_as(&began, Framing::Lines, &last_seen).await.expect("it opens"),
            ];
            for stream in &mut streams {
                let rest = of_devices(&until_marker(&server, stream).await);
                assert_eq!(rest, expected[told + 1..], "{types} after {id}");
            }
        }
    }
}

/// The fields of the next server-sent event: `event`, `id` and `data`.
async fn server_sent(stream: &mut Watch) -> [String; 3] {
    let mut fields: [String; 3] = Default::default();
    loop {
        let line = stream.line().await.expect("the stream goes on");
        match line.split_once(": ") {
            Some(("event", value)) => value.clone_into(&mut fields[0]),
            Some(("id", value)) => value.clone_into(&mut fields[1]),
            Some(("data", value)) => value.clone_into(&mut fields[2]),
            _ if line.is_empty() && !fields[2].is_empty() => return fields,
            _ => {}
        }
    }
}

/// As server-sent events, an event carries the place to go on from: behind the last event of a
/// write that is the write itself, so that it does not grow old before the next one.
#[tokio::test]
async fn server_sent_events_say_where_to_go_on() {
    let server = Server::devices().await;
    let start = version(&server).await;
    let path = format!("/events?after={start}");
    let mut stream =
        server.watch_as(&path, Framing::ServerSentEvents, &[]).await.expect("it opens");
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    let written = server.put("/devices/dev-123/status", &ready(0)).await.expect(200).version();
    for (kind, id) in [
        ("io.fabrica.device.updated", format!("{written}.0")),
        ("io.fabrica.condition.ready", format!("{written}.1")),
        ("io.fabrica.condition.synced", written.to_string()),
    ] {
        let [event, found, data] = server_sent(&mut stream).await;
        assert_eq!((event.as_str(), found), (kind, id));
        let data: Value = serde_json::from_str(&data).expect("data is JSON");
        assert_eq!(data["type"], kind);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_after_a_kill() {
    let mut server = Server::devices().await;
    server.put("/devices/dev-123/status", &ready(0)).await.expect(200);
    let mut last = version(&server).await.to_string();
    let mut stream = server.watch(&format!("/events?after={last}")).await;
    let mut seen = Vec::new();
    for round in 1..=4 {
        let client = Client::new(server.client.address);
        let writing = tokio::spawn(write(client, round, 10));
        for _ in 0..12 {
            let event = event(&mut stream).await;
            event["id"].as_str().expect("an id").clone_into(&mut last);
            seen.push(event);
        }
        server.kill_hard();
        // The writer meets a server that is gone, or was done before.
        drop(writing.await);
        while let Some(event) = next(&mut stream).await {
            event["id"].as_str().expect("an id").clone_into(&mut last);
            seen.push(event);
        }
        server.start_again().await;
        stream = server.watch(&format!("/events?after={last}")).await;
    }
    seen.extend(until_marker(&server, &mut stream).await);
    // One by one, as they were committed: no id is missing, and none comes twice.
    let places: Vec<(u64, u64)> = ids(&seen)
        .iter()
        .map(|id| id.split_once('.').expect("a revision and a number"))
        .map(|(revision, part)| (revision.parse().expect("a number"), part.parse().expect("one")))
        .collect();
    for pair in places.windows(2) {
        let [(revision, part), next] = pair else { continue };
        let follows = [(*revision, part + 1), (revision + 1, 0)];
        assert!(follows.contains(next), "{next:?} after {:?}", (revision, part));
    }
    for device in 1..=4 {
        let uid = seen.iter().find(|event| event["data"]["resourceName"] == format!("d-{device}"));
        let uid = uid.expect("each device was made")["resourceuid"].clone();
        let turned = seen.iter().filter(|event| {
            event["type"] == "io.fabrica.condition.ready" && event["resourceuid"] == uid
        });
        let mut status = Value::Null;
        for event in turned {
            assert_eq!(event["data"]["previousStatus"], status, "{event}");
            status = event["data"]["status"].clone();
        }
    }
}

#[tokio::test]
async fn a_place_that_is_gone_is_an_error_event_and_the_end() {
    let server = Launch::devices().arg("--history-age=1ms").start().await;
    for round in 0..60 {
        server.put("/devices/dev-123/status", &ready(round)).await.expect(200);
        let mut stream = server.watch("/events?after=1.0&timeoutSeconds=1").await;
        while let Some(event) = next(&mut stream).await {
            if event["type"] == "ERROR" {
                let object = &event["object"];
                assert_eq!((&object["code"], &object["reason"]), (&json!(410), &json!("EXPIRED")));
                assert_eq!(next(&mut stream).await, None, "an error ends the stream");
                return;
            }
        }
    }
    panic!("the first revision never got too old");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let server = Server::devices().await;
    let cases = [
        ("GET", "/events?watch=true", 400, "is unknown; known are types"),
        ("GET", "/events?types=a&types=b", 400, "stands twice"),
        ("GET", "/events?types=a..b", 400, "empty segment"),
        ("GET", "/events?types=a.b*", 400, "star inside"),
        ("GET", "/events?after=soon", 400, "no place in the stream"),
        ("GET", "/events?after=99999999", 400, "99999999"),
        ("GET", "/events?after=99999999.0", 400, "99999999"),
        ("GET", "/events?timeoutSeconds=-1", 400, "whole number"),
        ("GET", "/events?labelSelector=a==b==c", 400, "selector"),
        ("POST", "/events", 405, "GET"),
        ("GET", "/events/1", 404, ""),
    ];
    for (method, path, status, text) in cases {
        let reply = server.send(method, path, &[], "").await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
        assert!(reply.text().contains(text), "{method} {path}: {}", reply.text());
    }
    let last_seen = [("last-event-id", "soon")];
    assert_eq!(server.send("GET", "/events", &last_seen, "").await.status, 400);
}

/// A server with tokens for root, who may do everything, and for ann, who may do what RBAC objects
/// say.
async fn guarded() -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tokens = "root-token-1234,root,1,\"system:masters\"\nann-token-12345,ann,2\n";
    std::fs::write(dir.path().join("tokens.csv"), tokens).expect("it can be written");
    let launch = Launch::devices().arg("--authorization=rbac");
    (launch.arg("--tokens").arg(dir.path().join("tokens.csv")).start().await, dir)
}

const ANN: (&str, &str) = ("authorization", "Bearer ann-token-12345");
const ROOT: (&str, &str) = ("authorization", "Bearer root-token-1234");

async fn as_root(server: &Server, method: &str, path: &str, body: &Value) -> Reply {
    server.json(method, path, &[ROOT], body).await
}

async fn let_ann_watch_devices(server: &Server) {
    let rules = json!([
        {"apiGroups": ["infra.example.io"], "resources": ["devices"], "verbs": ["watch"]},
    ]);
    let role = json!({"metadata": {"name": "watcher"}, "rules": rules});
    as_root(server, "POST", "/roles", &role).await.expect(201);
    let binding = json!({
        "metadata": {"name": "watchers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "watcher"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}],
    });
    as_root(server, "POST", "/rolebindings", &binding).await.expect(201);
}

/// What a stream tells of its end, which must be next.
async fn end_of(stream: &mut Watch) -> Value {
    let end = event(stream).await;
    assert_eq!(end["type"], "ERROR", "{end}");
    assert_eq!(next(stream).await, None, "an error ends the stream");
    end["object"].clone()
}

#[tokio::test]
async fn callers_are_told_what_they_may_watch_for_as_long_as_they_may() {
    let (server, _dir) = guarded().await;
    assert_eq!(server.get("/events").await.status, 401);
    let refused = server.watch_as("/events?after=9999999", Framing::Lines, &[ANN]).await;
    assert_eq!(refused.expect_err("no right").status, 403, "rights come before places");
    let_ann_watch_devices(&server).await;
    let mut stream = server.watch_as("/events", Framing::Lines, &[ANN]).await.expect("it opens");
    as_root(&server, "POST", "/namespaces", &json!({"metadata": {"name": "lab"}}))
        .await
        .expect(201);
    as_root(&server, "PUT", "/devices/dev-123/status", &ready(0)).await.expect(200);
    let kinds = [event(&mut stream).await, event(&mut stream).await, event(&mut stream).await];
    for event in kinds {
        assert_eq!(event["resourcekind"], "Device");
    }
    let begun = Instant::now();
    // Nothing of what is written after it is told.
    as_root(&server, "DELETE", "/rolebindings/watchers", &json!({})).await.expect(200);
    as_root(&server, "PUT", "/devices/dev-123/status", &ready(1)).await.expect(200);
    let (end, took) = (end_of(&mut stream).await, begun.elapsed());
    assert_eq!((&end["code"], &end["reason"]), (&json!(403), &json!("FORBIDDEN")));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_stream_ends_with_the_credential() {
    let (server, dir) = guarded().await;
    let_ann_watch_devices(&server).await;
    let mut stream = server.watch_as("/events", Framing::Lines, &[ANN]).await.expect("it opens");
    let tokens = "root-token-1234,root,1,\"system:masters\"\n";
    std::fs::write(dir.path().join("tokens.csv"), tokens).expect("it can be written");
    assert_eq!(end_of(&mut stream).await["code"], 401);
}
