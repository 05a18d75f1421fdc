//! Who is told of requests: the log, the metrics, and the audit log, which may hold writes up.

use std::sync::Arc;

use pintle_http::{Metrics, Observer, Observers, RequestLog};

use crate::audit::Audit;

/// The observers of every door, and the metrics among them for the page that shows them.
pub(crate) fn observers(audit: Option<&Audit>) -> (Observers, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    let counts: Arc<dyn Observer> = Arc::<Metrics>::clone(&metrics);
    let mut observers = vec![counts, Arc::new(RequestLog::default())];
    let Some(audit) = audit else { return (Observers::new(observers), metrics) };
    observers.push(Arc::clone(&audit.auditor) as _);
    (Observers::new(observers).with_gate(Arc::clone(&audit.auditor) as _), metrics)
}
