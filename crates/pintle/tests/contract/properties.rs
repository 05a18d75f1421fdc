//! The contract as properties of the whole server: for any object and any write.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server};
use crate::harness::stream::Watch;
use crate::kinds::declare_things;

type Outcome = Result<(), TestCaseError>;

/// One server for all cases of a property; each case has objects of its own.
struct World {
    runtime: Runtime,
    server: Server,
    made: Cell<u32>,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(async {
            let server = Launch::bare().start().await;
            declare_things(&server).await;
            server
        });
        Self { runtime, server, made: Cell::default() }
    }

    fn check<S: Strategy>(
        &self,
        cases: u32,
        strategy: &S,
        holds: impl AsyncFn(S::Value) -> Outcome,
    ) {
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let checked =
            TestRunner::new(config).run(strategy, |value| self.runtime.block_on(holds(value)));
        if let Err(error) = checked {
            panic!("{error}");
        }
    }

    /// A watch of all things that are made from now on.
    fn watch(&self) -> Watch {
        self.runtime.block_on(async {
            let mut watch = self.server.watch("/things?watch=true").await;
            watch.state().await;
            watch
        })
    }

    /// Everything that an open watch tells until the creation of a new marker.
    async fn until_marker(&self, watch: &mut Watch) -> Vec<(String, u64)> {
        let (marker, _) = self.thing(&json!({}), &json!({})).await;
        let mut told = Vec::new();
        loop {
            let event = watch.event().await;
            if marker.ends_with(&format!("/{}", event.name())) {
                return told;
            }
            if event.kind != "BOOKMARK" {
                told.push((event.kind.clone(), event.version()));
            }
        }
    }

    /// A new thing, and its path.
    async fn thing(&self, metadata: &Value, spec: &Value) -> (String, Reply) {
        let name = format!("case-{}", self.made.replace(self.made.get() + 1));
        let mut thing = json!({"metadata": metadata, "spec": spec});
        thing["metadata"]["name"] = json!(name);
        (format!("/things/{name}"), self.server.post("/things", &thing).await.expect(201))
    }
}

/// Any JSON, not too large.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no others", |number| number.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z]{1,4}", any_json(), 0..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>()))
}

/// The part of metadata that users own.
fn any_metadata() -> impl Strategy<Value = Value> {
    let words = || prop::collection::btree_map("[a-z]{1,8}", "[a-zA-Z0-9]{0,8}", 0..3);
    let annotations = prop::collection::btree_map("[a-z]{1,8}", any::<String>(), 0..3);
    let finalizers = prop::collection::btree_set("example[.]io/[a-z]{1,8}", 0..3);
    (words(), annotations, finalizers).prop_map(|(labels, annotations, finalizers)| {
        json!({"labels": labels, "annotations": annotations, "finalizers": finalizers})
    })
}

/// One way to write a lane.
#[derive(Debug, Clone)]
enum LaneWrite {
    Put(Value),
    Merge(Value),
    JsonPatch(Value),
    Shorthand(Value),
}

fn any_lane_write() -> impl Strategy<Value = LaneWrite> {
    prop_oneof![
        any_object().prop_map(LaneWrite::Put),
        any_object().prop_map(LaneWrite::Merge),
        any_json().prop_map(LaneWrite::JsonPatch),
        any_object().prop_map(LaneWrite::Shorthand),
    ]
}

impl LaneWrite {
    /// Sends it to the lane of this name. All of these writes are good ones.
    async fn send(&self, server: &Server, path: &str, lane: &str) -> Reply {
        let path = if lane == "status" { format!("{path}/status") } else { path.to_owned() };
        let (method, format, body) = match self {
            Self::Put(value) => ("PUT", "json", json!({lane: value})),
            Self::Merge(value) => ("PATCH", "merge-patch+json", json!({lane: value})),
            Self::Shorthand(value) => ("PATCH", "shorthand-patch+json", json!({lane: value})),
            Self::JsonPatch(value) => (
                "PATCH",
                "json-patch+json",
                json!([{"op": "add", "path": format!("/{lane}/added"), "value": value}]),
            ),
        };
        let content_type = format!("application/{format}");
        let headers = [("content-type", content_type.as_str())];
        server.send(method, &path, &headers, body.to_string()).await.expect(200)
    }
}

/// An object as raw text, field by field, without one lane and what the server writes each time.
fn outside(reply: &Reply, lane: &str) -> BTreeMap<String, String> {
    let mut fields = raw_fields(&reply.text());
    fields.remove(lane);
    let metadata = fields.remove("metadata").expect("objects have metadata");
    for (name, text) in raw_fields(&metadata) {
        if !matches!(&*name, "resourceVersion" | "updatedAt") {
            fields.insert(format!("metadata.{name}"), text);
        }
    }
    fields
}

fn raw_fields(text: &str) -> BTreeMap<String, String> {
    let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).expect("an object");
    fields.into_iter().map(|(name, raw)| (name, raw.get().to_owned())).collect()
}

