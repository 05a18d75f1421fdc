//! Requests with several faults at once, and what they are told.

use serde_json::{Value, json};

use super::{
    ALICE, BOB, CONTROLLER, DEVICE, Guarded, MALLORY, ROOT, STATUS, guarded, stored_status,
};
use crate::table::{Row, assert_sound, check_seen_by, row};

/// The faults that a request can have, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Body,
    Missing,
    Boundary,
    Stale,
    Schema,
}

const FAULTS: [Fault; 5] =
    [Fault::Body, Fault::Missing, Fault::Boundary, Fault::Stale, Fault::Schema];

impl Fault {
    fn told(self) -> (u16, &'static str) {
        match self {
            Self::Body => (400, "BAD_REQUEST"),
            Self::Missing => (404, "NOT_FOUND"),
            Self::Boundary => (422, "SPEC_WRITE_FORBIDDEN"),
            Self::Stale => (412, "CONFLICT"),
            Self::Schema => (422, "INVALID"),
        }
    }
}

/// The ways to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Replace,
    Merge,
    Json,
    Shorthand,
    ReplaceStatus,
    MergeStatus,
    JsonStatus,
    ShorthandStatus,
    PutCondition,
    RemoveCondition,
    Delete,
}

const WAYS: [Way; 11] = [
    Way::Replace,
    Way::Merge,
    Way::Json,
    Way::Shorthand,
    Way::ReplaceStatus,
    Way::MergeStatus,
    Way::JsonStatus,
    Way::ShorthandStatus,
    Way::PutCondition,
    Way::RemoveCondition,
    Way::Delete,
];

impl Way {
    /// Which faults such a request can have.
    fn can(self, fault: Fault) -> bool {
        match self {
            Self::Replace | Self::Merge | Self::Json | Self::Shorthand | Self::PutCondition => {
                fault != Fault::Boundary
            }
            Self::Delete => !matches!(fault, Fault::Boundary | Fault::Schema),
            Self::RemoveCondition => matches!(fault, Fault::Missing | Fault::Stale),
            Self::ReplaceStatus | Self::MergeStatus | Self::JsonStatus | Self::ShorthandStatus => {
                true
            }
        }
    }

    const fn is_status(self) -> bool {
        !matches!(self, Self::Replace | Self::Merge | Self::Json | Self::Shorthand | Self::Delete)
    }

    const fn method(self) -> &'static str {
        match self {
            Self::Replace | Self::ReplaceStatus | Self::PutCondition => "PUT",
            Self::Delete | Self::RemoveCondition => "DELETE",
            _ => "PATCH",
        }
    }

    const fn format(self) -> &'static str {
        match self {
            Self::Merge | Self::MergeStatus => "merge",
            Self::Json | Self::JsonStatus => "json",
            Self::Shorthand | Self::ShorthandStatus => "shorthand",
            _ => "",
        }
    }

    const fn place(self) -> &'static str {
        match self {
            Self::PutCondition | Self::RemoveCondition => "/status/conditions/Ready",
            Self::ReplaceStatus | Self::MergeStatus | Self::JsonStatus | Self::ShorthandStatus => {
                "/status"
            }
            _ => "",
        }
    }

    /// What is missing, in the words of the policy file.
    const fn permission(self) -> &'static str {
        match (self, self.is_status()) {
            (_, true) => "requires update_status permission",
            (Self::Delete, _) => "requires delete permission",
            (Self::Replace, _) => "requires update permission",
            (..) => "requires patch permission",
        }
    }

    fn body(self, worst: Fault) -> String {
        if worst == Fault::Body {
            return if self == Self::Delete { "{\"frob\":1}" } else { "{nonsense" }.to_owned();
        }
        let foreign = worst <= Fault::Boundary;
        let document = match self {
            Self::RemoveCondition | Self::Delete => return String::new(),
            Self::PutCondition => json!({"status": "Perhaps"}),
            Self::Replace | Self::Merge => json!({"spec": {"name": "", "location": "x"}}),
            Self::Json => json!([{"op": "replace", "path": "/spec/name", "value": ""}]),
            Self::Shorthand => json!({"spec.name": ""}),
            Self::ReplaceStatus | Self::MergeStatus if foreign => {
                json!({"spec": {}, "status": {"phase": "Perhaps"}})
            }
            Self::ReplaceStatus | Self::MergeStatus => json!({"status": {"phase": "Perhaps"}}),
            Self::JsonStatus => {
                let report = json!({"op": "add", "path": "/status/phase", "value": "Perhaps"});
                let spec = json!({"op": "add", "path": "/spec/name", "value": ""});
                if foreign { json!([report, spec]) } else { json!([report]) }
            }
            Self::ShorthandStatus if foreign => json!({"status.phase": "Perhaps", "spec.name": ""}),
            Self::ShorthandStatus => json!({"status.phase": "Perhaps"}),
        };
        document.to_string()
    }

    /// The request that has a fault, and every later one.
    fn request(self, worst: Fault, stale: &str) -> Row {
        let object = if worst <= Fault::Missing { "/devices/none" } else { DEVICE };
        let what = format!("{self:?} from {worst:?} on");
        let request = row(what, &format!("{} {object}{}", self.method(), self.place()));
        let request =
            if worst <= Fault::Stale { request.header("if-match", stale) } else { request };
        let body = self.body(worst);
        match self.format() {
            "" => request.json(body),
            format => request.patch(format, body),
        }
    }
}

