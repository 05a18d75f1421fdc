//! Bad input of every sort: nothing is changed, the answer says what is wrong, and the server goes
//! on.

mod bodies;
mod boundary;
mod definitions;
mod paths;
mod versions;
mod wire;

use serde_json::{Value, json};

use crate::harness::server::{Launch, Server};

/// The sample object, and its status.
const DEVICE: &str = "/devices/dev-123";
const STATUS: &str = "/devices/dev-123/status";

/// The status that the sample has in these tests.
fn stored_status() -> Value {
    json!({
        "phase": "Ready",
        "message": "as it should be",
        "conditions": [{"type": "Ready", "status": "True", "reason": "Online"}],
    })
}

/// A server of `examples/devices` in memory, where the sample has a status.
async fn devices() -> Server {
    with_status(Launch::devices()).await
}

async fn with_status(launch: Launch) -> Server {
    let server = launch.arg("--store=memory").start().await;
    server.put(STATUS, &json!({"status": stored_status()})).await.expect(200);
    server
}
