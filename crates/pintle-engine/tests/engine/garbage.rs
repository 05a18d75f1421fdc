//! Owned objects follow their owners.

use std::sync::Arc;

use pintle_model::{Object, ObjectKey};
use pintle_rules::Propagation;
use serde_json::{Value, json};

use crate::world::{
    World, crd, create, definition, delete, delete_with, device, device_in, devices, merge, report,
};

/// A reference to an owner that waits, if it is asked to, for who names it.
fn owner(object: &Object) -> Value {
    json!({
        "apiVersion": "infra.example.io/v1",
        "kind": "Device",
        "name": object.metadata.name,
        "uid": object.uid(),
        "blockOwnerDeletion": true,
    })
}

fn owned_by(owners: &[&Object]) -> Value {
    let owners: Vec<_> = owners.iter().map(|object| owner(object)).collect();
    json!({"metadata": {"ownerReferences": owners}})
}

async fn owned(world: &World, name: &str, owners: &[&Object]) -> Arc<Object> {
    world.put(&device(name), create(owned_by(owners))).await
}

async fn until_owners(world: &World, key: &ObjectKey, count: usize) {
    let owners = |world: &World| world.peek(key).map(|it| it.metadata.owner_references.len());
    world.until(&format!("{key} has {count} owners"), |world| owners(world) == Some(count)).await;
}

#[tokio::test]
async fn in_the_background_dependents_go_after_their_owner() {
    let world = World::new().await;
    let root = world.create("root", "red").await;
    let child = owned(&world, "child", &[&root]).await;
    owned(&world, "grandchild", &[&child]).await;
    let gone = world.write(&device("root"), delete()).await.unwrap();
    assert!(gone.removed);
    for name in ["child", "grandchild"] {
        world.until_gone(&device(name)).await;
    }
}

#[tokio::test]
async fn in_the_foreground_dependents_go_first() {
    let world = World::new().await;
    let root = world.create("root", "red").await;
    let child = owned(&world, "child", &[&root]).await;
    let held = json!({"metadata": {"finalizers": ["example.io/wait"],
        "ownerReferences": [owner(&child)]}});
    world.put(&device("grandchild"), create(held)).await;
    let marked = world.write(&device("root"), delete_with(Propagation::Foreground)).await.unwrap();
    assert!(!marked.removed);
    let terminating = |world: &World, name: &str| {
        world.peek(&device(name)).is_some_and(|object| object.metadata.is_terminating())
    };
    world.until("the grandchild is asked to go", |world| terminating(world, "grandchild")).await;
    assert!(terminating(&world, "child") && terminating(&world, "root"));
    world.put(&device("grandchild"), report(json!({"phase": "Down"}))).await;
    world.put(&device("grandchild"), merge(json!({"metadata": {"finalizers": []}}))).await;
    for name in ["child", "root"] {
        world.until_gone(&device(name)).await;
    }
}

/// An owner that waits stops waiting when its dependent is given away.
#[tokio::test]
async fn a_dependent_that_is_given_away_is_not_waited_for() {
    let world = World::new().await;
    let root = world.create("root", "red").await;
    let held = json!({"metadata": {"finalizers": ["example.io/wait"],
        "ownerReferences": [owner(&root)]}});
    world.put(&device("child"), create(held)).await;
    world.put(&device("root"), delete_with(Propagation::Foreground)).await;
    world
        .until("the child is asked to go", |world| {
            world.peek(&device("child")).is_some_and(|object| object.metadata.is_terminating())
        })
        .await;
    world.put(&device("child"), merge(json!({"metadata": {"ownerReferences": []}}))).await;
    world.until_gone(&device("root")).await;
    assert!(world.peek(&device("child")).is_some());
}

#[tokio::test]
async fn orphans_stay_without_their_owner() {
    let world = World::new().await;
    let (root, other) = (world.create("root", "red").await, world.create("other", "red").await);
    owned(&world, "child", &[&root, &other]).await;
    world.put(&device("root"), delete_with(Propagation::Orphan)).await;
    world.until_gone(&device("root")).await;
    let child = world.peek(&device("child")).unwrap();
    assert_eq!(child.metadata.owner_references.len(), 1);
    assert_eq!(child.metadata.owner_references[0].uid, *other.uid());
    world.put(&device("other"), delete_with(Propagation::Orphan)).await;
    world.until_gone(&device("other")).await;
    assert!(world.peek(&device("child")).is_some());
}

