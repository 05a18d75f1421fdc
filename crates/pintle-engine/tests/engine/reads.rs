//! Lists: one snapshot, page by page.

use pintle_engine::{Limits, List, Refusal};
use pintle_model::{FieldSelector, LabelSelector, Revision};
use pintle_store::HistoryLimits;
use serde_json::json;

use crate::world::{
    Terms, World, all, create, delete, device, device_in, master, merge, names, report, status,
};

async fn peopled() -> World {
    let world = World::limited(Limits { list_page: 3, ..Limits::default() }).await;
    world.create_namespace("ops").await;
    for (namespace, name, color) in [
        ("lab", "a", "red"),
        ("lab", "b", "blue"),
        ("lab", "c", "red"),
        ("ops", "a", "red"),
        ("ops", "d", "green"),
        ("default", "z", "red"),
    ] {
        let document = json!({"metadata": {"labels": {"color": color}}, "spec": {"color": color}});
        world.put(&device_in(namespace, name), create(document)).await;
    }
    world
}

#[tokio::test]
async fn pages_show_one_revision_while_others_write() {
    let world = peopled().await;
    let whole = world.list(all(world.selection(None))).await.unwrap();
    assert_eq!(names(&whole.objects), ["z", "a", "b", "c", "a", "d"]);
    for limit in 1..8 {
        let mut list = List { limit: Some(limit), ..all(world.selection(None)) };
        let (mut found, mut revisions) = (Vec::new(), Vec::new());
        loop {
            let page = world.list(list.clone()).await.unwrap();
            assert!(page.objects.len() <= limit);
            found.extend(page.objects);
            revisions.push(page.revision);
            // What happens between two pages is not seen.
            world.create(&format!("new-{limit}-{}", found.len()), "red").await;
            world.put(&device("c"), merge(json!({"spec": {"size": found.len()}}))).await;
            let Some(next) = page.next else { break };
            list = List { after: Some(next), at: Some(page.revision), ..list };
        }
        assert!(revisions.iter().all(|revision| *revision == revisions[0]), "{revisions:?}");
        let mut list = all(world.selection(None));
        list.at = Some(revisions[0]);
        assert_eq!(found, world.list(list).await.unwrap().objects, "pages of {limit}");
    }
}

#[tokio::test]
async fn granted_namespaces_are_one_list() {
    let world = peopled().await;
    // Whatever order the grants come in.
    for namespaces in [["lab", "ops"], ["ops", "lab"]] {
        let (mut found, mut after, mut at) = (Vec::new(), None, None);
        loop {
            let grants = namespaces.map(|namespace| {
                let selection = world.selection(Some(namespace));
                let list = List { selection, limit: Some(2), after: after.clone(), at };
                world.engine.rules().grant(&master(), list).unwrap()
            });
            let page = world.engine.list(&grants).await.unwrap();
            found.extend(names(&page.objects));
            at = Some(page.revision);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, ["a", "b", "c", "a", "d"]);
    }
}

#[tokio::test]
async fn selectors_select() {
    let world = peopled().await;
    let cases = [
        ("color=red", "", vec!["z", "a", "c", "a"]),
        ("", "spec.color=blue", vec!["b"]),
        ("", "metadata.name=a", vec!["a", "a"]),
        ("", "metadata.name=a,metadata.namespace=ops", vec!["a"]),
        ("color!=red", "spec.color!=green", vec!["b"]),
        ("color in (violet)", "", vec![]),
    ];
    for (labels, fields, expected) in cases {
        let mut selection = world.selection(None);
        selection.labels = LabelSelector::parse(labels).unwrap();
        selection.fields = FieldSelector::parse(fields).unwrap();
        let listed = world.list(all(selection)).await.unwrap();
        assert_eq!(names(&listed.objects), expected, "{labels:?} {fields:?}");
    }
    let mut selection = world.selection(None);
    selection.fields = FieldSelector::parse("spec.size=1").unwrap();
    let refused = world.list(all(selection)).await.unwrap_err();
    assert_eq!(refused, Refusal::NotSelectable { field: "spec.size".into() });
}

/// Rights to read one kind say nothing of another one.
#[tokio::test]
async fn grants_for_different_kinds_are_no_list() {
    let world = peopled().await;
    let roles = pintle_model::GroupResource::from_text("roles.rbac.authorization.k8s.io");
    let served = world.served(&roles);
    let mut other = world.selection(Some("ops"));
    other.version = std::sync::Arc::clone(served.default_version());
    other.served = served;
    let selections = [world.selection(Some("lab")), other];
    let lists = selections
        .clone()
        .map(|selection| world.engine.rules().grant(&master(), all(selection)).unwrap());
    assert!(matches!(world.engine.list(&lists).await, Err(Refusal::Internal(_))));
    let start = pintle_engine::Start::WithState;
    let watches = selections.map(|selection| {
        let watch = pintle_engine::Watch { selection, start };
        world.engine.rules().grant(&master(), watch).unwrap()
    });
    assert!(world.engine.watch(watches.into()).await.is_ok(), "changes come in one order");
}

#[tokio::test]
async fn revisions_out_of_reach_are_refused() {
    let history = HistoryLimits { memory_bytes_max: 4_000, ..HistoryLimits::default() };
    let world = World::with(Terms { history, ..Terms::default() }).await;
    let made = world.create("a", "red").await;
    for round in 0..50 {
        world.put(&device("a"), report(json!({"phase": round.to_string()}))).await;
    }
    let at = |revision| List { at: Some(revision), ..all(world.selection(None)) };
    let expired = world.list(at(made.revision)).await.unwrap_err();
    assert!(
        matches!(expired, Refusal::Expired { asked, oldest } if asked == made.revision && oldest > asked)
    );
    let newest = world.engine.newest();
    let asked = Revision(newest.0 + 1_000);
    let future = world.list(at(asked)).await.unwrap_err();
    assert!(matches!(future, Refusal::FromTheFuture { asked: it, .. } if it == asked));
    world.put(&device("a"), delete()).await;
    let before = world.list(at(newest)).await.unwrap();
    assert_eq!(status(&before.objects[0]), json!({"phase": "49"}));
}
