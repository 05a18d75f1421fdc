//! A server inside a Rust program: kinds, a hook and events in Rust, and calls without a socket.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use pintle::events::UpdateType;
use pintle::model::Object;
use pintle::{Builder, Denied, Hook, InProcess, ServeConfig, Server, User, Write};
use serde_json::{Value, json};

use crate::harness::http::Client;
use crate::harness::server::devices;
use crate::harness::within;

pub(crate) fn device_kind() -> Value {
    let text = std::fs::read_to_string(devices().join("device.crd.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

pub(crate) fn builder() -> Builder {
    Server::builder().kind(device_kind())
}

pub(crate) fn user(name: &str) -> User {
    User::authenticated(name, None, [])
}

async fn call(caller: &InProcess, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = caller.call(request.body(Bytes::from(body)).unwrap()).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn create(caller: &InProcess) {
    let device = json!({"metadata": {"name": "d"}, "spec": {"name": "d", "location": "dc1"}});
    let (status, answer) = call(caller, "POST", "/devices", &device).await;
    assert_eq!(status, 201, "{answer}");
}

#[tokio::test]
async fn it_is_the_same_server_with_and_without_a_socket() {
    let server = builder().in_memory().start().await.unwrap();
    create(&server.in_process(user("alice"))).await;
    let client = Client::new(server.address());
    let over_tcp = client.try_send("GET", "/devices/d", &[], "").await.unwrap();
    let (status, in_process) =
        call(&server.in_process(user("bob")), "GET", "/devices/d", &Value::Null).await;
    assert_eq!((status, in_process), (200, over_tcp.json()));
    assert!(server.greeting().contains("devices.infra.example.io"), "{}", server.greeting());
    within("the end", server.stop()).await.unwrap();
}

#[tokio::test]
async fn rules_hold_for_the_program_s_own_callers() {
    let dir = tempfile::tempdir().unwrap();
    let settings = ServeConfig {
        policy: vec![devices().join("policy.yaml")],
        tokens: Some(devices().join("tokens.csv")),
        data_dir: dir.path().join("data"),
        listen: ([127, 0, 0, 1], 0).into(),
        ..ServeConfig::default()
    };
    let admins = User::authenticated("root", None, ["system:masters".into()]);
    let server = builder().settings(settings).start().await.unwrap();
    create(&server.in_process(admins)).await;
    let status = json!({"status": {"phase": "Ready"}});
    let spec = json!({"spec": {"location": "dc2"}});
    for (name, to_status, to_spec) in
        [("alice", 403, 200), ("device-controller", 200, 403), ("mallory", 403, 403)]
    {
        let caller = server.in_process(user(name));
        let (code, answer) = call(&caller, "PATCH", "/devices/d/status", &status).await;
        assert_eq!(code, to_status, "{name}: {answer}");
        let (code, answer) = call(&caller, "PATCH", "/devices/d", &spec).await;
        assert_eq!(code, to_spec, "{name}: {answer}");
    }
    within("the end", server.stop()).await.unwrap();
}

/// Reports are only taken for devices in `dc1`.
#[derive(Debug)]
struct OnlyHere;

impl Hook for OnlyHere {
    fn can_update_status(&self, _: &User, _: &Write, object: &Object) -> Result<(), Denied> {
        let body = object.body.to_value();
        match body.pointer("/spec/location").and_then(Value::as_str) {
            Some("dc1") => Ok(()),
            _ => Err(Denied::because("the device is elsewhere")),
        }
    }
}

#[tokio::test]
async fn the_program_has_the_last_word_and_is_told_of_everything() {
    let server = builder().in_memory().hook(OnlyHere).start().await.unwrap();
    let mut events = server.subscribe("**.device.*", None).await.unwrap();
    let caller = server.in_process(user("alice"));
    create(&caller).await;
    let status = json!({"status": {"phase": "Ready"}});
    assert_eq!(call(&caller, "PATCH", "/devices/d/status", &status).await.0, 200);
    let spec = json!({"spec": {"location": "dc2"}});
    assert_eq!(call(&caller, "PATCH", "/devices/d", &spec).await.0, 200);
    let status = json!({"status": {"phase": "Offline"}});
    let (code, answer) = call(&caller, "PATCH", "/devices/d/status", &status).await;
    let told = answer["error"].as_str().unwrap_or_default();
    assert!(code == 403 && told.contains("the device is elsewhere"), "{code} {answer}");
    let mut updates = Vec::new();
    for _ in 0..3 {
        let event = within("an event", events.next()).await.unwrap();
        let device: Value = event.resource_as().unwrap();
        updates.push((event.update_type(), device["spec"]["location"].clone()));
    }
    let expected = [
        (None, json!("dc1")),
        (Some(UpdateType::Status), json!("dc1")),
        (Some(UpdateType::Spec), json!("dc2")),
    ];
    assert_eq!(updates, expected);
    let wrong = server.subscribe("a..b", None).await.unwrap_err();
    assert!(wrong.to_string().contains("empty segment"), "{wrong}");
    within("the end", server.stop()).await.unwrap();
    within("the last word", async { while events.next().await.is_ok() {} }).await;
}

#[tokio::test]
async fn what_cannot_be_served_stops_the_start() {
    let mut broken = device_kind();
    broken["spec"]["names"]["plural"] = json!("Devices!");
    let cases: &[(Value, &str)] = &[
        (broken, "declared by the program, document 1"),
        (json!({"kind": "Device"}), "has a kind and no apiVersion"),
        (json!(5), "has no apiVersion and no kind"),
    ];
    for (definition, why) in cases {
        let started = Server::builder().kind(definition).in_memory().start().await;
        let told = started.map(drop).unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn bodies_have_their_limit_without_a_socket_too() {
    let settings = ServeConfig { body_bytes_max: 100, ..ServeConfig::default() };
    let server = Server::builder().settings(settings).in_memory().start().await.unwrap();
    let mut caller = server.in_process(user("alice"));
    for (bytes, expected) in [(101, 413), (1000, 413), (100, 400)] {
        let body = http_body_util::Full::new(Bytes::from(vec![b' '; bytes]));
        let request = Request::post("/namespaces").header("content-type", "application/json");
        let request = request.body(body).unwrap();
        let Ok(response) = tower_service::Service::call(&mut caller, request).await;
        assert_eq!(response.status(), StatusCode::from_u16(expected).unwrap(), "{bytes} bytes");
    }
    within("the end", server.stop()).await.unwrap();
}

/// The device `b` stays.
#[derive(Debug)]
struct KeepsOne;

impl Hook for KeepsOne {
    fn can_delete(&self, _: &User, _: &Write, object: &Object) -> Result<(), Denied> {
        match &*object.metadata.name {
            "b" => Err(Denied::because("it is needed")),
            _ => Ok(()),
        }
    }
}

/// A collection goes as a whole, or what is in the way is told before any of it goes.
#[tokio::test]
async fn a_collection_of_which_one_must_stay_stays() {
    let server = builder().in_memory().hook(KeepsOne).start().await.unwrap();
    let caller = server.in_process(user("alice"));
    for name in ["a", "b", "c"] {
        let spec = json!({"name": name, "location": "dc1"});
        let device = json!({"metadata": {"name": name, "labels": {"name": name}}, "spec": spec});
        assert_eq!(call(&caller, "POST", "/devices", &device).await.0, 201);
    }
    let devices = "/apis/infra.example.io/v1/namespaces/default/devices";
    let left = async || {
        let (_, listed) = call(&caller, "GET", devices, &Value::Null).await;
        listed["items"].as_array().map(Vec::len)
    };
    let (code, answer) = call(&caller, "DELETE", devices, &Value::Null).await;
    assert!(code == 403 && answer["message"].to_string().contains("it is needed"), "{answer}");
    assert_eq!(left().await, Some(3));
    let others = format!("{devices}?labelSelector=name%21%3Db");
    assert_eq!(call(&caller, "DELETE", &others, &Value::Null).await.0, 200);
    assert_eq!(left().await, Some(1));
}
