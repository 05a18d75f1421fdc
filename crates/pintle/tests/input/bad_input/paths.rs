//! Paths and queries (groups 11, 12, 15 and 25): each names one thing or nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::{DEVICE, STATUS, devices};
use crate::harness::server::{Launch, Server};
use crate::table::{Row, check, row};

#[tokio::test]
async fn a_path_names_one_place_or_none() {
    let server = devices().await;
    let nothing = |path: &str| row("11", &format!("GET {path}")).is(404, "NOT_FOUND", "");
    let no_kind = |path: &str| row("11", &format!("GET {path}")).is(404, "KIND_NOT_SERVED", "");
    let found = |path: &str| row("11", &format!("GET {path}")).is(200, "", "dev-123");
    let escapes = [
        "/devices/dev-123%2Fstatus",
        "/devices/dev-123%2fstatus",
        "/devices/..%2Fnamespaces",
        "/devices/..%2F..%2Fnamespaces%2Fdefault",
        "/devices/default%2Fdev-123",
        "/devices/../namespaces",
        "/devices/../namespaces/default",
        "/devices/./dev-123",
        "/devices/..",
        "/devices/%2e%2e",
        "/devices/.",
        "/devices/dev-123/..",
        "/devices/dev-123/../dev-123",
        "//devices",
        "//devices/dev-123",
        "/devices//dev-123",
        "/devices/dev-123//status",
        "/devices/dev-123//",
        "/devices//",
        "/",
        "//",
        "/devices/dev-123/spec",
        "/devices/dev-123/metadata",
        "/devices/dev-123/Status",
        "/devices/dev-123/status/phase",
        "/devices/dev-123/status/conditions",
        "/devices/dev-123/status/conditions/Ready/status",
        "/devices/dev-123/status%2Fconditions%2FReady",
        "/devices/DEV-123",
        "/devices/dev-123%00",
        "/devices/dev-123%20",
        "/devices/dev-123%0a",
        "/devices/%0d%0adev-123",
        "/devices/dev%E2%80%90123",
        "/devices/%EF%BD%84ev-123",
        "/devices/dev-123.",
        "/devices/dev-123*",
        "/devices/dev-",
        "/devices/*",
        // Overlong, cut short, and not UTF-8.
        "/devices/%c0%ae%c0%ae",
        "/devices/%c0%af",
        "/devices/%e0%80%ae",
        "/devices/%ff",
        "/devices/%ed%a0%80",
        "/devices/%",
        "/devices/%2",
        "/devices/%zz",
        "/devices/%u002e",
        "/devices%2Fdev-123/status/x",
        "/healthz/x",
        "/readyz/../devices",
    ];
    let kinds = [
        "/Devices",
        "/DEVICES/dev-123",
        "/device",
        "/dev",
        "/Device",
        "/devices%2Fdev-123",
        "/devices%20",
        "/devices.",
        "/devices./dev-123",
        "/devices.core",
        "/devices.io",
        "/devices.example.io",
        "/devices.infra.example.io.",
        "/devices.INFRA.example.io",
        "/devices.infra.example.io%00",
        "/.infra.example.io",
        "/d%C3%A9vices",
        "/dev%69ce",
        "/infra.example.io",
        "/status",
        "/..%2Fdevices",
        "/__proto__",
        "/..",
    ];
    let same = [
        "/devices/dev-123/",
        "/devices/dev%2D123",
        "/%64evices/dev-123",
        "/devices.infra.example.io/dev-123",
        "/devices%2Einfra.example.io/dev-123",
        "/devices/dev-123?",
        "/devices/dev-123?namespace=default",
        "/devices/dev-123?namespace=",
    ];
    let rows = escapes.map(nothing).into_iter().chain(kinds.map(no_kind)).chain(same.map(found));
    check(&server, rows).await;
}

