//! What the Kubernetes door says of kinds that get old, that go, and that clients know themselves.

use serde_json::{Value, json};

use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server};
use crate::harness::stream::{Framing, Watch};
use crate::kinds::{anything, declare, declare_things, with_versions};

const THINGS: &str = "/apis/test.example.io/v1/namespaces/default/things";
const DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.test.example.io";
const EVENTS: &str = "/api/v1/namespaces/default/events";
const NEW_EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/default/events";

async fn watch(server: &Server, path: &str) -> Watch {
    let headers = [("accept", "application/json")];
    server.watch_as(path, Framing::Lines, &headers).await.expect("it opens")
}

#[tokio::test]
async fn a_version_that_gets_old_says_so_with_every_answer() {
    let server = Launch::bare().start().await;
    let version = |name: &str, more: Value| {
        let mut version = json!({
            "name": name, "served": true, "storage": name == "v2",
            "subresources": {"status": {}}, "schema": {"openAPIV3Schema": anything()},
        });
        let fields = version.as_object_mut().unwrap();
        fields.extend(more.as_object().cloned().unwrap_or_default());
        version
    };
    let versions = json!([
        version("v1", json!({"deprecated": true})),
        version("v1beta1", json!({"deprecated": true, "deprecationWarning": "use v2, please"})),
        version("v2", json!({})),
    ]);
    declare(&server, &with_versions("test.example.io", "things", "Thing", &versions)).await;
    let old = "test.example.io/v1 Thing is deprecated";
    for (version, said) in [("v1", old), ("v1beta1", "use v2, please"), ("v2", "")] {
        let things = format!("/apis/test.example.io/{version}/namespaces/default/things");
        let thing = format!("{things}/t-{version}");
        let whole = json!({
            "apiVersion": format!("test.example.io/{version}"), "kind": "Thing",
            "metadata": {"name": format!("t-{version}")},
        });
        let merge = ("content-type", "application/merge-patch+json");
        let json = ("content-type", "application/json");
        let status = format!("{thing}/status");
        for (method, path, header, body) in [
            ("POST", &things, json, whole.to_string()),
            ("GET", &thing, json, String::new()),
            ("GET", &things, json, String::new()),
            ("PATCH", &thing, merge, "{}".to_owned()),
            ("PATCH", &status, merge, "{}".to_owned()),
            ("DELETE", &thing, json, String::new()),
            ("GET", &thing, json, String::new()),
        ] {
            let reply = server.send(method, path, &[header], body).await;
            let warning = reply.headers.get("warning").map(|it| it.to_str().unwrap());
            let expected = (!said.is_empty()).then(|| format!("299 - \"{said}\""));
            assert_eq!(warning, expected.as_deref(), "{method} {path}: {}", reply.text());
        }
        let watch = watch(&server, &format!("{things}?watch=true")).await;
        let warned =
            watch.headers.get("warning").is_some_and(|it| it.to_str().unwrap().contains(said));
        assert_eq!(warned, !said.is_empty(), "{version}");
    }
}

/// A kind of the same name is another kind: what is told of it is for those who ask for it.
#[tokio::test]
async fn a_watch_ends_with_its_kind() {
    let server = Launch::bare().start().await;
    declare_things(&server).await;
    server.post("/things", &json!({"metadata": {"name": "old"}})).await.expect(201);
    let mut kube = watch(&server, &format!("{THINGS}?watch=true")).await;
    let mut rest = server.watch("/things?watch=true").await;
    assert_eq!(kube.event().await.name(), "old");
    rest.state().await;
    let mut definitions = server.watch("/customresourcedefinitions?watch=true").await;
    server.delete(DEFINITION).await.expect(200);
    loop {
        let event = definitions.event().await;
        if event.kind == "DELETED" && event.name() == "things.test.example.io" {
            break;
        }
    }
    declare_things(&server).await;
    server.post("/things", &json!({"metadata": {"name": "new"}})).await.expect(201);

    let deleted = kube.event().await;
    assert_eq!((&*deleted.kind, deleted.name()), ("DELETED", "old"));
    assert_eq!(kube.next().await, None, "as upstream, it just ends");

    let deleted = rest.event().await;
    assert_eq!((&*deleted.kind, deleted.name()), ("DELETED", "old"));
    let last = rest.event().await;
    assert_eq!(last.kind, "ERROR", "{last:?}");
    assert!(last.object.to_string().contains("things.test.example.io"), "{last:?}");
    assert_eq!(rest.next().await, None);
    // Whoever asks anew is told of the new one.
    assert_eq!(watch(&server, &format!("{THINGS}?watch=true")).await.event().await.name(), "new");
}

