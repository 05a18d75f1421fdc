//! The commands of the guide and of the example's README.

use crate::harness::server::Server;

#[tokio::test]
async fn the_sample_is_there() {
    let server = Server::devices().await;
    let reply = server.get("/devices/dev-123").await.expect(200);
    assert_eq!(reply.at("/spec/name"), "sensor-01");
}
