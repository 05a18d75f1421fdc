//! Both sides are killed while events are published.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Files;
use crate::harness::http::Client as Http;
use crate::harness::within;
use crate::nats::{Nats, Stored};

/// Writes one value after the other, until it is told to stop; hands back those that were
/// acknowledged. While there is no server, it tries again with the next one.
async fn write(address: SocketAddr, from: u64, stop: Arc<AtomicBool>) -> (Vec<u64>, u64) {
    let http = Http::new(address);
    let headers = [("content-type", "application/merge-patch+json")];
    let (mut acknowledged, mut number) = (Vec::new(), from);
    while !stop.load(Ordering::SeqCst) {
        number += 1;
        let body = json!({"spec": {"location": number.to_string()}}).to_string();
        match http.try_send("PATCH", "/devices/dev-123", &headers, body).await {
            Ok(reply) if reply.status == 200 => acknowledged.push(number),
            Ok(reply) => panic!("{}", reply.text()),
            Err(_) => return (acknowledged, number),
        }
    }
    (acknowledged, number)
}

fn value(message: &Stored) -> Option<u64> {
    let event: Value = serde_json::from_str(&message.payload).expect("an event");
    event["type"].as_str().filter(|it| it.ends_with(".patched"))?;
    event["data"]["resource"]["spec"]["location"].as_str()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_stored_once_and_in_order_whoever_is_killed() {
    let mut nats = Nats::start(31, "").await;
    let files = Files::new(&nats, &json!({"create": true, "from": "start", "timeout": "2s"}));
    let mut server = files.launch().start().await;
    let mut acknowledged = Vec::new();
    let mut number = 0;
    for round in 0..6 {
        let stop = Arc::new(AtomicBool::new(false));
        let writing = tokio::spawn(write(server.client.address, number, Arc::clone(&stop)));
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Each of them alone, and both at once.
        if round % 3 != 0 {
            nats.kill_hard();
        }
        if round % 3 != 1 {
            server.kill_hard();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        if round % 3 != 0 {
            nats.start_again();
        }
        if round % 3 != 1 {
            server.start_again().await;
        }
        stop.store(true, Ordering::SeqCst);
        let (more, last) = writing.await.expect("no panic");
        acknowledged.extend(more);
        number = last;
    }
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    let last = *acknowledged.last().expect("there are some");
    let mut client = nats.client().await;
    let complete = async {
        loop {
            let stored = client.all().await;
            if stored.iter().filter_map(value).any(|it| it >= last) {
                return stored;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let stored = within("the last event is stored", complete).await;
    let ids: BTreeSet<_> = stored.iter().map(|it| it.headers["Nats-Msg-Id"].clone()).collect();
    assert_eq!(ids.len(), stored.len(), "nothing is stored twice");
    let values: Vec<u64> = stored.iter().filter_map(value).collect();
    assert!(values.is_sorted_by(|one, other| one < other), "in order, and once: {values:?}");
    let missing: Vec<_> = acknowledged.iter().filter(|it| !values.contains(it)).collect();
    assert!(missing.is_empty(), "{missing:?} of {}", acknowledged.len());
}
