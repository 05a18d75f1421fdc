//! Lists: selectors, pages, and the version that they show.

use serde_json::{Value, json};

use super::{check, names, text};
use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server};
use crate::kinds::declare_things;

async fn fleet(server: &Server) {
    for (name, tier, location) in [("a", "web", "dc1"), ("b", "web", "dc2"), ("c", "db", "dc1")] {
        let device = json!({
            "metadata": {"name": name, "labels": {"tier": tier, name: "yes"}},
            "spec": {"name": name, "location": location},
        });
        server.post("/devices", &device).await.expect(201);
    }
    server.patch("/devices/c/status", &json!({"phase": "Ready"})).await.expect(200);
    server.delete("/devices/dev-123").await.expect(200);
}

#[tokio::test]
async fn selectors_select() {
    let server = Server::devices().await;
    fleet(&server).await;
    let cases = [
        ("", "a b c"),
        ("labelSelector=tier=web", "a b"),
        ("labelSelector=tier%3D%3Dweb", "a b"),
        ("labelSelector=tier!=web", "c"),
        ("labelSelector=tier+in+(web,db)", "a b c"),
        ("labelSelector=tier%20notin%20(web)", "c"),
        ("labelSelector=a", "a"),
        ("labelSelector=!a", "b c"),
        ("labelSelector=tier=web,!a", "b"),
        ("labelSelector=", "a b c"),
        ("fieldSelector=metadata.name=b", "b"),
        ("fieldSelector=metadata.name!=b", "a c"),
        ("fieldSelector=metadata.namespace=default", "a b c"),
        ("fieldSelector=metadata.namespace=other", ""),
        ("fieldSelector=spec.location=dc1", "a c"),
        ("fieldSelector=status.phase=Ready", "c"),
        ("fieldSelector=spec.location=dc1,status.phase!=Ready", "a"),
        ("labelSelector=tier=web&fieldSelector=spec.location=dc2", "b"),
        ("labelSelector=tier=none", ""),
    ];
    for (query, expected) in cases {
        let list = server.get(&format!("/devices?{query}")).await.expect(200);
        assert_eq!(names(&list).join(" "), expected, "{query}");
    }
    assert_eq!(server.get("/devices?labelSelector=tier=none").await.text(), "[]");
}

#[tokio::test]
async fn queries_that_say_nothing_are_refused() {
    let server = Server::devices().await;
    let queries = [
        ("labelSelector=tier+in+(", "tier"),
        ("labelSelector==", ""),
        ("labelselector=tier", "labelSelector"),
        ("fieldSelector=spec.model=x", "spec.model"),
        ("fieldSelector=spec.location", ""),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("limit=1&limit=2", "twice"),
        ("continue=nonsense", "continue"),
        ("resourceVersion=5", "resourceVersion"),
        ("watch=perhaps", "watch"),
        ("watch=true&limit=1", "limit"),
        ("timeoutSeconds=soon", "timeoutSeconds"),
        ("labelSelector=%ff", "percent"),
    ];
    for (query, holds) in queries {
        check(&server, &[("GET", &format!("/devices?{query}"), "", 400, holds)]).await;
    }
}

/// The address in `Link`; nothing on the last page.
fn next(page: &Reply) -> Option<String> {
    let link = page.headers("link").into_iter().next()?;
    let (address, relation) = link.strip_prefix('<')?.split_once('>')?;
    assert_eq!(relation, "; rel=\"next\"");
    Some(address.to_owned())
}

fn number(version: &str) -> u64 {
    version.parse().expect("versions are numbers")
}

/// Pages are of one snapshot, whatever is written while they are read.
#[tokio::test]
async fn pages_show_one_version_while_writes_go_on() {
    let server = Launch::bare().start().await;
    declare_things(&server).await;
    let thing = |name: &str| json!({"metadata": {"name": name, "labels": {"mine": "yes"}}, "spec": {"n": 1}});
    for number in 0..25 {
        server.post("/things", &thing(&format!("t-{number:02}"))).await.expect(201);
    }
    let whole = server.get("/things").await.expect(200);
    for limit in [1, 4, 25, 26] {
        let mut seen: Vec<Value> = Vec::new();
        let mut versions = Vec::new();
        let mut path = Some(format!("/things?limit={limit}&labelSelector=mine"));
        let mut turn = 0;
        let start = server.get("/things").await.json();
        while let Some(this) = path {
            let page = server.get(&this).await.expect(200);
            let objects = page.json().as_array().cloned().expect("an array");
            assert!(objects.len() <= limit);
            seen.extend(objects);
            versions.push(page.header("pintle-resource-version").to_owned());
            path = next(&page);
            let change = json!({"spec": {"n": limit, "t": turn}});
            server.patch(&format!("/things/t-{turn:02}"), &change).await.expect(200);
            server.post("/things", &thing(&format!("late-{limit}-{turn}"))).await.expect(201);
            server.delete(&format!("/things/late-{limit}-{turn}")).await.expect(200);
            turn = (turn + 1) % 25;
        }
        assert_eq!(Value::Array(seen), start, "limit {limit}");
        versions.dedup();
        assert_eq!(versions.len(), 1, "all pages are of one version");
        assert!(number(&versions[0]) >= number(whole.header("pintle-resource-version")));
    }
}

/// A watch that begins where a list ends misses nothing.
#[tokio::test]
async fn the_version_of_a_list_is_a_place_to_watch_from() {
    let server = Server::devices().await;
    let list = server.get("/devices").await.expect(200);
    let version = list.header("pintle-resource-version");
    assert!(number(version) >= number(&text(&list.json()[0]["metadata"]["resourceVersion"])));
    let change = server.patch("/devices/dev-123", &json!({"model": "m"})).await.expect(200);
    let mut watch = server.watch(&format!("/devices?watch=true&resourceVersion={version}")).await;
    let event = watch.event().await;
    assert_eq!((event.kind.as_str(), event.version()), ("MODIFIED", change.version()));
    assert_eq!(event.object, change.json());
}
