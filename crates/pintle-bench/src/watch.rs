//! Fan-out: one stream of status writes, many watchers, and how long until each has each write.
//!
//! Writes are evenly spaced, because writers in phase would make events arrive in clumps that
//! coalesce by themselves and hide the limit. Latency runs from just before a write is sent to the
//! watcher having read its whole line, on one clock; the write's own latency is part of it.

mod lines;
mod seen;
mod watcher;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use self::seen::Seen;
use self::watcher::Watched;
use crate::collection::Collection;
use crate::connection;
use crate::error::{BenchError, Result};
use crate::histogram::Histogram;
use crate::load::Faults;
use crate::operation::{Requests, request, watch_request};
use crate::output::progress;
use crate::server::Subject;
use crate::usage::{Reading, Usage, open_files_max};

/// What has not arrived so long after the last write is missing.
const DELIVERY_GRACE: Duration = Duration::from_secs(10);
const DELIVERY_POLL: Duration = Duration::from_millis(20);
/// One bit each, so that a repeated event is told from a new one.
const DELIVERIES_MAX: u64 = 2_000_000_000;
/// Files that a process has open beside its connections, with room to spare.
const OTHER_FILES: u64 = 64;
const VERSION_HEADER: &str = "pintle-resource-version";

/// How wide, how fast, how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FanOut {
    pub(crate) watchers: usize,
    pub(crate) writes_per_second: u32,
    pub(crate) length: Duration,
}

/// What arrived, and when.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) fan_out: FanOut,
    /// Until a watcher had a write.
    pub(crate) latency: Histogram,
    /// Until a writer had its answer.
    pub(crate) write_latency: Histogram,
    /// How long writing took, which is longer than asked when the server cannot keep up.
    pub(crate) writing: Duration,
    /// Acknowledged writes times watchers.
    pub(crate) expected: u64,
    /// Of these, what did not arrive.
    pub(crate) missing: u64,
    /// What arrived again.
    pub(crate) duplicated: u64,
    /// What arrived after a later write of the same writer.
    pub(crate) disordered: u64,
    /// Watches that the server ended.
    pub(crate) cut_off: u64,
    /// What went wrong with the writes.
    pub(crate) faults: Faults,
    pub(crate) usage: Usage,
}

impl Delivered {
    /// Whether every watcher saw each write once, in order.
    pub(crate) fn is_sound(&self) -> bool {
        let wrongs = [self.missing, self.duplicated, self.disordered, self.cut_off];
        wrongs.iter().all(|&count| count == 0) && self.faults.is_empty()
    }

    fn add(&mut self, watched: &Watched, acknowledged: &Seen) {
        self.latency.merge(&watched.latency);
        self.missing += watched.seen.missing_of(acknowledged);
        self.duplicated += watched.duplicated;
        self.disordered += watched.disordered;
        self.cut_off += u64::from(watched.cut_off);
    }
}

/// What writers and watchers share.
#[derive(Debug)]
struct Board {
    epoch: Instant,
    writers: usize,
    /// By sequence number, in nanoseconds since the epoch.
    sent_at: Vec<AtomicU64>,
    arrived: AtomicU64,
    /// How many watchers will see no more.
    ended: AtomicUsize,
}

