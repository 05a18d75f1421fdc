//! `kill -9` in the middle of concurrent writes: what was acknowledged is there afterwards, and
//! watchers that resume see each write once and in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::harness::http::Client;
use crate::harness::server::{Launch, Server};
use crate::kinds::declare_things;

const WRITERS: usize = 6;
/// Rounds end after this time, but there are at least a few.
const BUDGET: Duration = Duration::from_secs(15);
const ROUNDS_MIN: u64 = 4;

/// What one writer knows: the numbers that it last tried, and those that were acknowledged.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    tried: [u64; 2],
    acknowledged: [u64; 2],
    version: u64,
}

/// What all writers tell, so that the server is killed while they are at it.
#[derive(Debug, Default)]
struct Count {
    acknowledged: AtomicU64,
    changed: Notify,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let mut server = Launch::bare().start().await;
    declare_things(&server).await;
    let mut progress: Vec<Progress> = Vec::new();
    for writer in 0..WRITERS {
        let thing = json!({"metadata": {"name": name(writer)}, "spec": {"number": 0}});
        let version = server.post("/things", &thing).await.expect(201).version();
        progress.push(Progress { version, ..Progress::default() });
    }
    let mut seen =
        Seen { last: progress.iter().map(|it| it.version).max().unwrap_or(0), ..Seen::default() };
    let begun = Instant::now();
    let mut round = 0;
    while round < ROUNDS_MIN || begun.elapsed() < BUDGET {
        round += 1;
        // A different moment each time.
        let moment = 5 + round * 37 % 150;
        write_until_killed(&mut server, &mut progress, moment).await;
        server.start_again().await;
        compare(&server, &mut progress).await;
        seen.catch_up(&server, &progress).await;
    }
    println!("{round} rounds, {} writes", seen.events);
}

fn name(writer: usize) -> String {
    format!("t-{writer}")
}

/// Lets all writers write until so many writes were acknowledged, and kills the server.
async fn write_until_killed(server: &mut Server, progress: &mut [Progress], moment: u64) {
    let count = Arc::new(Count::default());
    let mut writers = JoinSet::new();
    for (writer, progress) in progress.iter().enumerate() {
        let client = Client::new(server.client.address);
        writers.spawn(write(client, writer, *progress, Arc::clone(&count)));
    }
    while count.acknowledged.load(Ordering::SeqCst) < moment {
        count.changed.notified().await;
    }
    server.kill_hard();
    while let Some(done) = writers.join_next().await {
        let (writer, result) = done.expect("writers do not panic");
        progress[writer] = result;
    }
}

/// Writes spec and status in turn, with one more each time, until the server is gone.
async fn write(
    client: Client,
    writer: usize,
    mut progress: Progress,
    count: Arc<Count>,
) -> (usize, Progress) {
    for lane in (0..2).cycle() {
        let number = progress.tried[lane] + 1;
        progress.tried[lane] = number;
        let (path, body) = match lane {
            0 => (format!("/things/{}", name(writer)), json!({"spec": {"number": number}})),
            _ => {
                (format!("/things/{}/status", name(writer)), json!({"status": {"number": number}}))
            }
        };
        let headers = [("content-type", "application/json")];
        let Ok(reply) = client.try_send("PUT", &path, &headers, body.to_string()).await else {
            break;
        };
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.version() > progress.version, "versions go up");
        progress.version = reply.version();
        progress.acknowledged[lane] = number;
        count.acknowledged.fetch_add(1, Ordering::SeqCst);
        count.changed.notify_one();
    }
    (writer, progress)
}

/// Everything acknowledged is there; of what was not, each write is there or is not.
async fn compare(server: &Server, progress: &mut [Progress]) {
    for (writer, progress) in progress.iter_mut().enumerate() {
        let stored = server.get(&format!("/things/{}", name(writer))).await.expect(200);
        let numbers = [number(&stored.json(), "spec"), number(&stored.json(), "status")];
        for (lane, stored) in numbers.into_iter().enumerate() {
            let possible = progress.acknowledged[lane]..=progress.tried[lane];
            assert!(possible.contains(&stored), "{stored} is not in {possible:?} of {writer}");
            progress.tried[lane] = stored;
            progress.acknowledged[lane] = stored;
        }
        assert!(stored.version() >= progress.version);
        progress.version = stored.version();
    }
}

fn number(object: &Value, lane: &str) -> u64 {
    object[lane]["number"].as_u64().unwrap_or(0)
}

/// What a watcher saw that resumes after each crash.
#[derive(Debug, Default)]
struct Seen {
    last: u64,
    events: u64,
    numbers: [[u64; 2]; WRITERS],
}

impl Seen {
    /// Reads until everything that is stored was seen.
    async fn catch_up(&mut self, server: &Server, progress: &[Progress]) {
        let newest = progress.iter().map(|it| it.version).max().unwrap_or(0);
        let mut watch =
            server.watch(&format!("/things?watch=true&resourceVersion={}", self.last)).await;
        while self.last < newest {
            let event = watch.event().await;
            assert!(event.version() > self.last, "{} after {}", event.version(), self.last);
            self.last = event.version();
            if event.kind == "BOOKMARK" {
                continue;
            }
            assert_eq!(event.kind, "MODIFIED");
            self.events += 1;
            self.count(event.name(), &event.object);
        }
        for (seen, progress) in self.numbers.iter().zip(progress) {
            assert_eq!(*seen, progress.acknowledged, "all of it was seen");
        }
    }

    /// Each write adds one to one lane, so one that is missing or told twice shows.
    fn count(&mut self, name: &str, object: &Value) {
        let writer: usize = name.trim_start_matches("t-").parse().expect("a number");
        let [spec, status] = self.numbers[writer];
        let now = [number(object, "spec"), number(object, "status")];
        let steps = [[spec + 1, status], [spec, status + 1]];
        assert!(steps.contains(&now), "{now:?} follows {:?}", [spec, status]);
        self.numbers[writer] = now;
    }
}
