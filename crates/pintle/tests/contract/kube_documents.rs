//! What the Kubernetes door asks of the documents that it is sent, and says of what it leaves out.

use serde_json::{Value, json};

use crate::harness::http::Reply;
use crate::harness::server::Server;
use crate::kinds::{declare, with_versions};

const DEVICES: &str = "/apis/infra.example.io/v1/namespaces/default/devices";
const DEVICE: &str = "/apis/infra.example.io/v1/namespaces/default/devices/dev-123";
const THINGS: &str = "/apis/test.example.io/v1/namespaces/default/things";
const THING: &str = "/apis/test.example.io/v1/namespaces/default/things/t";
const SCALE: &str = "/apis/test.example.io/v1/namespaces/default/things/t/scale";

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

async fn send(server: &Server, request: (&str, &str, &str), body: &Value) -> Reply {
    let (method, path, kind) = request;
    server.send(method, path, &[("content-type", kind)], body.to_string()).await
}

/// A new device with some more metadata than a name.
fn device(metadata: &Value) -> Value {
    let mut device = json!({
        "apiVersion": "infra.example.io/v1", "kind": "Device", "metadata": {"name": "d"},
        "spec": {"name": "d", "location": "here"},
    });
    let fields = metadata.as_object().cloned().unwrap_or_default();
    device["metadata"].as_object_mut().unwrap().extend(fields);
    device
}

/// Things, which can be scaled and have an object inside.
async fn things() -> Server {
    let server = Server::devices().await;
    let embedded = json!({
        "type": "object", "x-kubernetes-embedded-resource": true,
        "x-kubernetes-preserve-unknown-fields": true,
    });
    let spec = json!({
        "type": "object",
        "properties": {"replicas": {"type": "integer"}, "template": embedded},
    });
    let status = json!({"type": "object", "properties": {"replicas": {"type": "integer"}}});
    let schema = json!({"type": "object", "properties": {"spec": spec, "status": status}});
    let version = json!({
        "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}, "scale": {
            "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
        }},
    });
    let versions = json!([version]);
    declare(&server, &with_versions("test.example.io", "things", "Thing", &versions)).await;
    send(&server, ("POST", THINGS, JSON), &thing(&json!({"replicas": 1}))).await.expect(201);
    server
}

fn thing(spec: &Value) -> Value {
    json!({
        "apiVersion": "test.example.io/v1", "kind": "Thing", "metadata": {"name": "t"},
        "spec": spec,
    })
}

#[tokio::test]
async fn a_scale_is_written_as_a_scale_of_this_object() {
    let server = things().await;
    let scale = server.get(SCALE).await.expect(200).json();
    let with = |pointer: &str, value: Value| {
        let mut scale = scale.clone();
        *scale.pointer_mut(pointer).unwrap() = value;
        scale
    };
    let object = server.get(THING).await.expect(200).json();
    for (body, told) in [
        (with("/kind", json!("Device")), "cannot be handled as a Scale"),
        (object, "cannot be handled as a Scale"),
        (with("/apiVersion", json!("autoscaling/v2")), "autoscaling/v1"),
        (with("/metadata/name", json!("other")), "does not match the name on the URL"),
        (with("/metadata/name", json!("")), "name must be provided"),
        (with("/metadata/namespace", json!("other")), "does not match the namespace"),
        (with("/metadata/creationTimestamp", json!("never")), "creationTimestamp"),
        (with("/spec/replicas", json!("two")), "replicas"),
    ] {
        let reply = send(&server, ("PUT", SCALE, JSON), &body).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        assert!(reply.text().contains(told), "{body}: {}", reply.text());
    }
    let renamed = json!({"metadata": {"name": "other"}, "spec": {"replicas": 5}});
    send(&server, ("PATCH", SCALE, MERGE), &renamed).await.expect(400);
    let five = json!({"spec": {"replicas": 5}});
    send(&server, ("PATCH", SCALE, STRATEGIC), &five).await.expect(415);
    assert_eq!(server.get(SCALE).await.expect(200).at("/spec/replicas"), 1);
    let bare = json!({"metadata": {"name": "t"}, "spec": {"replicas": 2}});
    send(&server, ("PUT", SCALE, JSON), &bare).await.expect(200);
    assert_eq!(server.get(SCALE).await.expect(200).at("/spec/replicas"), 2);
}

