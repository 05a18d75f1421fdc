//! The README, done: its shell blocks run in order against a server, and each prints what the block
//! after it says.
//!
//! In an expected answer `…` stands for anything, and white space does not count, so that long
//! lines can be broken for readers. Calls of cargo are not repeated here; what the first of them is
//! said to print is compared with the start of the server that this test runs. The address of the
//! text becomes that of this server.

#[path = "support/harness.rs"]
mod harness;

use std::process::{Command, Stdio};

use harness::server::{Server, repository};
use harness::within;

/// The address that the README's server listens on.
const ADDRESS: &str = "127.0.0.1:8080";
/// Printed between the blocks, to tell their output apart.
const BORDER: &str = "-- next block --";

#[tokio::test]
async fn the_readme_is_true() {
    let text = std::fs::read_to_string(repository().join("README.md")).expect("there is a README");
    let blocks = blocks(&text);
    let commands: Vec<&Block> = blocks.iter().filter(|block| !block.is_cargo()).collect();
    assert!(commands.len() > 4, "the README has a round trip with curl");

    let server = Server::devices().await;
    for block in blocks.iter().filter(|block| block.command.starts_with("cargo run")) {
        let expected = block.expected.as_deref().expect("the README shows what a start prints");
        check(&block.command, &expected.replace(ADDRESS, &address(&server)), &server.stdout());
    }
    let outputs = run(&commands, &server).await;
    assert_eq!(outputs.len(), commands.len(), "{outputs:#?}");
    for (block, output) in commands.iter().zip(&outputs) {
        if let Some(expected) = &block.expected {
            check(&block.command, expected, output);
        }
    }
}

#[test]
fn the_table_of_settings_is_complete() {
    let text = std::fs::read_to_string(repository().join("README.md")).expect("there is a README");
    let help = Command::new(env!("CARGO_BIN_EXE_pintle")).args(["serve", "--help"]).output();
    let help = String::from_utf8(help.expect("the program starts").stdout).expect("help is UTF-8");
    let words = help.split_whitespace();
    let variables: Vec<&str> = words
        .skip_while(|word| *word != "Options:")
        .filter_map(|word| word.strip_suffix(']'))
        .filter(|word| word.starts_with("PINTLE_"))
        .collect();
    assert!(variables.len() > 10, "the help names the variable of each option:\n{help}");
    for variable in variables {
        let name = variable.trim_start_matches("PINTLE_").replace('_', "-").to_lowercase();
        let is_row = |line: &str| {
            line.starts_with(&format!("| `--{name}")) && line.contains(&format!("`{variable}`"))
        };
        assert!(text.lines().any(is_row), "the README has no row for --{name} and {variable}");
    }
}

/// A shell block, and the block right after it.
#[derive(Debug)]
struct Block {
    command: String,
    expected: Option<String>,
}

impl Block {
    fn is_cargo(&self) -> bool {
        self.command.starts_with("cargo ")
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    // What is between fences is at the odd places.
    for fenced in text.split("```").skip(1).step_by(2) {
        let (language, body) = fenced.split_once('\n').expect("a block has lines");
        match (language, blocks.last_mut()) {
            ("sh", _) => blocks.push(Block { command: body.to_owned(), expected: None }),
            (_, Some(last)) if last.expected.is_none() => last.expected = Some(body.to_owned()),
            (language, _) => assert_eq!(language, "sh", "this block follows no command:\n{body}"),
        }
    }
    blocks
}

/// Runs all blocks in one shell, so that later ones can use the variables of earlier ones.
async fn run(blocks: &[&Block], server: &Server) -> Vec<String> {
    let commands: Vec<&str> = blocks.iter().map(|block| block.command.as_str()).collect();
    let script = commands.join(&format!("\necho; echo '{BORDER}'\n"));
    let script = format!("set -euo pipefail\n{}", script.replace(ADDRESS, &address(server)));
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(repository()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || shell.output());
    let output = within("the blocks of the README", output).await.expect("nothing panics there");
    let output = output.expect("bash starts");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{problem}\n{}", output.status, server.stderr());
    let text = String::from_utf8(output.stdout).expect("answers are UTF-8");
    text.split(BORDER).map(str::to_owned).collect()
}

fn address(server: &Server) -> String {
    server.client.address.to_string()
}

fn check(command: &str, expected: &str, output: &str) {
    assert!(matches(expected, output), "{command}\nshould print\n{expected}\nand prints\n{output}");
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
