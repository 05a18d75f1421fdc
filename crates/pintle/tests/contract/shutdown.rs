//! What a server does between being asked to go and going.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::server::{Launch, Server};
use crate::harness::within;

async fn until_not_ready(server: &Server) -> String {
    let not_ready = async {
        loop {
            let reply = server.get("/readyz").await;
            if reply.status == 503 {
                return reply.text();
            }
        }
    };
    within("not being ready", not_ready).await
}

#[tokio::test]
async fn it_serves_on_for_the_delay_and_a_second_signal_ends_that() {
    let mut server = Launch::devices().arg("--shutdown-delay=1h").start().await;
    server.get("/readyz").await.expect(200);
    let mut watch = server.watch("/devices?watch=true").await;
    watch.state().await;
    server.terminate();
    let told = until_not_ready(&server).await;
    assert!(told.contains("[-]shutdown failed: the server is shutting down"), "{told}");
    server.get("/livez").await.expect(200);
    let status = json!({"status": {"phase": "Offline"}});
    // A connection of its own: new ones are accepted, too.
    drop(server.client.tcp().await);
    server.put("/devices/dev-123/status", &status).await.expect(200);
    assert_eq!(watch.event().await.kind, "MODIFIED");
    server.terminate();
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn it_goes_when_the_delay_is_over() {
    let mut server = Launch::bare().arg("--shutdown-delay=700ms").start().await;
    let began = Instant::now();
    let ended = server.stop().await;
    assert!(ended.success());
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
}

/// Whoever asks twice does not wait for a client that sends its body byte by byte.
#[tokio::test]
async fn a_second_signal_breaks_off_what_is_in_progress() {
    use tokio::io::AsyncWriteExt as _;
    let mut server = Launch::devices().start().await;
    let mut slow = server.client.tcp().await;
    let head = "PUT /devices/dev-123/status HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.expect("it is taken");
    // It has been taken up when another request on the same server was answered.
    server.get("/livez").await.expect(200);
    server.terminate();
    server.until_logged("finishing what is in progress").await;
    let began = Instant::now();
    server.terminate();
    assert!(server.ended().await.success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(server.stderr().contains("broken off"), "{}", server.stderr());
}
