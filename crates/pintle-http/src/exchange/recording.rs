//! [`Recording`]: an exchange while it goes on.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;
use http::request::Parts;
use http::{Response, StatusCode};

use super::request_id::REQUEST_ID;
use super::{Details, Exchange, Observers, Pass, Phase, RequestId};
use crate::{Answer, Body};

/// An exchange while it goes on: whoever learns something notes it here.
///
/// Observers are told exactly once, also when nobody waits for the answer any more and all that
/// goes on for this request is dropped.
#[derive(Debug)]
pub struct Recording {
    id: RequestId,
    observers: Observers,
    /// Whether anybody wants to know how long steps take.
    timed: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    exchange: Exchange,
    /// Whether the gate was asked.
    gated: bool,
    /// Whether the observers know.
    told: bool,
}

impl Recording {
    /// Begins with what is known when a request has come.
    pub fn begin(door: &'static str, observers: &Observers, parts: &Parts) -> Arc<Self> {
        let mut exchange = Exchange::new(door, parts);
        let timed = observers.want_details();
        exchange.details = timed.then(|| Box::new(Details::of(parts)));
        Arc::new(Self {
            id: exchange.id.clone(),
            observers: observers.clone(),
            timed,
            state: Mutex::new(State { exchange, gated: false, told: false }),
        })
    }

    /// Begins the record of one of several things that a request does, which is told of by itself:
    /// under the name of the request, and with what is known of its caller.
    pub fn part(&self) -> Arc<Self> {
        Arc::new(Self {
            id: self.id.clone(),
            observers: self.observers.clone(),
            timed: self.timed,
            state: Mutex::new(State {
                exchange: self.state().exchange.part(),
                gated: false,
                told: false,
            }),
        })
    }

    /// A part is over, and went as an answer with this status would have.
    pub fn done(self: Arc<Self>, status: StatusCode) {
        self.note(|exchange| exchange.answered(status));
        self.tell();
    }

    /// The name of the request.
    pub const fn id(&self) -> &RequestId {
        &self.id
    }

    /// Notes what was learnt.
    pub fn note(&self, learn: impl FnOnce(&mut Exchange)) {
        learn(&mut self.state().exchange);
    }

    /// Does one step of what there is to do, and notes how long it took.
    pub async fn timed<T>(&self, phase: Phase, step: impl Future<Output = T>) -> T {
        let Some(began) = self.now() else { return step.await };
        let done = step.await;
        self.took(phase, began, began.elapsed());
        done
    }

    /// When a step begins, if anybody wants to know.
    pub fn now(&self) -> Option<Instant> {
        self.timed.then(Instant::now)
    }

    /// Notes that a step began then, and took so long.
    pub fn took(&self, phase: Phase, began: Instant, took: Duration) {
        if self.timed {
            self.note(|exchange| exchange.took(phase, began, took));
        }
    }

    /// Passes the gate, unless this exchange was there before. Whoever carries out a write passes
    /// first; what has not passed when it is answered does so then.
    pub async fn pass(&self) -> Result<(), Box<Answer>> {
        let Some(gate) = self.observers.gate() else { return Ok(()) };
        let pass = {
            let mut state = self.state();
            if std::mem::replace(&mut state.gated, true) {
                return Ok(());
            }
            gate.pass(&state.exchange)
        };
        match pass {
            Pass::Free => return Ok(()),
            Pass::Open => {}
            Pass::Wait(passage) => self.timed(Phase::Audit, passage).await?,
        }
        self.note(|exchange| exchange.admitted = true);
        Ok(())
    }

    /// Names the request in its answer, and tells the observers of it; of a stream, again when it
    /// has ended.
    pub fn answered(self: Arc<Self>, mut response: Response<Body>) -> Response<Body> {
        response.headers_mut().insert(REQUEST_ID, self.id.to_header());
        let status = response.status();
        let (endless, bytes) = match response.body() {
            Body::Whole(bytes) => (false, bytes.len() as u64),
            Body::Stream(_) => (false, 0),
            Body::Endless(_) | Body::WebSocket(_) => (true, 0),
        };
        self.note(|exchange| {
            exchange.endless = endless;
            exchange.bytes_out = bytes;
            exchange.answered(status);
        });
        self.tell();
        response.map(|body| match body {
            Body::Whole(bytes) => Body::Whole(bytes),
            Body::Stream(pieces) => Body::stream(Observed { pieces, recording: Ended(self) }),
            Body::Endless(pieces) => Body::endless(Observed { pieces, recording: Ended(self) }),
            Body::WebSocket(talk) => Body::WebSocket(talk.with(Ended(self))),
        })
    }

