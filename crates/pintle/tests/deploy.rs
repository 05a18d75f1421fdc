//! What `deploy/` holds is what the program needs: the unit starts it, and the image has its
//! sources. What needs root, `.ci/image`, tries the image itself.

#![cfg(test)]

#[path = "support/harness.rs"]
mod harness;

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::running::{Running, without_settings};
use harness::server::{devices, repository};
use pintle_http::ServerLimits;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pintle");

fn unit() -> String {
    let file = repository().join("deploy/systemd/pintle.service");
    std::fs::read_to_string(file).expect("there is a unit")
}

/// The values of a key of the unit.
fn values(key: &str) -> Vec<String> {
    let of_key = |line: &str| Some(line.strip_prefix(key)?.strip_prefix('=')?.to_owned());
    unit().lines().filter_map(of_key).collect()
}

fn value(key: &str) -> String {
    let values = values(key);
    assert_eq!(values.len(), 1, "the unit has one {key}");
    values.concat()
}

/// The command of the unit, with its directories below `root`.
fn command(root: &Path) -> Command {
    let below = |text: &str| text.replace("/etc/", &format!("{}/etc/", root.display()));
    let start = value("ExecStart");
    let (program, args) = start.split_once(' ').expect("it has arguments");
    assert_eq!(program, "/usr/local/bin/pintle");
    let mut command = Command::new(PROGRAM);
    without_settings(&mut command);
    command.args(args.split(' ').map(below)).stdin(Stdio::null());
    for setting in values("Environment") {
        let (name, value) = setting.split_once('=').expect("NAME=VALUE");
        command.env(name, value.replace("/var/", &format!("{}/var/", root.display())));
    }
    command.env("PINTLE_LISTEN", "127.0.0.1:0");
    command
}

/// A machine with kinds and settings to serve.
fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a temporary directory");
    let etc = root.path().join("etc/pintle");
    std::fs::create_dir_all(&etc).expect("a directory");
    for file in ["device.crd.yaml", "pintle.yaml", "policy.yaml", "tokens.csv"] {
        std::fs::copy(devices().join(file), etc.join(file)).expect("a copy");
    }
    root
}

async fn heard(manager: UnixDatagram) -> (UnixDatagram, String) {
    let receive = move || {
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).expect("something was sent");
        (manager, String::from_utf8_lossy(&bytes[..length]).into_owned())
    };
    tokio::task::spawn_blocking(receive).await.expect("nothing panics there")
}

#[tokio::test]
async fn the_unit_starts_it_and_hears_how_far_it_is() {
    assert_eq!(value("Type"), "notify");
    let root = machine();
    let socket = root.path().join("notify");
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    manager.set_read_timeout(Some(harness::PATIENCE)).expect("a time-out");
    let mut command = command(root.path());
    let mut running = Running::start({
        command.env("NOTIFY_SOCKET", &socket);
        command
    })
    .await;
    let (manager, message) = heard(manager).await;
    assert_eq!(message, "READY=1");
    running.ready().await;
    assert!(root.path().join("var/lib/pintle/pintle.db").exists(), "data is where the unit says");
    running.terminate();
    let (_, message) = heard(manager).await;
    assert_eq!(message, "STOPPING=1");
    assert!(running.ended().await.success());
}

#[test]
fn a_stop_has_the_time_that_it_takes() {
    let seconds = value("TimeoutStopSec").parse().expect("seconds");
    let limits = ServerLimits::default();
    let drain = limits.drain_timeout + limits.farewell_timeout;
    assert!(drain + Duration::from_secs(10) < Duration::from_secs(seconds), "{drain:?}");
    let files: usize = value("LimitNOFILE").parse().expect("a number");
    assert!(limits.connections_max + 1_000 < files);
}

#[test]
fn systemd_understands_the_unit() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("pintle.service");
    let text = unit().replace("/usr/local/bin/pintle", PROGRAM);
    std::fs::write(&file, text).expect("a file");
    let mut verify = Command::new("systemd-analyze");
    let Ok(output) = verify.arg("verify").arg(&file).output() else {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    // It also speaks of other units of the machine.
    let about_it = said.lines().find(|line| line.contains("pintle.service"));
    assert_eq!(about_it, None);
    assert!(output.status.success(), "{said}");
}

/// The image is made of what `.dockerignore` lets through: `Cargo.toml`, `Cargo.lock`, `crates`.
#[test]
fn the_image_has_all_sources() {
    for file in sources(&repository().join("crates")) {
        let text = std::fs::read_to_string(&file).expect("sources are text");
        for included in text.split("include_").skip(1).filter_map(|after| path_of(after, &file)) {
            let included = included.canonicalize().unwrap_or_else(|error| {
                panic!("{}: {}: {error}", file.display(), included.display())
            });
            let is_let_through = included.starts_with(repository().join("crates"));
            assert!(is_let_through, "{} is not in the image", included.display());
        }
    }
}

/// The file of `include_str!("…")` or `include_bytes!("…")`.
fn path_of(after: &str, source: &Path) -> Option<PathBuf> {
    let rest = after.strip_prefix("str!(\"").or_else(|| after.strip_prefix("bytes!(\""))?;
    let (path, _) = rest.split_once('"')?;
    Some(source.parent()?.join(path))
}

/// The sources of all crates, tests aside.
fn sources(crates: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = list(crates).iter().map(|name| name.join("src")).collect();
    while let Some(directory) = open.pop() {
        for entry in list(&directory) {
            let is_source = entry.extension().is_some_and(|extension| extension == "rs");
            if entry.is_dir() {
                open.push(entry);
            } else if is_source && !entry.ends_with("tests.rs") {
                found.push(entry);
            }
        }
    }
    assert!(found.len() > 100, "there are sources");
    found
}

fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("it can be listed");
    entries.map(|entry| entry.expect("it can be listed").path()).collect()
}
