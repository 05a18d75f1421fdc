//! Bodies: JSON that is none, numbers beyond numbers, patches that explode, and sizes around their
//! limits (groups 20 to 22).

use serde_json::{Value, json};

use super::{DEVICE, STATUS, devices, with_status};
use crate::harness::server::Launch;
use crate::table::{Row, assert_sound, check, row};

/// The same body as every write that reads one.
fn everywhere(what: &str, body: &[u8]) -> Vec<Row> {
    let plain = [
        "POST /devices",
        "PUT /devices/dev-123",
        "PUT /devices/dev-123/status",
        "PUT /devices/dev-123/status/conditions/Ready",
        "DELETE /devices/dev-123",
    ];
    let mut rows: Vec<Row> =
        plain.iter().map(|request| row(what, request).json(body.to_vec())).collect();
    for path in [DEVICE, STATUS] {
        for format in ["merge", "json", "shorthand"] {
            rows.push(row(what, &format!("PATCH {path}")).patch(format, body.to_vec()));
        }
    }
    rows
}

#[tokio::test]
async fn what_is_not_json_is_refused_everywhere() {
    let server = devices().await;
    let deep =
        |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let nested = |key: &str, inner: String| format!("{{\"{key}\":{inner}}}");
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("20: deep list", deep("[", "]").into()),
        ("20: deep object", deep("{\"a\":", "}").into()),
        ("20: open", "[".repeat(100_000).into()),
        ("20: deep status", nested("status", deep("[", "]")).into()),
        ("20: deep metadata", nested("metadata", deep("{\"a\":", "}")).into()),
        ("20: huge", r#"{"status":{"observedGeneration":1e400}}"#.into()),
        ("20: minus huge", r#"{"status":{"observedGeneration":-1e400}}"#.into()),
        ("20: exponent", r#"{"status":{"observedGeneration":1e1000000000}}"#.into()),
        ("20: NaN", r#"{"status":{"observedGeneration":NaN}}"#.into()),
        ("20: infinite", r#"{"status":{"observedGeneration":Infinity}}"#.into()),
        ("20: octal", r#"{"status":{"observedGeneration":01}}"#.into()),
        ("20: hex", r#"{"status":{"observedGeneration":0x1}}"#.into()),
        ("20: plus", r#"{"status":{"observedGeneration":+1}}"#.into()),
        ("20: dot", r#"{"status":{"observedGeneration":1.}}"#.into()),
        ("20: surrogate", br#"{"status":{"message":"\ud800"}}"#.to_vec()),
        ("20: escape", br#"{"status":{"message":"\x41"}}"#.to_vec()),
        ("20: newline", b"{\"status\":{\"message\":\"a\nb\"}}".to_vec()),
        ("20: not UTF-8", b"{\"status\":{\"message\":\"\xff\"}}".to_vec()),
        ("20: overlong", b"{\"status\":{\"message\":\"\xc0\x80\"}}".to_vec()),
        ("20: not UTF-8", b"{\"\xff\":1}".to_vec()),
        ("20: BOM", b"\xef\xbb\xbf{\"status\":{}}".to_vec()),
        ("20: UTF-16", b"\xff\xfe{\0}\0".to_vec()),
        ("20: gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0".to_vec()),
        ("20: two", r#"{"status":{}}{"status":{}}"#.into()),
        ("20: more", r#"{"status":{}} x"#.into()),
        ("20: comma", r#"{"status":{},}"#.into()),
        ("20: quotes", "{'status':{}}".into()),
        ("20: comment", "/* */{\"status\":{}}".into()),
        ("20: cut", r#"{"status":{"#.into()),
        ("20: YAML", "status:\n  phase: Ready\n".into()),
        ("20: form", "status=Ready&a=b".into()),
        ("20: NUL", b"\0".to_vec()),
    ];
    let rows = bodies
        .iter()
        .flat_map(|(what, body)| everywhere(what, body))
        .map(|row| row.is(400, "BAD_REQUEST", ""));
    check(&server, rows).await;
}

#[tokio::test]
async fn numbers_are_what_their_schema_says() {
    let server = devices().await;
    let generation = |number: &str| {
        let body = format!(r#"{{"status":{{"observedGeneration":{number}}}}}"#);
        row(format!("20: {number}"), &format!("PATCH {STATUS}?dryRun=All")).patch("merge", body)
    };
    let refused = [
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e30",
        "-1",
        "-9223372036854775809",
        "1.5",
        "0.1e0",
        "\"1\"",
        "true",
        "[]",
        "123456789012345678901234567890",
    ];
    let mut rows: Vec<Row> =
        refused.map(|it| generation(it).is(422, "INVALID", "observedGeneration")).to_vec();
    rows.extend(["0", "1", "1.0", "1e0", "-0"].map(|it| generation(it).is(200, "", "")));
    let text = |value: Value| {
        let body = json!({"spec": {"model": value}}).to_string();
        row("20: no text", &format!("PUT {DEVICE}")).json(body).is(422, "INVALID", "spec.")
    };
    rows.extend([json!(1), json!(true), json!([]), json!({}), json!(1.5)].map(text));
    check(&server, rows).await;
}

#[tokio::test]
async fn a_body_says_what_it_is_and_comes_unpacked() {
    let server = devices().await;
    let body = r#"{"status":{"phase":"Error"}}"#;
    let mut rows = Vec::new();
    for media_type in [
        "text/plain",
        "text/json",
        "application/yaml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/merge-patch+json",
        "application/vnd.kubernetes.protobuf",
        "application/cbor",
        "application/json5",
        "application/jsonx",
        "*/*",
        "",
    ] {
        for request in ["POST /devices", "PUT /devices/dev-123", "PUT /devices/dev-123/status"] {
            let sent = row("20: type", request).header("content-type", media_type).body(body);
            rows.push(sent.is(415, "UNSUPPORTED_MEDIA_TYPE", "application/json"));
        }
    }
    for media_type in [
        "text/plain",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "application/merge-patch+json2",
        "application/yaml",
        "",
    ] {
        for request in ["PATCH /devices/dev-123", "PATCH /devices/dev-123/status"] {
            let sent = row("20: type", request).header("content-type", media_type).body(body);
            rows.push(sent.is(415, "UNSUPPORTED_MEDIA_TYPE", "application/shorthand-patch+json"));
        }
    }
    for encoding in ["gzip", "deflate", "br", "zstd", "compress", "gzip, identity", "x"] {
        for row in everywhere("20: packed", body.as_bytes()) {
            let packed = row.header("content-encoding", encoding);
            rows.push(packed.is(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Encoding"));
        }
    }
    let dry = format!("PUT {STATUS}?dryRun=All");
    for media_type in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
        let sent = row("20: type", &dry).header("content-type", media_type).body(body);
        rows.push(sent.is(200, "", ""));
    }
    rows.push(
        row("20: plain", &dry).header("content-encoding", "identity").json(body).is(200, "", ""),
    );
    check(&server, rows).await;
}

fn json_patch(what: &str, operations: &Value) -> Row {
    row(what, &format!("PATCH {STATUS}")).patch("json", operations.to_string())
}

fn malformed(row: Row) -> Row {
    row.is(400, "BAD_REQUEST", "patch cannot be read")
}

#[tokio::test]
async fn the_cost_of_a_patch_is_bounded() {
    let server = devices().await;
    let large = |row: Row| row.is(413, "TOO_LARGE", "");
    let tests = |count: usize| {
        json!(vec![json!({"op": "test", "path": "/status/phase", "value": "Ready"}); count])
    };
    let seed = json!({"op": "add", "path": "/status/a", "value": ["x".repeat(1000)]});
    let double = |path: &str| json!({"op": "copy", "from": "/status", "path": path});
    let mut doubling = vec![seed];
    doubling.extend((0..40).map(|index| double(&format!("/status/b{index}"))));
    let front = json!({"op": "add", "path": "/status/conditions/0", "value": 1});
    let front = json!(vec![front; 10_000]);
    let deep = |levels: usize| (0..levels).fold(json!("x"), |inner, _| json!({"a": inner}));
    let nested = |format: &str, levels: usize| {
        let body = json!({"status": deep(levels)}).to_string();
        row("21: deep", &format!("PATCH {STATUS}")).patch(format, body)
    };
    check(
        &server,
        [
            large(json_patch("21: 10,001", &tests(10_001))),
            json_patch("21: 10,000", &tests(10_000)).is(200, "", ""),
            large(json_patch("21: doubling", &json!(doubling))),
            json_patch("21: deep", &json!(deep_copies())).is(422, "PATCH_FAILED", "deeper"),
            json_patch("21: at the front", &front).is(422, "INVALID", "conditions"),
            nested("merge", 110).is(422, "PATCH_FAILED", "deeper"),
            nested("merge", 200).is(400, "BAD_REQUEST", "recursion"),
            nested("shorthand", 110).is(422, "PATCH_FAILED", "deeper"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_json_patch_is_done_whole_or_not_at_all() {
    let server = devices().await;
    let one = |operation: &str, path: &str| {
        let operation = json!({"op": operation, "path": path, "value": 1, "from": "/status/phase"});
        json_patch("21", &json!([operation]))
    };
    let failed = |row: Row| row.is(422, "PATCH_FAILED", "operation 0");
    let rows = [
        failed(one("add", "/status/conditions/2")),
        failed(one("add", "/status/conditions/99999999999999999999")),
        failed(one("add", "/status/conditions/-1")),
        failed(one("add", "/status/conditions/01")),
        failed(one("add", "/status/conditions/+0")),
        failed(one("add", "/status/conditions/0x0")),
        failed(one("add", "/status/conditions/\u{661}")),
        failed(one("remove", "/status/conditions/-")),
        failed(one("replace", "/status/conditions/-")),
        failed(one("replace", "/status/none")),
        failed(one("remove", "/status/none")),
        failed(one("add", "/status/none/deeper")),
        failed(one("add", "/status/phase/deeper")),
        failed(one("move", "/status/phase/deeper")),
        one("test", "/status/phase").is(422, "PATCH_TEST_FAILED", "/status/phase"),
        one("test", "/status/none").is(422, "PATCH_FAILED", "/status/none"),
        malformed(one("add", "/status/~2")),
        malformed(one("add", "/status/~")),
        malformed(one("add", "status/phase")),
        malformed(one("frob", "/status/phase")),
        malformed(one("ADD", "/status/phase")),
        malformed(json_patch("21", &json!({"op": "test", "path": "/status"}))),
        malformed(json_patch("21", &json!([{"op": "add", "path": "/status/phase"}]))),
        malformed(json_patch("21", &json!([{"op": "move", "path": "/status/phase"}]))),
        malformed(json_patch("21", &json!([{"path": "/status/phase", "value": 1}]))),
        malformed(json_patch("21", &json!([{"op": "add", "path": 5, "value": 1}]))),
        malformed(json_patch("21", &json!(["add"]))),
        malformed(json_patch("21", &json!([null]))),
    ];
    check(&server, rows).await;
}

#[tokio::test]
async fn a_shorthand_patch_has_one_meaning() {
    let server = devices().await;
    let long = format!("status.{}", vec!["a"; 110].join("."));
    let shorthand = |body: Value| {
        row("21: shorthand", &format!("PATCH {STATUS}")).patch("shorthand", body.to_string())
    };
    let rows = [
        shorthand(json!({long: 1})).is(422, "PATCH_FAILED", "deeper"),
        malformed(shorthand(json!({"status..phase": 1}))),
        malformed(shorthand(json!({"": 1}))),
        malformed(shorthand(json!({".status": 1}))),
        malformed(shorthand(json!({"status.": 1}))),
        malformed(shorthand(json!({"status\\": 1}))),
        malformed(shorthand(json!({"status\\x": 1}))),
        malformed(shorthand(json!({"status": {}, "status.phase": "Error"}))),
        shorthand(json!({"status.conditions.0": 1})).is(422, "PATCH_FAILED", "list"),
        shorthand(json!({"status.phase.deeper": 1})).is(422, "PATCH_FAILED", "not an object"),
    ];
    check(&server, rows).await;
}

/// Each operation moves what there is one level down.
fn deep_copies() -> Vec<Value> {
    let mut operations = vec![json!({"op": "add", "path": "/status/a", "value": {}})];
    for _ in 0..120 {
        operations.push(json!({"op": "copy", "from": "/status/a", "path": "/status/b"}));
        operations.push(json!({"op": "replace", "path": "/status/a", "value": {}}));
        operations.push(json!({"op": "move", "from": "/status/b", "path": "/status/a/a"}));
    }
    operations
}

/// A body with exactly so many bytes.
fn padded(body: &Value, bytes: usize) -> String {
    let mut text = body.to_string();
    text.push_str(&" ".repeat(bytes - text.len()));
    text
}

const LIMIT: usize = 64 * 1024;

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit() {
    let server = with_status(Launch::devices().arg("--body-bytes-max=64KiB")).await;
    let spec = json!({"name": "n", "location": "x"});
    let bodies = [
        ("POST /devices?dryRun=All", json!({"metadata": {"name": "new"}, "spec": spec}), "", 201),
        ("PUT /devices/dev-123?dryRun=All", json!({"spec": spec}), "", 200),
        ("PATCH /devices/dev-123?dryRun=All", json!({"spec": spec}), "merge", 200),
        ("PATCH /devices/dev-123?dryRun=All", json!({"spec.model": "m"}), "shorthand", 200),
        ("PUT /devices/dev-123/status?dryRun=All", json!({"status": {"phase": "Error"}}), "", 200),
        ("PATCH /devices/dev-123/status?dryRun=All", json!([]), "json", 200),
        ("DELETE /devices/dev-123?dryRun=All", json!({}), "", 200),
        (
            "PUT /devices/dev-123/status/conditions/Ready?dryRun=All",
            json!({"status": "False"}),
            "",
            200,
        ),
    ];
    let mut rows = Vec::new();
    for (request, body, format, accepted) in bodies {
        for bytes in [LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT] {
            let sent = row(format!("22: {bytes}"), request);
            let text = padded(&body, bytes);
            let sent = if format.is_empty() { sent.json(text) } else { sent.patch(format, text) };
            rows.push(if bytes > LIMIT {
                sent.is(413, "TOO_LARGE", "65536 bytes")
            } else {
                sent.is(accepted, "", "")
            });
        }
    }
    check(&server, rows).await;
}

/// Many small patches do not add up to what one request could not have written.
#[tokio::test]
async fn an_object_does_not_grow_beyond_the_limit() {
    let server = with_status(Launch::devices().arg("--body-bytes-max=64KiB")).await;
    let mut grown = 0;
    let refused = loop {
        let key = format!("k{grown}");
        let patch = json!({"spec": {"config": {key: "x".repeat(8 * 1024)}}});
        let reply = server.patch(DEVICE, &patch).await;
        if reply.status != 200 {
            break reply;
        }
        grown += 1;
        assert!(grown < 9, "22: larger than the limit");
    };
    assert_eq!((refused.status, refused.at("/reason")), (413, json!("TOO_LARGE")), "22");
    assert!(grown >= 7, "22: {grown} patches fit below the limit");
    let before = server.get(DEVICE).await;
    // The lanes have one limit together.
    let report = json!({"status": {"message": "x".repeat(16 * 1024)}});
    server.patch(STATUS, &report).await.expect(413);
    let copies: Vec<Value> = (0..7)
        .map(|index| json!({"op": "copy", "from": "/spec/config/k0", "path": format!("/spec/config/c{index}")}))
        .collect();
    let headers = [("content-type", "application/json-patch+json")];
    server.send("PATCH", DEVICE, &headers, json!(copies).to_string()).await.expect(413);
    assert_eq!(server.get(DEVICE).await.text(), before.text(), "22");
    // Less is always possible.
    server.patch(DEVICE, &json!({"spec": {"config": null}})).await.expect(200);
    server.patch(STATUS, &report).await.expect(200);
    assert_sound(&server).await;
}

/// What is small as text and large as a tree is refused for its size, before anybody walks over it.
#[tokio::test]
async fn a_body_has_no_more_values_than_are_read() {
    const MOST: usize = 400_000;
    let server = devices().await;
    let numbers = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
    let keys = |count: usize| {
        let keys: Vec<String> = (0..count).map(|key| format!("\"{key:x}\":\"\"")).collect();
        format!("{{\"metadata\":{{\"name\":\"many\"}},\"data\":{{{}}}}}", keys.join(","))
    };
    let kube = "POST /api/v1/namespaces/default/configmaps";
    let dry = "POST /configmaps?dryRun=All";
    let patch = |body: String| row("23: many values", "PATCH /devices/dev-123").patch("json", body);
    let rows = [
        row("23: many keys", "POST /configmaps").json(keys(900_000)).is(413, "TOO_LARGE", "400000"),
        row("23: many values", "PUT /devices/dev-123/status")
            .json(format!("{{\"status\":{{\"x\":{}}}}}", numbers(MOST)))
            .is(413, "TOO_LARGE", "too many values"),
        row("23: many values", kube).json(numbers(MOST)).is(413, "RequestEntityTooLarge", "values"),
        patch(numbers(MOST)).is(413, "TOO_LARGE", "too many values"),
        // The object, its metadata and its data are three objects, and have three fields.
        row("23: as many as are read", dry).json(keys(MOST - 27)).is(201, "", "many"),
        row("23: one more", dry).json(keys(MOST - 26)).is(413, "TOO_LARGE", "400000"),
    ];
    check(&server, rows).await;
    assert_sound(&server).await;
}
