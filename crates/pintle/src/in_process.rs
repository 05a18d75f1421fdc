//! [`InProcess`]: requests to the doors of a server in the same process, without a socket.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use pintle_authz::User;
use pintle_http::{Body, Connection, Door, RequestBody};
use tower_service::Service;

/// Calls a server as one user.
///
/// A request takes the way of every other one: the user is looked up in the rules, limits and hooks
/// hold, and logs and metrics count it. It is a [`Service`] of tower, which kube-rs
/// (`kube::Client::new`) and other clients take for a connection.
#[derive(Clone)]
pub struct InProcess {
    door: Arc<dyn Door>,
    user: Arc<User>,
    body_bytes_max: usize,
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("user", &self.user.name).finish_non_exhaustive()
    }
}

impl InProcess {
    pub(crate) fn new(door: Arc<dyn Door>, user: User, body_bytes_max: usize) -> Self {
        Self { door, user: Arc::new(user), body_bytes_max }
    }

    /// Answers one request.
    pub async fn call(&self, mut request: Request<Bytes>) -> Response<Body> {
        let headers = request.headers_mut();
        if !headers.contains_key(HOST) {
            headers.insert(HOST, HeaderValue::from_static("localhost"));
        }
        let facts = Connection { user: Some(Arc::clone(&self.user)), ..Connection::default() };
        request.extensions_mut().insert(facts);
        Arc::clone(&self.door).handle(request.map(RequestBody::from)).await
    }

    async fn collect<B>(self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        // One more than is allowed is left to the door to refuse, which has words for it.
        let limited = Limited::new(body, self.body_bytes_max.saturating_add(1)).collect().await;
        if let Ok(body) = limited {
            return self.call(Request::from_parts(parts, body.to_bytes())).await;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        response
    }
}

impl<B> Service<Request<B>> for InProcess
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.clone().collect(request);
        Box::pin(async move { Ok(answer.await) })
    }
}
