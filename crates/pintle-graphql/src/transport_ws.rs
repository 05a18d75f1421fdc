//! Operations over a WebSocket: `graphql-transport-ws`.
//!
//! A socket is one task. It writes what its operations tell, and asks them for more only when that
//! is on its way, so that a client which reads slowly costs cursors and no memory. One that reads
//! nothing for long loses its subscriptions, and is told so with the versions to go on from; one
//! that goes on like that loses its socket.

mod greeting;
mod protocol;

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{
    AbortHandle, Abortable, BoxStream, FuturesUnordered, SelectAll, unfold,
};
use futures_util::{FutureExt as _, Sink as _, SinkExt as _, StreamExt as _};
use http::request::Parts;
use http::{HeaderName, Response};
use pintle_authz::User;
use pintle_http::websocket::{CloseFrame, Handshake, Message, Socket, SocketError, drain};
use pintle_http::{Body, Caller, Lapse, NotActing, Recording};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::door::{GraphqlDoor, PATH, errors_text};
use crate::limits::LimitExceeded;
use crate::operation::{Begun, Open, told_of};
use crate::request::Asked;
use crate::subscribe::Told;
use greeting::Greeting;
use protocol::{Closure, PROTOCOL, Protocol, Step, complete, error, next};

/// The limits of connections that can carry several answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// A client has to say who it is within this time.
    pub init_timeout: Duration,
    /// So many operations a socket may have going on.
    pub operations_max: usize,
    /// A connection on which nothing else is sent gets a sign of life so often.
    pub keep_alive: Duration,
    /// A client that takes nothing for so long loses its subscriptions, and after as long again
    /// its socket.
    pub slow_after: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(10),
            operations_max: 100,
            keep_alive: Duration::from_secs(15),
            slow_after: Duration::from_secs(30),
        }
    }
}

/// Messages that are ready are sent together, up to so many bytes.
const TOGETHER_BYTES_MAX: usize = 64 * 1024;
/// The client of a socket that was closed has so long to say so too.
const FAREWELL: Duration = Duration::from_secs(2);
/// A client that gives so many signs of life less than it is asked for is gone.
const SILENT_ROUNDS_MAX: u32 = 3;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Grants a WebSocket. `shown` is who the request for it proves its sender to be, if anybody.
pub(crate) fn accept(
    door: Arc<GraphqlDoor>,
    mut parts: Parts,
    handshake: Handshake,
    shown: Option<Caller>,
) -> Response<Body> {
    let protocol = handshake.choose(&[PROTOCOL]);
    let bytes_max = door.settings().entrance.body_bytes_max;
    // Each operation has a name of its own.
    parts.headers.remove(REQUEST_ID);
    handshake.accept(protocol, bytes_max, move |socket| async move {
        let _counted = door.settings().numbers.socket();
        let mut conversation = Conversation::new(door, parts, shown, socket);
        let end = match protocol {
            Some(_) => Box::pin(conversation.go_on()).await,
            None => End::Close(Closure::wrong_subprotocol()),
        };
        conversation.end(end).await;
    })
}

/// Why a conversation ends.
#[derive(Debug)]
enum End {
    /// The client has closed the socket, or the connection broke.
    Gone,
    Close(Closure),
}

/// Who talks.
struct Known {
    caller: Caller,
    /// As whom, where that is somebody else.
    acts_as: Option<Arc<User>>,
}

impl Known {
    fn acting(&self) -> Caller {
        let user = self.acts_as.as_ref().unwrap_or(&self.caller.user);
        Caller { user: Arc::clone(user), ..self.caller.clone() }
    }
}

/// An operation that is being begun; a query or a mutation until it has its result.
type Beginning = BoxFuture<'static, (Box<str>, Begun, Response<Body>)>;
/// What an open subscription tells.
type Telling = BoxStream<'static, (Box<str>, Told)>;

