//! What happens to objects by themselves, and what a start does.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::server::{Launch, Server, devices};
use crate::harness::stream::Watch;
use crate::kinds::{
    anything, condition, declare, declare_things, definition, until, until_settled,
};

const DEFINITIONS: &str = "/customresourcedefinitions";

async fn things() -> Server {
    let server = Launch::bare().start().await;
    declare_things(&server).await;
    server
}

/// A thing with more metadata than a name; gives back its uid.
async fn thing(server: &Server, name: &str, mut metadata: Value) -> String {
    metadata["name"] = json!(name);
    let created = server.post("/things", &json!({"metadata": metadata, "spec": {}})).await;
    created.expect(201).at("/metadata/uid").as_str().expect("text").to_owned()
}

fn owner(name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "test.example.io/v1", "kind": "Thing", "name": name, "uid": uid,
        "blockOwnerDeletion": true,
    })
}

/// Watchers are told a change when it is durable, which may be before the server itself has acted
/// on it. The answer to a declaration waits until it has, for everything up to there.
async fn until_followed(server: &Server) {
    let marker = definition("test.example.io", "markers", "Marker", &anything());
    declare(server, &marker).await;
}

/// Waits until an object of this name is gone.
async fn until_deleted(watch: &mut Watch, name: &str) {
    loop {
        let event = watch.event().await;
        if event.kind == "DELETED" && event.name() == name {
            return;
        }
    }
}

#[tokio::test]
async fn a_kind_is_served_by_the_request_after_its_declaration() {
    let server = Launch::bare().start().await;
    for number in 0..10 {
        let (plural, kind) = (format!("kinds{number}"), format!("Kind{number}"));
        server.get(&format!("/{plural}")).await.expect(404);
        declare(&server, &definition("test.example.io", &plural, &kind, &anything())).await;
        let object = json!({"metadata": {"name": "x"}, "spec": {"a": 1}});
        server.post(&format!("/{plural}"), &object).await.expect(201);
        server.put(&format!("/{plural}/x/status"), &json!({"status": {"b": 2}})).await.expect(200);
    }
    let mut watch = server.watch(&format!("{DEFINITIONS}?watch=true")).await;
    until(&mut watch, "kinds9.test.example.io", |object| {
        condition(object, "Established") == "True" && condition(object, "NamesAccepted") == "True"
    })
    .await;
}

#[tokio::test]
async fn a_changed_schema_holds_from_the_next_request_on() {
    let schema = |fields: Value| json!({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}});
    let server = Launch::bare().start().await;
    let gadgets = |fields| definition("test.example.io", "gadgets", "Gadget", &schema(fields));
    declare(&server, &gadgets(json!({"a": {"type": "string"}}))).await;
    let path = format!("{DEFINITIONS}/gadgets.test.example.io");
    let gadget = json!({"metadata": {"name": "g"}, "spec": {"a": "long text", "b": 1}});
    let created = server.post("/gadgets", &gadget).await.expect(201);
    assert_eq!(created.at("/spec"), json!({"a": "long text"}), "b is not known yet");
    // A new field is stored at once.
    server
        .put(&path, &gadgets(json!({"a": {"type": "string"}, "b": {"type": "integer"}})))
        .await
        .expect(200);
    let widened = server.put("/gadgets/g", &gadget).await.expect(200);
    assert_eq!(widened.at("/spec"), json!({"a": "long text", "b": 1}));
    // A tighter rule refuses at once, and what is stored stays and can be read.
    server
        .put(
            &path,
            &gadgets(json!({"a": {"type": "string", "maxLength": 3}, "b": {"type": "integer"}})),
        )
        .await
        .expect(200);
    let new = json!({"metadata": {"name": "h"}, "spec": {"a": "long text"}});
    server.post("/gadgets", &new).await.expect(422);
    server.put("/gadgets/g", &json!({"spec": {"a": "longer text"}})).await.expect(422);
    assert_eq!(server.get("/gadgets/g").await.expect(200).at("/spec/a"), "long text");
    server.put("/gadgets/g", &json!({"spec": {"a": "abc"}})).await.expect(200);
}

