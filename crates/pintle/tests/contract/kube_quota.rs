//! Quotas, from outside: one limit for all doors, however many write at the same time.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server};
use crate::harness::stream::Framing;
use crate::harness::within;

const DEVICES: &str = "/apis/infra.example.io/v1/namespaces/lab/devices";
const QUOTAS: &str = "/api/v1/namespaces/lab/resourcequotas";
const QUOTA: &str = "/api/v1/namespaces/lab/resourcequotas/few";
const COUNT: &str = "count/devices.infra.example.io";

fn quota(hard: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
           "spec": {"hard": hard}})
}

fn device(name: &str) -> Value {
    json!({"apiVersion": "infra.example.io/v1", "kind": "Device", "metadata": {"name": name},
           "spec": {"name": "sensor", "location": "lab"}})
}

/// A server whose namespace `lab` has a quota.
async fn limited(hard: &Value) -> Server {
    let server = Server::devices().await;
    server.post("/namespaces", &json!({"metadata": {"name": "lab"}})).await.expect(201);
    server.post(QUOTAS, &quota(hard)).await.expect(201);
    server
}

async fn by_kube(server: &Server, name: &str) -> Reply {
    server.post(DEVICES, &device(name)).await
}

async fn by_rest(server: &Server, name: &str) -> Reply {
    server.post("/devices?namespace=lab", &device(name)).await
}

async fn by_graphql(server: &Server, name: &str) -> Reply {
    let query = "mutation($n: String!) { it: createDevice(input: {metadata: {namespace: \"lab\", name: $n}, \
                 spec: {name: \"sensor\", location: \"lab\"}}) { device { metadata { name } } \
                 errors { __typename code message retryable } } }";
    let body = json!({"query": query, "variables": {"n": name}});
    server.post("/graphql", &body).await.expect(200)
}

/// Waits until the quota says this of what is used.
async fn until_used(server: &Server, used: Value) {
    let path = format!("{QUOTAS}?watch=true&fieldSelector=metadata.name%3Dfew");
    let accept = [("accept", "application/json")];
    let watch = server.watch_as(&path, Framing::Lines, &accept).await;
    let mut watch = watch.expect("the watch opens");
    let said = async {
        loop {
            let event = watch.event().await;
            if event.object["status"]["used"] == used {
                return;
            }
        }
    };
    within(&format!("{used} is used"), said).await;
}

#[tokio::test]
async fn each_door_says_that_a_quota_is_full() {
    let server = limited(&json!({COUNT: "1"})).await;
    by_kube(&server, "a").await.expect(201);
    let status = server.get(QUOTA).await.expect(200).at("/status");
    assert_eq!(status, json!({"hard": {COUNT: "1"}, "used": {COUNT: "1"}}));
    let why =
        format!("exceeded quota: few, requested: {COUNT}=1, used: {COUNT}=1, limited: {COUNT}=1");

    let refused = by_kube(&server, "b").await.expect(403).json();
    let expected = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("devices.infra.example.io \"b\" is forbidden: {why}"),
        "reason": "Forbidden", "code": 403,
        "details": {"name": "b", "group": "infra.example.io", "kind": "devices"}});
    assert_eq!(refused, expected);
    let refused = by_rest(&server, "b").await.expect(403);
    assert_eq!(refused.at("/reason"), "QUOTA_EXCEEDED");
    assert!(
        refused.at("/error").as_str().is_some_and(|it| it.contains(&why)),
        "{}",
        refused.text()
    );
    assert_ne!(refused.at("/retryable"), true);
    let refused = by_graphql(&server, "b").await.at("/data/it/errors/0");
    assert_eq!(refused["code"], "QUOTA_EXCEEDED");
    assert_eq!(refused["__typename"], "ForbiddenError");
    assert!(refused["message"].as_str().is_some_and(|it| it.contains(&why)), "{refused}");

    let dry = server.post(&format!("{DEVICES}?dryRun=All"), &device("b")).await;
    dry.expect(403);
    server.delete(&format!("{DEVICES}/a")).await.expect(200);
    let dry = server.post(&format!("{DEVICES}?dryRun=All"), &device("b")).await;
    dry.expect(201);
    by_graphql(&server, "b").await;
    by_kube(&server, "c").await.expect(403);
}

#[tokio::test]
async fn limits_are_checked_when_they_are_written() {
    let server = limited(&json!({COUNT: "1", "cpu": "500m", "requests.memory": "1Gi"})).await;
    let cases = [
        (json!({COUNT: "-1"}), "must be greater than or equal to 0"),
        (json!({COUNT: "one"}), "quantities must match the regular expression"),
        (json!({COUNT: "1500m"}), "must be an integer"),
        (json!({"devices": "1"}), "must be a standard resource for quota"),
    ];
    for (hard, why) in cases {
        let refused = server.patch(QUOTA, &json!({"spec": {"hard": hard}})).await.expect(422);
        let message = refused.at("/message");
        assert!(message.as_str().is_some_and(|it| it.contains(why)), "{message}");
        assert!(message.as_str().is_some_and(|it| it.contains("spec.hard[")), "{message}");
    }
    until_used(&server, json!({COUNT: "0"})).await;
    let hard = server.get(QUOTA).await.at("/status/hard");
    assert_eq!(hard, json!({COUNT: "1", "cpu": "500m", "requests.memory": "1Gi"}));
}