#[tokio::test]
async fn a_method_does_what_its_place_can_do() {
    let server = devices().await;
    let mut rows = Vec::new();
    let places = [
        ("/devices", "GET, HEAD, POST"),
        (DEVICE, "GET, HEAD, PUT, PATCH, DELETE"),
        (STATUS, "GET, HEAD, PUT, PATCH"),
        ("/devices/dev-123/status/conditions/Ready", "PUT, DELETE"),
        ("/healthz", "GET, HEAD"),
    ];
    let methods =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FROB", "get", "Put"];
    for (place, allowed) in places {
        for method in methods {
            if !allowed.split(", ").any(|allowed| allowed == method) {
                let refused = row("11", &format!("{method} {place}")).json("{}");
                rows.push(refused.is(405, "METHOD_NOT_ALLOWED", allowed));
            }
        }
    }
    // Nothing overrides a method, and nobody speaks for others.
    for (name, value) in [
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-original-url", "/namespaces"),
        ("x-rewrite-url", "/namespaces"),
        ("impersonate-user", "system:admin"),
        ("x-remote-user", "admin"),
        ("x-forwarded-host", "example.io"),
        ("forwarded", "host=example.io"),
    ] {
        let same = row("15", &format!("GET {DEVICE}")).header(name, value);
        rows.push(same.is(200, "", "\"dev-123\""));
    }
    check(&server, rows).await;
}

fn refused(query: &str, says: &str) -> Row {
    row("12", &format!("GET /devices?{query}")).is(400, "BAD_REQUEST", says)
}

fn no_version(query: &str) -> Row {
    let asked = row("12", &format!("GET /devices?{query}"));
    asked.is(400, "INVALID_RESOURCE_VERSION", "resourceVersion")
}

#[tokio::test]
async fn a_query_is_understood_or_refused() {
    let server = devices().await;
    let many = vec!["a"; 101].join(",");
    let mut rows = vec![
        refused("labelselector=site", "labelselector"),
        refused("__proto__=1", "__proto__"),
        refused("watch=true&watch=false", "stands twice"),
        refused("namespace=a&namespace=b", "stands twice"),
        refused("namespace=a&%6eamespace=b", "stands twice"),
        refused("watch=maybe", "watch"),
        refused("by=spec", "by"),
        refused("limit=-1", "limit"),
        refused("limit=1.5", "limit"),
        refused("limit=1e3", "limit"),
        refused("limit=99999999999999999999", "limit"),
        refused("limit=%D9%A1", "limit"),
        refused("timeoutSeconds=-1&watch", "timeoutSeconds"),
        refused("timeoutSeconds=18446744073709551616&watch", "timeoutSeconds"),
        refused("dryRun=all", "dryRun"),
        refused("fieldValidation=strict", "fieldValidation"),
        refused("conflictScope=spec", "conflictScope"),
        refused("propagationPolicy=Sideways", "propagationPolicy"),
        refused("fieldManager=", "fieldManager"),
        refused("fieldManager=a%0ab", "fieldManager"),
        refused(&format!("fieldManager={}", "x".repeat(129)), "fieldManager"),
        refused("%zz=1", "percent"),
        refused("labelSelector=%ff", "percent"),
        refused("labelSelector=a%3D%3D%3Db", "label"),
        refused("labelSelector=a%20in%20(b", "label"),
        refused("labelSelector=in%20(b)", "label"),
        refused("labelSelector=a%3Db%00", "label"),
        refused(&format!("labelSelector={many}"), "label"),
        refused(&format!("labelSelector={}", "x".repeat(20_000)), "label"),
        refused("fieldSelector=spec.model%3Dx", "spec.model"),
        refused("fieldSelector=status.message%3Dx", "status.message"),
        refused("fieldSelector=metadata.labels.site%3Ddc1", "metadata.labels.site"),
        refused("fieldSelector=spec", "operator"),
        refused("fieldSelector=%3Dx", "field"),
        refused("fieldSelector=spec.location%3Da%3Db", "field"),
        refused(&format!("fieldSelector={}", "x".repeat(20_000)), "field"),
    ];
    let fine =
        |query: &str, says: &str| row("12", &format!("GET /devices?{query}")).is(200, "", says);
    rows.extend([
        fine("limit=18446744073709551615", "dev-123"),
        fine("labelSelector=site%3Ddc2", "[]"),
        fine("fieldSelector=spec.location%3Ddatacenter-2", "[]"),
        fine("namespace=nowhere", "[]"),
        fine("namespace=defaul", "[]"),
        fine("namespace=default%2Fdev-123", "[]"),
        fine("namespace=..", "[]"),
    ]);
    check(&server, rows).await;
}

