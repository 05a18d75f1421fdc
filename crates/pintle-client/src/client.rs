//! [`Client`]: one server, and who calls it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::Full;
use pintle_kinds::Kind;
use pintle_outbound::{CaFileError, ClientSettings, UrlError};
use serde_json::{Map, Value};
use tokio::time::timeout;
use tower_service::Service;

use crate::retry::pause;
use crate::transport::{Call, Http, Over, Pieces, Transport};
use crate::{Api, Error, Refused};

/// Calls one server. Clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Box<dyn Transport>,
    authorization: Option<HeaderValue>,
    manager: Option<String>,
    timeout: Duration,
    answer_bytes_max: usize,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL cannot be called.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The certificates to believe cannot be read.
    #[error(transparent)]
    Ca(#[from] CaFileError),
    /// A token is sent in a header, and cannot hold whatever bytes there are.
    #[error("the token holds characters that no header can have")]
    Token,
}

/// What a client is made from.
#[derive(Clone)]
#[must_use = "nothing happens before `build`"]
pub struct ClientBuilder {
    url: String,
    token: Option<String>,
    manager: Option<String>,
    ca_file: Option<PathBuf>,
    timeout: Duration,
    answer_bytes_max: usize,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

const TIMEOUT: Duration = Duration::from_mins(1);
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

impl ClientBuilder {
    /// Shows this bearer token.
    pub fn token(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// Writes under this name (`fieldManager`), which the server remembers for conditions.
    pub fn manager(self, name: impl Into<String>) -> Self {
        Self { manager: Some(name.into()), ..self }
    }

    /// Believes the certificates in this file (PEM) besides those that the machine trusts.
    pub fn ca_file(self, file: impl Into<PathBuf>) -> Self {
        Self { ca_file: Some(file.into()), ..self }
    }

    /// Waits so long for an answer; 60 seconds unless said otherwise.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Takes answers of at most so many bytes; 256 MiB unless said otherwise.
    pub fn answer_bytes_max(self, bytes: usize) -> Self {
        Self { answer_bytes_max: bytes, ..self }
    }

    /// Makes the client. Nothing is sent yet.
    pub fn build(self) -> Result<Client, ConnectError> {
        let settings = ClientSettings {
            ca_file: self.ca_file,
            timeout: self.timeout,
            idle_connections_max: 32,
            ..ClientSettings::default()
        };
        let base = self.url.parse()?;
        let transport = Http { client: pintle_outbound::Client::new(&settings)?, base };
        let authorization = self.token.map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| ConnectError::Token)?;
            value.set_sensitive(true);
            Ok::<_, ConnectError>(value)
        });
        Ok(Client {
            inner: Arc::new(Inner {
                transport: Box::new(transport),
                authorization: authorization.transpose()?,
                manager: self.manager,
                timeout: self.timeout,
                answer_bytes_max: self.answer_bytes_max,
            }),
        })
    }
}

impl Client {
    /// A client of the server behind this URL, which shows nothing.
    pub fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder(url).build()
    }

    /// The same with more to say.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            url: url.into(),
            token: None,
            manager: None,
            ca_file: None,
            timeout: TIMEOUT,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    /// A client of whatever answers requests, such as a server in the same process.
    pub fn over<S, B>(service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: fmt::Display,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        let inner = Inner {
            transport: Box::new(Over::new(service)),
            authorization: None,
            manager: None,
            timeout: TIMEOUT,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        Self { inner: Arc::new(inner) }
    }

    /// What can be done with objects of a kind.
    pub fn api<K: Kind>(&self) -> Api<K> {
        Api::new(self.clone(), K::PLURAL, K::GROUP, Some(K::VERSION))
    }

    /// The same for a kind that is only known by name, as JSON or as any type that serde knows.
    pub fn resource<T>(&self, plural: &str, group: &str) -> Api<T> {
        Api::new(self.clone(), plural, group, None)
    }

    /// The same in one version of the kind.
    pub fn resource_of<T>(&self, plural: &str, group: &str, version: &'static str) -> Api<T> {
        Api::new(self.clone(), plural, group, Some(version))
    }

    pub(crate) fn manager(&self) -> Option<&str> {
        self.inner.manager.as_deref()
    }

    /// Makes a call, again where that is safe, and takes the whole answer.
    pub(crate) async fn call(&self, call: Call) -> Result<(HeaderMap, Bytes), Error> {
        let reads = call.method.is_safe();
        let mut attempt = 1;
        loop {
            let error = match self.call_once(call.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(pause) = pause(reads, &error, attempt) else { return Err(error) };
            tracing::debug!(%error, ?pause, "a call is made again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn call_once(&self, call: Call) -> Result<(HeaderMap, Bytes), Error> {
        let (limit, bytes_max) = (self.inner.timeout, self.inner.answer_bytes_max);
        let answered = async {
            let (head, pieces) = self.open(call).await?.into_parts();
            let body = collect(pieces, bytes_max).await?;
            Ok((head.headers, body))
        };
        let late = || Error::Interrupted(format!("no answer within {limit:?}"));
        timeout(limit, answered).await.unwrap_or_else(|_| Err(late()))
    }

    /// Makes a call once, and takes the answer piece by piece.
    pub(crate) async fn open(&self, mut call: Call) -> Result<Response<Pieces>, Error> {
        if let Some(value) = &self.inner.authorization {
            call.headers.insert(AUTHORIZATION, value.clone());
        }
        let response = self.inner.transport.send(call).await?;
        for warning in response.headers().get_all("warning") {
            tracing::warn!(warning = %String::from_utf8_lossy(warning.as_bytes()), "the server warns");
        }
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, pieces) = response.into_parts();
        let body = collect(pieces, REFUSAL_BYTES_MAX).await?;
        let details = serde_json::from_slice::<Map<String, Value>>(&body).unwrap_or_default();
        let mut refused = Refused::new(head.status.as_u16(), details);
        let after =
            head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        refused.retry_after = after.map(Duration::from_secs);
        Err(Error::of(refused))
    }
}

const REFUSAL_BYTES_MAX: usize = 32 * 1024 * 1024;

async fn collect(mut pieces: Pieces, bytes_max: usize) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(Error::Interrupted)?;
        if body.len() + piece.len() > bytes_max {
            return Err(Error::Unreadable(format!("it is longer than {bytes_max} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
