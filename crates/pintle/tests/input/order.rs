//! Who may do what, and the order in which a request is checked (rule 3 of the contract): the same
//! request always gets the same answer, and who has no right learns nothing else.

mod access;
mod checks;
mod everything;
mod matrix;
mod namespaces;
mod reload;
mod reviews;
mod start;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::server::{Launch, Server, devices};

const DEVICE: &str = "/devices/dev-123";
const STATUS: &str = "/devices/dev-123/status";

/// The callers of the example, and one who may do everything.
const ROOT: [(&str, &str); 1] = [("authorization", "Bearer root-token")];
const ALICE: [(&str, &str); 1] = [("authorization", "Bearer alice-token")];
const CONTROLLER: [(&str, &str); 1] = [("authorization", "Bearer controller-token")];
const BOB: [(&str, &str); 1] = [("authorization", "Bearer bob-token")];
const MALLORY: [(&str, &str); 1] = [("authorization", "Bearer mallory-token")];

/// A server of the example, and the files that it was started with.
struct Guarded {
    server: Server,
    _files: TempDir,
}

/// The example with its tokens, one more for the administrator, and a policy of our own or its own.
async fn guarded(policy: Option<&str>) -> Guarded {
    let files = tempfile::tempdir().expect("a temporary directory");
    let policy_file = match policy {
        None => devices().join("policy.yaml"),
        Some(text) => written(&files, "policy.yaml", text),
    };
    Guarded { server: guarded_by(&files, &policy_file).await, _files: files }
}

/// The example with its tokens, one more for the administrator, and this policy file.
async fn guarded_by(files: &TempDir, policy: &Path) -> Server {
    with_tokens(files).arg(format!("--policy={}", policy.display())).start().await
}

/// The example with its tokens, and RBAC objects from a file.
async fn ruled(rules: &str) -> Guarded {
    let files = tempfile::tempdir().expect("a temporary directory");
    let launch = with_tokens(&files).path(written(&files, "rules.yaml", rules));
    Guarded { server: launch.start().await, _files: files }
}

fn with_tokens(files: &TempDir) -> Launch {
    let tokens = std::fs::read_to_string(devices().join("tokens.csv")).expect("the example has it");
    let tokens = format!("{}\nroot-token,root,,system:masters\n", tokens.trim_end());
    let tokens = written(files, "tokens.csv", &tokens);
    Launch::devices().arg("--store=memory").arg(format!("--tokens={}", tokens.display()))
}

fn written(files: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = files.path().join(name);
    std::fs::write(&path, text).expect("the directory is there");
    path
}

fn stored_status() -> Value {
    json!({"phase": "Ready", "conditions": [{"type": "Ready", "status": "True"}]})
}

impl Guarded {
    /// Gives the sample a status.
    async fn report(&self) {
        let body = json!({"status": stored_status()});
        self.server.json("PUT", STATUS, &ROOT, &body).await.expect(200);
    }
}