impl Board {
    fn new(writes: usize, writers: usize) -> Self {
        Self {
            epoch: Instant::now(),
            writers,
            sent_at: (0..writes).map(|_| AtomicU64::new(0)).collect(),
            arrived: AtomicU64::new(0),
            ended: AtomicUsize::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Opens the watches, writes over `writers` in turn, and waits until everything has arrived.
pub(crate) async fn measure(
    subject: &Subject,
    collection: &Collection,
    fan_out: FanOut,
    writers: Vec<Requests>,
) -> Result<Delivered> {
    let writes = writes_of(fan_out)?;
    let version = current_version(subject, collection).await?;
    let board = Arc::new(Board::new(writes, writers.len()));
    progress(format_args!("opening {} watches", fan_out.watchers));
    let (stop, stopped) = watch::channel(false);
    let request = watch_request(subject, collection, &version)?;
    let watchers = watcher::open_all(subject, &request, fan_out.watchers, &board, &stopped).await?;

    progress(format_args!("{writes} writes at {} a second", fan_out.writes_per_second));
    let (started, before) = (Instant::now(), Reading::take(subject.pid));
    let written = writer::write_all(subject, fan_out, writers, &board).await?;
    let (writing, usage) = (started.elapsed(), Reading::take(subject.pid).since(&before));

    let expected = written.acknowledged.len() * fan_out.watchers as u64;
    until_arrived(&board, expected, fan_out.watchers).await;
    stop.send_replace(true);
    let mut delivered = Delivered {
        fan_out,
        latency: Histogram::default(),
        write_latency: written.latency,
        writing,
        expected,
        missing: 0,
        duplicated: 0,
        disordered: 0,
        cut_off: 0,
        faults: written.faults,
        usage,
    };
    for watched in watchers.join_all().await {
        delivered.add(&watched?, &written.acknowledged);
    }
    Ok(delivered)
}

fn writes_of(fan_out: FanOut) -> Result<usize> {
    let milliseconds = fan_out.length.as_millis() * u128::from(fan_out.writes_per_second);
    let writes = u64::try_from(milliseconds / 1_000).unwrap_or(u64::MAX).max(1);
    let watchers = fan_out.watchers as u64;
    if writes.saturating_mul(watchers) > DELIVERIES_MAX {
        return Err(BenchError::Refused(format!(
            "{writes} writes to {watchers} watchers are more than {DELIVERIES_MAX} deliveries; ask \
             for fewer of either"
        )));
    }
    let files = watchers + OTHER_FILES;
    if open_files_max().is_some_and(|max| max < files) {
        return Err(BenchError::Refused(format!(
            "{watchers} watches need {files} open files, which is more than this shell allows; run \
             `ulimit -n {files}` first (a server that is started from here needs as many)"
        )));
    }
    usize::try_from(writes).map_err(|error| BenchError::Refused(error.to_string()))
}

/// The version from which nothing before this run is seen.
async fn current_version(subject: &Subject, collection: &Collection) -> Result<String> {
    let doing = "listing before watching";
    let request = request(subject, Method::GET, &format!("{}?limit=1", collection.path()))?;
    let answer = connection::exchange_once(&subject.target.endpoint, request, doing).await?;
    let answer = answer.expect_success(doing)?;
    let version = answer.headers.get(VERSION_HEADER).and_then(|value| value.to_str().ok());
    let version = version.map(str::to_owned).or_else(|| {
        let list: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
        list.pointer("/metadata/resourceVersion")?.as_str().map(str::to_owned)
    });
    version.ok_or_else(|| BenchError::Answer(format!("{doing}: the answer shows no version")))
}

/// Waits for stragglers, but not for ever; then one moment more, in which a repeated event would
/// come.
async fn until_arrived(board: &Board, expected: u64, watchers: usize) {
    let latest = Instant::now() + DELIVERY_GRACE;
    let done = || {
        board.arrived.load(Ordering::Relaxed) >= expected
            || board.ended.load(Ordering::Relaxed) >= watchers
    };
    while !done() && Instant::now() < latest {
        sleep(DELIVERY_POLL).await;
    }
    sleep(DELIVERY_POLL).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fan_out_that_needs_too_much_memory_is_refused() {
        let length = Duration::from_hours(1);
        let huge = FanOut { watchers: 1_000, writes_per_second: 10_000, length };
        assert!(writes_of(huge).unwrap_err().to_string().contains("deliveries"));
        let short = FanOut { watchers: 1, writes_per_second: 5, length: Duration::from_millis(10) };
        assert_eq!(writes_of(short).unwrap(), 1);
    }
}
