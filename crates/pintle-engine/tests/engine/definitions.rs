//! Definitions: served when the write has returned, and cleaned up after.

use std::sync::Arc;

use pintle_authz::ReviewKind;
use pintle_engine::Refusal;
use pintle_model::{FieldSelector, GroupResource, Object, ObjectKey};
use pintle_rules::Refusal as RulesRefusal;
use pintle_store::Store;
use serde_json::{Value, json};

use crate::world::{
    World, all, crd, create, definition, delete, device, devices, devices_crd, merge, names,
    replace, report, spec, status,
};

fn gauges() -> GroupResource {
    GroupResource::new("infra.example.io", "gauges")
}

fn condition(object: &Object, kind: &str) -> (String, String) {
    let status = status(object);
    let list = status["conditions"].as_array().cloned().unwrap_or_default();
    let found = list.into_iter().find(|entry| entry["type"] == kind).unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

async fn until_says(world: &World, name: &str, kind: &str, status: &str) -> Arc<Object> {
    let key = definition(name);
    world
        .until(&format!("{kind} of {name} is {status}"), |world| {
            world.peek(&key).is_some_and(|object| condition(&object, kind).0 == status)
        })
        .await;
    world.peek(&key).unwrap()
}

/// No waiting: whoever got the answer can use what it declares.
#[tokio::test]
async fn a_definition_is_in_force_when_its_write_returns() {
    let world = World::new().await;
    for round in 0..20 {
        assert!(world.catalog().get(&gauges()).is_none(), "{round}");
        world.declare(crd("gauges", "Gauge")).await;
        let key = ObjectKey::new(gauges(), "lab", "a");
        world.put(&key, create(json!({"spec": {"color": "red"}}))).await;

        let mut next = crd("gauges", "Gauge");
        next["spec"]["names"]["shortNames"] = json!(["ga"]);
        let properties = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
        next.pointer_mut(properties).unwrap()["unit"] = json!({"type": "string"});
        let name = definition(gauges().as_str());
        world.put(&name, replace(next)).await;
        let patched = world.put(&key, merge(json!({"spec": {"unit": "V"}}))).await;
        assert_eq!(spec(&patched), json!({"color": "red", "unit": "V"}));

        world.put(&name, delete()).await;
        world.until_gone(&name).await;
        assert_eq!(world.peek(&key), None, "instances go with their kind");
        world.until_served_no_more(&gauges()).await;
    }
}

#[tokio::test]
async fn its_status_says_what_became_of_it() {
    let world = World::new().await;
    let object = until_says(&world, devices().as_str(), "Established", "True").await;
    assert_eq!(condition(&object, "NamesAccepted"), ("True".into(), "NoConflicts".into()));
    assert_eq!(status(&object)["storedVersions"], json!(["v1"]));
    let names = json!({
        "plural": "devices", "singular": "device", "kind": "Device", "listKind": "DeviceList",
    });
    assert_eq!(status(&object)["acceptedNames"], names);
}

/// What a start waits for before it says that it is ready.
#[tokio::test]
async fn calm_comes_after_all_consequences() {
    let world = World::new().await;
    for round in 0..20 {
        let plural = format!("gauges{round}");
        world.declare(crd(&plural, &format!("Gauge{round}"))).await;
        world.engine.calm().await;
        let object = world.peek(&definition(&format!("{plural}.infra.example.io"))).unwrap();
        assert_eq!(condition(&object, "Established").0, "True", "{round}");
    }
}

/// Whoever has a name keeps it, even when an older definition begins to want it.
#[tokio::test]
async fn contested_names_stay_with_their_owner_until_it_goes() {
    let world = World::new().await;
    world.declare(crd("gauges", "Gauge")).await;
    world.declare(crd("meters", "Device")).await;
    let meters = "meters.infra.example.io";
    let lost = until_says(&world, meters, "NamesAccepted", "False").await;
    assert_eq!(condition(&lost, "NamesAccepted").1, "NamesConflict");
    assert_eq!(condition(&lost, "Established").0, "False");
    assert!(world.catalog().by_plural("meters").next().is_none());

    // The older definition of devices wants a name that gauges have.
    until_says(&world, gauges().as_str(), "NamesAccepted", "True").await;
    let world = world.crash().await;
    let greedy = merge(json!({"spec": {"names": {"shortNames": ["gauge"]}}}));
    world.put(&definition(devices().as_str()), greedy).await;
    until_says(&world, devices().as_str(), "NamesAccepted", "False").await;
    assert!(world.catalog().get(&gauges()).is_some(), "it keeps what it has");
    let modest = merge(json!({"spec": {"names": {"shortNames": ["dev"]}}}));
    world.put(&definition(devices().as_str()), modest).await;
    assert!(world.catalog().get(&devices()).is_some());

    world.put(&definition(devices().as_str()), delete()).await;
    until_says(&world, meters, "Established", "True").await;
    assert!(world.catalog().by_plural("meters").next().is_some(), "freed names are given out");
}

#[tokio::test]
async fn questions_about_rights_are_no_kinds_that_somebody_can_declare() {
    let world = World::new().await;
    for review in ReviewKind::ALL {
        let resource = review.resource();
        let mut declared = crd(resource.plural(), "Harmless");
        declared["metadata"]["name"] = json!(resource.as_str());
        declared["spec"]["group"] = json!(resource.group());
        declared["metadata"]["annotations"] =
            json!({"api-approved.kubernetes.io": "unapproved, a test"});
        world.declare(declared).await;
        let refused = until_says(&world, resource.as_str(), "NamesAccepted", "False").await;
        assert_eq!(condition(&refused, "NamesAccepted").1, "NamesConflict", "{resource}");
        assert!(world.catalog().get(&resource).is_none(), "{resource}");
    }
}

#[tokio::test]
async fn a_definition_goes_after_its_instances() {
    let world = World::new().await;
    let finalizers = json!({"metadata": {"finalizers": ["example.io/wait"]}});
    world.put(&device("held"), create(finalizers)).await;
    for number in 0..100 {
        world.create(&format!("d{number}"), "red").await;
    }
    let left = |world: &World| world.store.info().objects;
    let before = left(&world);
    let name = definition(devices().as_str());
    world.put(&name, delete()).await;
    until_says(&world, devices().as_str(), "Terminating", "True").await;
    world.until("the others go", |world| left(world) <= before - 100).await;
    let listed = world.list(all(world.selection(None))).await.unwrap();
    assert_eq!(names(&listed.objects), ["held"]);
    let refused = world.write(&device("new"), create(json!({}))).await.unwrap_err();
    assert_eq!(refused, Refusal::KindTerminating);
    world.put(&device("held"), report(json!({"phase": "Down"}))).await;
    world.put(&device("held"), merge(json!({"metadata": {"finalizers": []}}))).await;
    world.until_gone(&name).await;
}

/// What was begun before a crash is finished after it.
#[tokio::test]
async fn a_restart_goes_on_with_what_was_begun() {
    let world = World::new().await;
    let finalizers = json!({"metadata": {"finalizers": ["example.io/wait"]}});
    world.put(&device("held"), create(finalizers)).await;
    let name = definition(devices().as_str());
    world.put(&name, delete()).await;
    let world = world.crash().await;
    assert!(world.served(&devices()).terminating);
    world.put(&device("held"), merge(json!({"metadata": {"finalizers": []}}))).await;
    let world = world.crash().await;
    world.until_gone(&name).await;
    world.until_served_no_more(&devices()).await;
}

/// `devices` with another schema for `spec`.
fn with_spec(properties: Value) -> Value {
    let mut crd = devices_crd();
    let schema = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec");
    schema.unwrap()["properties"] = properties;
    crd
}

/// Objects that an older schema let in are read as the new one has them, and written only when
/// somebody writes them.
#[tokio::test]
async fn what_is_older_than_the_schema_is_shown_through_it() {
    let world = World::new().await;
    let old = world.create("a", "red").await;
    world.put(&device("a"), merge(json!({"spec": {"size": 3}}))).await;
    let schema = json!({"size": {"type": "integer"}, "color": {"type": "string"},
        "mode": {"type": "string", "default": "auto"}});
    world.put(&definition(devices().as_str()), replace(with_spec(schema))).await;
    let newest = world.engine.newest();

    let shown = world.get(&device("a")).await.unwrap();
    assert_eq!(spec(&shown), json!({"color": "red", "mode": "auto", "size": 3}));
    let mut selection = world.selection(None);
    selection.fields = FieldSelector::parse("spec.color=red").unwrap();
    let listed = world.list(all(selection)).await.unwrap();
    assert_eq!(listed.objects, [Arc::clone(&shown)]);
    let patched =
        world.write(&device("a"), merge(json!({"spec": {"mode": "auto"}}))).await.unwrap();
    assert_eq!((patched.changed, &patched.object), (false, &shown));
    assert!(
        world.engine.newest() >= newest && world.peek(&device("a")).unwrap().body != shown.body
    );

    let reported = world.put(&device("a"), report(json!({"phase": "Up"}))).await;
    assert_eq!((spec(&reported), reported.generation()), (spec(&shown), shown.generation()));

    // A field that is gone from the schema is gone from sight, and comes back with it.
    let schema = json!({"color": {"type": "string"}});
    world.put(&definition(devices().as_str()), replace(with_spec(schema))).await;
    assert_eq!(spec(&world.get(&device("a")).await.unwrap()), json!({"color": "red"}));
    world.put(&definition(devices().as_str()), replace(devices_crd())).await;
    assert_eq!(spec(&world.get(&device("a")).await.unwrap()), json!({"color": "red", "size": 3}));
    assert_eq!(world.get(&device("a")).await.unwrap().created_revision, old.revision);
}

#[tokio::test]
async fn faulty_definitions_are_refused_whole() {
    let world = World::new().await;
    let mut faulty = crd("gauges", "Gauge");
    faulty["spec"]["versions"][0]["storage"] = json!(false);
    let refused = world.write(&definition(gauges().as_str()), create(faulty)).await.unwrap_err();
    assert!(matches!(refused, Refusal::Rules(RulesRefusal::Invalid(_))), "{refused:?}");
    assert!(world.catalog().get(&gauges()).is_none());
}

fn of_group(plural: &str, kind: &str, group: &str) -> Value {
    let mut declared = crd(plural, kind);
    declared["metadata"]["name"] = json!(format!("{plural}.{group}"));
    declared["spec"]["group"] = json!(group);
    declared
}

/// A plural alone stands for the server's own kind, whatever is declared; among declared kinds it
/// stands for none, and both definitions say so.
#[tokio::test]
async fn a_shared_plural_takes_nothing_from_the_servers_own_kinds() {
    let world = World::new().await;
    let short = |world: &World, plural: &str| {
        world.catalog().by_short_name(plural).map(|served| served.resource().to_string())
    };
    world.declare(of_group("namespaces", "Space", "a.example.io")).await;
    assert_eq!(short(&world, "namespaces").as_deref(), Some("namespaces"));
    let said = until_says(&world, "namespaces.a.example.io", "ShortNameUnique", "False").await;
    assert_eq!(condition(&said, "Established").0, "True");

    world.declare(of_group("gauges", "Gauge", "a.example.io")).await;
    assert_eq!(short(&world, "gauges").as_deref(), Some("gauges.a.example.io"));
    world.declare(of_group("gauges", "Gauge", "b.example.io")).await;
    assert_eq!(short(&world, "gauges"), None);
    for name in ["gauges.a.example.io", "gauges.b.example.io"] {
        until_says(&world, name, "ShortNameUnique", "False").await;
    }
    world.put(&definition("gauges.b.example.io"), delete()).await;
    until_says(&world, "gauges.a.example.io", "ShortNameUnique", "").await;
    assert_eq!(short(&world, "gauges").as_deref(), Some("gauges.a.example.io"));
}

/// Groups of the Kubernetes community are not for everybody.
#[tokio::test]
async fn a_kind_of_the_community_says_who_approved_it() {
    let world = World::new().await;
    let name = "gauges.test.k8s.io";
    let declared = of_group("gauges", "Gauge", "test.k8s.io");
    let approved = |text: &str| json!({"annotations": {"api-approved.kubernetes.io": text}});
    let refused = world.write(&definition(name), create(declared.clone())).await.unwrap_err();
    let Refusal::Rules(RulesRefusal::Invalid(faults)) = refused else { panic!("{refused:?}") };
    assert!(faults[0].to_string().contains("api-approved.kubernetes.io"), "{faults:?}");
    let mut good = declared;
    good["metadata"]["annotations"] = approved("https://example.io/1")["annotations"].clone();
    world.declare(good).await;
    let said = |reason: &'static str| {
        move |world: &World| {
            world.peek(&definition(name)).is_some_and(|object| {
                condition(&object, "KubernetesAPIApprovalPolicyConformant").1 == reason
            })
        }
    };
    world.until("it is approved", said("ApprovedAnnotation")).await;
    let metadata = |text: &str| merge(json!({"metadata": approved(text)}));
    world.put(&definition(name), metadata("unapproved, a test")).await;
    world.until("it is not approved", said("UnapprovedAnnotation")).await;
    world.write(&definition(name), metadata("yes")).await.unwrap_err();
}