/// The example with a version of its sample that is not the newest.
async fn with_stale_version() -> (Guarded, String) {
    let guarded = guarded(None).await;
    let old = guarded.server.send("GET", DEVICE, &ROOT, "").await.expect(200).etag().to_owned();
    guarded.report().await;
    (guarded, old)
}

#[tokio::test]
async fn the_first_fault_is_told_and_rights_come_before_all() {
    let (guarded, stale) = with_stale_version().await;
    // Who may write the main lane, the status, and delete.
    let callers = [
        (ALICE, (true, false, false)),
        (CONTROLLER, (false, true, false)),
        (BOB, (true, true, false)),
        (MALLORY, (false, false, false)),
        (ROOT, (true, true, true)),
    ];
    let mut rows = Vec::new();
    for way in WAYS {
        for fault in FAULTS.into_iter().filter(|fault| way.can(*fault)) {
            let request = way.request(fault, &stale);
            for (caller, (main, status, delete)) in callers {
                let (name, value) = caller[0];
                let asked = request.clone().header(name, value);
                let allowed = match (way, way.is_status()) {
                    (Way::Delete, _) => delete,
                    (_, true) => status,
                    (_, false) => main,
                };
                let (code, reason) = fault.told();
                rows.push(if allowed {
                    asked.is(code, reason, "")
                } else {
                    asked.is(403, "FORBIDDEN", way.permission())
                });
            }
            rows.push(request.clone().is(401, "UNAUTHENTICATED", "Bearer"));
            let unknown = request.header("authorization", "Bearer nobody");
            rows.push(unknown.is(401, "UNAUTHENTICATED", "not known"));
        }
    }
    check_seen_by(&guarded.server, &ROOT, rows).await;
}

/// What is wrong with the rest of a request is not told to those who have no right either.
#[tokio::test]
async fn no_other_fault_comes_before_the_right() {
    let guarded = guarded(None).await;
    let nonsense = [
        ("if-match", "nonsense"),
        ("if-match", "\"1\", \"2\""),
        ("if-none-match", "nonsense"),
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
    ];
    let mut rows = Vec::new();
    for way in WAYS {
        for (name, value) in nonsense {
            let request = row("faulty", &format!("{} {DEVICE}{}", way.method(), way.place()));
            let request = request.header(name, value).body("{");
            let refused = request.clone().header("authorization", "Bearer mallory-token");
            rows.push(refused.is(403, "FORBIDDEN", way.permission()));
            rows.push(request.is(401, "UNAUTHENTICATED", ""));
        }
    }
    let create = row("create", "POST /devices").json("{nonsense");
    let elsewhere = r#"{"metadata":{"name":"x","namespace":"none"},"spec":5}"#;
    for caller in [ALICE, CONTROLLER, BOB, MALLORY] {
        let (name, value) = caller[0];
        let asked = create.clone().header(name, value);
        rows.push(asked.is(403, "FORBIDDEN", "requires create permission"));
        let asked = row("create", "POST /devices").json(elsewhere).header(name, value);
        rows.push(asked.is(403, "FORBIDDEN", "requires create permission"));
    }
    rows.push(create.is(401, "UNAUTHENTICATED", ""));
    check_seen_by(&guarded.server, &ROOT, rows).await;
}

