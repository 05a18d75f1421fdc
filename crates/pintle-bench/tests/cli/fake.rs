//! Just enough of the REST door to run a load against: objects in a map, one broadcast of changes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a fake that is asked what it does not know is a test that fails"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What is wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// Each event is sent twice.
    RepeatsEvents,
    /// A watch ends with its first event.
    EndsWatches,
    /// No status is accepted.
    RefusesStatus,
}

/// A server on a free port, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Fake {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _runtime: Runtime,
}

#[derive(Debug)]
struct State {
    flaw: Flaw,
    revision: u64,
    objects: BTreeMap<String, Value>,
    watchers: Vec<UnboundedSender<Bytes>>,
}

impl Fake {
    pub(crate) fn start(flaw: Flaw) -> Self {
        let objects = BTreeMap::new();
        let state = State { flaw, revision: 0, objects, watchers: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn objects(&self) -> usize {
        locked(&self.state).objects.len()
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(request, Arc::clone(&state)));
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Reply>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let segments: Vec<&str> = head.uri.path().trim_start_matches('/').split('/').collect();
    let mut state = locked(&state);
    let found = match (&head.method, segments.as_slice()) {
        (&Method::POST, ["devices"]) => Some(state.create(sent)),
        (&Method::GET, ["devices"]) if head.uri.query().unwrap().starts_with("watch=true&") => {
            return Ok(Response::new(state.watch()));
        }
        (&Method::GET, ["devices"]) => Some(state.objects.values().cloned().collect()),
        (&Method::GET, ["devices", uid]) => state.objects.get(*uid).cloned(),
        (&Method::DELETE, ["devices", uid]) => state.objects.remove(*uid),
        (&Method::PUT | &Method::PATCH, ["devices", _, "status"])
            if state.flaw == Flaw::RefusesStatus =>
        {
            return Ok(refused(StatusCode::UNPROCESSABLE_ENTITY, "not like this"));
        }
        (&Method::PUT | &Method::PATCH, ["devices", uid, "status"]) => {
            let sent_etag = head.headers.get("if-match").map(|etag| etag.to_str().unwrap());
            let stale = sent_etag.is_some_and(|etag| state.etag(uid).as_deref() != Some(etag));
            if stale {
                return Ok(refused(StatusCode::PRECONDITION_FAILED, "stale"));
            }
            state.write_status(uid, sent)
        }
        _ => None,
    };
    Ok(found.map_or_else(|| refused(StatusCode::NOT_FOUND, "no"), |found| state.reply(&found)))
}

fn refused(status: StatusCode, text: &'static str) -> Response<Reply> {
    let mut response = Response::new(Reply::Whole(Some(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response
}

impl State {
    fn create(&mut self, mut object: Value) -> Value {
        self.revision += 1;
        let uid = format!("device-{:x}", self.revision);
        object["metadata"]["uid"] = json!(uid);
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.objects.insert(uid, object.clone());
        object
    }

    fn etag(&self, uid: &str) -> Option<String> {
        let version = self.objects.get(uid)?["metadata"]["resourceVersion"].as_str()?;
        Some(format!("\"{version}\""))
    }

    fn write_status(&mut self, uid: &str, mut sent: Value) -> Option<Value> {
        self.revision += 1;
        let object = self.objects.get_mut(uid)?;
        object["status"] = sent["status"].take();
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = object.clone();
        let event: Bytes = format!("{}\n", json!({"type": "MODIFIED", "object": object})).into();
        for watcher in &self.watchers {
            let copies = if self.flaw == Flaw::RepeatsEvents { 2 } else { 1 };
            for _ in 0..copies {
                drop(watcher.send(event.clone()));
            }
        }
        if self.flaw == Flaw::EndsWatches {
            self.watchers.clear();
        }
        Some(object)
    }

    fn watch(&mut self) -> Reply {
        let (sender, receiver) = unbounded_channel();
        self.watchers.push(sender);
        Reply::Stream(receiver)
    }

    fn reply(&self, value: &Value) -> Response<Reply> {
        let body = Bytes::from(value.to_string());
        let mut response =
            Response::builder().header("pintle-resource-version", self.revision.to_string());
        if let Some(version) = value["metadata"]["resourceVersion"].as_str() {
            response = response.header("etag", format!("\"{version}\""));
        }
        response.body(Reply::Whole(Some(body))).unwrap()
    }
}

/// The body of an answer.
#[derive(Debug)]
enum Reply {
    Whole(Option<Bytes>),
    Stream(UnboundedReceiver<Bytes>),
}

impl Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let data = match self.get_mut() {
            Self::Whole(data) => Poll::Ready(data.take()),
            Self::Stream(receiver) => receiver.poll_recv(context),
        };
        data.map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}
