//! What people read first: the commands of the guide and of the example's README, as printed.

use std::process::Command;

use serde_json::json;

use crate::harness::server::{Launch, Server, devices, repository};

/// Method, path, `Content-Type`, body, and what must be so after.
type Step = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// The curl commands of the guide.
const GUIDE: [Step; 4] = [
    (
        "PUT",
        "/devices/dev-123",
        "application/json",
        r#"{
    "spec": {
      "name": "sensor-01",
      "location": "datacenter-2",
      "model": "TempSensor-Pro"
    }
  }"#,
        &[("/spec/location", "datacenter-2"), ("/spec/model", "TempSensor-Pro")],
    ),
    (
        "PATCH",
        "/devices/dev-123",
        "application/merge-patch+json",
        r#"{
    "spec": {
      "location": "datacenter-3"
    }
  }"#,
        &[("/spec/location", "datacenter-3"), ("/spec/name", "sensor-01")],
    ),
    (
        "PUT",
        "/devices/dev-123/status",
        "application/json",
        r#"{
    "status": {
      "phase": "Ready",
      "health": "Healthy",
      "lastSeen": "2025-10-24T16:00:00Z",
      "conditions": [
        {
          "type": "Ready",
          "status": "True",
          "reason": "DeviceOnline",
          "message": "Device is operational"
        }
      ]
    }
  }"#,
        &[
            ("/status/phase", "Ready"),
            ("/status/lastSeen", "2025-10-24T16:00:00Z"),
            ("/status/conditions/0/reason", "DeviceOnline"),
            ("/spec/location", "datacenter-3"),
        ],
    ),
    (
        "PATCH",
        "/devices/dev-123/status",
        "application/merge-patch+json",
        r#"{
    "status": {
      "health": "Degraded"
    }
  }"#,
        &[("/status/health", "Degraded"), ("/status/phase", "Ready")],
    ),
];

#[tokio::test]
async fn every_command_of_the_guide_works_as_printed() {
    let server = Server::devices().await;
    for (method, path, content_type, body, after) in GUIDE {
        let headers = [("host", "localhost:8080"), ("content-type", content_type)];
        let reply = server.send(method, path, &headers, body).await.expect(200);
        let stored = server.get("/devices/dev-123").await.expect(200);
        assert_eq!(reply.json(), stored.json(), "{method} {path} answers with the resource");
        for (pointer, expected) in after {
            assert_eq!(stored.at(pointer), *expected, "{pointer} after {method} {path}");
        }
    }
    assert_eq!(server.get("/devices/dev-123").await.at("/metadata/generation"), 3);
}

/// The test section of the guide, in the shapes that its older and newer clients send.
#[tokio::test]
async fn the_test_of_the_guide_passes_in_both_shapes() {
    let shapes = [
        (
            json!({"name": "sensor-01", "location": "dc1"}),
            json!({"name": "sensor-01", "location": "dc2"}),
            json!({"phase": "Ready", "health": "Healthy"}),
        ),
        (
            json!({"metadata": {"name": "sensor-02"}, "spec": {"name": "s", "location": "dc1"}}),
            json!({"spec": {"name": "s", "location": "dc2"}}),
            json!({"status": {"phase": "Ready", "health": "Healthy"}}),
        ),
    ];
    let server = Server::devices().await;
    for (create, update, status) in shapes {
        let created = server.post("/devices", &create).await.expect(201);
        let uid = created.at("/metadata/uid");
        let path = format!("/devices/{}", uid.as_str().expect("a uid is text"));
        server.put(&path, &update).await.expect(200);
        server.put(&format!("{path}/status"), &status).await.expect(200);
        let end = server.get(&path).await.expect(200);
        assert_eq!(end.at("/spec/location"), "dc2");
        assert_eq!(end.at("/status/phase"), "Ready");
        assert_eq!(end.at("/metadata/uid"), uid);
    }
}

/// A `sh` block of the README: what it holds, and what its output must show, in this order.
struct Walk {
    holds: &'static str,
    shows: &'static [&'static str],
}

