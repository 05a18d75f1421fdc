//! The writers of a fan-out: evenly spaced, in turn, each over its own connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::seen::Seen;
use super::{Board, FanOut};
use crate::connection::{self, Sender};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::histogram::Histogram;
use crate::load::{Fault, Faults};
use crate::operation::Requests;
use crate::server::Subject;

/// What the writers did.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) acknowledged: Seen,
    pub(super) latency: Histogram,
    pub(super) faults: Faults,
}

/// Writes everything at its time, or as soon after as the server lets it.
pub(super) async fn write_all(
    subject: &Subject,
    fan_out: FanOut,
    writers: Vec<Requests>,
    board: &Arc<Board>,
) -> Result<Written> {
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    let interval = Duration::from_secs(1) / fan_out.writes_per_second;
    for (first, requests) in writers.into_iter().enumerate() {
        let pace = WritePace { start, interval, first };
        tasks.spawn(writer(subject.target.endpoint.clone(), requests, pace, Arc::clone(board)));
    }
    let mut sum = Written::new(board);
    while let Some(written) = tasks.join_next().await {
        let written = written.expect("a writer neither panics nor is cancelled")?;
        sum.acknowledged.merge(&written.acknowledged);
        sum.latency.merge(&written.latency);
        sum.faults.merge(&written.faults);
    }
    Ok(sum)
}

/// When a writer writes which sequence numbers.
#[derive(Debug, Clone, Copy)]
struct WritePace {
    start: Instant,
    interval: Duration,
    /// Its first number; the others follow in steps of the number of writers.
    first: usize,
}

impl WritePace {
    fn due(self, index: usize) -> Instant {
        self.start + self.interval * u32::try_from(index).unwrap_or(u32::MAX)
    }
}

impl Written {
    fn new(board: &Board) -> Self {
        Self {
            acknowledged: Seen::new(board.sent_at.len()),
            latency: Histogram::default(),
            faults: Faults::default(),
        }
    }
}

/// Writes its share. When its connection breaks, the rest of its share is not written.
async fn writer(
    endpoint: Endpoint,
    requests: Requests,
    pace: WritePace,
    board: Arc<Board>,
) -> Result<Written> {
    let (sender, transport) = connection::open(&endpoint).await?;
    let mut written = Written::new(&board);
    let work = paced_writes(sender, requests, pace, &board, &mut written);
    if connection::drive(transport, work).await.is_err() {
        written.faults.add(Fault::Connection);
    }
    Ok(written)
}

async fn paced_writes(
    mut sender: Sender,
    mut requests: Requests,
    pace: WritePace,
    board: &Board,
    written: &mut Written,
) -> std::result::Result<(), hyper::Error> {
    let own = board.sent_at.iter().enumerate().skip(pace.first).step_by(board.writers);
    for (index, sent_at) in own {
        sleep_until(pace.due(index)).await;
        sender.ready().await?;
        let request = requests.numbered(index as u64);
        let started = Instant::now();
        sent_at.store(board.now(), Ordering::Release);
        let response = sender.send_request(request).await?;
        let status = response.status();
        connection::finish(response.into_body(), &mut requests).await?;
        if status.is_success() {
            written.latency.record(started.elapsed());
            written.acknowledged.insert(index);
        } else {
            written.faults.add(Fault::Status(status.as_u16()));
        }
    }
    Ok(())
}