#[tokio::test]
async fn unknown_fields_of_a_scale_and_of_a_question_are_told() {
    let server = things().await;
    let scale = json!({
        "metadata": {"name": "t", "annotation": {}}, "spec": {"replicas": 3, "replica": 4}, "x": 1,
    });
    let unknown = ["spec.replica", "metadata.annotation", "x"];
    let review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let question = json!({
        "spec": {"resourceAttributes": {"verb": "get", "resource": "devices", "nmae": "d"}, "y": 1},
    });
    let asked = ["spec.resourceAttributes.nmae", "spec.y"];
    let tokens = "/apis/authentication.k8s.io/v1/tokenreviews";
    let token = json!({"spec": {"token": "t", "tokn": "t"}});
    for (method, path, kind, body, unknown, refused) in [
        ("PUT", SCALE, JSON, &scale, &unknown[..], 400),
        ("PATCH", SCALE, MERGE, &scale, &unknown[..], 422),
        ("POST", review, JSON, &question, &asked[..], 400),
        ("POST", tokens, JSON, &token, &["spec.tokn"][..], 400),
    ] {
        let done = if method == "POST" { 201 } else { 200 };
        for (validation, code) in
            [("Strict", refused), ("Warn", done), ("Ignore", done), ("", done)]
        {
            let asked = format!("{path}?fieldValidation={validation}");
            let reply = send(&server, (method, &asked, kind), body).await.expect(code);
            let told = match code {
                400 | 422 => reply.text(),
                _ => reply.headers("warning").join("\n"),
            };
            for field in unknown {
                let sentence = format!("unknown field \\\"{field}\\\"");
                let expected = validation != "Ignore";
                assert_eq!(told.contains(&sentence), expected, "{asked} {field}: {told}");
            }
        }
    }
    let twice = r#"{"metadata": {"name": "t"}, "spec": {"replicas": 7, "replicas": 8}}"#;
    for (validation, code) in [("Strict", 400), ("Warn", 200)] {
        let path = format!("{SCALE}?fieldValidation={validation}");
        let reply = server.send("PUT", &path, &[("content-type", JSON)], twice).await.expect(code);
        let told = reply.text() + reply.header("warning");
        assert!(told.contains("duplicate field \\\"spec.replicas\\\""), "{told}");
    }
}