struct Conversation {
    door: Arc<GraphqlDoor>,
    limits: StreamLimits,
    /// The request for the socket, whose headers are those of every operation.
    parts: Arc<Parts>,
    shown: Option<Caller>,
    known: Option<Known>,
    lapse: Option<Lapse>,
    protocol: Protocol,
    socket: Socket,
    beginning: FuturesUnordered<Abortable<Beginning>>,
    telling: SelectAll<Abortable<Telling>>,
    aborts: HashMap<Box<str>, AbortHandle>,
    /// Tells subscriptions that nobody reads what they tell.
    too_slow: watch::Sender<()>,
}

impl Conversation {
    fn new(door: Arc<GraphqlDoor>, parts: Parts, shown: Option<Caller>, socket: Socket) -> Self {
        let limits = door.settings().streams;
        Self {
            door,
            limits,
            parts: Arc::new(parts),
            shown,
            known: None,
            lapse: None,
            protocol: Protocol::new(limits.operations_max),
            socket,
            beginning: FuturesUnordered::new(),
            telling: SelectAll::new(),
            aborts: HashMap::new(),
            too_slow: watch::Sender::new(()),
        }
    }

    /// Talks until there is a reason to end.
    async fn go_on(&mut self) -> End {
        let greeted_by = Instant::now() + self.limits.init_timeout;
        let mut ask_at = Instant::now() + self.limits.keep_alive;
        let mut unanswered = 0;
        let door = Arc::clone(&self.door);
        let mut closing = pin!(door.closing());
        loop {
            let lapse = async {
                match &mut self.lapse {
                    Some(lapse) => lapse.await,
                    None => pending().await,
                }
            };
            let done = tokio::select! {
                lapsed = lapse => Err(End::Close(Closure::forbidden(lapsed))),
                () = &mut closing => Err(End::Close(Closure::going_away())),
                () = sleep_until(greeted_by), if self.protocol.is_new() => {
                    Err(End::Close(Closure::greeted_too_late()))
                }
                received = self.socket.next() => {
                    unanswered = 0;
                    match received {
                        Some(Ok(message)) => self.received(message).await,
                        Some(Err(error)) => Err(self.broken(&error)),
                        None => Err(End::Gone),
                    }
                }
                Some(begun) = self.beginning.next(), if !self.beginning.is_empty() => {
                    match begun {
                        Ok((id, begun, record)) => self.begun(id, begun, record).await,
                        Err(_aborted) => Ok(()),
                    }
                }
                Some((id, told)) = self.telling.next(), if !self.telling.is_empty() => {
                    self.tell(id, told).await
                }
                () = sleep_until(ask_at) => {
                    ask_at = Instant::now() + self.limits.keep_alive;
                    unanswered += 1;
                    if unanswered > SILENT_ROUNDS_MAX {
                        Err(End::Gone)
                    } else {
                        self.put([Message::Ping(bytes::Bytes::new())].into()).await
                    }
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn received(&mut self, message: Message) -> Result<(), End> {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(End::Close(Closure::is_no_text())),
            Message::Close(_) => return Err(End::Gone),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
        };
        match self.protocol.received(&text) {
            Step::Nothing => Ok(()),
            Step::Send(text) => self.put([Message::text(text)].into()).await,
            Step::Authenticate(shown) => self.greet(&shown).await,
            Step::Begin { id, asked } => {
                self.start(id, asked);
                Ok(())
            }
            Step::Full { id, operations_max } => {
                let limit = u64::try_from(operations_max).unwrap_or(u64::MAX);
                let exceeded =
                    LimitExceeded { name: "operations of a socket", limit, actual: limit + 1 };
                let errors = errors_text(&[exceeded.into()], &self.recording());
                self.put([Message::text(error(&id, &errors))].into()).await
            }
            Step::End { id } => {
                if let Some(abort) = self.aborts.remove(&id) {
                    abort.abort();
                }
                Ok(())
            }
            Step::Close(closure) => Err(End::Close(closure)),
        }
    }

    /// Who is it? Whoever shows something with the request and something else here is one and the
    /// same, or nobody could say as whom the operations are made.
    async fn greet(&mut self, shown: &Map<String, Value>) -> Result<(), End> {
        let door = Arc::clone(&self.door);
        let entrance = &door.settings().entrance;
        let greeting = Greeting::of(&self.parts.headers, shown).map_err(End::Close)?;
        let refused = |why: &dyn Display| End::Close(Closure::forbidden(why));
        let caller = match (self.shown.take(), greeting.authorizes) {
            (Some(caller), false) => caller,
            (earlier, _) => {
                let mut parts = Parts::clone(&self.parts);
                parts.headers.clone_from(&greeting.headers);
                let caller = entrance.authentication.identify(&parts).await;
                let caller = caller.map_err(|error| refused(&error))?;
                if earlier.is_some_and(|earlier| !is_same(&earlier.user, &caller.user)) {
                    return Err(refused(&"the request for the socket shows another user"));
                }
                caller
            }
        };
        let acts_as = door.acts_as(&caller, &greeting.headers).map_err(|error| match error {
            NotActing::Malformed(why) => End::Close(Closure::bad_greeting(why)),
            error => refused(&error),
        })?;
        self.lapse = Some(caller.lapse());
        self.known = Some(Known { caller, acts_as });
        let acknowledgement = self.protocol.acknowledged();
        self.put([Message::text(acknowledgement)].into()).await
    }

    /// The record of one operation.
    fn recording(&self) -> Arc<Recording> {
        let observers = &self.door.settings().entrance.observers;
        let recording = Recording::begin("graphql", observers, &self.parts);
        recording.note(|exchange| {
            exchange.path = PATH;
            if let Some(known) = &self.known {
                exchange.caller = Some(known.caller.clone());
                exchange.acts_as.clone_from(&known.acts_as);
            }
        });
        recording
    }

    fn start(&mut self, id: Box<str>, asked: Asked) {
        let Some(caller) = self.known.as_ref().map(Known::acting) else { return };
        let (door, parts, recording) =
            (Arc::clone(&self.door), Arc::clone(&self.parts), self.recording());
        let (abort, registration) = AbortHandle::new_pair();
        self.aborts.insert(id.clone(), abort);
        let beginning: Beginning = Box::pin(async move {
            let begun = door.begin(&parts, caller, asked, &recording).await;
            let record = told_of(recording, &begun);
            (id, begun, record)
        });
        self.beginning.push(Abortable::new(beginning, registration));
    }

    async fn begun(
        &mut self,
        id: Box<str>,
        begun: Begun,
        record: Response<Body>,
    ) -> Result<(), End> {
        let messages = match begun {
            Begun::Open(open) => {
                let (abort, registration) = AbortHandle::new_pair();
                self.aborts.insert(id.clone(), abort);
                let telling = telling(id, *open, record, self.too_slow.subscribe());
                self.telling.push(Abortable::new(telling, registration));
                return Ok(());
            }
            Begun::Once(result) => {
                let result = String::from_utf8_lossy(&result);
                [Message::text(next(&id, &result)), Message::text(complete(&id))].into()
            }
            Begun::Refused(errors) => [Message::text(error(&id, &errors))].into(),
        };
        self.ended(&id);
        self.put(messages).await
    }

    fn ended(&mut self, id: &str) {
        self.aborts.remove(id);
        self.protocol.ended(id);
    }

    /// Sends what a subscription tells, with whatever others tell just now.
    async fn tell(&mut self, id: Box<str>, told: Told) -> Result<(), End> {
        let mut messages = VecDeque::new();
        let mut bytes = 0;
        let mut following = Some((id, told));
        while let Some((id, told)) = following {
            let text = self.message(&id, told);
            bytes += text.len();
            messages.push_back(Message::text(text));
            if bytes >= TOGETHER_BYTES_MAX || self.telling.is_empty() {
                break;
            }
            following = self.telling.next().now_or_never().flatten();
        }
        self.put(messages).await
    }

    fn message(&mut self, id: &str, told: Told) -> String {
        match told {
            Told::Result(result) => next(id, &String::from_utf8_lossy(&result)),
            Told::Failed(fault) => {
                self.ended(id);
                error(id, &errors_text(&[fault], &self.recording()))
            }
        }
    }

    /// Sends messages, and waits until they are on their way.
    async fn put(&mut self, mut messages: VecDeque<Message>) -> Result<(), End> {
        let mut patience = Instant::now() + self.limits.slow_after;
        let mut is_slow = false;
        loop {
            let socket = &mut self.socket;
            let last = messages.is_empty();
            let ready = poll_fn(|context| {
                let socket = Pin::new(&mut *socket);
                if last { socket.poll_flush(context) } else { socket.poll_ready(context) }
            });
            match timeout_at(patience, ready).await {
                Ok(Err(_broken)) => return Err(End::Gone),
                Ok(Ok(())) => {
                    let Some(message) = messages.pop_front() else { return Ok(()) };
                    Pin::new(&mut self.socket).start_send(message).map_err(|_| End::Gone)?;
                    if !is_slow {
                        patience = Instant::now() + self.limits.slow_after;
                    }
                }
                Err(_) if is_slow => return Err(End::Close(Closure::stuck())),
                Err(_) => {
                    is_slow = true;
                    patience = Instant::now() + self.limits.slow_after;
                    messages.extend(self.end_subscriptions());
                }
            }
        }
    }

    /// Nobody reads what subscriptions tell: they end, and say from where to go on.
    fn end_subscriptions(&mut self) -> Vec<Message> {
        self.too_slow.send_replace(());
        let mut messages = Vec::new();
        while !self.telling.is_empty() {
            let Some(Some((id, told))) = self.telling.next().now_or_never() else { break };
            let text = self.message(&id, told);
            messages.push(Message::text(text));
        }
        messages
    }

    fn broken(&self, error: &SocketError) -> End {
        let bytes_max = self.door.settings().entrance.body_bytes_max;
        match error {
            SocketError::Capacity(_) => End::Close(Closure::too_large(bytes_max)),
            SocketError::Utf8(_) => End::Close(Closure::is_no_text()),
            _ => End::Gone,
        }
    }

    /// Ends everything that goes on, and says why.
    async fn end(mut self, end: End) {
        self.beginning.clear();
        self.telling.clear();
        let farewell = async {
            match end {
                // Where the client has closed, the answer to that is still to be sent.
                End::Gone => drop(self.socket.flush().await),
                End::Close(Closure { code, reason }) => {
                    let frame = CloseFrame { code: code.into(), reason: reason.into() };
                    if self.socket.close(Some(frame)).await.is_ok() {
                        // What is still on its way here is taken in: a connection that ends before
                        // that takes the reason with it.
                        while let Some(Ok(_)) = self.socket.next().await {}
                        drain(&mut self.socket).await;
                    }
                }
            }
        };
        drop(timeout(FAREWELL, farewell).await);
    }
}

/// What a subscription tells, until it ends, or is told that nobody reads it.
fn telling(
    id: Box<str>,
    open: Open,
    record: Response<Body>,
    too_slow: watch::Receiver<()>,
) -> Telling {
    let state = Some((open, record, too_slow));
    let told = unfold(state, move |state| {
        let id = id.clone();
        async move {
            let (mut open, record, mut too_slow) = state?;
            let told = tokio::select! {
                biased;
                _ = too_slow.changed() => Some(Told::Failed(open.subscription.too_slow())),
                told = open.subscription.next() => told,
            }?;
            let state = match &told {
                Told::Result(result) => {
                    open.recording.sent(result.len());
                    Some((open, record, too_slow))
                }
                Told::Failed(_) => None,
            };
            Some(((id, told), state))
        }
    });
    Box::pin(told)
}

/// Whether two credentials are of the same user. A newer one may have other groups.
fn is_same(one: &User, other: &User) -> bool {
    (&one.name, &one.uid) == (&other.name, &other.uid)
}
