//! Kinds of which objects are stored in one version, and read and written in others.

use std::sync::Arc;

use pintle_authz::User;
use pintle_engine::{Conversions, Convert, Denied, Half, Hook, Refusal, Start, WatchEvent, Write};
use pintle_model::Object;
use pintle_rules::Refusal as RulesRefusal;
use serde_json::{Map, Value, json};

use crate::world::{
    Terms, Want, World, all, create, definition, device, devices, devices_crd, merge, merge_status,
    names, replace, report, spec, status, tell_until, told,
};

/// Fields under other names. Some colors are more than a conversion can take.
#[derive(Debug)]
struct Renamed {
    spec: &'static [(&'static str, &'static str)],
    status: &'static [(&'static str, &'static str)],
}

impl Renamed {
    #[expect(clippy::panic_in_result_fn, reason = "it is what a faulty program would do")]
    fn take(names: &[(&str, &str)], value: Value) -> Result<Value, String> {
        let Value::Object(fields) = value else { return Err("not an object".to_owned()) };
        let mut renamed = Map::new();
        for (name, value) in fields {
            match value.as_str() {
                Some("unspeakable") => return Err("no words for it".to_owned()),
                Some("panic") => panic!("a conversion that panics"),
                _ => {}
            }
            let name = names.iter().find(|(old, _)| **old == name).map_or(&*name, |(_, new)| new);
            renamed.insert(name.to_owned(), value);
        }
        Ok(Value::Object(renamed))
    }
}

impl Convert for Renamed {
    fn spec(&self, spec: Value) -> Result<Value, String> {
        Self::take(self.spec, spec)
    }

    fn status(&self, status: Value) -> Result<Value, String> {
        Self::take(self.status, status)
    }
}

/// `color` and `phase` in v1, `colour` and `state` in v2, `paint` and `state` in v3.
fn conversions() -> Conversions {
    let mut conversions = Conversions::default();
    let mut add = |from, to, spec, status| {
        conversions.add(devices(), from, to, Arc::new(Renamed { spec, status }));
    };
    add("v1", "v2", &[("color", "colour")], &[("phase", "state")]);
    add("v2", "v1", &[("colour", "color")], &[("state", "phase")]);
    add("v2", "v3", &[("colour", "paint")], &[]);
    add("v3", "v2", &[("paint", "colour")], &[]);
    conversions
}

/// The versions of devices, of which one is stored.
fn versions(stored: &str) -> Value {
    let mut crd = devices_crd();
    let first = crd["spec"]["versions"][0].clone();
    let version = |name: &str, color: &str, phase: &str| {
        let mut version = first.clone();
        version["name"] = json!(name);
        version["storage"] = json!(name == stored);
        version["selectableFields"] = json!([{"jsonPath": format!(".spec.{color}")}]);
        let properties = &mut version["schema"]["openAPIV3Schema"]["properties"];
        properties["spec"]["properties"] = json!({
            color: {"type": "string", "maxLength": 20}, "size": {"type": "integer"},
        });
        properties["status"]["properties"] = json!({phase: {"type": "string"}});
        version
    };
    crd["spec"]["versions"] = json!([
        version("v1", "color", "phase"),
        version("v2", "colour", "state"),
        version("v3", "paint", "state"),
    ]);
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["old"] =
        json!({"type": "string"});
    crd
}

async fn store_in(world: &World, version: &str) {
    world.put(&definition(devices().as_str()), replace(versions(version))).await;
}

/// Devices are stored in v1.
async fn world() -> World {
    let world = World::with(Terms { conversions: conversions(), ..Terms::default() }).await;
    store_in(&world, "v1").await;
    world
}

fn halves(object: &Object) -> (Value, Value) {
    (spec(object), status(object))
}

async fn seen(world: &World, version: &str) -> (Value, Value) {
    halves(&world.get_in(&device("a"), Some(version)).await.unwrap())
}

fn named(version: &'static str, color: &str) -> Want {
    let field = match version {
        "v1" => "color",
        "v2" => "colour",
        _ => "paint",
    };
    create(json!({"spec": {field: color}})).in_version(version)
}

