//! What the server logs when it logs everything, searched for what callers showed.

use crate::harness::server::{Launch, devices};
use crate::harness::within;

#[tokio::test]
async fn no_secret_is_logged_at_any_level() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let tokens = directory.path().join("tokens.csv");
    let text = "known-zq81-token,alice,1\nother-zq82-token,bob,2\n";
    std::fs::write(&tokens, text).expect("it can be written");
    let launch = Launch::devices().arg("--policy").arg(devices().join("policy.yaml"));
    let mut server = launch.arg("--tokens").arg(tokens).log("trace").start().await;
    for (authorization, path, status) in [
        ("Bearer known-zq81-token", "/devices/dev-123", 200),
        ("Bearer unknown-zq83-token", "/devices/dev-123", 401),
        ("Basic YWxpY2U6enE4NC1wYXNzd29yZA==", "/devices/dev-123", 401),
        ("Bearer known-zq81-token", "/devices?password=zq85-password", 400),
    ] {
        let reply = server.send("GET", path, &[("authorization", authorization)], "").await;
        assert_eq!(reply.status, status, "{path} with {authorization}: {}", reply.text());
    }
    server.stop().await;
    let logged = async {
        loop {
            let log = server.stderr();
            if log.contains("going down") {
                return log;
            }
            tokio::task::yield_now().await;
        }
    };
    let log = within("the end of the log", logged).await;
    // Otherwise nothing was searched.
    let requests = log.lines().filter(|line| {
        line.contains("\"level\":\"DEBUG\"") && line.contains("\"pintle::request\"")
    });
    assert!(requests.count() >= 2, "{log}");
    for secret in ["zq81", "zq82", "zq83", "YWxpY2U6enE4NC", "zq84", "zq85"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}