#[tokio::test]
async fn a_deleted_kind_takes_its_objects_along() {
    let mut server = things().await;
    thing(&server, "a", json!({})).await;
    thing(&server, "b", json!({})).await;
    let mut definitions = server.watch(&format!("{DEFINITIONS}?watch=true")).await;
    let mut objects = server.watch("/things?watch=true").await;
    objects.state().await;
    server.delete(&format!("{DEFINITIONS}/things.test.example.io")).await.expect(200);
    let new = json!({"metadata": {"name": "c"}, "spec": {}});
    let late = server.post("/things", &new).await.status;
    assert!(matches!(late, 404 | 405), "{late}");
    let mut gone = vec![objects.event().await, objects.event().await];
    gone.retain(|event| event.kind == "DELETED");
    assert_eq!(gone.len(), 2, "the objects go");
    until_deleted(&mut definitions, "things.test.example.io").await;
    until_followed(&server).await;
    server.get("/things").await.expect(404);
    server.get("/things/a").await.expect(404);
    // Nothing comes back with the kind, and nothing after a restart.
    server.restart().await;
    server.get("/things").await.expect(404);
    declare_things(&server).await;
    assert_eq!(server.get("/things").await.expect(200).text(), "[]");
}

/// An object that somebody holds keeps its kind until it is let go.
#[tokio::test]
async fn a_kind_waits_for_the_finalizers_of_its_objects() {
    let server = things().await;
    thing(&server, "held", json!({"finalizers": ["example.io/hold"]})).await;
    let mut definitions = server.watch(&format!("{DEFINITIONS}?watch=true")).await;
    let mut objects = server.watch("/things?watch=true").await;
    server.delete(&format!("{DEFINITIONS}/things.test.example.io")).await.expect(200);
    until(&mut objects, "held", |object| object["metadata"]["deletionTimestamp"].is_string()).await;
    until(&mut definitions, "things.test.example.io", |object| {
        condition(object, "Terminating") == "True"
    })
    .await;
    server.patch("/things/held", &json!({"metadata": {"finalizers": []}})).await.expect(200);
    until_deleted(&mut definitions, "things.test.example.io").await;
    until_followed(&server).await;
    server.get("/things").await.expect(404);
}

#[tokio::test]
async fn a_name_that_is_taken_is_said_to_be() {
    let server = things().await;
    // Another plural, and the kind's name of the first.
    let rival = definition("test.example.io", "rivals", "Thing", &anything());
    declare(&server, &rival).await;
    let mut watch = server.watch(&format!("{DEFINITIONS}?watch=true")).await;
    until(&mut watch, "rivals.test.example.io", |object| {
        condition(object, "NamesAccepted") == "False"
    })
    .await;
    server.get("/rivals").await.expect(404);
    server.get("/things").await.expect(200);
    // When the first goes, the name is free.
    server.delete(&format!("{DEFINITIONS}/things.test.example.io")).await.expect(200);
    until(&mut watch, "rivals.test.example.io", |object| {
        condition(object, "Established") == "True"
    })
    .await;
    server.get("/rivals").await.expect(200);
}

#[tokio::test]
async fn definitions_that_cannot_be_are_refused() {
    let server = Launch::bare().start().await;
    let good = definition("test.example.io", "things", "Thing", &anything());
    let with = |pointer: &str, value: Value| {
        let mut definition = good.clone();
        *definition.pointer_mut(pointer).expect("it is there") = value;
        definition
    };
    let cases = [
        (with("/metadata/name", json!("other.test.example.io")), "metadata.name"),
        (with("/spec/scope", json!("Galaxy")), "spec.scope"),
        (with("/spec/versions", json!([])), "spec.versions"),
        (with("/spec/versions/0/storage", json!(false)), "storage"),
        (with("/spec/versions/0/schema", json!({})), "schema"),
        (with("/spec/versions/0/schema/openAPIV3Schema/type", json!("array")), "openAPIV3Schema"),
    ];
    for (definition, holds) in cases {
        let reply = server.post(DEFINITIONS, &definition).await.expect(422);
        assert!(reply.text().contains(holds), "{holds}: {}", reply.text());
    }
    server.get("/things").await.expect(404);
}

