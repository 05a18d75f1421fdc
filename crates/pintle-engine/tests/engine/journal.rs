//! The journal: everything in order for the server, and for callers what they may watch.

use std::sync::Arc;

use pintle_engine::{Action, Entry, Journal, Limits, Reader, Reading, Refusal};
use pintle_model::{GroupResource, ObjectKey, Revision};
use pintle_store::HistoryLimits;
use serde_json::{Value, json};

use crate::world::{
    PATIENCE, Terms, World, crd, create, definition, delete, device, device_in, devices, merge,
    merge_status, namespace, replace, report, user,
};

const RBAC: &str = "rbac.authorization.k8s.io";

async fn open(world: &World, reader: Reader, after: Option<u64>) -> Result<Journal, Refusal> {
    let after = after.map(Revision);
    world.engine.journal(Reading { reader, namespace: None, after }).await
}

fn caller(name: &str) -> Reader {
    Reader::Caller(user(name))
}

/// Reads until everything that is committed now has been told.
async fn rest(world: &World, journal: &mut Journal) -> Vec<Entry> {
    let newest = world.engine.newest();
    let mut entries = Vec::new();
    while journal.cursor() < newest {
        let next = tokio::time::timeout(PATIENCE, journal.next()).await;
        entries.extend(next.expect("a journal comes to the end").unwrap().entries);
    }
    entries
}

/// `created Device lab/a`.
fn told(entry: &Entry) -> String {
    let kind = &entry.served().definition.kind.kind;
    let half = if entry.is_status() { "'s status" } else { "" };
    format!("{} {kind} {}{half}", entry.action().word(), entry.stored().key.name)
}

fn of_devices(entries: &[Entry]) -> Vec<String> {
    let devices = entries.iter().filter(|entry| entry.stored().key.resource == devices());
    devices.map(told).collect()
}

async fn bind(world: &World, namespace: &str, who: &str, resources: &[&str]) -> ObjectKey {
    let key = |plural| ObjectKey::new(GroupResource::new(RBAC, plural), namespace, "watchers");
    let groups = ["", "infra.example.io"];
    let rules = json!([{"apiGroups": groups, "resources": resources, "verbs": ["watch"]}]);
    let binding = json!({
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "watchers"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": who}],
    });
    world.put(&key("roles"), create(json!({"rules": rules}))).await;
    world.put(&key("rolebindings"), create(binding)).await;
    key("rolebindings")
}

#[tokio::test]
async fn the_server_is_told_everything_in_order() {
    let world = World::new().await;
    let mut journal = open(&world, Reader::Server, Some(0)).await.unwrap();
    world.create("a", "red").await;
    world.put(&device("a"), replace(json!({"spec": {"color": "blue"}}))).await;
    world.put(&device("a"), merge(json!({"metadata": {"labels": {"a": "b"}}}))).await;
    world.put(&device("a"), report(json!({"phase": "On"}))).await;
    world.put(&device("a"), merge_status(json!({"phase": "Off"}))).await;
    world.put(&device("a"), delete()).await;
    world.engine.calm().await;
    let entries = rest(&world, &mut journal).await;
    let revisions = entries.iter().map(|entry| entry.revision().0);
    assert!(revisions.eq(1..=world.engine.newest().0), "no revision is left out");
    let expected = [
        "created Device lab/a",
        "updated Device lab/a",
        "patched Device lab/a",
        "updated Device lab/a's status",
        "patched Device lab/a's status",
        "deleted Device lab/a",
    ];
    assert_eq!(of_devices(&entries), expected);
}

#[tokio::test]
async fn the_servers_own_writes_are_updates() {
    let world = World::new().await;
    world.create("a", "red").await;
    world.put(&namespace("lab"), delete()).await;
    world.until_gone(&namespace("lab")).await;
    world.engine.calm().await;
    let mut journal = open(&world, Reader::Server, Some(0)).await.unwrap();
    let entries = rest(&world, &mut journal).await;
    assert!(entries.iter().any(|entry| entry.action() == Action::Deleted));
    let patched: Vec<_> =
        entries.iter().filter(|entry| entry.action() == Action::Patched).map(told).collect();
    assert_eq!(patched, Vec::<String>::new(), "nobody patched anything");
}

