//! One HTTP/1.1 connection, used by one task: hyper's client with nothing around it.

use std::pin::pin;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use crate::endpoint::{Endpoint, Stream};
use crate::error::{BenchError, Result};
use crate::operation::Requests;

/// What every request here carries.
pub(crate) type Body = Full<Bytes>;
/// The half that sends requests.
pub(crate) type Sender = SendRequest<Body>;
/// The half that moves bytes; see [`drive`].
pub(crate) type Transport = Connection<TokioIo<Stream>, Body>;

/// An answer that is kept whole may have so many bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Of an unexpected answer, so many characters are shown.
const EXCERPT_CHARS_MAX: usize = 300;

/// Opens a connection.
pub(crate) async fn open(endpoint: &Endpoint) -> Result<(Sender, Transport)> {
    let doing = || format!("cannot connect to {endpoint:?}");
    let stream = endpoint.connect().await.map_err(|source| BenchError::io(doing(), source))?;
    http1::handshake(TokioIo::new(stream)).await.map_err(|source| BenchError::http(doing(), source))
}

/// Does `work` while moving the connection's bytes, in one task: no second task to wake a request.
///
/// When the connection ends first, the work learns it from its own pending request.
pub(crate) async fn drive<T>(transport: Transport, work: impl Future<Output = T>) -> T {
    let mut transport = pin!(transport);
    let mut work = pin!(work);
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            _ = &mut transport, if open => open = false,
            done = &mut work => return done,
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The answer itself if it is a 2xx, else an error that shows what it says.
    pub(crate) fn expect_success(self, doing: &str) -> Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        let text = String::from_utf8_lossy(&self.body);
        let excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
        Err(BenchError::Answer(format!("{doing}: the server answered {}: {excerpt}", self.status)))
    }
}

/// One request and its whole answer, over a connection that somebody drives.
pub(crate) async fn exchange(
    sender: &mut Sender,
    request: Request<Body>,
    doing: &str,
) -> Result<Answer> {
    let failed = |source| BenchError::http(doing, source);
    sender.ready().await.map_err(failed)?;
    let (parts, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| BenchError::Answer(format!("{doing}: reading the answer: {error}")))?;
    Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
}

/// One request over a connection of its own.
pub(crate) async fn exchange_once(
    endpoint: &Endpoint,
    request: Request<Body>,
    doing: &str,
) -> Result<Answer> {
    let (mut sender, transport) = open(endpoint).await?;
    drive(transport, async move { exchange(&mut sender, request, doing).await }).await
}

/// Reads the body of an answer to its end, and shows it to `requests` if they want to see it; how
/// many bytes it had.
pub(crate) async fn finish(
    body: Incoming,
    requests: &mut Requests,
) -> std::result::Result<u64, hyper::Error> {
    if !requests.reads_answers() {
        return drain(body).await;
    }
    let body = body.collect().await?.to_bytes();
    requests.told(&body);
    Ok(body.len() as u64)
}

/// Reads a body to its end, keeping nothing; how many bytes it had.
pub(crate) async fn drain(mut body: Incoming) -> std::result::Result<u64, hyper::Error> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, Bytes::len) as u64;
    }
    Ok(bytes)
}
