//! Who writes status writes nothing else, and who writes anything else writes no status (groups 1
//! to 6 of the attack list).

use serde_json::{Value, json};

use super::{DEVICE, STATUS, devices, stored_status};
use crate::table::{Row, assert_sound, check, row};

/// What is not status: its path, and something that it could be set to.
fn foreign() -> Vec<(&'static str, Value)> {
    let owner = json!([{"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "u"}]);
    vec![
        ("spec", json!({"name": "mine", "location": "elsewhere"})),
        ("spec.location", json!("elsewhere")),
        ("metadata.labels", json!({"site": "elsewhere"})),
        ("metadata.labels.site", json!("elsewhere")),
        ("metadata.annotations", json!({"a": "b"})),
        ("metadata.finalizers", json!(["example.io/stay"])),
        ("metadata.ownerReferences", owner),
        ("metadata.deletionTimestamp", json!("2020-01-01T00:00:00Z")),
        ("metadata.deletionGracePeriodSeconds", json!(0)),
        ("metadata.creationTimestamp", json!("2020-01-01T00:00:00Z")),
        ("metadata.createdAt", json!("2020-01-01T00:00:00Z")),
        ("metadata.updatedAt", json!("2020-01-01T00:00:00Z")),
        ("metadata.generation", json!(99)),
        ("metadata.generateName", json!("other-")),
        ("metadata.managedFields", json!([])),
        ("metadata.anything", json!(1)),
        ("data", json!({"a": 1})),
        ("Spec", json!({"location": "elsewhere"})),
        ("Status", json!({"phase": "Error"})),
        ("__proto__", json!({"spec": {"location": "elsewhere"}})),
        ("constructor", json!({"prototype": {}})),
    ]
}

/// `{"a": {"b": value}}` for `a.b`.
fn nested(path: &str, value: &Value) -> Value {
    path.rsplit('.').fold(value.clone(), |inner, name| json!({name: inner}))
}

fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

/// A status write that would succeed, and one thing beside it that is not status.
fn mixed(path: &str, value: &Value) -> [Row; 8] {
    let mut document = nested(path, value);
    document["status"] = json!({"phase": "Error"});
    let mut nulled = nested(path, &Value::Null);
    nulled["status"] = json!({"phase": "Error"});
    let place = pointer(path);
    let write = json!({"op": "replace", "path": "/status/phase", "value": "Error"});
    let named = path.split('.').take(2).collect::<Vec<_>>();
    let field = if named.first() == Some(&"metadata") { named.join(".") } else { named[0].into() };
    let json_patch = |operation: Value| {
        let body = json!([write, operation]).to_string();
        row("1, 3: JSON patch", &format!("PATCH {STATUS}")).patch("json", body)
    };
    let refused = |row: Row, says: &str| row.is(422, "SPEC_WRITE_FORBIDDEN", says);
    let put = row("1: PUT", &format!("PUT {STATUS}")).json(document.to_string());
    let merge = row("1: merge", &format!("PATCH {STATUS}")).patch("merge", document.to_string());
    let null = row("1: null", &format!("PATCH {STATUS}")).patch("merge", nulled.to_string());
    let shorthand = json!({"status.phase": "Error", path: value}).to_string();
    let shorthand = row("1: shorthand", &format!("PATCH {STATUS}")).patch("shorthand", shorthand);
    [
        refused(put, &field),
        refused(merge, &field),
        refused(null, &field),
        refused(shorthand, &place),
        refused(json_patch(json!({"op": "add", "path": place, "value": value})), &place),
        refused(json_patch(json!({"op": "test", "path": place, "value": value})), &place),
        refused(json_patch(json!({"op": "remove", "path": place})), &place),
        refused(
            json_patch(json!({"op": "move", "from": place, "path": "/status/message"})),
            &place,
        ),
    ]
}

#[tokio::test]
async fn a_status_write_names_nothing_but_status() {
    let server = devices().await;
    let rows = foreign().into_iter().flat_map(|(path, value)| mixed(path, &value));
    check(&server, rows).await;
}

#[tokio::test]
async fn no_patch_of_a_status_reaches_out_of_it() {
    let server = devices().await;
    let spec = server.get(DEVICE).await.at("/spec");
    let same = json!({"spec": spec, "status": stored_status()}).to_string();
    let json_patch = |what: &str, operations: Value| {
        row(what, &format!("PATCH {STATUS}")).patch("json", operations.to_string())
    };
    let forbidden = |row: Row, says: &str| row.is(422, "SPEC_WRITE_FORBIDDEN", says);
    let copy = |from: &str, to: &str| json!([{"op": "copy", "from": from, "path": to}]);
    let moved = |from: &str, to: &str| json!([{"op": "move", "from": from, "path": to}]);
    let test = |path: &str, value: Value| json!([{"op": "test", "path": path, "value": value}]);
    let put =
        |body: &str| row("1: the spec as it is", &format!("PUT {STATUS}")).json(body.to_owned());
    check(
        &server,
        [
            forbidden(put(&same), "spec"),
            forbidden(
                json_patch("3: copy out", copy("/spec/location", "/status/message")),
                "/spec/location",
            ),
            forbidden(
                json_patch("3: copy in", copy("/status/message", "/spec/location")),
                "/spec/location",
            ),
            forbidden(
                json_patch("3: move in", moved("/status/message", "/spec/model")),
                "/spec/model",
            ),
            forbidden(json_patch("3: copy all", copy("", "/status/message")), "/"),
            forbidden(json_patch("3: copy spec", copy("/spec", "/status")), "/spec"),
            forbidden(
                json_patch("3: a guess", test("/spec/location", json!("datacenter-1"))),
                "/spec/location",
            ),
            forbidden(
                json_patch("3: a wrong guess", test("/spec/location", json!("x"))),
                "/spec/location",
            ),
            forbidden(
                json_patch("3: a guess", test("/metadata/labels/site", json!("dc1"))),
                "/metadata/labels/site",
            ),
            forbidden(
                json_patch("1: all", json!([{"op": "replace", "path": "", "value": {}}])),
                "/",
            ),
            forbidden(
                json_patch("1: metadata", json!([{"op": "remove", "path": "/metadata"}])),
                "/metadata",
            ),
            forbidden(
                json_patch(
                    "1: two roots",
                    json!([
                        {"op": "replace", "path": "/phase", "value": "Error"},
                        {"op": "test", "path": "/spec/location", "value": "x"},
                    ]),
                ),
                "/",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_main_write_leaves_status_alone() {
    let server = devices().await;
    let spec = server.get(DEVICE).await.at("/spec");
    let version = server.get(DEVICE).await.version();
    let ways = [
        ("PUT", "application/json", json!({"spec": spec, "status": {"phase": "Error"}})),
        ("PUT", "application/json", json!({"spec": spec, "status": {}})),
        ("PATCH", "application/merge-patch+json", json!({"status": {"phase": "Error"}})),
        ("PATCH", "application/merge-patch+json", json!({"status": null})),
        (
            "PATCH",
            "application/json-patch+json",
            json!([{"op": "replace", "path": "/status/phase", "value": "Error"}]),
        ),
        ("PATCH", "application/json-patch+json", json!([{"op": "remove", "path": "/status"}])),
        (
            "PATCH",
            "application/json-patch+json",
            json!([{"op": "copy", "from": "/spec/name", "path": "/status/message"}]),
        ),
        ("PATCH", "application/shorthand-patch+json", json!({"status.phase": "Error"})),
    ];
    let before = server.get(DEVICE).await.text();
    for (method, media_type, body) in ways {
        let headers = [("content-type", media_type)];
        let reply = server.send(method, DEVICE, &headers, body.to_string()).await.expect(200);
        assert!(reply.header("warning").contains("status was ignored"), "2: {method} {body}");
        assert_eq!(reply.text(), before, "2: {method} {body}");
    }
    assert_eq!(server.get(DEVICE).await.version(), version);
    // A status in a create is not stored, and a PUT creates nothing.
    let twin = json!({"metadata": {"name": "twin"}, "spec": spec, "status": {"phase": "Error"}});
    let created = server.post("/devices", &twin).await.expect(201);
    assert!(created.header("warning").contains("status was ignored"), "2: create");
    assert_eq!(created.at("/status"), json!({}), "2: create");
    server.put("/devices/missing", &twin).await.expect(400);
    server.put("/devices/missing", &json!({"spec": spec})).await.expect(404);
    assert_sound(&server).await;
}

/// Bodies that say they are about something else, or that can be read in two ways, for each of the
/// four writes that take a whole document or a merge patch.
#[tokio::test]
async fn a_document_is_about_what_its_path_says() {
    let server = devices().await;
    let spec = json!({"name": "other", "location": "elsewhere"});
    let lies = [
        (json!({"kind": "Widget"}), 400, "BAD_REQUEST", "kind"),
        (json!({"kind": "device"}), 400, "BAD_REQUEST", "kind"),
        (json!({"apiVersion": "infra.example.io/v2"}), 400, "BAD_REQUEST", "apiVersion"),
        (json!({"apiVersion": "example.io/v1"}), 400, "BAD_REQUEST", "apiVersion"),
        (json!({"apiVersion": "/v1"}), 400, "BAD_REQUEST", "apiVersion"),
        (json!({"metadata": {"name": "dev-124"}}), 400, "BAD_REQUEST", "metadata.name"),
        (json!({"metadata": {"name": "DEV-123"}}), 400, "BAD_REQUEST", "metadata.name"),
        (json!({"metadata": {"namespace": "other"}}), 400, "BAD_REQUEST", "metadata.namespace"),
        (json!({"metadata": {"name": 5}}), 422, "INVALID", "metadata.name"),
        (json!({"metadata": {"uid": "device-0123456789abcdef"}}), 409, "UID_MISMATCH", "device-"),
    ];
    let mut rows = Vec::new();
    for (lie, status, reason, says) in lies {
        let with = |lane: &str, value: &Value| {
            let mut document = lie.clone();
            document[lane] = value.clone();
            document.to_string()
        };
        let (main, reported) = (with("spec", &spec), with("status", &json!({"phase": "Error"})));
        rows.extend([
            row("4", &format!("PUT {DEVICE}")).json(main.clone()).is(status, reason, says),
            row("4", &format!("PUT {STATUS}")).json(reported.clone()).is(status, reason, says),
            row("4", &format!("PATCH {DEVICE}")).patch("merge", main).is(status, reason, says),
            row("4", &format!("PATCH {STATUS}")).patch("merge", reported).is(status, reason, says),
        ]);
    }
    check(&server, rows).await;
}

#[tokio::test]
async fn a_body_can_be_read_in_one_way_only() {
    let server = devices().await;
    let twice = [
        (STATUS, r#"{"status":{},"status":{"phase":"Error"}}"#, "status"),
        (STATUS, r#"{"status":{"phase":"Ready"},"\u0073tatus":{"phase":"Error"}}"#, "status"),
        (STATUS, r#"{"status":{"phase":"Ready","phase":"Error"}}"#, "phase"),
        (STATUS, r#"{"phase":"Ready","phase":"Error"}"#, "phase"),
        (STATUS, r#"{"status":{"conditions":[{"type":"A","type":"B","status":"True"}]}}"#, "type"),
        (
            STATUS,
            r#"{"metadata":{"resourceVersion":"1","resourceVersion":"2"},"status":{}}"#,
            "resourceVersion",
        ),
        (DEVICE, r#"{"spec":{"name":"a","location":"b"},"spec":{}}"#, "spec"),
        (DEVICE, r#"{"spec":{"name":"a","location":"b","location":"c"}}"#, "location"),
    ];
    let mut rows = Vec::new();
    for (path, body, says) in twice {
        let refused =
            |row: Row| row.is(400, "BAD_REQUEST", format!("{says}\" stands more than once"));
        rows.push(refused(row("4: twice", &format!("PUT {path}")).json(body)));
        rows.push(refused(row("4: twice", &format!("PATCH {path}")).patch("merge", body)));
    }
    let says_nothing = [
        ("{}", "empty object"),
        ("null", ""),
        ("[]", ""),
        ("5", ""),
        ("\"status\"", ""),
        ("true", ""),
        ("", ""),
        (" ", ""),
    ];
    for (body, says) in says_nothing {
        for path in [DEVICE, STATUS] {
            let put = row("4: no document", &format!("PUT {path}"));
            rows.push(put.json(body).is(400, "BAD_REQUEST", says));
        }
        let post = row("4: no document", "POST /devices");
        rows.push(post.json(body).is(400, "BAD_REQUEST", says));
        let condition = row("4: no document", &format!("PUT {STATUS}/conditions/Ready"));
        rows.push(condition.json(body).is(400, "BAD_REQUEST", says));
        if body != "{}" {
            for path in [DEVICE, STATUS] {
                let patch = row("4: no merge patch", &format!("PATCH {path}"));
                rows.push(patch.patch("merge", body).is(400, "BAD_REQUEST", ""));
                let patch = row("4: no shorthand", &format!("PATCH {path}"));
                rows.push(patch.patch("shorthand", body).is(400, "BAD_REQUEST", ""));
            }
        }
    }
    check(&server, rows).await;
}

/// Fields that nobody declared are dropped with a warning, and refused where the caller is strict;
/// none of them has a meaning by accident.
#[tokio::test]
async fn unknown_fields_mean_nothing() {
    let server = devices().await;
    let strict = "fieldValidation=Strict";
    let cases = [
        ("PUT", STATUS, json!({"Status": {}, "health": "Healthy"}), "status.Status"),
        ("PUT", STATUS, json!({"status": {"Phase": "Error"}}), "status.Phase"),
        ("PUT", STATUS, json!({"status": {"__proto__": {"phase": "Error"}}}), "status.__proto__"),
        ("PUT", STATUS, json!({"status": {"spec": {"location": "x"}}}), "status.spec"),
        ("PATCH", STATUS, json!({"status": {"constructor": {}}}), "status.constructor"),
        ("PATCH", DEVICE, json!({"spec": {"Location": "x"}}), "spec.Location"),
        ("PATCH", DEVICE, json!({"spec": {"__proto__": {"location": "x"}}}), "spec.__proto__"),
        ("PATCH", DEVICE, json!({"metadata": {"Labels": {"a": "b"}}}), "metadata.Labels"),
        ("PATCH", DEVICE, json!({"metadata": {"__proto__": {}}}), "metadata.__proto__"),
    ];
    let mut rows = Vec::new();
    for (method, path, body, says) in cases {
        let refused = row("4", &format!("{method} {path}?{strict}")).json(body.to_string());
        rows.push(refused.is(400, "UNKNOWN_FIELD", says));
        let warned = row("4", &format!("{method} {path}?dryRun=All")).json(body.to_string());
        rows.push(warned.is(200, "", ""));
    }
    check(&server, rows).await;
}

/// What the server keeps itself stays, whatever a client that sends back whole objects says of it.
#[tokio::test]
async fn the_servers_own_metadata_stays() {
    let server = devices().await;
    let forged = [
        json!({"generation": 99}),
        json!({"generation": null}),
        json!({"creationTimestamp": "1999-01-01T00:00:00Z"}),
        json!({"createdAt": 5, "updatedAt": []}),
        json!({"deletionTimestamp": "1999-01-01T00:00:00Z"}),
        json!({"deletionTimestamp": "1999-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}),
        json!({"generateName": "other-", "selfLink": "/elsewhere"}),
        json!({"managedFields": [{"manager": "x"}]}),
        json!({"uid": null, "name": null, "namespace": null, "resourceVersion": null}),
        json!({"uid": "", "name": "", "namespace": "", "resourceVersion": ""}),
    ];
    let mut rows = Vec::new();
    for metadata in forged {
        let body = json!({"metadata": metadata}).to_string();
        rows.push(row("1, 4", &format!("PUT {DEVICE}")).json(body.clone()).is(200, "", ""));
        rows.push(row("1, 4", &format!("PATCH {DEVICE}")).patch("merge", body).is(200, "", ""));
    }
    let wrong = [
        (json!({"labels": {"a": 1}}), "metadata.labels"),
        (json!({"labels": []}), "metadata.labels"),
        (json!({"annotations": {"a": {}}}), "metadata.annotations"),
        (json!({"finalizers": "a"}), "metadata.finalizers"),
        (json!({"finalizers": ["no slash or dot!"]}), "metadata.finalizers"),
        (json!({"ownerReferences": {}}), "metadata.ownerReferences"),
        (json!({"ownerReferences": [{"uid": "u"}]}), "metadata.ownerReferences"),
    ];
    for (metadata, says) in wrong {
        let body = json!({"metadata": metadata}).to_string();
        rows.push(row("4, 6", &format!("PUT {DEVICE}")).json(body).is(422, "INVALID", says));
    }
    let metadata = json!({"metadata": []}).to_string();
    rows.push(row("4", &format!("PUT {DEVICE}")).json(metadata).is(400, "BAD_REQUEST", "metadata"));
    check(&server, rows).await;
}

/// Owner references and finalizers do not turn the right to update into one to delete at once, or
/// to live for ever.
#[tokio::test]
async fn an_object_neither_owns_itself_nor_outlives_its_deletion() {
    let server = devices().await;
    let uid = server.get(DEVICE).await.at("/metadata/uid");
    let owner = json!({"apiVersion": "infra.example.io/v1", "kind": "Device", "name": "dev-123",
                       "uid": uid});
    let itself = json!({"metadata": {"ownerReferences": [owner]}});
    let reply = server.patch(DEVICE, &itself).await.expect(422);
    assert!(reply.text().contains("may not own itself"), "6: {}", reply.text());
    let stays = json!({"metadata": {"finalizers": ["example.io/stay"]}});
    server.patch(DEVICE, &stays).await.expect(200);
    server.delete(DEVICE).await.expect(200);
    let more = json!({"metadata": {"finalizers": ["example.io/stay", "example.io/for-ever"]}});
    let reply = server.patch(DEVICE, &more).await.expect(422);
    assert!(reply.text().contains("metadata.finalizers"), "6: {}", reply.text());
    server.patch(DEVICE, &json!({"metadata": {"finalizers": []}})).await.expect(200);
    server.get(DEVICE).await.expect(404);
    assert_sound(&server).await;
}

#[tokio::test]
async fn conditions_cannot_be_abused() {
    let server = devices().await;
    let many: Vec<Value> =
        (0..65).map(|index| json!({"type": format!("T{index}"), "status": "True"})).collect();
    let lists = [
        (
            json!([{"type": "A", "status": "True"}, {"type": "A", "status": "False"}]),
            "conditions[1]",
        ),
        (json!([{"type": "A", "status": "True", "observedGeneration": 99}]), "observedGeneration"),
        (json!([{"type": "A", "status": "True", "observedGeneration": -1}]), "observedGeneration"),
        (json!([{"type": "A", "status": "True", "observedGeneration": 1.5}]), "observedGeneration"),
        (json!([{"type": "A", "status": "True", "observedGeneration": "1"}]), "observedGeneration"),
        (json!([{"type": "A", "status": "Maybe"}]), "status"),
        (json!([{"type": "A", "status": "true"}]), "status"),
        (json!([{"type": "A", "status": true}]), "status"),
        (json!([{"type": "A"}]), "status"),
        (json!([{"status": "True"}]), "type"),
        (json!([{"type": "", "status": "True"}]), "type"),
        (json!([{"type": "no spaces", "status": "True"}]), "type"),
        (json!([{"type": "x".repeat(317), "status": "True"}]), "type"),
        (json!([{"type": null, "status": "True"}]), "type"),
        (json!([null]), "conditions[0]"),
        (json!(["Ready"]), "conditions[0]"),
        (json!({"Ready": "True"}), "conditions"),
        (json!("Ready"), "conditions"),
        (json!(many), "conditions"),
    ];
    let mut rows = Vec::new();
    for (list, says) in lists {
        let body = json!({"status": {"conditions": list}}).to_string();
        let put = row("5", &format!("PUT {STATUS}")).json(body.clone());
        rows.push(put.is(422, "INVALID", says));
        let patch = row("5", &format!("PATCH {STATUS}")).patch("merge", body);
        rows.push(patch.is(422, "INVALID", says));
    }
    check(&server, rows).await;
}

#[tokio::test]
async fn a_report_is_not_about_the_future_and_its_times_are_the_servers() {
    let server = devices().await;
    let future = json!({"status": {"observedGeneration": 2}}).to_string();
    let ahead = row("5: ahead of the spec", &format!("PATCH {STATUS}")).patch("merge", future);
    let mut forged = stored_status();
    forged["conditions"][0]["lastTransitionTime"] = json!("1999-01-01T00:00:00Z");
    let body = json!({"status": forged}).to_string();
    let forged = row("5: forged", &format!("PUT {STATUS}")).json(body);
    let rows =
        [ahead.is(422, "INVALID", "status.observedGeneration"), forged.is(200, "", "\"Ready\"")];
    check(&server, rows).await;
}

#[tokio::test]
async fn one_condition_is_what_its_path_says() {
    let server = devices().await;
    let one = |what: &str, request: &str| row(what, &format!("PUT {STATUS}/conditions/{request}"));
    let (good, long) = (r#"{"status":"True"}"#, "x".repeat(317));
    let gone = |kind: &str| {
        let gone = row("5: not there", &format!("DELETE {STATUS}/conditions/{kind}"));
        gone.is(404, "CONDITION_NOT_FOUND", kind)
    };
    let another = one("4: another type", "Ready").json(r#"{"type":"Other","status":"True"}"#);
    let encoded = one("11: encoded slash", "example.io%2FUp?dryRun=All").json(good);
    let read = row("5", &format!("GET {STATUS}/conditions/Ready"));
    let rows = [
        another.is(400, "BAD_REQUEST", "type"),
        encoded.is(200, "", "example.io/Up"),
        read.is(405, "METHOD_NOT_ALLOWED", "PUT, DELETE"),
        gone("None"),
        gone("ready"),
        one("5: no status", "Ready").json(r#"{"reason":"Why"}"#).is(422, "INVALID", "status"),
        one("1: a spec", "Ready?fieldValidation=Strict")
            .json(r#"{"status":"True","spec":{"location":"x"}}"#)
            .is(400, "UNKNOWN_FIELD", "spec"),
        one("5: long", &long).json(good).is(422, "INVALID", "type"),
        one("11: dots", "..").json(good).is(422, "INVALID", "type"),
        one("11: slash", "example.io/Up").json(good).is(404, "NOT_FOUND", ""),
        one("11: nothing", "").json(good).is(404, "NOT_FOUND", ""),
    ];
    check(&server, rows).await;
}