#[tokio::test]
async fn a_finalizer_holds_an_object_until_it_goes() {
    let server = things().await;
    let uid =
        thing(&server, "a", json!({"finalizers": ["example.io/hold", "example.io/too"]})).await;
    let begun = server.delete("/things/a").await.expect(200);
    assert!(begun.text().contains("example.io/hold"), "{}", begun.text());
    let held = server.get("/things/a").await.expect(200);
    assert!(held.at("/metadata/deletionTimestamp").is_string());
    assert_eq!(held.at("/metadata/generation"), 2, "a deletion that begins is a new generation");
    // Deleting it again changes nothing; nothing new may hold it; its status is still written.
    server.delete("/things/a").await.expect(200);
    assert_eq!(server.get("/things/a").await.body, held.body);
    let more = json!({"metadata": {"finalizers": ["example.io/hold", "example.io/new"]}});
    server.patch("/things/a", &more).await.expect(422);
    server.put("/things/a/status", &json!({"status": {"closing": true}})).await.expect(200);
    let back = server
        .patch("/things/a", &json!({"metadata": {"deletionTimestamp": null}}))
        .await
        .expect(200);
    assert!(back.at("/metadata/deletionTimestamp").is_string(), "there is no way back");
    let mut watch = server.watch("/things?watch=true").await;
    watch.state().await;
    let one = json!({"metadata": {"finalizers": ["example.io/too"]}});
    server.patch("/things/a", &one).await.expect(200);
    let last =
        server.patch("/things/a", &json!({"metadata": {"finalizers": []}})).await.expect(200);
    assert_eq!(last.at("/metadata/uid"), uid);
    assert_eq!(last.at("/metadata/finalizers"), Value::Null, "it is as this write left it");
    assert!(last.at("/metadata/deletionTimestamp").is_string());
    assert_eq!(last.at("/status/closing"), true);
    server.get("/things/a").await.expect(404);
    assert_eq!(watch.event().await.kind, "MODIFIED");
    assert_eq!(watch.event().await.kind, "DELETED");
    let again = thing(&server, "a", json!({})).await;
    assert_ne!(again, uid, "a new object of that name");
}

/// The write that lets an object go is answered with what it made of it, on every door, though
/// nobody stores that any more; and whoever watches is told what was there last.
#[tokio::test]
async fn an_object_that_goes_is_answered_as_its_last_write_left_it() {
    let server = things().await;
    let merge = [("content-type", "application/merge-patch+json")];
    let path = |name: &str| format!("/apis/test.example.io/v1/namespaces/default/things/{name}");
    let gone = json!({"metadata": {"finalizers": null, "labels": {"a": "b"}}, "spec": {"c": 1}});
    let mut watch = server.watch("/things?watch=true").await;
    watch.state().await;
    for name in ["rest", "rest-put", "kube", "kube-dry", "graphql"] {
        thing(&server, name, json!({"finalizers": ["example.io/hold"]})).await;
        server.delete(&format!("/things/{name}")).await.expect(200);
        let held = server.get(&path(name)).await.expect(200).json();
        let mut whole = held.clone();
        whole["metadata"]["finalizers"] = json!([]);
        whole["metadata"]["labels"] = json!({"a": "b"});
        whole["spec"] = json!({"c": 1});
        let (rest, dry) = (format!("/things/{name}"), format!("{}?dryRun=All", path(name)));
        let object = match name {
            "rest" => server.patch(&rest, &gone).await.expect(200).json(),
            "rest-put" => server.put(&rest, &whole).await.expect(200).json(),
            "kube-dry" => server.send("PATCH", &dry, &merge, gone.to_string()).await.json(),
            "kube" => server.send("PATCH", &path(name), &merge, gone.to_string()).await.json(),
            _ => {
                let query = "mutation($input: PatchThingInput!) { patchThing(input: $input) { \
                             thing { json } errors { code message } } }";
                let input = json!({"ref": {"name": name}, "spec": {"c": 1},
                    "metadata": {"finalizers": [], "labels": {"a": "b"}}});
                let body = json!({"query": query, "variables": {"input": input}});
                let reply = server.post("/graphql", &body).await;
                let told = reply.at("/data/patchThing/thing/json");
                assert!(told.is_object(), "{}", reply.text());
                told
            }
        };
        let finalizers = &object["metadata"]["finalizers"];
        assert!(finalizers.is_null() || *finalizers == json!([]), "{name}: {object}");
        assert_eq!(object["metadata"]["labels"], json!({"a": "b"}), "{name}: {object}");
        assert!(object["metadata"]["deletionTimestamp"].is_string(), "{name}: {object}");
        assert_eq!(object["spec"], json!({"c": 1}), "{name}: {object}");
        let still = server.get(&rest).await.status;
        assert_eq!(still, if name == "kube-dry" { 200 } else { 404 }, "{name}");
        if still == 404 {
            let told = loop {
                let event = watch.event().await;
                if event.kind == "DELETED" {
                    break event;
                }
            };
            assert_eq!(told.object["metadata"]["finalizers"], held["metadata"]["finalizers"]);
        }
    }
}

#[tokio::test]
async fn what_is_owned_goes_after_its_owner() {
    let server = things().await;
    let parent = thing(&server, "parent", json!({})).await;
    let child =
        thing(&server, "child", json!({"ownerReferences": [owner("parent", &parent)]})).await;
    thing(&server, "grandchild", json!({"ownerReferences": [owner("child", &child)]})).await;
    thing(&server, "stranger", json!({})).await;
    let mut watch = server.watch("/things?watch=true").await;
    server.delete("/things/parent?propagationPolicy=Background").await.expect(200);
    server.get("/things/parent").await.expect(404);
    until_deleted(&mut watch, "grandchild").await;
    server.get("/things/child").await.expect(404);
    server.get("/things/stranger").await.expect(200);
}

