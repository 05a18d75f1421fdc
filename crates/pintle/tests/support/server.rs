//! Servers that live as long as a test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use super::http::{Client, Reply};
use super::running::{Running, without_settings};
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
    log: Option<&'static str>,
    variables: Vec<(&'static str, String)>,
    small_disk: bool,
}

/// Whether a process can be given a disk of its own here.
pub(crate) fn small_disks() -> bool {
    let mut command = on_small_disk(Path::new("/tmp"));
    command.arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs what is added as arguments with a disk of 8 MiB at a directory, which nobody else sees and
/// which ends with the process.
fn on_small_disk(at: &Path) -> Command {
    let mount = "mount -t tmpfs -o size=8m pintle \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", mount]).arg(at);
    command
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

    /// Logs what `RUST_LOG` asks for in these words.
    pub(crate) fn log(mut self, wanted: &'static str) -> Self {
        self.log = Some(wanted);
        self
    }

    /// With this variable in its environment.
    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// With data on a disk of its own that holds 8 MiB. See [`small_disks`].
    pub(crate) fn on_small_disk(mut self) -> Self {
        self.small_disk = true;
        self
    }

    /// Starts the server on a free port, with a data directory of its own.
    pub(crate) async fn start(self) -> Server {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let running = Running::start(self.command(data_dir.path())).await;
        until_ready(&running).await;
        Server { client: Client::new(running.address), running, launch: self, data_dir }
    }

    /// Runs the program to its end, for starts that must fail.
    pub(crate) fn output(&self) -> Output {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        self.command(data_dir.path()).output().expect("the program starts")
    }

    fn command(&self, data_dir: &Path) -> Command {
        let program = env!("CARGO_BIN_EXE_pintle");
        let mut command = if self.small_disk {
            let mut command = on_small_disk(data_dir);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.arg("serve").args(&self.paths).arg("--data-dir").arg(data_dir).args(&self.args);
        without_settings(&mut command);
        command.envs(self.log.map(|wanted| ("RUST_LOG", wanted)));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // In the environment, so that a test can still say otherwise with an option.
        command.env("PINTLE_LISTEN", "127.0.0.1:0").stdin(Stdio::null());
        command
    }
}

async fn until_ready(running: &Running) {
    // The client speaks no TLS, and the socket is there.
    if !running.stdout.text().contains("https://") {
        running.ready().await;
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
        self.running.pid()
    }

    /// What it printed at its start, and since.
    pub(crate) fn stdout(&self) -> String {
        self.running.stdout.text()
    }

    /// What it logged.
    pub(crate) fn stderr(&self) -> String {
        self.running.stderr.text()
    }

    /// Waits until it has logged this.
    pub(crate) async fn until_logged(&self, what: &str) {
        let logged = self.running.stderr.until(|text| text.contains(what).then_some(()));
        within(&format!("{what:?} in the log"), logged).await.expect("the server goes on");
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
        self.running.terminate();
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
        until_ready(&self.running).await;
        self.client = Client::new(self.running.address);
    }

    /// Adds an option for the next start.
    pub(crate) fn add_arg(&mut self, arg: impl Into<OsString>) {
        self.launch.args.push(arg.into());
    }

    /// Starts the program over the same data and runs it to its end, for starts that must fail.
    pub(crate) fn output_again(&self) -> Output {
        self.launch.command(self.data_dir.path()).output().expect("the program starts")
    }

    /// Stops the server and starts it again over the same data.
    pub(crate) async fn restart(&mut self) {
        let status = self.stop().await;
        assert!(status.success(), "{status}; the server logged:\n{}", self.stderr());
        self.start_again().await;
    }
}
