//! The most typical exchanges, as they stand on the wire, in `transcripts/*.http`.
//!
//! Requests are written by hand; answers are what the server said, with everything that differs
//! from run to run replaced. `PINTLE_BLESS=1` writes the answers anew, to be reviewed as a diff.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::http::Reply;
use crate::harness::server::{Launch, Server};
use crate::kinds;

#[tokio::test]
async fn the_wire_is_as_recorded() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    files.sort();
    assert!(files.len() > 4, "the transcripts are found");
    for file in files {
        let server = Launch::devices().start().await;
        replay(&server, &file).await;
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/transcripts")
}

async fn replay(server: &Server, file: &Path) {
    let recorded = std::fs::read_to_string(file).expect("it can be read");
    let (preface, exchanges) = recorded.split_once("### ").expect("exchanges begin with ###");
    kinds::until_settled(server, "devices.infra.example.io").await;
    let mut names = Names::default();
    let mut played = preface.to_owned();
    for exchange in exchanges.split("\n### ") {
        let request = exchange.split("\nHTTP/1.1 ").next().unwrap_or(exchange).trim_end();
        let answer = send(server, request, &names).await;
        let answer = names.replace(&answer);
        write!(played, "### {request}\n\n{answer}\n\n").expect("text grows in memory");
    }
    let played = format!("{}\n", played.trim_end());
    if std::env::var_os("PINTLE_BLESS").is_some() {
        std::fs::write(file, played).expect("it can be written");
    } else {
        compare(file, &recorded, &played);
    }
}

/// Shows the first lines that differ, and not two whole files.
fn compare(file: &Path, recorded: &str, played: &str) {
    let lines = recorded.lines().map(Some).chain(std::iter::repeat(None));
    let mut lines = lines.zip(played.lines().map(Some).chain([None])).enumerate();
    if let Some((index, (before, now))) = lines.find(|(_, (before, now))| before != now) {
        panic!(
            "{}, line {}: recorded {before:?}, now {now:?} (PINTLE_BLESS=1 records it anew)",
            file.display(),
            index + 1,
        );
    }
    assert_eq!(recorded.len(), played.len(), "{} is longer", file.display());
}

/// Sends the request of an exchange: a title, the request line, headers, an empty line, the body.
async fn send(server: &Server, request: &str, names: &Names) -> Reply {
    let request = names.restore(request);
    let (head, body) = request.split_once("\n\n").unwrap_or((&request, ""));
    let mut lines = head.lines().skip(1);
    let line = lines.next().expect("an exchange has a request line");
    let (method, path) = line.split_once(' ').expect("method and path");
    let headers: Vec<_> = lines.map(|line| line.split_once(": ").expect("a header")).collect();
    server.send(method, path, &headers, body.to_owned()).await
}

/// What differs from run to run, and the names that stand for it: `{v1}`, `{uid1}`.
#[derive(Debug, Default)]
struct Names {
    known: Vec<(String, String)>,
}

/// Headers that say nothing about the exchange.
const SILENT: [&str; 3] = ["date", "content-length", "x-request-id"];
const TIMES: [&str; 5] =
    ["creationTimestamp", "createdAt", "updatedAt", "deletionTimestamp", "lastTransitionTime"];

impl Names {
    fn replace(&mut self, reply: &Reply) -> String {
        // Watches tell one document a line.
        for line in reply.text().lines() {
            let json = line.strip_prefix("data: ").unwrap_or(line);
            self.learn(&serde_json::from_str(json).unwrap_or(Value::Null), "");
        }
        if let Some(version) = reply.headers.get("pintle-resource-version") {
            self.note("v", version.to_str().unwrap_or_default());
        }
        let mut out = format!("HTTP/1.1 {}\n", reply.status);
        for (name, value) in &reply.headers {
            if !SILENT.contains(&name.as_str()) {
                let value = String::from_utf8_lossy(value.as_bytes());
                writeln!(out, "{name}: {value}").expect("text grows in memory");
            }
        }
        if !reply.body.is_empty() {
            write!(out, "\n{}", indented(&reply.text())).expect("text grows in memory");
        }
        self.hide(out.trim_end())
    }

