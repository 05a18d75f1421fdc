//! The typed client: the same calls over a socket and without one, errors as types, watches that
//! outlive a server, and reports that race with users.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pintle_client::{Api, Client, Error, Event, ListOptions, Patch, Reported};
use pintle_kinds::report::Stale;
use pintle_kinds::{Condition, Conditions, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::embedded::{builder, user};
use crate::harness::server::{Launch, Server};
use crate::harness::within;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Device {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
    #[serde(default)]
    generation: i64,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Spec {
    name: String,
    location: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    observed_generation: Option<i64>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    conditions: Conditions,
}

pintle_kinds::kind! {
    Device: "Device" in "infra.example.io", version "v1", plural "devices", namespaced true
}

fn device(name: &str, location: &str) -> Device {
    Device {
        metadata: Metadata { name: name.to_owned(), ..Metadata::default() },
        spec: Spec { name: name.to_owned(), location: location.to_owned(), model: None },
        status: Status::default(),
    }
}

fn phase(phase: &str) -> Status {
    Status { phase: Some(phase.to_owned()), ..Status::default() }
}

#[tokio::test]
async fn everything_can_be_done_over_a_socket() {
    let server = Server::devices().await;
    do_everything(&Client::connect(&server.url()).unwrap()).await;
}

#[tokio::test]
async fn everything_can_be_done_without_a_socket() {
    let server = builder().in_memory().start().await.unwrap();
    do_everything(&Client::over(server.in_process(user("alice")))).await;
    within("the end", server.stop()).await.unwrap();
}

async fn do_everything(client: &Client) {
    let devices = client.api::<Device>();
    let made = devices.create(&device("d1", "dc1")).await.unwrap();
    assert_eq!((made.metadata.generation, &*made.spec.location), (1, "dc1"));
    assert_eq!(devices.get(made.metadata.uid.as_deref().unwrap()).await.unwrap(), made);

    // Users: the spec alone, whatever the status in the object says.
    let mut wanted = made.clone();
    wanted.spec.location = "dc2".to_owned();
    wanted.status = phase("Error");
    let moved = devices.replace(&wanted).await.unwrap();
    assert_eq!((&moved.status, moved.metadata.generation), (&Status::default(), 2));
    let patch = Patch::Merge(json!({"spec": {"model": "T1"}}));
    assert_eq!(devices.patch("d1", &patch).await.unwrap().spec.model.as_deref(), Some("T1"));
    let patch = Patch::Json(json!([{"op": "remove", "path": "/spec/model"}]));
    assert_eq!(devices.patch("d1", &patch).await.unwrap().spec.model, None);

    // Controllers: the status alone.
    let now = devices.get("d1").await.unwrap();
    let told = devices.update_status(&now, &phase("Ready")).await.unwrap();
    assert_eq!((&told.status, &told.spec), (&phase("Ready"), &now.spec));
    assert_eq!(told.metadata.generation, now.metadata.generation);
    let patch = Patch::Shorthand(json!({"message": "fine"}));
    let told = devices.patch_status("d1", &patch).await.unwrap();
    assert_eq!(told.status.message.as_deref(), Some("fine"));
    let told = devices.set_condition("d1", &Condition::new("Ready", true, "Online")).await.unwrap();
    assert!(told.status.conditions.is_true("Ready") && told.status.phase.is_some());
    let told = devices.remove_condition("d1", "Ready").await.unwrap();
    assert!(told.status.conditions.is_empty());

    // Lists, with selectors and pages.
    for name in ["d2", "d3"] {
        devices.create(&device(name, "dc9")).await.unwrap();
    }
    let options = ListOptions {
        fields: Some("spec.location=dc9".to_owned()),
        limit: Some(1),
        ..ListOptions::default()
    };
    let first = devices.list(&options).await.unwrap();
    let next = ListOptions { page: first.next_page.clone(), ..options };
    assert!(next.page.is_some());
    let second = devices.list(&next).await.unwrap();
    let names: Vec<_> =
        first.items.iter().chain(&second.items).map(|it| &*it.metadata.name).collect();
    assert_eq!(names, ["d2", "d3"]);
    assert_eq!(first.resource_version, second.resource_version);

    // What is tried out changes nothing, and what is gone is gone.
    devices.dry_run().delete("d2").await.unwrap();
    assert!(devices.find("d2").await.unwrap().is_some());
    devices.delete("d2").await.unwrap();
    assert!(devices.find("d2").await.unwrap().is_none());

    // Any kind, without a type.
    let namespaces = client.resource::<Value>("namespaces", "");
    assert_eq!(namespaces.get("default").await.unwrap()["kind"], "Namespace");
}

#[tokio::test]
async fn errors_say_what_they_are() {
    let server = Server::devices().await;
    let client = Client::connect(&server.url()).unwrap();
    let devices = client.api::<Device>();
    let old = devices.create(&device("d", "dc1")).await.unwrap();
    let patch = Patch::Merge(json!({"spec": {"location": "dc2"}}));
    let new = devices.patch("d", &patch).await.unwrap();

    let error = devices.update_status(&old, &phase("Ready")).await.unwrap_err();
    let Error::Conflict(conflict) = error else { panic!("{error:?}") };
    assert!(conflict.spec_changed && !conflict.status_changed && conflict.retryable);
    assert_eq!(conflict.expected_resource_version, old.metadata.resource_version);
    assert_eq!(conflict.current_resource_version, new.metadata.resource_version);
    assert_eq!(conflict.current_generation, Some(2));
    // Nobody wrote the status, which is all that this one minds.
    devices.compare_status().update_status(&old, &phase("Ready")).await.unwrap();

    let old_version = old.metadata.resource_version.clone().unwrap();
    let error = devices.if_match(&old_version).delete("d").await.unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");

    let error = devices.create(&device("d", "dc1")).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists(_)), "{error:?}");
    let error = devices.get("other").await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
    let error =
        devices.patch_status("d", &Patch::Merge(json!({"phase": "Broken"}))).await.unwrap_err();
    let Error::Invalid(refused) = &error else { panic!("{error:?}") };
    assert_eq!(refused.causes().first().map(|cause| &*cause.path), Some("status.phase"));
    assert!(refused.request_id.is_some(), "{refused:?}");
    let error = devices.strict().patch("d", &Patch::Merge(json!({"spec": {"colour": 1}}))).await;
    assert!(matches!(error, Err(Error::Invalid(_))), "{error:?}");

    devices.delete("d").await.unwrap();
    devices.create(&device("d", "dc1")).await.unwrap();
    let error = devices.update_status(&new, &phase("Ready")).await.unwrap_err();
    assert!(matches!(error, Error::Recreated(_)), "{error:?}");

    let nobody = Client::connect("http://127.0.0.1:1").unwrap();
    let error = within("giving up", nobody.api::<Device>().create(&old)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    assert!(Client::connect("ftp://h").is_err());
    let error = devices.get("").await.unwrap_err();
    assert!(matches!(error, Error::Unsendable(_)), "{error:?}");
    // A name is a name, whatever is in it.
    let error = devices.get("d/status?x=y").await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_) | Error::Invalid(_)), "{error:?}");
}

