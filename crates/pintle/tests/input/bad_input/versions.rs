//! Which version a write was computed from (groups 8 to 10).

use serde_json::{Value, json};

use super::{DEVICE, STATUS, devices, stored_status, with_status};
use crate::harness::server::{Launch, Server};
use crate::table::{Row, assert_sound, check, row};

/// The ways to say a version, beside a status that is stored already: each is a success that
/// changes nothing when the version is right.
fn said_in_header(version: &str) -> [Row; 5] {
    let body = json!({"status": stored_status()}).to_string();
    let condition = json!({"status": "True", "reason": "Online"}).to_string();
    let nothing = json!({"spec": {}}).to_string();
    [
        row("8: PUT status", &format!("PUT {STATUS}")).json(body.clone()),
        row("8: PATCH status", &format!("PATCH {STATUS}")).patch("merge", body),
        row("8: condition", &format!("PUT {STATUS}/conditions/Ready")).json(condition),
        row("8: PATCH", &format!("PATCH {DEVICE}")).patch("merge", nothing),
        row("8: DELETE", &format!("DELETE {DEVICE}?dryRun=All")),
    ]
    .map(|row| row.header("if-match", version))
}

fn said_in_body(version: &Value) -> [Row; 6] {
    let status = json!({"metadata": {"resourceVersion": version}, "status": stored_status()});
    let main = json!({"metadata": {"resourceVersion": version}}).to_string();
    let path = "/metadata/resourceVersion";
    let test = json!([{"op": "test", "path": path, "value": version}]).to_string();
    let set = json!([{"op": "replace", "path": path, "value": version}]).to_string();
    let short = json!({"metadata.resourceVersion": version}).to_string();
    let (put, patch) = (format!("PUT {STATUS}"), format!("PATCH {STATUS}"));
    [
        row("8: PUT status", &put).json(status.to_string()),
        row("8: merge", &patch).patch("merge", status.to_string()),
        row("8: JSON patch", &patch).patch("json", set),
        row("8: shorthand", &patch).patch("shorthand", short),
        row("8: PUT", &format!("PUT {DEVICE}")).json(main),
        // A test is compared with what is stored, whatever it is.
        row("8: test", &patch).patch("json", test).is(422, "PATCH_TEST_FAILED", path),
    ]
}

#[tokio::test]
async fn a_version_is_text_that_the_server_gave_out() {
    let server = devices().await;
    let version = server.get(DEVICE).await.version();
    let next = (version + 1).to_string();
    let never = [
        "0",
        "-1",
        "+1",
        "01",
        "00",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x10",
        "abc",
        "null",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
        "\u{661}",
        "\u{ff11}",
        "1\u{0}",
        "1,2",
        "../1",
        &next,
    ];
    let mut rows = Vec::new();
    let mut add = |row: Row| rows.push(row);
    for never in never {
        let refused = |row: Row| row.is(400, "INVALID_RESOURCE_VERSION", "resourceVersion");
        let [put, merge, json_patch, shorthand, main, test] = said_in_body(&json!(never));
        [put, merge, json_patch, shorthand, main].map(refused).into_iter().for_each(&mut add);
        add(test);
        if never.bytes().all(|byte| byte.is_ascii_graphic()) && !never.contains(',') {
            let tag = format!("\"{never}\"");
            said_in_header(&tag).map(refused).into_iter().for_each(&mut add);
        }
    }
    for no_text in [json!(version), json!(true), json!([]), json!({"a": 1})] {
        let [put, merge, json_patch, ..] = said_in_body(&no_text);
        let refused = |row: Row| row.is(400, "INVALID_RESOURCE_VERSION", "resourceVersion");
        [put, merge, json_patch].map(refused).into_iter().for_each(&mut add);
    }
    check(&server, rows).await;
}

