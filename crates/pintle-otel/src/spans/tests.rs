//! Spans of requests that a test makes up, as they wait to be exported.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use pintle_http::{Answer, Body, Observer, Observers, Reason, Recording};
use tokio::sync::mpsc;

use super::*;
use crate::Tracing;
use crate::queue::{Processor, Queue};

struct Traced {
    observers: Observers,
    waiting: mpsc::Receiver<SpanData>,
    queue: Arc<Queue>,
}

impl Traced {
    fn new(takes_parents: bool, spans_max: usize) -> Self {
        let (queue, waiting) = Queue::new(spans_max);
        let queue = Arc::new(queue);
        let processor = Processor(Arc::clone(&queue));
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let spans = Spans::new(provider.tracer("test"), true, takes_parents);
        let observer: Arc<dyn Observer> = Arc::new(Tracing(Arc::new(spans)));
        Self { observers: Observers::new([observer]), waiting, queue }
    }

    /// Answers a request, and takes its span.
    fn answer(&mut self, request: Request<()>, path: &'static str, answer: &Answer) -> SpanData {
        let (parts, ()) = request.into_parts();
        let recording = Recording::begin("test", &self.observers, &parts);
        recording.note(|exchange| {
            exchange.path = path;
            exchange.told(answer);
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answer.status;
        drop(recording.answered(response));
        self.waiting.try_recv().expect("there is a span")
    }
}

fn get(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|pair| pair.key.as_str() == key);
    found.map(|pair| pair.value.to_string())
}

#[test]
fn faults_of_the_server_are_errors_and_those_of_callers_are_none() {
    let mut traced = Traced::new(true, 8);
    for (reason, error) in [(Reason::Unavailable, true), (Reason::NotFound, false)] {
        let answer = Answer::of(reason, "no");
        let span = traced.answer(Request::new(()), "/{resource}", &answer);
        assert_eq!(span.status != Status::Unset, error, "{span:?}");
        let code = answer.status.as_str().to_owned();
        assert_eq!(get(&span, "error.type"), error.then(|| code.clone()));
        assert_eq!(get(&span, "http.response.status_code"), Some(code));
        assert_eq!(get(&span, "pintle.reason"), Some(reason.to_string()));
        assert_eq!(get(&span, "url.scheme").as_deref(), Some("https"));
    }
}

#[test]
fn what_callers_make_up_makes_no_names() {
    let mut traced = Traced::new(true, 8);
    let answer = Answer::of(Reason::NotFound, "no");
    let long = format!("/{}", "p".repeat(9_000));
    let brew = Request::builder().method("BREW").uri(&*long);
    let brew = brew.header("host", "[::1]:8080").header("user-agent", "a".repeat(9_000));
    let span = traced.answer(brew.body(()).unwrap(), "", &answer);
    assert_eq!(span.name, "HTTP");
    assert_eq!(get(&span, "http.request.method").as_deref(), Some("_OTHER"));
    assert_eq!(get(&span, "http.request.method_original").as_deref(), Some("BREW"));
    assert_eq!(get(&span, "http.route"), None);
    assert_eq!(get(&span, "server.address").as_deref(), Some("::1"));
    assert_eq!(get(&span, "server.port").as_deref(), Some("8080"));
    for key in ["url.path", "user_agent.original"] {
        assert_eq!(get(&span, key).unwrap().chars().count(), TEXT_CHARS_MAX, "{key}");
    }
}

#[test]
fn a_parent_is_taken_where_parents_are() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let answer = Answer::of(Reason::NotFound, "no");
    for (takes, given, expected) in [
        (true, parent, Some(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736)),
        (false, parent, None),
        (true, "nonsense", None),
    ] {
        let mut traced = Traced::new(takes, 8);
        let header = HeaderValue::try_from(given).unwrap();
        let request = Request::builder().header("traceparent", header).body(()).unwrap();
        let span = traced.answer(request, "/{resource}", &answer);
        let trace = span.span_context.trace_id();
        assert_eq!(span.parent_span_is_remote, expected.is_some(), "{given} {takes}");
        assert_eq!(Some(trace) == expected.map(TraceId::from), expected.is_some());
        assert!(span.span_context.is_valid());
    }
}

#[test]
fn what_has_no_room_is_counted() {
    let traced = Traced::new(true, 2);
    for _ in 0..5 {
        let (parts, ()) = Request::new(()).into_parts();
        let recording = Recording::begin("test", &traced.observers, &parts);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        drop(recording.answered(response));
    }
    let numbers = traced.queue.numbers();
    assert_eq!((numbers.waiting, numbers.dropped, numbers.exported), (2, 3, 0));
}
