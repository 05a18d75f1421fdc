//! Declarations of kinds that want too much (groups 23 and 28): refused whole, and nobody is
//! called.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::server::{Launch, Server};
use crate::table::{Row, assert_sound, check, condition, judged, row};

/// A declaration of `widgets.example.io` whose only version has this schema for its spec.
fn widgets(spec: &Value) -> Value {
    declaration("widgets", "example.io", &[version("v1", true, spec)])
}

fn declaration(plural: &str, group: &str, versions: &[Value]) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": plural},
            "versions": versions,
        },
    })
}

fn version(name: &str, storage: bool, spec: &Value) -> Value {
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    json!({
        "name": name,
        "served": true,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    })
}

fn declare(what: &str, declaration: &Value) -> Row {
    row(what, "POST /customresourcedefinitions").json(declaration.to_string())
}

fn text() -> Value {
    json!({"type": "object", "properties": {"a": {"type": "string"}}})
}

/// `{"type": "object", "properties": {"a": …}}`, so many times.
fn nested(levels: usize) -> Value {
    (0..levels).fold(
        json!({"type": "string"}),
        |inner, _| json!({"type": "object", "properties": {"a": inner}}),
    )
}

fn pattern(pattern: &str) -> Value {
    json!({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}})
}

async fn bare() -> Server {
    Launch::bare().arg("--store=memory").start().await
}

#[tokio::test]
async fn a_declaration_that_breaks_rules_declares_nothing() {
    let server = bare().await;
    let invalid = |what: &str, spec: &Value, says: &str| {
        declare(what, &widgets(spec)).is(422, "INVALID", says)
    };
    let with = |change: &dyn Fn(&mut Value)| {
        let mut declaration = widgets(&text());
        change(&mut declaration["spec"]);
        declaration
    };
    let wrong = |what: &str, says: &str, change: &dyn Fn(&mut Value)| {
        declare(what, &with(change)).is(422, "INVALID", says)
    };
    let mut rows = vec![
        invalid("23: no pattern", &pattern("("), "pattern"),
        invalid("23: looks ahead", &pattern("(?=a)b"), "pattern"),
        invalid("23: looks back", &pattern(r"(a)\1"), "pattern"),
        invalid("23: repeats", &pattern("((((a{1000}){1000}){1000}){1000})"), "pattern"),
        invalid("23: long", &pattern(&"(a|b)?".repeat(200_000)), "pattern"),
        invalid("23: reference", &json!({"$ref": "#/definitions/a"}), "$ref"),
        invalid(
            "23: itself",
            &json!({"type": "object", "properties": {"a": {"$ref": "#"}}}),
            "$ref",
        ),
        invalid("23: no type", &json!({"properties": {"a": {}}}), "type"),
        invalid("23: odd type", &json!({"type": "float"}), "type"),
        invalid("23: deep default", &json!({"type": "object", "default": 5}), "default"),
        declare("23: deep", &widgets(&nested(200))).is(400, "BAD_REQUEST", "recursion"),
        wrong("23: no versions", "versions", &|spec| spec["versions"] = json!([])),
        wrong("23: none stored", "storage", &|spec| spec["versions"][0]["storage"] = json!(false)),
        wrong("23: two stored", "storage", &|spec| {
            let twice = [version("v1", true, &text()), version("v2", true, &text())];
            spec["versions"] = json!(twice);
        }),
        wrong("23: same name", "versions[1]", &|spec| {
            let twice = [version("v1", true, &text()), version("v1", false, &text())];
            spec["versions"] = json!(twice);
        }),
        wrong("23: no schema", "schema", &|spec| spec["versions"][0]["schema"] = json!({})),
        wrong("11: another plural", "metadata.name", &|spec| {
            spec["names"]["plural"] = json!("gadgets");
        }),
        wrong("11: another group", "metadata.name", &|spec| spec["group"] = json!("example.com")),
        wrong("11: no group", "group", &|spec| spec["group"] = json!("")),
        wrong("11: a path", "group", &|spec| spec["group"] = json!("../x")),
        wrong("11: odd scope", "scope", &|spec| spec["scope"] = json!("Everywhere")),
        wrong("23: odd kind", "names.kind", &|spec| spec["names"]["kind"] = json!("Wid/get")),
        wrong("28: no webhook", "conversion", &|spec| {
            spec["conversion"] = json!({"strategy": "Webhook"});
        }),
        declare("4: no JSON object", &json!([])).is(400, "BAD_REQUEST", "object"),
        declare("4: no spec", &json!({"metadata": {"name": "a.b"}})).is(422, "INVALID", "spec"),
    ];
    for (field, name) in [("plural", "a/b"), ("plural", ".."), ("plural", "A"), ("singular", "a.b")]
    {
        rows.push(wrong("11: names", "names", &|spec| spec["names"][field] = json!(name)));
    }
    check(&server, rows).await;
}

/// Upstream has no bound on versions but the size of the declaration: each of them works.
#[tokio::test]
async fn a_thousand_versions_are_served() {
    let server = bare().await;
    let versions: Vec<Value> =
        (1..=1000).map(|number| version(&format!("v{number}"), number == 1, &text())).collect();
    let declared = declaration("widgets", "example.io", &versions);
    server.post("/customresourcedefinitions", &declared).await.expect(201);
    let object = json!({"metadata": {"name": "w"}, "spec": {"a": "b"}});
    server.post("/widgets", &object).await.expect(201);
    for number in [1, 2, 500, 1000] {
        let version = format!("application/json;version=v{number}");
        let seen = server.send("GET", "/widgets/w", &[("accept", &version)], "").await.expect(200);
        assert_eq!(seen.at("/apiVersion"), format!("example.io/v{number}"), "23");
    }
    let beyond = [("accept", "application/json;version=v1001")];
    server.send("GET", "/widgets/w", &beyond, "").await.expect(406);
    assert_sound(&server).await;
}

