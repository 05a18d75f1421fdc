//! Rights in some namespaces only: nothing of the others is seen, counted or guessed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{ALICE, BOB, CONTROLLER, Guarded, MALLORY, ROOT, guarded};
use crate::harness::http::Reply;
use crate::harness::stream::Framing;
use crate::table::{assert_sound, check_seen_by, row};

const POLICY: &str = "
- role: editor
  permissions: [devices:create, devices:update, devices:delete]
- role: controller
  permissions: [devices:update_status]
- role: everything
  permissions: ['*']
- user: alice
  role: editor
  namespace: team-a
- user: alice
  role: controller
  namespace: team-c
- user: device-controller
  role: controller
  namespace: team-b
- user: bob
  role: everything
  namespace: team-a
";

const NAMESPACES: [&str; 4] = ["team-a", "team-b", "team-c", "team-cc"];

/// Two devices in each of the namespaces, and the policy above.
async fn teams() -> Guarded {
    let guarded = guarded(Some(POLICY)).await;
    let server = &guarded.server;
    for namespace in NAMESPACES {
        let body = json!({"metadata": {"name": namespace}});
        server.json("POST", "/namespaces", &ROOT, &body).await.expect(201);
        for name in ["one", "two"] {
            let body = json!({
                "metadata": {"name": name, "namespace": namespace, "labels": {"team": namespace}},
                "spec": {"name": name, "location": namespace},
            });
            server.json("POST", "/devices", &ROOT, &body).await.expect(201);
        }
    }
    guarded
}

/// `namespace/name` of each object of a list.
fn places(list: &Value) -> Vec<String> {
    let text = |object: &Value, field: &str| {
        object["metadata"][field].as_str().expect("objects have both").to_owned()
    };
    let objects = list.as_array().expect("a list").iter();
    objects.map(|object| text(object, "namespace") + "/" + &text(object, "name")).collect()
}

#[tokio::test]
async fn a_list_shows_the_namespaces_that_its_caller_may_see() {
    let guarded = teams().await;
    let server = &guarded.server;
    let lists = async |headers: &[(&str, &str)], query: &str| {
        let reply = server.send("GET", &format!("/devices{query}"), headers, "").await.expect(200);
        places(&reply.json())
    };
    let of_alice = ["team-a/one", "team-a/two", "team-c/one", "team-c/two"];
    assert_eq!(lists(&ALICE, "").await, of_alice);
    assert_eq!(lists(&ALICE, "?namespace=team-c").await, of_alice[2..]);
    assert_eq!(lists(&CONTROLLER, "").await, ["team-b/one", "team-b/two"]);
    assert_eq!(lists(&BOB, "").await, of_alice[..2]);
    assert_eq!(lists(&ROOT, "").await.len(), 9);
    // No selector reaches further.
    assert_eq!(lists(&CONTROLLER, "?labelSelector=team%3Dteam-a").await, [""; 0]);
    assert_eq!(lists(&CONTROLLER, "?labelSelector=!team").await, [""; 0]);
    assert_eq!(lists(&CONTROLLER, "?fieldSelector=metadata.namespace%3Dteam-a").await, [""; 0]);
    assert_eq!(lists(&CONTROLLER, "?fieldSelector=spec.location%3Dteam-a").await, [""; 0]);
    let refused = |what: &str, path: &str, headers: [(&'static str, &'static str); 1]| {
        row(what, &format!("GET {path}")).header(headers[0].0, headers[0].1)
    };
    let list =
        |path: &str, headers| refused("12", path, headers).is(403, "FORBIDDEN", "requires list");
    check_seen_by(
        server,
        &ROOT,
        [
            list("/devices", MALLORY),
            list("/devices?namespace=team-a", MALLORY),
            list("/devices?namespace=nowhere", MALLORY),
            list("/devices?namespace=team-b", ALICE),
            list("/devices?namespace=team-cc", ALICE),
            list("/devices?namespace=default", ALICE),
            list("/devices?namespace=nowhere", ALICE),
            list("/devices?namespace=team", ALICE),
            list("/devices?namespace=team-a%2Fteam-b", ALICE),
            list("/namespaces", BOB),
            list("/customresourcedefinitions", BOB),
            list("/clusterroles", BOB),
            refused("12", "/devices?watch", MALLORY).is(403, "FORBIDDEN", "requires watch"),
            refused("12", "/devices?watch&namespace=team-b", ALICE).is(
                403,
                "FORBIDDEN",
                "requires watch",
            ),
        ],
    )
    .await;
}

/// The token of a `Link` header.
fn next_token(reply: &Reply) -> Option<String> {
    let (_, rest) = reply.header("link").split_once("continue=")?;
    Some(rest.split(['>', '&']).next()?.to_owned())
}

