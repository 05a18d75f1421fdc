//! Webhooks and the endpoints that they call.

#![cfg(test)]

// The servers that answer as a test says are the same as those of the HTTP client's own tests.
#[path = "../../../pintle-outbound/tests/client/server.rs"]
#[expect(dead_code, reason = "others need more of them")]
mod server;

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pintle_delivery::{Envelope, Outcome, Parcel, Position, Transport as _};
use pintle_model::{Revision, Timestamp};
use pintle_outbound::SecretFile;
use pintle_webhooks::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Endpoint, Mode, Webhook};

use server::{Answer, Server, authority};

struct Event {
    id: String,
    kind: &'static str,
    data: String,
}

impl Envelope for Event {
    fn id(&self) -> &str {
        &self.id
    }

    fn event_type(&self) -> &'static str {
        "io.fabrica.device.updated"
    }

    fn source(&self) -> &'static str {
        "fabrica-api/resources/Device/u1"
    }

    fn time(&self) -> Timestamp {
        Timestamp(1_000_000)
    }

    fn extensions(&self) -> Vec<(&str, &str)> {
        vec![("resourcekind", self.kind)]
    }

    fn json(&self) -> Bytes {
        format!("{{\"id\":\"{}\",\"data\":{}}}", self.id, self.data).into()
    }

    fn data(&self) -> Bytes {
        self.data.clone().into()
    }
}

fn parcels(data: &[&str]) -> Vec<Parcel<Event>> {
    let parcels = data.iter().zip(1..).map(|(data, revision)| Parcel {
        position: Position::after(Revision(revision)),
        at: Timestamp(0),
        event: Event { id: format!("{revision}.0"), kind: "Ga€ t", data: (*data).to_owned() },
    });
    parcels.collect()
}

fn endpoint(url: &str, mode: Mode) -> Endpoint {
    let url = url.parse().unwrap();
    let timeout = Duration::from_secs(10);
    Endpoint { url, mode, token: None, secret: None, ca_file: None, timeout }
}

fn answer(status: &str) -> Answer {
    Answer::Bytes(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").into())
}

async fn accepting() -> Server {
    Server::start(|_| answer("204 Thanks")).await
}

async fn send(endpoint: Endpoint, parcels: &[Parcel<Event>]) -> Outcome {
    Webhook::new(endpoint).unwrap().send(parcels).await
}

fn file(dir: &Path, name: &str, text: &str) -> SecretFile {
    let file = SecretFile::new(dir.join(name));
    std::fs::write(file.path(), text).unwrap();
    file
}

/// The request of `parcels`: its head in lines, and its body.
async fn request(mode: Mode, parcels: &[Parcel<Event>]) -> (Vec<String>, String) {
    let server = accepting().await;
    assert_eq!(send(endpoint(&server.url(), mode), parcels).await, Outcome::Taken);
    split(&server.requests()[0])
}

fn split(request: &str) -> (Vec<String>, String) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    (head.lines().map(str::to_owned).collect(), body.to_owned())
}

fn has(head: &[String], lines: &[&str]) {
    for line in lines {
        assert!(head.iter().any(|it| it == line), "{line:?} is not in {head:#?}");
    }
}

