//! Two controllers and a user write the same objects through the Kubernetes door, ten thousand
//! times in all: nothing that was acknowledged is lost, and every watcher, of whatever door and
//! however often it was cut off, is told the same in the same order.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::http::Reply;
use crate::harness::server::Server;
use crate::harness::stream::{Event, Framing};

const DEVICES: &str = "/apis/infra.example.io/v1/namespaces/default/devices";
const OBJECTS: usize = 4;
/// Each of the three writers of each object.
const WRITES: u64 = 834;

/// Who writes what. Each of them counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    User,
    Controller(&'static str),
}

const WRITERS: [Writer; 3] = [Writer::User, Writer::Controller("A"), Writer::Controller("B")];

/// How far each of the three had counted in an object.
type Counts = [u64; 3];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_writes_of_three_are_all_there_and_told_in_one_order() {
    let server = Arc::new(Server::devices().await);
    for object in 0..OBJECTS {
        let device = json!({"apiVersion": "infra.example.io/v1", "kind": "Device",
            "metadata": {"name": name(object)},
            "spec": {"name": "d", "location": "x", "config": {"count": "0"}}});
        server.post(DEVICES, &device).await.expect(201);
    }
    let from = server.get(DEVICES).await.expect(200).at("/metadata/resourceVersion");
    let from: u64 = from.as_str().and_then(|text| text.parse().ok()).expect("a version");
    let expected = OBJECTS * WRITERS.len() * usize::try_from(WRITES).expect("it is small");

    let mut watchers = JoinSet::new();
    for (path, cut_after) in [(DEVICES, usize::MAX), (DEVICES, 97), ("/devices", usize::MAX)] {
        watchers.spawn(follow(Arc::clone(&server), path, from, cut_after, expected));
    }
    let mut writers = JoinSet::new();
    for object in 0..OBJECTS {
        for writer in WRITERS {
            writers.spawn(count_up(Arc::clone(&server), name(object), writer));
        }
    }
    let conflicts: u64 = writers.join_all().await.into_iter().sum();
    let mut told = watchers.join_all().await;
    // One that begins when all is over is told the same.
    told.push(follow(Arc::clone(&server), DEVICES, from, usize::MAX, expected).await);
    println!("{expected} writes, {conflicts} conflicts");
    for other in &told[1..] {
        assert!(other == &told[0], "watchers were told different things, or in another order");
    }
    check_steps(&told[0]);
    for object in 0..OBJECTS {
        let device = server.get(&format!("{DEVICES}/{}", name(object))).await.expect(200).json();
        assert_eq!(counts(&device), [WRITES; 3], "{device}");
        assert_eq!(device["metadata"]["generation"], json!(WRITES + 1), "one for each spec");
    }
}

fn name(object: usize) -> String {
    format!("race-{object}")
}

/// Counts up by reading, adding one and writing what was read, until all of it is acknowledged; how
/// often somebody came between.
async fn count_up(server: Arc<Server>, name: String, writer: Writer) -> u64 {
    let path = format!("{DEVICES}/{name}");
    let written_to = match writer {
        Writer::User => path.clone(),
        Writer::Controller(_) => format!("{path}/status"),
    };
    let mut conflicts = 0;
    let mut device = server.get(&path).await.expect(200).json();
    for number in 1..=WRITES {
        loop {
            set(&mut device, writer, number);
            let reply: Reply = server.put(&written_to, &device).await;
            if reply.status == 200 {
                device = reply.json();
                break;
            }
            assert_eq!((reply.status, reply.at("/reason")), (409, json!("Conflict")));
            conflicts += 1;
            device = server.get(&path).await.expect(200).json();
        }
    }
    conflicts
}

fn set(device: &mut Value, writer: Writer, number: u64) {
    let Writer::Controller(kind) = writer else {
        device["spec"]["config"]["count"] = json!(number.to_string());
        return;
    };
    let condition = json!({"type": kind, "status": "True", "reason": "Counted",
        "message": number.to_string(), "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = device.as_object_mut().expect("an object").entry("status");
    let status = status.or_insert_with(|| json!({}));
    if status["conditions"].is_null() {
        status["conditions"] = json!([]);
    }
    let conditions = status["conditions"].as_array_mut().expect("a list");
    match conditions.iter_mut().find(|it| it["type"] == kind) {
        Some(found) => *found = condition,
        None => conditions.push(condition),
    }
}

fn counts(device: &Value) -> Counts {
    let number = |text: &Value| text.as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    let condition = |kind: &str| {
        let conditions = device["status"]["conditions"].as_array();
        let found = conditions.into_iter().flatten().find(|it| it["type"] == kind);
        found.map_or(0, |it| number(&it["message"]))
    };
    [number(&device["spec"]["config"]["count"]), condition("A"), condition("B")]
}

/// What a watcher is told after a version, by version: of which object, and how far it was. One
/// that is cut off goes on from the last version that it saw.
async fn follow(
    server: Arc<Server>,
    path: &'static str,
    from: u64,
    cut_after: usize,
    expected: usize,
) -> Vec<(u64, String, Counts)> {
    let mut told: Vec<(u64, String, Counts)> = Vec::new();
    while told.len() < expected {
        let after = told.last().map_or(from, |(version, ..)| *version);
        let query = format!("{path}?watch=true&resourceVersion={after}");
        let media_type = if path == DEVICES { "application/json" } else { "application/x-ndjson" };
        let mut watch = server
            .watch_as(&query, Framing::Lines, &[("accept", media_type)])
            .await
            .expect("the watch opens");
        let mut seen = 0;
        while seen < cut_after && told.len() < expected {
            let event: Event = watch.event().await;
            if event.kind == "MODIFIED" {
                told.push((event.version(), event.name().to_owned(), counts(&event.object)));
                seen += 1;
            }
        }
    }
    told
}

/// From event to event, one of the three has counted on by one, and nothing went back.
fn check_steps(told: &[(u64, String, Counts)]) {
    let mut before: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut last = 0;
    for (version, name, counts) in told {
        assert!(*version > last, "{version} after {last}");
        last = *version;
        let was = before.insert(name, *counts).unwrap_or_default();
        let steps: Vec<u64> = counts
            .iter()
            .zip(was)
            .map(|(now, was)| now.checked_sub(was).expect("it grows"))
            .collect();
        assert_eq!(steps.iter().sum::<u64>(), 1, "{name} at {version}: {was:?} became {counts:?}");
    }
}
