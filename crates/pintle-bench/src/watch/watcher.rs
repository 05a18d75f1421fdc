//! One watcher: reads the stream of changes and keeps book of what arrived.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use memchr::memmem::Finder;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Board;
use super::lines::Lines;
use super::seen::Seen;
use crate::connection::{self, Body};
use crate::device::{SEQUENCE_MARK, sequence_in};
use crate::endpoint::Endpoint;
use crate::error::{BenchError, Result};
use crate::histogram::Histogram;
use crate::server::Subject;

/// So many watches are being opened at a time.
const OPENING_MAX: usize = 64;
const OPENING_TIME_MAX: Duration = Duration::from_mins(1);

/// What one watcher saw.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) latency: Histogram,
    pub(super) seen: Seen,
    /// By writer, its latest write that was seen.
    latest: Vec<usize>,
    pub(super) duplicated: u64,
    pub(super) disordered: u64,
    pub(super) cut_off: bool,
}

/// Opens so many watches; all of them are open when this returns.
pub(super) async fn open_all(
    subject: &Subject,
    request: &Request<Body>,
    count: usize,
    board: &Arc<Board>,
    stopped: &watch::Receiver<bool>,
) -> Result<JoinSet<Result<Watched>>> {
    let turns = Arc::new(Semaphore::new(OPENING_MAX));
    let (opened, mut openings) = mpsc::channel(OPENING_MAX);
    let mut watchers = JoinSet::new();
    for _ in 0..count {
        let opening = Opening { turns: Arc::clone(&turns), opened: opened.clone() };
        let watcher = watcher(
            subject.target.endpoint.clone(),
            request.clone(),
            Arc::clone(board),
            stopped.clone(),
            opening,
        );
        watchers.spawn(watcher);
    }
    drop(opened);
    let all_open = async {
        let mut open = 0;
        while openings.recv().await.is_some() {
            open += 1;
        }
        open == count
    };
    match timeout(OPENING_TIME_MAX, all_open).await {
        Ok(true) => Ok(watchers),
        Ok(false) => Err(first_failure(watchers).await),
        Err(_) => Err(BenchError::TimedOut(format!("{count} watches could not be opened in time"))),
    }
}

/// One that failed is done already; those that are open would go on for ever.
async fn first_failure(mut watchers: JoinSet<Result<Watched>>) -> BenchError {
    while let Some(watcher) = watchers.join_next().await {
        if let Ok(Err(error)) = watcher {
            return error;
        }
    }
    BenchError::Answer("a watch ended while others were being opened".to_owned())
}

/// What a watcher holds until it is open: its turn, and the means to say so.
#[derive(Debug)]
struct Opening {
    turns: Arc<Semaphore>,
    opened: mpsc::Sender<()>,
}

impl Opening {
    async fn announce(self) {
        // Nobody listens any more when another watch could not be opened.
        let _gone = self.opened.send(()).await;
    }
}

async fn watcher(
    endpoint: Endpoint,
    request: Request<Body>,
    board: Arc<Board>,
    stopped: watch::Receiver<bool>,
    opening: Opening,
) -> Result<Watched> {
    let doing = "opening a watch";
    let turns = Arc::clone(&opening.turns);
    let turn = turns.acquire().await.expect("the semaphore is never closed");
    let (mut sender, transport) = connection::open(&endpoint).await?;
    let work = async {
        let response =
            sender.send_request(request).await.map_err(|source| BenchError::http(doing, source))?;
        if !response.status().is_success() {
            let status = response.status();
            return Err(BenchError::Answer(format!("{doing}: the server answered {status}")));
        }
        drop(turn);
        opening.announce().await;
        let mut watched = Watched::new(&board);
        watched.read(response.into_body(), stopped, &board).await;
        board.ended.fetch_add(1, Ordering::Relaxed);
        Ok(watched)
    };
    connection::drive(transport, work).await
}

