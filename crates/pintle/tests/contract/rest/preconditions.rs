//! Which version a write was computed from, and what a stale one is told.

use serde_json::{Value, json};

use super::{JSON, assert_answer, check, device};
use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server};

const STATUS: &str = "/devices/x/status";
const READY: &str = r#"{"status":{"phase":"Ready"}}"#;

async fn put_status(server: &Server, query: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let headers = [&[JSON], headers].concat();
    server.send("PUT", &format!("{STATUS}{query}"), &headers, body.to_owned()).await
}

#[tokio::test]
async fn a_header_that_cannot_be_met_is_refused_alike_everywhere() {
    let server = Server::devices().await;
    let created = device(&server, "x").await;
    let moved = server.patch("/devices/x", &json!({"spec": {"location": "dc2"}})).await.expect(200);
    let stale = format!("\"{}\"", created.version());
    let weak = format!("W/{}", moved.etag());
    let writes = [
        ("PUT", "/devices/x", r#"{"spec":{"name":"x","location":"dc3"}}"#),
        ("PATCH", "/devices/x", r#"{"spec":{"location":"dc3"}}"#),
        ("DELETE", "/devices/x", ""),
        ("PUT", STATUS, READY),
        ("PATCH", STATUS, READY),
        ("PUT", "/devices/x/status/conditions/Ready", r#"{"status":"True"}"#),
        ("DELETE", "/devices/x/status/conditions/Ready", ""),
    ];
    let headers = [
        ("if-match", stale.as_str(), 412, "CONFLICT"),
        ("if-match", &weak, 412, "CONFLICT"),
        ("if-match", "\"0\"", 400, "INVALID_RESOURCE_VERSION"),
        ("if-match", "\"\"", 400, "INVALID_RESOURCE_VERSION"),
        ("if-match", "\"01\"", 400, "INVALID_RESOURCE_VERSION"),
        ("if-match", "\"seven\"", 400, "INVALID_RESOURCE_VERSION"),
        ("if-match", "\"99999999\"", 400, "INVALID_RESOURCE_VERSION"),
        ("if-match", "\"99999999999999999999999\"", 400, "INVALID_RESOURCE_VERSION"),
        ("if-match", "seven", 400, "BAD_REQUEST"),
        ("if-none-match", "*", 412, ""),
        ("if-none-match", "\"1\"", 400, "BAD_REQUEST"),
    ];
    for (method, path, body) in writes {
        for (name, value, status, holds) in headers {
            let reply = server.send(method, path, &[JSON, (name, value)], body).await;
            assert_answer(&reply, &format!("{method} {path} {name}: {value}"), status, holds);
        }
    }
    assert_eq!(server.get("/devices/x").await.body, moved.body, "nothing was written");
}

#[tokio::test]
async fn a_version_can_stand_in_the_header_or_in_the_body() {
    let server = Server::devices().await;
    let version = device(&server, "x").await.version();
    let in_body = |version: &str| json!({"metadata": {"resourceVersion": version}, "status": {}});
    let in_body = |version: &str| in_body(version).to_string();
    let tag = format!("\"{version}\"");
    let cases = [
        ("", in_body("1"), 409, "UID_MISMATCH"),
        ("", in_body("0"), 400, "INVALID_RESOURCE_VERSION"),
        ("", in_body("seven"), 400, "INVALID_RESOURCE_VERSION"),
        ("", in_body("99999999"), 400, "INVALID_RESOURCE_VERSION"),
        (
            "",
            r#"{"metadata":{"resourceVersion":7},"status":{}}"#.into(),
            400,
            "INVALID_RESOURCE_VERSION",
        ),
        ("", r#"{"metadata":{"uid":"device-00"},"status":{}}"#.into(), 409, "UID_MISMATCH"),
        (&tag, in_body("1"), 400, "different versions"),
        (&tag, in_body(&version.to_string()), 200, ""),
        ("*", in_body(&version.to_string()), 200, ""),
        ("", in_body(""), 200, ""),
        ("*", READY.into(), 200, ""),
    ];
    for (tag, body, status, holds) in cases {
        let header = [("if-match", tag)];
        let headers = if tag.is_empty() { &header[..0] } else { &header };
        let reply = put_status(&server, "", headers, &body).await;
        assert_answer(&reply, &format!("{tag} {body}"), status, holds);
    }
    let missing = [JSON, ("if-match", "*")];
    server.send("PUT", "/devices/none/status", &missing, READY).await.expect(404);
}

/// A version from before the object was made means another object of that name.
#[tokio::test]
async fn a_version_of_an_earlier_object_is_a_uid_mismatch() {
    let server = Server::devices().await;
    let first = device(&server, "x").await;
    server.delete("/devices/x").await.expect(200);
    device(&server, "x").await;
    let tag = [("if-match", first.etag())];
    for query in ["", "?conflictScope=status"] {
        let reply = put_status(&server, query, &tag, READY).await;
        assert_answer(&reply, query, 412, "UID_MISMATCH");
    }
}

#[tokio::test]
async fn a_conflict_says_everything_that_a_retry_needs() {
    let server = Server::devices().await;
    let start = device(&server, "x").await;
    let spec = json!({"spec": {"location": "dc2"}});
    let moved = server.patch("/devices/x", &spec).await.expect(200);
    let reported = server.patch(STATUS, &json!({"health": "Healthy"})).await.expect(200);
    // The version that was expected, and whether spec and status changed since.
    let cases = [(&start, true, true), (&moved, false, true)];
    for (expected, spec_changed, status_changed) in cases {
        let version = expected.version().to_string();
        let in_body =
            json!({"metadata": {"resourceVersion": version}, "status": {"phase": "Ready"}});
        let by_header = put_status(&server, "", &[("if-match", expected.etag())], READY).await;
        let by_body = put_status(&server, "", &[], &in_body.to_string()).await;
        for (reply, status) in [(by_header, 412), (by_body, 409)] {
            let conflict = reply.expect(status).json();
            let known = json!({
                "error": conflict["error"], "code": status, "reason": "CONFLICT", "requestId": conflict["requestId"],
                "expectedResourceVersion": version,
                "currentResourceVersion": reported.version().to_string(),
                "currentGeneration": 2,
                "specChanged": spec_changed, "statusChanged": status_changed, "retryable": true,
            });
            assert_eq!(conflict, known);
        }
        let prefer = [("if-match", expected.etag()), ("prefer", "return=representation")];
        let told = put_status(&server, "", &prefer, READY).await.expect(412);
        assert_eq!(told.at("/current"), reported.json());
    }
    let tag = [("if-match", moved.etag())];
    let narrow = put_status(&server, "?conflictScope=status", &tag, READY).await;
    assert_answer(&narrow, "status changed since", 412, r#""statusChanged":true"#);
}

#[tokio::test]
async fn a_report_can_mind_other_reports_only() {
    let server = Server::devices().await;
    let start = device(&server, "x").await;
    server.patch("/devices/x", &json!({"spec": {"location": "dc2"}})).await.expect(200);
    let tag = [("if-match", start.etag())];
    put_status(&server, "?conflictScope=object", &tag, READY).await.expect(412);
    put_status(&server, "?conflictScope=status", &tag, READY).await.expect(200);
    // Now there is a report that it did not see.
    put_status(&server, "?conflictScope=status", &tag, r#"{"status":{}}"#).await.expect(412);
    check(&server, &[("PUT", "/devices/x/status?conflictScope=spec", READY, 400, "conflictScope")])
        .await;
}

#[tokio::test]
async fn a_server_can_require_a_version_of_status_writes() {
    let server = Launch::devices().arg("--require-status-precondition").start().await;
    let created = device(&server, "x").await;
    let needs =
        |reply: Reply, what: &str| assert_answer(&reply, what, 428, "PRECONDITION_REQUIRED");
    needs(put_status(&server, "", &[], READY).await, "nothing");
    needs(put_status(&server, "", &[("if-match", "*")], READY).await, "any");
    needs(server.patch(STATUS, &json!({"phase": "Ready"})).await, "a patch");
    let condition = json!({"status": "True"});
    needs(server.put("/devices/x/status/conditions/Ready", &condition).await, "a condition");
    let reported =
        put_status(&server, "", &[("if-match", created.etag())], READY).await.expect(200);
    let in_body =
        json!({"metadata": {"resourceVersion": reported.version().to_string()}, "status": {}});
    server.patch(STATUS, &in_body).await.expect(200);
    server.patch("/devices/x", &json!({"spec": {"location": "dc2"}})).await.expect(200);
}

#[tokio::test]
async fn a_dry_run_answers_and_writes_nothing() {
    let server = Server::devices().await;
    let before = device(&server, "x").await;
    let fresh = r#"{"metadata":{"name":"new"},"spec":{"name":"n","location":"l"}}"#;
    check(
        &server,
        &[
            ("POST", "/devices?dryRun=All", fresh, 201, r#""name":"new""#),
            (
                "PUT",
                "/devices/x?dryRun=All",
                r#"{"spec":{"name":"x","location":"l"}}"#,
                200,
                r#""generation":2"#,
            ),
            (
                "PATCH",
                "/devices/x?dryRun=All",
                r#"{"spec":{"location":"l"}}"#,
                200,
                r#""location":"l""#,
            ),
            ("PUT", "/devices/x/status?dryRun=All", READY, 200, r#""phase":"Ready""#),
            ("PUT", "/devices/x/status?dryRun=All", r#"{"status":{"phase":"?"}}"#, 422, "INVALID"),
            ("PUT", "/devices/x/status?dryRun=All", r#"{"spec":{}}"#, 422, "SPEC_WRITE_FORBIDDEN"),
            ("DELETE", "/devices/x?dryRun=All", "", 200, "message"),
            ("PUT", "/devices/x/status?dryRun=Some", READY, 400, "dryRun"),
            ("GET", "/devices/new", "", 404, "NOT_FOUND"),
        ],
    )
    .await;
    assert_eq!(server.get("/devices/x").await.body, before.body);
}

#[tokio::test]
async fn writers_who_name_no_version_all_get_through() {
    let server = Server::devices().await;
    device(&server, "x").await;
    let writers = (0..16).map(|number| {
        let server = &server;
        async move {
            let config = json!({"spec": {"config": {format!("key-{number}"): "set"}}});
            server.patch("/devices/x", &config).await.expect(200);
        }
    });
    futures_util::future::join_all(writers).await;
    let config = server.get("/devices/x").await.at("/spec/config");
    assert_eq!(config.as_object().map(serde_json::Map::len), Some(16), "{config}");
}

#[tokio::test]
async fn of_writers_who_name_the_same_version_one_wins() {
    let server = Server::devices().await;
    let start = device(&server, "x").await;
    let writers = (0..16).map(|number| {
        let (server, tag) = (&server, start.etag());
        async move {
            let body = json!({"status": {"message": number.to_string()}}).to_string();
            put_status(server, "", &[("if-match", tag)], &body).await
        }
    });
    let replies = futures_util::future::join_all(writers).await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 15));
    for reply in lost {
        assert_eq!((reply.status, reply.at("/statusChanged")), (412, Value::Bool(true)));
        assert_eq!(reply.at("/currentResourceVersion"), won[0].version().to_string());
    }
}