/// Controllers report all the time; that never keeps a deleted owner alive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_do_not_keep_owners_alive() {
    let world = Arc::new(World::new().await);
    for (round, propagation) in
        [Propagation::Foreground, Propagation::Orphan].into_iter().cycle().take(20).enumerate()
    {
        let root = world.create("root", "red").await;
        let child = format!("child-{round}");
        owned(&world, &child, &[&root]).await;
        let reporting = Arc::clone(&world);
        let reporter = tokio::spawn(async move {
            let mut phase = 0;
            while reporting
                .write(&device("root"), report(json!({"phase": phase.to_string()})))
                .await
                .is_ok()
            {
                let _gone = reporting
                    .write(&device(&child), report(json!({"phase": phase.to_string()})))
                    .await;
                phase += 1;
                tokio::task::yield_now().await;
            }
        });
        world.put(&device("root"), delete_with(propagation)).await;
        world.until_gone(&device("root")).await;
        reporter.await.unwrap();
    }
}

#[tokio::test]
async fn one_living_owner_is_enough() {
    let world = World::new().await;
    let (root, other) = (world.create("root", "red").await, world.create("other", "red").await);
    owned(&world, "child", &[&root, &other]).await;
    world.put(&device("root"), delete()).await;
    until_owners(&world, &device("child"), 1).await;
    world.put(&device("other"), delete()).await;
    world.until_gone(&device("child")).await;
}

/// Another object of the name is no owner, in whichever order things happen.
#[tokio::test]
async fn an_owner_that_was_recreated_owns_nothing() {
    let world = World::new().await;
    let root = world.create("root", "red").await;
    owned(&world, "before", &[&root]).await;
    world.put(&device("root"), delete()).await;
    let again = world.create("root", "red").await;
    world.until_gone(&device("before")).await;
    owned(&world, "late", &[&root]).await;
    world.until_gone(&device("late")).await;
    owned(&world, "mine", &[&again]).await;
    assert!(world.peek(&device("mine")).is_some());
}

#[tokio::test]
async fn owners_live_where_the_owned_do() {
    let world = World::new().await;
    let root = world.create("root", "red").await;
    world.put(&device_in("default", "child"), create(owned_by(&[&root]))).await;
    world.until_gone(&device_in("default", "child")).await;
    assert!(world.peek(&device("root")).is_some());
}

/// Owners in a circle, of which the first waits for the last.
#[tokio::test]
async fn circles_go() {
    let world = World::new().await;
    for names in [vec!["a", "b"], vec!["a", "b", "c"]] {
        let mut made = Vec::new();
        for name in &names {
            made.push(world.create(name, "red").await);
        }
        for (index, name) in names.iter().enumerate() {
            let owner = &made[(index + names.len() - 1) % names.len()];
            world.put(&device(name), merge(owned_by(&[owner]))).await;
        }
        world.put(&device("a"), delete_with(Propagation::Foreground)).await;
        for name in names {
            world.until_gone(&device(name)).await;
        }
    }
}

/// A copy that does not show the owner is not reason enough to delete what it owns.
#[tokio::test]
async fn an_owner_that_a_copy_lacks_is_looked_for() {
    let world = World::new().await;
    let root = world.create("root", "red").await;
    world.store.lie(&device("root"), None);
    owned(&world, "child", &[&root]).await;
    let witness = owned(&world, "witness", &[&root]).await;
    let stranger = Object {
        metadata: Arc::new(pintle_model::Metadata {
            uid: "device-of-nobody".into(),
            ..(*root.metadata).clone()
        }),
        ..Object::clone(&root)
    };
    owned(&world, "foundling", &[&stranger]).await;
    // Tasks are taken in turn: when the last is done, the first were.
    world.until_gone(&device("foundling")).await;
    assert!(world.peek(&device("child")).is_some());
    assert_eq!(world.peek(&witness.key).unwrap(), witness);
}

