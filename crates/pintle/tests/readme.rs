//! The README, done: see `support/pages.rs`. What the first call of cargo is said to print is
//! compared with the start of the server that this test runs.

#![cfg(test)]

#[path = "support/harness.rs"]
mod harness;
#[path = "support/pages.rs"]
mod pages;

use std::process::Command;

use harness::server::{Server, repository};
use pages::blocks;

#[tokio::test]
async fn the_readme_is_true() {
    let text = std::fs::read_to_string(repository().join("README.md")).expect("there is a README");
    let blocks = blocks(&text);
    let server = Server::devices().await;
    for block in blocks.iter().filter(|block| block.command.starts_with("cargo run")) {
        assert!(block.expected.is_some(), "the README shows what a start prints");
        block.check(&server, &server.stdout());
    }
    pages::check(&blocks, &server, &repository()).await;
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
