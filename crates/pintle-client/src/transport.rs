//! How calls get to a server: over HTTP, or by any service of tower.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use pintle_outbound::{Message, SendError, Url};
use tower_service::Service;

use crate::Error;

/// One call: where in the server, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer, piece by piece; a piece may say why there is no more.
pub(crate) type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>;

/// What brings calls to a server.
pub(crate) trait Transport: fmt::Debug + Send + Sync {
    fn send(&self, call: Call) -> BoxFuture<'_, Result<Response<Pieces>, Error>>;
}

/// A server behind a URL.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) client: pintle_outbound::Client,
    pub(crate) base: Url,
}

impl Transport for Http {
    fn send(&self, call: Call) -> BoxFuture<'_, Result<Response<Pieces>, Error>> {
        Box::pin(async move {
            let url = self.base.below(&call.path);
            let url = url.map_err(|error| Error::Unsendable(error.to_string()))?;
            let headers = call.headers.iter();
            let message = Message::new(call.method, &url).body(call.body);
            let message = headers.fold(message, |message, (name, value)| {
                message.header(name.clone(), value.clone())
            });
            let response = self.client.open(message).await.map_err(|error| match error {
                SendError::Connect { .. } => Error::Unreachable(error.to_string()),
                SendError::Timeout { .. }
                | SendError::Broken { .. }
                | SendError::TooLong { .. } => Error::Interrupted(error.to_string()),
            })?;
            Ok(response.map(pieces))
        })
    }
}

/// A server that is called as a function.
pub(crate) struct Over<S> {
    service: Mutex<S>,
}

impl<S> Over<S> {
    pub(crate) const fn new(service: S) -> Self {
        Self { service: Mutex::new(service) }
    }
}

impl<S> fmt::Debug for Over<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Over")
    }
}

impl<S, B> Transport for Over<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: fmt::Display,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: fmt::Display,
{
    fn send(&self, call: Call) -> BoxFuture<'_, Result<Response<Pieces>, Error>> {
        // Held for the time of a clone: each call has a service of its own.
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let mut request = Request::new(Full::new(call.body));
            *request.method_mut() = call.method;
            *request.uri_mut() = call
                .path
                .parse()
                .map_err(|error: http::uri::InvalidUri| Error::Unsendable(error.to_string()))?;
            *request.headers_mut() = call.headers;
            let unreachable = |error: S::Error| Error::Unreachable(error.to_string());
            std::future::poll_fn(|context| service.poll_ready(context))
                .await
                .map_err(unreachable)?;
            let answer = service.call(request).await;
            let answer = answer.map_err(|error| Error::Interrupted(error.to_string()))?;
            Ok(answer.map(pieces))
        })
    }
}

fn pieces<B>(body: B) -> Pieces
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: fmt::Display,
{
    let body = Box::pin(body);
    Box::pin(futures_util::stream::unfold(Some(body), |body| async move {
        let mut body = body?;
        loop {
            match body.frame().await? {
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Some((Ok(data), Some(body)));
                    }
                }
                Err(error) => return Some((Err(error.to_string()), None)),
            }
        }
    }))
}