/// A watch of which nothing happens ends as well.
#[tokio::test]
async fn an_idle_watch_ends_with_its_kind() {
    let server = Launch::bare().start().await;
    declare_things(&server).await;
    let mut kube = watch(&server, &format!("{THINGS}?watch=true&resourceVersion=1")).await;
    server.delete(DEFINITION).await.expect(200);
    assert_eq!(kube.next().await, None);
}

fn event(name: &str) -> Value {
    let about = json!({"kind": "User", "name": name, "namespace": "default"});
    json!({"metadata": {"name": name}, "involvedObject": about, "reason": "Seen", "type": "Normal"})
}

/// The name of an event begins with that of the object it is about, whatever that is.
#[tokio::test]
async fn events_are_named_after_any_object() {
    let server = Launch::bare().start().await;
    for name in ["system:foo.17a", "Upper.17b", "with_underscore.17c"] {
        server.post(EVENTS, &event(name)).await.expect(201);
        let found = server.get(&format!("{EVENTS}/{name}")).await.expect(200);
        assert_eq!(found.at("/metadata/name"), name);
        server.get(&format!("{NEW_EVENTS}/{name}")).await.expect(200);
        server.delete(&format!("{EVENTS}/{name}")).await.expect(200);
    }
    for name in ["a/b", "..", "a%b"] {
        server.post(EVENTS, &event(name)).await.expect(422);
    }
    let new = json!({
        "metadata": {"name": "system:foo.17d"}, "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "tests", "reportingInstance": "one", "action": "Look",
        "reason": "Seen", "type": "Normal", "regarding": {"kind": "User", "namespace": "default"},
    });
    let refused = server.post(NEW_EVENTS, &new).await.expect(422);
    assert!(refused.text().contains("metadata.name"), "{}", refused.text());
}

/// Options of another kind are not options: what they ask for would be passed over.
#[tokio::test]
async fn a_delete_takes_options_of_a_delete_only() {
    let server = Launch::bare().start().await;
    declare_things(&server).await;
    server.post("/things", &json!({"metadata": {"name": "t"}})).await.expect(201);
    let thing = format!("{THINGS}/t");
    let send = async |path: &str, body: Value| -> Reply {
        let json = [("content-type", "application/json")];
        server.send("DELETE", path, &json, body.to_string()).await
    };
    for body in [
        json!({"kind": "ConfigMap"}),
        json!({"kind": "ConfigMap", "apiVersion": "v1"}),
        json!({"kind": "DeleteOptions", "apiVersion": "nope/v1"}),
        json!({"kind": "Thing", "apiVersion": "test.example.io/v1"}),
        json!({"kind": 5}),
    ] {
        for path in [&*thing, THINGS] {
            let reply = send(path, body.clone()).await;
            assert_eq!(reply.status, 400, "{path} {body}: {}", reply.text());
        }
    }
    for (kind, version) in [
        ("DeleteOptions", "v1"),
        ("DeleteOptions", "meta.k8s.io/v1"),
        ("DeleteOptions", "test.example.io/v1"),
        ("DeleteOptions", ""),
        ("", "v1"),
    ] {
        let body = json!({"kind": kind, "apiVersion": version, "dryRun": ["All"]});
        send(&thing, body).await.expect(200);
    }
    server.get(&thing).await.expect(200);
}
