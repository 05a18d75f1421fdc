//! Lines on their way to standard error: taken at once, written by a thread of their own.
//!
//! Whoever logs is answering a request, or is going down, and must not wait for whoever reads the
//! log, nor end because nobody does. So there is a bound on the lines that wait; those beyond it
//! are counted and told of when there is room again. A log that cannot be written is passed over.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// So many bytes may wait to be written.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a line costs beside its text.
const LINE_COST: usize = 64;
/// An end waits so long for the last lines.
const LAST_LINES_WAIT_MAX: Duration = Duration::from_secs(1);

/// Where lines go. Cloning shares it.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    waiting: Arc<Waiting>,
    queue: Sender<Message>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Answered once everything before it was written.
    Written(Sender<()>),
}

/// Waits for the last lines, a little, when it is dropped.
#[derive(Debug)]
#[must_use = "the last lines are only waited for while it is held"]
pub struct LastLines(Option<Lines>);

impl Lines {
    /// Starts the thread that writes. Without one, nothing is written.
    pub(super) fn to(out: impl Write + Send + 'static) -> Self {
        let (queue, lines) = channel();
        let waiting = Arc::new(Waiting::default());
        let shared = Arc::clone(&waiting);
        let named = std::thread::Builder::new().name("log".to_owned());
        // A machine that can start no thread has other worries.
        drop(named.spawn(move || write_all(&lines, &shared, out)));
        Self { waiting, queue }
    }

    /// Until when the last lines are waited for.
    pub(super) fn until_written(&self) -> LastLines {
        LastLines(Some(self.clone()))
    }

    fn put(&self, line: &[u8]) {
        let length = line.len() + LINE_COST;
        let before = self.waiting.bytes.fetch_add(length, Ordering::Relaxed);
        let fits = before + length <= WAITING_BYTES_MAX;
        if !fits || self.queue.send(Message::Line(line.to_vec())).is_err() {
            self.waiting.bytes.fetch_sub(length, Ordering::Relaxed);
            self.waiting.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl LastLines {
    /// When there is nothing to wait for.
    pub(super) const fn none() -> Self {
        Self(None)
    }
}

impl Drop for LastLines {
    fn drop(&mut self) {
        let Some(lines) = self.0.take() else { return };
        let (written, heard) = channel();
        if lines.queue.send(Message::Written(written)).is_ok() {
            let _in_time = heard.recv_timeout(LAST_LINES_WAIT_MAX);
        }
    }
}

fn write_all(lines: &Receiver<Message>, waiting: &Waiting, mut out: impl Write) {
    for message in lines {
        match message {
            Message::Line(line) => {
                tell_dropped(waiting, &mut out);
                // Nobody can be told that the log cannot be written; the next line may get through.
                let _lost = out.write_all(&line);
                waiting.bytes.fetch_sub(line.len() + LINE_COST, Ordering::Relaxed);
            }
            Message::Written(answer) => {
                let _lost = out.flush();
                let _nobody_waits = answer.send(());
            }
        }
    }
}

fn tell_dropped(waiting: &Waiting, out: &mut impl Write) {
    let dropped = waiting.dropped.swap(0, Ordering::Relaxed);
    if dropped > 0 {
        let line = format!(
            "{{\"level\":\"WARN\",\"fields\":{{\"message\":\"lines of the log were dropped, because \
             nobody read it\",\"dropped\":{dropped}}}}}\n"
        );
        let _lost = out.write_all(line.as_bytes());
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self)
    }
}

/// One line, which the subscriber writes whole.
#[derive(Debug)]
pub(super) struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Takes what it is given once it may, and keeps it.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn lines_are_written_in_order_before_the_end() {
        let kept = Kept::default();
        let lines = Lines::to(kept.clone());
        let expected: Vec<String> = (0..100).map(|number| format!("{number}\n")).collect();
        for line in &expected {
            lines.put(line.as_bytes());
        }
        drop(lines.until_written());
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, expected.concat());
    }

    #[test]
    fn a_reader_who_does_not_read_holds_up_nobody_and_is_told_what_was_dropped() {
        let kept = Kept::default();
        let lines = {
            // Nobody can write while this is held.
            let _held = kept.0.lock().unwrap();
            let lines = Lines::to(kept.clone());
            let line = [b'x'; 1024];
            for _ in 0..8 * 1024 {
                lines.put(&line);
            }
            assert!(lines.waiting.bytes.load(Ordering::Relaxed) <= WAITING_BYTES_MAX);
            assert!(lines.waiting.dropped.load(Ordering::Relaxed) >= 4 * 1024);
            lines
        };
        drop(lines.until_written());
        lines.put(b"after\n");
        drop(lines.until_written());
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("\"dropped\":"), "the count is told");
        assert!(text.ends_with("after\n"));
    }

    #[test]
    fn a_log_that_cannot_be_written_is_passed_over() {
        let lines = Lines::to(Broken);
        lines.put(b"one\n");
        drop(lines.until_written());
        lines.put(b"two\n");
        drop(lines.until_written());
    }
}
