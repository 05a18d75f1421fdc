//! [`Queue`]: lines on their way to the writer thread, and the promise of room for them.
//!
//! Room is counted in lines, whose length has a limit. Who changes something takes room beforehand
//! ([`Queue::room`]) and waits for it; a line about anything else takes room when it is there, or
//! is counted as lost. Each sort has room of its own, so that a flood of requests that change
//! nothing holds up nobody who does.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// So many lines of each sort may be on their way.
pub(crate) const LINES_MAX: usize = 4_096;

/// The writer waits so long for company of the first line, so that a busy server wakes it hundreds
/// of times a second and not once a request.
const LINGER: Duration = Duration::from_millis(2);

/// A write that has not returned for so long counts as one that fails.
const STUCK_MS: u64 = 1_000;

/// What a line is about, as far as room is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A change. It is not made before there is room for its line.
    Promised,
    /// Anything else.
    Spare,
}

/// One line, without its number: a JSON object.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) sort: Sort,
    pub(crate) text: String,
}

/// What the writer finds when it looks.
#[derive(Debug)]
pub(crate) enum Taken {
    Lines(Vec<Line>),
    /// The file is to be opened anew.
    Reopen,
    /// Nothing came for as long as it was willing to wait.
    Nothing,
    /// Nothing waits, and nothing will.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    closed: AtomicBool,
    promised: Semaphore,
    spare: Semaphore,
    health: Health,
    pub(crate) counts: Counts,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<Line>,
    reopen: bool,
    /// Nothing more comes in; what is still here must be written by then.
    closing: Option<Instant>,
}

/// What happened so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) written: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Lines for which there was no room, because more came than were written.
    pub(crate) crowded_out: AtomicU64,
    /// Lines for which there was no room, because none were written.
    pub(crate) unwritable: AtomicU64,
    /// Those of both that no line has told of yet.
    pub(crate) untold: AtomicU64,
    /// Changes that were not made for want of room.
    pub(crate) refused: AtomicU64,
}