#[tokio::test]
async fn an_older_version_is_a_conflict_and_the_right_one_is_not() {
    let server = devices().await;
    let old = server.get(DEVICE).await.version();
    server.patch(DEVICE, &json!({"spec": {"location": "moved"}})).await.expect(200);
    let current = server.get(DEVICE).await.version();
    // A version that another object got is as old, or as new, as it is.
    let rival = json!({"metadata": {"name": "rival"}, "spec": {"name": "r", "location": "x"}});
    let later = server.post("/devices", &rival).await.expect(201).version();
    let (old_tag, current_tag) = (format!("\"{old}\""), format!("\"{current}\""));
    let mut rows = Vec::new();
    for stale in [old, later] {
        let said = format!("expected version {stale}, it is at {current}");
        let [put, merge, json_patch, shorthand, main, _] = said_in_body(&json!(stale.to_string()));
        let conflict = |row: Row| row.is(409, "CONFLICT", said.clone());
        rows.extend([put, merge, json_patch, shorthand, main].map(conflict));
        let failed = |row: Row| row.is(412, "CONFLICT", said.clone());
        rows.extend(said_in_header(&format!("\"{stale}\"")).map(failed));
    }
    let fine = |row: Row| row.is(200, "", "");
    rows.extend(said_in_header(&current_tag).map(fine));
    rows.extend(said_in_header("*").map(fine));
    rows.extend(said_in_body(&json!(current.to_string())).map(fine));
    // Nothing is required here, so nothing may be said; a test of nothing fails all the same.
    for nothing in [json!(""), Value::Null] {
        let [put, merge, json_patch, shorthand, main, _] = said_in_body(&nothing);
        rows.extend([put, merge, json_patch, shorthand, main].map(fine));
    }
    let both = json!({"metadata": {"resourceVersion": old.to_string()}, "status": {}}).to_string();
    let put = |what: &str| row(what, &format!("PUT {STATUS}")).json(both.clone());
    let body = json!({"status": {"phase": "Error"}}).to_string();
    let tagged = |tag: &str| {
        row("8: tags", &format!("PUT {STATUS}")).json(body.clone()).header("if-match", tag)
    };
    rows.extend([
        put("8: header and body").header("if-match", &current_tag).is(400, "BAD_REQUEST", "different versions"),
        tagged(&format!("W/{current_tag}")).is(412, "CONFLICT", "weak"),
        tagged(&format!("{current_tag}, {old_tag}")).is(400, "BAD_REQUEST", "one version"),
        tagged(&current_tag).header("if-match", &current_tag).is(400, "BAD_REQUEST", "more than once"),
        tagged(&current.to_string()).is(400, "BAD_REQUEST", "double quotes"),
        tagged("\"").is(400, "BAD_REQUEST", "double quotes"),
        tagged("").is(400, "BAD_REQUEST", "double quotes"),
        tagged("\"\"").is(400, "INVALID_RESOURCE_VERSION", ""),
        tagged("\"abc\"").is(400, "INVALID_RESOURCE_VERSION", ""),
        row("8: absent", &format!("PUT {STATUS}")).json(body.clone()).header("if-none-match", "*").is(412, "ALREADY_EXISTS", ""),
        row("8: none", &format!("PUT {STATUS}")).json(body.clone()).header("if-none-match", &old_tag).is(400, "BAD_REQUEST", "If-None-Match"),
        row("8: create", "POST /devices")
            .json(json!({"metadata": {"name": "new", "resourceVersion": "1"}, "spec": {"name": "n", "location": "x"}}).to_string())
            .is(400, "INVALID_RESOURCE_VERSION", "should not be set"),
    ]);
    check(&server, rows).await;
}