#[tokio::test]
async fn rights_and_tokens() {
    let example = crate::harness::server::devices();
    let server = Launch::devices()
        .arg(format!("--policy={}", example.join("policy.yaml").display()))
        .arg(format!("--tokens={}", example.join("tokens.csv").display()))
        .start()
        .await;
    let with = |token: &str| Client::builder(server.url()).token(token).build().unwrap();
    let alice = with("alice-token").api::<Device>();
    let controller = with("controller-token").api::<Device>();
    let ready = Patch::Merge(json!({"phase": "Ready"}));
    let error = alice.patch_status("dev-123", &ready).await.unwrap_err();
    let Error::Forbidden(refused) = &error else { panic!("{error:?}") };
    assert!(refused.message.contains("update_status"), "{refused}");
    controller.patch_status("dev-123", &ready).await.unwrap();
    let unknown = with("who-is-this").api::<Device>();
    let error = unknown.get("dev-123").await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated(_)), "{error:?}");
    let mut watch = unknown.watch(ListOptions::default());
    let error = within("the refusal", watch.next()).await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated(_)), "{error:?}");
    assert!(!format!("{:?}", with("alice-token")).contains("alice-token"));
}

#[tokio::test]
async fn a_watch_outlives_the_server() {
    let mut server = Launch::devices().start().await;
    let url = server.url();
    let client = Client::connect(&url).unwrap();
    let devices = client.api::<Device>();
    let mut watch = devices.watch(ListOptions::default());
    assert!(matches!(event(&mut watch).await, Event::Added(it) if it.metadata.name == "dev-123"));
    assert_eq!(event(&mut watch).await, Event::Synced);
    let before = devices.create(&device("before", "dc1")).await.unwrap();
    assert_eq!(event(&mut watch).await, Event::Added(before.clone()));
    server.add_arg(format!("--listen={}", server.client.address));
    server.kill_hard();
    server.start_again().await;
    // Not read yet when the server was gone, or written by the next one: told once.
    let after =
        devices.patch("before", &Patch::Merge(json!({"spec": {"location": "dc2"}}))).await.unwrap();
    assert_eq!(event(&mut watch).await, Event::Modified(after.clone()));
    assert_eq!(watch.resource_version(), after.metadata.resource_version.as_deref());
    devices.delete("before").await.unwrap();
    assert!(matches!(event(&mut watch).await, Event::Deleted(it) if it.metadata.name == "before"));
}