#[tokio::test]
async fn callers_are_told_what_they_may_watch() {
    let world = World::new().await;
    world.create_namespace("attic").await;
    bind(&world, "lab", "alice", &["devices"]).await;
    bind(&world, "attic", "alice", &["resourcequotas"]).await;
    let mut journal = open(&world, caller("alice"), Some(0)).await.unwrap();
    world.create("a", "red").await;
    world.put(&device_in("attic", "b"), create(json!({}))).await;
    for place in ["lab", "attic"] {
        let quota = ObjectKey::new(GroupResource::from_text("resourcequotas"), place, "q");
        world.put(&quota, create(json!({}))).await;
    }
    let entries = rest(&world, &mut journal).await;
    let told: Vec<_> = entries.iter().map(told).collect();
    assert_eq!(told, ["created Device lab/a", "created ResourceQuota attic/q"]);
}

#[tokio::test]
async fn one_namespace_can_be_read_alone() {
    let world = World::new().await;
    world.create_namespace("attic").await;
    bind(&world, "lab", "alice", &["devices"]).await;
    world.create("a", "red").await;
    world.put(&device_in("attic", "b"), create(json!({}))).await;
    let open = |reader, place: &str| {
        let namespace = Some(Arc::from(place));
        world.engine.journal(Reading { reader, namespace, after: Some(Revision::ZERO) })
    };
    for (reader, place, expected) in [
        (Reader::Server, "lab", &["created Device lab/a"][..]),
        (Reader::Server, "attic", &["created Device attic/b"]),
        (caller("alice"), "lab", &["created Device lab/a"]),
    ] {
        let mut journal = open(reader, place).await.unwrap();
        assert_eq!(of_devices(&rest(&world, &mut journal).await), expected, "{place}");
    }
    let refused = open(caller("alice"), "attic").await.unwrap_err();
    assert!(matches!(refused, Refusal::Forbidden(_)), "{refused:?}");
}

#[tokio::test]
async fn a_journal_ends_when_a_right_goes() {
    let world = World::new().await;
    let nothing = open(&world, caller("alice"), None).await.unwrap_err();
    assert!(matches!(nothing, Refusal::Forbidden(_)), "{nothing:?}");
    bind(&world, "lab", "alice", &["devices"]).await;
    let mut journal = open(&world, caller("alice"), None).await.unwrap();
    // More rights are no end, and count for what comes after them.
    world.create_namespace("attic").await;
    let binding = bind(&world, "attic", "alice", &["devices"]).await;
    world.put(&device_in("attic", "b"), create(json!({}))).await;
    assert_eq!(of_devices(&rest(&world, &mut journal).await), ["created Device attic/b"]);
    let waiting = tokio::spawn(async move {
        loop {
            if let Err(refusal) = journal.next().await {
                return refusal;
            }
        }
    });
    world.put(&binding, delete()).await;
    let ended = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert!(matches!(ended, Refusal::Forbidden(_)), "{ended:?}");
}

#[tokio::test]
async fn what_is_written_after_a_right_went_is_never_told() {
    let world = World::new().await;
    for round in 0..20 {
        let binding = bind(&world, "lab", "alice", &["devices"]).await;
        let mut journal = open(&world, caller("alice"), None).await.unwrap();
        // Nobody waits for the rules to be in force.
        let took = world.store.commit_removal(&binding).await;
        let secret = format!("secret-{round}");
        world.create(&secret, "red").await;
        let refusal = loop {
            match journal.next().await {
                Ok(entries) => assert_eq!(of_devices(&entries.entries), Vec::<String>::new()),
                Err(refusal) => break refusal,
            }
        };
        assert!(matches!(refusal, Refusal::Forbidden(_)), "{took:?}: {refusal:?}");
        world.engine.calm().await;
        let role = ObjectKey::new(GroupResource::new(RBAC, "roles"), "lab", "watchers");
        world.put(&role, delete()).await;
    }
}