impl Watched {
    fn new(board: &Board) -> Self {
        Self {
            latency: Histogram::default(),
            seen: Seen::new(board.sent_at.len()),
            latest: vec![0; board.writers],
            duplicated: 0,
            disordered: 0,
            cut_off: false,
        }
    }

    async fn read(
        &mut self,
        mut body: Incoming,
        mut stopped: watch::Receiver<bool>,
        board: &Board,
    ) {
        let mark = Finder::new(SEQUENCE_MARK);
        let mut lines = Lines::default();
        let mut stop = pin!(stopped.wait_for(|stopped| *stopped));
        while !self.cut_off {
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                _ = &mut stop => return,
            };
            match frame {
                Some(Ok(frame)) => {
                    let data = frame.data_ref().map_or(&[][..], Bytes::as_ref);
                    self.take(data, &mut lines, &mark, board);
                }
                Some(Err(_)) | None => self.cut_off = true,
            }
        }
    }

    fn take(&mut self, data: &[u8], lines: &mut Lines, mark: &Finder<'_>, board: &Board) {
        let now = board.now();
        let before = self.latency.total();
        let whole = lines.feed(data, |line| match sequence_in(mark, line) {
            Some(sequence) => self.arrived(sequence, now, board),
            None => self.cut_off |= line.starts_with(br#"{"type":"ERROR""#),
        });
        self.cut_off |= !whole;
        board.arrived.fetch_add(self.latency.total() - before, Ordering::Relaxed);
    }

    fn arrived(&mut self, sequence: u64, now: u64, board: &Board) {
        let index = usize::try_from(sequence).unwrap_or(usize::MAX);
        let Some(sent_at) = board.sent_at.get(index) else { return };
        if !self.seen.insert(index) {
            self.duplicated += 1;
            return;
        }
        if let Some(latest) = self.latest.get_mut(index % board.writers) {
            self.disordered += u64::from(index < *latest);
            *latest = index.max(*latest);
        }
        let latency = now.saturating_sub(sent_at.load(Ordering::Acquire));
        self.latency.record(Duration::from_nanos(latency));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::status_body;

    /// What a watcher of two writers makes of these sequence numbers, in this order:
    /// arrived, duplicated, disordered.
    fn check(sequences: &[u64], expected: (u64, u64, u64)) {
        let board = Board::new(10, 2);
        let mut watched = Watched::new(&board);
        let mut text = Vec::new();
        for sequence in sequences {
            text.extend_from_slice(&status_body(370).with(*sequence));
            text.push(b'\n');
        }
        watched.take(&text, &mut Lines::default(), &Finder::new(SEQUENCE_MARK), &board);
        let arrived = board.arrived.load(Ordering::Relaxed);
        assert_eq!((arrived, watched.duplicated, watched.disordered), expected, "{sequences:?}");
        assert!(!watched.cut_off);
    }

    #[test]
    fn each_write_counts_once_and_order_is_by_writer() {
        check(&[0, 1, 2, 3], (4, 0, 0));
        check(&[1, 0, 3, 2], (4, 0, 0));
        check(&[0, 0, 2], (2, 1, 0));
        check(&[2, 0], (2, 0, 1));
        check(&[11], (0, 0, 0));
    }

    #[test]
    fn an_error_event_cuts_the_watch_off_and_a_bookmark_does_not() {
        let board = Board::new(1, 1);
        for (line, cut_off) in [
            (r#"{"type":"ERROR","object":{"code":410}}"#, true),
            (r#"{"type":"BOOKMARK","object":{}}"#, false),
        ] {
            let mut watched = Watched::new(&board);
            let text = format!("{line}\n");
            let mark = Finder::new(SEQUENCE_MARK);
            watched.take(text.as_bytes(), &mut Lines::default(), &mark, &board);
            assert_eq!(watched.cut_off, cut_off, "{line}");
        }
    }
}