#[tokio::test]
async fn an_owner_can_wait_for_what_it_owns() {
    let server = things().await;
    let parent = thing(&server, "parent", json!({})).await;
    let held =
        json!({"ownerReferences": [owner("parent", &parent)], "finalizers": ["example.io/hold"]});
    thing(&server, "child", held).await;
    let mut watch = server.watch("/things?watch=true").await;
    let begun = server
        .json("DELETE", "/things/parent", &[], &json!({"propagationPolicy": "Foreground"}))
        .await;
    begun.expect(200);
    until(&mut watch, "child", |object| object["metadata"]["deletionTimestamp"].is_string()).await;
    let waiting = server.get("/things/parent").await.expect(200);
    assert_eq!(waiting.at("/metadata/finalizers"), json!(["foregroundDeletion"]));
    server.patch("/things/child", &json!({"metadata": {"finalizers": []}})).await.expect(200);
    until_deleted(&mut watch, "child").await;
    until_deleted(&mut watch, "parent").await;
}

#[tokio::test]
async fn what_is_owned_can_be_let_go() {
    let server = things().await;
    let parent = thing(&server, "parent", json!({})).await;
    thing(&server, "child", json!({"ownerReferences": [owner("parent", &parent)]})).await;
    let mut watch = server.watch("/things?watch=true").await;
    server.delete("/things/parent?propagationPolicy=Orphan").await.expect(200);
    until_deleted(&mut watch, "parent").await;
    let child = server.get("/things/child").await.expect(200);
    assert_eq!(child.at("/metadata/ownerReferences"), Value::Null);
}

/// An object with two owners stays while one of them does.
#[tokio::test]
async fn one_owner_of_two_is_enough() {
    let server = things().await;
    let one = thing(&server, "one", json!({})).await;
    let two = thing(&server, "two", json!({})).await;
    let owners = json!({"ownerReferences": [owner("one", &one), owner("two", &two)]});
    thing(&server, "child", owners).await;
    let mut watch = server.watch("/things?watch=true").await;
    watch.state().await;
    server.delete("/things/one").await.expect(200);
    until(&mut watch, "child", |object| {
        object["metadata"]["ownerReferences"] == json!([owner("two", &two)])
    })
    .await;
    server.delete("/things/two").await.expect(200);
    until_deleted(&mut watch, "child").await;
}

#[tokio::test]
async fn a_deleted_namespace_is_emptied() {
    let server = things().await;
    server.post("/namespaces", &json!({"metadata": {"name": "lab"}})).await.expect(201);
    for name in ["a", "b"] {
        let thing = json!({"metadata": {"name": name, "namespace": "lab"}, "spec": {}});
        server.post("/things", &thing).await.expect(201);
    }
    let held = json!({"metadata": {"name": "held", "namespace": "lab", "finalizers": ["example.io/hold"]}});
    server.post("/things", &held).await.expect(201);
    thing(&server, "stays", json!({})).await;
    let mut namespaces = server.watch("/namespaces?watch=true").await;
    let mut objects = server.watch("/things?watch=true&namespace=lab").await;
    server.delete("/namespaces/lab").await.expect(200);
    until_deleted(&mut objects, "b").await;
    until(&mut namespaces, "lab", |object| object["status"]["phase"] == "Terminating").await;
    let late = json!({"metadata": {"name": "late", "namespace": "lab"}, "spec": {}});
    assert_eq!(
        server.post("/things", &late).await.expect(403).at("/reason"),
        "NAMESPACE_TERMINATING"
    );
    server.get("/things/held?namespace=lab").await.expect(200);
    server
        .patch("/things/held?namespace=lab", &json!({"metadata": {"finalizers": null}}))
        .await
        .expect(200);
    until_deleted(&mut namespaces, "lab").await;
    server.get("/namespaces/lab").await.expect(404);
    assert_eq!(server.get("/things?namespace=lab").await.text(), "[]");
    server.get("/things/stays").await.expect(200);
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let mut server = Server::devices().await;
    declare_things(&server).await;
    server.post("/namespaces", &json!({"metadata": {"name": "lab"}})).await.expect(201);
    thing(&server, "a", json!({"labels": {"a": "b"}, "finalizers": ["example.io/hold"]})).await;
    server
        .put("/things/a/status", &json!({"status": {"seen": [1, 2.5, null, "ü"]}}))
        .await
        .expect(200);
    server.delete("/things/a").await.expect(200);
    let paths = ["/things", "/devices", "/namespaces", DEFINITIONS, "/things/a/status"];
    let quiet = async |server: &Server| {
        let mut answers = Vec::new();
        for path in paths {
            let reply = server.get(path).await.expect(200);
            answers.push((reply.text(), reply.header("pintle-resource-version").to_owned()));
        }
        answers
    };
    until_settled(&server, "devices.infra.example.io").await;
    until_settled(&server, "things.test.example.io").await;
    let mut watch = server.watch("/namespaces?watch=true").await;
    until(&mut watch, "lab", |object| object["status"]["phase"] == "Active").await;
    drop(watch);
    let before = quiet(&server).await;
    server.restart().await;
    assert_eq!(quiet(&server).await, before, "a graceful stop, and the same files");
    server.kill_hard();
    server.start_again().await;
    assert_eq!(quiet(&server).await, before, "no graceful stop");
}

