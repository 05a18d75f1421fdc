//! Webhooks of the real server: what endpoints are told, whoever stops, fails or is killed.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::endpoint::{Answer, Server as Endpoint, authority};
use crate::harness::server::{Launch, Server};
use crate::harness::within;
use crate::metrics::{Samples, samples};

const TAKEN: &str = "HTTP/1.1 204 Thanks\r\ncontent-length: 0\r\n\r\n";

/// A file of endpoints, and what it names.
struct Files {
    dir: TempDir,
}

impl Files {
    fn new(webhooks: &Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Self { dir };
        files.write("webhooks.yaml", &webhooks.to_string());
        files
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn option(&self) -> String {
        format!("--webhooks={}", self.dir.path().join("webhooks.yaml").display())
    }
}

fn taken() -> Answer {
    Answer::Bytes(TAKEN.into())
}

async fn taking() -> Endpoint {
    Endpoint::start(|_| taken()).await
}

/// An address that nobody else in these tests listens at, so that it is free again later.
fn own_address(last: u8) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, last), 0).into()
}

/// The events that were brought, in structured mode or in batches.
fn events(requests: &[String]) -> Vec<Value> {
    let bodies = requests.iter().filter_map(|request| request.split_once("\r\n\r\n"));
    let events = bodies.flat_map(|(_, body)| match serde_json::from_str(body).unwrap() {
        Value::Array(events) => events,
        event => vec![event],
    });
    events.collect()
}

