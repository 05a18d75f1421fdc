//! What controllers count, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counts of all reconcilers of a manager.
#[derive(Debug, Default)]
pub struct Metrics {
    kinds: Mutex<BTreeMap<String, Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    /// By how they ended.
    results: BTreeMap<&'static str, u64>,
    active: u64,
    time: Duration,
}

impl Metrics {
    pub(crate) fn begin(&self, kind: &str) {
        self.with(kind, |counts| counts.active += 1);
    }

    pub(crate) fn end(&self, kind: &str, result: &'static str, took: Duration) {
        self.with(kind, |counts| {
            counts.active = counts.active.saturating_sub(1);
            *counts.results.entry(result).or_default() += 1;
            counts.time += took;
        });
    }

    /// So many reconciles of a kind have ended like this: `ok`, `stale`, `gone`, `api`, `timeout`,
    /// `panic` or `error`.
    pub fn ended(&self, kind: &str, result: &str) -> u64 {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.get(kind).and_then(|counts| counts.results.get(result)).copied().unwrap_or_default()
    }

    fn with(&self, kind: &str, change: impl FnOnce(&mut Counts)) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        change(kinds.entry(kind.to_owned()).or_default());
    }

    /// All of it, for a page that Prometheus reads.
    pub fn text(&self) -> String {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, lines: Vec<String>| {
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
                .expect("text grows in memory");
            for line in lines {
                writeln!(text, "{name}{line}").expect("text grows in memory");
            }
        };
        let results = kinds.iter().flat_map(|(kind, counts)| {
            let results = counts.results.iter();
            results.map(move |(result, count)| {
                format!("{{kind=\"{kind}\",result=\"{result}\"}} {count}")
            })
        });
        family(
            "pintle_controller_reconciles_total",
            "counter",
            "Reconciles that have ended, by result.",
            results.collect(),
        );
        let active =
            kinds.iter().map(|(kind, counts)| format!("{{kind=\"{kind}\"}} {}", counts.active));
        family(
            "pintle_controller_reconciles_active",
            "gauge",
            "Reconciles in progress.",
            active.collect(),
        );
        let seconds = kinds
            .iter()
            .map(|(kind, counts)| format!("{{kind=\"{kind}\"}} {}", counts.time.as_secs_f64()));
        family(
            "pintle_controller_reconcile_seconds_total",
            "counter",
            "Time spent in reconciles.",
            seconds.collect(),
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.begin("Device");
        metrics.begin("Device");
        metrics.end("Device", "ok", Duration::from_millis(1500));
        let text = metrics.text();
        for line in [
            "pintle_controller_reconciles_total{kind=\"Device\",result=\"ok\"} 1",
            "pintle_controller_reconciles_active{kind=\"Device\"} 1",
            "pintle_controller_reconcile_seconds_total{kind=\"Device\"} 1.5",
            "# TYPE pintle_controller_reconciles_total counter",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
        assert_eq!((metrics.ended("Device", "ok"), metrics.ended("Rack", "ok")), (1, 0));
    }
}
