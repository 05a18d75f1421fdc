//! WebSockets (RFC 6455): the handshake, and what a door talks over afterwards.
//!
//! A door answers a [`Handshake`] with a body that is a [`Talk`]. The connection carries it out
//! once the answer is sent, in its own task: it keeps its seat, and ends with the server.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;

use http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub use tokio_tungstenite::tungstenite::Error as SocketError;
pub use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
pub use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
pub use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

use crate::Body;

/// An open WebSocket: a stream of messages, and a sink for them.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A request for a WebSocket that can be granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    accept: HeaderValue,
    protocols: Vec<String>,
}

/// A request for a WebSocket that cannot be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Another version of the protocol (status 426, with `Sec-WebSocket-Version`).
    #[error("Sec-WebSocket-Version must be 13")]
    Version,
    /// It is no request for a WebSocket, though it says so.
    #[error("not a WebSocket handshake: {0}")]
    Malformed(&'static str),
    /// It comes from a page of another origin. No preflight holds such a request back, and a
    /// client certificate would go with it.
    #[error("a page from {origin:?} may not open a WebSocket here")]
    ForeignOrigin {
        /// What `Origin` says.
        origin: String,
    },
}

impl Handshake {
    /// Whether a request asks for a WebSocket, well or badly.
    pub fn is_asked(headers: &HeaderMap) -> bool {
        has_token(headers, &UPGRADE, "websocket")
    }

    /// Reads the request for a WebSocket (RFC 6455, section 4.2.1).
    pub fn of(parts: &Parts) -> Result<Self, HandshakeError> {
        let headers = &parts.headers;
        if parts.method != Method::GET {
            return Err(HandshakeError::Malformed("the method must be GET"));
        }
        if parts.version != Version::HTTP_11 {
            return Err(HandshakeError::Malformed("it takes HTTP/1.1"));
        }
        if !Self::is_asked(headers) || !has_token(headers, &CONNECTION, "upgrade") {
            return Err(HandshakeError::Malformed("Connection: Upgrade and Upgrade: websocket"));
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(HandshakeError::Version);
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
        let key = key.filter(|key| key.len() == 24 && key.ends_with(b"=="));
        let key =
            key.ok_or(HandshakeError::Malformed("Sec-WebSocket-Key is 16 bytes in base64"))?;
        check_origin(headers)?;
        let accept = HeaderValue::try_from(derive_accept_key(key));
        let accept = accept.map_err(|_| HandshakeError::Malformed("Sec-WebSocket-Key"))?;
        let protocols = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        Ok(Self { accept, protocols })
    }

    /// The first of the subprotocols that the client offers and the door speaks.
    pub fn choose(&self, spoken: &[&'static str]) -> Option<&'static str> {
        self.protocols.iter().find_map(|it| spoken.iter().find(|spoken| *spoken == it)).copied()
    }

    /// Whether the client offers any subprotocol.
    pub const fn offers_protocols(&self) -> bool {
        !self.protocols.is_empty()
    }

    /// Grants the WebSocket: the answer, whose body is the talk that follows it.
    ///
    /// A message of more than `message_bytes_max` bytes is an error of the socket.
    pub fn accept<F, T>(
        self,
        protocol: Option<&'static str>,
        message_bytes_max: usize,
        talk: F,
    ) -> Response<Body>
    where
        F: FnOnce(Socket) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let talk = Talk { message_bytes_max, begin: Box::new(|socket| Box::pin(talk(socket))) };
        let mut response = Response::new(Body::WebSocket(talk));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(protocol) = protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
        response
    }
}

type Conversation = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a door does with a WebSocket once it is open.
pub struct Talk {
    message_bytes_max: usize,
    begin: Box<dyn FnOnce(Socket) -> Conversation + Send>,
}

impl Talk {
    /// The same talk, with something that is dropped when it is over.
    pub(crate) fn with(self, guard: impl Send + 'static) -> Self {
        let Self { message_bytes_max, begin } = self;
        let begin: Box<dyn FnOnce(Socket) -> Conversation + Send> = Box::new(|socket| {
            let conversation = begin(socket);
            Box::pin(async move {
                conversation.await;
                drop(guard);
            })
        });
        Self { message_bytes_max, begin }
    }

    /// Waits for the connection to become a WebSocket, and talks over it until that ends.
    pub(crate) async fn hold(self, upgrade: OnUpgrade) {
        let upgraded = match upgrade.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "a WebSocket did not come about"),
        };
        let config = WebSocketConfig::default()
            .max_message_size(Some(self.message_bytes_max))
            .max_frame_size(Some(self.message_bytes_max))
            // Each message is given to the connection at once, and the next one waits for that, so
            // that the buffer holds no more than one of the messages that a door sends.
            .write_buffer_size(0);
        let socket = Socket::from_raw_socket(upgraded, Role::Server, Some(config)).await;
        (self.begin)(socket).await;
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk").finish_non_exhaustive()
    }
}

