//! A client of `graphql-transport-ws`.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::harness::server::Server;
use crate::harness::within;

/// An open WebSocket.
#[derive(Debug)]
pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// A WebSocket with these headers; the status if the server refuses.
    pub(crate) async fn open(
        server: &Server,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let url = format!("ws://{}/graphql", server.client.address);
        let mut request = url.into_client_request().expect("an address");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        let stream = server.client.tcp().await;
        match within("a handshake", client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// A WebSocket of the protocol.
    pub(crate) async fn new(server: &Server) -> Self {
        let protocol = [("sec-websocket-protocol", "graphql-transport-ws")];
        Self::open(server, &protocol).await.expect("the handshake is granted")
    }

    /// A WebSocket whose sender was greeted.
    pub(crate) async fn greeted(server: &Server) -> Self {
        let mut socket = Self::new(server).await;
        socket.greet(&json!(null)).await;
        socket
    }

    pub(crate) async fn greet(&mut self, payload: &Value) {
        self.send(&json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(self.next().await, json!({"type": "connection_ack"}));
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_raw(Message::text(message.to_string())).await;
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        within("sending", self.0.send(message)).await.expect("the socket is open");
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.send(&json!({"id": id, "type": "subscribe", "payload": payload})).await;
    }

    /// The next message, which must come.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match within("a message", self.0.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).expect("messages are JSON");
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no message, but {other:?}"),
            }
        }
    }

    /// The payload of the next message, which must be one of this kind for this operation.
    pub(crate) async fn payload(&mut self, id: &str, kind: &str) -> Value {
        let mut message = self.next().await;
        assert_eq!((&message["id"], &message["type"]), (&json!(id), &json!(kind)), "{message}");
        message["payload"].take()
    }

    /// The event that a subscription tells next, whatever its field is called.
    pub(crate) async fn event(&mut self, id: &str) -> Value {
        let payload = self.payload(id, "next").await;
        assert_eq!(payload["errors"], Value::Null, "{payload}");
        let data = payload["data"].as_object().expect("data");
        data.values().next().expect("one field").clone()
    }

    /// The code of the error that ends an operation.
    pub(crate) async fn failure(&mut self, id: &str) -> Value {
        let mut errors = self.payload(id, "error").await;
        errors[0].take()
    }

    /// Closes as a client does that has had enough, and is answered.
    pub(crate) async fn leave(mut self) {
        within("closing", self.0.close(None)).await.expect("the socket is open");
        loop {
            match within("the answer", self.0.next()).await {
                Some(Ok(Message::Close(_))) => return,
                Some(Ok(_)) => {}
                other => panic!("the server hung up: {other:?}"),
            }
        }
    }

    /// With which code, and why, the server closes the socket.
    pub(crate) async fn closed(mut self) -> (u16, String) {
        loop {
            match within("the end", self.0.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("no close frame, but {other:?}"),
            }
        }
    }
}
