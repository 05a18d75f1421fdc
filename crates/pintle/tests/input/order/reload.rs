//! Policy files that change while the server runs.

use super::{ALICE, DEVICE, MALLORY, ROOT, guarded_by};
use crate::harness::server::Server;
use crate::harness::stream::Framing;
use crate::harness::within;

fn policy(user: &str) -> String {
    format!(
        "- role: reader\n  permissions: [devices:get, devices:watch]\n- user: {user}\n  role: reader\n"
    )
}

/// Until an answer is what it is to be. The file is looked at every second.
async fn until(server: &Server, who: &[(&str, &str)], status: u16) {
    let asking = async {
        while server.send("GET", DEVICE, who, "").await.status != status {
            tokio::task::yield_now().await;
        }
    };
    within("the rules of the file", asking).await;
}

#[tokio::test]
async fn a_changed_policy_is_in_force_and_a_broken_one_is_not() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let file = super::written(&files, "rules.yaml", &policy("alice"));
    let server = guarded_by(&files, &file).await;
    server.send("GET", DEVICE, &ALICE, "").await.expect(200);
    server.send("GET", DEVICE, &MALLORY, "").await.expect(403);
    let opened = server.watch_as("/devices?watch", Framing::Lines, &ALICE).await;
    let mut watch = opened.expect("alice may watch");
    watch.state().await;

    std::fs::write(&file, policy("mallory")).expect("it can be written");
    until(&server, &MALLORY, 200).await;
    server.send("GET", DEVICE, &ALICE, "").await.expect(403);
    let last = watch.event().await;
    assert_eq!((last.kind.as_str(), last.object["code"].as_u64()), ("ERROR", Some(403)));
    assert_eq!(watch.next().await, None, "a stream ends with the right to it");

    std::fs::write(&file, "- role: reader\n  permisions: []\n").expect("it can be written");
    let told = async {
        while !server.stderr().contains("what was read before stays in force") {
            tokio::task::yield_now().await;
            server.send("GET", DEVICE, &MALLORY, "").await.expect(200);
        }
    };
    within("the complaint", told).await;
    assert!(server.stderr().contains("permisions"), "{}", server.stderr());
    server.send("GET", DEVICE, &ALICE, "").await.expect(403);

    std::fs::write(&file, policy("alice")).expect("it can be written");
    until(&server, &ALICE, 200).await;
    server.send("GET", DEVICE, &MALLORY, "").await.expect(403);
    server.send("GET", DEVICE, &ROOT, "").await.expect(200);
}