/// The version that an event is of.
fn version(event: &Value) -> u64 {
    event["data"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn told(requests: &[String], last: u64) -> bool {
    events(requests).last().is_some_and(|event| version(event) >= last)
}

async fn write(server: &Server, name: &str, times: usize) -> Vec<u64> {
    let device = json!({"metadata": {"name": name}, "spec": {"name": name, "location": "b"}});
    let mut versions = vec![server.post("/devices", &device).await.expect(201).version()];
    for number in 0..times {
        let phase = if number % 2 == 0 { "Ready" } else { "Offline" };
        let path = format!("/devices/{name}/status");
        let reply = server.patch(&path, &json!({"status": {"phase": phase}})).await.expect(200);
        versions.push(reply.version());
    }
    versions
}

#[tokio::test]
async fn a_url_is_told_everything_in_order() {
    let endpoint = taking().await;
    let server = Launch::devices().arg(format!("--webhook={}", endpoint.url())).start().await;
    let versions = write(&server, "a", 20).await;
    let last = *versions.last().unwrap();
    let requests = within("events", endpoint.until(|requests| told(requests, last))).await;
    let found: Vec<u64> = events(&requests).iter().map(version).collect();
    assert_eq!(found, versions);
    let first = &events(&requests)[0];
    assert_eq!(first["type"], "io.fabrica.device.created");
    assert_eq!(first["data"]["resource"]["metadata"]["name"], "a");
    assert!(requests[0].contains("application/cloudevents+json"), "{}", requests[0]);
}

/// What must be shown: an endpoint that is away for a while, a server that is killed meanwhile, and
/// nothing that is missing, out of order, or not recognised when it is repeated.
#[tokio::test]
async fn every_event_arrives_whoever_is_killed() {
    for mode in ["structured", "batch"] {
        let endpoint = Endpoint::start_at(own_address(77), |_| taken()).await;
        let address = endpoint.address();
        let files = Files::new(&json!([{
            "name": "inventory", "url": endpoint.url(), "types": ["**.device.*"], "mode": mode,
        }]));
        let mut server = Launch::devices().arg(files.option()).start().await;
        let mut versions = write(&server, "before", 5).await;
        let last = versions[5];
        let mut requests = within("events", endpoint.until(|it| told(it, last))).await;
        drop(endpoint);
        versions.extend(write(&server, "away", 5).await);
        server.kill_hard();
        server.start_again().await;
        versions.extend(write(&server, "killed", 5).await);
        let endpoint = Endpoint::start_at(address, |_| taken()).await;
        let last = *versions.last().unwrap();
        requests.extend(within("the rest", endpoint.until(|it| told(it, last))).await);
        server.kill_hard();
        server.start_again().await;
        versions.extend(write(&server, "again", 1).await);
        let last = *versions.last().unwrap();
        let all = within("the last", endpoint.until(|it| told(it, last))).await;
        requests.extend(all);
        check_all(&events(&requests), &versions);
    }
}

/// Every write is told, the first tellings in order, and what has been told before has its old id.
fn check_all(events: &[Value], versions: &[u64]) {
    let mut ids = BTreeSet::new();
    let firsts = events.iter().filter(|event| ids.insert(event["id"].as_str().unwrap()));
    let firsts: Vec<u64> = firsts.map(version).collect();
    assert_eq!(firsts, versions);
}

#[tokio::test]
async fn what_an_endpoint_refuses_is_put_away_and_the_rest_arrives() {
    let answer = |request: &str| {
        if request.contains("\"poison\"") {
            Answer::Bytes("HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n".into())
        } else {
            taken()
        }
    };
    let endpoint = Endpoint::start(answer).await;
    let files = Files::new(&json!([{"name": "picky", "url": endpoint.url()}]));
    let server = Launch::devices().arg(files.option()).start().await;
    let poison = write(&server, "poison", 0).await[0];
    let after = write(&server, "after", 0).await[0];
    let requests = within("events", endpoint.until(|it| told(it, after))).await;
    let versions: Vec<u64> = events(&requests).iter().map(version).collect();
    assert_eq!(
        versions,
        [vec![poison; 5], vec![after]].concat(),
        "tried a few times, then put away"
    );
    let dead = server.data_dir().join("webhooks/picky.dead.jsonl");
    let dead: Value = serde_json::from_str(&std::fs::read_to_string(dead).unwrap()).unwrap();
    assert_eq!(version(&dead["event"]), poison);
    assert_eq!(
        (&dead["attempts"], &dead["why"]),
        (&json!(5), &json!("the answer is 400 Bad Request"))
    );
}

/// Asks for the numbers until they are so.
async fn until_counted(server: &Server, holds: impl Fn(&Samples) -> bool) -> Samples {
    within("numbers", async {
        loop {
            let samples = samples(server).await;
            if holds(&samples) {
                return samples;
            }
        }
    })
    .await
}

fn number(samples: &Samples, name: &str, endpoint: &str) -> f64 {
    let series = format!("pintle_webhook_{name}{{endpoint=\"{endpoint}\"}}");
    *samples.get(&series).unwrap_or_else(|| panic!("{series} is not in {samples:#?}"))
}

#[tokio::test]
async fn what_endpoints_are_told_is_counted_by_their_names() {
    let refused = "HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n";
    let (good, picky) = (taking().await, Endpoint::start(|_| Answer::Bytes(refused.into())).await);
    let gone = Endpoint::start_at(own_address(79), |_| taken()).await;
    let types = ["**.device.*"];
    let files = Files::new(&json!([
        {"name": "good", "url": good.url(), "types": types},
        {"name": "picky", "url": picky.url(), "types": types},
        {"name": "gone", "url": gone.url(), "types": types},
    ]));
    drop(gone);
    let server = Launch::devices().arg(files.option()).start().await;
    write(&server, "a", 0).await;
    let samples = until_counted(&server, |it| {
        number(it, "dead_letters_total", "picky") >= 1.0
            && number(it, "failed_attempts_total", "gone") >= 1.0
            && number(it, "lag_revisions", "good") == 0.0
    })
    .await;
    for (name, endpoint, expected) in [
        ("delivered_total", "good", 1.0),
        ("failed_attempts_total", "good", 0.0),
        ("lag_seconds", "good", 0.0),
        ("gaps_total", "good", 0.0),
        ("delivered_total", "picky", 0.0),
        ("failed_attempts_total", "picky", 5.0),
        ("dead_letters_total", "picky", 1.0),
        ("delivered_total", "gone", 0.0),
        ("dead_letters_total", "gone", 0.0),
    ] {
        let found = number(&samples, name, endpoint);
        assert!((found - expected).abs() < f64::EPSILON, "{name} of {endpoint}: {found}");
    }
    for name in ["lag_revisions", "lag_seconds"] {
        assert!(number(&samples, name, "gone") > 0.0, "{name}: {samples:#?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_never_answers_holds_up_nobody_else() {
    let silent = Endpoint::start(|_| Answer::Hang(bytes::Bytes::new())).await;
    let endless = Endpoint::start(|_| Answer::Endless("HTTP/1.1 500 No\r\n\r\n".into())).await;
    let endpoint = taking().await;
    let files = Files::new(&json!([
        {"name": "silent", "url": silent.url()},
        {"name": "endless", "url": endless.url()},
        {"name": "good", "url": endpoint.url()},
    ]));
    let mut server = Launch::devices().arg(files.option()).start().await;
    let versions = write(&server, "a", 10).await;
    within("events", endpoint.until(|it| told(it, versions[10]))).await;
    within("a call", silent.until(|it| !it.is_empty())).await;
    within("a call", endless.until(|it| !it.is_empty())).await;
    let before = std::time::Instant::now();
    assert!(server.stop().await.success());
    assert!(before.elapsed().as_secs() < 20, "a stop waits for no endpoint");
}

#[tokio::test]
async fn a_name_keeps_its_place_when_its_url_changes() {
    let (old, new) = (taking().await, taking().await);
    let endpoint = |url: String| json!([{"name": "moving", "url": url}]);
    let files = Files::new(&endpoint(old.url()));
    let mut server = Launch::devices().arg(files.option()).start().await;
    let first = write(&server, "a", 3).await;
    within("events", old.until(|it| told(it, first[3]))).await;
    assert!(server.stop().await.success());
    files.write("webhooks.yaml", &endpoint(new.url()).to_string());
    server.start_again().await;
    let second = write(&server, "b", 3).await;
    let requests = within("events", new.until(|it| told(it, second[3]))).await;
    let found: Vec<u64> = events(&requests).iter().map(version).collect();
    assert_eq!(found, second, "after an orderly stop nothing is repeated");
    assert_eq!(events(&old.requests()).len(), first.len());
}

#[tokio::test]
async fn an_endpoint_can_begin_with_the_start_of_history() {
    let (now, start) = (taking().await, taking().await);
    let mut server = Launch::devices().start().await;
    let before = write(&server, "before", 2).await;
    assert!(server.stop().await.success());
    let types = ["**.device.*"];
    let files = Files::new(&json!([
        {"name": "now", "url": now.url(), "types": types},
        {"name": "start", "url": start.url(), "types": types, "from": "start"},
    ]));
    server.add_arg(files.option());
    server.start_again().await;
    let after = write(&server, "after", 2).await;
    let requests = within("events", now.until(|it| told(it, after[2]))).await;
    assert_eq!(events(&requests).iter().map(version).collect::<Vec<_>>(), after);
    let requests = within("events", start.until(|it| told(it, after[2]))).await;
    let found: Vec<u64> = events(&requests).iter().map(version).collect();
    assert!(found.ends_with(&[before, after].concat()), "{found:?}");
}

#[tokio::test]
async fn an_endpoint_is_told_what_it_missed() {
    let endpoint = Endpoint::start_at(own_address(78), |_| taken()).await;
    let address = endpoint.address();
    let files = Files::new(&json!([{"name": "away", "url": endpoint.url()}]));
    let launch = Launch::devices().arg(files.option()).arg("--history-bytes-max=4KiB");
    let server = launch.start().await;
    let known = write(&server, "a", 0).await[0];
    within("events", endpoint.until(|it| told(it, known))).await;
    drop(endpoint);
    let mut written = write(&server, "b", 60).await;
    written.extend(write_until_expired(&server, written[0] + 10).await);
    let endpoint = Endpoint::start_at(address, |_| taken()).await;
    written.extend(write(&server, "c", 0).await);
    let last = *written.last().unwrap();
    let is_last = |event: &Value| !is_gap(event) && version(event) >= last;
    let all = within("the rest", endpoint.until(|it| events(it).last().is_some_and(is_last))).await;
    let (gaps, others): (Vec<Value>, Vec<Value>) = events(&all).into_iter().partition(is_gap);
    let missed = |version: u64| {
        let number = |gap: &Value, key: &str| gap["data"][key].as_str().unwrap().parse().unwrap();
        gaps.iter().any(|gap| {
            let from: u64 = number(gap, "fromResourceVersion");
            (from..=number(gap, "toResourceVersion")).contains(&version)
        })
    };
    assert!(missed(written[0] + 10), "{gaps:?}");
    until_counted(&server, |it| number(it, "gaps_total", "away") >= 1.0).await;
    let told: Vec<u64> = others.iter().map(version).collect();
    assert!(told.is_sorted(), "{told:?}");
    for version in written {
        assert_ne!(told.contains(&version), missed(version), "{version}: {told:?} {gaps:?}");
    }
}

fn is_gap(event: &Value) -> bool {
    event["type"] == "io.fabrica.gap"
}

/// Writes until history after this version is gone. Nothing tells when that is, so short watches
/// ask again and again.
async fn write_until_expired(server: &Server, after: u64) -> Vec<u64> {
    let mut versions = Vec::new();
    for round in 0..60 {
        versions.extend(write(server, &format!("round-{round}"), 0).await);
        let path = format!("/devices?watch=true&timeoutSeconds=1&resourceVersion={after}");
        let mut watch = server.watch(&path).await;
        while let Some(event) = watch.next().await {
            if event.kind == "ERROR" {
                return versions;
            }
        }
    }
    panic!("version {after} never got too old");
}

#[tokio::test]
async fn secrets_are_sent_only_to_who_asks_for_them() {
    let (plain, trusted) = (taking().await, taking().await);
    let files = Files::new(&json!([
        {"name": "plain", "url": plain.url()},
        {"name": "trusted", "url": trusted.url(), "include": ["secrets"]},
    ]));
    let server = Launch::bare().arg(files.option()).start().await;
    let names = json!({"kind": "Secret", "plural": "secrets", "singular": "secret"});
    let schema = json!({"openAPIV3Schema": {
        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
    }});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "secrets.vault.example.io"},
        "spec": {
            "group": "vault.example.io", "scope": "Cluster", "names": names,
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        },
    });
    server.post("/customresourcedefinitions", &definition).await.expect(201);
    let secret = json!({"metadata": {"name": "s"}, "spec": {"password": "hunter2"}});
    let version_of_secret = server.post("/secrets", &secret).await.expect(201).version();
    let namespace = json!({"metadata": {"name": "after"}});
    let last = server.post("/namespaces", &namespace).await.expect(201).version();
    let requests = within("events", trusted.until(|it| told(it, last))).await;
    assert!(events(&requests).iter().any(|event| version(event) == version_of_secret));
    let requests = within("events", plain.until(|it| told(it, last))).await;
    assert!(!requests.concat().contains("hunter2"));
}

#[tokio::test]
async fn an_endpoint_has_its_token_its_signature_and_its_certificate() {
    let ours = authority();
    let endpoint = Endpoint::start_tls(&ours, "localhost", |_| taken()).await;
    let files = Files::new(&json!([{
        "name": "safe", "url": format!("{}/in?key=k3y", endpoint.url()), "mode": "binary",
        "tokenFile": "token", "secretFile": "secret", "caFile": "ca.pem", "timeout": "5s",
    }]));
    for (name, text) in [("token", "t0ken"), ("secret", "whsec_AAECAw=="), ("ca.pem", &ours.pem)] {
        files.write(name, text);
    }
    let server = Launch::devices().arg(files.option()).start().await;
    write(&server, "a", 0).await;
    let requests = within("an event", endpoint.until(|it| !it.is_empty())).await;
    for line in [
        "POST /in?key=k3y HTTP/1.1\r\n",
        "authorization: Bearer t0ken\r\n",
        "ce-type: io.fabrica.device.created\r\n",
        "content-type: application/json\r\n",
        "webhook-signature: v1,",
    ] {
        assert!(requests[0].contains(line), "{line:?} is not in {}", requests[0]);
    }
    let shown = format!("{}{}", server.stdout(), server.stderr());
    for secret in ["t0ken", "AAECAw", "k3y"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_server_with_wrong_endpoints_does_not_start() {
    let files = Files::new(&json!([{"name": "a", "url": "http://u:hunter2@h"}]));
    let missing = files.dir.path().join("missing.yaml");
    for (option, problem) in [
        (files.option(), "webhooks.yaml, line 1: the URL holds a user name"),
        ("--webhook=http://u:hunter2@h".to_owned(), "the URL number 1 of the setting \"webhook\""),
        (format!("--webhooks={}", missing.display()), "missing.yaml"),
    ] {
        let output = Launch::devices().arg(&option).output();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(problem) && !error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_place_stops_the_start() {
    let endpoint = taking().await;
    let files = Files::new(&json!([{"name": "a", "url": endpoint.url()}]));
    let mut server = Launch::devices().arg(files.option()).start().await;
    assert!(server.stop().await.success());
    let place = server.data_dir().join("webhooks/a.place");
    std::fs::write(&place, "soon").unwrap();
    let output = server.output_again();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("a.place") && error.contains("delete it"), "{error}");
}
