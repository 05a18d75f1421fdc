//! The promise, over a place that fails on command.

use std::sync::{Condvar, MutexGuard};
use std::time::Instant;

use serde_json::Value;

use super::*;
use crate::queue::LINES_MAX;
use crate::sink::Place;

const WAIT: Duration = Duration::from_millis(100);

/// What the place does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Works,
    /// Takes three bytes at a time.
    Slow,
    /// Takes some bytes, and then says that the disk is full.
    Full,
    /// Does not return.
    Hangs,
    /// Writes, and cannot flush.
    Unflushed,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    bytes: Vec<u8>,
    flushes: u64,
}

/// A place that a test has a hand on.
#[derive(Debug, Clone)]
struct Fake(Arc<(Mutex<State>, Condvar)>);

impl Fake {
    fn new(mood: Mood) -> Self {
        let state = State { mood, bytes: Vec::new(), flushes: 0 };
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    fn log(&self, flush: Flush) -> AuditLog {
        AuditLog::over(self.clone(), flush, WAIT).unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    fn set(&self, mood: Mood) {
        self.state().mood = mood;
        self.0.1.notify_all();
    }

    /// The lines that were written, each of them whole, without the last one of an orderly end.
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.state().bytes.clone()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        let lines = text.lines().map(|line| serde_json::from_str(line).expect(line));
        let mut lines: Vec<Value> = lines.collect();
        lines.pop_if(|line| line["kind"] == "stopped");
        lines
    }
}

impl Sink for Fake {
    fn prepare(&mut self, _bytes: usize) -> io::Result<Place> {
        Ok(Place::Same)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let state = self.state();
        let mut state = self.0.1.wait_while(state, |state| state.mood == Mood::Hangs).unwrap();
        let taken = match state.mood {
            Mood::Slow => bytes.len().min(3),
            Mood::Full if bytes.len() < 10 => return Err(io::ErrorKind::StorageFull.into()),
            Mood::Full => bytes.len() / 2,
            Mood::Works | Mood::Hangs | Mood::Unflushed => bytes.len(),
        };
        state.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state();
        if state.mood == Mood::Unflushed {
            return Err(io::Error::other("the cable is out"));
        }
        state.flushes += 1;
        Ok(())
    }

    fn reopen(&mut self) {}
}

/// Any record.
fn other() -> Record<'static> {
    Record::Lost { time: record::now(), records: 7 }
}

async fn change(log: &AuditLog) -> Result<(), Unavailable> {
    if !log.reserve_now() {
        log.reserve().await?;
    }
    log.record_change(&other());
    Ok(())
}

/// The numbers of lines go up one by one.
fn check_numbers(lines: &[Value]) {
    let numbers: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = (1..=lines.len() as u64).collect();
    assert_eq!(numbers, expected);
}

/// Waits for something that the writer is about to do.
fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn lines_are_written_whole_and_in_order() {
    for mood in [Mood::Works, Mood::Slow] {
        let fake = Fake::new(mood);
        let log = fake.log(Flush::Never);
        for _ in 0..1000 {
            change(&log).await.unwrap();
            log.record_other(other);
        }
        log.close();
        let lines = fake.lines();
        assert_eq!(lines.len(), 2000, "{mood:?}");
        check_numbers(&lines);
        assert_eq!(log.info().written, 2001, "and the end");
        assert_eq!(log.info().waiting, 0);
    }
}

#[tokio::test]
async fn changes_are_refused_while_the_log_cannot_be_written_and_nothing_is_lost() {
    for mood in [Mood::Full, Mood::Hangs] {
        let fake = Fake::new(mood);
        let log = fake.log(Flush::Never);
        change(&log).await.expect("nothing is known yet");
        until("the failure shows", || !log.info().works);
        let before = Instant::now();
        assert_eq!(change(&log).await, Err(Unavailable), "{mood:?}");
        assert!(before.elapsed() >= WAIT, "it was waited for");
        for _ in 0..LINES_MAX + 5 {
            log.record_other(other);
        }
        let info = log.info();
        assert_eq!((info.crowded_out, info.unwritable), (0, 5), "{mood:?}: more have no room");
        assert!(info.holds_up_changes, "{mood:?}");
        fake.set(Mood::Works);
        until("the log works again", || log.info().works && log.info().waiting == 0);
        change(&log).await.expect("it works again");
        log.close();
        let lines = fake.lines();
        check_numbers(&lines);
        let told = lines.iter().filter(|line| line["records"] == 5).count();
        assert_eq!(told, 1, "what was lost is told");
        assert_eq!(lines.len(), 1 + LINES_MAX + 1 + 1, "{mood:?}");
        assert_eq!(log.info().refused, 1);
    }
}

