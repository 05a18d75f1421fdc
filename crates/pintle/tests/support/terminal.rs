//! Where the steps of a page are taken: a directory with its files, a shell, and a terminal for
//! each server.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use super::{ADDRESS, Block, Step, matches};
use crate::harness::running::{Captured, Running, without_settings};
use crate::harness::server::repository;
use crate::harness::within;

/// Printed after a block, to tell where its output ends.
const BORDER: &str = "-- end of the block --\n";

/// All that a reader of a page has in front of them.
#[derive(Debug)]
pub(crate) struct Desk {
    shell: Shell,
    /// What listens where, by the address that the text gives it.
    servers: BTreeMap<String, Running>,
    directory: TempDir,
}

impl Desk {
    /// A desk with the files of the page, each as it is at first, and the examples.
    pub(crate) fn new(steps: &[Step]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let place = |name: &str| directory.path().join(name);
        std::os::unix::fs::symlink(repository().join("examples"), place("examples"))
            .expect("a link");
        for step in steps.iter().rev() {
            if let Step::File { name, text } = step {
                write(&place(name), text);
            }
        }
        Self { shell: Shell::new(directory.path()), servers: BTreeMap::new(), directory }
    }

    /// Does what a reader would do.
    pub(crate) async fn take(&mut self, step: &Step) {
        match step {
            Step::File { name, text } => write(&self.directory.path().join(name), text),
            Step::Shell(block) => self.run(block).await,
            Step::Terminal(block) => self.start(block).await,
        }
    }

    async fn run(&mut self, block: &Block) {
        let output = self.shell.run(&self.in_place(&block.command)).await;
        let expected = self.in_place(block.expected.as_deref().unwrap_or_default());
        assert!(matches(&expected, &output), "{}", said(block, &expected, &output));
    }

    async fn start(&mut self, block: &Block) {
        let own = own_address(&block.command, |address| self.servers.contains_key(address));
        if let Some(mut before) = self.servers.remove(&own) {
            before.terminate();
            before.ended().await;
        }
        let script = self.in_place(&block.command.replace(&own, "127.0.0.1:0"));
        let mut command = bash(self.directory.path());
        command.args(["-c", &format!("exec {script}")]).stdin(Stdio::null());
        let running = Running::start(command).await;
        let is_plain = !running.stdout.text().contains("https://");
        if block.command.starts_with("pintle ") && is_plain {
            running.ready().await;
        }
        self.servers.insert(own.clone(), running);
        self.check_start(&own, block).await;
    }

    async fn check_start(&self, own: &str, block: &Block) {
        let Some(expected) = &block.expected else { return };
        let stdout = &self.servers[own].stdout;
        let expected = self.in_place(expected);
        let is_there = |text: &str| matches(&expected, text).then_some(());
        let printed = tokio::time::timeout(crate::harness::PATIENCE, stdout.until(is_there)).await;
        assert_eq!(printed, Ok(Some(())), "{}", said(block, &expected, &stdout.text()));
    }

    /// The text with the addresses that servers have in the place of those that it gives them.
    fn in_place(&self, text: &str) -> String {
        self.servers.iter().fold(text.to_owned(), |text, (address, running)| {
            let by_name = |address: &str| address.replace("127.0.0.1", "localhost");
            let actual = running.address.to_string();
            text.replace(address, &actual).replace(&by_name(address), &by_name(&actual))
        })
    }
}

fn said(block: &Block, expected: &str, output: &str) -> String {
    format!("{}\nshould print\n{expected}\nand prints\n{output}", block.command)
}

/// The address that a command is going to listen on, as the text has it.
fn own_address(command: &str, is_served: impl Fn(&str) -> bool) -> String {
    let listen = command.split_once("--listen").and_then(|(_, after)| addresses(after).next());
    let default = command.starts_with("pintle ").then(|| ADDRESS.to_owned());
    let own = listen.or(default).or_else(|| addresses(command).find(|it| !is_served(it)));
    own.unwrap_or_else(|| panic!("where does this listen?\n{command}"))
}

/// `127.0.0.1:PORT`, wherever it stands.
fn addresses(text: &str) -> impl Iterator<Item = String> {
    text.split("127.0.0.1:").skip(1).map(|after| {
        let port: String = after.chars().take_while(char::is_ascii_digit).collect();
        format!("127.0.0.1:{port}")
    })
}

fn write(file: &Path, text: &str) {
    let directory = file.parent().expect("a file is in a directory");
    std::fs::create_dir_all(directory).and_then(|()| std::fs::write(file, text)).expect("a file");
}

/// A bash that finds `pintle` and gets in the way of nobody else.
fn bash(directory: &Path) -> Command {
    let mut bash = Command::new("bash");
    without_settings(&mut bash);
    bash.current_dir(directory).env("PINTLE_LISTEN", "127.0.0.1:0").env("PATH", path());
    bash
}

fn path() -> std::ffi::OsString {
    let program = Path::new(env!("CARGO_BIN_EXE_pintle")).parent().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = program.into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(directories).expect("directories of a path stand in a path")
}

/// A shell that reads one block after the other.
#[derive(Debug)]
struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: Captured,
    stderr: Captured,
    /// The block that is run; outside of the directory of the page.
    script: TempDir,
}

impl Shell {
    fn new(directory: &Path) -> Self {
        let mut command = bash(directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Servers that a block starts on purpose, to show an error, leave no data behind.
        command.env("PINTLE_STORE", "memory").process_group(0);
        let mut child = command.spawn().expect("bash starts");
        let mut stdin = child.stdin.take().expect("standard input is piped");
        let stdout = Captured::follow(child.stdout.take().expect("standard output is piped"));
        let stderr = Captured::follow(child.stderr.take().expect("standard error is piped"));
        writeln!(stdin, "set -euo pipefail").expect("bash reads");
        let script = tempfile::tempdir().expect("a temporary directory");
        Self { child, stdin, stdout, stderr, script }
    }

    /// Runs a block, and returns what it printed.
    async fn run(&mut self, block: &str) -> String {
        let script = self.script();
        write(&script, block);
        let before = self.stdout.text();
        let script = script.display();
        writeln!(self.stdin, "source '{script}' </dev/null; printf '\\n%s' '{BORDER}'")
            .expect("bash reads");
        let output =
            |text: &str| text.strip_prefix(&*before)?.strip_suffix(BORDER).map(str::to_owned);
        let output = within(block, self.stdout.until(output)).await;
        output.unwrap_or_else(|| {
            let (printed, problem) = (self.stdout.text(), self.stderr.text());
            let printed = printed.trim_start_matches(&*before);
            panic!("the shell ended with\n{block}\n{printed}\n{problem}")
        })
    }

    fn script(&self) -> PathBuf {
        self.script.path().join("block.sh")
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // With all that runs in its background. A group that has ended cannot be killed.
        let group = format!("-{}", self.child.id());
        drop(Command::new("kill").args(["-KILL", "--", &group]).output());
        drop(self.child.wait());
    }
}
