//! What services that keep an object in one piece get wrong, as their users know it, shown not to
//! happen here. Races are in `client.rs`; what controllers get wrong is tested in `sdk/`.

use pintle::Server;
use pintle_client::{Api, Client, Error, Patch};
use serde_json::{Value, json};

use crate::embedded::{builder, user};
use crate::harness::within;

async fn devices() -> (Server, Api<Value>) {
    let server = builder().in_memory().start().await.unwrap();
    let devices =
        Client::over(server.in_process(user("alice"))).resource("devices", "infra.example.io");
    let config = json!({"rate": "5", "unit": "s"});
    let spec = json!({"name": "d", "location": "dc1", "model": "T1", "config": config});
    devices.create(&json!({"metadata": {"name": "d"}, "spec": spec})).await.unwrap();
    (server, devices)
}

#[tokio::test]
async fn a_user_who_sends_back_what_was_read_undoes_no_report() {
    let (_server, devices) = devices().await;
    let mut read = devices.get("d").await.unwrap();
    devices.patch_status("d", &Patch::Merge(json!({"phase": "Ready"}))).await.unwrap();
    // With its version, the whole old object is refused; without, its status is left out.
    let error = devices.replace(&read).await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    read["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    read["status"] = json!({"phase": "Error"});
    read["spec"]["location"] = json!("dc2");
    let found = devices.replace(&read).await.unwrap();
    assert_eq!(
        (&found["status"]["phase"], &found["spec"]["location"]),
        (&json!("Ready"), &json!("dc2"))
    );
}

#[tokio::test]
async fn a_patch_can_delete() {
    let (_server, devices) = devices().await;
    let patch = Patch::Merge(json!({"spec": {"model": null, "config": {"unit": null}}}));
    let found = devices.patch("d", &patch).await.unwrap();
    let expected = json!({"name": "d", "location": "dc1", "config": {"rate": "5"}});
    assert_eq!(found["spec"], expected);
    let status = json!({"phase": "Ready", "health": "Healthy", "message": "fine"});
    devices.patch_status("d", &Patch::Merge(status)).await.unwrap();
    let found = devices.patch_status("d", &Patch::Merge(json!({"health": null}))).await.unwrap();
    assert_eq!(found["status"], json!({"phase": "Ready", "message": "fine"}));
    let remove = json!([{"op": "remove", "path": "/status/message"}]);
    let found = devices.patch_status("d", &Patch::Json(remove)).await.unwrap();
    assert_eq!(found["status"], json!({"phase": "Ready"}));
}

#[tokio::test]
async fn labels_alone_leave_the_spec() {
    let (_server, devices) = devices().await;
    let before = devices.get("d").await.unwrap();
    let labelled = json!({"metadata": {"name": "d", "labels": {"site": "a"}}});
    let found = devices.replace(&labelled).await.unwrap();
    assert_eq!(found["spec"], before["spec"]);
    assert_eq!(found["metadata"]["labels"]["site"], "a");
    assert_eq!(found["metadata"]["generation"], 1);
}

#[tokio::test]
async fn names_are_taken_once_and_uids_never_again() {
    let (_server, devices) = devices().await;
    let again = json!({"metadata": {"name": "d"}, "spec": {"name": "d", "location": "dc1"}});
    let error = devices.create(&again).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists(_)), "{error:?}");
    let mut uids = std::collections::BTreeSet::new();
    for round in 0..200 {
        let name = format!("d{round}");
        let object = json!({"metadata": {"name": name}, "spec": {"name": name, "location": "x"}});
        let made = devices.create(&object).await.unwrap();
        let uid = made["metadata"]["uid"].as_str().unwrap().to_owned();
        let (prefix, random) = uid.rsplit_once('-').unwrap();
        assert!(prefix == "device" && random.len() >= 16, "{uid}");
        assert_eq!(devices.get(&uid).await.unwrap()["metadata"]["name"], name.as_str());
        assert!(uids.insert(uid));
    }
}

#[tokio::test]
async fn a_finalizer_holds_an_object() {
    let (_server, devices) = devices().await;
    let hold = Patch::Merge(json!({"metadata": {"finalizers": ["example.io/hold"]}}));
    devices.patch("d", &hold).await.unwrap();
    devices.delete("d").await.unwrap();
    let held = devices.get("d").await.unwrap();
    assert!(held["metadata"]["deletionTimestamp"].is_string(), "{held}");
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    devices.patch("d", &release).await.unwrap();
    assert!(devices.find("d").await.unwrap().is_none());
}

#[tokio::test]
async fn no_event_is_dropped_however_slow_its_reader_is() {
    const WRITES: usize = 2_000;
    let (server, devices) = devices().await;
    let mut events = server.subscribe("**", None).await.unwrap();
    // Nobody reads meanwhile.
    for round in 0..WRITES {
        let flipped = if round % 2 == 0 { "True" } else { "False" };
        let conditions = json!([{"type": "Ready", "status": flipped, "reason": "R"}]);
        let patch = Patch::Merge(json!({"conditions": conditions}));
        devices.patch_status("d", &patch).await.unwrap();
    }
    let (mut told, mut last) = (Vec::new(), None);
    while told.len() < 2 * WRITES {
        let event = within("an event", events.next()).await.unwrap();
        let revision = event.entry().revision();
        assert!(last.is_none_or(|last| last <= revision), "out of order");
        last = Some(revision);
        told.push(event.event_type().to_owned());
    }
    let conditions = told.iter().filter(|it| it.ends_with("condition.ready")).count();
    assert_eq!(conditions, WRITES, "events of conditions are told, too");
}