const OPEN: [Walk; 9] = [
    Walk {
        holds: "curl http://localhost:8080/devices\n",
        shows: &["[{", r#""generation":2"#, r#""location":"datacenter-3""#],
    },
    Walk { holds: "\"lastSeen\"", shows: &[r#""lastTransitionTime":""#, r#""health":"Degraded""#] },
    Walk { holds: "elsewhere", shows: &[r#""reason":"SPEC_WRITE_FORBIDDEN""#] },
    Walk { holds: "json-patch+json", shows: &[r#""health":"Healthy""#, r#""interval":"60s""#] },
    Walk { holds: "conditions/Calibrated", shows: &["Drifting", r#""type":"Ready""#] },
    Walk { holds: "version=$(", shows: &["datacenter-4", "HTTP/1.1 412", r#""specChanged":true"#] },
    Walk { holds: "conflictScope=status", shows: &["HTTP/1.1 200"] },
    Walk { holds: "curl -N", shows: &["event: ADDED", "event: BOOKMARK", r#""type":"BOOKMARK""#] },
    Walk { holds: "pintle serve examples/devices\n", shows: &[] },
];

const RESTRICTED: [Walk; 2] = [
    Walk { holds: "pintle serve examples/devices --listen", shows: &[] },
    Walk { holds: "alice-token", shows: &["HTTP/1.1 403", "FORBIDDEN", "HTTP/1.1 200"] },
];

#[tokio::test]
async fn every_command_of_the_readme_does_what_the_readme_says() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl here");
        return;
    }
    let readme = std::fs::read_to_string(devices().join("README.md")).expect("it is there");
    let (open, restricted) = readme.split_once("## Who may do what").expect("the last section");
    walk(&Server::devices().await, &shell_blocks(open), &OPEN);
    let blocks = shell_blocks(restricted);
    walk(&launch_like(&blocks[0]).start().await, &blocks, &RESTRICTED);
}

/// The server that the README starts, by the options that it names, on a port that is free.
fn launch_like(block: &str) -> Launch {
    let words = block.split_whitespace().filter(|word| *word != "\\");
    let mut words = words.skip_while(|word| *word != "examples/devices").skip(1);
    let mut launch = Launch::devices();
    while let (Some(option), Some(value)) = (words.next(), words.next()) {
        launch = match option {
            "--listen" => launch,
            "--store" => launch.arg(option).arg(value),
            _ => launch.arg(option).arg(repository().join(value)),
        };
    }
    launch
}

fn shell_blocks(markdown: &str) -> Vec<String> {
    let blocks = markdown.split("```sh\n").skip(1);
    blocks.filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

/// Runs all blocks in one shell, as a reader would, and compares what each one showed.
fn walk(server: &Server, blocks: &[String], walks: &[Walk]) {
    const MARK: &str = "=== the next block ===";
    let script: Vec<String> = blocks.iter().map(|block| runnable(block, server)).collect();
    let script = script.join(&format!("\necho; echo '{MARK}'\n"));
    let output = Command::new("sh").args(["-c", &script]).output().expect("sh starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let outputs: Vec<&str> = output.split(MARK).collect();
    assert_eq!(outputs.len(), blocks.len(), "{output}");
    assert_eq!(blocks.len(), walks.len(), "something is said about each block");
    for (block, output) in blocks.iter().zip(outputs) {
        let walk = walks.iter().find(|walk| block.contains(walk.holds));
        let walk = walk.unwrap_or_else(|| panic!("nothing is said about this block:\n{block}"));
        let mut rest = output;
        for shown in walk.shows {
            let Some((_, after)) = rest.split_once(shown) else {
                panic!("{shown} is missing in the output of\n{block}\nwhich is\n{output}");
            };
            rest = after;
        }
    }
}

/// The commands against this server: it runs already, and watches end by themselves.
fn runnable(block: &str, server: &Server) -> String {
    if block.starts_with("pintle serve") {
        return String::new();
    }
    ["http://localhost:8080", "http://localhost:8081"]
        .iter()
        .fold(block.to_owned(), |text, address| text.replace(address, &server.url()))
        .replace("watch=true\"", "watch=true&timeoutSeconds=1\"")
}