#[tokio::test]
async fn each_version_reads_what_the_others_wrote() {
    let world = world().await;
    let start = world.engine.newest();
    let made = world.put(&device("a"), named("v3", "red")).await;
    assert_eq!(spec(&made), json!({"paint": "red"}));
    let state = report(json!({"state": "Up"})).in_version("v2");
    assert_eq!(status(&*world.put(&device("a"), state).await), json!({"state": "Up"}));

    let stored = world.peek(&device("a")).unwrap();
    assert_eq!(halves(&stored), (json!({"color": "red"}), json!({"phase": "Up"})));
    assert_eq!(stored.body_version.as_deref(), Some("v1"));
    assert_eq!(seen(&world, "v1").await, (json!({"color": "red"}), json!({"phase": "Up"})));
    assert_eq!(seen(&world, "v2").await, (json!({"colour": "red"}), json!({"state": "Up"})));
    assert_eq!(seen(&world, "v3").await, (json!({"paint": "red"}), json!({"state": "Up"})));

    let mut selection = world.selection(None);
    selection.version = Arc::clone(selection.served.definition.version("v3").unwrap());
    selection.fields = pintle_model::FieldSelector::parse("spec.paint=red").unwrap();
    let listed = world.list(all(selection.clone())).await.unwrap();
    assert_eq!(spec(&listed.objects[0]), json!({"paint": "red"}));
    let mut watcher = world.watch_selection(selection, Start::After(start)).await.unwrap();
    let events = tell_until(&mut watcher, stored.revision).await;
    let [WatchEvent::Added(added), WatchEvent::Modified { object, before: Some(before) }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(halves(added), (json!({"paint": "red"}), Value::Null));
    assert_eq!((spec(object), status(object)), (spec(before), json!({"state": "Up"})));
}

/// What a status write cannot touch, it cannot touch in another version either.
#[tokio::test]
async fn a_write_in_another_version_keeps_to_its_half() {
    let world = world().await;
    world.put(&device("a"), named("v1", "red")).await;
    world.put(&device("a"), report(json!({"phase": "Up"}))).await;
    let before = world.peek(&device("a")).unwrap();
    let down = merge_status(json!({"state": "Down"})).in_version("v3");
    world.put(&device("a"), down).await;
    let reported = world.peek(&device("a")).unwrap();
    assert_eq!(status(&reported), json!({"phase": "Down"}));
    assert_eq!((&reported.body, &reported.metadata), (&before.body, &before.metadata));
    assert_eq!(reported.body_revision, before.body_revision);

    let edited =
        world.put(&device("a"), merge(json!({"spec": {"size": 3}})).in_version("v2")).await;
    assert_eq!(halves(&edited), (json!({"colour": "red", "size": 3}), json!({"state": "Down"})));
    let stored = world.peek(&device("a")).unwrap();
    assert_eq!(spec(&stored), json!({"color": "red", "size": 3}));
    assert_eq!((stored.generation().0, &stored.status), (2, &reported.status));
    assert_eq!(stored.status_revision, reported.status_revision);
}

#[tokio::test]
async fn preconditions_and_dry_runs_count_in_every_version() {
    let world = world().await;
    let made = world.put(&device("a"), named("v1", "red")).await;
    world.put(&device("a"), report(json!({"phase": "Up"}))).await;
    let late = report(json!({"state": "Down"})).in_version("v2").at(made.revision);
    let refused = world.write(&device("a"), late).await;
    assert!(matches!(refused, Err(Refusal::Rules(RulesRefusal::Conflict(_)))), "{refused:?}");

    let newest = world.engine.newest();
    let down = merge_status(json!({"state": "Down"})).in_version("v2").dry();
    assert_eq!(status(&*world.put(&device("a"), down).await), json!({"state": "Down"}));
    let wants = [("a", merge_status(json!({"state": "Down"})).in_version("v3").dry())];
    assert_eq!(status(&world.write_all(wants).await.unwrap()[0].object), json!({"state": "Down"}));
    // What is so already is no write.
    for want in [report(json!({"state": "Up"})), merge(json!({"spec": {"colour": "red"}}))] {
        let same = world.write(&device("a"), want.in_version("v2")).await.unwrap();
        assert_eq!((same.changed, same.warnings), (false, vec![]));
        assert_eq!(halves(&same.object), (json!({"colour": "red"}), json!({"state": "Up"})));
    }
    assert_eq!(world.engine.newest(), newest);
    let wants = [("a", merge_status(json!({"state": "Down"})).in_version("v3"))];
    assert_eq!(status(&world.write_all(wants).await.unwrap()[0].object), json!({"state": "Down"}));
    assert_eq!(status(&world.peek(&device("a")).unwrap()), json!({"phase": "Down"}));
}

/// Each half says which version it is in, so that another version can be stored from some moment
/// on, and what was written before stays readable.
#[tokio::test]
async fn another_version_can_be_stored() {
    let world = world().await;
    world.put(&device("a"), named("v1", "red")).await;
    world.put(&device("a"), report(json!({"phase": "Up"}))).await;
    store_in(&world, "v3").await;
    world.put(&device("a"), merge_status(json!({"state": "Down"})).in_version("v2")).await;
    let stored = world.peek(&device("a")).unwrap();
    let versions = (stored.body_version.as_deref(), stored.status_version.as_deref());
    assert_eq!(versions, (Some("v1"), Some("v3")));
    assert_eq!(halves(&stored), (json!({"color": "red"}), json!({"state": "Down"})));
    for (version, expected) in [
        ("v1", (json!({"color": "red"}), json!({"phase": "Down"}))),
        ("v2", (json!({"colour": "red"}), json!({"state": "Down"}))),
        ("v3", (json!({"paint": "red"}), json!({"state": "Down"}))),
    ] {
        assert_eq!(seen(&world, version).await, expected, "{version}");
    }
    // A label is no reason to write a spec anew, nor to count it as changed.
    let labelled = merge(json!({"metadata": {"labels": {"a": "b"}}})).in_version("v2");
    assert_eq!(world.put(&device("a"), labelled).await.generation().0, 1);
    assert_eq!(world.peek(&device("a")).unwrap().body_version.as_deref(), Some("v1"));
    world.put(&device("a"), merge(json!({"spec": {"color": "blue"}})).in_version("v1")).await;
    let stored = world.peek(&device("a")).unwrap();
    assert_eq!(
        (spec(&stored), stored.body_version.as_deref()),
        (json!({"paint": "blue"}), Some("v3"))
    );
    let crd = world.peek(&definition(devices().as_str())).unwrap();
    assert_eq!(status(&crd)["storedVersions"], json!(["v1", "v3"]));
}

/// Values of databases that did not note it are in the version that was stored first.
#[tokio::test]
async fn what_was_not_noted_is_in_the_first_version_that_was_stored() {
    let world = world().await;
    world.engine.calm().await;
    world.store.commit_unnoted(&device("a"), &json!({"spec": {"color": "red"}})).await;
    assert_eq!(seen(&world, "v2").await.0, json!({"colour": "red"}));
    store_in(&world, "v3").await;
    assert_eq!(seen(&world, "v3").await.0, json!({"paint": "red"}));
}

/// What versions values were stored in is known by the list of the definition only where they do
/// not say it themselves; so long it begins with the same.
#[tokio::test]
async fn a_version_leaves_the_list_when_nothing_is_read_by_it() {
    let world = world().await;
    world.put(&device("a"), named("v1", "red")).await;
    store_in(&world, "v3").await;
    world.engine.calm().await;
    let crd = definition(devices().as_str());
    let list = |stored: &[&str]| merge_status(json!({"storedVersions": stored}));
    let listed = || status(&world.peek(&crd).unwrap())["storedVersions"].clone();
    assert_eq!(listed(), json!(["v1", "v3"]));
    world.store.commit_unnoted(&device("b"), &json!({"spec": {"color": "blue"}})).await;
    for wanted in [list(&["v3"]), list(&["v3", "v1"])] {
        let alone = world.write(&crd, wanted.clone()).await.unwrap_err();
        let together = world.write_everything([(crd.clone(), wanted)]).await.unwrap_err().refusal;
        for refused in [alone, together] {
            let Refusal::Rules(RulesRefusal::Invalid(faults)) = refused else {
                panic!("{refused:?}")
            };
            let fault = faults[0].to_string();
            let start = "status.storedVersions: Invalid value: must begin with v1: 1 objects \
                         (devices.infra.example.io \"lab/b\" is one)";
            assert!(fault.starts_with(start), "{fault}");
        }
    }
    assert_eq!(listed(), json!(["v1", "v3"]));
    world.put(&device("b"), merge(json!({"spec": {"color": "green"}})).in_version("v1")).await;

    // What says itself what it is in is read for that, listed or not.
    let written = world.write(&crd, list(&["v3"])).await.unwrap();
    let [warning] = &written.warnings[..] else { panic!("{:?}", written.warnings) };
    assert!(
        warning.starts_with("1 objects (devices.infra.example.io \"lab/a\" is one)"),
        "{warning}"
    );
    world.engine.calm().await;
    assert_eq!(listed(), json!(["v3"]));
    assert_eq!(seen(&world, "v3").await.0, json!({"paint": "red"}));
}

#[tokio::test]
async fn what_cannot_be_converted_is_refused() {
    let world = world().await;
    for (color, why) in [("unspeakable", "no words for it"), ("panic", "from v2 to v1 panicked")] {
        let refused = world.write(&device("b"), named("v2", color)).await;
        let Err(Refusal::Rules(RulesRefusal::Invalid(faults))) = refused else {
            panic!("{refused:?}")
        };
        let start = "cannot be converted to v1, in which it is stored: ";
        let detail = &faults[0].detail;
        assert!(
            faults[0].path == "spec" && detail.starts_with(start) && detail.ends_with(why),
            "{detail}"
        );
    }
    assert_eq!(world.peek(&device("b")), None);
    // What is stored stays readable as it is stored, and so do the others.
    world.put(&device("a"), named("v1", "unspeakable")).await;
    world.put(&device("b"), named("v1", "blue")).await;
    let refused = world.get_in(&device("a"), Some("v3")).await;
    let Err(Refusal::Unconverted(lost)) = refused else { panic!("{refused:?}") };
    assert_eq!(
        (&lost.key, lost.half, &*lost.from, &*lost.to),
        (&device("a"), Half::Spec, "v1", "v3")
    );
    assert!(world.get_in(&device("a"), Some("v1")).await.is_ok());
    assert!(world.get_in(&device("b"), Some("v3")).await.is_ok());
    let edited = merge(json!({"spec": {"size": 1}})).in_version("v2");
    assert!(matches!(world.write(&device("a"), edited).await, Err(Refusal::Unconverted(_))));
}

/// Nobody is kept from a half, or from a removal, by the half that they do not need.
#[tokio::test]
async fn a_half_that_cannot_be_converted_stops_nothing_else() {
    let world = world().await;
    let start = world.engine.newest();
    let made = world.write(&device("a"), named("v1", "unspeakable")).await.unwrap();
    let warned = [
        "spec cannot be read in version v2: no words for it",
        "spec cannot be read in version v3: no words for it",
    ];
    assert_eq!(made.warnings, warned);
    let up = report(json!({"state": "Up"})).in_version("v2");
    let written = world.write(&device("a"), up).await.unwrap();
    assert_eq!(written.warnings, ["spec cannot be shown in v2 and was left out"]);
    assert_eq!(status(&written.object), json!({"state": "Up"}));
    let stored = world.peek(&device("a")).unwrap();
    assert_eq!(halves(&stored), (json!({"color": "unspeakable"}), json!({"phase": "Up"})));

    // A list of what is selected by name is not stopped by others, and tells nothing of them.
    let green = world.put(&device("b"), named("v1", "green")).await;
    let mut selection = world.selection(None);
    selection.version = Arc::clone(selection.served.definition.version("v2").unwrap());
    assert!(world.list(all(selection.clone())).await.is_err());
    selection.fields = pintle_model::FieldSelector::parse("metadata.name=b").unwrap();
    assert_eq!(names(&world.list(all(selection.clone())).await.unwrap().objects), ["b"]);
    for start in [Start::WithState, Start::After(start)] {
        let mut watcher = world.watch_selection(selection.clone(), start).await.unwrap();
        assert!(!tell_until(&mut watcher, green.revision).await.is_empty());
    }

    // Once it is mended a watch goes on, though what was before cannot be shown.
    let mended = world.put(&device("a"), merge(json!({"spec": {"color": "blue"}}))).await;
    selection.fields = pintle_model::FieldSelector::default();
    let from = Start::After(green.revision);
    let mut watcher = world.watch_selection(selection, from).await.unwrap();
    let events = tell_until(&mut watcher, mended.revision).await;
    assert!(matches!(&events[..], [WatchEvent::Modified { before: None, .. }]), "{events:?}");

    // The server's own work does not depend on conversions, nor does a removal.
    store_in(&world, "v3").await;
    world.put(&device("c"), named("v1", "green")).await;
    world
        .put(
            &device("d"),
            create(json!({"metadata": {"finalizers": ["x.io/y"]}, "spec": {"color": "red"}}))
                .in_version("v1"),
        )
        .await;
    world.store.commit_body(&device("c"), &json!({"spec": {"paint": "unspeakable"}})).await;
    assert!(world.get_in(&device("c"), Some("v1")).await.is_err());
    let removed = world.write(&device("c"), crate::world::delete().in_version("v1")).await.unwrap();
    assert!(removed.removed && removed.warnings[0].starts_with("spec cannot be shown in v1"));
    world.store.commit_body(&device("d"), &json!({"spec": {"paint": "unspeakable"}})).await;
    world
        .put(&device("d"), merge(json!({"metadata": {"finalizers": null}})).in_version("v3"))
        .await;
    world.write(&crate::world::namespace("lab"), crate::world::delete()).await.unwrap();
    world.until_gone(&crate::world::namespace("lab")).await;
}

/// The same number means another thing in each version.
#[derive(Debug)]
struct Factor(f64);

impl Convert for Factor {
    fn spec(&self, mut spec: Value) -> Result<Value, String> {
        let size = spec["size"].as_f64().ok_or("no size")? * self.0;
        spec["size"] = serde_json::from_str(&format!("{size:.0}")).unwrap();
        Ok(spec)
    }

    fn status(&self, status: Value) -> Result<Value, String> {
        Ok(status)
    }
}

#[tokio::test]
async fn the_same_text_in_another_version_is_another_value() {
    let mut conversions = Conversions::default();
    for (from, to, factor) in
        [("v1", "v2", 60.0), ("v2", "v1", 1.0 / 60.0), ("v2", "v3", 1.0), ("v3", "v2", 1.0)]
    {
        conversions.add(devices(), from, to, Arc::new(Factor(factor)));
    }
    let world = World::with(Terms { conversions, ..Terms::default() }).await;
    store_in(&world, "v1").await;
    world.put(&device("a"), create(json!({"spec": {"size": 60}}))).await;
    store_in(&world, "v2").await;
    assert_eq!(seen(&world, "v2").await.0, json!({"size": 3600}));
    // A minute is stored as the 60 that stands there already, and that were 60 minutes.
    let minute = merge(json!({"spec": {"size": 1}})).in_version("v1");
    let written = world.write(&device("a"), minute).await.unwrap();
    assert_eq!((written.changed, written.object.generation().0), (true, 2));
    assert_eq!(seen(&world, "v1").await.0, json!({"size": 1}));
    assert_eq!(seen(&world, "v2").await.0, json!({"size": 60}));
}

#[tokio::test]
async fn what_the_stored_version_does_not_allow_or_has_no_place_for_is_told() {
    let world = world().await;
    let mut narrow = versions("v1");
    let v1 = &mut narrow["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    v1["properties"]["color"]["maxLength"] = json!(3);
    world.put(&definition(devices().as_str()), replace(narrow)).await;
    let refused = world.write(&device("a"), named("v2", "crimson")).await;
    let Err(Refusal::Rules(RulesRefusal::Invalid(faults))) = refused else { panic!("{refused:?}") };
    assert!(faults[0].path == "spec.color" && faults[0].detail.contains("once converted to v1"));

    store_in(&world, "v2").await;
    let old = create(json!({"spec": {"color": "red", "old": "yes"}})).in_version("v1");
    let written = world.write(&device("a"), old).await.unwrap();
    assert_eq!(spec(&written.object), json!({"color": "red"}));
    assert!(written.warnings[0].contains("spec.old is not kept as it was sent"), "{written:?}");
    let again = merge(json!({"spec": {"old": "yes"}})).in_version("v1");
    let again = world.write(&device("a"), again).await.unwrap();
    assert_eq!((again.changed, again.object.generation().0), (false, 1));
    assert!(again.warnings[0].contains("spec.old"), "{again:?}");

    // What is stored and has no place in the version of a writer goes with their write.
    store_in(&world, "v1").await;
    world.put(&device("b"), create(json!({"spec": {"color": "red", "old": "yes"}}))).await;
    let edited = merge(json!({"spec": {"colour": "blue"}})).in_version("v2");
    let edited = world.write(&device("b"), edited).await.unwrap();
    let said = "spec.old of v1 has no place in v2, so that a write in v2 does not keep it";
    assert_eq!(edited.warnings, [said]);
    assert_eq!(spec(&world.peek(&device("b")).unwrap()), json!({"color": "blue"}));
}

/// What is stored already is not held against a write in another version, which leaves it.
#[tokio::test]
async fn what_the_stored_version_allows_no_more_may_stay() {
    let world = world().await;
    world.put(&device("a"), named("v2", "crimson")).await;
    let long = merge_status(json!({"state": "weary", "note": "hi"})).in_version("v2");
    world.put(&device("a"), long).await;
    let mut narrow = versions("v1");
    for (version, field) in [(0, "note"), (1, "note")] {
        let half = "openAPIV3Schema";
        let status =
            &mut narrow["spec"]["versions"][version]["schema"][half]["properties"]["status"];
        status["properties"][field] = json!({"type": "string"});
    }
    let v1 = &mut narrow["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    v1["spec"]["properties"]["color"]["maxLength"] = json!(3);
    v1["status"]["properties"]["phase"]["maxLength"] = json!(3);
    world.put(&definition(devices().as_str()), replace(narrow)).await;
    let writes = [
        (merge(json!({"spec": {"size": 2}})), None),
        (merge(json!({"spec": {"colour": "scarlet"}})), Some("spec.color")),
        (merge(json!({"spec": {"colour": "red"}})), None),
        (merge_status(json!({"note": "hello"})), None),
        (merge_status(json!({"state": "tired"})), Some("status.phase")),
    ];
    for (write, expected) in writes {
        let written = world.write(&device("a"), write.in_version("v2")).await;
        let refused = written.err().map(|refused| match refused {
            Refusal::Rules(RulesRefusal::Invalid(faults)) => faults[0].path.clone(),
            other => panic!("{other:?}"),
        });
        assert_eq!(refused.as_deref(), expected);
    }
}

/// Blue devices are for nobody.
#[derive(Debug)]
struct NoBlue;

impl Hook for NoBlue {
    fn can_get(&self, _caller: &User, object: &Object) -> Result<(), Denied> {
        if spec(object)["color"] == "blue" { Err(Denied::because("blue")) } else { Ok(()) }
    }

    fn can_update_status(&self, caller: &User, _: &Write, object: &Object) -> Result<(), Denied> {
        self.can_get(caller, object)
    }
}

/// A hook that knows the fields of one version holds in all of them.
#[tokio::test]
async fn a_hook_sees_one_version_whatever_was_asked_for() {
    let hook: Option<Arc<dyn Hook>> = Some(Arc::new(NoBlue));
    let world = World::with(Terms { conversions: conversions(), hook, ..Terms::default() }).await;
    store_in(&world, "v1").await;
    let start = world.engine.newest();
    world.put(&device("a"), named("v3", "blue")).await;
    let shown = world.put(&device("b"), named("v3", "green")).await;
    for version in ["v1", "v2", "v3"] {
        let refused = world.get_in(&device("a"), Some(version)).await;
        assert!(matches!(refused, Err(Refusal::Forbidden(_))), "{version}: {refused:?}");
        let mut selection = world.selection(None);
        selection.version = Arc::clone(selection.served.definition.version(version).unwrap());
        let listed = world.list(all(selection.clone())).await.unwrap();
        assert_eq!(names(&listed.objects), ["b"], "{version}");
        for start in [Start::WithState, Start::After(start)] {
            let mut watcher = world.watch_selection(selection.clone(), start).await.unwrap();
            let events = tell_until(&mut watcher, shown.revision).await;
            assert!(events.iter().all(|event| !told(event).ends_with(" a")), "{events:?}");
        }
    }
    let field = report(json!({"state": "Up"})).in_version("v2");
    assert!(matches!(world.write(&device("a"), field).await, Err(Refusal::Forbidden(_))));
    let blue = world.peek(&device("a")).unwrap();
    assert!(!world.engine.shows(&crate::world::master(), &blue));
}

/// Where a program brings no conversion along, versions differ in what they show.
#[tokio::test]
async fn without_conversions_a_version_leaves_out_what_it_does_not_know() {
    let world = World::new().await;
    store_in(&world, "v1").await;
    world.put(&device("a"), create(json!({"spec": {"color": "red", "size": 1}}))).await;
    assert_eq!(seen(&world, "v2").await.0, json!({"size": 1}));
    let edited = merge(json!({"spec": {"colour": "blue", "size": 2}})).in_version("v2");
    let edited = world.write(&device("a"), edited).await.unwrap();
    assert!(edited.warnings[0].contains("spec.colour"), "{edited:?}");
    assert!(edited.warnings[1].contains("spec.color of v1 has no place in v2"), "{edited:?}");
    assert_eq!(seen(&world, "v2").await.0, json!({"size": 2}));
    assert_eq!(seen(&world, "v1").await.0, json!({"size": 2}));
}
