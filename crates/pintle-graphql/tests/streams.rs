//! Sockets and subscriptions of a door with limits of its own: who shares what is encoded, who
//! loses a subscription, and who a socket.

#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use pintle_engine::{AccessMode, Engine, Limits, RuleSource, Setup, SystemClock, SystemEntropy};
use pintle_graphql::{GraphqlDoor, GraphqlSettings, Numbers, StreamLimits};
use pintle_http::{Body, Connections, Door as _, RequestBody, ServerLimits, serve};
use pintle_store::MemoryStore;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

const PATIENCE: Duration = Duration::from_mins(2);

async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    let happened = tokio::time::timeout(PATIENCE, happens).await;
    happened.unwrap_or_else(|_| panic!("{what}: nothing came"))
}

/// A server of the core kinds, which forgets everything.
struct World {
    engine: Arc<Engine>,
    door: Arc<GraphqlDoor>,
    numbers: Arc<Numbers>,
    address: std::net::SocketAddr,
}

impl World {
    async fn new(streams: StreamLimits) -> Self {
        Self::within(streams, Limits::default()).await
    }

    async fn within(streams: StreamLimits, limits: Limits) -> Self {
        let setup = Setup {
            store: Arc::new(MemoryStore::default()),
            rules: RuleSource { mode: AccessMode::Open, policies: Vec::new() },
            hook: None,
            conversions: pintle_engine::Conversions::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            limits,
        };
        let engine = Engine::start(setup).await.unwrap();
        engine.calm().await;
        let numbers = Arc::<Numbers>::default();
        let settings = GraphqlSettings {
            streams,
            numbers: Arc::clone(&numbers),
            ..GraphqlSettings::default()
        };
        let door = GraphqlDoor::new(Arc::clone(&engine), settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (limits, counts) = (ServerLimits::default(), Arc::<Connections>::default());
        let served = Arc::<GraphqlDoor>::clone(&door);
        tokio::spawn(serve(listener, served, limits, None, counts, engine.closing()));
        Self { engine, door, numbers, address }
    }

    async fn ask(&self, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables}).to_string();
        let request = Request::post("/graphql")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(RequestBody::from(Bytes::from(body)))
            .unwrap();
        let response = Arc::<GraphqlDoor>::clone(&self.door).handle(request).await;
        let Body::Whole(bytes) = response.into_body() else { panic!("a whole answer") };
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(answer["errors"], Value::Null, "{answer}");
        answer["data"].clone()
    }

    /// Makes a namespace and changes it so often; the versions of these changes.
    async fn changes(&self, name: &str, changes: usize, note: &str) -> Vec<String> {
        self.create(name).await;
        let mut versions = Vec::new();
        for round in 0..changes {
            versions.push(self.change(name, &format!("{round} {note}")).await);
        }
        versions
    }

    async fn create(&self, name: &str) {
        let create = "mutation($name: String!) { createNamespace(input: {metadata: {name: $name}}) \
                      { errors { message } } }";
        let made = self.ask(create, json!({"name": name})).await;
        assert_eq!(made["createNamespace"]["errors"], json!([]), "{made}");
        self.engine.calm().await;
    }

    async fn change(&self, name: &str, note: &str) -> String {
        let patch = "mutation($name: String!, $note: JSON!) { patchNamespace(input: {ref: {name: \
                     $name}, metadata: {annotations: $note}}) { namespace { metadata { \
                     resourceVersion } } errors { message } } }";
        let note = json!({"note": note});
        let patched = self.ask(patch, json!({"name": name, "note": note})).await;
        let version = &patched["patchNamespace"]["namespace"]["metadata"]["resourceVersion"];
        version.as_str().unwrap_or_else(|| panic!("{patched}")).to_owned()
    }

    fn newest(&self) -> String {
        self.engine.newest().to_string()
    }
}

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn silent(world: &World) -> Self {
        let url = format!("ws://{}/graphql", world.address);
        let mut request = url.into_client_request().unwrap();
        let protocol = "graphql-transport-ws".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let stream = TcpStream::connect(world.address).await.unwrap();
        Self(within("a handshake", client_async(request, stream)).await.unwrap().0)
    }

    async fn greeted(world: &World) -> Self {
        let mut client = Self::silent(world).await;
        client.send(&json!({"type": "connection_init"})).await;
        assert_eq!(client.next().await["type"], json!("connection_ack"));
        client
    }

    async fn send(&mut self, message: &Value) {
        within("sending", self.0.send(Message::text(message.to_string()))).await.unwrap();
    }

    async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.send(&json!({"id": id, "type": "subscribe", "payload": payload})).await;
    }

    async fn next(&mut self) -> Value {
        loop {
            match within("a message", self.0.next()).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn event(&mut self) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], json!("next"), "{message}");
        message["payload"]["data"]["watchNamespaces"].clone()
    }

    async fn closed(mut self) -> u16 {
        loop {
            match within("the end", self.0.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

const WATCH: &str = "subscription($from: ResourceVersion, $name: String, $labels: String) { \
     watchNamespaces(resourceVersion: $from, name: $name, labelSelector: $labels, allowBookmarks: \
     false) { type resourceVersion object { metadata { name annotations } } } }";

#[tokio::test]
async fn a_client_that_says_nothing_is_not_waited_for() {
    let init_timeout = Duration::from_millis(50);
    let world = World::new(StreamLimits { init_timeout, ..StreamLimits::default() }).await;
    assert_eq!(Client::silent(&world).await.closed().await, 4408);
    let mut client = Client::greeted(&world).await;
    tokio::time::sleep(3 * init_timeout).await;
    client.send(&json!({"type": "ping"})).await;
    assert_eq!(client.next().await, json!({"type": "pong"}));
}

/// Many who ask the same are told the same bytes: an event is encoded once, whatever each of them
/// selects, and from wherever each began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_encoded_once_for_all_who_ask_alike() {
    const SOCKETS: usize = 20;
    const EACH: usize = 50;
    let world = World::new(StreamLimits::default()).await;
    let from = world.newest();
    let changes = world.changes("shared", 9, "x").await;
    let mut clients = Vec::new();
    for _ in 0..SOCKETS {
        let mut client = Client::greeted(&world).await;
        for id in 0..EACH {
            let name = (id % 2 == 0).then_some("shared");
            let variables = json!({"from": from, "name": name, "labels": null});
            client.subscribe(&id.to_string(), WATCH, variables).await;
        }
        clients.push(client);
    }
    // The making of the namespace, what the server does to it, and its changes.
    let last = changes.last().unwrap();
    let mut events = 0;
    for client in &mut clients {
        let mut ended = 0;
        while ended < EACH {
            events += 1;
            ended += usize::from(client.event().await["resourceVersion"] == json!(last));
        }
    }
    let (told, encoded) = (world.numbers.told(), world.numbers.encoded());
    assert_eq!(told, events);
    assert_eq!(encoded, told / (SOCKETS * EACH) as u64, "{told} told");
    assert!(encoded > 9, "{encoded}");
    assert_eq!(world.numbers.subscriptions(), (SOCKETS * EACH) as u64);
    // Other fields are other results.
    let other = WATCH.replace("annotations", "uid");
    clients[0].subscribe("other", &other, json!({"from": from})).await;
    while clients[0].event().await["resourceVersion"] != json!(last) {}
    assert_eq!(world.numbers.encoded(), 2 * encoded);
    // And new changes are told to all of them, and encoded twice.
    world.changes("more", 1, "y").await;
    drop(clients);
    let gone = async {
        while world.numbers.subscriptions() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the end of all subscriptions", gone).await;
}

/// A client that reads nothing loses its subscription, and is told from where to go on. Nothing
/// is lost for one that does, and the socket is still there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_is_told_where_to_go_on() {
    let slow_after = Duration::from_secs(3);
    let world = World::new(StreamLimits { slow_after, ..StreamLimits::default() }).await;
    let from = world.newest();
    let mut client = Client::greeted(&world).await;
    client.subscribe("slow", WATCH, json!({"from": from})).await;
    world.create("big").await;
    // More than any socket takes in for a reader that does not read, and then until that shows.
    let mut changes = Vec::new();
    while world.numbers.slow_consumers() == 0 {
        if changes.len() < 100 {
            let note = format!("{} {}", changes.len(), "x".repeat(200_000));
            changes.push(world.change("big", &note).await);
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    changes.push(world.change("big", "the last").await);
    assert_eq!(world.numbers.subscriptions(), 0);
    let mut seen: Vec<String> = Vec::new();
    let version = loop {
        let message = client.next().await;
        if message["type"] == json!("error") {
            let extensions = &message["payload"][0]["extensions"];
            assert_eq!(extensions["code"], json!("SLOW_CONSUMER"), "{message}");
            assert_eq!(extensions["retryable"], json!(true));
            break extensions["lastResourceVersion"].as_str().unwrap().to_owned();
        }
        let version = &message["payload"]["data"]["watchNamespaces"]["resourceVersion"];
        seen.push(version.as_str().unwrap_or_else(|| panic!("{message}")).to_owned());
    };
    assert_eq!(seen.last(), Some(&version));
    assert_ne!(changes.last(), Some(&version), "all of it fitted into the socket");
    client.subscribe("slow", WATCH, json!({"from": version})).await;
    while seen.last() != changes.last() {
        seen.push(client.event().await["resourceVersion"].as_str().unwrap().to_owned());
    }
    assert!(seen.ends_with(&changes), "nothing is lost, and nothing told twice");
    assert!(seen.is_sorted_by_key(|version| version.parse::<u64>().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_loses_the_socket() {
    let slow_after = Duration::from_millis(200);
    let world = World::new(StreamLimits { slow_after, ..StreamLimits::default() }).await;
    let mut client = Client::greeted(&world).await;
    client.subscribe("1", WATCH, json!({"from": world.newest()})).await;
    world.changes("big", 120, &"x".repeat(200_000)).await;
    let gone = async {
        while world.numbers.sockets() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the end of the socket", gone).await;
    assert_eq!(world.numbers.slow_consumers(), 1);
}

/// More watches than the server has room for are refused, and say when to try again. There is room
/// when one of the others ends.
#[tokio::test]
async fn a_subscription_too_many_is_throttled() {
    let limits = Limits { watchers_max: 1, ..Limits::default() };
    let world = World::within(StreamLimits::default(), limits).await;
    let mut first = Client::greeted(&world).await;
    first.subscribe("1", WATCH, json!({})).await;
    assert_eq!(first.event().await["type"], json!("ADDED"));
    let mut second = Client::greeted(&world).await;
    second.subscribe("1", WATCH, json!({})).await;
    let refused = second.next().await;
    assert_eq!(refused["type"], json!("error"), "{refused}");
    let extensions = &refused["payload"][0]["extensions"];
    assert_eq!(extensions["code"], json!("THROTTLED"), "{refused}");
    assert_eq!(extensions["httpStatus"], json!(429));
    assert_eq!(extensions["retryable"], json!(true));
    assert_eq!(extensions["retryAfterMs"], json!(5_000));

    // As server-sent events, it is told in the stream.
    let body = json!({"query": WATCH}).to_string();
    let request = Request::post("/graphql")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "text/event-stream")
        .body(RequestBody::from(Bytes::from(body)))
        .unwrap();
    let response = Arc::<GraphqlDoor>::clone(&world.door).handle(request).await;
    let Body::Whole(told) = response.into_body() else { panic!("it ends at once") };
    assert!(String::from_utf8_lossy(&told).contains("\"code\":\"THROTTLED\""), "{told:?}");

    drop(first);
    let gone = async {
        while world.numbers.subscriptions() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the end of the first", gone).await;
    second.subscribe("1", WATCH, json!({})).await;
    assert_eq!(second.event().await["type"], json!("ADDED"));
}
