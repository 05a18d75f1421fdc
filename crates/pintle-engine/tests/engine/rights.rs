//! The rules in force: when a write to one of their objects has returned, it counts.

use std::sync::Arc;

use pintle_authz::{Policy, User};
use pintle_engine::{AccessMode, Refusal, Start, Watch};
use pintle_model::{GroupResource, ObjectKey};
use serde_json::json;

use crate::world::{
    Terms, Want, World, crd, create, definition, delete, device, merge, report, user,
};

const RBAC: &str = "rbac.authorization.k8s.io";

fn role() -> ObjectKey {
    ObjectKey::new(GroupResource::new(RBAC, "roles"), "lab", "watcher")
}

fn binding() -> ObjectKey {
    ObjectKey::new(GroupResource::new(RBAC, "rolebindings"), "lab", "watcher")
}

fn rules(verbs: &[&str], resources: &[&str]) -> serde_json::Value {
    json!({"rules": [{"apiGroups": ["infra.example.io"], "resources": resources, "verbs": verbs}]})
}

async fn bind(world: &World, who: &str) {
    let document = json!({
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "watcher"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": who}],
    });
    world.put(&binding(), create(document)).await;
}

async fn may(world: &World, who: &Arc<User>, want: Want) -> bool {
    match world.write_as(who, &device("a"), want).await {
        Ok(_) => true,
        Err(Refusal::Forbidden(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rights_are_in_force_when_their_write_returns() {
    let world = World::new().await;
    world.create("a", "red").await;
    let alice = user("alice");
    for round in 0..20 {
        let up = || report(json!({"phase": round.to_string()}));
        let patch = || merge(json!({"spec": {"size": round}}));
        assert!(!may(&world, &alice, patch()).await);
        world.put(&role(), create(rules(&["patch"], &["devices"]))).await;
        assert!(!may(&world, &alice, patch()).await, "a role alone gives nothing");
        bind(&world, "alice").await;
        assert!(may(&world, &alice, patch()).await);
        assert!(!may(&world, &alice, up()).await, "a right to the spec is none to the status");
        world.put(&role(), merge(rules(&["update"], &["devices/status"]))).await;
        assert!(may(&world, &alice, up()).await);
        assert!(!may(&world, &alice, patch()).await, "nor the reverse");
        world.put(&binding(), delete()).await;
        assert!(!may(&world, &alice, up()).await);
        world.put(&role(), delete()).await;
    }
}

/// The default roles of the server cover every kind that is declared.
#[tokio::test]
async fn declared_kinds_come_with_their_roles() {
    let world = World::new().await;
    let bound = json!({
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "alice"}],
    });
    let key = ObjectKey::new(GroupResource::new(RBAC, "rolebindings"), "lab", "editors");
    world.put(&key, create(bound)).await;
    world.declare(crd("gauges", "Gauge")).await;
    let gauge = ObjectKey::new(GroupResource::new("infra.example.io", "gauges"), "lab", "a");
    world.write_as(&user("alice"), &gauge, create(json!({}))).await.unwrap();
    world.put(&definition("gauges.infra.example.io"), delete()).await;
}

#[tokio::test]
async fn a_watch_ends_with_the_right_to_it() {
    let world = World::new().await;
    world.put(&role(), create(rules(&["watch"], &["devices"]))).await;
    bind(&world, "alice").await;
    let alice = user("alice");
    let watch = || {
        let watch = Watch { selection: world.selection(Some("lab")), start: Start::WithState };
        world.engine.rules().grant(&alice, watch).unwrap()
    };
    let mut open = world.engine.watch(vec![watch()]).await.unwrap();
    assert_eq!(open.next().await.unwrap().len(), 1);
    let granted_before = watch();

    // A change of rules that leaves the right is no end.
    world.put(&role(), merge(rules(&["watch", "list"], &["devices"]))).await;
    world.create("a", "red").await;
    assert_eq!(open.next().await.unwrap().len(), 1);

    world.put(&binding(), delete()).await;
    world.create("secret", "red").await;
    let ended = open.next().await.unwrap_err();
    assert!(matches!(ended, Refusal::Forbidden(_)), "{ended:?}");
    // Nor does it help to have asked before, and to begin now.
    let mut late = world.engine.watch(vec![granted_before]).await.unwrap();
    let ended = late.next().await.unwrap_err();
    assert!(matches!(ended, Refusal::Forbidden(_)), "{ended:?}");
}

/// A watch that waits is woken when its right goes.
#[tokio::test]
async fn a_waiting_watch_ends_with_the_right_to_it() {
    let world = World::with(Terms::default()).await;
    world.put(&role(), create(rules(&["watch"], &["devices"]))).await;
    bind(&world, "alice").await;
    let selection = world.selection(Some("lab"));
    let watch = Watch { selection, start: Start::After(world.engine.newest()) };
    let granted = world.engine.rules().grant(&user("alice"), watch).unwrap();
    let mut watcher = world.engine.watch(vec![granted]).await.unwrap();
    let waiting = tokio::spawn(async move { watcher.next().await });
    tokio::task::yield_now().await;
    world.put(&binding(), delete()).await;
    let ended = waiting.await.unwrap().unwrap_err();
    assert!(matches!(ended, Refusal::Forbidden(_)), "{ended:?}");
}

/// The default roles are objects: there from the start, kept up to date, and left alone by whoever
/// says so.
#[tokio::test]
async fn the_default_roles_are_objects() {
    let world = World::new().await;
    let of = |plural, name| ObjectKey::new(GroupResource::new(RBAC, plural), "", name);
    for name in ["cluster-admin", "admin", "edit", "view", "status-writer"] {
        let found = world.get(&of("clusterroles", name)).await.unwrap();
        assert_eq!(found.metadata.labels["kubernetes.io/bootstrapping"], "rbac-defaults", "{name}");
    }
    let (own, added) =
        (of("clusterroles", "system:discovery"), of("clusterrolebindings", "cluster-admin"));
    let subject = json!({"apiGroup": RBAC, "kind": "User", "name": "ann"});
    let patched = world.put(&added, merge(json!({"subjects": [subject]}))).await;
    let annotation = json!({"rbac.authorization.kubernetes.io/autoupdate": "false"});
    let taken = json!({"metadata": {"annotations": annotation}, "rules": []});
    let kept = world.put(&own, merge(taken)).await;
    world.put(&of("clusterroles", "view"), delete()).await;

    let world = world.crash().await;
    world.get(&of("clusterroles", "view")).await.expect("made again");
    assert_eq!(world.get(&own).await.unwrap().revision, kept.revision, "left alone");
    let merged = world.get(&added).await.unwrap();
    assert!(merged.revision > patched.revision);
    let subjects = merged.body.to_value()["subjects"].clone();
    let names: Vec<_> = subjects.as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(
        names,
        ["ann", "system:masters"],
        "what was added stays, what is missing comes back"
    );

    let before = world.engine.newest();
    let world = world.crash().await;
    assert_eq!(world.engine.newest(), before, "another start writes nothing");
}

#[tokio::test]
async fn an_open_server_stores_no_roles() {
    let world = World::with(Terms { mode: AccessMode::Open, ..Terms::default() }).await;
    let key = ObjectKey::new(GroupResource::new(RBAC, "clusterroles"), "", "view");
    assert!(world.peek(&key).is_none());
}

#[tokio::test]
async fn rules_that_mean_nothing_are_refused() {
    let world = World::new().await;
    let rules = json!({"rules": [{"apiGroups": [], "resources": ["x"], "verbs": ["get"]}]});
    let refused = world.write(&role(), create(rules)).await.unwrap_err();
    assert!(format!("{refused:?}").contains("apiGroups must contain"), "{refused:?}");
}

/// Policies can be replaced while the engine runs, and a watch ends with the right to it.
#[tokio::test]
async fn replaced_policies_are_in_force_at_once() {
    let policy = |user: &str| {
        let file = json!([
            {"role": "r", "permissions": ["devices:update"]}, {"user": user, "role": "r"},
        ]);
        vec![Policy::from_value(&file).unwrap()]
    };
    let world = World::with(Terms { policies: policy("ann"), ..Terms::default() }).await;
    world.create("a", "red").await;
    let (ann, bob) = (user("ann"), user("bob"));
    let change = || merge(json!({"spec": {"size": 1}}));
    let watch = Watch { selection: world.selection(None), start: Start::WithState };
    let granted = world.engine.rules().grant(&ann, watch).unwrap();
    let mut watcher = world.engine.watch(vec![granted]).await.unwrap();
    watcher.next().await.unwrap();
    assert!(may(&world, &ann, change()).await && !may(&world, &bob, change()).await);
    world.engine.replace_policies(policy("bob"));
    assert!(!may(&world, &ann, change()).await && may(&world, &bob, change()).await);
    let ended = async {
        loop {
            if let Err(refusal) = watcher.next().await {
                return refusal;
            }
        }
    };
    let ended = tokio::time::timeout(crate::world::PATIENCE, ended).await.unwrap();
    assert!(matches!(ended, Refusal::Forbidden(_)), "{ended:?}");
}

/// Nobody makes the deletion of an object wait that they could not write.
#[tokio::test]
async fn who_holds_up_an_owner_needs_a_right_to_it() {
    let world = World::new().await;
    world.declare(crd("gauges", "Gauge")).await;
    let (mine, theirs) = (world.create("mine", "red").await, world.create("theirs", "red").await);
    world
        .put(
            &role(),
            create(json!({"rules": [
                {"apiGroups": ["infra.example.io"], "resources": ["gauges"], "verbs": ["*"]},
                {"apiGroups": ["infra.example.io"], "resources": ["devices"], "verbs": ["update"],
                 "resourceNames": ["mine"]},
                {"apiGroups": ["infra.example.io"], "resources": ["devices/finalizers"],
                 "verbs": ["update"], "resourceNames": ["held"]},
            ]})),
        )
        .await;
    bind(&world, "alice").await;
    let held = world.create("held", "red").await;
    let owned_by = |kind: &str, owner: &pintle_model::Object, blocks: bool| {
        json!({"metadata": {"ownerReferences": [{
            "apiVersion": "infra.example.io/v1", "kind": kind, "name": owner.metadata.name,
            "uid": owner.uid(), "blockOwnerDeletion": blocks,
        }]}})
    };
    let cases = [
        ("may update it", owned_by("Device", &mine, true), true),
        ("may update its finalizers", owned_by("Device", &held, true), true),
        ("may do nothing with it", owned_by("Device", &theirs, true), false),
        ("does not hold it up", owned_by("Device", &theirs, false), true),
        ("may write no such kind", owned_by("Nothing", &theirs, true), false),
    ];
    let alice = user("alice");
    for (index, (what, metadata, expected)) in cases.into_iter().enumerate() {
        let gauge = |name: &str| {
            let resource = GroupResource::new("infra.example.io", "gauges");
            ObjectKey::new(resource, "lab", &format!("{name}-{index}"))
        };
        let created = world.write_as(&alice, &gauge("a"), create(metadata.clone())).await;
        world.put(&gauge("b"), create(json!({}))).await;
        let patched = world.write_as(&alice, &gauge("b"), merge(metadata)).await;
        for (how, found) in [("create", created), ("patch", patched)] {
            match found {
                Ok(_) => assert!(expected, "{what}: {how}"),
                Err(Refusal::Forbidden(no)) => {
                    assert!(!expected, "{what}: {how}: {no}");
                    assert!(no.to_string().contains("blockOwnerDeletion"), "{no}");
                }
                Err(other) => panic!("{what}: {how}: {other:?}"),
            }
        }
    }
    // What somebody else made it wait for may be written by whoever may write it.
    let waiting = ObjectKey::new(GroupResource::new("infra.example.io", "gauges"), "lab", "waits");
    world.put(&waiting, create(owned_by("Device", &theirs, true))).await;
    world.write_as(&alice, &waiting, merge(json!({"spec": {"size": 3}}))).await.unwrap();
}
