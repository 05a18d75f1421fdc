//! Watches: complete, in order, resumable, and no burden on anybody else.

use serde_json::{Value, json};

use crate::harness::server::{Launch, Server};
use crate::harness::stream::{Event, Framing, Watch};
use crate::kinds::declare_things;

async fn things() -> Server {
    let server = Launch::bare().start().await;
    declare_things(&server).await;
    server
}

async fn thing(server: &Server, name: &str, labels: &Value) -> u64 {
    let thing = json!({"metadata": {"name": name, "labels": labels}, "spec": {}});
    server.post("/things", &thing).await.expect(201).version()
}

async fn report(server: &Server, name: &str, number: u64) -> u64 {
    let status = json!({"status": {"number": number}});
    server.put(&format!("/things/{name}/status"), &status).await.expect(200).version()
}

/// The next event that is no bookmark.
async fn change(watch: &mut Watch) -> Event {
    loop {
        let event = watch.event().await;
        if event.kind != "BOOKMARK" {
            return event;
        }
    }
}

fn told(event: &Event) -> (&str, &str, u64) {
    (&event.kind, event.name(), event.version())
}

#[tokio::test]
async fn a_watch_tells_the_state_and_then_every_change() {
    let server = things().await;
    thing(&server, "a", &json!({})).await;
    thing(&server, "b", &json!({})).await;
    for framing in [Framing::Lines, Framing::ServerSentEvents] {
        let list = server.get("/things").await;
        let mut watch =
            server.watch_as("/things?watch=true", framing, &[]).await.expect("it opens");
        let media_type = watch.headers["content-type"].to_str().expect("text").to_owned();
        let expected =
            if framing == Framing::Lines { "application/x-ndjson" } else { "text/event-stream" };
        assert!(media_type.starts_with(expected), "{media_type}");
        let (objects, version) = watch.state().await;
        assert_eq!(Value::Array(objects), list.json());
        assert_eq!(version.to_string(), list.header("pintle-resource-version"));
        let created = thing(&server, "c", &json!({})).await;
        let reported = report(&server, "c", created).await;
        let gone = server.get("/things/c").await.json();
        server.delete("/things/c").await.expect(200);
        let (one, two, three) =
            (change(&mut watch).await, change(&mut watch).await, change(&mut watch).await);
        assert_eq!(told(&one), ("ADDED", "c", created));
        assert_eq!(told(&two), ("MODIFIED", "c", reported));
        // The last state, with the version of the deletion.
        assert_eq!((three.kind.as_str(), three.name()), ("DELETED", "c"));
        assert!(three.version() > reported);
        assert_eq!(
            (&three.object["status"], &three.object["metadata"]["uid"]),
            (&gone["status"], &gone["metadata"]["uid"])
        );
        if framing == Framing::ServerSentEvents {
            assert_eq!(two.id, Some(reported.to_string()));
            assert_eq!(three.id, Some(three.version().to_string()));
        }
    }
}

#[tokio::test]
async fn a_watch_of_nothing_begins_with_its_bookmark() {
    let server = things().await;
    let mut watch = server.watch("/things?watch=true").await;
    assert_eq!(watch.state().await.0, [] as [Value; 0]);
}

/// From any version on, a watch tells what came after it: by query, or by the id of the last event.
#[tokio::test]
async fn a_watch_resumes_after_the_version_that_it_is_given() {
    let server = things().await;
    let mut versions = vec![thing(&server, "a", &json!({})).await];
    for number in 0..6 {
        versions.push(report(&server, "a", number).await);
    }
    for (index, version) in versions.iter().enumerate() {
        let id = version.to_string();
        let query = format!("/things?watch=true&resourceVersion={version}");
        // What the client saw last wins over where it began.
        let began = "/things?watch=true&resourceVersion=1";
        let last_seen = [("last-event-id", id.as_str())];
        let mut watches = [
            server.watch(&query).await,
            server.watch_as(&query, Framing::ServerSentEvents, &[]).await.expect("it opens"),
            server.watch_as(began, Framing::ServerSentEvents, &last_seen).await.expect("it opens"),
        ];
        // Another object marks the end of what there was.
        let marker = thing(&server, &format!("marker-{index}"), &json!({})).await;
        for watch in &mut watches {
            let mut seen = Vec::new();
            loop {
                let event = change(watch).await;
                if event.version() == marker {
                    break;
                }
                if event.name() == "a" {
                    assert_eq!(event.kind, "MODIFIED");
                    seen.push(event.version());
                }
            }
            assert_eq!(seen, versions[index + 1..], "after {version}");
        }
    }
}