#[derive(Debug)]
struct Health {
    since: Instant,
    failing: AtomicBool,
    /// When the write that is going on began, in milliseconds after `since`, and one more; 0 when
    /// there is none.
    writing: AtomicU64,
    progress: Notify,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let health = Health {
            since: Instant::now(),
            failing: AtomicBool::new(false),
            writing: AtomicU64::new(0),
            progress: Notify::new(),
        };
        Self {
            waiting: Mutex::default(),
            wake: Condvar::new(),
            closed: AtomicBool::new(false),
            promised: Semaphore::new(LINES_MAX),
            spare: Semaphore::new(LINES_MAX),
            health,
            counts: Counts::default(),
        }
    }

    /// Takes room if there is some right now, and if lines are being written at all.
    pub(crate) fn room_now(&self, sort: Sort) -> bool {
        // A line about something that happened anyway is better late than lost.
        if self.is_closed() || (sort == Sort::Promised && !self.works()) {
            return false;
        }
        self.room_of(sort).try_acquire().map(SemaphorePermit::forget).is_ok()
    }

    /// Takes room for a change, as soon as there is some and lines are being written.
    pub(crate) async fn room(&self) {
        let Ok(room) = self.promised.acquire().await else { return std::future::pending().await };
        loop {
            let mut progress = std::pin::pin!(self.health.progress.notified());
            // From here on no progress is missed.
            progress.as_mut().enable();
            if self.works() && !self.is_closed() {
                room.forget();
                return;
            }
            progress.await;
        }
    }

    /// Gives room back that was taken and not used.
    pub(crate) fn give_back(&self, sort: Sort, lines: usize) {
        self.room_of(sort).add_permits(lines);
    }

    /// Puts a line in the queue for which room was taken.
    pub(crate) fn push(&self, line: Line) {
        let mut waiting = self.lock();
        waiting.lines.push(line);
        let first = waiting.lines.len() == 1;
        drop(waiting);
        // The writer only sleeps when the queue is empty.
        if first {
            self.wake.notify_one();
        }
    }

    /// Counts a line for which there was no room.
    pub(crate) fn lose(&self) {
        let counts = &self.counts;
        let writing = self.works() && !self.is_closed();
        let lost = if writing { &counts.crowded_out } else { &counts.unwritable };
        lost.fetch_add(1, Ordering::Relaxed);
        self.counts.untold.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes whatever waits; waits for it at most `patience`.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Taken {
        let mut waiting = self.wait(patience);
        if mem::take(&mut waiting.reopen) {
            return Taken::Reopen;
        }
        if waiting.lines.is_empty() && self.counts.untold.load(Ordering::Relaxed) == 0 {
            return if waiting.closing.is_some() { Taken::Closed } else { Taken::Nothing };
        }
        if waiting.closing.is_none() && waiting.lines.len() < LINES_MAX / 4 {
            drop(waiting);
            std::thread::sleep(LINGER);
            waiting = self.lock();
        }
        Taken::Lines(mem::take(&mut waiting.lines))
    }

    fn wait(&self, patience: Option<Duration>) -> MutexGuard<'_, Waiting> {
        let waiting = self.lock();
        let idle = |waiting: &mut Waiting| {
            waiting.lines.is_empty()
                && !waiting.reopen
                && waiting.closing.is_none()
                && self.counts.untold.load(Ordering::Relaxed) == 0
        };
        match patience {
            None => self.wake.wait_while(waiting, idle).expect(UNHURT),
            Some(patience) => {
                self.wake.wait_timeout_while(waiting, patience, idle).expect(UNHURT).0
            }
        }
    }

    /// Sleeps before the next attempt; false when there is no time left for one.
    pub(crate) fn rest(&self, time: Duration) -> bool {
        let waiting = self.lock();
        let open = |waiting: &mut Waiting| waiting.closing.is_none();
        let (waiting, _) = self.wake.wait_timeout_while(waiting, time, open).expect(UNHURT);
        let Some(closing) = waiting.closing else { return true };
        drop(waiting);
        let left = closing.saturating_duration_since(Instant::now());
        std::thread::sleep(left.min(time));
        !left.is_zero()
    }

    /// Asks for the file to be opened anew.
    pub(crate) fn reopen(&self) {
        self.lock().reopen = true;
        self.wake.notify_one();
    }

    /// Lets nothing more in. What waits has so long to be written.
    pub(crate) fn close(&self, patience: Duration) {
        self.closed.store(true, Ordering::Relaxed);
        self.lock().closing.get_or_insert(Instant::now() + patience);
        self.wake.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// How many lines have taken room and are not written.
    pub(crate) fn on_their_way(&self) -> usize {
        let taken = |room: &Semaphore| LINES_MAX.saturating_sub(room.available_permits());
        taken(&self.promised) + taken(&self.spare)
    }

    /// Whether a change would have to wait now.
    pub(crate) fn holds_up_changes(&self) -> bool {
        self.promised.available_permits() == 0 || !self.works() || self.is_closed()
    }

    const fn room_of(&self, sort: Sort) -> &Semaphore {
        match sort {
            Sort::Promised => &self.promised,
            Sort::Spare => &self.spare,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect(UNHURT)
    }

    /// Whether lines are being written, as far as is known.
    pub(crate) fn works(&self) -> bool {
        let health = &self.health;
        let writing = health.writing.load(Ordering::Relaxed);
        let stuck = writing > 0 && health.now() > writing + STUCK_MS;
        !stuck && !health.failing.load(Ordering::Relaxed)
    }

    /// The writer begins something that may not return for long.
    pub(crate) fn begin(&self) {
        self.health.writing.store(self.health.now(), Ordering::Relaxed);
    }

    /// It has returned.
    pub(crate) fn end(&self, well: bool) {
        self.health.writing.store(0, Ordering::Relaxed);
        self.health.failing.store(!well, Ordering::Relaxed);
        if well {
            self.health.progress.notify_waiters();
        }
    }
}

impl Health {
    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX) + 1
    }
}

const UNHURT: &str = "nothing panics while it holds this lock";