#[tokio::test]
async fn kinds_that_are_gone_keep_their_names() {
    let world = World::new().await;
    world.declare(crd("gauges", "Gauge")).await;
    let gauge = ObjectKey::new(GroupResource::new("infra.example.io", "gauges"), "lab", "a");
    world.put(&gauge, create(json!({"spec": {"color": "red"}}))).await;
    let name = "gauges.infra.example.io";
    world.put(&definition(name), delete()).await;
    world.until_gone(&definition(name)).await;
    world.until_served_no_more(&gauge.resource).await;
    let mut journal = open(&world, Reader::Server, Some(0)).await.unwrap();
    let entries = rest(&world, &mut journal).await;
    let gauges = entries.iter().filter(|entry| entry.stored().key == gauge);
    let told: Vec<_> = gauges.map(told).collect();
    assert_eq!(told, ["created Gauge lab/a", "deleted Gauge lab/a"]);
}

#[tokio::test]
async fn conditions_that_turned_are_told() {
    let world = World::bare(Terms::default()).await;
    world.create_namespace("lab").await;
    let mut declared = crd("devices", "Device");
    let conditions = json!({"type": "array", "items": {"type": "object",
        "required": ["type", "status"], "properties": {
            "type": {"type": "string"}, "status": {"type": "string"},
            "lastTransitionTime": {"type": "string"}}}});
    let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
    declared.pointer_mut(status).unwrap()["conditions"] = conditions;
    world.declare(declared).await;
    let after = world.create("a", "red").await.revision;
    let ready = |status: &str| json!({"conditions": [{"type": "Ready", "status": status}]});
    for status in [ready("False"), ready("False"), ready("True"), json!({"phase": "On"})] {
        world.put(&device("a"), report(status)).await;
    }
    let mut journal = open(&world, Reader::Server, Some(after.0)).await.unwrap();
    let entries = rest(&world, &mut journal).await;
    let flips: Vec<Value> = entries.iter().map(|entry| json!(entry.flips())).collect();
    let expected = [json!({"Ready": null}), json!({"Ready": "False"}), json!({"Ready": "True"})];
    assert_eq!(flips, expected);
}

#[tokio::test]
async fn a_place_that_is_gone_or_not_yet_there_is_refused() {
    let history = HistoryLimits { memory_bytes_max: 0, ..HistoryLimits::default() };
    let world = World::with(Terms { history, ..Terms::default() }).await;
    let newest = world.engine.newest().0;
    let gone = open(&world, Reader::Server, Some(1)).await.unwrap_err();
    assert!(matches!(gone, Refusal::Expired { .. }), "{gone:?}");
    let ahead = open(&world, Reader::Server, Some(newest + 1)).await.unwrap_err();
    assert!(matches!(ahead, Refusal::FromTheFuture { .. }), "{ahead:?}");
    // One that was slow is told so later.
    let mut slow = open(&world, Reader::Server, None).await.unwrap();
    world.create("a", "red").await;
    world.create("b", "red").await;
    let gone = slow.next().await.unwrap_err();
    assert!(matches!(gone, Refusal::Expired { .. }), "{gone:?}");
}

#[tokio::test]
async fn callers_take_seats_and_the_server_does_not() {
    let world = World::limited(Limits { watchers_max: 1, ..Limits::default() }).await;
    bind(&world, "lab", "alice", &["devices"]).await;
    let first = open(&world, caller("alice"), None).await.unwrap();
    let refused = open(&world, caller("alice"), None).await.unwrap_err();
    assert_eq!(refused, Refusal::TooManyWatches);
    open(&world, Reader::Server, None).await.unwrap();
    drop(first);
    open(&world, caller("alice"), None).await.unwrap();
}

#[tokio::test]
async fn a_journal_ends_with_the_server() {
    let world = World::new().await;
    let mut journal = open(&world, Reader::Server, None).await.unwrap();
    let waiting = tokio::spawn(async move { journal.next().await });
    tokio::task::yield_now().await;
    world.engine.close().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err(), Refusal::ShuttingDown);
}
