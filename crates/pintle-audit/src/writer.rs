//! The writer thread: gives lines their numbers, and does not rest until they are written.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::queue::{Line, Queue, Sort, Taken};
use crate::record::{self, Record};
use crate::sink::{Place, Sink};

/// So many bytes are written at once, so that a file is rotated near its limit.
const PIECE_BYTES_MAX: usize = 256 * 1024;

/// After a failure the next attempt comes after this time.
const RETRY: Duration = Duration::from_millis(250);

/// How often lines are flushed, under [`Flush::Interval`].
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// When lines are made to survive a power cut. The death of the process alone takes nothing with it
/// that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flush {
    /// When the system finds the time.
    Never,
    /// A second after they were written.
    #[default]
    Interval,
    /// With every batch.
    Always,
}

pub(crate) struct Writer<S> {
    queue: Arc<Queue>,
    sink: S,
    flush: Flush,
    /// The number of the next line.
    number: u64,
    piece: Piece,
    /// Since when something that was written is not flushed.
    unflushed: Option<Instant>,
    failed: bool,
}

/// Lines that are being written.
#[derive(Debug, Default)]
struct Piece {
    bytes: Vec<u8>,
    written: usize,
    promised: usize,
    spare: usize,
}

impl<S: Sink> Writer<S> {
    pub(crate) fn new(queue: Arc<Queue>, sink: S, flush: Flush) -> Self {
        let piece = Piece::default();
        Self { queue, sink, flush, number: 1, piece, unflushed: None, failed: false }
    }

    /// Writes until the queue is closed and empty; hands back how many lines it could not write.
    pub(crate) fn run(mut self) -> usize {
        loop {
            match self.queue.take(self.patience()) {
                Taken::Lines(lines) => {
                    let unwritten = self.write_all(lines);
                    if unwritten > 0 {
                        return unwritten;
                    }
                }
                Taken::Reopen => self.sink.reopen(),
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            if self.patience().is_some_and(|left| left.is_zero()) {
                self.persevere(Self::flush);
            }
        }
        self.persevere(Self::flush);
        0
    }

    /// How long until lines are to be flushed.
    fn patience(&self) -> Option<Duration> {
        let since = self.unflushed.filter(|_| self.flush == Flush::Interval)?;
        Some(FLUSH_INTERVAL.saturating_sub(since.elapsed()))
    }

    fn write_all(&mut self, lines: Vec<Line>) -> usize {
        let mut left = lines.len();
        self.tell_of_losses();
        let mut lines = lines.into_iter().peekable();
        while lines.peek().is_some() || !self.piece.bytes.is_empty() {
            while self.piece.bytes.len() < PIECE_BYTES_MAX
                && let Some(line) = lines.next()
            {
                self.add(&line);
            }
            if !self.persevere(Self::write_piece) {
                return left;
            }
            left -= self.piece.promised + self.piece.spare;
            self.finish_piece();
        }
        left
    }

    /// What was lost while there was no room is told as soon as there is.
    fn tell_of_losses(&mut self) {
        let lost = self.queue.counts.untold.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.append(&Record::Lost { time: record::now(), records: lost }.text());
        }
    }

    fn add(&mut self, line: &Line) {
        match line.sort {
            Sort::Promised => self.piece.promised += 1,
            Sort::Spare => self.piece.spare += 1,
        }
        self.append(&line.text);
    }

    /// A gap in the numbers is a line that somebody took away.
    fn append(&mut self, record: &str) {
        let fields = record.strip_prefix('{').unwrap_or(record);
        let line = format!("{{\"seq\":{},{fields}\n", self.number);
        self.piece.bytes.extend_from_slice(line.as_bytes());
        self.number += 1;
    }

    fn finish_piece(&mut self) {
        let counts = &self.queue.counts;
        let lines = self.piece.promised + self.piece.spare;
        counts.written.fetch_add(lines as u64, Ordering::Relaxed);
        counts.bytes.fetch_add(self.piece.bytes.len() as u64, Ordering::Relaxed);
        self.queue.give_back(Sort::Promised, self.piece.promised);
        self.queue.give_back(Sort::Spare, self.piece.spare);
        self.piece.bytes.clear();
        (self.piece.written, self.piece.promised, self.piece.spare) = (0, 0, 0);
    }

    /// Tries until it works; false when there is no time left for that.
    fn persevere(&mut self, attempt: fn(&mut Self) -> io::Result<()>) -> bool {
        loop {
            self.queue.begin();
            let done = attempt(self);
            self.queue.end(done.is_ok());
            self.note(&done);
            if done.is_ok() || !self.queue.rest(RETRY) {
                return done.is_ok();
            }
        }
    }

    /// Says once that it fails, and once that it works again.
    fn note(&mut self, done: &io::Result<()>) {
        match done {
            Ok(()) if self.failed => tracing::info!("the audit log is written again"),
            Err(error) if !self.failed => {
                let waiting = self.queue.on_their_way();
                tracing::error!(%error, waiting, "the audit log cannot be written; changes wait for it");
            }
            _ => {}
        }
        self.failed = done.is_err();
    }

    fn write_piece(&mut self) -> io::Result<()> {
        if self.sink.prepare(self.piece.left().len())? == Place::Other {
            self.piece.begin_line_again();
        }
        while !self.piece.left().is_empty() {
            match self.sink.write(self.piece.left()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.piece.written += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unflushed.get_or_insert_with(Instant::now);
        if self.flush == Flush::Always {
            // What a failed flush leaves on the disk nobody knows: then all of it is written again.
            return self.flush().inspect_err(|_| self.piece.written = 0);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.unflushed.is_some() && self.flush != Flush::Never {
            self.sink.sync()?;
        }
        self.unflushed = None;
        Ok(())
    }
}

impl Piece {
    fn left(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// The half of a line stays where it is, and the whole line goes to the other place.
    fn begin_line_again(&mut self) {
        let written = self.bytes.get(..self.written).unwrap_or_default();
        let begun = written.iter().rposition(|byte| *byte == b'\n');
        self.written = begun.map_or(0, |end| end + 1);
    }
}