/// Takes in what still comes over the connection of a socket that is closed, as long as anything
/// does. A message that was refused for its size is on its way whole.
pub async fn drain(socket: &mut Socket) {
    let mut space = [0; 4 * 1024];
    loop {
        let mut buffer = ReadBuf::new(&mut space);
        let read = poll_fn(|context| Pin::new(socket.get_mut()).poll_read(context, &mut buffer));
        if read.await.is_err() || buffer.filled().is_empty() {
            return;
        }
    }
}

/// A browser says which page a request comes from; everybody else says nothing.
fn check_origin(headers: &HeaderMap) -> Result<(), HandshakeError> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = String::from_utf8_lossy(origin.as_bytes());
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let same = origin.split_once("://").is_some_and(|(_, authority)| {
        host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
    });
    let refused = || HandshakeError::ForeignOrigin { origin: origin.chars().take(200).collect() };
    if same { Ok(()) } else { Err(refused()) }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|it| it.eq_ignore_ascii_case(token))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let asked = [
            ("host", "pintle.example:8080"),
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let mut parts = Request::new(()).into_parts().0;
        for (name, value) in asked.iter().chain(headers) {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            if value.is_empty() {
                parts.headers.remove(name);
            } else {
                parts.headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        parts
    }

    /// The key and its answer are those of RFC 6455, section 1.3.
    #[test]
    fn a_handshake_is_answered_as_the_standard_says() {
        let offered = parts(&[("sec-websocket-protocol", "other, graphql-transport-ws")]);
        let handshake = Handshake::of(&offered).unwrap();
        assert!(handshake.offers_protocols());
        assert_eq!(handshake.choose(&["soap"]), None);
        let chosen = handshake.choose(&["graphql-transport-ws"]);
        let response = handshake.accept(chosen, 1024, |_| async {});
        assert_eq!(response.status(), 101);
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("sec-websocket-protocol", "graphql-transport-ws"),
        ] {
            assert_eq!(response.headers().get(name).unwrap(), value, "{name}");
        }
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        let mut post = parts(&[]);
        post.method = Method::POST;
        let mut old = parts(&[]);
        old.version = Version::HTTP_10;
        for (row, parts, expected) in [
            ("post", post, "the method must be GET"),
            ("1.0", old, "it takes HTTP/1.1"),
            ("no upgrade", parts(&[("connection", "close")]), "Connection: Upgrade"),
            ("version", parts(&[("sec-websocket-version", "8")]), "must be 13"),
            ("no version", parts(&[("sec-websocket-version", "")]), "must be 13"),
            ("no key", parts(&[("sec-websocket-key", "")]), "16 bytes"),
            ("short key", parts(&[("sec-websocket-key", "dGhl")]), "16 bytes"),
            ("origin", parts(&[("origin", "https://evil.example")]), "evil.example"),
            ("null origin", parts(&[("origin", "null")]), "null"),
            ("other port", parts(&[("origin", "http://pintle.example")]), "may not open"),
        ] {
            let error = Handshake::of(&parts).unwrap_err().to_string();
            assert!(error.contains(expected), "{row}: {error}");
        }
        assert!(Handshake::of(&parts(&[("origin", "http://Pintle.example:8080")])).is_ok());
        assert!(!Handshake::is_asked(&parts(&[("upgrade", "h2c")]).headers));
    }
}
