//! The audit log: what is recorded of which request, and that nothing changes without a record.

mod failures;
mod log;

use std::fmt::Write as _;

use serde_json::{Value, json};

use self::log::{find, lines};
use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server, devices};

/// A server of the example with its rules, its users and one more who may do everything.
async fn audited(options: &[&str]) -> Audited {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("audit.log");
    let mut launch = Launch::devices().arg("--policy").arg(devices().join("policy.yaml"));
    let users = std::fs::read_to_string(devices().join("tokens.csv")).expect("it is there");
    let tokens = directory.path().join("tokens.csv");
    let users = users + "root-token,root,root-uid,system:masters\n";
    std::fs::write(&tokens, users).expect("it can be written");
    launch = launch.arg("--tokens").arg(tokens).arg("--audit-log").arg(&file);
    for option in options {
        launch = launch.arg(*option);
    }
    Audited { server: launch.start().await, directory, file }
}

struct Audited {
    server: Server,
    directory: tempfile::TempDir,
    file: std::path::PathBuf,
}

impl Audited {
    /// Sends a request that brings its name along, by which its record is found.
    async fn send(&self, id: &str, user: &str, request: (&str, &str, &str)) -> Reply {
        let (method, path, body) = request;
        let authorization = format!("Bearer {user}-token");
        let mut headers = vec![("x-request-id", id), ("content-type", "application/json")];
        if !user.is_empty() {
            headers.push(("authorization", &authorization));
        }
        self.server.send(method, path, &headers, body.to_owned()).await
    }

    /// A number of the page of metrics.
    async fn number(&self, series: &str) -> u64 {
        let page = self.send("metrics", "root", ("GET", "/metrics", "")).await.expect(200).text();
        let samples = page.lines().filter_map(|line| line.rsplit_once(' '));
        let (_, value) = samples.into_iter().find(|it| it.0 == series).expect(series);
        value.parse().expect("a number")
    }

    /// All records, once the server has ended.
    async fn records(&mut self) -> Vec<Value> {
        assert!(self.server.stop().await.success());
        lines(&self.file)
    }
}

const SPEC: &str = r#"{"spec":{"name":"s","location":"dc9"}}"#;

