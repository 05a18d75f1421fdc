//! A NATS server of a test's own, and just enough of a client to look into its stream.
//!
//! <https://docs.nats.io/reference/reference-protocols/nats-protocol>

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::harness::within;

/// Killed when it is dropped.
pub(crate) struct Nats {
    address: SocketAddr,
    config: String,
    child: Child,
    dir: TempDir,
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill_hard();
    }
}

impl Nats {
    /// A server with JetStream, at a loopback address that ends with `last`, which no other test
    /// uses, so that its port is free again later; `config` is more of its configuration.
    pub(crate) async fn start(last: u8, config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let host = Ipv4Addr::new(127, 0, 0, last);
        let child = run(dir.path(), config, &format!("{host}:-1"));
        let mut nats = Self { address: (host, 0).into(), config: config.to_owned(), child, dir };
        nats.address.set_port(within("nats-server listens", nats.port_that_was_chosen()).await);
        nats
    }

    /// As a crash would: no chance to write anything.
    pub(crate) fn kill_hard(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Again, at the same address, with what it has stored.
    pub(crate) fn start_again(&mut self) {
        self.child = run(self.dir.path(), &self.config, &self.address.to_string());
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    /// A client, once the server answers and has JetStream.
    pub(crate) async fn client(&self) -> Client {
        let connected = async {
            loop {
                if let Some(client) = Client::connect(self.address).await {
                    return client;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within("nats-server answers", connected).await
    }

    /// The server writes what it listens at into a file.
    async fn port_that_was_chosen(&self) -> u16 {
        let file = self.dir.path().join(format!("nats-server_{}.ports", self.child.id()));
        loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let ports: Value = serde_json::from_str(&text).unwrap_or_default();
            let url = ports["nats"][0].as_str();
            if let Some(port) = url.and_then(|url| url.rsplit_once(':')) {
                return port.1.parse().expect("a port");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn run(dir: &Path, config: &str, listen: &str) -> Child {
    let text = format!(
        "listen: {listen:?}\nports_file_dir: {dir:?}\njetstream {{ store_dir: {store:?} }}\n{config}\n",
        dir = dir.display().to_string(),
        store = dir.join("store").display().to_string(),
    );
    std::fs::write(dir.join("nats.conf"), text).expect("it can be written");
    let mut command = Command::new("nats-server");
    command.arg("-c").arg(dir.join("nats.conf")).arg("-l").arg(dir.join("nats.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("nats-server is installed (Debian has it as a package of that name)")
}

/// A message of the stream.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) payload: String,
}

/// One request after the other.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Option<Self> {
        let mut client = Self { stream: BufReader::new(TcpStream::connect(address).await.ok()?) };
        let info = client.line().await?;
        assert!(info.starts_with("INFO "), "{info}");
        client
            .write("CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB in 1\r\nPING\r\n")
            .await?;
        while client.line().await? != "PONG" {}
        // JetStream begins a little after the server.
        let ready = client.try_request("$JS.API.INFO", &Value::Null).await?;
        ready["error"].is_null().then_some(client)
    }

    /// What the stream says of itself.
    pub(crate) async fn stream(&mut self) -> Value {
        self.request("$JS.API.STREAM.INFO.EVENTS", &Value::Null).await
    }

    pub(crate) async fn create_stream(&mut self, subjects: &Value) {
        self.set_stream("CREATE", subjects).await;
    }

    pub(crate) async fn update_stream(&mut self, subjects: &Value) {
        self.set_stream("UPDATE", subjects).await;
    }

    async fn set_stream(&mut self, verb: &str, subjects: &Value) {
        let config = json!({"name": "EVENTS", "subjects": subjects, "retention": "limits",
            "storage": "file", "discard": "old", "num_replicas": 1});
        let done = self.request(&format!("$JS.API.STREAM.{verb}.EVENTS"), &config).await;
        assert!(done["error"].is_null(), "{done}");
    }

    /// The messages of the stream, once there are so many of them.
    pub(crate) async fn stored(&mut self, count: u64) -> Vec<Stored> {
        let there = async {
            while self.stream().await["state"]["messages"].as_u64().unwrap_or_default() < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within("messages are stored", there).await;
        self.all().await
    }

    /// All messages that are in the stream now.
    pub(crate) async fn all(&mut self) -> Vec<Stored> {
        let state = self.stream().await["state"].clone();
        let number = |name: &str| state[name].as_u64().expect("a number");
        let mut stored = Vec::new();
        for sequence in number("first_seq")..=number("last_seq") {
            let wanted = json!({"seq": sequence});
            let found = self.request("$JS.API.STREAM.MSG.GET.EVENTS", &wanted).await;
            stored.push(Stored::read(&found["message"]));
        }
        stored
    }

    async fn request(&mut self, subject: &str, body: &Value) -> Value {
        let answer = within(subject, self.try_request(subject, body)).await;
        answer.unwrap_or_else(|| panic!("{subject}: the connection ended"))
    }

    async fn try_request(&mut self, subject: &str, body: &Value) -> Option<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.write(&format!("PUB {subject} in {}\r\n{body}\r\n", body.len())).await?;
        loop {
            let line = self.line().await?;
            let length = match line.split(' ').next() {
                Some("MSG" | "HMSG") => line.rsplit(' ').next()?.parse::<usize>().ok()?,
                Some("PING") => {
                    self.write("PONG\r\n").await?;
                    continue;
                }
                _ => panic!("{line}"),
            };
            let mut payload = vec![0; length + 2];
            self.stream.read_exact(&mut payload).await.ok()?;
            // Whoever has nobody to answer gets headers alone.
            let text = String::from_utf8_lossy(&payload);
            let text = text.trim_end();
            return Some(serde_json::from_str(text).unwrap_or_else(|_| json!({"error": text})));
        }
    }

    async fn write(&mut self, text: &str) -> Option<()> {
        self.stream.get_mut().write_all(text.as_bytes()).await.ok()
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }
}

impl Stored {
    fn read(message: &Value) -> Self {
        let text = |name: &str| {
            let bytes = STANDARD.decode(message[name].as_str().unwrap_or_default());
            String::from_utf8(bytes.expect("base64")).expect("text")
        };
        let headers = text("hdrs");
        let headers = headers.lines().skip(1).filter_map(|line| line.split_once(": "));
        Self {
            subject: message["subject"].as_str().expect("a subject").to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            payload: text("data"),
        }
    }
}