/// Patterns cost time in proportion to the text, whatever they are.
#[tokio::test]
async fn a_catastrophic_pattern_is_no_catastrophe() {
    let server = bare().await;
    let evil = ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(.*a){20}$", "(x+x+)+y"];
    for (index, evil) in evil.into_iter().enumerate() {
        let group = format!("e{index}.example.io");
        let declared = declaration("widgets", &group, &[version("v1", true, &pattern(evil))]);
        server.post("/customresourcedefinitions", &declared).await.expect(201);
        let text = format!("{}!", "a".repeat(30_000));
        let object = json!({"metadata": {"name": "w"}, "spec": {"a": text}});
        let begun = Instant::now();
        server.post(&format!("/widgets.{group}"), &object).await.expect(422);
        assert!(begun.elapsed() < Duration::from_secs(5), "23: {evil}");
    }
    assert_sound(&server).await;
}

/// As deep as the reader goes, and no deeper; what is accepted works.
#[tokio::test]
async fn a_deep_schema_works_or_is_refused() {
    let server = bare().await;
    let mut accepted = 0;
    for levels in [10, 20, 40, 60, 100] {
        let group = format!("d{levels}.example.io");
        let declared = declaration("widgets", &group, &[version("v1", true, &nested(levels))]);
        let reply = server.post("/customresourcedefinitions", &declared).await;
        assert!(matches!(reply.status, 201 | 400 | 422), "23: {levels}: {}", reply.text());
        if reply.status != 201 {
            continue;
        }
        accepted = levels;
        let spec = (0..levels).fold(json!("x"), |inner, _| json!({"a": inner}));
        let object = json!({"metadata": {"name": "w"}, "spec": spec});
        let made = server.post(&format!("/widgets.{group}"), &object).await.expect(201);
        assert_eq!(made.at("/spec"), spec, "23: {levels}");
    }
    assert!(accepted >= 20, "23: schemas of real kinds are that deep");
    assert_sound(&server).await;
}

/// Nobody takes over a kind that is there, a name that is taken, or one of the server's own.
#[tokio::test]
async fn a_taken_name_stays_with_its_owner() {
    let server = bare().await;
    let mine = widgets(&text());
    server.post("/customresourcedefinitions", &mine).await.expect(201);
    server.post("/customresourcedefinitions", &mine).await.expect(409);
    let taken =
        |plural: &str, group: &str| declaration(plural, group, &[version("v1", true, &text())]);
    let mut cases = vec![taken("gadgets", "example.io")];
    let mut short = taken("things", "example.io");
    short["spec"]["names"] =
        json!({"kind": "Thing", "plural": "things", "shortNames": ["widgets"]});
    cases.push(short);
    for (kind, plural) in [("Role", "mine"), ("Mine", "ours")] {
        let mut core = taken(plural, "rbac.authorization.k8s.io");
        core["metadata"]["annotations"] =
            json!({"api-approved.kubernetes.io": "unapproved, a test"});
        core["spec"]["names"] = json!({"kind": kind, "plural": plural, "singular": "role"});
        cases.push(core);
    }
    for case in cases {
        let name = case["metadata"]["name"].as_str().expect("a name").to_owned();
        server.post("/customresourcedefinitions", &case).await.expect(201);
        let seen = judged(&server, &[]).await;
        let seen = seen.iter().find(|seen| seen["metadata"]["name"] == *name).expect("it is there");
        assert_eq!(condition(seen, "NamesAccepted"), "False", "{name}: {seen}");
        assert_eq!(condition(seen, "Established"), "False", "{name}");
        server.get(&format!("/{name}")).await.expect(404);
    }
    server.get("/widgets").await.expect(200);
    server.get("/roles").await.expect(200);
    assert_sound(&server).await;
}

/// A conversion webhook is an address that somebody chose: the server does not go there.
#[tokio::test]
async fn no_webhook_is_called() {
    let server = bare().await;
    let target = TcpListener::bind("127.0.0.1:0").expect("a free port");
    target.set_nonblocking(true).expect("a socket can be asked");
    let address = target.local_addr().expect("it is bound");
    let mut declared = widgets(&text());
    declared["spec"]["versions"] =
        json!([version("v1", true, &text()), version("v2", false, &text())]);
    declared["spec"]["conversion"] = json!({
        "strategy": "Webhook",
        "webhook": {
            "conversionReviewVersions": ["v1"],
            "clientConfig": {"url": format!("https://{address}/convert")},
        },
    });
    let reply = server.post("/customresourcedefinitions", &declared).await;
    assert!(matches!(reply.status, 201 | 422), "28: {}", reply.text());
    if reply.status == 201 {
        server.post("/widgets", &json!({"metadata": {"name": "w"}, "spec": {}})).await;
        let other = [("accept", "application/json;version=v2")];
        server.send("GET", "/widgets/w", &other, "").await;
    }
    let called = target.accept().expect_err("28: somebody was called");
    assert_eq!(called.kind(), std::io::ErrorKind::WouldBlock);
    assert_sound(&server).await;
}
