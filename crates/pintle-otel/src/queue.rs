//! [`Queue`]: spans on their way to the exporter, and the task that takes them there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::export::Exporter;

/// When the server ends, the collector has so long to take what still waits.
const CLOSE_MAX: Duration = Duration::from_secs(3);

/// What became of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// The collector took them.
    pub exported: u64,
    /// There was no room for them, because the collector is slower than they come, or away.
    pub dropped: u64,
    /// The collector did not take them.
    pub failed: u64,
    /// They wait.
    pub waiting: u64,
}

/// How spans are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batches {
    pub(crate) spans_max: usize,
    pub(crate) delay: Duration,
}

#[derive(Debug)]
pub(crate) struct Queue {
    room: mpsc::Sender<SpanData>,
    closing: watch::Sender<bool>,
    exported: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl Queue {
    pub(crate) fn new(spans_max: usize) -> (Self, mpsc::Receiver<SpanData>) {
        let (room, waiting) = mpsc::channel(spans_max);
        let (exported, dropped, failed) = <(AtomicU64, AtomicU64, AtomicU64)>::default();
        (Self { room, closing: watch::Sender::new(false), exported, dropped, failed }, waiting)
    }

    /// Never waits.
    fn push(&self, span: SpanData) {
        if *self.closing.borrow() || self.room.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    pub(crate) fn numbers(&self) -> Numbers {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let waiting = self.room.max_capacity() - self.room.capacity();
        Numbers {
            exported: load(&self.exported),
            dropped: load(&self.dropped),
            failed: load(&self.failed),
            waiting: waiting as u64,
        }
    }
}

/// The end of the pipeline of the SDK.
#[derive(Debug)]
pub(crate) struct Processor(pub(crate) Arc<Queue>);

impl SpanProcessor for Processor {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        self.0.close();
        Ok(())
    }
}

/// Exports until the queue is closed and empty, or the time for that is over.
pub(crate) async fn export(
    queue: Arc<Queue>,
    mut waiting: mpsc::Receiver<SpanData>,
    exporter: Exporter,
    batches: Batches,
) {
    let too_late = {
        let mut closing = queue.closing.subscribe();
        async move {
            drop(closing.wait_for(|closing| *closing).await);
            tokio::time::sleep(CLOSE_MAX).await;
        }
    };
    tokio::select! {
        biased;
        () = export_all(&queue, &mut waiting, &exporter, batches) => {}
        // A collector that is away must not hold up the end.
        () = too_late => {}
    }
    while waiting.try_recv().is_ok() {
        queue.failed.fetch_add(1, Ordering::Relaxed);
    }
}

async fn export_all(
    queue: &Queue,
    waiting: &mut mpsc::Receiver<SpanData>,
    exporter: &Exporter,
    batches: Batches,
) {
    let mut closing = queue.closing.subscribe();
    let mut failing = false;
    loop {
        let batch = batch(waiting, &mut closing, batches).await;
        send(queue, exporter, batch, &mut failing).await;
        if *closing.borrow() {
            while let Some(batch) = next(waiting, batches) {
                send(queue, exporter, batch, &mut failing).await;
            }
            return;
        }
    }
}

/// What is there, as soon as it is enough, or has waited long enough.
async fn batch(
    waiting: &mut mpsc::Receiver<SpanData>,
    closing: &mut watch::Receiver<bool>,
    batches: Batches,
) -> Vec<SpanData> {
    let mut batch = Vec::new();
    tokio::select! {
        biased;
        _ = closing.wait_for(|closing| *closing) => return batch,
        first = waiting.recv() => batch.extend(first),
    }
    let due = Instant::now() + batches.delay;
    let full = async {
        while batch.len() < batches.spans_max
            && let Some(span) = waiting.recv().await
        {
            batch.push(span);
        }
    };
    tokio::select! {
        biased;
        _ = closing.wait_for(|closing| *closing) => {}
        _ = timeout_at(due, full) => {}
    }
    batch
}

/// What is there.
fn next(waiting: &mut mpsc::Receiver<SpanData>, batches: Batches) -> Option<Vec<SpanData>> {
    let there = std::iter::from_fn(|| waiting.try_recv().ok());
    let batch: Vec<_> = there.take(batches.spans_max).collect();
    (!batch.is_empty()).then_some(batch)
}

/// Spans that the collector has not taken. They count as lost when this is dropped, also when that
/// happens in the middle of an attempt.
struct InHand<'a> {
    queue: &'a Queue,
    count: u64,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.queue.failed.fetch_add(self.count, Ordering::Relaxed);
    }
}

async fn send(queue: &Queue, exporter: &Exporter, batch: Vec<SpanData>, failing: &mut bool) {
    let count = batch.len() as u64;
    if count == 0 {
        return;
    }
    let mut in_hand = InHand { queue, count };
    match exporter.export(batch).await {
        Ok(rejected) => {
            in_hand.count = rejected.min(count);
            queue.exported.fetch_add(count - in_hand.count, Ordering::Relaxed);
            if std::mem::replace(failing, false) {
                tracing::info!("traces are exported again");
            }
        }
        // The first failure is news; those that follow are not.
        Err(why) if std::mem::replace(failing, true) => {
            tracing::debug!(why, count, "traces still cannot be exported, and are dropped");
        }
        Err(why) => tracing::warn!(why, count, "traces cannot be exported, and are dropped"),
    }
}