#[tokio::test]
async fn objects_come_into_a_selector_and_leave_it() {
    let server = things().await;
    for selector in ["labelSelector=watched=yes", "labelSelector=watched"] {
        let mut watch = server.watch(&format!("/things?watch=true&{selector}")).await;
        watch.state().await;
        let path = "/things/t";
        let label = async |value: Value| {
            let labels = json!({"metadata": {"labels": {"watched": value}}});
            server.patch(path, &labels).await.expect(200).version()
        };
        thing(&server, "t", &json!({})).await;
        let entered = label(json!("yes")).await;
        let changed = report(&server, "t", 1).await;
        let left = label(Value::Null).await;
        report(&server, "t", 2).await;
        let again = label(json!("yes")).await;
        server.delete(path).await.expect(200);
        assert_eq!(told(&change(&mut watch).await), ("ADDED", "t", entered));
        assert_eq!(told(&change(&mut watch).await), ("MODIFIED", "t", changed));
        // The last state that was seen, with the version of the change that took it away.
        let leave = change(&mut watch).await;
        assert_eq!(told(&leave), ("DELETED", "t", left));
        assert_eq!(
            (&leave.object["status"]["number"], &leave.object["metadata"]["labels"]["watched"]),
            (&json!(1), &json!("yes"))
        );
        assert_eq!(told(&change(&mut watch).await), ("ADDED", "t", again));
        let gone = change(&mut watch).await;
        assert_eq!((gone.kind.as_str(), gone.name()), ("DELETED", "t"));
    }
}

#[tokio::test]
async fn fields_and_namespaces_select_too() {
    let server = Server::devices().await;
    server.post("/namespaces", &json!({"metadata": {"name": "lab"}})).await.expect(201);
    let mut ready = server.watch("/devices?watch=true&fieldSelector=status.phase=Ready").await;
    let mut lab = server.watch("/devices?watch=true&namespace=lab").await;
    assert_eq!((ready.state().await.0.len(), lab.state().await.0.len()), (0, 0));
    let phase = async |phase: &str| {
        server.put("/devices/dev-123/status", &json!({"phase": phase})).await.expect(200).version()
    };
    let entered = phase("Ready").await;
    let left = phase("Offline").await;
    let body = json!({"metadata": {"name": "l"}, "spec": {"name": "l", "location": "lab"}});
    let placed = server.post("/devices?namespace=lab", &body).await.expect(201).version();
    assert_eq!(told(&change(&mut ready).await), ("ADDED", "dev-123", entered));
    assert_eq!(told(&change(&mut ready).await), ("DELETED", "dev-123", left));
    assert_eq!(told(&change(&mut lab).await), ("ADDED", "l", placed));
}

#[tokio::test]
async fn versions_that_nobody_was_given_are_refused() {
    let server = things().await;
    for (version, reason) in [
        ("99999999", "INVALID_RESOURCE_VERSION"),
        ("seven", "INVALID_RESOURCE_VERSION"),
        ("-1", "INVALID_RESOURCE_VERSION"),
        ("18446744073709551616", "INVALID_RESOURCE_VERSION"),
    ] {
        let path = format!("/things?watch=true&resourceVersion={version}");
        let refused =
            server.watch_as(&path, Framing::Lines, &[]).await.expect_err("no such version");
        assert_eq!((refused.status, refused.at("/reason")), (400, json!(reason)), "{version}");
        let header = [("last-event-id", version)];
        let refused =
            server.watch_as("/things?watch=true", Framing::ServerSentEvents, &header).await;
        assert_eq!(refused.expect_err("no such version").status, 400, "{version}");
    }
}

#[tokio::test]
async fn a_watch_ends_when_its_time_is_up() {
    let server = things().await;
    let mut watch = server.watch("/things?watch=true&timeoutSeconds=1").await;
    watch.state().await;
    while let Some(event) = watch.next().await {
        assert_eq!(event.kind, "BOOKMARK");
    }
}

/// Writes until history no longer reaches back to the first version, and gives back the error.
///
/// Nothing tells when history is cut, so short watches ask again and again.
async fn until_expired(server: &Server, version: u64) -> Event {
    for round in 0..60 {
        let path = format!("/things?watch=true&timeoutSeconds=1&resourceVersion={version}");
        let mut watch = server.watch(&path).await;
        report(server, "a", 1_000 + round).await;
        while let Some(event) = watch.next().await {
            if event.kind == "ERROR" {
                assert_eq!(watch.next().await, None, "an error ends the watch");
                return event;
            }
        }
    }
    panic!("version {version} never got too old");
}