    /// The next piece of a stream tells so many events.
    pub fn events(&self, events: usize) {
        self.note(|exchange| exchange.events += events as u64);
        let state = self.state();
        self.observers.each(|observer| observer.sent(&state.exchange, events as u64, 0));
    }

    /// So many bytes of a stream were sent. Streams in the body of an answer are counted without
    /// this; what is sent over a WebSocket is not.
    pub fn sent(&self, bytes: usize) {
        self.note(|exchange| exchange.bytes_out += bytes as u64);
        let state = self.state();
        self.observers.each(|observer| observer.sent(&state.exchange, 0, bytes as u64));
    }

    fn ended(&self) {
        self.note(Exchange::took_until_now);
        let state = self.state();
        self.observers.each(|observer| observer.ended(&state.exchange));
    }

    fn tell(&self) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.told, true) {
            self.observers.each(|observer| observer.answered(&state.exchange));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.state().told {
            self.note(Exchange::took_until_now);
            self.tell();
        }
    }
}

/// Tells the observers of the end when it is dropped.
struct Ended(Arc<Recording>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// The stream of an answer, with its recording.
struct Observed {
    pieces: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    recording: Ended,
}

impl Stream for Observed {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let polled = self.pieces.as_mut().poll_next(context);
        if let Poll::Ready(Some(piece)) = &polled {
            self.recording.0.sent(piece.len());
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use http::Request;

    use super::*;
    use crate::{Gate, Observer, Outcome, Reason};

    /// Writes down what it is told.
    #[derive(Debug, Default)]
    struct Notebook(Mutex<Vec<String>>);

    impl Notebook {
        fn write(&self, what: &str, exchange: &Exchange) {
            let Exchange { outcome, status, bytes_out, events, admitted, .. } = exchange;
            let status = status.map_or(0, |status| status.as_u16());
            let outcome = outcome.as_str();
            let line =
                format!("{what} {status} {outcome} {bytes_out}B {events}e admitted={admitted}");
            self.0.lock().unwrap().push(line);
        }

        fn lines(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl Observer for Notebook {
        fn answered(&self, exchange: &Exchange) {
            self.write("answered", exchange);
        }

        fn ended(&self, exchange: &Exchange) {
            self.write("ended", exchange);
        }
    }

    fn begin(observers: &Observers) -> Arc<Recording> {
        let (parts, ()) = Request::new(()).into_parts();
        Recording::begin("test", observers, &parts)
    }

    fn notebook() -> (Arc<Notebook>, Observers) {
        let notebook = Arc::new(Notebook::default());
        let told: Arc<dyn Observer> = Arc::<Notebook>::clone(&notebook);
        (notebook, Observers::new([told]))
    }

    #[test]
    fn observers_are_told_once() {
        let (notebook, observers) = notebook();
        drop(begin(&observers).answered(Response::new(Body::from("four"))));
        assert_eq!(notebook.lines(), ["answered 200 shown 4B 0e admitted=false"]);

        let mut refused = Response::new(Body::empty());
        *refused.status_mut() = StatusCode::CONFLICT;
        let recording = begin(&observers);
        let answer = Answer::of(Reason::AlreadyExists, "no");
        recording.note(|exchange| exchange.told(&answer));
        drop(recording.answered(refused));
        assert_eq!(notebook.lines(), ["answered 409 refused 0B 0e admitted=false"]);

        drop(begin(&observers));
        assert_eq!(notebook.lines(), ["answered 0 abandoned 0B 0e admitted=false"]);
    }

    #[test]
    fn a_stream_is_told_of_when_it_begins_and_when_it_ends() {
        let (notebook, observers) = notebook();
        let pieces = stream::iter([Bytes::from("one"), Bytes::from("three")]);
        let recording = begin(&observers);
        recording.events(2);
        let response = recording.answered(Response::new(Body::endless(pieces)));
        assert_eq!(notebook.lines(), ["answered 200 shown 0B 2e admitted=false"]);
        let Body::Endless(mut pieces) = response.into_body() else { panic!("it stays endless") };
        assert_eq!(pieces.next().now_or_never().flatten(), Some(Bytes::from("one")));
        assert!(notebook.lines().is_empty());
        drop(pieces);
        assert_eq!(notebook.lines(), ["ended 200 shown 3B 2e admitted=false"]);
    }

    #[test]
    fn a_part_is_told_of_by_itself() {
        let (notebook, observers) = notebook();
        let recording = begin(&observers);
        let part = recording.part();
        assert_eq!(part.id(), recording.id());
        part.note(|exchange| exchange.outcome = Outcome::Changed);
        part.done(StatusCode::OK);
        assert_eq!(notebook.lines(), ["answered 200 changed 0B 0e admitted=false"]);
        drop(recording.part());
        assert_eq!(notebook.lines(), ["answered 0 abandoned 0B 0e admitted=false"]);
        drop(recording.answered(Response::new(Body::empty())));
        assert_eq!(notebook.lines(), ["answered 200 shown 0B 0e admitted=false"]);
    }

    #[test]
    fn an_answer_names_its_request() {
        let recording = begin(&Observers::default());
        let id = recording.id().to_string();
        let response = recording.answered(Response::new(Body::empty()));
        assert_eq!(response.headers().get(REQUEST_ID).unwrap(), id.as_str());
    }

    /// Wants to know everything.
    #[derive(Debug, Default)]
    struct Watchmaker(Mutex<Vec<Phase>>);

    impl Observer for Watchmaker {
        fn answered(&self, exchange: &Exchange) {
            let steps = exchange.details.iter().flat_map(|details| &details.steps);
            self.0.lock().unwrap().extend(steps.map(|step| step.phase));
        }

        fn wants_details(&self) -> bool {
            true
        }
    }

    #[test]
    fn steps_are_timed_when_somebody_wants_to_know() {
        let watchmaker = Arc::new(Watchmaker::default());
        let told: Arc<dyn Observer> = Arc::<Watchmaker>::clone(&watchmaker);
        let observers = Observers::new([told]).with_gate(Arc::new(Porter::WaitOpen));
        let recording = begin(&observers);
        let read = recording.timed(Phase::Body, async { 7 }).now_or_never();
        assert_eq!(read, Some(7));
        recording.pass().now_or_never().unwrap().unwrap();
        drop(recording);
        assert_eq!(*watchmaker.0.lock().unwrap(), [Phase::Body, Phase::Audit]);

        let (_, observers) = notebook();
        let recording = begin(&observers);
        assert!(recording.now().is_none());
        recording.took(Phase::Body, Instant::now(), Duration::ZERO);
        recording.note(|exchange| assert_eq!(exchange.details, None));
    }

    /// Says the same to everybody.
    #[derive(Debug)]
    enum Porter {
        Free,
        Open,
        WaitOpen,
        WaitClosed,
    }

    impl Gate for Porter {
        fn pass(&self, _: &Exchange) -> Pass {
            let closed = || Answer::of(Reason::Unavailable, "no");
            match self {
                Self::Free => Pass::Free,
                Self::Open => Pass::Open,
                Self::WaitOpen => Pass::Wait(Box::pin(async { Ok(()) })),
                Self::WaitClosed => Pass::Wait(Box::pin(async move { Err(Box::new(closed())) })),
            }
        }
    }

    #[test]
    fn a_gate_is_asked_once() {
        for (porter, passes, admitted) in [
            (Porter::Free, true, false),
            (Porter::Open, true, true),
            (Porter::WaitOpen, true, true),
            (Porter::WaitClosed, false, false),
        ] {
            let row = format!("{porter:?}");
            let (notebook, observers) = notebook();
            let recording = begin(&observers.with_gate(Arc::new(porter)));
            assert_eq!(recording.pass().now_or_never().unwrap().is_ok(), passes, "{row}");
            assert_eq!(recording.pass().now_or_never().unwrap(), Ok(()), "{row}");
            drop(recording);
            let expected =
                format!("answered 0 {} 0B 0e admitted={admitted}", Outcome::Abandoned.as_str());
            assert_eq!(notebook.lines(), [expected], "{row}");
        }
    }
}