#[tokio::test]
async fn a_list_goes_on_and_a_watch_begins_where_the_server_said() {
    let server = devices().await;
    let token = |text: &str| format!("continue={}", URL_SAFE_NO_PAD.encode(text));
    let mut rows = vec![
        refused("resourceVersion=1", "watch"),
        refused("continue=!!!", "continue token"),
        refused("continue=%00", "continue token"),
        refused(&format!("continue={}", "A".repeat(10_000)), "continue token"),
        refused(&token("2/1/default/a"), "continue token"),
        refused(&token("1/01/default/a"), "continue token"),
        refused(&token("1/-1/default/a"), "continue token"),
        refused(&token("1/x/default/a"), "continue token"),
        refused(&token("1/1/default"), "continue token"),
        refused(&token("1/18446744073709551616/default/a"), "continue token"),
        no_version(&token("1/18446744073709551615/default/a")),
        no_version(&token("1/1000000/default/a")),
        refused("watch&limit=1", "list"),
        refused("watch&continue=x", "list"),
        no_version("watch&resourceVersion=abc"),
        no_version("watch&resourceVersion=01"),
        no_version("watch&resourceVersion=-1"),
        no_version("watch&resourceVersion=1000000"),
        no_version("watch&resourceVersion=18446744073709551616"),
    ];
    for id in ["abc", "-1", "99999999999999999999", "1,2"] {
        rows.push(no_version("watch").header("last-event-id", id));
    }
    check(&server, rows).await;
}

/// A kind whose names begin with, end with or contain those of another one.
fn kind(plural: &str, group: &str, scope: &str) -> String {
    let (first, rest) = plural.split_at(1);
    let kind = first.to_ascii_uppercase() + rest;
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}},
            }],
        },
    })
    .to_string()
}

async fn lookalikes() -> Server {
    let server = Launch::bare().arg("--store=memory").start().await;
    let kinds = [
        ("foo", "a.io", "Namespaced"),
        ("foobar", "a.io", "Namespaced"),
        ("foo", "b.a.io", "Namespaced"),
        ("b", "a.io", "Cluster"),
        ("roles", "a.io", "Namespaced"),
    ];
    let json = [("content-type", "application/json")];
    for (plural, group, scope) in kinds {
        let kind = kind(plural, group, scope);
        server.send("POST", "/customresourcedefinitions", &json, kind).await.expect(201);
    }
    for namespace in ["a", "ab", "a-b"] {
        server.post("/namespaces", &json!({"metadata": {"name": namespace}})).await.expect(201);
    }
    let places = [
        ("/foo.a.io?namespace=a", "in-a"),
        ("/foo.a.io?namespace=ab", "in-ab"),
        ("/foo.a.io?namespace=a-b", "in-a-b"),
        ("/foobar?namespace=a", "longer"),
        ("/foo.b.a.io?namespace=a", "elsewhere"),
        ("/b", "everywhere"),
        ("/roles.a.io?namespace=a", "mine"),
    ];
    for (path, name) in places {
        server.post(path, &json!({"metadata": {"name": name}})).await.expect(201);
    }
    server
}