#[tokio::test]
async fn credentials_prove_somebody_or_nobody() {
    let guarded = guarded(None).await;
    let get = |value: &str| {
        row(format!("401: {value}"), &format!("GET {DEVICE}")).header("authorization", value)
    };
    let denied = |row: Row| row.is(401, "UNAUTHENTICATED", "");
    let alice = "Bearer alice-token";
    let rows = vec![
        denied(row("none", &format!("GET {DEVICE}"))),
        denied(row("none", "GET /devices")),
        denied(row("none", "GET /devices?watch")),
        denied(row("by query", &format!("GET {DEVICE}")).header("x-token", "alice-token")),
        denied(row("cookie", &format!("GET {DEVICE}")).header("cookie", "token=alice-token")),
        denied(get("alice-token")),
        denied(get("Bearer")),
        denied(get("Bearer ")),
        denied(get("Bearer nobody")),
        denied(get("Bearer ALICE-TOKEN")),
        denied(get("Bearer alice-token2")),
        denied(get("Bearer alice-toke")),
        denied(get("Bearer alice-token,bob-token")),
        denied(get("Bearer alice-token Bearer bob-token")),
        denied(get("Bearer \"alice-token\"")),
        denied(get("Basic YWxpY2U6YWxpY2U=")),
        denied(get("Token alice-token")),
        denied(get(&format!("Bearer {}", "x".repeat(10_000)))),
        denied(get(alice).header("authorization", "Bearer bob-token")),
        denied(get(alice).header("authorization", alice)),
        denied(get(alice).header("Authorization", "Basic YTpi")),
        get(alice).is(200, "", "dev-123"),
        get("bearer alice-token").is(200, "", "dev-123"),
        // Nobody is somebody else because a header says so.
        get(alice).header("x-remote-user", "bob").is(200, "", ""),
        get(alice).header("impersonate-user", "bob").is(403, "FORBIDDEN", "\"alice\""),
        row("not bob", &format!("PATCH {STATUS}"))
            .header("authorization", alice)
            .header("x-remote-user", "bob")
            .header("x-remote-group", "system:masters")
            .patch("merge", r#"{"status":{}}"#)
            .is(403, "FORBIDDEN", "\"alice\""),
        // With credentials, other hosts are served.
        get(alice).header("host", "pintle.example").is(200, "", "dev-123"),
        get(alice).header("origin", "https://console.example").is(200, "", "dev-123"),
    ];
    check_seen_by(&guarded.server, &ROOT, rows).await;
    let denied = guarded.server.get(DEVICE).await.expect(401);
    assert!(denied.header("www-authenticate").starts_with("Bearer"), "{:?}", denied.headers);
}

/// Strangers learn nothing of which kinds there are: neither by their names nor by what they cannot
/// do.
#[tokio::test]
async fn strangers_are_not_told_what_there_is() {
    let guarded = guarded(None).await;
    let mut rows = Vec::new();
    for (method, kind, place) in [
        ("GET", "devices", ""),
        ("GET", "devices", "/dev-123"),
        ("GET", "devices", "/none"),
        ("GET", "devices", "/none/status"),
        ("GET", "gadgets", ""),
        ("GET", "gadgets", "/none"),
        ("GET", "devices.infra.example.io", "/none"),
        ("GET", "devices.example.io", "/none"),
        ("PUT", "devices", ""),
        ("PUT", "gadgets", ""),
        ("FROB", "devices", "/dev-123"),
        ("FROB", "gadgets", "/dev-123"),
        ("GET", "roles", "/none/status"),
        ("GET", "gadgets", "/none/status"),
        ("GET", "namespaces", "?namespace=x"),
        ("GET", "gadgets", "?namespace=x"),
    ] {
        let asked = row("stranger", &format!("{method} /{kind}{place}"));
        rows.push(asked.clone().is(401, "UNAUTHENTICATED", "Bearer"));
        let versioned = asked.header("accept", "application/json;version=v9");
        rows.push(versioned.is(401, "UNAUTHENTICATED", "Bearer"));
    }
    for kind in ["devices", "gadgets"] {
        let asked = row("stranger", &format!("GET /{kind}?nonsense"));
        rows.push(asked.is(401, "UNAUTHENTICATED", "Bearer"));
    }
    check_seen_by(&guarded.server, &ROOT, rows).await;
}

/// Whoever may not look gets the same answer for a uid that exists and for one that does not.
#[tokio::test]
async fn a_uid_tells_nothing_to_who_may_not_look() {
    let guarded = guarded(None).await;
    let server = &guarded.server;
    let found = server.send("GET", DEVICE, &ROOT, "").await.expect(200);
    let uid = found.at("/metadata/uid").as_str().expect("a uid").to_owned();
    let unknown = "device-0123456789abcdef";
    let requests = [
        ("GET", "", ""),
        ("HEAD", "", ""),
        ("PUT", "", "{}"),
        ("PATCH", "", "{}"),
        ("DELETE", "", ""),
        ("GET", "/status", ""),
        ("PUT", "/status", "{}"),
        ("PATCH", "/status", "{}"),
        ("PUT", "/status/conditions/Ready", "{}"),
        ("DELETE", "/status/conditions/Ready", ""),
    ];
    for (method, place, body) in requests {
        let ask = async |uid: &str| {
            let path = format!("/devices/{uid}{place}");
            let reply = server.send(method, &path, &MALLORY, body).await.expect(403);
            let mut told: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            if let Some(told) = told.as_object_mut() {
                // It has nothing to do with what was asked for.
                told.remove("requestId");
            }
            (told.to_string().replace(uid, "UID"), reply.headers.len())
        };
        assert_eq!(ask(&uid).await, ask(unknown).await, "{method} {place}");
    }
    // Who may look is told the difference.
    server.send("GET", &format!("/devices/{uid}"), &ALICE, "").await.expect(200);
    server.send("GET", &format!("/devices/{unknown}"), &ALICE, "").await.expect(404);
    assert_sound(server).await;
}

/// Who may only report sees metadata and status, and nothing else: in no answer, no conflict, no
/// refusal.
#[tokio::test]
async fn a_reporter_never_sees_a_spec() {
    let policy = "- reads: explicit\n- role: reporter\n  permissions: [devices:update_status]\n\
                  - user: device-controller\n  role: reporter\n";
    let guarded = guarded(Some(policy)).await;
    let server = &guarded.server;
    let old = server.send("GET", DEVICE, &ROOT, "").await.expect(200);
    guarded.report().await;
    let secrets = ["sensor-01", "datacenter-1", "TempSensor-Pro", "30s"];
    let hides = |what: &str, text: &str| {
        for secret in secrets {
            assert!(!text.contains(secret), "{what} shows {secret}: {text}");
        }
    };
    let representation = ("prefer", "return=representation");
    let as_reporter = |more: &[(&'static str, &'static str)]| [&CONTROLLER[..], more].concat();
    let merge = ("content-type", "application/merge-patch+json");
    let json_patch = ("content-type", "application/json-patch+json");
    let (get, report) = ("", r#"{"status":{"message":"seen"}}"#);
    let guess = r#"[{"op":"test","path":"/spec/location","value":"elsewhere"}]"#;
    let steal = r#"[{"op":"copy","from":"/spec/location","path":"/status/message"}]"#;
    let requests = [
        ("GET", DEVICE, as_reporter(&[]), get, 403),
        ("GET", "/devices", as_reporter(&[]), get, 403),
        ("GET", "/devices?watch", as_reporter(&[]), get, 403),
        ("GET", STATUS, as_reporter(&[]), get, 200),
        ("HEAD", STATUS, as_reporter(&[]), get, 200),
        ("PATCH", STATUS, as_reporter(&[merge]), report, 200),
        ("PUT", STATUS, as_reporter(&[representation]), report, 200),
        ("PATCH", STATUS, as_reporter(&[json_patch]), guess, 422),
        ("PATCH", STATUS, as_reporter(&[json_patch]), steal, 422),
        (
            "PUT",
            "/devices/dev-123/status/conditions/Up",
            as_reporter(&[]),
            r#"{"status":"True"}"#,
            200,
        ),
        ("DELETE", "/devices/dev-123/status/conditions/Up", as_reporter(&[]), get, 200),
        ("PUT", DEVICE, as_reporter(&[]), r#"{"spec":{"model":"x"}}"#, 403),
        ("DELETE", DEVICE, as_reporter(&[]), get, 403),
    ];
    for (method, path, headers, body, status) in requests {
        let reply = server.send(method, path, &headers, body).await.expect(status);
        hides(&format!("{method} {path} {body}"), &reply.text());
        if status == 200 && method != "HEAD" {
            let shown = reply.json();
            let fields: Vec<&String> = shown.as_object().expect("an object").keys().collect();
            assert_eq!(fields, ["apiVersion", "kind", "metadata", "status"], "{method} {path}");
        }
    }
    for (headers, code) in [(vec![("if-match", old.etag())], 412), (vec![], 409)] {
        let mut body = json!({"status": stored_status()});
        if code == 409 {
            body["metadata"] = json!({"resourceVersion": old.version().to_string()});
        }
        let asked = [&as_reporter(&[representation])[..], &headers].concat();
        let reply = server.json("PUT", STATUS, &asked, &body).await.expect(code);
        assert_eq!(reply.at("/current"), Value::Null, "no current object: {}", reply.text());
        hides("a conflict", &reply.text());
        let seen = [&ROOT[..], &[representation], &headers].concat();
        let reply = server.json("PUT", STATUS, &seen, &body).await.expect(code);
        assert_eq!(reply.at("/current/spec/name"), "sensor-01", "who may look sees it");
    }
    assert_sound(server).await;
}
