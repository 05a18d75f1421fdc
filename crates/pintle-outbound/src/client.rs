//! Sending, waiting and reading, each with its bound.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{CaFileError, Message, Url, tls};

/// The head of an answer: its status line and its headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 100;

/// A body that nobody wants is read so far, so that the connection can be used again. One that is
/// longer or slower costs the connection.
const DISCARD_BYTES_MAX: usize = 64 * 1024;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);

/// The bounds of a client, and whom it believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// Certificates (PEM) to believe besides those that the machine trusts.
    pub ca_file: Option<PathBuf>,
    /// A connection is made within this, or not at all.
    pub connect_timeout: Duration,
    /// A request is answered within this, connecting and reading included, or has failed.
    pub timeout: Duration,
    /// The longest body that [`Client::send`] takes.
    pub response_bytes_max: usize,
    /// So many connections to one server are kept open for the next request.
    pub idle_connections_max: usize,
    /// A connection that nobody used for so long is closed.
    pub idle_timeout: Duration,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            response_bytes_max: 1024 * 1024,
            idle_connections_max: 2,
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// Calls other servers. Clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    response_bytes_max: usize,
}

/// Why there is no answer. Statuses are not among the reasons: a 500 is an answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is no connection: nobody listens, the name is unknown, the certificate is not
    /// believed. Nothing was sent.
    #[error("cannot connect to {origin}: {why}")]
    Connect {
        /// Scheme, host and port.
        origin: String,
        /// What the system or TLS says.
        why: String,
    },
    /// The time is up. The request may have been carried out.
    #[error("{origin} has not answered within {after:?}")]
    Timeout {
        /// Scheme, host and port.
        origin: String,
        /// The time that it had.
        after: Duration,
    },
    /// The connection broke, or what came is not HTTP. The request may have been carried out.
    #[error("no answer from {origin}: {why}")]
    Broken {
        /// Scheme, host and port.
        origin: String,
        /// What happened.
        why: String,
    },
    /// The body of the answer is longer than it may be.
    #[error("the answer of {origin} is longer than {bytes_max} bytes")]
    TooLong {
        /// Scheme, host and port.
        origin: String,
        /// The limit.
        bytes_max: usize,
    },
}

impl Client {
    /// A client; what the machine trusts, and the file of the settings, is read here.
    pub fn new(settings: &ClientSettings) -> Result<Self, CaFileError> {
        let tls = tls::tls_config(settings.ca_file.as_deref())?;
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.idle_timeout)
            .pool_max_idle_per_host(settings.idle_connections_max)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http1_max_headers(HEADERS_MAX);
        Ok(Self {
            inner: builder.build(connector(tls, settings.connect_timeout)),
            timeout: settings.timeout,
            response_bytes_max: settings.response_bytes_max,
        })
    }

    /// Sends, and takes the whole answer.
    pub async fn send(&self, message: Message<'_>) -> Result<Response<Bytes>, SendError> {
        let url = message.url;
        let answered = async {
            let (head, body) = self.exchange(message).await?.into_parts();
            Ok(Response::from_parts(head, self.read(url, body).await?))
        };
        timeout(self.timeout, answered).await.unwrap_or_else(|_| Err(self.too_late(url)))
    }

    /// Sends, and wants nothing but the head of the answer: what it brings is thrown away, however
    /// much that is.
    pub async fn tell(&self, message: Message<'_>) -> Result<Response<()>, SendError> {
        let (url, deadline) = (message.url, Instant::now() + self.timeout);
        let answer = timeout_at(deadline, self.exchange(message)).await;
        let (head, body) = answer.map_err(|_| self.too_late(url))??.into_parts();
        let until = deadline.min(Instant::now() + DISCARD_TIME_MAX);
        // The answer is there already: how its body ends makes no difference to it.
        drop(timeout_at(until, Limited::new(body, DISCARD_BYTES_MAX).collect()).await);
        Ok(Response::from_parts(head, ()))
    }

    /// Sends, and takes the answer piece by piece, for as long as it goes on. Its head has to come
    /// within the time that a whole answer has; whoever reads the pieces bounds the rest.
    pub async fn open(
        &self,
        message: Message<'_>,
    ) -> Result<Response<impl Body<Data = Bytes, Error = hyper::Error> + Send + 'static>, SendError>
    {
        let url = message.url;
        let answer = timeout(self.timeout, self.exchange(message)).await;
        answer.unwrap_or_else(|_| Err(self.too_late(url)))
    }

    async fn exchange(&self, message: Message<'_>) -> Result<Response<Incoming>, SendError> {
        let url = message.url;
        let request = self.inner.request(request(message));
        request.await.map_err(|error| {
            let (origin, why) = (url.origin(), causes(&error));
            if error.is_connect() {
                SendError::Connect { origin, why }
            } else {
                SendError::Broken { origin, why }
            }
        })
    }

    async fn read(&self, url: &Url, body: Incoming) -> Result<Bytes, SendError> {
        let bytes_max = self.response_bytes_max;
        let read = Limited::new(body, bytes_max).collect().await;
        let read = read.map(http_body_util::Collected::to_bytes);
        read.map_err(|error| {
            let origin = url.origin();
            if error.is::<LengthLimitError>() {
                SendError::TooLong { origin, bytes_max }
            } else {
                SendError::Broken { origin, why: causes(error.as_ref()) }
            }
        })
    }

    fn too_late(&self, url: &Url) -> SendError {
        SendError::Timeout { origin: url.origin(), after: self.timeout }
    }
}

fn connector(
    tls: rustls::ClientConfig,
    connect_timeout: Duration,
) -> HttpsConnector<HttpConnector> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(connect_timeout));
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http)
}

fn request(message: Message<'_>) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(message.body));
    *request.method_mut() = message.method;
    *request.uri_mut() = message.url.uri().clone();
    *request.headers_mut() = message.headers;
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(crate::USER_AGENT));
    request
}

/// What is behind an error of the client, whose own words only say in which part it came up.
fn causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    let mut causes: Vec<String> = causes.map(ToString::to_string).collect();
    // Some errors show their source, and would be told twice.
    causes.dedup_by(|later, earlier| earlier.contains(later.as_str()));
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}
