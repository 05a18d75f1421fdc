//! Every caller at every place with every method.

use super::{ALICE, BOB, CONTROLLER, MALLORY, ROOT, guarded};
use crate::table::{Row, check_seen_by, row};

/// What the rules are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    ReadStatus,
    WriteStatus,
}

/// A place, and what can be done there: the method, what is sent (nothing is ever changed by it),
/// what it needs, and how it is answered.
type Place = (&'static str, &'static [(&'static str, &'static str, &'static str, Need, u16)]);

const PLACES: [Place; 4] = [
    (
        "/devices",
        &[
            ("GET", "", "", Need::List, 200),
            ("HEAD", "", "", Need::List, 200),
            ("GET", "?watch&timeoutSeconds=1", "", Need::Watch, 200),
            (
                "POST",
                "?dryRun=All",
                r#"{"metadata":{"name":"new"},"spec":{"name":"n","location":"x"}}"#,
                Need::Create,
                201,
            ),
        ],
    ),
    (
        "/devices/dev-123",
        &[
            ("GET", "", "", Need::Get, 200),
            ("HEAD", "", "", Need::Get, 200),
            ("PUT", "?dryRun=All", r#"{"spec":{"name":"n","location":"x"}}"#, Need::Update, 200),
            ("PATCH", "?dryRun=All", r#"{"spec":{"location":"x"}}"#, Need::Patch, 200),
            ("DELETE", "?dryRun=All", "", Need::Delete, 200),
        ],
    ),
    (
        "/devices/dev-123/status",
        &[
            ("GET", "", "", Need::ReadStatus, 200),
            ("HEAD", "", "", Need::ReadStatus, 200),
            ("PUT", "?dryRun=All", r#"{"status":{"phase":"Error"}}"#, Need::WriteStatus, 200),
            ("PATCH", "?dryRun=All", r#"{"status":{"phase":"Error"}}"#, Need::WriteStatus, 200),
        ],
    ),
    (
        "/devices/dev-123/status/conditions/Ready",
        &[
            ("PUT", "?dryRun=All", r#"{"status":"False"}"#, Need::WriteStatus, 200),
            ("DELETE", "?dryRun=All", "", Need::WriteStatus, 200),
        ],
    ),
];

/// What `policy.yaml` gives to whom: who may write may also read.
const READS: [Need; 4] = [Need::Get, Need::List, Need::Watch, Need::ReadStatus];
const WRITES: [Need; 2] = [Need::Update, Need::Patch];

fn may(caller: &str, need: Need) -> bool {
    let reads = READS.contains(&need);
    match caller {
        "alice" => reads || WRITES.contains(&need),
        "device-controller" => reads || need == Need::WriteStatus,
        "bob" => reads || WRITES.contains(&need) || need == Need::WriteStatus,
        "root" => true,
        _ => false,
    }
}

fn permission(need: Need) -> &'static str {
    match need {
        Need::Get | Need::ReadStatus => "requires get permission",
        Need::List => "requires list permission",
        Need::Watch => "requires watch permission",
        Need::Create => "requires create permission",
        Need::Update => "requires update permission",
        Need::Patch => "requires patch permission",
        Need::Delete => "requires delete permission",
        Need::WriteStatus => "requires update_status permission",
    }
}

#[tokio::test]
async fn every_caller_at_every_place_with_every_method() {
    let guarded = guarded(None).await;
    guarded.report().await;
    let callers = [
        ("alice", ALICE),
        ("device-controller", CONTROLLER),
        ("bob", BOB),
        ("mallory", MALLORY),
        ("root", ROOT),
    ];
    let mut rows: Vec<Row> = Vec::new();
    for (place, ways) in PLACES {
        for (method, query, body, need, accepted) in ways {
            let request = row(format!("{need:?}"), &format!("{method} {place}{query}"));
            let request = if body.is_empty() { request } else { request.json(*body) };
            for (caller, headers) in callers {
                let (name, value) = headers[0];
                let asked = request.clone().header(name, value);
                rows.push(if may(caller, *need) {
                    asked.is(*accepted, "", "")
                } else {
                    asked.is(403, "FORBIDDEN", permission(*need))
                });
            }
            rows.push(request.is(401, "UNAUTHENTICATED", ""));
        }
    }
    check_seen_by(&guarded.server, &ROOT, rows).await;
}

/// The table above leaves out no method: each place says itself what it can do.
#[tokio::test]
async fn the_table_has_every_method_of_every_place() {
    let guarded = guarded(None).await;
    for (place, ways) in PLACES {
        let reply = guarded.server.send("FROB", place, &ROOT, "").await.expect(405);
        let mut allowed: Vec<&str> = reply.header("allow").split(", ").collect();
        let mut tried: Vec<&str> = ways.iter().map(|(method, ..)| *method).collect();
        allowed.sort_unstable();
        tried.sort_unstable();
        tried.dedup();
        assert_eq!(tried, allowed, "{place}");
    }
    // Below these there are no other places.
    for beyond in ["/devices/dev-123/spec", "/devices/dev-123/status/conditions"] {
        guarded.server.send("GET", beyond, &ROOT, "").await.expect(404);
    }
}

/// The server's own kinds are nobody's but the administrator's, and its pages are everybody's.
#[tokio::test]
async fn the_servers_own_kinds_need_rights_of_their_own() {
    let guarded = guarded(None).await;
    let kinds = [
        "namespaces",
        "customresourcedefinitions",
        "resourcequotas",
        "roles",
        "rolebindings",
        "clusterroles",
        "clusterrolebindings",
    ];
    let mut rows: Vec<Row> = Vec::new();
    for kind in kinds {
        for caller in [ALICE, CONTROLLER, BOB, MALLORY] {
            let (name, value) = caller[0];
            let requests = [
                row("list", &format!("GET /{kind}")).is(403, "FORBIDDEN", "list"),
                row("watch", &format!("GET /{kind}?watch")).is(403, "FORBIDDEN", "watch"),
                row("get", &format!("GET /{kind}/default")).is(403, "FORBIDDEN", "get"),
                row("create", &format!("POST /{kind}")).json("{").is(403, "FORBIDDEN", "create"),
                row("delete", &format!("DELETE /{kind}/default")).is(403, "FORBIDDEN", "delete"),
                row("update", &format!("PUT /{kind}/default")).json("{").is(
                    403,
                    "FORBIDDEN",
                    "update",
                ),
            ];
            rows.extend(requests.map(|row| row.header(name, value)));
        }
        rows.push(row("nobody", &format!("GET /{kind}")).is(401, "UNAUTHENTICATED", ""));
    }
    for page in ["/healthz", "/readyz", "/health"] {
        rows.push(row("a page", &format!("GET {page}")).is(200, "", ""));
    }
    check_seen_by(&guarded.server, &ROOT, rows).await;
}
