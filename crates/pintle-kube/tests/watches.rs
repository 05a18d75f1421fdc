//! Watches that ask alike are sent the same bytes, which are made once; those that do not, what
//! each asks for.

#![cfg(test)]

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{Request, Response};
use pintle_engine::{
    AccessMode, Conversions, Engine, Limits, RuleSource, Setup, SystemClock, SystemEntropy,
};
use pintle_http::{Body, Door as _, RequestBody};
use pintle_kube::{KubeDoor, KubeSettings};
use pintle_store::MemoryStore;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(2);

const CORE: &str = "/api/v1/namespaces/default/events";
const NEW: &str = "/apis/events.k8s.io/v1/namespaces/default/events";

const PLAIN: &str = "application/json";
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";
const OLD_TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1beta1";

/// Where, in which form, and with which query: no two of them are told events alike.
const FORMS: [(&str, &str, &str); 9] = [
    (CORE, PLAIN, ""),
    (NEW, PLAIN, ""),
    (CORE, PARTIAL, ""),
    (NEW, PARTIAL, ""),
    (CORE, TABLE, "includeObject=None"),
    (CORE, TABLE, ""),
    (CORE, TABLE, "includeObject=Object"),
    (CORE, OLD_TABLE, "includeObject=Object"),
    (NEW, TABLE, "includeObject=Object"),
];

/// A door to a server of the core kinds, which forgets everything.
async fn door() -> Arc<KubeDoor> {
    let setup = Setup {
        store: Arc::new(MemoryStore::default()),
        rules: RuleSource { mode: AccessMode::Open, policies: Vec::new() },
        hook: None,
        conversions: Conversions::default(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        limits: Limits::default(),
    };
    let engine = Engine::start(setup).await.unwrap();
    engine.calm().await;
    KubeDoor::new(engine, KubeSettings::default())
}

async fn ask(
    door: &Arc<KubeDoor>,
    method: &str,
    target: &str,
    accept: &str,
    body: &Value,
) -> Response<Body> {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { PLAIN };
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "localhost")
        .header("accept", accept)
        .header("content-type", kind)
        .body(RequestBody::from(Bytes::from(body.to_string())))
        .unwrap();
    Arc::clone(door).handle(request).await
}

async fn answer(door: &Arc<KubeDoor>, method: &str, target: &str, body: &Value) -> Value {
    whole(ask(door, method, target, PLAIN, body).await)
}

fn whole(response: Response<Body>) -> Value {
    let status = response.status();
    let Body::Whole(bytes) = response.into_body() else { panic!("a whole answer") };
    assert!(status.is_success(), "{status}: {bytes:?}");
    serde_json::from_slice(&bytes).unwrap()
}

struct Watch(Pin<Box<dyn Stream<Item = Bytes> + Send>>);

impl Watch {
    async fn open(door: &Arc<KubeDoor>, form: (&str, &str, &str), version: &str) -> Self {
        let (path, accept, query) = form;
        let target = format!("{path}?watch=true&resourceVersion={version}&{query}");
        match ask(door, "GET", &target, accept, &Value::Null).await.into_body() {
            Body::Endless(pieces) => Self(pieces),
            other => panic!("{target}: {other:?}"),
        }
    }

    /// The next piece, which is one event when nobody writes before it is taken.
    async fn next(&mut self) -> Bytes {
        tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap().unwrap()
    }
}

async fn create(door: &Arc<KubeDoor>, name: &str, message: &str) -> Value {
    let event = json!({
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {"kind": "Node", "name": "n", "namespace": "default"},
        "reason": "Tested", "message": message, "type": "Normal", "count": 1,
    });
    answer(door, "POST", CORE, &event).await
}

async fn change(door: &Arc<KubeDoor>, name: &str, message: &str) {
    let path = format!("{CORE}/{name}");
    answer(door, "PATCH", &path, &json!({"message": message})).await;
}

async fn newest(door: &Arc<KubeDoor>) -> String {
    let list = answer(door, "GET", CORE, &Value::Null).await;
    list["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn watches_that_ask_alike_are_sent_the_same_bytes() {
    let door = door().await;
    // Short ones are kept; long ones are there as long as somebody is sent them.
    for (name, message) in [("short", "x".to_owned()), ("long", "x".repeat(100_000))] {
        let version = newest(&door).await;
        for form in FORMS {
            let mut watches = Vec::new();
            for _ in 0..3 {
                watches.push(Watch::open(&door, form, &version).await);
            }
            let name = format!("{name}-{}", FORMS.iter().position(|it| *it == form).unwrap());
            create(&door, &name, "first").await;
            for watch in &mut watches {
                // The state of before, and in tables the names of the columns.
                while !String::from_utf8_lossy(&watch.next().await).contains(&name) {}
            }
            change(&door, &name, &message).await;
            let mut told = Vec::new();
            for watch in &mut watches {
                told.push(watch.next().await);
            }
            let first = &told[0];
            assert!(String::from_utf8_lossy(first).contains("MODIFIED"), "{form:?}: {first:?}");
            for other in &told {
                assert_eq!(
                    (other.as_ptr(), other.len()),
                    (first.as_ptr(), first.len()),
                    "{form:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn watches_that_ask_differently_are_told_differently() {
    let door = door().await;
    let version = newest(&door).await;
    let mut watches = Vec::new();
    for form in FORMS {
        watches.push((form, Watch::open(&door, form, &version).await));
        watches.push((form, Watch::open(&door, form, &version).await));
    }
    create(&door, "e", "first").await;
    check(&door, &mut watches, "ADDED", true).await;
    change(&door, "e", "second").await;
    check(&door, &mut watches, "MODIFIED", false).await;
}

/// Each watch is told what a GET in its form shows; tables name their columns once.
async fn check(
    door: &Arc<KubeDoor>,
    watches: &mut [((&str, &str, &str), Watch)],
    kind: &str,
    is_first: bool,
) {
    for (form, watch) in watches {
        let (path, accept, query) = *form;
        let target = format!("{path}/e?{query}");
        let mut shown = whole(ask(door, "GET", &target, accept, &Value::Null).await);
        let mut told: Value = serde_json::from_slice(&watch.next().await).unwrap();
        assert_eq!(told["type"], kind, "{form:?}");
        let object = &mut told["object"];
        if shown["kind"] == "Table" {
            let columns = object["columnDefinitions"].take();
            assert_eq!(
                columns,
                if is_first { shown["columnDefinitions"].take() } else { Value::Null }
            );
            shown["columnDefinitions"] = Value::Null;
            // Ages are of different moments.
            for table in [&mut shown, &mut *object] {
                table["rows"][0]["cells"].take();
            }
        }
        assert_eq!(*object, shown, "{form:?}");
    }
}
