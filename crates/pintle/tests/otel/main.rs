//! Traces of the real server, as a collector gets them. Only for builds that can make any.

#![cfg(test)]

#[path = "../support/harness.rs"]
mod harness;
#[path = "../support/pages.rs"]
mod pages;

mod collector;
mod protobuf;

use std::collections::BTreeSet;
use std::time::Instant;

use collector::{Collector, Span};
use harness::server::{Launch, Server, devices, repository};
use harness::within;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A server whose spans go to the collector at once.
fn launch(collector: &Collector) -> Launch {
    let launch = Launch::devices().arg(format!("--otel-endpoint={}", collector.url()));
    launch.variable("OTEL_BSP_SCHEDULE_DELAY", "20")
}

fn secured(launch: Launch) -> Launch {
    let launch = launch.arg("--policy").arg(devices().join("policy.yaml"));
    launch.arg("--tokens").arg(devices().join("tokens.csv"))
}

const STATUS: &str = r#"{"status":{"phase":"Ready"}}"#;

async fn put_status(server: &Server, traceparent: &str) {
    let headers = [
        ("content-type", "application/json"),
        ("authorization", "Bearer controller-token"),
        ("traceparent", traceparent),
        ("tracestate", "vendor=a1"),
        ("x-request-id", "traced-1"),
        ("user-agent", "probe/1"),
    ];
    let path = "/devices/dev-123/status?namespace=default";
    server.send("PUT", path, &headers, STATUS).await.expect(200);
}

#[tokio::test]
async fn a_request_is_a_span_with_a_child_for_each_step() {
    let collector = Collector::start(200).await;
    let server = secured(launch(&collector)).start().await;
    put_status(&server, &format!("00-{TRACE}-{PARENT}-01")).await;
    let is_there = |spans: &[Span]| spans.iter().any(|it| it.name == "PUT /{resource}/{id}/status");
    let spans = within("the span", collector.until(is_there)).await;
    let root = spans.iter().find(|it| it.name.starts_with("PUT")).expect("it is there");
    assert_eq!((root.trace.as_str(), root.parent.as_str()), (TRACE, PARENT));
    assert_eq!((root.kind, root.trace_state.as_str(), root.status), (2, "vendor=a1", 0));
    assert!(root.is_remote, "the caller is another program");
    let port = server.client.address.port().to_string();
    let peer = root.attributes["network.peer.port"].clone();
    let revision = root.attributes["pintle.revision"].clone();
    let expected = [
        ("client.address", "127.0.0.1"),
        ("http.request.method", "PUT"),
        ("http.response.status_code", "200"),
        ("http.route", "/{resource}/{id}/status"),
        ("network.peer.address", "127.0.0.1"),
        ("network.peer.port", &peer),
        ("network.protocol.version", "1.1"),
        ("pintle.decision", "allowed"),
        ("pintle.door", "rest"),
        ("pintle.lane", "status"),
        ("pintle.name", "dev-123"),
        ("pintle.namespace", "default"),
        ("pintle.outcome", "changed"),
        ("pintle.request_id", "traced-1"),
        ("pintle.resource", "devices.infra.example.io"),
        ("pintle.revision", &revision),
        ("pintle.verb", "update"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("url.path", "/devices/dev-123/status"),
        ("url.scheme", "http"),
        ("user.name", "device-controller"),
        ("user_agent.original", "probe/1"),
    ];
    let found: Vec<_> =
        root.attributes.iter().map(|(key, it)| (key.as_str(), it.as_str())).collect();
    assert_eq!(found, expected);
    check_children(&spans, root);
    let resource = &root.resource;
    assert_eq!(resource["service.name"], "pintle");
    assert_eq!(resource["telemetry.sdk.language"], "rust");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["process.pid"], server.pid().to_string());
    assert!(resource["service.instance.id"].len() == 36);
}

