//! Events into a real NATS, whoever stops, fails or is killed. It needs `nats-server`, which Debian
//! has as a package of that name.

#![cfg(test)]

#[path = "../support/harness.rs"]
mod harness;
#[path = "../support/pages.rs"]
mod pages;

// Certificates for servers of tests are those of the HTTP client's own tests.
#[path = "../../../pintle-outbound/tests/client/server.rs"]
#[expect(dead_code, reason = "others need more of it")]
mod endpoint;

mod kills;
mod nats;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::server::{Launch, Server, repository};
use crate::harness::within;
use crate::nats::{Client, Nats, Stored};

/// A file of targets, and what it names.
struct Files(TempDir);

impl Files {
    /// One target, with these keys besides the name and the stream.
    fn new(nats: &Nats, more: &Value) -> Self {
        let files = Self(tempfile::tempdir().expect("a temporary directory"));
        let mut target = json!({"name": "bus", "url": nats.url(), "stream": "EVENTS"});
        let fields = target.as_object_mut().expect("it is one");
        fields.extend(more.as_object().cloned().expect("keys"));
        files.write("nats.yaml", &json!([target]).to_string());
        files
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("it can be written");
    }

    fn launch(&self) -> Launch {
        Launch::devices().arg(format!("--nats={}", self.0.path().join("nats.yaml").display()))
    }
}

async fn create(server: &Server, name: &str) {
    let body = json!({"metadata": {"name": name}, "spec": {"name": name, "location": "x"}});
    server.post("/devices", &body).await.expect(201);
}

