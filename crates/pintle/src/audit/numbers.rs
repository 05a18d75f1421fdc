//! What the audit log counts, on the page of metrics. A server without one has none of it.

use std::sync::Arc;

use pintle_audit::AuditLog;
use pintle_engine::Engine;
use pintle_http::{Collector, Text};

#[derive(Debug)]
pub(super) struct AuditNumbers(pub(super) Arc<AuditLog>);

impl Collector for AuditNumbers {
    fn show(&self, _engine: &Engine, text: &mut Text) {
        let info = self.0.info();
        text.counter("pintle_audit_records_written_total", "Records written.", info.written);
        text.counter("pintle_audit_written_bytes_total", "Bytes of those.", info.bytes);
        text.counters(
            "pintle_audit_records_lost_total",
            "Records for which there was no room, by reason: crowded_out where more came than were written, unwritable where none could be.",
            "reason",
            &[("crowded_out", info.crowded_out), ("unwritable", info.unwritable)],
        );
        text.gauge(
            "pintle_audit_records_waiting",
            "Records that wait to be written, and changes that have taken room for theirs.",
            info.waiting,
        );
        text.counter(
            "pintle_audit_refused_writes_total",
            "Writes that were refused, because no room came for their records.",
            info.refused,
        );
        text.gauge(
            "pintle_audit_room_refused",
            "Whether writes have to wait for room now, because the log cannot be written or is behind.",
            u8::from(info.holds_up_changes),
        );
    }
}