fn check_children(spans: &[Span], root: &Span) {
    let children = |parent: &Span| {
        let of_it = spans.iter().filter(|it| it.parent == parent.id && it.trace == parent.trace);
        of_it.map(|it| it.name.as_str()).collect::<BTreeSet<_>>()
    };
    let steps = BTreeSet::from(["authentication", "authorization", "body", "write"]);
    assert_eq!(children(root), steps);
    let write = spans.iter().find(|it| it.name == "write").expect("it is there");
    assert_eq!(children(write), BTreeSet::from(["commit"]));
    let commit = spans.iter().find(|it| it.name == "commit").expect("it is there");
    for (inner, outer) in [(write, root), (commit, write)] {
        assert!(inner.start >= outer.start && inner.end <= outer.end, "{inner:?} in {outer:?}");
        assert!(inner.start < inner.end && inner.kind == 1 && !inner.is_remote, "{inner:?}");
    }
}

#[tokio::test]
async fn no_secret_is_in_a_trace_and_the_collector_is_told_who_sends_it() {
    let collector = Collector::start(200).await;
    let launch = secured(launch(&collector))
        .variable("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=s3cret%20one")
        .variable("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=lab")
        .variable("OTEL_SERVICE_NAME", "inventory");
    let server = launch.start().await;
    let headers = [("authorization", "Bearer alice-token"), ("cookie", "c00kie")];
    server.send("GET", "/devices?labelSelector=hidden%3Dquery", &headers, "").await.expect(200);
    let wrong = [("authorization", "Bearer wr0ng")];
    server
        .send("PATCH", "/devices/dev-123", &wrong, r#"{"spec":{"model":"b0dy"}}"#)
        .await
        .expect(401);
    let both = |spans: &[Span]| spans.iter().filter(|it| it.kind == 2).count() >= 2;
    let spans = within("the spans", collector.until(both)).await;
    let refused = spans.iter().find(|it| it.name.starts_with("PATCH")).expect("it is there");
    assert_eq!(refused.attributes["pintle.reason"], "UNAUTHENTICATED");
    assert_eq!(refused.status, 0, "a caller's mistake is no error of the server");
    assert_eq!(refused.parent, "", "nobody named a trace");
    assert_eq!(refused.resource["service.name"], "inventory");
    assert_eq!(refused.resource["deployment.environment.name"], "lab");
    let (heads, bodies) = collector.raw();
    for head in &heads {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
        assert!(head.contains("x-tenant: s3cret one\r\n"), "{head}");
    }
    for hidden in ["alice-token", "c00kie", "hidden", "wr0ng", "b0dy", "s3cret"] {
        let is_there = |it: &Vec<u8>| it.windows(hidden.len()).any(|it| it == hidden.as_bytes());
        assert!(!bodies.iter().any(is_there), "{hidden}");
        assert!(!server.stderr().contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn what_is_sampled_is_decided_by_the_caller_and_the_environment() {
    let (all, none) = (Collector::start(200).await, Collector::start(200).await);
    let follows = launch(&all).start().await;
    let refuses = launch(&none).variable("OTEL_TRACES_SAMPLER", "always_off").start().await;
    for server in [&follows, &refuses] {
        put_status(server, &format!("00-{TRACE}-{PARENT}-00")).await;
        put_status(server, "nonsense").await;
        server.get("/readyz").await.expect(200);
    }
    let last = |spans: &[Span]| spans.iter().any(|it| it.kind == 2);
    let spans = within("the span", all.until(last)).await;
    let roots: Vec<_> = spans.iter().filter(|it| it.kind == 2).collect();
    assert_eq!(roots.len(), 1, "{roots:?}");
    assert!(roots[0].trace != TRACE && roots[0].trace.len() == 32 && roots[0].parent.is_empty());
    let mut refuses = refuses;
    assert!(refuses.stop().await.success());
    assert_eq!(none.raw().1.len(), 0, "an orderly end would have sent them");
}

#[tokio::test]
async fn a_stream_is_told_of_when_it_ends_and_an_end_sends_what_is_left() {
    let collector = Collector::start(200).await;
    let slow = launch(&collector).variable("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let mut server = slow.start().await;
    server.get("/devices?watch=true&timeoutSeconds=1").await.expect(200);
    assert_eq!(collector.raw().1.len(), 0);
    assert!(server.stop().await.success());
    let spans = collector.spans();
    let watch =
        spans.iter().find(|it| it.attributes.get("pintle.verb").is_some_and(|it| it == "watch"));
    let watch = watch.expect("it is told of");
    assert!(watch.end - watch.start >= 900_000_000, "{watch:?}");
    assert!(watch.attributes["pintle.events"].parse::<u64>().expect("a number") >= 1);
}

/// Numbers of the page of metrics, by series.
async fn number(server: &Server, series: &str) -> u64 {
    let page = server.get("/metrics").await.expect(200).text();
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {page}")).parse().expect("a number")
}

const NO_ROOM: &str = "pintle_trace_spans_dropped_total{reason=\"no_room\"}";
const NOT_TAKEN: &str = "pintle_trace_spans_dropped_total{reason=\"not_taken\"}";

#[tokio::test]
async fn a_collector_that_does_not_answer_holds_up_nobody() {
    let collector = Collector::start(0).await;
    let launch = launch(&collector)
        .variable("OTEL_BSP_MAX_QUEUE_SIZE", "16")
        .variable("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16");
    let mut server = launch.start().await;
    let flood = async {
        while number(&server, NO_ROOM).await == 0 {
            server.get("/devices/dev-123").await.expect(200);
        }
    };
    within("spans are dropped", flood).await;
    assert!(number(&server, "pintle_trace_spans_waiting").await <= 16);
    assert_eq!(number(&server, "pintle_trace_spans_exported_total").await, 0);
    let begun = Instant::now();
    assert!(server.stop().await.success());
    assert!(begun.elapsed().as_secs() < 15, "an end does not wait for it");
}

#[tokio::test]
async fn a_collector_that_fails_is_tried_again_and_one_that_refuses_is_not() {
    let collector = Collector::start(503).await;
    let server = launch(&collector).start().await;
    server.get("/devices/dev-123").await.expect(200);
    within("it is tried again", collector.until_requests(2)).await;
    collector.answer_with(200);
    let is_there = |spans: &[Span]| spans.iter().any(|it| it.name == "GET /{resource}/{id}");
    within("it works again", collector.until(is_there)).await;
    collector.answer_with(400);
    let refused = async { while number(&server, NOT_TAKEN).await == 0 {} };
    within("what is refused is counted", refused).await;
    assert!(number(&server, "pintle_trace_spans_exported_total").await > 0);
    assert!(server.stderr().contains("traces cannot be exported"), "{}", server.stderr());
}

#[test]
fn what_cannot_be_is_told_at_the_start() {
    let own = |text: &str| Launch::devices().arg(format!("--otel-endpoint={text}"));
    let protocol = own("http://h").variable("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    for (launch, expected) in [
        (own("nowhere"), "the setting \"otel-endpoint\" cannot be used: the URL has to begin with"),
        (
            own("http://user:s3cret@h"),
            "\"otel-endpoint\" cannot be used: the URL holds a user name",
        ),
        (protocol, "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\", and traces are sent as http/protobuf"),
        (
            own("https://h").variable("OTEL_EXPORTER_OTLP_CERTIFICATE", "no/such.pem"),
            "cannot read the certificates in no/such.pem",
        ),
    ] {
        let output = launch.output();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected) && !said.contains("s3cret"), "{said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    }
}

#[tokio::test]
async fn the_page_of_the_book_does_what_it_says() {
    let page = repository().join("docs/src/traces.md");
    pages::check(&std::fs::read_to_string(page).expect("it is there")).await;
}

/// The rows of its table of metrics, and the families that there are only with traces.
#[tokio::test]
async fn every_metric_of_traces_is_in_the_book() {
    let collector = Collector::start(200).await;
    let server = launch(&collector).start().await;
    let page = server.get("/metrics").await.expect(200).text();
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE pintle_trace_"));
    let exported: BTreeSet<_> = families.filter_map(|line| line.split(' ').next()).collect();
    let book = std::fs::read_to_string(repository().join("docs/src/traces.md")).expect("a page");
    let rows = book.lines().filter_map(|line| line.strip_prefix("| `pintle_trace_"));
    let explained: BTreeSet<_> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(explained, exported);
    assert_eq!(exported.len(), 3);
}