#[tokio::test]
async fn every_request_that_is_there_to_change_something_is_recorded() {
    let mut audited = audited(&[]).await;
    let device = "/devices/dev-123";
    let found = audited.send("", "alice", ("GET", device, "")).await.expect(200).json();
    let mut stale = json!({"spec": {"name": "s", "location": "x"}});
    stale["metadata"] = json!({"resourceVersion": found["metadata"]["resourceVersion"]});
    let stale = stale.to_string();
    let cases = [
        ("alice", ("PUT", device, SPEC), "200 changed allowed update"),
        ("alice", ("PUT", device, SPEC), "200 unchanged allowed update"),
        ("alice", ("PUT", device, &stale), "409 conflict allowed update CONFLICT"),
        ("alice", ("PUT", device, "nonsense"), "400 refused allowed update BAD_REQUEST"),
        ("alice", ("PUT", device, r#"{"spec":{}}"#), "422 refused allowed update INVALID"),
        ("alice", ("PATCH", device, r#"{"spec":{"model":"m"}}"#), "200 changed allowed patch"),
        ("alice", ("PUT", "/devices/none", SPEC), "404 refused allowed update NOT_FOUND"),
        ("alice", ("DELETE", device, ""), "403 refused forbidden delete FORBIDDEN"),
        ("alice", ("POST", "/gadgets", "{}"), "404 refused undecided create KIND_NOT_SERVED"),
        ("alice", ("POST", device, "{}"), "405 refused undecided METHOD_NOT_ALLOWED"),
        ("alice", ("POST", "/a/b/c/d/e/f", ""), "404 refused undecided NOT_FOUND"),
        (
            "alice",
            ("PUT", "/devices/dev-123/status", r#"{"status":{}}"#),
            "403 refused forbidden update/status FORBIDDEN",
        ),
        (
            "controller",
            ("PUT", "/devices/dev-123/status", r#"{"status":{"phase":"Ready"}}"#),
            "200 changed allowed update/status",
        ),
        (
            "controller",
            ("PUT", "/devices/dev-123/status/conditions/Up", r#"{"status":"True"}"#),
            "200 changed allowed patch/status",
        ),
        (
            "controller",
            ("DELETE", "/devices/dev-123/status/conditions/Up", ""),
            "200 changed allowed patch/status",
        ),
        ("bob", ("PUT", "/devices/dev-123?dryRun=All", SPEC), "200 changed allowed update dry"),
        (
            "root",
            ("POST", "/devices", r#"{"name":"new","location":"y"}"#),
            "201 changed allowed create",
        ),
        ("root", ("DELETE", "/devices/new", ""), "200 changed allowed delete"),
        ("", ("GET", device, ""), "401 refused unauthenticated get UNAUTHENTICATED"),
        ("mallory", ("GET", "/devices", ""), "403 refused forbidden list FORBIDDEN"),
        ("mallory", ("GET", "/devices?watch=true", ""), "403 refused forbidden watch FORBIDDEN"),
        ("stranger", ("GET", device, ""), "401 refused unauthenticated UNAUTHENTICATED"),
        ("stranger", ("PUT", device, SPEC), "401 refused unauthenticated UNAUTHENTICATED"),
    ];
    for (number, (user, request, _)) in cases.iter().enumerate() {
        audited.send(&format!("case-{number}"), user, *request).await;
    }
    audited.send("read", "alice", ("GET", device, "")).await.expect(200);
    audited.send("probe", "", ("GET", "/readyz", "")).await.expect(200);
    let records = audited.records().await;
    for (number, (user, request, expected)) in cases.iter().enumerate() {
        let record = find(&records, &format!("case-{number}")).expect("it is recorded");
        assert_eq!(in_words(record), *expected, "{user}: {request:?}: {record}");
    }
    assert!(find(&records, "read").is_none(), "reads are not asked for");
    assert!(find(&records, "probe").is_none());
    assert_eq!(records.first().map(|it| &it["kind"]), Some(&json!("started")));
    assert_eq!(records.last().map(|it| &it["kind"]), Some(&json!("stopped")));
}

/// What a record says of how a request ended.
fn in_words(record: &Value) -> String {
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    let mut words = format!("{} {} {}", record["status"], text("outcome"), text("decision"));
    for (before, name) in [(" ", "verb"), ("/", "subresource"), (" ", "reason")] {
        if record[name].is_string() {
            write!(words, "{before}{}", text(name)).expect("text grows in memory");
        }
    }
    if record["dryRun"] == true {
        words.push_str(" dry");
    }
    words
}

/// One GraphQL request may write several times. Each write has a record of its own, under the name
/// of the request: those of a bulk write, too.
#[tokio::test]
async fn each_write_of_one_graphql_request_is_recorded() {
    let mut audited = audited(&[]).await;
    let found = audited.send("", "alice", ("GET", "/devices/dev-123", "")).await.expect(200).json();
    let version = found["metadata"]["resourceVersion"].as_str().expect("a version");
    let report = |name: &str, version: &str| {
        format!(
            "{{ref: {{name: \"{name}\"}}, resourceVersion: \"{version}\", status: {{phase: Ready}}}}"
        )
    };
    let query = format!(
        "mutation {{ a: patchDeviceStatus(input: {}) {{ changed }} \
         b: patchDeviceStatus(input: {}) {{ changed }} \
         c: patchDevice(input: {{ref: {{name: \"dev-123\"}}, spec: {{model: \"m\"}}}}) {{ changed }} \
         d: bulkUpdateDeviceStatus(input: {{items: [{}, {}]}}) {{ failed }} }}",
        report("dev-123", version),
        report("dev-123", version),
        report("none", version),
        report("dev-123", version),
    );
    let body = json!({"query": query}).to_string();
    audited.send("several", "controller", ("POST", "/graphql", &body)).await.expect(200);
    let records = audited.records().await;
    let said: Vec<String> =
        records.iter().filter(|record| record["id"] == "several").map(in_words).collect();
    let expected = [
        "200 changed allowed patch/status",
        "200 conflict allowed patch/status CONFLICT",
        "200 refused forbidden patch FORBIDDEN",
        "200 refused allowed patch/status NOT_FOUND",
        "200 conflict allowed patch/status CONFLICT",
        // The request itself, which was answered.
        "200 shown undecided",
    ];
    let without_status =
        |said: &str| said.split_once(' ').map_or_else(String::new, |(_, rest)| rest.to_owned());
    let said: Vec<String> = said.iter().map(|it| without_status(it)).collect();
    let expected: Vec<String> = expected.iter().map(|it| without_status(it)).collect();
    assert_eq!(said, expected, "{records:?}");
}

#[tokio::test]
async fn a_record_says_who_did_what_to_which_object() {
    let mut audited = audited(&[]).await;
    let reply = audited.send("it", "alice", ("PUT", "/devices/dev-123", SPEC)).await.expect(200);
    let object = reply.json();
    let records = audited.records().await;
    let mut record = find(&records, "it").expect("it is recorded").clone();
    let fields = record.as_object_mut().expect("a record is an object");
    let address = fields.remove("address").expect("the address is known");
    assert!(address.as_str().expect("text").starts_with("127.0.0.1:"), "{address}");
    for name in ["seq", "time", "durationUs", "groups"] {
        assert!(fields.remove(name).is_some(), "{name}");
    }
    let expected = json!({
        "v": 1,
        "kind": "request",
        "id": "it",
        "door": "rest",
        "user": "alice",
        "userUid": "alice-uid",
        "credential": "token",
        "method": "PUT",
        "path": "/{resource}/{id}",
        "verb": "update",
        "resource": "devices.infra.example.io",
        "namespace": "default",
        "name": "dev-123",
        "uid": object["metadata"]["uid"],
        "lane": "main",
        "decision": "allowed",
        "status": 200,
        "outcome": "changed",
        "revision": object["metadata"]["resourceVersion"],
    });
    assert_eq!(record, expected);
}

#[tokio::test]
async fn no_secret_and_no_body_is_recorded() {
    let mut audited = audited(&["--audit-level=all"]).await;
    let secret = "hunter2-hunter2";
    let body = json!({"spec": {"name": "s", "location": secret}}).to_string();
    audited.send("a", "alice", ("PUT", "/devices/dev-123", &body)).await.expect(200);
    audited.send("b", secret, ("PUT", "/devices/dev-123", &body)).await.expect(401);
    let status = json!({"status": {"message": secret, "phase": 7}}).to_string();
    let path = "/devices/dev-123/status";
    audited.send("c", "controller", ("PUT", path, &status)).await.expect(422);
    let query = format!("/devices?labelSelector=a%3D{secret}");
    audited.send("d", "alice", ("GET", &query, "")).await.expect(200);
    let basic = [("authorization", "Basic aHVudGVyMi1odW50ZXIy"), ("x-request-id", "e")];
    audited.server.send("DELETE", "/devices/dev-123", &basic, "").await.expect(401);
    let records = audited.records().await;
    for id in ["a", "b", "c", "d", "e"] {
        assert!(find(&records, id).is_some(), "{id}");
    }
    let text = std::fs::read_to_string(&audited.file).expect("it is there");
    for hidden in [secret, "alice-token", "aHVudGVyMi1odW50ZXIy"] {
        assert!(!text.contains(hidden), "{hidden} is in\n{text}");
    }
}

#[tokio::test]
async fn hostile_texts_stay_in_their_line() {
    let mut audited = audited(&[]).await;
    let long = "x".repeat(5_000);
    let agents: [&[u8]; 4] = [br#"a","user":"root"#, b"\xff\xfe", b"tab\there", long.as_bytes()];
    for (number, agent) in agents.iter().enumerate() {
        let start = format!("PUT /devices/a%0A%22b%00 HTTP/1.1\r\nhost: {}\r\n", audited.address());
        let headers =
            format!("authorization: Bearer alice-token\r\nx-request-id: agent-{number}\r\n");
        let request = [start.as_bytes(), headers.as_bytes(), b"user-agent: ", agent, b"\r\n\r\n"];
        audited.server.client.raw(&request.concat()).await;
    }
    let records = audited.records().await;
    let told: Vec<&Value> = (0..agents.len())
        .map(|number| &find(&records, &format!("agent-{number}")).expect("recorded")["userAgent"])
        .collect();
    let cut = format!("{}…", "x".repeat(256));
    let expected = [r#"a","user":"root"#, "\u{fffd}\u{fffd}", "tab\there", &cut];
    assert_eq!(told, expected);
}

impl Audited {
    fn address(&self) -> std::net::SocketAddr {
        self.server.client.address
    }
}

#[tokio::test]
async fn reads_and_watches_are_recorded_when_asked_for() {
    let mut audited = audited(&["--audit-level=all"]).await;
    audited.send("read", "alice", ("GET", "/devices/dev-123", "")).await.expect(200);
    audited.send("list", "alice", ("GET", "/devices", "")).await.expect(200);
    let watch = ("GET", "/devices?watch=true&timeoutSeconds=1", "");
    audited.send("watch", "alice", watch).await.expect(200);
    audited.send("probe", "", ("GET", "/healthz", "")).await.expect(200);
    let records = audited.records().await;
    for (id, expected) in [
        ("read", ["request"].as_slice()),
        ("list", &["request"]),
        ("watch", &["opened", "closed"]),
        ("probe", &[]),
    ] {
        let of_it = records.iter().filter(|record| record["id"] == id);
        let kinds: Vec<&Value> = of_it.map(|record| &record["kind"]).collect();
        assert_eq!(kinds, expected, "{id}");
    }
}

/// A JSON patch that reads asks for the right to read in the middle of a write.
#[tokio::test]
async fn a_patch_that_reads_is_a_write() {
    let mut audited = audited(&[]).await;
    let patch = r#"[{"op":"copy","from":"/spec/location","path":"/spec/model"}]"#;
    let headers = [
        ("x-request-id", "copy"),
        ("content-type", "application/json-patch+json"),
        ("authorization", "Bearer bob-token"),
    ];
    audited.server.send("PATCH", "/devices/dev-123", &headers, patch).await.expect(200);
    let records = audited.records().await;
    let record = find(&records, "copy").expect("it is recorded");
    assert_eq!(in_words(record), "200 changed allowed patch");
}