#[tokio::test]
async fn a_version_that_is_too_old_is_an_error_event_and_the_end() {
    // By age, and by size.
    for limits in [
        ["--history-age=1ms", "--history-bytes-max=1GiB"],
        ["--history-age=1h", "--history-bytes-max=4KiB"],
    ] {
        let server = Launch::bare().arg(limits[0]).arg(limits[1]).start().await;
        declare_things(&server).await;
        let created = thing(&server, "a", &json!({})).await;
        for number in 0..100 {
            report(&server, "a", number).await;
        }
        let error = until_expired(&server, created).await;
        assert_eq!(
            (&error.object["code"], &error.object["reason"]),
            (&json!(410), &json!("EXPIRED")),
            "{limits:?}: {error:?}"
        );
        // Exactly at the line: from there on everything is told.
        let oldest = error.object["oldestResourceVersion"].as_str().expect("a version");
        let path = format!("/things?watch=true&timeoutSeconds=1&resourceVersion={oldest}");
        let mut watch = server.watch(&path).await;
        let newest = report(&server, "a", 0).await;
        let mut last = oldest.parse().expect("a number");
        while last < newest {
            let event = change(&mut watch).await;
            assert_eq!(event.kind, "MODIFIED", "{limits:?}: {event:?}");
            assert!(event.version() > last);
            last = event.version();
        }
        // A watch with no version begins with the state, however old the rest is.
        assert_eq!(server.watch("/things?watch=true").await.state().await.0.len(), 1);
    }
}

#[tokio::test]
async fn watches_end_with_the_server_and_resume_on_the_next() {
    let mut server = things().await;
    thing(&server, "a", &json!({})).await;
    let mut watch = server.watch("/things?watch=true").await;
    let (_, mut last) = watch.state().await;
    let mut written = 0;
    let mut seen = Vec::new();
    for _ in 0..3 {
        for _ in 0..20 {
            written += 1;
            report(&server, "a", written).await;
        }
        server.terminate();
        while let Some(event) = watch.next().await {
            assert_ne!(event.kind, "ERROR", "{event:?}");
            last = event.version();
            seen.extend(event.object["status"]["number"].as_u64());
        }
        assert!(server.ended().await.success(), "{}", server.stderr());
        server.start_again().await;
        watch = server.watch(&format!("/things?watch=true&resourceVersion={last}")).await;
    }
    written += 1;
    report(&server, "a", written).await;
    while seen.last() != Some(&written) {
        seen.extend(change(&mut watch).await.object["status"]["number"].as_u64());
    }
    assert_eq!(seen, (1..=written).collect::<Vec<_>>(), "each report once, and in order");
}

/// A stop waits for a watcher that never reads, but not for longer than supervisors wait.
#[tokio::test]
async fn a_watcher_that_never_reads_does_not_prevent_a_stop() {
    let mut server = things().await;
    thing(&server, "a", &json!({})).await;
    let stalled = server.watch("/things?watch=true").await;
    // More than the sockets between the two take.
    for number in 0..20 {
        large_report(&server, number).await;
    }
    let begun = std::time::Instant::now();
    assert!(server.stop().await.success(), "{}", server.stderr());
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
    drop(stalled);
}

const LARGE: usize = 1024 * 1024;

async fn large_report(server: &Server, number: u64) {
    let status = json!({"status": {"number": number, "text": "x".repeat(LARGE)}});
    server.put("/things/a/status", &status).await.expect(200);
}

/// The number of the next report, found without reading a megabyte of JSON.
async fn large_change(watch: &mut Watch) -> u64 {
    loop {
        let line = watch.line().await.expect("the watch goes on");
        if line.starts_with(r#"{"type":"MODIFIED""#) {
            let (_, after) = line.split_once(r#""number":"#).expect("reports have a number");
            let number = after.split([',', '}']).next().unwrap_or_default();
            return number.parse().expect("numbers are whole");
        }
    }
}

/// The memory of a process that is in RAM, in bytes.
pub(crate) fn resident_bytes(server: &Server) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1024)
}

/// Over a hundred megabytes go past a watcher that does not read. The others are told at once, the
/// server keeps none of it in memory for the slow one, and that one misses nothing.
#[tokio::test]
async fn a_slow_watcher_costs_nobody_anything() {
    const SOME: u64 = 80;
    const ALL: u64 = SOME + 112;
    let server = things().await;
    thing(&server, "a", &json!({})).await;
    large_report(&server, 0).await;
    let mut slow = server.watch("/things?watch=true").await;
    let mut fast = server.watch("/things?watch=true").await;
    slow.state().await;
    fast.state().await;
    // The newest history is kept in memory up to a limit, which is reached first.
    for number in 1..=SOME {
        large_report(&server, number).await;
        assert_eq!(large_change(&mut fast).await, number);
    }
    let before = resident_bytes(&server);
    for number in SOME + 1..=ALL {
        large_report(&server, number).await;
        assert_eq!(large_change(&mut fast).await, number);
    }
    if let (Some(before), Some(after)) = (before, resident_bytes(&server)) {
        let grown = after.saturating_sub(before) / LARGE;
        assert!(grown < 48, "{grown} MiB more for {} events of 1 MiB each", ALL - SOME);
    }
    for number in 1..=ALL {
        assert_eq!(large_change(&mut slow).await, number);
    }
}