#[tokio::test]
async fn a_watch_says_when_it_starts_over() {
    let server = Launch::devices().arg("--history-age=1s").start().await;
    let devices = Client::connect(&server.url()).unwrap().api::<Device>();
    let start = devices.list(&ListOptions::default()).await.unwrap().resource_version;
    // History is cut behind what was written, some time after it grew old.
    let mut number = 0;
    let mut watch = within("history to be cut", async {
        loop {
            number += 1;
            let patch = Patch::Merge(json!({"spec": {"location": format!("dc{number}")}}));
            devices.patch("dev-123", &patch).await.unwrap();
            let mut watch = devices.watch_from(ListOptions::default(), &*start);
            match watch.next().await.unwrap() {
                Event::Restarted => break watch,
                Event::Modified(_) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    assert!(matches!(event(&mut watch).await, Event::Added(it) if it.metadata.name == "dev-123"));
    assert_eq!(event(&mut watch).await, Event::Synced);
}

/// A connection that breaks before all was told, again and again, and a caller who waits for other
/// things as well.
#[tokio::test]
async fn a_watch_that_is_given_up_between_two_connections_still_says_that_it_starts_over() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let line = json!({"type": "ADDED", "object": device("d", "dc1")}).to_string();
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{line}\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let devices = Client::connect(&url).unwrap().api::<Device>();
    let mut watch = devices.watch(ListOptions::default());
    for _ in 0..3 {
        let added = event(&mut watch).await;
        assert!(matches!(added, Event::Added(_)), "{added:?}");
        // Shorter than the pause between two connections.
        let given_up = tokio::time::timeout(Duration::from_millis(20), watch.next()).await;
        let next = match given_up {
            Ok(event) => event.unwrap(),
            Err(_) => event(&mut watch).await,
        };
        assert_eq!(next, Event::Restarted);
    }
    serving.abort();
}

async fn event(watch: &mut pintle_client::Watch<Device>) -> Event<Device> {
    within("an event", watch.next()).await.unwrap()
}

#[tokio::test]
async fn a_report_is_brought_in_where_that_is_safe() {
    let server = builder().in_memory().start().await.unwrap();
    let devices = Client::over(server.in_process(user("controller"))).api::<Device>();
    let read = devices.create(&device("d", "dc1")).await.unwrap();

    // Nothing to say.
    assert_eq!(devices.report(&read, &read.status).await.unwrap(), Reported::Unchanged);
    // A label of somebody else's is no reason to do it again.
    let label = Patch::Merge(json!({"metadata": {"labels": {"site": "a"}}}));
    devices.patch("d", &label).await.unwrap();
    let Reported::Written(read) = devices.report(&read, &phase("Ready")).await.unwrap() else {
        panic!("nothing was written")
    };
    assert_eq!((&*read.metadata.labels["site"], &read.status), ("a", &phase("Ready")));
    // Neither is a report of its own that it has not seen yet.
    let mine = devices.report(&read, &phase("Offline")).await.unwrap();
    assert!(matches!(mine, Reported::Written(_)));
    let again = devices.report(&read, &phase("Error")).await.unwrap();
    assert!(matches!(again, Reported::Written(it) if it.status == phase("Error")));
    // But another condition is.
    let read = devices.get("d").await.unwrap();
    devices.set_condition("d", &Condition::new("Calibrated", false, "Drifting")).await.unwrap();
    let error = devices.report(&read, &phase("Ready")).await.unwrap_err();
    let Error::Stale(Stale::StatusChanged { path }) = &error else { panic!("{error:?}") };
    assert_eq!(path, "status.conditions");
    // And so is another spec.
    let read = devices.get("d").await.unwrap();
    devices.patch("d", &Patch::Merge(json!({"spec": {"location": "dc2"}}))).await.unwrap();
    let error = devices.report(&read, &phase("Ready")).await.unwrap_err();
    assert!(matches!(error, Error::Stale(Stale::SpecChanged)), "{error:?}");
    let found = devices.get("d").await.unwrap();
    assert!(found.status.conditions.get("Calibrated").is_some());
    assert_eq!((found.status.phase.as_deref(), &*found.spec.location), (Some("Error"), "dc2"));
    within("the end", server.stop()).await.unwrap();
}

const ROUNDS: i64 = 10_000;

/// What a Fabrica service loses: a user and a controller write the two halves of one object as fast
/// as they can. Every edit has to be there, and every report has to be about the spec it names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_and_a_controller_race_for_ten_thousand_rounds() {
    let server = builder().in_memory().start().await.unwrap();
    let users = Client::over(server.in_process(user("alice"))).api::<Device>();
    let controllers = Client::over(server.in_process(user("controller"))).api::<Device>();
    users.create(&device("d", "dc0")).await.unwrap();
    let editing = tokio::spawn(edit(users.clone()));
    let mut reports = 0;
    loop {
        // What was over before the object was read shows in it.
        let is_over = editing.is_finished();
        let read = controllers.get("d").await.unwrap();
        let status = status_for(&read);
        match controllers.report(&read, &status).await {
            Ok(Reported::Written(written)) => {
                assert_eq!(written.spec.location, format!("dc{}", written.metadata.generation - 1));
                assert_eq!(written.status.message, status.message);
                reports += 1;
            }
            Ok(Reported::Unchanged) if is_over => break,
            Ok(Reported::Unchanged) | Err(Error::Stale(Stale::SpecChanged)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    editing.await.unwrap();
    let last = users.get("d").await.unwrap();
    assert_eq!(last.metadata.generation, ROUNDS + 1, "an edit was lost");
    assert_eq!(last.spec.location, format!("dc{ROUNDS}"));
    assert_eq!(last.status.observed_generation, Some(ROUNDS + 1));
    assert_eq!(last.status.message, Some(last.spec.location.clone()));
    // How many get between the edits is for the scheduler to say.
    assert!(reports > 0, "no report was written");
    within("the end", server.stop()).await.unwrap();
}

async fn edit(users: Api<Device>) {
    for round in 1..=ROUNDS {
        let patch = Patch::Merge(json!({"spec": {"location": format!("dc{round}")}}));
        let edited = users.patch("d", &patch).await.unwrap();
        assert_eq!(edited.metadata.generation, round + 1);
    }
}

fn status_for(read: &Device) -> Status {
    let mut status = read.status.clone();
    status.observed_generation = Some(read.metadata.generation);
    status.message = Some(read.spec.location.clone());
    status.conditions.set(Condition::new("Ready", true, "Seen"), Timestamp::UNIX_EPOCH);
    status
}

/// Thirty controllers with a condition each, on one object: nobody's is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn controllers_of_one_object_do_not_lose_each_other_s_conditions() {
    const CONTROLLERS: usize = 30;
    let server = Arc::new(builder().in_memory().start().await.unwrap());
    let devices = Client::over(server.in_process(user("alice"))).api::<Device>();
    devices.create(&device("d", "dc0")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..CONTROLLERS {
        let devices = Client::over(server.in_process(user("controller"))).api::<Device>();
        tasks.spawn(async move {
            let mut stale = 0;
            loop {
                let read = devices.get("d").await.unwrap();
                let mut status = read.status.clone();
                let condition = Condition::new(format!("C{number}"), true, "Seen");
                status.conditions.set(condition, Timestamp::UNIX_EPOCH);
                match devices.report(&read, &status).await {
                    Ok(_) => return stale,
                    Err(Error::Stale(Stale::StatusChanged { .. })) => stale += 1,
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    let stale: u32 = within("all reports", tasks.join_all()).await.into_iter().sum();
    let found = devices.get("d").await.unwrap();
    assert_eq!(found.status.conditions.len(), CONTROLLERS, "{stale} had to be done again");
}