/// An object in another one has metadata like every object.
#[tokio::test]
async fn the_metadata_of_an_embedded_object_is_metadata() {
    let server = things().await;
    let template = |metadata: &Value| {
        let template = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}});
        thing(&json!({"template": template}))
    };
    let put = async |path: &str, body: &Value| {
        let mut body = body.clone();
        let version = server.get(THING).await.json()["metadata"]["resourceVersion"].clone();
        body["metadata"]["resourceVersion"] = version;
        send(&server, ("PUT", path, JSON), &body).await
    };
    for (metadata, code, told) in [
        (json!({"labels": 5}), 400, "spec.template.metadata.labels"),
        (json!({"labels": {"a": 5}}), 400, "spec.template.metadata.labels"),
        (json!({"name": 5}), 400, "spec.template.metadata.name"),
        (json!({"generation": "x"}), 400, "spec.template.metadata.generation"),
        (json!("x"), 400, "spec.template.metadata"),
        (json!({"labels": {"a": "not a value"}}), 422, "spec.template.metadata.labels"),
        (json!({"annotations": {"no key": "x"}}), 422, "spec.template.metadata.annotations"),
        (json!({"name": "no/name"}), 422, "spec.template.metadata.name"),
    ] {
        let reply = put(THING, &template(&metadata)).await;
        assert_eq!(reply.status, code, "{metadata}: {}", reply.text());
        assert!(reply.text().contains(told), "{metadata}: {}", reply.text());
    }
    let unknown = template(&json!({"name": "p", "labels": {"a": "b"}, "lables": {"a": "b"}}));
    let strict = format!("{THING}?fieldValidation=Strict");
    let reply = put(&strict, &unknown).await.expect(400);
    assert!(reply.text().contains("spec.template.metadata.lables"), "{}", reply.text());
    let reply = put(THING, &unknown).await.expect(200);
    assert!(reply.header("warning").contains("spec.template.metadata.lables"));
    let stored = reply.at("/spec/template/metadata");
    assert_eq!(stored, json!({"name": "p", "labels": {"a": "b"}}));
    for version in ["a/b/c", "a//b"] {
        let mut wrong = template(&json!({}));
        wrong["spec"]["template"]["apiVersion"] = json!(version);
        let reply = put(THING, &wrong).await.expect(422);
        assert!(reply.text().contains("spec.template.apiVersion"), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_dry_run_is_asked_for_in_one_word() {
    let server = Server::devices().await;
    let other = device(&json!({}));
    let stored = server.get(DEVICE).await.expect(200).json();
    for dry in ["dryRun=", "dryRun", "dryRun=true", "dryRun=All&dryRun="] {
        for (method, path, kind, body) in [
            ("POST", DEVICES, JSON, &other),
            ("PUT", DEVICE, JSON, &stored),
            ("PATCH", DEVICE, MERGE, &json!({"spec": {"location": "there"}})),
            ("DELETE", DEVICE, JSON, &Value::Null),
            ("DELETE", DEVICES, JSON, &Value::Null),
        ] {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let path = format!("{path}?{dry}");
            let reply = server.send(method, &path, &[("content-type", kind)], body).await;
            assert_eq!(reply.status, 422, "{method} {path}: {}", reply.text());
        }
    }
    let options = json!({"dryRun": [""]});
    send(&server, ("DELETE", DEVICE, JSON), &options).await.expect(422);
    assert_eq!(server.get(DEVICE).await.expect(200).json(), stored);
}

#[tokio::test]
async fn metadata_is_read_before_it_is_passed_over() {
    let server = Server::devices().await;
    for metadata in [
        json!({"generation": "x"}),
        json!({"generation": 1.5}),
        json!({"deletionTimestamp": "x"}),
        json!({"creationTimestamp": 5}),
        json!({"uid": 5}),
        json!({"managedFields": "x"}),
        json!({"managedFields": [{"manager": 5}]}),
        json!({"generateName": 5}),
        json!({"selfLink": 5}),
        json!({"deletionGracePeriodSeconds": "x"}),
        json!({"labels": {"a": 5}}),
        json!({"ownerReferences": [{"controller": "yes"}]}),
    ] {
        let body = device(&metadata);
        let field = metadata.as_object().unwrap().keys().next().unwrap().clone();
        let reply = send(&server, ("POST", DEVICES, JSON), &body).await;
        assert_eq!(reply.status, 400, "{metadata}: {}", reply.text());
        assert!(reply.text().contains(&field), "{metadata}: {}", reply.text());
        assert!(reply.text().contains(r#"in version \"v1\""#), "{metadata}: {}", reply.text());
    }
    // What is not set, and what is set by the server, may be there.
    let fine = json!({
        "creationTimestamp": null, "generation": 7, "selfLink": "", "uid": "",
        "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30,
        "managedFields": [{"manager": "m", "operation": "Update", "fieldsV1": {"f:spec": {}},
            "time": "2026-01-01T00:00:00Z", "apiVersion": "v1", "fieldsType": "FieldsV1"}],
    });
    let made = send(&server, ("POST", DEVICES, JSON), &device(&fine)).await.expect(201);
    assert_eq!(made.headers.get("warning"), None);
    assert_eq!(made.at("/metadata/generation"), 1);
    assert_eq!(made.at("/metadata/deletionTimestamp"), Value::Null);
}

#[tokio::test]
async fn what_stands_twice_is_told_in_every_format() {
    let server = Server::devices().await;
    let yaml = "apiVersion: infra.example.io/v1\nkind: Device\nmetadata: {name: d}\n\
                spec:\n  name: d\n  location: here\n  location: there\n  colour: red\n";
    let json = r#"{"apiVersion": "infra.example.io/v1", "kind": "Device", "metadata": {"name": "d"},
        "spec": {"name": "d", "location": "here", "location": "there", "colour": "red"}}"#;
    let patch = r#"{"spec": {"location": "here", "location": "there", "colour": "red"}}"#;
    let twice = r#"duplicate field \"spec.location\""#;
    let unknown = r#"unknown field \"spec.colour\""#;
    for (method, path, kind, body, refused, done) in [
        ("POST", DEVICES, "application/yaml", yaml, 400, 201),
        ("POST", DEVICES, JSON, json, 400, 201),
        ("PATCH", DEVICE, MERGE, patch, 422, 200),
    ] {
        let strict = format!("{path}?fieldValidation=Strict");
        let reply = server.send(method, &strict, &[("content-type", kind)], body).await;
        assert_eq!(reply.status, refused, "{kind}: {}", reply.text());
        for told in [twice, unknown] {
            assert!(reply.text().contains(told), "{kind} {told}: {}", reply.text());
        }
        // As in upstream's default, nothing is refused for it, and the last one counts.
        for asked in ["", "&fieldValidation=Warn", "&fieldValidation=Ignore"] {
            let asked_path = format!("{path}?dryRun=All{asked}");
            let reply = server.send(method, &asked_path, &[("content-type", kind)], body).await;
            let warned = reply.headers("warning").join("\n");
            let reply = reply.expect(done);
            assert_eq!(reply.at("/spec/location"), "there", "{kind}");
            let expected = !asked.ends_with("Ignore");
            assert_eq!((warned.contains(twice), warned.contains(unknown)), (expected, expected));
        }
    }
    let broken =
        server.send("POST", DEVICES, &[("content-type", "application/yaml")], "a: [").await;
    assert!(!broken.expect(400).text().contains("Options"));
}

#[tokio::test]
async fn owners_and_finalizers_are_read_closely() {
    let server = Server::devices().await;
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"});
    let twice = device(&json!({"ownerReferences": [owner, owner]}));
    let dry = format!("{DEVICES}?dryRun=All");
    let reply = send(&server, ("POST", &dry, JSON), &twice).await.expect(201);
    assert_eq!(reply.at("/metadata/ownerReferences").as_array().map(Vec::len), Some(1));
    assert!(reply.header("warning").contains("ownerReferences"), "{}", reply.header("warning"));

    let mut misspelt = owner.clone();
    misspelt["blockOwnerdeletion"] = json!(true);
    let misspelt = device(&json!({"ownerReferences": [misspelt]}));
    let unknown = r#"unknown field \"metadata.ownerReferences[0].blockOwnerdeletion\""#;
    let reply = send(&server, ("POST", &dry, JSON), &misspelt).await.expect(201);
    assert!(reply.header("warning").contains(unknown), "{}", reply.header("warning"));
    let strict = format!("{dry}&fieldValidation=Strict");
    let reply = send(&server, ("POST", &strict, JSON), &misspelt).await.expect(400);
    assert!(reply.text().contains(unknown), "{}", reply.text());

    let both = json!({"finalizers": ["orphan", "foregroundDeletion"]});
    for (method, path, body) in [
        ("POST", DEVICES, device(&both)),
        ("PATCH", DEVICE, json!({"metadata": both})),
        ("PATCH", "/devices/dev-123", json!({"metadata": both})),
    ] {
        let kind = if method == "POST" { JSON } else { MERGE };
        let reply = send(&server, (method, path, kind), &body).await.expect(422);
        assert!(reply.text().contains("metadata.finalizers"), "{path}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_replace_names_its_object() {
    let server = Server::devices().await;
    for path in [DEVICE.to_owned(), format!("{DEVICE}/status")] {
        let mut body = server.get(DEVICE).await.expect(200).json();
        body["metadata"].as_object_mut().unwrap().remove("name");
        let reply = send(&server, ("PUT", &path, JSON), &body).await.expect(400);
        assert!(reply.text().contains("name must be provided"), "{}", reply.text());
    }
}