#[test]
fn a_status_write_changes_nothing_but_status() {
    let world = World::new();
    let strategy = (any_metadata(), any_object(), prop::collection::vec(any_lane_write(), 1..4));
    world.check(64, &strategy, async |(metadata, spec, writes)| {
        let (path, created) = world.thing(&metadata, &spec).await;
        for write in writes {
            let answer = write.send(&world.server, &path, "status").await;
            let stored = world.server.get(&path).await.expect(200);
            prop_assert_eq!(&answer.body, &stored.body, "the answer is what is stored");
            prop_assert_eq!(outside(&created, "status"), outside(&stored, "status"));
        }
        Ok(())
    });
}

#[test]
fn a_spec_write_never_changes_status() {
    let world = World::new();
    let status = |reply: &Reply| raw_fields(&reply.text()).remove("status");
    let strategy = (any_lane_write(), prop::collection::vec(any_lane_write(), 1..4));
    world.check(48, &strategy, async |(report, writes)| {
        let (path, _) = world.thing(&json!({}), &json!({})).await;
        let reported = report.send(&world.server, &path, "status").await;
        for write in writes {
            let answer = write.send(&world.server, &path, "spec").await;
            prop_assert_eq!(status(&reported), status(&answer));
            let smuggled = json!({"spec": {"a": 1}, "status": {"smuggled": true}});
            let smuggling = world.server.put(&path, &smuggled).await.expect(200);
            prop_assert_eq!(status(&reported), status(&smuggling));
            prop_assert!(!smuggling.header("warning").is_empty());
        }
        Ok(())
    });
}

#[test]
fn spec_and_status_writes_commute() {
    let world = World::new();
    let strategy = (any_object(), any_lane_write(), any_lane_write());
    world.check(48, &strategy, async |(spec, main, report)| {
        let mut ends = Vec::new();
        for lanes in [["spec", "status"], ["status", "spec"]] {
            let (path, _) = world.thing(&json!({}), &spec).await;
            for lane in lanes {
                let write = if lane == "spec" { &main } else { &report };
                write.send(&world.server, &path, lane).await;
            }
            let end = world.server.get(&path).await.json();
            ends.push((
                end["spec"].clone(),
                end["status"].clone(),
                end["metadata"]["generation"].clone(),
            ));
        }
        prop_assert_eq!(&ends[0], &ends[1]);
        Ok(())
    });
}

#[test]
fn each_change_is_one_event_and_no_change_is_none() {
    let world = World::new();
    let watch = Mutex::new(world.watch());
    let lane = prop_oneof![Just("spec"), Just("status")];
    let strategy = prop::collection::vec((lane, any_lane_write()), 1..6);
    let newest = Cell::new(0);
    world.check(48, &strategy, async |writes| {
        let (path, created) = world.thing(&json!({}), &json!({})).await;
        let mut expected = vec![("ADDED".to_owned(), created.version())];
        let mut before = created;
        for (lane, write) in writes {
            let once = write.send(&world.server, &path, lane).await;
            let again = write.send(&world.server, &path, lane).await;
            prop_assert_eq!(&once.body, &again.body, "written again, it changes nothing");
            prop_assert_eq!(once.etag(), again.etag());
            prop_assert_eq!(once.etag(), format!("\"{}\"", once.version()));
            let same = outside(&once, "") == outside(&before, "");
            prop_assert_eq!(same, once.version() == before.version(), "a version is a change");
            if !same {
                prop_assert!(once.version() > before.version());
                expected.push(("MODIFIED".to_owned(), once.version()));
            }
            before = once;
        }
        let told = world.until_marker(&mut *watch.lock().await).await;
        prop_assert_eq!(&told, &expected);
        prop_assert!(told.first().is_some_and(|(_, version)| *version > newest.get()));
        prop_assert!(told.is_sorted_by_key(|(_, version)| *version));
        newest.set(before.version());
        Ok(())
    });
}

#[test]
fn refused_and_dry_writes_leave_no_trace() {
    let world = World::new();
    let watch = Mutex::new(world.watch());
    world.check(32, &(any_object(), any_lane_write()), async |(spec, write)| {
        let (path, created) = world.thing(&json!({}), &spec).await;
        let server = &world.server;
        let status = format!("{path}/status");
        let boundary = json!({"spec": spec, "status": {"a": 1}});
        server.put(&status, &boundary).await.expect(422);
        let stale = [("if-match", "\"1\"")];
        let report = json!({"status": {"a": 1}});
        server.json("PUT", &status, &stale, &report).await.expect(412);
        server.json("PUT", &format!("{status}?dryRun=All"), &[], &report).await.expect(200);
        server.delete(&format!("{path}?dryRun=All")).await.expect(200);
        prop_assert_eq!(&server.get(&path).await.body, &created.body);
        let written = write.send(server, &path, "status").await;
        let told = world.until_marker(&mut *watch.lock().await).await;
        let mut expected = vec![("ADDED".to_owned(), created.version())];
        if written.version() != created.version() {
            expected.push(("MODIFIED".to_owned(), written.version()));
        }
        prop_assert_eq!(told, expected);
        Ok(())
    });
}
