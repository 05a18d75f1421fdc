//! Below HTTP, and at its edges (group 24): what two readers could understand in two ways is
//! refused, and a request for another host is none for this server.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::devices;
use crate::harness::server::Server;
use crate::harness::within;
use crate::table::{assert_sound, everything};

/// What must come back for some bytes.
#[derive(Debug)]
enum Answer {
    /// One answer with this status, and the end of the connection.
    Only(u16),
    /// These answers, in this order.
    All(&'static [u16]),
    /// No answer, and the end of the connection; or one of these.
    NothingOr(&'static [u16]),
}

/// A request line and its headers; `Host` is added.
fn head(line: &str, headers: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").into_bytes()
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    let mut bytes = head("POST /devices", &format!("content-type: application/json\r\n{headers}"));
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

/// The statuses of the answers in a text.
fn statuses(text: &str) -> Vec<u16> {
    let lines = text.split("\r\n").flat_map(|line| line.split('\n'));
    let codes = lines.filter_map(|line| line.split_once("HTTP/1.").map(|(_, rest)| rest));
    codes.filter_map(|rest| rest.get(2..5)?.parse().ok()).filter(|status| *status != 100).collect()
}

/// Sends bytes on one connection that stays open, and reads until the server has ended it.
async fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = server.client.tcp().await;
    // A server that refuses early may not read the rest.
    drop(stream.write_all(bytes).await);
    let mut answer = Vec::new();
    drop(within("the server ends the connection", stream.read_to_end(&mut answer)).await);
    String::from_utf8_lossy(&answer).into_owned()
}

async fn check(server: &Server, cases: Vec<(&str, Vec<u8>, Answer)>) {
    let before = everything(server, &[]).await;
    for (what, bytes, wanted) in cases {
        let shown = String::from_utf8_lossy(&bytes).chars().take(200).collect::<String>();
        let text = match wanted {
            Answer::Only(_) => exchange(server, &bytes).await,
            Answer::All(_) | Answer::NothingOr(_) => server.client.raw(&bytes).await,
        };
        let found = statuses(&text);
        let right = match wanted {
            Answer::Only(status) => found == [status],
            Answer::All(all) => found == all,
            Answer::NothingOr(one_of) => match found.as_slice() {
                [] => text.is_empty(),
                [status] => one_of.contains(status),
                _ => false,
            },
        };
        assert!(right, "24: {what}: wanted {wanted:?}, got {found:?}\n{shown}\n{text}");
        server.get("/readyz").await.expect(200);
    }
    assert_eq!(everything(server, &[]).await, before, "something was changed");
    assert_sound(server).await;
}

const CREATE: &str = r#"{"metadata":{"name":"smuggled"},"spec":{"name":"n","location":"x"}}"#;

/// One way to put bytes that are answered with 400 and the end of the connection.
fn refused<const N: usize>(cases: [(&str, Vec<u8>); N]) -> Vec<(&str, Vec<u8>, Answer)> {
    cases.map(|(what, bytes)| (what, bytes, Answer::Only(400))).into()
}

#[tokio::test]
async fn what_is_not_http_is_no_request() {
    let server = devices().await;
    let line = |text: &str| format!("{text}\r\nhost: localhost\r\n\r\n").into_bytes();
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    let mut cases = refused([
        ("HTTP/0.9", b"GET /devices\r\n".to_vec()),
        ("HTTP/0.9 with headers", line("GET /devices")),
        ("HTTP/2.0", line("GET /devices HTTP/2.0")),
        ("HTTP/1.2", line("GET /devices HTTP/1.2")),
        ("TLS", hello),
        ("noise", vec![0xff; 1024]),
        ("zeros", vec![0; 1024]),
        ("no method", line(" /devices HTTP/1.1")),
        ("a space", line("GET /devices/a b HTTP/1.1")),
        ("not UTF-8", b"GET /devices/\xff HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("a NUL in the path", line("GET /devices/\0 HTTP/1.1")),
    ]);
    let known = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    cases.extend([
        ("HTTP/2 by knowledge", known, Answer::NothingOr(&[400])),
        ("only a start", b"GET /hea".to_vec(), Answer::NothingOr(&[400])),
        ("nothing", Vec::new(), Answer::NothingOr(&[])),
        ("blank lines", b"\r\n\r\n\r\n".to_vec(), Answer::NothingOr(&[400])),
    ]);
    check(&server, cases).await;
}

#[tokio::test]
async fn headers_are_well_formed_and_not_too_many() {
    let server = devices().await;
    let with = |headers: &str| head("GET /healthz", headers);
    let many = (0..120).map(|index| format!("x-{index}: a\r\n")).collect::<Vec<_>>().concat();
    let long =
        |length: usize| head(&format!("GET /{}", "a".repeat(length)), "connection: close\r\n");
    let of_bytes = |bytes: usize| {
        let around = with("connection: close\r\nx: \r\n").len();
        with(&format!("connection: close\r\nx: {}\r\n", "a".repeat(bytes - around)))
    };
    let mut cases = refused([
        ("folded", with("x: a\r\n b\r\n")),
        ("space before colon", with("x : a\r\n")),
        ("no colon", with("x\r\n")),
        ("no name", with(": a\r\n")),
        ("NUL in a value", with("x: a\0b\r\n")),
        ("CR in a value", with("x: a\rb\r\n")),
    ]);
    cases.extend([
        ("too many headers", with(&many), Answer::Only(431)),
        ("headers of 64 KiB", of_bytes(65_536), Answer::Only(200)),
        ("headers of a byte more", of_bytes(65_537), Answer::Only(431)),
        ("large headers", of_bytes(100_000), Answer::Only(431)),
        ("a huge header", of_bytes(300_000), Answer::Only(431)),
        ("a huge path", long(70_000), Answer::Only(414)),
        ("a long path", long(60_000), Answer::Only(404)),
    ]);
    check(&server, cases).await;
}

/// No request hides in the body of another one: where two readers could see two ends of a body,
/// there is one answer, and nothing after it is read.
#[tokio::test]
async fn a_body_ends_where_everybody_thinks() {
    let server = devices().await;
    let length = CREATE.len();
    let inner = post(&format!("content-length: {length}\r\n"), CREATE);
    let smuggled = format!("0\r\n\r\n{}", String::from_utf8_lossy(&inner));
    let sized = |headers: &str| post(headers, CREATE);
    let hiding = |headers: &str| post(headers, &smuggled);
    let too_long = "content-length: 9999999999\r\n";
    let chunked = "transfer-encoding: chunked\r\n";
    let both = format!("{chunked}content-length: {}\r\n", smuggled.len());
    let twice = "transfer-encoding: identity\r\ntransfer-encoding: xchunked\r\n";
    let unknown = format!("transfer-encoding: xchunked\r\ncontent-length: {length}\r\n");
    let mut cases = refused([
        ("both lengths", hiding(&format!("content-length: 4\r\n{chunked}"))),
        ("both lengths", hiding(&both)),
        ("two lengths", sized(&format!("content-length: 2\r\ncontent-length: {length}\r\n"))),
        ("two lengths", sized(&format!("content-length: 2, {length}\r\n"))),
        ("a signed length", sized(&format!("content-length: +{length}\r\n"))),
        ("a negative length", sized("content-length: -1\r\n")),
        ("a hex length", sized("content-length: 0x10\r\n")),
        ("a length beyond numbers", sized("content-length: 99999999999999999999\r\n")),
        ("an unknown coding", sized(&unknown)),
        ("not chunked last", hiding("transfer-encoding: chunked, identity\r\n")),
        ("two codings", hiding(twice)),
    ]);
    cases.extend([
        ("a length beyond the limit", sized(too_long), Answer::Only(413)),
        ("expecting", post(&format!("expect: 100-continue\r\n{too_long}"), ""), Answer::Only(413)),
        ("no body", sized(""), Answer::All(&[400, 400])),
        ("a cut body", sized("content-length: 500\r\n"), Answer::NothingOr(&[400])),
    ]);
    check(&server, cases).await;
}

#[tokio::test]
async fn chunks_are_what_they_say() {
    let server = devices().await;
    let length = CREATE.len();
    let chunks = |body: &str| post("transfer-encoding: chunked\r\n", body);
    let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(100_000));
    let mut cases = refused([
        ("no size", chunks("zz\r\nabc\r\n")),
        ("a negative size", chunks("-1\r\nabc\r\n")),
        ("a size beyond numbers", chunks("FFFFFFFFFFFFFFFFF\r\nabc")),
        ("more than it says", chunks("3\r\nabcdef\r\n0\r\n\r\n")),
        ("a long extension", chunks(&long)),
    ]);
    let cut = chunks(&format!("{:x}\r\n{CREATE}", length + 5));
    let endless = chunks(&format!("{length:x}\r\n{CREATE}\r\n"));
    cases.extend([
        ("a cut chunk", cut, Answer::NothingOr(&[400])),
        ("no last chunk", endless, Answer::NothingOr(&[400])),
    ]);
    check(&server, cases).await;
}

#[tokio::test]
async fn a_connection_can_be_used_in_every_right_way() {
    let server = devices().await;
    let get = |path: &str| head(&format!("GET {path}"), "");
    let pipelined = [get("/healthz"), get("/devices/dev-123"), get("/devices/none")].concat();
    let dry = |headers: &str, body: &str| {
        let mut bytes = head("POST /devices?dryRun=All", headers);
        bytes.extend_from_slice(body.as_bytes());
        bytes
    };
    let length = CREATE.len();
    let (start, rest) = CREATE.split_at(10);
    let left = length - 10;
    let chunks = format!("a\r\n{start}\r\n{left:X};x=y\r\n{rest}\r\n0\r\nx-trailer: a\r\n\r\n");
    let by_length = format!("content-length: {length}\r\n");
    let posted = dry(&by_length, CREATE);
    let then = |first: Vec<u8>| [first, get("/healthz")].concat();
    let unread = [head("POST /nothing", &by_length), CREATE.into()].concat();
    let upgraded = |headers: &str| head("GET /devices/dev-123", headers);
    let old = b"GET /devices/dev-123 HTTP/1.0\r\n\r\n".to_vec();
    let absolute = b"GET http://127.0.0.1/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec();
    let expecting = dry(&format!("expect: 100-continue\r\n{by_length}"), CREATE);
    let cases = vec![
        ("half-closed", get("/devices/dev-123"), Answer::All(&[200])),
        ("half-closed with a body", posted.clone(), Answer::All(&[201])),
        ("pipelined", pipelined, Answer::All(&[200, 200, 404])),
        ("pipelined after a body", then(posted), Answer::All(&[201, 200])),
        ("after a refusal", then(dry("content-length: 4\r\n", "nope")), Answer::All(&[400, 200])),
        ("after an unread body", then(unread), Answer::All(&[404, 200])),
        ("chunks", dry("transfer-encoding: chunked\r\n", &chunks), Answer::All(&[201])),
        ("expecting", expecting, Answer::All(&[201])),
        ("a websocket", upgraded(WEBSOCKET), Answer::All(&[200])),
        ("HTTP/2 by upgrade", upgraded(HTTP_2), Answer::All(&[200])),
        ("HTTP/1.0", old, Answer::Only(200)),
        ("closing", head("GET /healthz", "connection: close\r\n"), Answer::Only(200)),
        ("absolute", absolute, Answer::All(&[200])),
        ("asterisk", head("OPTIONS *", ""), Answer::All(&[404])),
        ("a tunnel", head("CONNECT localhost:80", ""), Answer::All(&[404])),
    ];
    check(&server, cases).await;
}

const WEBSOCKET: &str = "upgrade: websocket\r\nconnection: upgrade\r\n";
const HTTP_2: &str =
    "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABk\r\n";

const FOREIGN_HOSTS: [&str; 20] = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1.evil.example:80",
    "user@localhost",
    "localhost@evil.example",
    "localhost:80@evil",
    "10.0.0.1",
    "0.0.0.0",
    "[::2]",
    "[::1].evil.example",
    "169.254.169.254",
    "localhost:x",
    "localhost:99999",
    "",
    "127.1",
    "0x7f.0.0.1",
    "2130706433",
    "localhost.",
    "localhost,evil",
];
const LOCAL_HOSTS: [&str; 7] =
    ["localhost", "LocalHost:80", "127.0.0.1", "127.0.0.1:9", "127.9.9.9", "[::1]", "[::1]:80"];
const FOREIGN_ORIGINS: [&str; 9] = [
    "http://evil.example",
    "https://localhost.evil.example",
    "null",
    "",
    "file://",
    "http://",
    "evil",
    "http://localhost@evil.example",
    "http://10.0.0.1:80",
];
const LOCAL_ORIGINS: [&str; 4] =
    ["http://localhost", "http://localhost:3000", "http://127.0.0.1:80", "https://[::1]:3000"];

/// A server that asks for no credentials is for this machine only: neither a name that points here
/// nor a page from elsewhere reaches it.
#[tokio::test]
async fn other_hosts_and_origins_are_turned_away() {
    let server = devices().await;
    let read = |lines: &str| {
        format!("GET /devices/dev-123 HTTP/1.1\r\n{lines}connection: close\r\n\r\n").into_bytes()
    };
    let host = |host: &str| read(&format!("host: {host}\r\n"));
    let origin = |origin: &str| read(&format!("host: localhost\r\norigin: {origin}\r\n"));
    let absolute = |target: &str| {
        format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .into_bytes()
    };
    let mut cases = Vec::new();
    let only = |status: u16| move |bytes: Vec<u8>| ("host or origin", bytes, Answer::Only(status));
    cases.extend(FOREIGN_HOSTS.map(host).map(only(403)));
    cases.extend(LOCAL_HOSTS.map(host).map(only(200)));
    cases.extend(FOREIGN_ORIGINS.map(origin).map(only(403)));
    cases.extend(LOCAL_ORIGINS.map(origin).map(only(200)));
    cases.extend([
        ("no host", read(""), Answer::Only(400)),
        ("two hosts", read("host: localhost\r\nhost: evil.example\r\n"), Answer::Only(400)),
        ("the same host twice", read("host: localhost\r\nhost: localhost\r\n"), Answer::Only(400)),
        (
            "two origins",
            read("host: localhost\r\norigin: http://localhost\r\norigin: http://evil.example\r\n"),
            Answer::Only(403),
        ),
        ("another target", absolute("http://evil.example/devices/dev-123"), Answer::Only(403)),
        (
            "another target",
            absolute("http://localhost@evil.example/devices/dev-123"),
            Answer::Only(403),
        ),
        ("this target", absolute("http://localhost:1/devices/dev-123"), Answer::Only(200)),
    ]);
    check(&server, cases).await;
}

/// Connections that say nothing, or stop in the middle, are in nobody's way.
#[tokio::test]
async fn silent_connections_stop_nobody() {
    let server = devices().await;
    let mut held = Vec::new();
    for bytes in [b"".as_slice(), b"GET /hea", b"GET / HTTP/1.1\r\nhost: loc"] {
        for _ in 0..50 {
            let mut stream = server.client.tcp().await;
            stream.write_all(bytes).await.expect("the server takes a few bytes");
            held.push(stream);
        }
    }
    let cut = post("content-length: 500\r\n", CREATE);
    for _ in 0..50 {
        let mut stream = server.client.tcp().await;
        stream.write_all(&cut).await.expect("the server takes a few bytes");
        held.push(stream);
    }
    let answer = tokio::time::timeout(Duration::from_secs(10), server.get("/devices/dev-123"));
    answer.await.expect("24: others are served").expect(200);
    drop(held);
    server.get("/devices/smuggled").await.expect(404);
    assert_sound(&server).await;
}
