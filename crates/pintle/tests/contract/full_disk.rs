//! A disk that is full: writes are refused and say so, reads go on, nothing that was acknowledged
//! is lost, and the server is ready again by itself when there is room.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::harness::server::{Launch, Server, small_disks};

/// More than fit on the disk.
const THINGS_MAX: usize = 1_000;

#[tokio::test]
async fn writes_are_refused_until_there_is_room_again() {
    if !small_disks() {
        println!("skipped: file systems cannot be mounted here");
        return;
    }
    let server = Launch::devices().on_small_disk().start().await;
    let filler = fill(&server);
    let kept = write_until_refused(&server).await;

    let ready = server.get("/readyz").await.expect(503);
    assert!(ready.text().contains("[-]store failed: "), "{}", ready.text());
    server.get("/livez").await.expect(200);
    server.get("/devices/dev-123").await.expect(200);
    assert_eq!(devices(&server).await, kept + 1, "the one of the example is there, too");

    fs::remove_file(filler).expect("it is ours");
    until_ready(&server).await;
    server.post("/devices", &device("after")).await.expect(201);
    server.get("/readyz").await.expect(200);
    assert_eq!(devices(&server).await, kept + 2);
}

/// Leaves no room on the disk.
fn fill(server: &Server) -> PathBuf {
    // The file system is mounted for the process alone; this is where others see it.
    let seen_from_outside = format!("/proc/{}/root", server.pid());
    let inside = server.data_dir().strip_prefix("/").expect("it is absolute");
    let filler = PathBuf::from(seen_from_outside).join(inside).join("filler");
    let mut file = File::create(&filler).expect("the disk is there");
    while file.write_all(&[0; 4_096]).is_ok() {}
    filler
}

/// How many devices were acknowledged until one was refused.
async fn write_until_refused(server: &Server) -> usize {
    for number in 0..THINGS_MAX {
        let reply = server.post("/devices", &device(&format!("dev-{number}"))).await;
        if reply.status != 201 {
            let refused = reply.expect(507);
            assert_eq!(refused.json()["reason"], "STORAGE_FULL", "{}", refused.text());
            return number;
        }
    }
    panic!("{THINGS_MAX} devices fit on a full disk");
}

/// Nothing tells that there is room again but a write: what was in trouble a moment ago is tried.
async fn until_ready(server: &Server) {
    let path = "/devices/dev-123/status";
    let mut tries = 0;
    loop {
        let reply = server.patch(path, &json!({"status": {"observedGeneration": 1}})).await;
        if reply.status == 200 {
            return;
        }
        tries += 1;
        assert!(tries < 100, "there is room, and still: {}", reply.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn devices(server: &Server) -> usize {
    let list = server.get("/devices").await.expect(200).json();
    list.as_array().or_else(|| list["items"].as_array()).expect("a list").len()
}

fn device(name: &str) -> serde_json::Value {
    let long = "x".repeat(20_000);
    json!({"metadata": {"name": name, "annotations": {"long": long}},
           "spec": {"name": name, "model": "m", "location": "somewhere"}})
}
