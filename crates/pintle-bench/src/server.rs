//! The server under load, and starting and stopping one as a child process.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};

use crate::connection;
use crate::error::{BenchError, Result};
use crate::operation;
use crate::output::progress;
use crate::target::Target;

/// A start may take so long, with as many objects as this program ever makes.
const START_MAX: Duration = Duration::from_mins(2);
/// A stop may take so long, then the process is killed.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How often readiness is asked for, which is how finely start-up is measured.
const READY_POLL: Duration = Duration::from_millis(2);
/// Of a server that failed, so many of its last lines are shown.
const LINES_KEPT: usize = 20;
const HOST: &str = "127.0.0.1:";

/// What is loaded, and what to say to it.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Where it listens.
    pub(crate) target: Target,
    /// Its process, if known.
    pub(crate) pid: Option<u32>,
    /// What goes into `Authorization`.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Subject {
    /// A server that somebody else runs.
    pub(crate) const fn given(target: Target) -> Self {
        Self { target, pid: None, authorization: None }
    }
}

/// A server that runs as a child of this process, and ends with it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    target: Target,
    /// From starting the process to `/readyz` answering 200.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts a server and waits until it is ready. It must print its address, as
    /// `http://127.0.0.1:PORT`, in its first lines, on either stream.
    pub(crate) async fn start(command: Command) -> Result<Self> {
        Self::start_trusting(command, None).await
    }

    /// The same for one that may announce `https://`: then its certificate must be signed by an
    /// authority in this PEM file.
    pub(crate) async fn start_trusting(
        mut command: Command,
        authorities: Option<&Path>,
    ) -> Result<Self> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| BenchError::io(format!("cannot start {name}"), source))?;
        let lines = Lines::default();
        let announced = announced_address(&mut child, &lines);
        let announced = timeout(START_MAX, announced).await.ok().flatten();
        let announced =
            announced.ok_or_else(|| lines.not_started(&name, "did not say where it listens"))?;
        let target = announced.target(authorities)?;
        let subject = Subject { pid: child.id(), ..Subject::given(target.clone()) };
        if timeout(START_MAX, until_ready(&subject)).await.is_err() {
            return Err(lines.not_started(&name, "did not become ready"));
        }
        Ok(Self { child, target, ready_after: started.elapsed() })
    }

    /// The server as something to load.
    pub(crate) fn subject(&self) -> Subject {
        Subject { pid: self.child.id(), ..Subject::given(self.target.clone()) }
    }

    /// Asks the server to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let failed = |source| BenchError::io("cannot stop the server", source);
        if let Some(pid) = self.child.id() {
            // Signals need `unsafe` or one more dependency; every shell can send one.
            let mut kill = Command::new("sh");
            kill.args(["-c", "kill -TERM \"$0\""]).arg(pid.to_string());
            kill.status().await.map_err(failed)?;
        }
        if timeout(STOP_MAX, self.child.wait()).await.is_err() {
            progress("the server did not end when it was asked to; it is killed");
            self.child.kill().await.map_err(failed)?;
        }
        Ok(())
    }
}

/// The last lines that a server printed.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<VecDeque<String>>>);

impl Lines {
    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn not_started(&self, name: &str, what: &str) -> BenchError {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        BenchError::Answer(format!("{name} {what}; its last lines:\n{}", lines.join("\n")))
    }
}

/// Follows both streams for as long as they last; nothing when they end without an address.
async fn announced_address(child: &mut Child, lines: &Lines) -> Option<Announced> {
    let (found, mut addresses) = unbounded_channel();
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(follow(stdout, lines.clone(), found.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(follow(stderr, lines.clone(), found));
    }
    addresses.recv().await
}

async fn follow(stream: impl AsyncRead + Unpin, lines: Lines, found: UnboundedSender<Announced>) {
    let mut reader = BufReader::new(stream).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        if let Some(announced) = address_in(&line) {
            // Only the first one is waited for; later ones find nobody, which is fine.
            let _unheard = found.send(announced);
        }
        lines.push(line);
    }
}

/// Where a server says that it listens on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Announced {
    port: u16,
    tls: bool,
}

impl Announced {
    fn target(self, authorities: Option<&Path>) -> Result<Target> {
        let target = format!("http://{HOST}{}", self.port).parse().map_err(BenchError::Refused)?;
        match authorities {
            Some(authorities) if self.tls => Target::over_tls(target, authorities),
            _ => Ok(target),
        }
    }
}

fn address_in(line: &str) -> Option<Announced> {
    let find = |scheme: &str| line.split_once(&format!("{scheme}{HOST}")).map(|(_, after)| after);
    let (after, tls) = match find("https://") {
        Some(after) => (after, true),
        None => (find("http://")?, false),
    };
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    Some(Announced { port: digits.parse().ok()?, tls })
}

async fn until_ready(subject: &Subject) {
    while !is_ready(subject).await.unwrap_or(false) {
        sleep(READY_POLL).await;
    }
}

async fn is_ready(subject: &Subject) -> Result<bool> {
    let request = operation::request(subject, Method::GET, "/readyz")?;
    let doing = "asking for readiness";
    let answer = connection::exchange_once(&subject.target.endpoint, request, doing).await?;
    Ok(answer.status == StatusCode::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_whatever_surrounds_it() {
        let cases = [
            ("http://127.0.0.1:4711", Some((4711, false))),
            ("  address     https://127.0.0.1:4711", Some((4711, true))),
            ("  listening on http://127.0.0.1:80/ (REST)", Some((80, false))),
            (r#"{"msg":"up","at":"http://127.0.0.1:9"}"#, Some((9, false))),
            ("http://127.0.0.1:", None),
            ("http://127.0.0.1:99999", None),
            ("http://0.0.0.0:80", None),
        ];
        for (line, expected) in cases {
            let found = address_in(line).map(|it| (it.port, it.tls));
            assert_eq!(found, expected, "{line}");
        }
    }

    #[tokio::test]
    async fn a_program_that_ends_without_serving_is_an_error_with_its_last_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such kind >&2"]);
        let error = Server::start(command).await.unwrap_err().to_string();
        assert!(error.contains("did not say where it listens"), "{error}");
        assert!(error.contains("no such kind"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let error = Server::start(Command::new("./no/such/server")).await.unwrap_err().to_string();
        assert!(error.contains("./no/such/server"), "{error}");
    }
}
