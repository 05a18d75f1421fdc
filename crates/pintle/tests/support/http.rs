//! An HTTP client that keeps its connections, and one that knows nothing of HTTP.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::within;

type Connection = SendRequest<Full<Bytes>>;

/// A client of one server. Idle connections are kept and used again.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::default() }
    }

    /// Sends a request and reads the whole answer. Whoever drops this future midway drops the
    /// connection with it.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Reply, String> {
        let request = request(self.address, method, path, headers, body.into())?;
        let mut connection = self.connection().await.map_err(|error| error.to_string())?;
        let answer = connection.send_request(request).await.map_err(|error| in_words(&error))?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| in_words(&error))?.to_bytes();
        self.lock().push(connection);
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// Sends a request on a connection of its own, and leaves the body of the answer to the caller.
    pub(crate) async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<http::Response<Incoming>, String> {
        let request = request(self.address, method, path, headers, Bytes::new())?;
        let mut connection = connect(self.address).await.map_err(|error| error.to_string())?;
        connection.send_request(request).await.map_err(|error| in_words(&error))
    }

    /// Writes bytes to a new connection, ends its own side, and reads until the server ends too.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all(bytes).await?;
            stream.shutdown().await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
        };
        within("a raw exchange", exchange).await.expect("the connection holds")
    }

    /// A connection to do anything with.
    pub(crate) async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server accepts connections")
    }

    async fn connection(&self) -> Result<Connection, Box<dyn std::error::Error>> {
        loop {
            let Some(mut kept) = self.lock().pop() else { break };
            // The server may have closed it meanwhile.
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
        connect(self.address).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(address: SocketAddr) -> Result<Connection, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut connection, transport) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(transport);
    connection.ready().await?;
    Ok(connection)
}

fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, String> {
    let method: Method = method.parse().map_err(|_| format!("{method:?} is no method"))?;
    let mut builder = Request::builder().method(method).uri(path);
    let is = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    if !is("host") {
        builder = builder.header("host", address.to_string());
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body)).map_err(|error| error.to_string())
}

fn in_words(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}")
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error} in the body of {} {:?}", self.status, self.text()),
        }
    }

    /// The value at a JSON pointer; null where there is none.
    #[track_caller]
    pub(crate) fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or(Value::Null)
    }

    /// The first value of a header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// All values of a header.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    pub(crate) fn etag(&self) -> &str {
        self.header("etag")
    }

    /// `metadata.resourceVersion` of the object in the body.
    #[track_caller]
    pub(crate) fn version(&self) -> u64 {
        let version = self.at("/metadata/resourceVersion");
        let text = version.as_str().unwrap_or_else(|| panic!("no version in {}", self.text()));
        text.parse().expect("versions are numbers")
    }

    /// The answer itself, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}
