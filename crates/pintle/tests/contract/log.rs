//! A log that nobody reads, or that cannot be written, is nobody's business but the log's.

use std::process::Command;

use crate::harness::http::Client;
use crate::harness::running::{Running, without_settings};
use crate::harness::server::devices;
use crate::harness::within;

/// More lines than a pipe has room for: each of these requests is worth one.
const REQUESTS: usize = 800;

/// A server whose standard error is this redirection of bash.
async fn logging_to(redirection: &str, data: &std::path::Path) -> Running {
    let tokens = data.join("tokens.csv");
    std::fs::write(&tokens, "0123456789abcdef,alice,1\n").expect("a file");
    let mut command = Command::new("bash");
    command.args(["-c", &format!(r#"exec "$0" "$@" 2> {redirection}"#)]);
    command.arg(env!("CARGO_BIN_EXE_pintle")).arg("serve").arg(devices());
    command.args(["--listen", "127.0.0.1:0", "--store", "memory", "--tokens"]).arg(tokens);
    without_settings(&mut command);
    Running::start(command).await
}

#[tokio::test]
async fn requests_are_answered_and_a_signal_ends_it_in_order_whatever_becomes_of_the_log() {
    let unread = ">(exec sleep 120 >/dev/null 2>&1)";
    for redirection in ["/dev/full", unread] {
        let data = tempfile::tempdir().expect("a directory");
        let mut running = logging_to(redirection, data.path()).await;
        running.ready().await;
        let client = Client::new(running.address);
        let bad = [("authorization", "Bearer wrong")];
        for _ in 0..REQUESTS {
            let answered = client.try_send("GET", "/devices", &bad, "");
            let reply = within("an answer", answered).await.expect("an answer");
            assert_eq!(reply.status, 401, "{redirection}");
        }
        running.terminate();
        assert!(running.ended().await.success(), "{redirection}");
    }
}