#[tokio::test]
async fn a_continue_token_gives_no_rights() {
    let guarded = teams().await;
    let server = &guarded.server;
    let page = async |headers: &[(&str, &str)], query: &str| {
        server.send("GET", &format!("/devices?limit=1{query}"), headers, "").await.expect(200)
    };
    // Page by page, a caller sees what it sees in one.
    let (mut seen, mut query) = (Vec::new(), String::new());
    loop {
        let reply = page(&ALICE, &query).await;
        seen.extend(places(&reply.json()));
        let Some(token) = next_token(&reply) else { break };
        query = format!("&continue={token}");
        assert!(seen.len() < 9, "the pages end: {seen:?}");
    }
    assert_eq!(seen, ["team-a/one", "team-a/two", "team-c/one", "team-c/two"]);
    // With tokens of others, and with those that it makes itself.
    let of_root = next_token(&page(&ROOT, "").await).expect("there is more");
    let revision = page(&ROOT, "").await.header("pintle-resource-version").to_owned();
    let mut tokens = vec![of_root];
    for place in ["/", "team-a/one", "team-b/", "team-b/one", "team-c/", "team-b\u{0}/", "zzz/"] {
        tokens.push(URL_SAFE_NO_PAD.encode(format!("1/{revision}/{place}")));
    }
    for token in tokens {
        let query = format!("/devices?continue={token}");
        for (headers, mine) in [(ALICE, ["team-a", "team-c"]), (CONTROLLER, ["team-b", "team-b"])] {
            let reply = server.send("GET", &query, &headers, "").await.expect(200);
            for place in places(&reply.json()) {
                let namespace = place.split('/').next().unwrap_or_default();
                assert!(mine.contains(&namespace), "{token} shows {place}");
            }
        }
        server.send("GET", &query, &MALLORY, "").await.expect(403);
        let elsewhere = format!("{query}&namespace=team-b");
        server.send("GET", &elsewhere, &ALICE, "").await.expect(403);
    }
    assert_sound(server).await;
}

#[tokio::test]
async fn a_write_needs_the_right_where_it_writes() {
    let guarded = teams().await;
    let server = &guarded.server;
    let in_b = server.send("GET", "/devices/one?namespace=team-b", &ROOT, "").await.expect(200);
    let uid = in_b.at("/metadata/uid").as_str().expect("a uid").to_owned();
    let device = |namespace: &str| {
        json!({"metadata": {"name": "new", "namespace": namespace}, "spec": {"name": "n", "location": "x"}})
            .to_string()
    };
    let alice = |what: &str, request: &str| row(what, request).header(ALICE[0].0, ALICE[0].1);
    let forbidden = |row: crate::table::Row, says: &str| row.is(403, "FORBIDDEN", says);
    let unknown = |row: crate::table::Row| row.is(404, "NOT_FOUND", "");
    let spec = r#"{"spec":{"location":"x"}}"#;
    let status = r#"{"status":{"phase":"Ready"}}"#;
    check_seen_by(
        server,
        &ROOT,
        [
            alice("own", "POST /devices?dryRun=All").json(device("team-a")).is(201, "", ""),
            alice("own", "POST /devices?dryRun=All&namespace=team-a")
                .json(device("team-a"))
                .is(201, "", ""),
            alice("own", "PATCH /devices/one?namespace=team-a&dryRun=All")
                .json(spec)
                .is(200, "", ""),
            alice("own", "PATCH /devices/one/status?namespace=team-c&dryRun=All")
                .json(status)
                .is(200, "", ""),
            // A body that names another namespace than the path is no way around.
            alice("body", "POST /devices?namespace=team-a").json(device("team-b")).is(
                400,
                "BAD_REQUEST",
                "metadata.namespace",
            ),
            forbidden(
                alice("body", "POST /devices?namespace=team-b").json(device("team-a")),
                "create",
            ),
            forbidden(alice("body", "POST /devices").json(device("team-b")), "create"),
            forbidden(alice("body", "POST /devices").json(device("nowhere")), "create"),
            forbidden(alice("body", "POST /devices").json(device("")), "create"),
            forbidden(alice("default", "PATCH /devices/dev-123").json(spec), "patch"),
            forbidden(alice("spec", "PATCH /devices/one?namespace=team-c").json(spec), "patch"),
            forbidden(
                alice("status", "PATCH /devices/one/status?namespace=team-a").json(status),
                "update_status",
            ),
            forbidden(alice("other", "PATCH /devices/one?namespace=team-b").json(spec), "patch"),
            forbidden(alice("other", "PATCH /devices/one?namespace=nowhere").json(spec), "patch"),
            forbidden(alice("other", "DELETE /devices/one?namespace=team-b"), "delete"),
            forbidden(alice("other", "GET /devices/one?namespace=team-cc"), "get"),
            forbidden(alice("uid", &format!("GET /devices/{uid}")), "get"),
            // In a namespace of one's own it is not there, whether or not it is elsewhere.
            unknown(alice("uid", &format!("GET /devices/{uid}?namespace=team-a"))),
            unknown(alice("uid", &format!("PATCH /devices/{uid}?namespace=team-a")).json(spec)),
            unknown(alice("uid", &format!("DELETE /devices/{uid}?namespace=team-a"))),
            alice("no name", &format!("GET /devices/{uid}?namespace=team-a&by=name")).is(
                404,
                "NOT_FOUND",
                "",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_watch_tells_of_its_own_namespaces_only() {
    let guarded = teams().await;
    let server = &guarded.server;
    let watch = server.watch_as("/devices?watch", Framing::Lines, &CONTROLLER).await;
    let mut watch = watch.expect("team-b may be watched");
    let (state, _) = watch.state().await;
    assert_eq!(places(&Value::from(state)), ["team-b/one", "team-b/two"]);
    for namespace in NAMESPACES {
        let path = format!("/devices/one?namespace={namespace}");
        let body = json!({"spec": {"model": namespace}});
        server.json("PATCH", &path, &ROOT, &body).await.expect(200);
    }
    let path = "/devices/two?namespace=team-b";
    server.send("DELETE", path, &ROOT, "").await.expect(200);
    let (changed, removed) = (watch.event().await, watch.event().await);
    assert_eq!((changed.kind.as_str(), changed.name()), ("MODIFIED", "one"));
    assert_eq!(changed.object["metadata"]["namespace"], "team-b");
    assert_eq!((removed.kind.as_str(), removed.name()), ("DELETED", "two"));
    assert_sound(server).await;
}