/// A number of the page of metrics, as far as it is there.
async fn number(server: &Server, name: &str) -> u64 {
    let page = server.get("/metrics").await.expect(200).text();
    let series = format!("{name}{{target=\"bus\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("no {series} in {page}")).parse().expect("a number")
}

#[tokio::test]
async fn an_event_is_a_message_that_is_kept() {
    let nats = Nats::start(11, "").await;
    let files = Files::new(&nats, &json!({"create": true}));
    let server = files.launch().start().await;
    let mut client = nats.client().await;
    client.until_stream().await;
    create(&server, "one").await;
    server.patch("/devices/one", &json!({"spec": {"location": "y"}})).await.expect(200);
    server.delete("/devices/one").await.expect(200);
    let stored = client.stored(3).await;
    let subjects: Vec<&str> = stored.iter().map(|it| it.subject.as_str()).collect();
    let prefix = "io.fabrica.device";
    let expected = ["created", "patched", "deleted"].map(|action| format!("{prefix}.{action}"));
    assert_eq!(subjects, expected);
    for Stored { subject, headers, payload } in &stored {
        let event: Value = serde_json::from_str(payload).expect("an event");
        assert_eq!(event["type"], *subject);
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(headers["content-type"], "application/cloudevents+json");
        let text = |name: &str| event[name].as_str().expect("text").to_owned();
        assert_eq!(headers["Nats-Msg-Id"], format!("{}@{}", text("id"), text("source")));
    }
    let counted = async { while number(&server, "pintle_nats_delivered_total").await < 3 {} };
    within("they are counted", counted).await;
    assert_eq!(number(&server, "pintle_nats_dead_letters_total").await, 0);
}

#[tokio::test]
async fn a_binary_message_has_its_attributes_as_headers_and_a_prefix_is_put_before() {
    let nats = Nats::start(12, "").await;
    let more = json!({"mode": "binary", "subjectPrefix": "acme.lab", "create": true,
        "types": ["io.fabrica.device.created"]});
    let files = Files::new(&nats, &more);
    let server = files.launch().start().await;
    let mut client = nats.client().await;
    client.until_stream().await;
    create(&server, "one").await;
    server.delete("/devices/one").await.expect(200);
    create(&server, "two").await;
    let stored = client.stored(2).await;
    for (message, name) in stored.iter().zip(["one", "two"]) {
        assert_eq!(message.subject, "acme.lab.io.fabrica.device.created");
        let data: Value = serde_json::from_str(&message.payload).expect("data");
        assert_eq!(data["resourceName"], name);
        assert_eq!(message.headers["ce-type"], "io.fabrica.device.created");
        assert_eq!(message.headers["ce-specversion"], "1.0");
        assert_eq!(message.headers["content-type"], "application/json");
        let names = ["ce-id", "ce-source", "ce-time", "Nats-Msg-Id", "Nats-Expected-Stream"];
        assert!(names.iter().all(|name| message.headers.contains_key(*name)), "{message:?}");
    }
    let subjects = &client.stream().await["config"]["subjects"];
    let expected = ["acme.lab.io.fabrica.device.created", "acme.lab.io.fabrica.gap"];
    assert_eq!(subjects, &json!(expected));
}

#[tokio::test]
async fn a_stream_that_is_missing_or_takes_too_little_is_told_and_tried_again() {
    let nats = Nats::start(13, "").await;
    let files = Files::new(&nats, &json!({}));
    let server = files.launch().start().await;
    server.until_logged("there is no stream EVENTS: make one").await;
    create(&server, "one").await;
    let mut client = nats.client().await;
    client.create_stream(&json!(["io.fabrica.device.*"])).await;
    create(&server, "two").await;
    client.update_stream(&json!(["io.fabrica.>"])).await;
    // What happened meanwhile is not lost.
    let stored = client.stored(2).await;
    let names = stored.iter().map(|message| {
        let event: Value = serde_json::from_str(&message.payload).expect("an event");
        event["data"]["resourceName"].as_str().expect("a name").to_owned()
    });
    assert_eq!(names.collect::<Vec<_>>(), ["one", "two"]);
    assert!(number(&server, "pintle_nats_failed_attempts_total").await > 0);

    let narrow = files.launch();
    client.update_stream(&json!(["io.fabrica.device.*"])).await;
    let server = narrow.start().await;
    let expected = "takes io.fabrica.device.*, and events would have subjects of io.fabrica.>";
    server.until_logged(expected).await;
}

#[tokio::test]
async fn what_the_server_is_told_of_who_publishes_and_what_it_says_when_that_is_wrong() {
    let password = "authorization { user: pintle, password: s3cret-word }";
    let token = "authorization { token: s3cret-word }";
    let nkey = "authorization { users: [ { nkey: \
                UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 } ] }";
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    for (last, config, more, secret) in [
        (21, password, json!({"user": "pintle", "passwordFile": "secret"}), "s3cret-word"),
        (22, token, json!({"tokenFile": "secret"}), "s3cret-word"),
        (23, nkey, json!({"nkeyFile": "secret"}), seed),
    ] {
        let nats = Nats::start(last, config).await;
        let mut more = more;
        more["create"] = json!(true);
        let files = Files::new(&nats, &more);
        let other = "SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4";
        files.write("secret", if secret == seed { other } else { "s3cret-wrong" });
        let server = files.launch().start().await;
        server.until_logged("authorization violation").await;
        files.write("secret", secret);
        create(&server, "one").await;
        let delivered = async { while number(&server, "pintle_nats_delivered_total").await < 1 {} };
        within("the new secret is read", delivered).await;
        let said = server.stderr();
        assert!(
            !said.contains("s3cret") && !said.contains(seed) && !said.contains(other),
            "{said}"
        );
    }
}

#[tokio::test]
async fn tls_is_spoken_with_those_who_are_believed() {
    let authority = endpoint::authority();
    let files = tempfile::tempdir().expect("a temporary directory");
    let place = |name: &str| files.path().join(name);
    let (certificate, key) = authority.pem_for("localhost");
    for (name, text) in [("cert.pem", certificate), ("key.pem", key)] {
        std::fs::write(place(name), text).expect("it can be written");
    }
    let (cert, key) = (place("cert.pem"), place("key.pem"));
    let tls = format!(
        "tls {{ cert_file: {:?}, key_file: {:?} }}",
        cert.display().to_string(),
        key.display().to_string()
    );
    // The name of certificates is for this address alone.
    let nats = Nats::start(1, &tls).await;
    let url = format!("tls://localhost:{}", nats.port());
    for (ca, expected) in [(None, "cannot connect to tls://localhost"), (Some("ca.pem"), "")] {
        let mut more = json!({"url": url, "create": true});
        if let Some(ca) = ca {
            more["caFile"] = json!(ca);
        }
        let files = Files::new(&nats, &more);
        files.write("ca.pem", &authority.pem);
        let server = files.launch().start().await;
        if expected.is_empty() {
            create(&server, "one").await;
            let delivered =
                async { while number(&server, "pintle_nats_delivered_total").await < 1 {} };
            within("it is believed", delivered).await;
        } else {
            server.until_logged(expected).await;
        }
    }
}

#[tokio::test]
async fn what_is_too_long_is_put_away_and_holds_up_nothing() {
    let nats = Nats::start(14, "max_payload: 4096").await;
    let files = Files::new(&nats, &json!({"create": true}));
    let server = files.launch().start().await;
    let mut client = nats.client().await;
    client.until_stream().await;
    let long = "x".repeat(8_000);
    let metadata = json!({"name": "long", "annotations": {"example.io/long": long}});
    let body = json!({"metadata": metadata, "spec": {"name": "long", "location": "x"}});
    server.post("/devices", &body).await.expect(201);
    create(&server, "short").await;
    let stored = client.stored(1).await;
    assert!(stored[0].payload.contains("short"), "{stored:?}");
    assert_eq!(number(&server, "pintle_nats_dead_letters_total").await, 1);
    let dead = server.data_dir().join("nats/bus.dead.jsonl");
    let dead = std::fs::read_to_string(dead).expect("it was put away");
    let letter: Value = serde_json::from_str(dead.trim_end()).expect("one line");
    assert_eq!(letter["event"]["data"]["resourceName"], "long");
    assert!(letter["why"].as_str().expect("text").contains("longer than max_payload"), "{dead}");
}

#[tokio::test]
async fn the_page_of_the_book_does_what_it_says() {
    let nats = Nats::start(15, "").await;
    let page = std::fs::read_to_string(repository().join("docs/src/nats.md")).expect("a page");
    assert!(page.contains("nats://127.0.0.1:4222"), "that is replaced");
    pages::check(&page.replace("nats://127.0.0.1:4222", &nats.url())).await;
}

/// The rows of its table of metrics, and the families that there are only with NATS.
#[tokio::test]
async fn every_metric_of_nats_is_in_the_book() {
    let server = Server::devices().await;
    let page = server.get("/metrics").await.expect(200).text();
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE pintle_nats_"));
    let exported: BTreeSet<_> = families.filter_map(|line| line.split(' ').next()).collect();
    let book = std::fs::read_to_string(repository().join("docs/src/nats.md")).expect("a page");
    let rows = book.lines().filter_map(|line| line.strip_prefix("| `pintle_nats_"));
    let explained: BTreeSet<_> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(explained, exported);
    assert_eq!(exported.len(), 6);
}

impl Client {
    /// Waits until the stream is there: what happens before a target has begun is not for it.
    async fn until_stream(&mut self) {
        let there = async { while self.stream().await["config"].is_null() {} };
        within("the stream is made", there).await;
    }
}