#[tokio::test]
async fn a_server_that_requires_a_version_gets_one() {
    let server = devices_that_require_it().await;
    let current = server.get(DEVICE).await.version().to_string();
    let body = json!({"status": stored_status()}).to_string();
    let (put, patch) = (format!("PUT {STATUS}"), format!("PATCH {STATUS}"));
    let required = |row: Row| row.is(428, "PRECONDITION_REQUIRED", "If-Match");
    let mut rows = vec![
        required(row("8: none", &put).json(body.clone())),
        required(row("8: none", &patch).patch("merge", body.clone())),
        required(row("8: none", &patch).patch("json", "[]")),
        required(row("8: none", &patch).patch("shorthand", r#"{"status.phase":"Error"}"#)),
        required(row("8: none", &format!("{put}/conditions/Ready")).json(r#"{"status":"True"}"#)),
        required(row("8: none", &format!("DELETE {STATUS}/conditions/Ready"))),
        required(row("8: exists", &put).json(body.clone()).header("if-match", "*")),
        // The right to write without a version of the status is not asked of those who write spec.
        row("8: spec", &format!("PATCH {DEVICE}")).patch("merge", "{}").is(200, "", ""),
    ];
    for empty in [json!(""), Value::Null] {
        let [put, merge, json_patch, shorthand, ..] = said_in_body(&empty);
        rows.extend([put, merge, json_patch, shorthand].map(required));
    }
    rows.extend(said_in_body(&json!(current)).map(|row| row.is(200, "", "")));
    check(&server, rows).await;
}

async fn devices_that_require_it() -> Server {
    let server = Launch::devices().arg("--require-status-precondition").arg("--store=memory");
    let server = server.start().await;
    let etag = server.get(DEVICE).await.etag().to_owned();
    let body = json!({"status": stored_status()});
    server.json("PUT", STATUS, &[("if-match", &etag)], &body).await.expect(200);
    server
}

#[tokio::test]
async fn a_recreated_object_is_another_one() {
    let server = devices().await;
    let first = server.get(DEVICE).await;
    let (old, old_uid) = (first.version().to_string(), first.at("/metadata/uid"));
    server.delete(DEVICE).await.expect(200);
    let again = json!({"metadata": {"name": "dev-123"}, "spec": first.at("/spec")});
    server.post("/devices", &again).await.expect(201);
    server.put(STATUS, &json!({"status": stored_status()})).await.expect(200);
    let mismatch = |status: u16| move |row: Row| row.is(status, "UID_MISMATCH", "uid");
    let [put, merge, json_patch, shorthand, main, _] = said_in_body(&json!(old));
    let mut rows = [put, merge, json_patch, shorthand, main].map(mismatch(409)).to_vec();
    rows.extend(said_in_header(&format!("\"{old}\"")).map(mismatch(412)));
    let uid_text = old_uid.as_str().expect("a uid");
    let claimed = json!({"metadata": {"uid": old_uid}, "status": stored_status()}).to_string();
    let body = json!({"status": stored_status()}).to_string();
    rows.extend([
        mismatch(409)(row("8: uid", &format!("PUT {STATUS}")).json(claimed.clone())),
        mismatch(409)(row("8: uid", &format!("PATCH {STATUS}")).patch("merge", claimed)),
        mismatch(409)(
            row("8: uid", &format!("DELETE {DEVICE}"))
                .json(json!({"preconditions": {"uid": old_uid}}).to_string()),
        ),
        mismatch(412)(
            row("8: narrow", &format!("PUT {STATUS}?conflictScope=status"))
                .json(body.clone())
                .header("if-match", &format!("\"{old}\"")),
        ),
        row("8: by uid", &format!("PUT /devices/{uid_text}/status")).json(body).is(
            404,
            "NOT_FOUND",
            "",
        ),
        row("8: by uid", &format!("GET /devices/{uid_text}")).is(404, "NOT_FOUND", ""),
        row("8: uid", &format!("PUT {STATUS}")).json(r#"{"metadata":{"uid":5},"status":{}}"#).is(
            400,
            "BAD_REQUEST",
            "metadata.uid",
        ),
    ]);
    check(&server, rows).await;
}

#[tokio::test]
async fn there_and_back_again_is_a_conflict() {
    let server = devices().await;
    let etag = server.get(DEVICE).await.etag().to_owned();
    let phase = |phase: &str| json!({"status": {"phase": phase}});
    server.patch(STATUS, &phase("Error")).await.expect(200);
    server.patch(STATUS, &phase("Ready")).await.expect(200);
    for scope in ["object", "status"] {
        let path = format!("{STATUS}?conflictScope={scope}");
        let reply = server.json("PATCH", &path, &[("if-match", &etag)], &phase("Offline")).await;
        let reply = reply.expect(412);
        assert_eq!(reply.at("/reason"), "CONFLICT", "10: {scope}");
        assert_eq!(reply.at("/specChanged"), false, "10: {scope}");
        assert_eq!(reply.at("/statusChanged"), true, "10: {scope}");
        assert_eq!(reply.at("/retryable"), true, "10: {scope}");
    }
    assert_eq!(server.get(DEVICE).await.at("/status/phase"), "Ready");
    assert_sound(&server).await;
}

#[tokio::test]
async fn an_accepted_write_cannot_be_replayed() {
    let server = with_status(Launch::devices()).await;
    let etag = server.get(DEVICE).await.etag().to_owned();
    let body = json!({"status": {"phase": "Error"}});
    let header = [("if-match", etag.as_str())];
    let accepted = server.json("PATCH", STATUS, &header, &body).await.expect(200);
    server.json("PATCH", STATUS, &header, &body).await.expect(412);
    server.patch(STATUS, &json!({"status": {"phase": "Ready"}})).await.expect(200);
    server.json("PATCH", STATUS, &header, &body).await.expect(412);
    assert_eq!(server.get(DEVICE).await.at("/status/phase"), "Ready", "9");
    // Nor can a create.
    let twin = json!({"metadata": {"name": "twin"}, "spec": accepted.at("/spec")});
    server.post("/devices", &twin).await.expect(201);
    let again = server.post("/devices", &twin).await.expect(409);
    assert_eq!(again.at("/reason"), "ALREADY_EXISTS", "9");
    assert_sound(&server).await;
}
