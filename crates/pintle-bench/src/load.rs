//! A closed loop: each connection sends its next request when it has the answer to the last.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::connection::{self, Sender};
use crate::endpoint::Endpoint;
use crate::error::{BenchError, Result};
use crate::histogram::Histogram;
use crate::operation::Requests;
use crate::report;
use crate::server::Subject;
use crate::usage::{Reading, Usage};

/// A server that has not answered so long after the end is not going to.
const ANSWER_GRACE: Duration = Duration::from_secs(30);
/// A connection that breaks is opened again, so often.
const RECONNECTS_MAX: u32 = 20;
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// How long to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// First so long without counting.
    pub(crate) warmup: Duration,
    /// Then so long with.
    pub(crate) length: Duration,
}

/// What was measured.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) connections: usize,
    pub(crate) length: Duration,
    pub(crate) tally: Tally,
    pub(crate) usage: Usage,
}

/// What one connection counted, or all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Of successful requests.
    pub(crate) latency: Histogram,
    /// In bodies of successful answers.
    pub(crate) bytes: u64,
    pub(crate) faults: Faults,
}

/// How often what went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults(BTreeMap<Fault, u64>);

/// What can go wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The answer was not a 2xx.
    Status(u16),
    /// The answer was a 2xx, and told of an error.
    Told,
    /// The connection broke.
    Connection,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (fault, count) in &other.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (index, (fault, count)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            match fault {
                Fault::Status(code) => write!(f, "{separator}{count} x {code}")?,
                Fault::Told => write!(f, "{separator}{count} x errors")?,
                Fault::Connection => write!(f, "{separator}{count} x connection")?,
            }
        }
        Ok(())
    }
}

impl Tally {
    /// Counts a request that began at `started` and is done now, if all of it was in the window.
    pub(crate) fn succeeded(&mut self, window: Window, started: Instant, bytes: u64) {
        let finished = Instant::now();
        if started >= window.measure_from && finished <= window.until {
            self.latency.record(finished - started);
            self.bytes += bytes;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        self.bytes += other.bytes;
        self.faults.merge(&other.faults);
    }
}

impl Measured {
    /// Successful requests a second.
    pub(crate) fn per_second(&self) -> f64 {
        report::float(self.tally.latency.total()) / self.length.as_secs_f64()
    }

    /// How many bytes an answer had on average.
    pub(crate) fn answer_bytes(&self) -> u64 {
        self.tally.bytes.checked_div(self.tally.latency.total()).unwrap_or(0)
    }

    /// What a request cost, out of this CPU time.
    pub(crate) fn micros_per_request(&self, cpu: Option<Duration>) -> Option<f64> {
        let requests = self.tally.latency.total();
        (requests > 0).then_some(cpu?.as_secs_f64() * 1e6 / report::float(requests))
    }
}

/// When to count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    measure_from: Instant,
    until: Instant,
}

impl Window {
    /// Whether there is time for one more request.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }
}

/// Sends `requests`, each over a connection of its own, and measures.
pub(crate) async fn measure(
    subject: &Subject,
    pace: Pace,
    requests: Vec<Requests>,
) -> Result<Measured> {
    let endpoint = &subject.target.endpoint;
    let client = |requests| move |window| client(endpoint.clone(), requests, window);
    measure_clients(subject.pid, pace, requests.into_iter().map(client)).await
}

/// Runs clients of any sort for as long as the pace says, and sums up what they counted.
pub(crate) async fn measure_clients<C, F>(
    server: Option<u32>,
    pace: Pace,
    clients: impl Iterator<Item = C>,
) -> Result<Measured>
where
    C: FnOnce(Window) -> F,
    F: Future<Output = Result<Tally>> + Send + 'static,
{
    let measure_from = Instant::now() + pace.warmup;
    let window = Window { measure_from, until: measure_from + pace.length };
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(client(window));
    }
    let connections = running.len();
    sleep_until(window.measure_from).await;
    let before = Reading::take(server);
    sleep_until(window.until).await;
    let usage = Reading::take(server).since(&before);
    let tally = collect(running, window.until + ANSWER_GRACE).await?;
    Ok(Measured { connections, length: pace.length, tally, usage })
}

async fn collect(mut clients: JoinSet<Result<Tally>>, latest: Instant) -> Result<Tally> {
    let mut sum = Tally::default();
    loop {
        let unanswered = |_| {
            let seconds = ANSWER_GRACE.as_secs();
            BenchError::TimedOut(format!("requests were left without an answer for {seconds} s"))
        };
        match timeout_at(latest, clients.join_next()).await.map_err(unanswered)? {
            Some(tally) => sum.merge(&tally.expect("a client neither panics nor is cancelled")?),
            None => return Ok(sum),
        }
    }
}

/// One connection's loop; a connection that breaks is a fault and opened again.
async fn client(endpoint: Endpoint, mut requests: Requests, window: Window) -> Result<Tally> {
    let mut tally = Tally::default();
    for _ in 0..=RECONNECTS_MAX {
        let (sender, transport) = connection::open(&endpoint).await?;
        let work = closed_loop(sender, &mut requests, &mut tally, window);
        if connection::drive(transport, work).await.is_ok() {
            return Ok(tally);
        }
        tally.faults.add(Fault::Connection);
        sleep(RECONNECT_PAUSE).await;
    }
    Err(BenchError::Answer(format!("the server broke a connection {RECONNECTS_MAX} times")))
}

async fn closed_loop(
    mut sender: Sender,
    requests: &mut Requests,
    tally: &mut Tally,
    window: Window,
) -> std::result::Result<(), hyper::Error> {
    loop {
        sender.ready().await?;
        let started = Instant::now();
        if window.is_over(started) {
            return Ok(());
        }
        let response = sender.send_request(requests.next()).await?;
        let status = response.status();
        requests.answered(response.headers());
        let bytes = connection::finish(response.into_body(), requests).await?;
        if status.is_success() && requests.failed() {
            tally.faults.add(Fault::Told);
        } else if status.is_success() {
            tally.succeeded(window, started, bytes);
        } else {
            tally.faults.add(Fault::Status(status.as_u16()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted_by_what_they_were() {
        let mut faults = Faults::default();
        assert_eq!(faults.to_string(), "none");
        let mut other = Faults::default();
        for fault in [Fault::Status(409), Fault::Connection, Fault::Status(409)] {
            other.add(fault);
        }
        faults.add(Fault::Status(500));
        faults.merge(&other);
        assert_eq!(faults.to_string(), "2 x 409, 1 x 500, 1 x connection");
    }

    #[test]
    fn rates_and_costs_come_from_successful_requests() {
        let mut tally = Tally::default();
        tally.latency.record_many(Duration::from_millis(1), 4);
        tally.bytes = 400;
        let length = Duration::from_secs(2);
        let measured = Measured { connections: 1, length, tally, usage: Usage::default() };
        assert!((measured.per_second() - 2.0).abs() < 1e-9);
        assert_eq!(measured.answer_bytes(), 100);
        let cost = measured.micros_per_request(Some(Duration::from_micros(40)));
        assert!(cost.is_some_and(|micros| (micros - 10.0).abs() < 1e-9));
        assert_eq!(measured.micros_per_request(None), None);
    }
}
