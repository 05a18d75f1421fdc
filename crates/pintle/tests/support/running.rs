//! Processes that live as long as a test, and what they print.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

use tokio::sync::watch;

use super::http::Client;
use super::within;

/// Settings of whoever runs the tests are no business of what the tests start.
pub(crate) fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PINTLE_") || text.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG");
}

/// A process that listens, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
}

impl Running {
    /// Starts a program, and waits until it has printed the address that it listens on.
    pub(crate) async fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stdout = Captured::follow(child.stdout.take().expect("standard output is piped"));
        let stderr = Captured::follow(child.stderr.take().expect("standard error is piped"));
        let address = within("the address of the server", stdout.until(address_in)).await;
        let Some(address) = address else {
            let status = child.wait();
            panic!("the server did not start ({status:?}):\n{}{}", stdout.text(), stderr.text());
        };
        Self { child, address, stdout, stderr }
    }

    /// Waits until Pintle answers. Its socket is bound before it prints the address, so the first
    /// request waits in the queue, and no polling is needed.
    pub(crate) async fn ready(&self) {
        let client = Client::new(self.address);
        let ready = within("readiness", client.try_send("GET", "/readyz", &[], "")).await;
        let ready = ready.unwrap_or_else(|error| panic!("{error}:\n{}", self.stderr.text()));
        assert_eq!(ready.status, 200, "{}", ready.text());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        // Signals need `unsafe` or one more dependency; every system has this program.
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(sent.expect("kill starts").success(), "the process is there to be signalled");
    }

    /// Waits until the process has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        // Its standard output closes with the process.
        within("the end of the server", self.stdout.closed()).await;
        self.child.wait().expect("the process is our child")
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the server of the failed test logged:\n{}", self.stderr.text());
        }
    }
}

/// What a stream said so far.
#[derive(Debug, Clone)]
pub(crate) struct Captured(watch::Receiver<String>);

impl Captured {
    /// Collects a stream on a thread of its own, which ends with the stream.
    pub(crate) fn follow(stream: impl Read + Send + 'static) -> Self {
        let (text, captured) = watch::channel(String::new());
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                text.send_modify(|text| {
                    text.push_str(&line);
                    text.push('\n');
                });
            }
        });
        Self(captured)
    }

    pub(crate) fn text(&self) -> String {
        self.0.borrow().clone()
    }

    /// Waits until something is found in it; nothing if it ends before.
    pub(crate) async fn until<T>(&self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut text = self.0.clone();
        loop {
            if let Some(found) = find(&text.borrow_and_update()) {
                return Some(found);
            }
            text.changed().await.ok()?;
        }
    }

    async fn closed(&self) {
        self.until(|_| None::<()>).await;
    }
}

fn address_in(text: &str) -> Option<SocketAddr> {
    text.lines().find_map(|line| {
        let (_, after) = line.split_once("http://").or_else(|| line.split_once("https://"))?;
        after.split(['/', ' ', ',']).next()?.parse().ok()
    })
}
