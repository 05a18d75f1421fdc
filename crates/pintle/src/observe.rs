//! Who is told of requests: the log, the metrics, traces, and the audit log, which may hold writes
//! up.

use std::sync::Arc;

use pintle_http::{Collector, Metrics, Observer, Observers, RequestLog};
use pintle_model::Revision;

use crate::audit::Audit;
use crate::config::ServeConfig;
use crate::serve::ServeError;
use crate::telemetry::Telemetry;

/// Those who note elsewhere what they are told, and have to be ended for that.
#[derive(Debug)]
pub(crate) struct Observation {
    audit: Option<Audit>,
    telemetry: Option<Telemetry>,
}

impl Observation {
    /// Opens what the settings ask for. `encrypted` says whether callers speak TLS with the server.
    pub(crate) fn open(config: &ServeConfig, encrypted: bool) -> Result<Self, ServeError> {
        let telemetry = Telemetry::start(&config.operation, encrypted)?;
        Ok(Self { audit: Audit::open(&config.audit)?, telemetry })
    }

    /// Notes that the server begins, with a store at this revision.
    pub(crate) fn start(&self, revision: Revision) {
        if let Some(audit) = &self.audit {
            audit.start(revision);
        }
    }

    /// The observers of every door, and the metrics among them for the page that shows them, if
    /// there are to be any. Whoever else has numbers shows them there.
    pub(crate) fn observers(
        &self,
        counts: bool,
        numbers: impl IntoIterator<Item = Arc<dyn Collector>>,
    ) -> (Observers, Option<Arc<Metrics>>) {
        let (audit, telemetry) = (self.audit.as_ref(), self.telemetry.as_ref());
        let others = telemetry.map(Telemetry::numbers).into_iter().chain(audit.map(Audit::numbers));
        let numbers = numbers.into_iter().chain(others);
        let metrics =
            counts.then(|| Arc::new(numbers.fold(Metrics::default(), Metrics::with_collector)));
        let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::new(RequestLog::default())];
        observers.extend(metrics.clone().map(|metrics| -> Arc<dyn Observer> { metrics }));
        observers.extend(telemetry.map(Telemetry::observer));
        let Some(audit) = audit else { return (Observers::new(observers), metrics) };
        observers.push(Arc::clone(&audit.auditor) as _);
        (Observers::new(observers).with_gate(Arc::clone(&audit.auditor) as _), metrics)
    }

    /// Writes and brings away what is left, and ends.
    pub(crate) async fn close(self) {
        if let Some(audit) = self.audit {
            audit.close().await;
        }
        if let Some(telemetry) = self.telemetry {
            telemetry.close().await;
        }
    }
}
