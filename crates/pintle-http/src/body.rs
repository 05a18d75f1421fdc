//! Bodies: what comes in, up to a limit, and what goes out, whole or as a stream.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::websocket::Talk;

/// The body of a response.
pub enum Body {
    /// All of it, at once.
    Whole(Bytes),
    /// Piece by piece. A piece is only asked for when the connection has room for it, so a slow
    /// reader slows down nobody but itself.
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
    /// Like a stream, but it only ends with the client or the server: a watch.
    Endless(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
    /// Nothing: the connection becomes a WebSocket, which ends with the client or the server.
    WebSocket(Talk),
}

impl Body {
    /// No body.
    pub const fn empty() -> Self {
        Self::Whole(Bytes::new())
    }

    /// A body that goes on until somebody has enough of it.
    pub fn endless(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self::Endless(Box::pin(pieces))
    }

    /// A body that comes piece by piece.
    pub fn stream(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self::Stream(Box::pin(pieces))
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Whole(bytes.into())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
            Self::Endless(_) => f.write_str("Endless"),
            Self::WebSocket(_) => f.write_str("WebSocket"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::WebSocket(_) => Poll::Ready(None),
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream(pieces) | Self::Endless(pieces) => {
                let piece = ready!(pieces.as_mut().poll_next(context));
                Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::WebSocket(_) => true,
            Self::Stream(_) | Self::Endless(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::WebSocket(_) => SizeHint::with_exact(0),
            Self::Stream(_) | Self::Endless(_) => SizeHint::default(),
        }
    }
}

/// The body of a request: from a connection, or from a caller in the same process.
pub enum RequestBody {
    /// As it comes over a connection.
    Incoming(Incoming),
    /// All of it, at once.
    Whole(Bytes),
}

impl From<Incoming> for RequestBody {
    fn from(body: Incoming) -> Self {
        Self::Incoming(body)
    }
}

impl From<Bytes> for RequestBody {
    fn from(body: Bytes) -> Self {
        Self::Whole(body)
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incoming(_) => f.write_str("Incoming"),
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
        }
    }
}

/// Why the body of a request was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than allowed.
    #[error("the request body is larger than the {bytes_max} bytes that are allowed")]
    TooLarge {
        /// So many bytes are allowed.
        bytes_max: usize,
    },
    /// It is compressed.
    #[error(
        "the request body is encoded as {encoding:?}; send it as it is, without Content-Encoding"
    )]
    Encoded {
        /// How it is compressed.
        encoding: String,
    },
    /// It did not come in time.
    #[error("the request body did not arrive within {} seconds", .0.as_secs())]
    TimedOut(Duration),
    /// The connection broke.
    #[error("the request body ended early")]
    Broken,
}

/// Reads the whole body of a request into memory, and not more than `bytes_max` of it.
///
/// Compressed bodies are refused, so nothing that is sent can become larger than it is.
pub async fn read_body(
    headers: &HeaderMap,
    body: RequestBody,
    bytes_max: usize,
    patience: Duration,
) -> Result<Bytes, BodyError> {
    if let Some(encoding) = headers.get(CONTENT_ENCODING).filter(|it| *it != "identity") {
        let encoding = String::from_utf8_lossy(encoding.as_bytes()).chars().take(64).collect();
        return Err(BodyError::Encoded { encoding });
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced: Option<usize> = announced.and_then(|text| text.parse().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(BodyError::TooLarge { bytes_max });
    }
    let mut body = match body {
        RequestBody::Whole(bytes) if bytes.len() > bytes_max => {
            return Err(BodyError::TooLarge { bytes_max });
        }
        RequestBody::Whole(bytes) => return Ok(bytes),
        RequestBody::Incoming(body) if body.is_end_stream() => return Ok(Bytes::new()),
        RequestBody::Incoming(body) => body,
    };
    tokio::time::timeout(patience, collect(&mut body, bytes_max))
        .await
        .unwrap_or(Err(BodyError::TimedOut(patience)))
}

async fn collect(body: &mut Incoming, bytes_max: usize) -> Result<Bytes, BodyError> {
    let Some(first) = next_piece(body).await? else { return Ok(Bytes::new()) };
    if first.len() > bytes_max {
        return Err(BodyError::TooLarge { bytes_max });
    }
    // Most bodies come in one piece, which is then not copied.
    let Some(second) = next_piece(body).await? else { return Ok(first) };
    let mut whole = BytesMut::from(first);
    let mut piece = second;
    loop {
        if whole.len() + piece.len() > bytes_max {
            return Err(BodyError::TooLarge { bytes_max });
        }
        whole.extend_from_slice(&piece);
        match next_piece(body).await? {
            Some(next) => piece = next,
            None => return Ok(whole.freeze()),
        }
    }
}

async fn next_piece(body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_from_the_same_process_has_the_same_limit() {
        let bytes = Bytes::from_static(b"12345");
        for (bytes_max, expected) in
            [(5, Ok(bytes.clone())), (4, Err(BodyError::TooLarge { bytes_max: 4 }))]
        {
            let body = RequestBody::from(bytes.clone());
            let read = read_body(&HeaderMap::new(), body, bytes_max, Duration::from_secs(1)).await;
            assert_eq!(read, expected, "{bytes_max}");
        }
    }
}