    /// Notes the versions and uids of a body, in the order of a tree walk.
    fn learn(&mut self, value: &Value, key: &str) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, value)| self.learn(value, key)),
            Value::Array(items) => items.iter().for_each(|value| self.learn(value, key)),
            Value::String(text) if key.to_lowercase().ends_with("resourceversion") => {
                self.note("v", text);
            }
            Value::String(text) if key == "uid" => self.note("uid", text),
            Value::String(text) if key == "requestId" => self.note("id", text),
            Value::String(text) if TIMES.contains(&key) => self.note("time", text),
            _ => {}
        }
    }

    fn note(&mut self, family: &str, text: &str) {
        if self.known.iter().all(|(known, _)| known != text) {
            let of_family =
                |(_, name): &&(String, String)| name.starts_with(&format!("{{{family}"));
            let number = self.known.iter().filter(of_family).count() + 1;
            // Clocks tick as they like, and nothing refers to requests, so these have one name
            // together.
            let alike = ["time", "id"].contains(&family);
            let name =
                if alike { format!("{{{family}}}") } else { format!("{{{family}{number}}}") };
            self.known.push((text.to_owned(), name));
        }
    }

    /// Replaces whole words only: a version is not part of a larger number.
    fn hide(&self, text: &str) -> String {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.');
        let mut out = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
            let (this, after) = rest.split_at(end);
            let name = self.known.iter().find(|(known, _)| known == this);
            let name = name.filter(|(_, name)| !name.starts_with("{v") || says_version(&out));
            out.push_str(name.map_or(this, |(_, name)| name));
            let end = after.find(word).unwrap_or(after.len());
            let (between, after) = after.split_at(end);
            out.push_str(between);
            rest = after;
        }
        hide_tokens(&out)
    }

    fn restore(&self, text: &str) -> String {
        let known = self.known.iter();
        known.fold(text.to_owned(), |text, (known, name)| text.replace(name, known))
    }
}

/// A number is a version where it is quoted, or where prose says so.
fn says_version(before: &str) -> bool {
    ["\"", "ersion ", "ersion: ", " at ", "newest one, ", "id: "]
        .iter()
        .any(|end| before.ends_with(end))
}

/// Continue tokens hold versions in a form of their own.
fn hide_tokens(text: &str) -> String {
    let Some((before, after)) = text.split_once("continue=") else { return text.to_owned() };
    let (_token, after) = after.split_at(after.find(['>', '&', '"']).unwrap_or(after.len()));
    format!("{before}continue={{token}}{after}")
}

/// JSON with line breaks, its members in their order. Short ones stay on one line.
fn indented(text: &str) -> String {
    const WIDTH: usize = 100;
    if text.len() <= WIDTH {
        return text.to_owned();
    }
    let mut out = String::new();
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for c in text.chars() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            out.push(c);
            continue;
        }
        quoted = c == '"';
        if matches!(c, '}' | ']') {
            depth -= 1;
            let empty = out.trim_end().ends_with(['{', '[']);
            out.truncate(if empty { out.trim_end().len() } else { out.len() });
            out.push_str(&if empty { String::new() } else { line_break(depth + 1, depth) });
        }
        out.push(c);
        depth += usize::from(matches!(c, '{' | '['));
        if matches!(c, '{' | '[' | ',') {
            out.push_str(&line_break(depth, depth));
        }
    }
    out
}

/// A new line inside of what is not too deep; deeper members stay on the line of what holds them.
fn line_break(inside: usize, depth: usize) -> String {
    if inside > 2 { String::new() } else { format!("\n{}", "  ".repeat(depth)) }
}
