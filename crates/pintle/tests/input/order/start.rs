//! Starts that must not happen: each ends with exit code 2, one message that names what is wrong,
//! and nothing started.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::written;
use crate::harness::server::devices;

/// How a start ended.
struct Refused {
    code: Option<i32>,
    stderr: String,
}

/// Runs the program with exactly these arguments, which must not start a server: that would say so
/// on its standard output, and go on.
#[track_caller]
fn run(directory: &Path, arguments: &[&str]) -> Refused {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pintle"))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = String::new();
    let stdout = child.stdout.take().expect("standard output is piped");
    BufReader::new(stdout).read_line(&mut said).expect("standard output is text");
    if !said.is_empty() {
        child.kill().expect("it runs");
        panic!("a server was started with {arguments:?}: {said}");
    }
    let mut stderr = String::new();
    let mut pipe = child.stderr.take().expect("standard error is piped");
    pipe.read_to_string(&mut stderr).expect("standard error is text");
    Refused { code: child.wait().expect("it is our child").code(), stderr }
}

#[track_caller]
fn assert_refused(refused: &Refused, says: &[&str]) {
    let Refused { code, stderr } = refused;
    assert_eq!(*code, Some(2), "{stderr}");
    for says in says {
        assert!(stderr.contains(says), "{says:?} is not said:\n{stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// Runs the example with more arguments, on a free port and in memory.
#[track_caller]
fn run_example(more: &[&str]) -> Refused {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let example = devices();
    let example = example.to_str().expect("a plain path");
    let arguments = ["serve", example, "--listen=127.0.0.1:0", "--store=memory"];
    run(directory.path(), &[&arguments, more].concat())
}

#[test]
fn without_credentials_only_this_machine_is_served() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let example = devices();
    let example = example.to_str().expect("a plain path");
    let policy = format!("--policy={example}/policy.yaml");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080", "[2001:db8::1]:8080"] {
        for more in [&[][..], &[policy.as_str()], &["--authorization=rbac"]] {
            let arguments = [&["serve", example, "--listen", address], more].concat();
            let output = run(directory.path(), &arguments);
            assert_refused(&output, &["can be reached from other machines", "--tokens"]);
        }
    }
    let left = std::fs::read_dir(directory.path()).expect("it is there").count();
    assert_eq!(left, 0, "nothing was made for a server that did not start");
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    /// A file with this text; its path.
    fn file(&self, name: &str, text: &str) -> String {
        written(&self.0, name, text).to_str().expect("a plain path").to_owned()
    }

    fn missing(&self) -> String {
        self.0.path().join("missing").to_str().expect("a plain path").to_owned()
    }
}

#[test]
fn files_that_cannot_be_used_stop_the_start() {
    let files = Files::new();
    let missing = files.missing();
    let option = |name: &str, file: &str| format!("--{name}={file}");
    let text = |name: &str, text: &str| option(name, &files.file(&format!("{name}.txt"), text));
    let start = |argument: &str, says: &[&str]| {
        assert_refused(&run_example(&[argument]), says);
    };
    for name in ["policy", "tokens", "config"] {
        start(&option(name, &missing), &[&missing]);
        start(&option(name, files.0.path().to_str().expect("a plain path")), &["cannot"]);
    }
    start(&text("tokens", "secret-secret,alice"), &["tokens.txt", "line 1", "2 fields"]);
    start(&text("tokens", "a,b,c\na,b,c\n"), &["tokens.txt", "line 2"]);
    start(&text("policy", "- role: r\n  permission: [a:b]\n"), &["policy.txt", "permission"]);
    start(&text("policy", "- user: alice\n  role: none\n"), &["policy.txt", "none"]);
    start(&text("policy", "- role: r\n  permissions: [devices]\n"), &["policy.txt", "devices"]);
    start(&text("policy", "- role: r\n  permissions: [devices:frob]\n"), &["policy.txt", "frob"]);
    start(&text("policy", "role: x\n"), &["policy.txt", "list"]);
    start(&text("policy", "- role: [\n"), &["policy.txt", "line"]);
    start(&text("config", "listenn: 127.0.0.1:1\n"), &["config.txt", "line 1", "listenn"]);
    start(&text("config", "history-age: 5\n"), &["config.txt", "history-age"]);
    start("--history-age=5", &["--history-age"]);
    start("--frob", &["--frob"]);
    start("--body-bytes-max=1", &["1KiB"]);
    let policy = format!("--policy={}", devices().join("policy.yaml").display());
    let both = run_example(&["--authorization=none", &policy]);
    assert_refused(&both, &["--authorization none"]);
}

#[test]
fn documents_that_cannot_be_used_stop_the_start() {
    let device = "apiVersion: infra.example.io/v1\nkind: Device\nmetadata: {name: x}\n";
    let cases = [
        ("a: [", &["line 1"][..]),
        ("a: 1\na: 2\n", &["a"]),
        ("apiVersion: v1\n", &["no kind"]),
        ("kind: Device\n", &["no apiVersion"]),
        ("hello\n", &["no apiVersion and no kind"]),
        ("apiVersion: v1\nkind: Gadget\nmetadata: {name: x}\n", &["Gadget", "is declared"]),
        ("apiVersion: infra.example.io/v9\nkind: Device\nmetadata: {name: x}\n", &["v9"]),
        (device, &["spec"]),
        (&format!("{device}spec: {{name: one}}\n"), &["spec.location"]),
        (&format!("{device}spec: {{name: one, location: 5}}\n"), &["spec.location"]),
        (
            &format!(
                "---\n{device}spec: {{name: one, location: x}}\n---\n{}",
                device.replace("x}", "y}")
            ),
            &["document 2"],
        ),
        (
            "apiVersion: infra.example.io/v1\nkind: Device\nspec: {name: one, location: x}\n",
            &["metadata.name"],
        ),
        (
            "apiVersion: infra.example.io/v1\nkind: Device\nmetadata: {name: A}\nspec: {name: one, location: x}\n",
            &["metadata.name"],
        ),
        (
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n",
            &["spec"],
        ),
        ("&a [*a]\n", &["line 1"]),
    ];
    for (text, says) in cases {
        let files = Files::new();
        let file = files.file("bad.yaml", text);
        assert_refused(&run_example(&[&file]), &[&["bad.yaml"], says].concat());
    }
    let files = Files::new();
    assert_refused(&run_example(&[&files.missing()]), &["missing"]);
}

#[test]
fn a_place_that_cannot_be_had_stops_the_start() {
    let files = Files::new();
    let file = files.file("file", "not a directory");
    let example = devices();
    let example = example.to_str().expect("a plain path");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("it is bound").to_string();
    let directory = files.0.path();
    let in_use = ["serve", example, "--store=memory", "--listen", &taken];
    assert_refused(&run(directory, &in_use), &[&taken, "is another server running there"]);
    let no_directory = ["serve", example, "--listen=127.0.0.1:0", "--data-dir", &file];
    assert_refused(&run(directory, &no_directory), &[&file]);
}
