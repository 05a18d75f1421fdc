//! Servers that live as long as a test.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::http::{Client, Reply};
use super::stream::{Framing, Watch};
use super::within;

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("it is here")
}

/// `examples/devices`, whose kind most tests use.
pub(crate) fn devices() -> PathBuf {
    repository().join("examples/devices")
}

/// How to start a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Launch {
    paths: Vec<PathBuf>,
    args: Vec<OsString>,
}

impl Launch {
    /// A server that knows no kinds of its own.
    pub(crate) fn bare() -> Self {
        Self::default()
    }

    /// A server of `examples/devices`.
    pub(crate) fn devices() -> Self {
        Self::default().path(devices())
    }

    /// Adds a file or directory to load.
    pub(crate) fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Adds an option, as in `--history-age=1s`.
    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Starts the server on a free port, with a data directory of its own.
    pub(crate) async fn start(self) -> Server {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let running = Running::start(self.command(data_dir.path())).await;
        Server { client: Client::new(running.address), running, launch: self, data_dir }
    }

    /// Runs the program to its end, for starts that must fail.
    pub(crate) fn output(&self) -> Output {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        self.command(data_dir.path()).output().expect("the program starts")
    }

    fn command(&self, data_dir: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pintle"));
        command.arg("serve").args(&self.paths).arg("--data-dir").arg(data_dir).args(&self.args);
        // Settings of whoever runs the tests are no business of theirs.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PINTLE_") {
                command.env_remove(name);
            }
        }
        // In the environment, so that a test can still say otherwise with an option.
        command.env("PINTLE_LISTEN", "127.0.0.1:0");
        command.env_remove("RUST_LOG").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A running server, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) client: Client,
    running: Running,
    launch: Launch,
    data_dir: TempDir,
}

impl Server {
    /// A server of `examples/devices`.
    pub(crate) async fn devices() -> Self {
        Launch::devices().start().await
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.client.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// What it printed at its start, and since.
    pub(crate) fn stdout(&self) -> String {
        self.running.stdout.text()
    }

    /// What it logged.
    pub(crate) fn stderr(&self) -> String {
        self.running.stderr.text()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, json: &Value) -> Reply {
        self.json("POST", path, &[], json).await
    }

    pub(crate) async fn put(&self, path: &str, json: &Value) -> Reply {
        self.json("PUT", path, &[], json).await
    }

    /// A merge patch.
    pub(crate) async fn patch(&self, path: &str, json: &Value) -> Reply {
        let merge = [("content-type", "application/merge-patch+json")];
        self.send("PATCH", path, &merge, json.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], "").await
    }

    /// A JSON body with any method and more headers.
    pub(crate) async fn json(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        json: &Value,
    ) -> Reply {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.send(method, path, &headers, json.to_string()).await
    }

    /// Any request. A server that does not answer fails the test, with what it logged.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let doing = format!("{method} {path}");
        match within(&doing, self.client.try_send(method, path, headers, body)).await {
            Ok(reply) => reply,
            Err(error) => panic!("{doing}: {error}; the server logged:\n{}", self.stderr()),
        }
    }

    /// A watch as JSON lines, which must open.
    pub(crate) async fn watch(&self, path: &str) -> Watch {
        self.watch_as(path, Framing::Lines, &[]).await.expect("the watch opens")
    }

    /// A watch, or the answer that refuses it.
    pub(crate) async fn watch_as(
        &self,
        path: &str,
        framing: Framing,
        headers: &[(&str, &str)],
    ) -> Result<Watch, Reply> {
        Watch::open(&self.client, path, framing, headers).await
    }

    /// SIGTERM, and the end.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.ended().await
    }

    /// SIGTERM alone.
    pub(crate) fn terminate(&self) {
        // Signals need `unsafe` or one more dependency; every system has this program.
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(sent.expect("kill starts").success(), "the process is there to be signalled");
    }

    /// Waits until the process has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.running.ended().await
    }

    /// SIGKILL: as if the power went.
    pub(crate) fn kill_hard(&mut self) {
        self.running.kill();
    }

    /// Starts a server that has ended, over the same data.
    pub(crate) async fn start_again(&mut self) {
        let command = self.launch.command(self.data_dir.path());
        self.running = Running::start(command).await;
        self.client = Client::new(self.running.address);
    }

    /// Stops the server and starts it again over the same data.
    pub(crate) async fn restart(&mut self) {
        let status = self.stop().await;
        assert!(status.success(), "{status}; the server logged:\n{}", self.stderr());
        self.start_again().await;
    }
}

/// The process.
#[derive(Debug)]
struct Running {
    child: Child,
    address: SocketAddr,
    stdout: Captured,
    stderr: Captured,
    closed: Option<oneshot::Receiver<()>>,
}

impl Running {
    /// Starts the program and waits until it answers. Its socket is bound before it prints the
    /// address, so the first request waits in the queue, and no polling is needed.
    async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let (stdout, stderr) = (Captured::default(), Captured::default());
        let (found, address) = oneshot::channel();
        let (close, closed) = oneshot::channel();
        let out = child.stdout.take().expect("standard output is piped");
        let err = child.stderr.take().expect("standard error is piped");
        follow(out, stdout.clone(), Some(found), Some(close));
        follow(err, stderr.clone(), None, None);
        let Ok(address) = within("the address of the server", address).await else {
            let status = child.wait();
            panic!("the server did not start ({status:?}):\n{}{}", stdout.text(), stderr.text());
        };
        let running = Self { child, address, stdout, stderr, closed: Some(closed) };
        let ready = Client::new(address);
        let ready = within("readiness", ready.try_send("GET", "/readyz", &[], "")).await;
        let ready = ready.unwrap_or_else(|error| panic!("{error}:\n{}", running.stderr.text()));
        assert_eq!(ready.status, 200, "{}", ready.text());
        running
    }

    async fn ended(&mut self) -> ExitStatus {
        if let Some(closed) = self.closed.take() {
            // Its standard output closes with the process.
            drop(within("the end of the server", closed).await);
        }
        self.child.wait().expect("the process is our child")
    }

    fn kill(&mut self) {
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
#[derive(Debug, Clone, Default)]
struct Captured(Arc<Mutex<String>>);

impl Captured {
    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, line: &str) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(line);
        text.push('\n');
    }
}

/// Collects a stream on a thread of its own, which ends with the stream.
fn follow(
    stream: impl Read + Send + 'static,
    captured: Captured,
    mut found: Option<oneshot::Sender<SocketAddr>>,
    closed: Option<oneshot::Sender<()>>,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            captured.push(&line);
            if let Some(address) = address_in(&line)
                && let Some(found) = found.take()
            {
                // Who does not wait any longer need not be told.
                let _nobody = found.send(address);
            }
        }
        drop(found);
        if let Some(closed) = closed {
            let _nobody = closed.send(());
        }
    });
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, after) = line.split_once("http://")?;
    after.split(['/', ' ']).next()?.parse().ok()
}
