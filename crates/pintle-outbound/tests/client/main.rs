//! The client against servers that answer well, badly, slowly, without end, or not at all.

#![cfg(test)]

#[expect(dead_code, reason = "webhooks are tested with these servers too")]
mod server;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use pintle_outbound::{Client, ClientSettings, Message, SecretFile, SendError, Url};

use server::{Answer, Server, authority};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

fn impatient() -> ClientSettings {
    ClientSettings {
        timeout: Duration::from_millis(300),
        response_bytes_max: 1000,
        ..ClientSettings::default()
    }
}

fn client(settings: &ClientSettings) -> Client {
    Client::new(settings).expect("there is no file to fail at")
}

fn url(text: &str) -> Url {
    text.parse().expect("it is a URL")
}

#[tokio::test]
async fn a_request_says_what_it_should() {
    let server = Server::start(|_| Answer::Bytes(OK.into())).await;
    let dir = tempfile::tempdir().unwrap();
    let token = SecretFile::new(dir.path().join("token"));
    std::fs::write(token.path(), "t0ken\n").unwrap();
    let url = url(&format!("{}/in?x=1", server.url()));
    let message = Message::post(&url, HeaderValue::from_static("text/plain"), Bytes::from("body"))
        .header(HeaderName::from_static("x-more"), HeaderValue::from_static("yes"))
        .bearer(&token.load().await.unwrap());
    let answer = client(&ClientSettings::default()).send(message).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (200, &b"hello"[..]));
    let request = server.requests().pop().unwrap();
    for line in [
        "POST /in?x=1 HTTP/1.1\r\n",
        &format!("host: {}\r\n", server.authority()),
        "content-type: text/plain\r\n",
        "content-length: 4\r\n",
        "authorization: Bearer t0ken\r\n",
        "x-more: yes\r\n",
        concat!("user-agent: pintle/", env!("CARGO_PKG_VERSION"), "\r\n"),
        "\r\n\r\nbody",
    ] {
        assert!(request.contains(line), "{line:?} is not in {request:?}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::start(|_| Answer::Bytes(OK.into())).await;
    let (client, url) = (client(&ClientSettings::default()), url(&server.url()));
    for _ in 0..5 {
        client.send(Message::get(&url)).await.unwrap();
        client.tell(Message::get(&url)).await.unwrap();
    }
    assert_eq!((server.requests().len(), server.connections()), (10, 1));
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let there = Server::start(|_| Answer::Bytes(OK.into())).await;
    let head = format!("HTTP/1.1 307 Go\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", there.url());
    let here = Server::start(move |_| Answer::Bytes(head.clone().into())).await;
    let answer = client(&impatient()).send(Message::get(&url(&here.url()))).await.unwrap();
    assert_eq!(answer.status().as_u16(), 307);
    assert_eq!((here.requests().len(), there.requests().len()), (1, 0));
}

/// What comes of an answer, when the body is wanted and when it is not.
async fn check(name: &str, answer: Answer, sent: &str, told: &str) {
    let server = Server::start(move |_| answer.clone()).await;
    // Nothing behind the authority may be seen in an error.
    let (client, url) = (client(&impatient()), url(&format!("{}/secret?secret", server.url())));
    let in_words = |result: Result<u16, SendError>| match result {
        Ok(status) => status.to_string(),
        Err(error) => {
            let words = error.to_string();
            assert!(words.contains(&server.url()) && !words.contains("secret"), "{words}");
            words.replace(&server.url(), "IT")
        }
    };
    let found = client.send(Message::get(&url)).await.map(|it| it.status().as_u16());
    let found = in_words(found);
    assert!(found.contains(sent), "{name}, sent: {found}");
    let found = client.tell(Message::get(&url)).await.map(|it| it.status().as_u16());
    let found = in_words(found);
    assert!(found.contains(told), "{name}, told: {found}");
}

#[tokio::test]
async fn bad_answers_are_told_apart() {
    let bytes = |text: &str| Answer::Bytes(text.to_owned().into());
    let late = "IT has not answered within 300ms";
    let endless = "HTTP/1.1 200 OK\r\n\r\n";
    let of_length = |length: usize| {
        bytes(&format!("HTTP/1.1 500 No\r\ncontent-length: {length}\r\n\r\n{}", "a".repeat(length)))
    };
    check("at the limit", of_length(1000), "500", "500").await;
    check("over it", of_length(1001), "the answer of IT is longer than 1000 bytes", "500").await;
    check("huge", of_length(10_000_000), "longer than 1000 bytes", "500").await;
    check("endless", Answer::Endless(endless.into()), "longer than 1000 bytes", "200").await;
    check("dripping", Answer::Hang(endless.into()), late, "200").await;
    check("silent", Answer::Hang(Bytes::new()), late, late).await;
    check("half a head", Answer::Hang("HTTP/1.1 200 OK\r\na: ".into()), late, late).await;
    check("no answer", bytes(""), "no answer from IT: ", "no answer from IT: ").await;
    check("not HTTP", bytes("SSH-2.0-x\r\n\r\n"), "no answer from IT: ", "no answer from IT: ")
        .await;
    let head = Answer::Endless("HTTP/1.1 200 OK\r\na: ".into());
    check("endless head", head, "no answer from IT: ", "no answer from IT: ").await;
    let cut = bytes("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx");
    check("cut short", cut, "no answer from IT: ", "200").await;
}

#[tokio::test]
async fn nobody_there_is_said() {
    let gone = Server::start(|_| Answer::Bytes(OK.into())).await.url();
    let error = client(&impatient()).send(Message::get(&url(&gone))).await.unwrap_err();
    let words = error.to_string();
    assert!(words.starts_with(&format!("cannot connect to {gone}: ")), "{words}");
    assert!(words.contains("refused"), "{words}");
}

#[tokio::test]
async fn tls_believes_whom_it_was_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (authority(), authority());
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, format!("{}{}", other.pem, ours.pem)).unwrap();
    let server = Server::start_tls(&ours, "localhost", |_| Answer::Bytes(OK.into())).await;
    let url = url(&server.url());
    let trusting = ClientSettings { ca_file: Some(ca_file), ..ClientSettings::default() };
    let client_with = client(&trusting);
    let answer = client_with.send(Message::get(&url)).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let error = client(&impatient()).send(Message::get(&url)).await.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    let stranger = Server::start_tls(&ours, "other.example.io", |_| Answer::Bytes(OK.into())).await;
    let error = client_with.send(Message::get(&self::url(&stranger.url()))).await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    assert_eq!(stranger.requests().len(), 0);
}

#[test]
fn a_file_of_certificates_has_to_hold_some() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    for (text, problem) in [
        (None, "cannot read the certificates"),
        (Some(String::new()), "holds no certificate"),
        (Some("hello".to_owned()), "holds no certificate"),
        (Some(wrong.to_owned()), "certificate 1: "),
        (Some(format!("{}{cut}", authority().pem)), "certificate 2: "),
    ] {
        if let Some(text) = &text {
            std::fs::write(&file, text).unwrap();
        }
        let settings = ClientSettings { ca_file: Some(file.clone()), ..ClientSettings::default() };
        let error = Client::new(&settings).unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains("ca.pem"), "{text:?}: {error}");
    }
}
