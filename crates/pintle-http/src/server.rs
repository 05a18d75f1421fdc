//! Accepts connections and gives each request to the door.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use pintle_identity::Connection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::connections::Open;
use crate::tls::{Greeted, Tls};
use crate::unread::Unread;
use crate::{Body, Connections, RequestBody, set_header};

/// A door: what answers requests.
pub trait Door: Send + Sync + Debug + 'static {
    /// Answers one request. It may come from a connection or from the same process; who calls is
    /// known by what the request shows, and by the [`Connection`] among its extensions.
    fn handle(
        self: Arc<Self>,
        request: Request<RequestBody>,
    ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
}

/// The limits of the server, each with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// So many connections may be open at once; more wait to be accepted.
    pub connections_max: usize,
    /// The headers of a request must arrive within this time.
    pub header_timeout: Duration,
    /// The headers of a request, its first line included, take at most so many bytes; more are
    /// answered with 431.
    pub header_bytes_max: usize,
    /// So many headers a request may have.
    pub headers_max: usize,
    /// A client may leave what it is sent unread for so long; then its connection ends.
    pub unread_timeout: Duration,
    /// Requests in progress have so long to finish when the server is going down.
    pub drain_timeout: Duration,
    /// Watches have so long to send what they still have.
    pub farewell_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            header_timeout: Duration::from_secs(15),
            header_bytes_max: 64 * 1024,
            headers_max: 100,
            unread_timeout: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(20),
            farewell_timeout: Duration::from_secs(2),
        }
    }
}

/// Serves until `closing` turns true; then requests in progress finish, and nothing new begins.
pub async fn serve(
    listener: TcpListener,
    door: Arc<dyn Door>,
    limits: ServerLimits,
    tls: Option<Tls>,
    counts: Arc<Connections>,
    mut closing: watch::Receiver<bool>,
) {
    let seats = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = closed(&mut closing) => break,
            accepted = accept(&listener, &seats) => accepted,
        };
        let Some((stream, seat)) = accepted else { continue };
        let door = Arc::clone(&door);
        let (tls, closing) = (tls.clone(), closing.clone());
        let open = counts.one_more();
        connections.spawn(async move {
            greet(stream, &open, door, limits, tls, closing).await;
            drop(open);
            drop(seat);
        });
        // Those that ended are forgotten as we go, so that the set does not grow.
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_timeout, drained).await.is_err() {
        tracing::warn!(left = connections.len(), "some connections did not end in time");
    }
}

async fn accept(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let seat = Arc::clone(seats).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _address)) => Some((stream, seat)),
        Err(error) => {
            // Out of file descriptors, most likely: those who hang up make room.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// One connection, from the first byte on.
async fn greet(
    stream: TcpStream,
    open: &Open,
    door: Arc<dyn Door>,
    limits: ServerLimits,
    tls: Option<Tls>,
    mut closing: watch::Receiver<bool>,
) {
    // Answers are small and somebody waits for each.
    let _unsupported = stream.set_nodelay(true);
    let peer = stream.peer_addr().ok();
    let Some(tls) = tls else {
        return converse(
            stream,
            door,
            limits,
            Connection { peer, ..Connection::default() },
            closing,
        )
        .await;
    };
    let greeted = tokio::select! {
        greeted = tls.accept(stream) => greeted,
        () = closed(&mut closing) => return,
    };
    let Some(Greeted { stream, certificates }) = greeted else { return open.handshake_failed() };
    Box::pin(converse(
        stream,
        door,
        limits,
        Connection { peer, certificates, user: None },
        closing,
    ))
    .await;
}

/// So many headers hyper takes when it is told no number.
const HYPER_HEADERS_MAX: usize = 100;

/// One connection, from its first request to its last.
async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    door: Arc<dyn Door>,
    limits: ServerLimits,
    facts: Connection,
    mut closing: watch::Receiver<bool>,
) {
    let peer = facts.peer;
    let endless = Arc::new(AtomicBool::new(false));
    let websocket = Arc::new(Mutex::new(None));
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(facts.clone());
        let upgrade = request.extensions_mut().remove::<OnUpgrade>();
        let answer = match too_large(&request, limits.header_bytes_max) {
            Some(refusal) => Err(refusal),
            None => Ok(Arc::clone(&door).handle(request.map(RequestBody::from))),
        };
        let (endless, websocket) = (Arc::clone(&endless), Arc::clone(&websocket));
        async move {
            let response = match answer {
                Ok(answer) => answer.await,
                Err(refusal) => refusal,
            };
            endless.store(matches!(response.body(), Body::Endless(_)), Ordering::Relaxed);
            Ok::<_, Infallible>(match (response.into_parts(), upgrade) {
                ((head, Body::WebSocket(talk)), Some(upgrade)) => {
                    let mut slot = websocket.lock().unwrap_or_else(PoisonError::into_inner);
                    *slot = Some((talk, upgrade));
                    Response::from_parts(head, Body::empty())
                }
                ((head, body), _) => Response::from_parts(head, body),
            })
        }
    });
    let mut builder = http1::Builder::new();
    // Told a number, hyper makes room for so many headers anew with each request.
    if limits.headers_max != HYPER_HEADERS_MAX {
        builder.max_headers(limits.headers_max);
    }
    let connection = builder
        .timer(TokioTimer::new())
        // Who has sent all there is to send may say so, and still wants the answer.
        .half_close(true)
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes_max)
        .serve_connection(TokioIo::new(Unread::new(stream, limits.unread_timeout)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            // A watch ends at once; but one whose client reads nothing can never say so.
            let watches = endless.load(Ordering::Relaxed);
            let patience = if watches { limits.farewell_timeout } else { limits.drain_timeout };
            tokio::time::timeout(patience, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        return log_ended(peer, &error);
    }
    let asked = websocket.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((talk, upgrade)) = asked {
        let mut talk = pin!(talk.hold(upgrade));
        tokio::select! {
            () = talk.as_mut() => {}
            () = closed(&mut closing) => {
                drop(tokio::time::timeout(limits.farewell_timeout, talk).await);
            }
        }
    }
}

/// The answer to a request whose headers are larger than allowed.
///
/// hyper looks at that only when a head is not complete, and has read up to as much again by then.
fn too_large<B>(request: &Request<B>, bytes_max: usize) -> Option<Response<Body>> {
    // Each line has four bytes beside its name and its value, the last one two, and the first has
    // the version of the protocol.
    let fields = request.headers().iter();
    let fields: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let bytes = request.method().as_str().len() + target + " HTTP/1.1\r\n ".len() + fields + 2;
    (bytes > bytes_max).then(|| {
        let why =
            format!("the headers of the request take {bytes} bytes; {bytes_max} are allowed\n");
        let mut response = Response::new(Body::from(why));
        *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        set_header(response.headers_mut(), CONTENT_TYPE, "text/plain; charset=utf-8");
        // What was not read is in the way of the next request.
        set_header(response.headers_mut(), CONNECTION, "close");
        response
    })
}

/// Waits until the server is going down; a sender that is gone means that it is.
async fn closed(closing: &mut watch::Receiver<bool>) {
    drop(closing.wait_for(|closing| *closing).await);
}

/// Clients hang up all the time; that is for whoever looks for it.
fn log_ended(peer: Option<SocketAddr>, error: &hyper::Error) {
    tracing::debug!(?peer, %error, "a connection ended early");
}