#[tokio::test]
async fn a_change_waits_for_a_log_that_comes_back() {
    let fake = Fake::new(Mood::Full);
    let log = AuditLog::over(fake.clone(), Flush::Never, Duration::from_mins(1)).unwrap();
    log.record_other(other);
    until("the failure shows", || !log.info().works);
    let (changed, ()) = tokio::join!(change(&log), async { fake.set(Mood::Works) });
    changed.expect("it had the time");
    log.close();
    assert_eq!(fake.lines().len(), 2);
}

#[tokio::test]
async fn room_is_bounded_and_given_back() {
    let fake = Fake::new(Mood::Hangs);
    let log = fake.log(Flush::Never);
    for taken in 0..LINES_MAX {
        assert!(log.reserve_now(), "{taken}");
    }
    assert!(!log.reserve_now());
    assert_eq!(log.reserve().await, Err(Unavailable));
    for _ in 0..LINES_MAX {
        log.record_change(&other());
    }
    fake.set(Mood::Works);
    log.reserve().await.expect("there is room when lines were written");
    log.record_change(&other());
    log.close();
    assert_eq!(fake.lines().len(), LINES_MAX + 1);
    assert!(!log.reserve_now(), "a closed log takes nothing");
}

#[test]
fn a_flood_is_told_from_a_log_that_cannot_be_written() {
    // Nobody takes anything out of it, and nothing has failed.
    let queue = Queue::new();
    while queue.room_now(Sort::Spare) {}
    queue.lose();
    assert!(!queue.holds_up_changes(), "what changes nothing takes no room from what does");
    queue.begin();
    queue.end(false);
    queue.lose();
    queue.lose();
    let counts = |queue: &Queue| {
        let counts = [&queue.counts.crowded_out, &queue.counts.unwritable];
        counts.map(|count| count.load(Ordering::Relaxed))
    };
    assert_eq!(counts(&queue), [1, 2]);
    assert!(queue.holds_up_changes());
    queue.end(true);
    assert!(!queue.holds_up_changes());
    while queue.room_now(Sort::Promised) {}
    assert!(queue.holds_up_changes(), "there is no room");
}

#[tokio::test]
async fn who_gives_up_waiting_takes_no_room() {
    let fake = Fake::new(Mood::Full);
    let log = AuditLog::over(fake.clone(), Flush::Never, Duration::from_mins(1)).unwrap();
    log.record_other(other);
    until("the failure shows", || !log.info().works);
    for _ in 0..10 {
        let waiting = tokio::time::timeout(Duration::from_millis(1), log.reserve());
        waiting.await.expect_err("nothing comes");
    }
    assert_eq!(log.info().waiting, 1, "the line alone");
    fake.set(Mood::Works);
}

#[tokio::test]
async fn when_lines_are_flushed_is_chosen() {
    for (flush, expected) in [(Flush::Never, 0), (Flush::Interval, 1)] {
        let fake = Fake::new(Mood::Works);
        let log = fake.log(flush);
        change(&log).await.unwrap();
        log.close();
        assert_eq!(fake.state().flushes, expected, "{flush:?}");
    }
    let fake = Fake::new(Mood::Works);
    let log = fake.log(Flush::Always);
    change(&log).await.unwrap();
    until("it is flushed at once", || fake.state().flushes == 1 && log.info().waiting == 0);
}

#[tokio::test]
async fn a_batch_that_cannot_be_flushed_is_written_again() {
    let fake = Fake::new(Mood::Unflushed);
    let log = fake.log(Flush::Always);
    change(&log).await.unwrap();
    until("the failure shows", || !log.info().works);
    assert_eq!(log.info().waiting, 1, "it does not count as written");
    fake.set(Mood::Works);
    until("it works again", || log.info().works && log.info().waiting == 0);
    log.close();
    let lines = fake.lines();
    assert!(lines.len() > 1, "nobody knows what the disk had of it");
    assert!(lines.iter().all(|line| line["seq"] == 1), "repetitions can be told");
}

#[tokio::test]
async fn an_end_waits_for_the_log_and_not_for_ever() {
    let fake = Fake::new(Mood::Full);
    let log = fake.log(Flush::Never);
    change(&log).await.unwrap();
    let begun = Instant::now();
    log.close();
    assert!((CLOSE_MAX..3 * CLOSE_MAX).contains(&begun.elapsed()));
}