#[tokio::test]
async fn a_table_shows_what_is_used_of_how_much() {
    let server = limited(&json!({COUNT: "2", "secrets": "1k", "limits.cpu": "1500m"})).await;
    by_kube(&server, "a").await.expect(201);
    let accept = [("accept", "application/json;as=Table;g=meta.k8s.io;v=v1")];
    let table = server.send("GET", QUOTAS, &accept, "").await.expect(200).json();
    let columns = table["columnDefinitions"].as_array().expect("columns").iter();
    let names: Vec<_> = columns.map(|column| column["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["Name", "Request", "Limit", "Age"]);
    let cells = &table["rows"][0]["cells"];
    let used = format!("{COUNT}: 1/2, secrets: 0/1k");
    assert_eq!(
        (&cells[0], &cells[1], &cells[2]),
        (&json!("few"), &json!(used), &json!("limits.cpu: 0/1500m"))
    );
}

/// Forty writers, on all doors, for seven places; then half of those are given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_writers_share_seven_places_on_all_doors() {
    let server = Arc::new(limited(&json!({COUNT: "7"})).await);
    let mut first = race(&server, "first").await;
    assert_eq!(first.len(), 7, "{first:?}");
    assert_eq!(used(&server).await, "7");
    for name in first.drain(..4) {
        server.delete(&format!("{DEVICES}/{name}")).await.expect(200);
    }
    let second = race(&server, "second").await;
    assert_eq!(second.len(), 4, "{second:?}");
    let there = server.get(DEVICES).await.expect(200).at("/items");
    assert_eq!(there.as_array().map(Vec::len), Some(7));
    assert_eq!(used(&server).await, "7");
}

async fn used(server: &Server) -> Value {
    server.get(QUOTA).await.expect(200).json()["status"]["used"][COUNT].clone()
}

/// The names that forty writers got through with.
async fn race(server: &Arc<Server>, round: &'static str) -> Vec<String> {
    let mut writers = JoinSet::new();
    for writer in 0..40 {
        let server = Arc::clone(server);
        writers.spawn(async move {
            let name = format!("{round}-{writer}");
            let made = match writer % 3 {
                0 => created(&by_kube(&server, &name).await),
                1 => created(&by_rest(&server, &name).await),
                _ => {
                    let told = by_graphql(&server, &name).await.at("/data/it");
                    let refused = told["errors"][0]["code"] == "QUOTA_EXCEEDED";
                    assert_ne!(refused, told["device"].is_object(), "{told}");
                    !refused
                }
            };
            made.then_some(name)
        });
    }
    writers.join_all().await.into_iter().flatten().collect()
}

fn created(reply: &Reply) -> bool {
    assert!([201, 403].contains(&reply.status), "{}", reply.text());
    reply.status == 201
}

/// What was removed while nobody counted, because the server was killed, is counted after a start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_right_after_a_crash() {
    let mut server = limited(&json!({COUNT: "5"})).await;
    for name in ["a", "b", "c", "d", "e"] {
        by_kube(&server, name).await.expect(201);
    }
    for name in ["a", "b"] {
        server.delete(&format!("{DEVICES}/{name}")).await.expect(200);
    }
    server.kill_hard();
    server.start_again().await;
    until_used(&server, json!({COUNT: "3"})).await;
    for (name, status) in [("f", 201), ("g", 201), ("h", 403)] {
        by_rest(&server, name).await.expect(status);
    }
    assert_eq!(used(&server).await, "5");
}

/// What a file declares and a quota has no room for does not keep the server from starting.
#[tokio::test]
async fn files_are_limited_and_left_out() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let files = [
        ("1-quota.json", quota(&json!({"count/configmaps": "1"}))),
        (
            "2-first.json",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "first"}}),
        ),
        (
            "3-second.json",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "second"}}),
        ),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text.to_string()).expect("a file");
    }
    let mut server = Launch::bare().path(folder.path()).start().await;
    let path = |name: &str| format!("/api/v1/namespaces/default/configmaps/{name}");
    server.get(&path("first")).await.expect(200);
    server.get(&path("second")).await.expect(404);
    server.until_logged("exceeded quota: few").await;
    server.delete(&path("first")).await.expect(200);
    server.restart().await;
    server.get(&path("first")).await.expect(200);
}
