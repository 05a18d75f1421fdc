//! A collector that keeps what it is sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::protobuf::{all, fields, number, one, text};

/// Stops when it is dropped.
pub(crate) struct Collector {
    address: SocketAddr,
    requests: watch::Receiver<Vec<Request>>,
    status: Arc<AtomicU16>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone)]
struct Request {
    head: String,
    body: Vec<u8>,
    taken: bool,
}

/// A span, with the resource that it came from.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) trace_state: String,
    pub(crate) is_remote: bool,
    pub(crate) name: String,
    pub(crate) kind: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) status: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) resource: BTreeMap<String, String>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Collector {
    /// One that answers with this status; with 0, never.
    pub(crate) async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it has an address");
        let (seen, requests) = watch::channel(Vec::new());
        let (seen, status) = (Arc::new(seen), Arc::new(AtomicU16::new(status)));
        let answers = Arc::clone(&status);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&seen), Arc::clone(&answers)));
            }
        });
        Self { address, requests, status, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Heads and bodies of all requests.
    pub(crate) fn raw(&self) -> (Vec<String>, Vec<Vec<u8>>) {
        self.requests.borrow().iter().map(|it| (it.head.clone(), it.body.clone())).unzip()
    }

    /// All spans that it has taken.
    pub(crate) fn spans(&self) -> Vec<Span> {
        spans(&self.requests.borrow())
    }

    pub(crate) async fn until(&self, holds: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let mut requests = self.requests.clone();
        let requests = requests.wait_for(|requests| holds(&spans(requests))).await;
        spans(&requests.expect("it is there as long as this"))
    }

    pub(crate) async fn until_requests(&self, count: usize) {
        let mut requests = self.requests.clone();
        drop(requests.wait_for(|requests| requests.len() >= count).await);
    }
}

async fn converse(
    mut stream: TcpStream,
    seen: Arc<watch::Sender<Vec<Request>>>,
    status: Arc<AtomicU16>,
) {
    while let Some((head, body)) = read(&mut stream).await {
        let status = status.load(Ordering::SeqCst);
        let taken = status == 200;
        seen.send_modify(|requests| requests.push(Request { head, body, taken }));
        if status == 0 {
            return std::future::pending().await;
        }
        let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).expect("heads are text");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("it has a length").parse().expect("a number");
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}

/// The numbers are those of `opentelemetry/proto/trace/v1/trace.proto`.
fn spans(requests: &[Request]) -> Vec<Span> {
    let mut spans = Vec::new();
    for request in requests.iter().filter(|request| request.taken) {
        for of_resource in all(&request.body, 1) {
            let resource = attributes(one(of_resource, 1), 1);
            for of_scope in all(of_resource, 2) {
                assert_eq!(text(one(of_scope, 1), 1), "pintle");
                spans.extend(all(of_scope, 2).into_iter().map(|it| span(it, &resource)));
            }
        }
    }
    spans
}

fn span(message: &[u8], resource: &BTreeMap<String, String>) -> Span {
    Span {
        trace: hex(one(message, 1)),
        id: hex(one(message, 2)),
        trace_state: text(message, 3),
        parent: hex(one(message, 4)),
        name: text(message, 5),
        kind: number(message, 6),
        start: number(message, 7),
        end: number(message, 8),
        attributes: attributes(message, 9),
        status: number(one(message, 15), 3),
        is_remote: number(message, 16) & 0x200 != 0,
        resource: resource.clone(),
    }
}

fn attributes(message: &[u8], of: u64) -> BTreeMap<String, String> {
    let pairs = all(message, of).into_iter();
    pairs.map(|pair| (text(pair, 1), value(one(pair, 2)))).collect()
}

fn value(message: &[u8]) -> String {
    match fields(message).first().map(|(of, _)| *of) {
        Some(1) => text(message, 1),
        Some(2) => (number(message, 2) == 1).to_string(),
        Some(of) => number(message, of).to_string(),
        None => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text grows in memory");
        text
    })
}
