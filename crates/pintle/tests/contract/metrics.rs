//! `/metrics`: read strictly, and compared with the traffic before.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::server::{Launch, Server, devices};

/// The samples of a page, by name and labels as they are written.
pub(crate) type Samples = BTreeMap<String, f64>;

async fn page(server: &Server, accept: &str) -> String {
    let reply = server.send("GET", "/metrics", &[("accept", accept)], "").await.expect(200);
    assert!(reply.header("content-type").starts_with(accept), "{accept}");
    reply.text()
}

/// Reads a page of `OpenMetrics` and accepts nothing that its specification does not.
fn read(text: &str) -> Samples {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked, and nothing follows it");
    let (mut samples, mut families) = (Samples::new(), BTreeSet::new());
    let (mut family, mut kind) = (String::new(), String::new());
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').expect("a help has a text").0.to_owned();
            assert!(families.insert(family.clone()), "{family} begins twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').expect("a type");
            assert_eq!(name, family, "a type stands behind its help");
            of.clone_into(&mut kind);
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            check_series(series, &family, &kind);
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} stands twice");
        }
    }
    samples
}

fn check_series(series: &str, family: &str, kind: &str) {
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{series} in {family}"));
    let suffixes: &[&str] = match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        other => panic!("{family} is a {other}"),
    };
    assert!(suffixes.contains(&suffix), "{series} of a {kind}");
    let labels = labels.strip_suffix('}').expect("labels end");
    for label in labels.split("\",").filter(|label| !label.is_empty()) {
        let (name, value) = label.split_once("=\"").expect("a label has a value in quotes");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{series}");
        assert!(!value.trim_end_matches('"').contains(['"', '\n']), "{series}");
    }
}

pub(crate) async fn samples(server: &Server) -> Samples {
    read(&page(server, "application/openmetrics-text").await)
}

#[tokio::test]
async fn what_was_done_is_counted() {
    let server = Server::devices().await;
    let json = [("content-type", "application/json")];
    let status = r#"{"status":{"phase":"Ready"}}"#;
    server.send("PUT", "/devices/dev-123/status", &json, status).await.expect(200);
    server.send("PUT", "/devices/dev-123/status", &json, status).await.expect(200);
    let stale = [("content-type", "application/json"), ("if-match", "\"1\"")];
    server.send("PUT", "/devices/dev-123/status", &stale, status).await.expect(412);
    for _ in 0..3 {
        server.get("/devices/dev-123").await.expect(200);
    }
    let samples = samples(&server).await;
    let devices = "resource=\"devices.infra.example.io\"";
    for (series, expected) in [
        (
            format!(
                "pintle_request_duration_seconds_count{{door=\"rest\",verb=\"get\",{devices},\
                 lane=\"main\",code=\"200\"}}"
            ),
            3.0,
        ),
        (format!("pintle_writes_total{{{devices},lane=\"status\",outcome=\"changed\"}}"), 1.0),
        (format!("pintle_writes_total{{{devices},lane=\"status\",outcome=\"unchanged\"}}"), 1.0),
        (format!("pintle_writes_total{{{devices},lane=\"status\",outcome=\"conflict\"}}"), 1.0),
    ] {
        assert_eq!(samples.get(&series), Some(&expected), "{series} of {samples:#?}");
    }
    for series in [
        "pintle_store_commit_duration_seconds_count",
        "pintle_store_flush_duration_seconds_count",
        "pintle_store_flush_changes_sum",
        "pintle_store_disk_bytes",
        "pintle_connections_open",
        &format!("pintle_store_objects{{{devices}}}"),
    ] {
        assert!(samples[series] > 0.0, "{series}");
    }
    for (one, same) in [
        ("pintle_store_flush_changes_sum", "pintle_store_changes_total"),
        ("pintle_store_flush_changes_count", "pintle_store_flushes_total"),
    ] {
        assert_eq!(samples.get(one), samples.get(same), "{one}");
    }
    assert!(samples["process_resident_memory_bytes"] > 1e6);
}

#[tokio::test]
async fn prometheus_gets_its_older_text() {
    let server = Server::devices().await;
    let text = page(&server, "text/plain").await;
    assert!(text.contains("\n# TYPE pintle_writes_total counter\n"), "{text}");
    assert!(!text.contains("# EOF"), "{text}");
}