/// Names are no prefixes of each other's (CVE-2022-3162), and a namespace does not make an object
/// of cluster scope another one (CVE-2019-11247).
#[tokio::test]
async fn no_name_reaches_into_another() {
    let server = lookalikes().await;
    let names = async |path: &str| -> Vec<String> {
        let list = server.get(path).await.expect(200).json();
        let objects = list.as_array().expect("a list").iter();
        objects
            .map(|object| object["metadata"]["name"].as_str().unwrap_or("?").to_owned())
            .collect()
    };
    assert_eq!(names("/foo.a.io").await, ["in-a", "in-a-b", "in-ab"]);
    assert_eq!(names("/foo.a.io?namespace=a").await, ["in-a"]);
    assert_eq!(names("/foo.a.io?namespace=ab").await, ["in-ab"]);
    assert_eq!(names("/foobar").await, ["longer"]);
    assert_eq!(names("/foo.b.a.io").await, ["elsewhere"]);
    let get = |path: &str| row("11", &format!("GET {path}"));
    let missing = |row: Row| row.is(404, "NOT_FOUND", "");
    check(
        &server,
        [
            get("/foo").is(404, "AMBIGUOUS_KIND", "/foo.a.io or /foo.b.a.io"),
            get("/foo/in-a?namespace=a").is(404, "AMBIGUOUS_KIND", "/foo.a.io"),
            // A kind of that plural is declared, and takes nothing from the server's own.
            get("/roles").is(200, "", "[]"),
            get("/roles.a.io/mine?namespace=a").is(200, "", "mine"),
            missing(get("/foo.a.io/in-a")),
            missing(get("/foo.a.io/in-a?namespace=ab")),
            missing(get("/foo.a.io/a%2Fin-a")),
            missing(get("/foobar/in-a?namespace=a")),
            missing(get("/foo.b.a.io/in-a?namespace=a")),
            get("/foo.a.io/in-a?namespace=a").is(200, "", "in-a"),
            get("/b/everywhere").is(200, "", "everywhere"),
            get("/b/everywhere?namespace=a").is(400, "BAD_REQUEST", "namespace"),
            get("/b?namespace=a").is(400, "BAD_REQUEST", "namespace"),
            row("11", "POST /b").json(r#"{"metadata":{"name":"x","namespace":"a"}}"#).is(
                400,
                "BAD_REQUEST",
                "metadata.namespace",
            ),
            row("11", "POST /foo.a.io?namespace=a")
                .json(r#"{"metadata":{"name":"x","namespace":"ab"}}"#)
                .is(400, "BAD_REQUEST", "metadata.namespace"),
            row("11", "POST /foo.a.io?namespace=none").json(r#"{"metadata":{"name":"x"}}"#).is(
                404,
                "NAMESPACE_NOT_FOUND",
                "none",
            ),
            row("11", "POST /foo.a.io?namespace=..").json(r#"{"metadata":{"name":"x"}}"#).is(
                404,
                "NAMESPACE_NOT_FOUND",
                "..",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn names_are_checked_to_the_letter() {
    let server = devices().await;
    let spec = json!({"name": "n", "location": "x"});
    let make = |metadata: &serde_json::Value| {
        let body = json!({"metadata": metadata, "spec": spec}).to_string();
        row("11, 22", "POST /devices?dryRun=All").json(body)
    };
    let named = |name: &str| make(&json!({"name": name}));
    let labelled = |key: &str, value: &str| make(&json!({"name": "x", "labels": {key: value}}));
    let (longest, label) = ("a.".repeat(126) + "a", "l".repeat(63));
    let bad_names = [
        "..", ".", "a/b", "a%2Fb", "A", "a_b", "-a", "a-", "a..b", "a b", "\u{e9}", "a\u{0}", "a\n",
    ];
    let mut rows: Vec<Row> =
        bad_names.iter().map(|name| named(name).is(422, "INVALID", "metadata.name")).collect();
    rows.extend([
        named(&longest).is(201, "", ""),
        named(&format!("{longest}a")).is(422, "INVALID", "253"),
        make(&json!({})).is(422, "INVALID", "metadata.name"),
        make(&json!({"generateName": "A-"})).is(422, "INVALID", "metadata.name"),
        make(&json!({"generateName": "x".repeat(1000)})).is(201, "", ""),
        labelled("a", &label).is(201, "", ""),
        labelled("a", &format!("{label}l")).is(422, "INVALID", "metadata.labels"),
        labelled(&label, "a").is(201, "", ""),
        labelled(&format!("{label}l"), "a").is(422, "INVALID", "metadata.labels"),
        labelled("a/b/c", "a").is(422, "INVALID", "metadata.labels"),
        labelled("/a", "a").is(422, "INVALID", "metadata.labels"),
        labelled("", "a").is(422, "INVALID", "metadata.labels"),
        labelled("a", "a b").is(422, "INVALID", "metadata.labels"),
        labelled("a", "a\u{0}").is(422, "INVALID", "metadata.labels"),
        labelled("__proto__", "a").is(422, "INVALID", "metadata.labels"),
    ]);
    let annotated =
        |bytes: usize| make(&json!({"name": "x", "annotations": {"a": "v".repeat(bytes - 1)}}));
    rows.extend([
        annotated(256 * 1024 - 1).is(201, "", ""),
        annotated(256 * 1024).is(201, "", ""),
        annotated(256 * 1024 + 1).is(422, "INVALID", "metadata.annotations"),
    ]);
    check(&server, rows).await;
}