#[tokio::test]
async fn structured_mode_has_the_event_as_its_body() {
    let (head, body) = request(Mode::Structured, &parcels(&["{\"a\":1}"])).await;
    assert_eq!(body, r#"{"id":"1.0","data":{"a":1}}"#);
    has(&head, &["POST / HTTP/1.1", "content-type: application/cloudevents+json; charset=UTF-8"]);
    assert!(!head.iter().any(|it| it.starts_with("ce-") || it.starts_with("webhook-")), "{head:?}");
}

#[tokio::test]
async fn binary_mode_has_the_data_as_its_body_and_the_rest_as_headers() {
    let (head, body) = request(Mode::Binary, &parcels(&["{\"a\":1}"])).await;
    assert_eq!(body, "{\"a\":1}");
    has(
        &head,
        &[
            "content-type: application/json",
            "ce-specversion: 1.0",
            "ce-id: 1.0",
            "ce-type: io.fabrica.device.updated",
            "ce-source: fabrica-api/resources/Device/u1",
            "ce-time: 1970-01-01T00:00:01.000000Z",
            "ce-resourcekind: Ga%E2%82%AC%20t",
        ],
    );
}

#[tokio::test]
async fn batch_mode_has_a_list_of_events_as_its_body() {
    let (head, body) = request(Mode::Batch, &parcels(&["1", "2"])).await;
    assert_eq!(body, r#"[{"id":"1.0","data":1},{"id":"2.0","data":2}]"#);
    has(&head, &["content-type: application/cloudevents-batch+json; charset=UTF-8"]);
}

#[test]
fn a_batch_has_bounds() {
    let half = format!("\"{}\"", "a".repeat(BATCH_BYTES_MAX / 2));
    let huge = format!("\"{}\"", "a".repeat(BATCH_BYTES_MAX * 2));
    for (mode, data, expected) in [
        (Mode::Structured, vec!["1"; 9], 1),
        (Mode::Binary, vec!["1"; 9], 1),
        (Mode::Batch, vec!["1"; 9], 9),
        (Mode::Batch, vec!["1"; BATCH_EVENTS_MAX + 1], BATCH_EVENTS_MAX),
        (Mode::Batch, vec!["1", &half, &half], 2),
        (Mode::Batch, vec![&huge, "1"], 1),
    ] {
        let webhook = Webhook::new(endpoint("http://localhost:1", mode)).unwrap();
        assert_eq!(webhook.fit(&parcels(&data)), expected, "{mode:?} {}", data.len());
    }
}

#[tokio::test]
async fn requests_are_signed_with_the_secret_of_the_moment() {
    let (server, dir) = (accepting().await, tempfile::tempdir().unwrap());
    let mut endpoint = endpoint(&server.url(), Mode::Structured);
    endpoint.secret = Some(file(dir.path(), "secret", "one"));
    let mut webhook = Webhook::new(endpoint).unwrap();
    for (secret, key) in [("one\n", &b"one"[..]), ("whsec_AAECAw==", &[0, 1, 2, 3])] {
        file(dir.path(), "secret", secret);
        assert_eq!(webhook.send(&parcels(&["1"])).await, Outcome::Taken);
        let (head, body) = split(server.requests().last().unwrap());
        let value = |name: &str| {
            let line = head.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.unwrap().to_owned()
        };
        let (id, timestamp) = (value("webhook-id"), value("webhook-timestamp"));
        assert_eq!(id, "1-0");
        let tag = STANDARD.decode(value("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
        let signed = format!("{id}.{timestamp}.{body}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        assert!(hmac::verify(&key, signed.as_bytes(), &tag).is_ok(), "{secret}");
    }
    std::fs::remove_file(dir.path().join("secret")).unwrap();
    let outcome = webhook.send(&parcels(&["1"])).await;
    assert!(matches!(outcome, Outcome::Away { .. }), "{outcome:?}");
    assert_eq!(server.requests().len(), 2, "nothing is sent without its signature");
}

#[tokio::test]
async fn the_token_of_the_moment_is_sent() {
    let (server, dir) = (accepting().await, tempfile::tempdir().unwrap());
    let mut endpoint = endpoint(&server.url(), Mode::Structured);
    endpoint.token = Some(file(dir.path(), "token", "t1"));
    let mut webhook = Webhook::new(endpoint).unwrap();
    for token in ["t2", "t3"] {
        file(dir.path(), "token", token);
        assert_eq!(webhook.send(&parcels(&["1"])).await, Outcome::Taken);
        let (head, _) = split(server.requests().last().unwrap());
        has(&head, &[&format!("authorization: Bearer {token}")]);
    }
}

#[tokio::test]
async fn answers_and_their_absence_are_told_apart() {
    let word = |outcome: Outcome| match outcome {
        Outcome::Taken => "taken",
        Outcome::Away { .. } => "away",
        Outcome::Failing { .. } => "failing",
        Outcome::Refused { .. } => "refused",
    };
    let hostile = Answer::Endless("HTTP/1.1 200 OK\r\n\r\n".into());
    for (name, says, expected) in [
        ("ok", answer("200 OK"), "taken"),
        ("bad", answer("400 No"), "refused"),
        ("later", answer("429 Later"), "away"),
        ("broken", answer("500 Oh"), "failing"),
        ("endless", hostile, "taken"),
        ("silent", Answer::Hang(Bytes::new()), "failing"),
        ("nonsense", Answer::Bytes("what?\r\n\r\n".into()), "failing"),
    ] {
        let server = Server::start(move |_| says.clone()).await;
        let timeout = Duration::from_millis(300);
        let endpoint = Endpoint { timeout, ..endpoint(&server.url(), Mode::Structured) };
        assert_eq!(word(send(endpoint, &parcels(&["1"])).await), expected, "{name}");
    }
    let gone = accepting().await.url();
    let outcome = send(endpoint(&gone, Mode::Structured), &parcels(&["1"])).await;
    assert_eq!(word(outcome), "away");
}

#[tokio::test]
async fn an_endpoint_can_have_a_certificate_of_ones_own() {
    let (ours, dir) = (authority(), tempfile::tempdir().unwrap());
    let server = Server::start_tls(&ours, "localhost", |_| answer("200 OK")).await;
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, &ours.pem).unwrap();
    let outcome = send(endpoint(&server.url(), Mode::Structured), &parcels(&["1"])).await;
    assert!(matches!(outcome, Outcome::Away { .. }), "nobody vouches for it: {outcome:?}");
    let trusting = Endpoint { ca_file: Some(ca_file), ..endpoint(&server.url(), Mode::Structured) };
    assert_eq!(send(trusting, &parcels(&["1"])).await, Outcome::Taken);
}

#[test]
fn what_the_files_hold_is_looked_at_when_the_server_starts() {
    let dir = tempfile::tempdir().unwrap();
    let plain = endpoint("http://localhost:1", Mode::Structured);
    let missing = SecretFile::new(dir.path().join("missing"));
    let wrong = file(dir.path(), "wrong", "whsec_!");
    for (endpoint, problem) in [
        (Endpoint { token: Some(missing.clone()), ..plain.clone() }, "missing"),
        (Endpoint { secret: Some(missing), ..plain.clone() }, "missing"),
        (Endpoint { secret: Some(wrong), ..plain.clone() }, "not base64"),
        (Endpoint { ca_file: Some(dir.path().join("ca.pem")), ..plain }, "ca.pem"),
    ] {
        let error = Webhook::new(endpoint).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}