/// When a kind goes, so does what its objects owned, although nobody can look them up any more.
#[tokio::test]
async fn what_the_objects_of_a_deleted_kind_owned_goes_too() {
    let world = World::new().await;
    world.declare(crd("gauges", "Gauge")).await;
    let gauges = pintle_model::GroupResource::new("infra.example.io", "gauges");
    for number in 0..50 {
        let root = world.create(&format!("root-{number}"), "red").await;
        let key = ObjectKey::new(gauges.clone(), "lab", &number.to_string());
        world.put(&key, create(owned_by(&[&root]))).await;
    }
    world.put(&definition(devices().as_str()), delete()).await;
    for number in 0..50 {
        world.until_gone(&ObjectKey::new(gauges.clone(), "lab", &number.to_string())).await;
    }
}

#[tokio::test]
async fn a_restart_collects_what_was_left() {
    let world = World::new().await;
    let root = world.create("root", "red").await;
    let middle = owned(&world, "middle", &[&root]).await;
    owned(&world, "leaf", &[&middle]).await;
    world.put(&device("root"), delete_with(Propagation::Foreground)).await;
    let world = world.crash().await;
    for name in ["leaf", "middle", "root"] {
        world.until_gone(&device(name)).await;
    }
}

/// A uid can be written down by anybody: it owns nothing, and holds up nothing, where kind, name or
/// namespace are not those of its object.
#[tokio::test]
async fn a_uid_alone_makes_no_owner() {
    let world = World::new().await;
    world.declare(crd("gauges", "Gauge")).await;
    let root = world.create("root", "red").await;
    let named = |field: &str, value: &str| {
        let mut owner = owner(&root);
        owner[field] = json!(value);
        owner
    };
    let wrong = [
        (device_in("default", "elsewhere"), owner(&root)),
        (device("misnamed"), named("name", "other")),
        (device("of-another-kind"), named("kind", "Gauge")),
    ];
    // None of them would ever go by itself.
    for (key, owner) in &wrong {
        let held =
            json!({"metadata": {"finalizers": ["example.io/wait"], "ownerReferences": [owner]}});
        world.put(key, create(held)).await;
    }
    for (key, _) in &wrong {
        let asked = |world: &World| world.peek(key).is_some_and(|it| it.metadata.is_terminating());
        world.until(&format!("{key} is taken for an orphan"), asked).await;
    }
    world.put(&device("root"), delete_with(Propagation::Foreground)).await;
    world.until_gone(&device("root")).await;
    for (key, _) in &wrong {
        assert!(world.peek(key).is_some(), "{key}");
    }
}

/// Of an object without a namespace that names an owner with one, nothing can be made out.
#[tokio::test]
async fn what_no_namespace_can_be_read_from_is_left_alone() {
    let world = World::new().await;
    let root = world.create("root", "red").await;
    let cluster = crate::world::namespace("annex");
    world.put(&cluster, create(owned_by(&[&root]))).await;
    world.put(&device("root"), delete_with(Propagation::Foreground)).await;
    world.until_gone(&device("root")).await;
    // Tasks are taken in turn: when the last is done, the first were.
    let last = world.create("last", "red").await;
    owned(&world, "last-child", &[&last]).await;
    world.put(&device("last"), delete()).await;
    world.until_gone(&device("last-child")).await;
    assert!(world.peek(&cluster).is_some_and(|it| !it.metadata.is_terminating()));
}

/// What has no namespace may own what has one.
#[tokio::test]
async fn an_owner_without_a_namespace_owns_in_all_of_them() {
    let world = World::new().await;
    let annex = world.create_namespace("annex").await;
    let owner = json!({"apiVersion": "v1", "kind": "Namespace", "name": "annex",
        "uid": annex.uid(), "blockOwnerDeletion": true});
    let owned = json!({"metadata": {"ownerReferences": [owner]}});
    world.put(&device("child"), create(owned)).await;
    world.put(&annex.key, delete()).await;
    world.until_gone(&device("child")).await;
}
