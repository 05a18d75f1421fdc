//! Operations as server-sent events.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{DEVICES, device, newest, report, told};
use crate::harness::server::Server;
use crate::harness::within;

/// An open stream.
struct Events {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Events {
    async fn open(server: &Server, query: &str) -> Self {
        // Nothing in these documents but spaces and brackets needs more than this.
        let encoded = query.replace(' ', "+").replace('{', "%7B").replace('}', "%7D");
        let path = format!("/graphql?query={}", encoded.replace('"', "%22"));
        let headers = [("accept", "text/event-stream")];
        let opened = within("a stream", server.client.open("GET", &path, &headers)).await;
        let (parts, body) = opened.expect("an answer").into_parts();
        assert_eq!(parts.status, 200);
        assert_eq!(parts.headers["content-type"], "text/event-stream; charset=utf-8");
        Self { body, buffer: Vec::new() }
    }

    /// The next event and its data, without comments; nothing at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let event = String::from_utf8(event).expect("text");
                if !event.starts_with(':') {
                    return Some(parsed(&event));
                }
            }
            let frame = within("an event", self.body.frame()).await?;
            if let Ok(data) = frame.expect("the stream goes on").into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }

    async fn event(&mut self) -> Value {
        let (kind, data) = self.next().await.expect("the stream goes on");
        assert_eq!((kind.as_str(), &data["errors"]), ("next", &Value::Null), "{data}");
        data["data"]["watchDevices"].clone()
    }
}

fn parsed(event: &str) -> (String, Value) {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let data = field("data: ").filter(|data| !data.is_empty());
    let data = data.map_or(Value::Null, |data| serde_json::from_str(data).expect("JSON"));
    (field("event: ").expect("a kind").to_owned(), data)
}

#[tokio::test]
async fn a_subscription_is_told_by_events() {
    let server = Server::devices().await;
    let from = newest(&server).await;
    let query = format!(
        "subscription {{ watchDevices(resourceVersion: \"{from}\") {{ type resourceVersion object \
         {{ metadata {{ name }} }} }} }}"
    );
    let mut events = Events::open(&server, &query).await;
    let made = device(&server, "a").await;
    assert_eq!(told(&events.event().await), format!("ADDED a {made}"));
    let reported = report(&server, "a", "Ready").await;
    assert_eq!(told(&events.event().await), format!("MODIFIED a {reported}"));
}

#[tokio::test]
async fn what_has_one_result_or_none_is_complete_after_it() {
    let server = Server::devices().await;
    let headers = [("accept", "text/event-stream")];
    let post = async |query: &str| {
        let reply = server.json("POST", "/graphql", &headers, &json!({"query": query})).await;
        assert_eq!(reply.status, 200);
        let text = reply.text();
        let events: Vec<_> = text.split("\n\n").filter(|it| !it.is_empty()).collect();
        let events: Vec<_> = events.into_iter().map(parsed).collect();
        let [(first, data), (second, Value::Null)] = &events[..] else { panic!("{text}") };
        assert_eq!((first.as_str(), second.as_str()), ("next", "complete"));
        data.clone()
    };
    assert_eq!(post("{ __typename }").await, json!({"data": {"__typename": "Query"}}));
    for (query, code) in [
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { watchDevices(resourceVersion: \"99999999\") { type } }",
            "INVALID_RESOURCE_VERSION",
        ),
    ] {
        let data = post(query).await;
        assert_eq!(data["errors"][0]["extensions"]["code"], json!(code), "{data}");
        assert_eq!(data.get("data"), None);
    }
}

/// Clients that take several forms get JSON for what has one result, and events for the rest.
#[tokio::test]
async fn the_form_of_an_answer_follows_from_what_is_taken() {
    let server = Server::devices().await;
    let both = "application/graphql-response+json, application/json, text/event-stream";
    let ask = async |accept: &str, query: &str| {
        let body = json!({"query": query, "variables": {"from": "99999999"}});
        let reply = server.json("POST", "/graphql", &[("accept", accept)], &body).await;
        (reply.status, reply.header("content-type").split(';').next().unwrap().to_owned())
    };
    let (events, json) = ("text/event-stream", "application/graphql-response+json");
    assert_eq!(ask(both, "{ __typename }").await, (200, json.to_owned()));
    assert_eq!(ask(both, DEVICES).await, (200, events.to_owned()));
    assert_eq!(ask(events, "{ __typename }").await, (200, events.to_owned()));
    assert_eq!(ask(json, DEVICES).await, (400, json.to_owned()));
    assert_eq!(ask("text/html", DEVICES).await.0, 406);
    // A link must not change anything.
    let headers = [("accept", "text/event-stream")];
    let path = "/graphql?query=mutation%7Ba:__typename%7D";
    server.send("GET", path, &headers, "").await.expect(405);
}