/// Whatever callers make up, there is nothing of it in a label, whether they may anything or not.
#[tokio::test]
async fn hostile_requests_make_no_labels() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let tokens = directory.path().join("tokens.csv");
    let text = "m-token,mona,1,\"system:monitoring\"\nr-token,root,2,\"system:masters\"\n";
    std::fs::write(&tokens, text).expect("it can be written");
    let server = Launch::devices().arg("--tokens").arg(tokens).start().await;
    let monitoring = [("authorization", "Bearer m-token")];
    let master = [("authorization", "Bearer r-token")];
    let page = || async {
        let accept = ("accept", "application/openmetrics-text");
        read(&server.send("GET", "/metrics", &[accept, monitoring[0]], "").await.expect(200).text())
    };
    let hostile = |number: usize| match number % 7 {
        0 => ("GET", format!("/kind{number}")),
        1 => ("GET", format!("/devices/name{number}")),
        2 => ("POST", format!("/devices/a{number}/status/conditions/C{number}")),
        3 => ("PUT", format!("/kind{number}.group{number}/x/status")),
        4 => ("BREW", format!("/pot{number}?namespace=n{number}")),
        5 => ("GET", format!("/apis/group{number}.example/v1/kind{number}")),
        _ => ("DELETE", format!("/api/v1/namespaces/n{number}/kind{number}/x")),
    };
    let names = |samples: &Samples| samples.keys().cloned().collect::<BTreeSet<_>>();
    let flood = |numbers: std::ops::Range<usize>| async {
        for number in numbers {
            let (method, path) = hostile(number);
            let caller = if number % 2 == 0 { &monitoring } else { &master };
            server.send(method, &path, caller, "").await;
        }
    };
    flood(0..28).await;
    // The page itself is counted once it was answered.
    page().await;
    let before = names(&page().await);
    flood(28..2_000).await;
    let after = names(&page().await);
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test]
async fn a_foreign_host_is_turned_away_counted_and_logged() {
    let server = Launch::devices().log("info").start().await;
    server.send("GET", "/devices", &[("host", "evil.example")], "").await.expect(403);
    let samples = samples(&server).await;
    let series = "pintle_turned_away_total{decision=\"foreign_host\"}";
    assert_eq!(samples.get(series), Some(&1.0), "{samples:#?}");
    server.until_logged("FOREIGN_HOST").await;
}

#[tokio::test]
async fn metrics_can_be_switched_off() {
    let server = Launch::devices().arg("--metrics=false").start().await;
    server.get("/devices/dev-123").await.expect(200);
    let reply = server.get("/metrics").await.expect(404);
    assert_eq!(reply.at("/reason"), "NOT_FOUND");
    assert!(reply.text().contains("--metrics=true"), "{}", reply.text());
}

#[tokio::test]
async fn metrics_take_the_right_to_the_path() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let tokens = directory.path().join("tokens.csv");
    let text = "m-token,mona,1,\"system:monitoring\"\na-token,alice,2,\"sre\"\n";
    std::fs::write(&tokens, text).expect("it can be written");
    let launch = Launch::devices().arg("--tokens").arg(tokens);
    let server = launch.arg("--policy").arg(devices().join("policy.yaml")).start().await;
    for (token, status) in [("", 401), ("b-token", 401), ("a-token", 403), ("m-token", 200)] {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        let headers = if token.is_empty() { &[][..] } else { &headers };
        let reply = server.send("GET", "/metrics", headers, "").await;
        assert_eq!(reply.status, status, "{token}: {}", reply.text());
        if status == 200 {
            for reason in ["missing", "unknown_token"] {
                let series =
                    format!("pintle_authentication_failures_total{{reason=\"{reason}\"}} 1");
                assert!(reply.text().contains(&series), "{series}");
            }
            for (decision, count) in [("unauthenticated", 2), ("forbidden", 1)] {
                let series = format!("pintle_turned_away_total{{decision=\"{decision}\"}} {count}");
                assert!(reply.text().contains(&series), "{series}: {}", reply.text());
            }
        }
    }
}
