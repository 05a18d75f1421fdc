//! What is printed: Markdown tables.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use crate::load::Measured;
use crate::usage::Usage;
use crate::watch::Delivered;

/// A Markdown table in the making.
#[derive(Debug)]
pub(crate) struct Table {
    text: String,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        let mut table = Self { text: String::new() };
        table.line(headings);
        table.line(&vec!["---"; headings.len()]);
        table
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.line(cells);
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, cells: &[impl AsRef<str>]) {
        for cell in cells {
            self.text.push_str("| ");
            self.text.push_str(cell.as_ref());
            self.text.push(' ');
        }
        self.text.push_str("|\n");
    }
}

/// Requests of any sort, one row for each measurement.
pub(crate) fn load_table(rows: &[(&str, Measured)]) -> String {
    let mut table = Table::new(&[
        "operation",
        "connections",
        "per s",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "max ms",
        "answer B",
        "generator us/op",
        "server us/op",
        "others / stolen cores",
        "failed",
    ]);
    for (name, measured) in rows {
        let latency = |permille| millis(measured.tally.latency.percentile(permille));
        table.row(&[
            (*name).to_owned(),
            measured.connections.to_string(),
            count(measured.per_second()),
            latency(500),
            latency(900),
            latency(990),
            millis(measured.tally.latency.max()),
            measured.answer_bytes().to_string(),
            known(measured.micros_per_request(measured.usage.own), 1),
            known(measured.micros_per_request(measured.usage.server), 1),
            other_cores(&measured.usage),
            measured.tally.faults.to_string(),
        ]);
    }
    table.into_text()
}

/// One fan-out.
pub(crate) fn watch_table(delivered: &Delivered) -> String {
    let mut table = Table::new(&[
        "watchers",
        "writes/s (asked)",
        "events/s",
        "delivery p50 / p99 / max ms",
        "write p50 / p99 ms",
        "delivered / expected",
        "twice",
        "out of order",
        "cut off",
        "generator / server cores",
        "others / stolen cores",
        "failed writes",
    ]);
    let latency = |permille| millis(delivered.latency.percentile(permille));
    let write = |permille| millis(delivered.write_latency.percentile(permille));
    let seconds = delivered.writing.as_secs_f64();
    let cores = |time: Option<Duration>| known(time.map(|time| time.as_secs_f64() / seconds), 2);
    let arrived = delivered.expected - delivered.missing;
    table.row(&[
        delivered.fan_out.watchers.to_string(),
        format!(
            "{:.0} ({})",
            float(delivered.write_latency.total()) / seconds,
            delivered.fan_out.writes_per_second
        ),
        count(float(delivered.latency.total()) / seconds),
        format!("{} / {} / {}", latency(500), latency(990), millis(delivered.latency.max())),
        format!("{} / {}", write(500), write(990)),
        format!("{arrived} / {}", delivered.expected),
        delivered.duplicated.to_string(),
        delivered.disordered.to_string(),
        delivered.cut_off.to_string(),
        format!("{} / {}", cores(delivered.usage.own), cores(delivered.usage.server)),
        other_cores(&delivered.usage),
        delivered.faults.to_string(),
    ]);
    table.into_text()
}

/// What others took, machine and its owner.
pub(crate) fn other_cores(usage: &Usage) -> String {
    format!("{} / {}", known(usage.other_cores, 2), known(usage.stolen_cores, 2))
}

/// A number of events as a real number.
#[expect(clippy::cast_precision_loss, reason = "no run counts to 2^53")]
pub(crate) const fn float(number: u64) -> f64 {
    number as f64
}

/// `26,013` for 26013.4.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `2.51` for 2.513 ms; nothing known is `-`.
pub(crate) fn millis(latency: Option<Duration>) -> String {
    known(latency.map(|latency| latency.as_secs_f64() * 1e3), 2)
}

/// `52 %` for 0.52.
pub(crate) fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

/// `373 MiB`; nothing known is `-`.
pub(crate) fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(unknown, |bytes| format!("{:.0} MiB", float(bytes) / f64::from(1 << 20)))
}

/// A number with so many decimals; nothing known is `-`.
pub(crate) fn known(number: Option<f64>, decimals: usize) -> String {
    number.map_or_else(unknown, |number| format!("{number:.decimals$}"))
}

fn unknown() -> String {
    "-".to_owned()
}

/// A heading and what stands under it.
pub(crate) fn section(report: &mut String, heading: impl Display, text: &str) {
    if !report.is_empty() {
        report.push('\n');
    }
    write!(report, "## {heading}\n\n{text}").expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Tally;

    #[test]
    fn numbers_are_written_for_people() {
        for (number, text) in
            [(0.4, "0"), (999.0, "999"), (1_000.0, "1,000"), (1_234_567.8, "1,234,568")]
        {
            assert_eq!(count(number), text);
        }
        assert_eq!(millis(Some(Duration::from_micros(2_513))), "2.51");
        assert_eq!(millis(None), "-");
        assert_eq!(percent(0.523), "52 %");
        assert_eq!(mebibytes(Some(373 << 20)), "373 MiB");
        assert_eq!(mebibytes(None), "-");
    }

    #[test]
    fn a_measurement_is_one_row() {
        let mut tally = Tally::default();
        tally.latency.record_many(Duration::from_millis(2), 4_000);
        tally.bytes = 4_000 * 1_800;
        let usage = Usage { own: Some(Duration::from_millis(112)), ..Usage::default() };
        let length = Duration::from_secs(2);
        let text = load_table(&[("GET", Measured { connections: 16, length, tally, usage })]);
        let row = text.lines().nth(2).unwrap();
        assert_eq!(
            row,
            "| GET | 16 | 2,000 | 2.00 | 2.00 | 2.00 | 2.00 | 1800 | 28.0 | - | - / - | none |"
        );
    }

    #[test]
    fn every_line_of_a_table_has_every_column() {
        let mut table = Table::new(&["a", "b"]);
        table.row(&["1".to_owned(), "2".to_owned()]);
        assert_eq!(table.into_text(), "| a | b |\n| --- | --- |\n| 1 | 2 |\n");
    }

    #[test]
    fn sections_are_set_apart() {
        let mut report = String::new();
        section(&mut report, "A", "one\n");
        section(&mut report, "B", "two\n");
        assert_eq!(report, "## A\n\none\n\n## B\n\ntwo\n");
    }
}