/// Files are applied at each start: definitions follow them, objects are only created by them.
#[tokio::test]
async fn files_are_applied_again_without_undoing_anything() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let copy = |name: &str, change: &dyn Fn(String) -> String| {
        let text = std::fs::read_to_string(devices().join(name)).expect("it is there");
        std::fs::write(dir.path().join(name), change(text)).expect("it can be written");
    };
    copy("device.crd.yaml", &|text| text);
    copy("dev-123.yaml", &|text| text);
    let mut server = Launch::bare().path(dir.path()).start().await;
    let uid = server.get("/devices/dev-123").await.at("/metadata/uid");
    server.patch("/devices/dev-123", &json!({"spec": {"location": "by hand"}})).await.expect(200);
    server.patch("/devices/dev-123/status", &json!({"phase": "Ready"})).await.expect(200);
    let definition = format!("{DEFINITIONS}/devices.infra.example.io");
    until_settled(&server, "devices.infra.example.io").await;
    let (before, defined) = (server.get("/devices/dev-123").await, server.get(&definition).await);
    server.restart().await;
    assert_eq!(server.get("/devices/dev-123").await.body, before.body, "nothing was written");
    assert_eq!(server.get(&definition).await.body, defined.body, "nothing was written");
    // The file of the definition changes, and the one of the object.
    copy("device.crd.yaml", &|text| text.replace("enum: [Pending,", "enum: [Asleep, Pending,"));
    copy("dev-123.yaml", &|text| text.replace("datacenter-1", "from the file"));
    server.restart().await;
    let after = server.get("/devices/dev-123").await;
    assert_eq!(after.body, before.body, "an object is only created from its file");
    server.patch("/devices/dev-123/status", &json!({"phase": "Asleep"})).await.expect(200);
    // What is edited meanwhile stays, as long as the file does.
    let edited = json!({"metadata": {"annotations": {"note": "mine"}}});
    server.patch(&definition, &edited).await.expect(200);
    server.restart().await;
    assert_eq!(server.get(&definition).await.at("/metadata/annotations/note"), "mine");
    assert_eq!(server.get("/devices/dev-123").await.at("/metadata/uid"), uid);
    // One that was deleted is made again.
    server.delete("/devices/dev-123").await.expect(200);
    server.restart().await;
    assert_eq!(
        server.get("/devices/dev-123").await.expect(200).at("/spec/location"),
        "from the file"
    );
}

#[tokio::test]
async fn a_start_that_cannot_be_says_why() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).expect("it can be written");
        file
    };
    let orphan = "apiVersion: none.example.io/v1\nkind: Nothing\nmetadata: {name: x}\n";
    let bad =
        "apiVersion: infra.example.io/v1\nkind: Device\nmetadata: {name: x}\nspec: {name: 7}\n";
    let cases = [
        (Launch::bare().path(file("orphan.yaml", orphan)), "orphan.yaml"),
        (Launch::bare().path(file("broken.yaml", "a: [")), "broken.yaml"),
        (Launch::bare().path(Path::new("/no/such/file.yaml")), "/no/such/file.yaml"),
        (Launch::devices().path(file("bad.yaml", bad)), "spec.location"),
        (Launch::bare().arg("--listen=0.0.0.0:0"), "--tokens"),
        (Launch::bare().arg("--history-age=soon"), "history-age"),
        (Launch::bare().arg("--policy").arg(file("policy.yaml", "- rolle: x\n")), "policy.yaml"),
    ];
    for (launch, holds) in cases {
        let output = launch.output();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(holds), "{holds}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}
