//! A door that talks over WebSockets, behind the real server.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use pintle_http::websocket::{Handshake, Message, Socket};
use pintle_http::{
    Body, Connections, Door, Exchange, Observer, Observers, Recording, RequestBody, ServerLimits,
    serve,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::client_async;

const MESSAGE_BYTES_MAX: usize = 1_000;

/// Sends back what it is sent.
#[derive(Debug)]
struct Echo(Observers);

async fn echo(mut socket: Socket) {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() && socket.send(message).await.is_err() {
            break;
        }
    }
}

impl Door for Echo {
    fn handle(
        self: Arc<Self>,
        request: Request<RequestBody>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        let (parts, _) = request.into_parts();
        let recording = Recording::begin("echo", &self.0, &parts);
        let response =
            Handshake::of(&parts).expect("a handshake").accept(None, MESSAGE_BYTES_MAX, echo);
        Box::pin(async { recording.answered(response) })
    }
}

/// Says when an exchange was answered and ended.
#[derive(Debug)]
struct Notes(Mutex<mpsc::UnboundedSender<String>>);

impl Notes {
    fn note(&self, what: String) {
        self.0.lock().expect("nobody panics").send(what).expect("the test listens");
    }
}

impl Observer for Notes {
    fn answered(&self, exchange: &Exchange) {
        self.note(format!("answered {:?}", exchange.status.map(|status| status.as_u16())));
    }

    fn ended(&self, _: &Exchange) {
        self.note("ended".to_owned());
    }
}

#[tokio::test]
async fn a_door_talks_over_a_websocket_until_the_server_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (close, closing) = watch::channel(false);
    let (sender, mut notes) = mpsc::unbounded_channel();
    let told: Arc<dyn Observer> = Arc::new(Notes(Mutex::new(sender)));
    let door = Arc::new(Echo(Observers::new([told])));
    let connections = Arc::new(Connections::default());
    let limits =
        ServerLimits { farewell_timeout: Duration::from_millis(50), ..ServerLimits::default() };
    let serving =
        tokio::spawn(serve(listener, door, limits, None, Arc::clone(&connections), closing));
    let dial = async || {
        let stream = TcpStream::connect(address).await.unwrap();
        client_async(format!("ws://{address}/"), stream).await.unwrap().0
    };

    let mut socket = dial().await;
    assert_eq!(notes.recv().await.unwrap(), "answered Some(101)");
    for text in ["one", "two"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    assert_eq!(connections.open(), 1, "it keeps its seat");
    socket.close(None).await.unwrap();
    assert_eq!(notes.recv().await.unwrap(), "ended");

    let mut greedy = dial().await;
    greedy.send(Message::text("x".repeat(MESSAGE_BYTES_MAX + 1))).await.unwrap();
    assert!(!matches!(greedy.next().await, Some(Ok(Message::Text(_)))));
    assert_eq!(notes.recv().await.unwrap(), "answered Some(101)");
    assert_eq!(notes.recv().await.unwrap(), "ended");

    // One that says nothing and hears nothing is cut off.
    let _silent = dial().await;
    assert_eq!(notes.recv().await.unwrap(), "answered Some(101)");
    close.send(true).unwrap();
    serving.await.unwrap();
    assert_eq!(notes.recv().await.unwrap(), "ended");
}
