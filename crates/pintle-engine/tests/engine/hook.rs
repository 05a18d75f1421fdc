//! What a program says after the rules: it is asked on every path, and can only take away.

use std::sync::Arc;

use pintle_authz::{Policy, User};
use pintle_engine::{Denied, Get, Hook, Reader, Reading, Refusal, Start, Watch, Write};
use pintle_model::Object;
use pintle_rules::Refusal as RulesRefusal;
use serde_json::{Value, json};

use crate::world::{
    Terms, Want, World, all, create, delete, device, devices, merge, merge_status, names, replace,
    report, spec, tell_until, told, user,
};

/// Nobody but root sees or touches what is blue; what is grey can be seen, and its status is its
/// own affair; new things are red.
#[derive(Debug)]
struct ByColor;

fn is(color: &str, object: &Object) -> bool {
    spec(object)["color"] == *color
}

fn denied_if(denied: bool, reason: &str) -> Result<(), Denied> {
    if denied { Err(Denied::because(reason)) } else { Ok(()) }
}

impl Hook for ByColor {
    fn can_get(&self, caller: &User, object: &Object) -> Result<(), Denied> {
        denied_if(&*caller.name != "root" && is("blue", object), "blue is not for everybody")
    }

    fn can_create(&self, caller: &User, request: &Write) -> Result<(), Denied> {
        let pintle_rules::Edit::Create(document) = &request.intent.edit else { return Ok(()) };
        let body = document.body.clone().unwrap_or_default();
        let red = body.get("spec").is_some_and(|spec| spec["color"] == "red");
        denied_if(&*caller.name != "root" && !red, "new things are red")
    }

    fn can_update(&self, caller: &User, _: &Write, object: &Object) -> Result<(), Denied> {
        self.can_get(caller, object)
    }

    fn can_update_status(&self, caller: &User, _: &Write, object: &Object) -> Result<(), Denied> {
        denied_if(&*caller.name != "root" && is("grey", object), "grey reports by itself")
    }

    fn can_delete(&self, caller: &User, _: &Write, _: &Object) -> Result<(), Denied> {
        denied_if(&*caller.name != "root", "nothing goes")
    }
}

/// Ann may do everything with devices, as far as the rules go; nobody else may do anything.
async fn world() -> World {
    let policy = json!([
        {"role": "r", "permissions": ["devices:*"]},
        {"user": "ann", "role": "r"},
    ]);
    let policies = vec![Policy::from_value(&policy).unwrap()];
    let world =
        World::with(Terms { policies, hook: Some(Arc::new(ByColor)), ..Terms::default() }).await;
    for (name, color) in [("b", "blue"), ("g", "grey"), ("r", "red")] {
        world.create(name, color).await;
    }
    world
}

