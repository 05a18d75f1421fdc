//! Who is told of requests: the log, the metrics, and the audit log, which may hold writes up.

use std::sync::Arc;

use pintle_http::{Collector, Metrics, Observer, Observers, RequestLog};

use crate::audit::Audit;

/// The observers of every door, and the metrics among them for the page that shows them, if there
/// are to be any. Whoever else has numbers shows them there.
pub(crate) fn observers(
    counts: bool,
    numbers: Arc<dyn Collector>,
    audit: Option<&Audit>,
) -> (Observers, Option<Arc<Metrics>>) {
    let numbers = std::iter::once(numbers).chain(audit.map(Audit::numbers));
    let metrics =
        counts.then(|| Arc::new(numbers.fold(Metrics::default(), Metrics::with_collector)));
    let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::new(RequestLog::default())];
    observers.extend(metrics.clone().map(|metrics| -> Arc<dyn Observer> { metrics }));
    let Some(audit) = audit else { return (Observers::new(observers), metrics) };
    observers.push(Arc::clone(&audit.auditor) as _);
    (Observers::new(observers).with_gate(Arc::clone(&audit.auditor) as _), metrics)
}
