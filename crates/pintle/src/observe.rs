//! Who is told of requests: the log and the metrics.

use std::sync::Arc;

use pintle_http::{Metrics, Observer, Observers, RequestLog};

/// The observers of every door, and the metrics among them for the page that shows them.
pub(crate) fn observers() -> (Observers, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    let counts: Arc<dyn Observer> = Arc::<Metrics>::clone(&metrics);
    (Observers::new([counts, Arc::new(RequestLog::default())]), metrics)
}
