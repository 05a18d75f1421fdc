//! Pages for readers, done: their shell blocks run in order against a server, and each prints what
//! the block after it says. Test binaries include this file beside the harness.
//!
//! In an expected answer (`json` or `text`) `…` stands for anything, and white space does not
//! count, so that long lines can be broken for readers. Blocks in other languages are for readers
//! alone. Calls of cargo are not repeated here. The address of the text becomes that of the server.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::server::Server;
use crate::harness::within;

/// The address that the server of a page listens on.
const ADDRESS: &str = "127.0.0.1:8080";
/// Printed between the blocks, to tell their output apart.
const BORDER: &str = "-- next block --";

/// A shell block, and what it is said to print.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) command: String,
    pub(crate) expected: Option<String>,
}

impl Block {
    /// Fails unless this is what was printed.
    pub(crate) fn check(&self, server: &Server, output: &str) {
        let Some(expected) = &self.expected else { return };
        let (command, expected) = (&self.command, in_place(expected, server));
        let said = format!("{command}\nshould print\n{expected}\nand prints\n{output}");
        assert!(matches(&expected, output), "{said}");
    }
}

/// What is between fences: language and text.
pub(crate) fn fenced(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.map(|fenced| fenced.split_once('\n').expect("a block has lines"))
}

/// The shell blocks of a page.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for (language, body) in fenced(text) {
        match (language, blocks.last_mut()) {
            ("sh", _) => blocks.push(Block { command: body.to_owned(), expected: None }),
            ("json" | "text", Some(last)) if last.expected.is_none() => {
                last.expected = Some(body.to_owned());
            }
            ("json" | "text", _) => panic!("this block follows no command:\n{body}"),
            _ => {}
        }
    }
    blocks
}

/// Runs the blocks in one shell, so that later ones can use the variables of earlier ones, and
/// compares what each prints. `pintle` is the program.
pub(crate) async fn check(blocks: &[Block], server: &Server, directory: &Path) {
    let is_run = |block: &&Block| !block.command.starts_with("cargo ");
    let blocks: Vec<&Block> = blocks.iter().filter(is_run).collect();
    assert!(blocks.len() > 2, "a page shows what it says");
    let outputs = run(&blocks, server, directory).await;
    assert_eq!(outputs.len(), blocks.len(), "{outputs:#?}");
    for (block, output) in blocks.iter().zip(&outputs) {
        block.check(server, output);
    }
}

async fn run(blocks: &[&Block], server: &Server, directory: &Path) -> Vec<String> {
    let commands: Vec<&str> = blocks.iter().map(|block| block.command.as_str()).collect();
    let script = commands.join(&format!("\necho; echo '{BORDER}'\n"));
    let script = format!("set -euo pipefail\n{}", in_place(&script, server));
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(directory).stdin(Stdio::null());
    // Settings of whoever runs the tests are no business of the page, and nothing that it starts
    // gets in the way of other servers.
    let variables = std::env::vars_os().map(|(name, _)| name);
    for name in variables.filter(|name| name.to_string_lossy().starts_with("PINTLE_")) {
        shell.env_remove(name);
    }
    shell.env("PINTLE_STORE", "memory").env("PINTLE_LISTEN", "127.0.0.1:0");
    shell.env("PATH", path_with_program());
    let output = tokio::task::spawn_blocking(move || shell.output());
    let output = within("the blocks of a page", output).await.expect("nothing panics there");
    let output = output.expect("bash starts");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{problem}\n{}", output.status, server.stderr());
    let text = String::from_utf8(output.stdout).expect("answers are UTF-8");
    text.split(BORDER).map(str::to_owned).collect()
}

fn path_with_program() -> std::ffi::OsString {
    let program = Path::new(env!("CARGO_BIN_EXE_pintle")).parent().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = program.into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(directories).expect("directories of a path stand in a path")
}

fn in_place(text: &str, server: &Server) -> String {
    text.replace(ADDRESS, &server.client.address.to_string())
}

/// Whether `text` is what `pattern` says, white space aside.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (without_spaces(pattern), without_spaces(text));
    let mut pieces = pattern.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

fn without_spaces(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

#[test]
fn dots_stand_for_anything() {
    for (pattern, text, expected) in [
        ("a b", "ab\n", true),
        ("ab", "abc", false),
        ("a…c", "abbc", true),
        ("a…c…", "xabcd", false),
        ("…b…d", "abcd", true),
        ("…b…b", "ab", false),
        ("a…", "a", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern:?} {text:?}");
    }
}
