//! The reference in `docs/`, done: each page has a server of its own, and what it shows is what
//! that server says. How a page is read stands in `support/pages.rs`.
//!
//! A page brings its files along: a `yaml` block whose first line is `# NAME` is the file NAME, and
//! a `csv` block is `tokens.csv`.

#![cfg(test)]

#[path = "support/harness.rs"]
mod harness;
#[path = "support/pages.rs"]
mod pages;

use std::path::{Path, PathBuf};

use harness::server::{Launch, repository};
use pages::{blocks, fenced};
use tempfile::TempDir;

fn read(page: &str) -> String {
    let file = repository().join("docs/src").join(page);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A directory with the files of a page, and the examples of the repository.
fn directory_of(text: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = |name: &str| directory.path().join(name);
    std::os::unix::fs::symlink(repository().join("examples"), place("examples")).expect("a link");
    for (language, body) in fenced(text) {
        let first = body.lines().next().unwrap_or_default();
        match (language, first.strip_prefix("# ")) {
            ("yaml", Some(name)) => write(&place(name), body),
            ("csv", _) => write(&place("tokens.csv"), body),
            _ => {}
        }
    }
    directory
}

fn write(file: &Path, text: &str) {
    let directory = file.parent().expect("a file is in a directory");
    std::fs::create_dir_all(directory).and_then(|()| std::fs::write(file, text)).expect("a file");
}

async fn check(page: &str, launch: impl FnOnce(PathBuf) -> Launch) {
    let text = read(page);
    let directory = directory_of(&text);
    let server = launch(directory.path().to_owned()).start().await;
    pages::check(&blocks(&text), &server, directory.path()).await;
}

#[tokio::test]
async fn the_page_about_requests_is_true() {
    check("rest.md", |_| Launch::devices()).await;
}

#[tokio::test]
async fn the_page_about_rights_is_true() {
    let launch = |directory: PathBuf| {
        let option =
            |name: &str, file: &str| format!("--{name}={}", directory.join(file).display());
        Launch::devices()
            .path(directory.join("rbac.yaml"))
            .arg(option("policy", "policy.yaml"))
            .arg(option("tokens", "tokens.csv"))
    };
    check("policy.md", launch).await;
}

#[tokio::test]
async fn the_page_about_files_is_true() {
    check("files.md", |directory| Launch::bare().path(directory.join("site"))).await;
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = read("SUMMARY.md");
    let pages = std::fs::read_dir(repository().join("docs/src")).expect("there is a reference");
    for page in pages {
        let name = page.expect("it can be listed").file_name().into_string().expect("UTF-8");
        let listed = name == "SUMMARY.md" || summary.contains(&format!("({name})"));
        assert!(listed, "{name} is missing in docs/src/SUMMARY.md");
    }
}