fn reason(refusal: Refusal) -> String {
    match refusal {
        Refusal::Forbidden(no) if no.overruled => no.reason.unwrap_or_default(),
        Refusal::Forbidden(_) => "no rule".to_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn every_write_is_asked_for() {
    let world = world().await;
    let blue = "blue is not for everybody";
    let color = |color: &str| json!({"spec": {"color": color}});
    // By object content, and by lane.
    let cases: [(&str, Want, &str); 14] = [
        ("r", merge(color("red")), ""),
        ("g", merge(color("grey")), ""),
        ("b", merge(color("red")), blue),
        ("b", replace(color("red")), blue),
        ("b", merge(color("red")).dry(), blue),
        ("b", report(json!({"phase": "x"})), ""),
        ("r", report(json!({"phase": "x"})), ""),
        ("g", report(json!({"phase": "x"})), "grey reports by itself"),
        ("g", merge_status(json!({"phase": "x"})), "grey reports by itself"),
        ("r", delete(), "nothing goes"),
        ("new", create(color("red")), ""),
        ("other", create(color("blue")), "new things are red"),
        // That it exists is not said to whoever may not create it.
        ("b", create(color("blue")), "new things are red"),
        // A hook is asked before a version is compared.
        ("b", merge(color("red")).at(pintle_model::Revision(1)), blue),
    ];
    for (name, want, expected) in cases {
        let shown = format!("{name} {want:?}");
        let before = world.peek(&device(name));
        let found = world.write_as(&user("ann"), &device(name), want).await;
        let found = found.err().map(reason).unwrap_or_default();
        assert_eq!(found, expected, "{shown}");
        if !expected.is_empty() {
            assert_eq!(world.peek(&device(name)), before, "{shown}");
        }
    }
    // What does not exist is not asked for, and without a right the hook is not either.
    let missing = world.write_as(&user("ann"), &device("none"), merge(color("red"))).await;
    assert_eq!(missing.unwrap_err(), Refusal::Rules(RulesRefusal::NotFound));
    let stranger = world.write_as(&user("eve"), &device("b"), merge(color("red"))).await;
    assert_eq!(reason(stranger.unwrap_err()), "no rule");
    world.put(&device("b"), merge(color("blue"))).await;
}

/// Whoever may not see an object learns nothing of it by moving parts of it around.
#[tokio::test]
async fn a_patch_that_reads_takes_the_right_to_see() {
    #[derive(Debug)]
    struct Writes;
    impl Hook for Writes {
        fn can_get(&self, _: &User, _: &Object) -> Result<(), Denied> {
            denied_if(true, "not to be seen")
        }
    }
    let hook: Option<Arc<dyn Hook>> = Some(Arc::new(Writes));
    let world = World::with(Terms { hook, ..Terms::default() }).await;
    world.create("a", "red").await;
    let patch =
        |document| pintle_rules::Patch::parse(pintle_rules::PatchFormat::Json, &document).unwrap();
    let probe = json!([{"op": "test", "path": "/spec/color", "value": "red"}]);
    let blind = json!([{"op": "replace", "path": "/spec/color", "value": "green"}]);
    for (document, expected) in [(probe, "not to be seen"), (blind, "")] {
        let want = Want::patch(patch(document));
        let found = world.write(&device("a"), want).await;
        assert_eq!(found.err().map(reason).unwrap_or_default(), expected);
    }
    // A patch of a status may be applied to the whole object, too.
    let copy = json!([{"op": "copy", "from": "/spec/color", "path": "/status/message"}]);
    let blind = json!([{"op": "add", "path": "/status", "value": {"message": "blue"}}]);
    for (document, expected) in [(copy, "not to be seen"), (blind, "")] {
        let want = Want::patch(patch(document)).of_status_seeing_all();
        let found = world.write(&device("a"), want).await;
        assert_eq!(found.err().map(reason).unwrap_or_default(), expected);
    }
}

#[tokio::test]
async fn what_is_hidden_is_in_no_read() {
    let world = world().await;
    let ann = user("ann");
    let rules = world.engine.rules();
    for (name, expected) in [("b", "blue is not for everybody"), ("g", "")] {
        let version = Arc::clone(world.served(&devices()).default_version());
        let get = Get { key: device(name), version, subresource: None };
        let found = world.engine.get(&rules.grant(&ann, get).unwrap()).await;
        assert_eq!(found.err().map(reason).unwrap_or_default(), expected, "{name}");
        let object = world.peek(&device(name)).unwrap();
        assert_eq!(world.engine.shows(&ann, &object), expected.is_empty(), "{name}");
        assert_eq!(world.engine.shows_any(&ann, &device(name)), expected.is_empty(), "{name}");
    }
    let list = all(world.selection(None));
    let listed = world.engine.list(&[rules.grant(&ann, list).unwrap()]).await.unwrap();
    assert_eq!(names(&listed.objects), ["g", "r"]);
    let first = rules.grant(&ann, all(world.selection(None))).unwrap();
    let rest = world.engine.count_after(&first, &device("a").name, listed.revision).await;
    assert_eq!(rest, Ok(None), "how many there are would say how many are hidden");
    let all_of_them = world.list(all(world.selection(None))).await.unwrap();
    assert_eq!(names(&all_of_them.objects), ["b", "g", "r"], "root sees everything");
}

/// An object that comes to be hidden is told as gone, in a state that was not.
#[tokio::test]
async fn a_watch_tells_only_what_is_shown() {
    let world = world().await;
    let rules = world.engine.rules();
    let watch = Watch { selection: world.selection(None), start: Start::WithState };
    let granted = rules.grant(&user("ann"), watch).unwrap();
    let mut watcher = world.engine.watch(vec![granted]).await.unwrap();
    let color = |color: &str| merge(json!({"spec": {"color": color}}));
    let mut events = watcher.next().await.unwrap();
    let mut last = world.put(&device("b"), color("blue")).await;
    for (name, to) in [("b", "black"), ("b", "blue"), ("r", "blue"), ("r", "green")] {
        last = world.put(&device(name), color(to)).await;
    }
    events.extend(tell_until(&mut watcher, last.revision).await);
    let found: Vec<String> = events.iter().map(told).collect();
    assert_eq!(
        found.iter().map(String::as_str).collect::<Vec<_>>(),
        ["EXISTING g", "EXISTING r", "STATE", "ADDED b", "DELETED b", "DELETED r", "ADDED r"]
    );
    let seen: Vec<Value> = events
        .iter()
        .filter_map(|event| match event {
            pintle_engine::WatchEvent::Deleted(object) => Some(spec(object)["color"].clone()),
            _ => None,
        })
        .collect();
    assert_eq!(seen, ["black", "red"], "the last state that was shown");
}

#[tokio::test]
async fn what_is_denied_is_in_no_journal() {
    let world = world().await;
    let after = Some(world.engine.newest());
    let reading = |reader| Reading { reader, namespace: None, after };
    let mut anns = world.engine.journal(reading(Reader::Caller(user("ann")))).await.unwrap();
    let mut all = world.engine.journal(reading(Reader::Server)).await.unwrap();
    world.put(&device("b"), report(json!({"phase": "On"}))).await;
    let last = world.put(&device("r"), report(json!({"phase": "On"}))).await.revision;
    for (journal, expected) in [(&mut anns, &["r"][..]), (&mut all, &["b", "r"])] {
        let mut told = Vec::new();
        while journal.cursor() < last {
            let entries = journal.next().await.unwrap().entries;
            told.extend(entries.iter().map(|entry| entry.stored().key.name.name.to_string()));
        }
        assert_eq!(told, expected);
    }
}
