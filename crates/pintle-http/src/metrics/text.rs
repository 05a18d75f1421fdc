//! The two forms of the page: `OpenMetrics`, and the text of Prometheus before it.

use std::fmt::{Display, Write as _};

use http::HeaderMap;
use http::header::ACCEPT;
use pintle_engine::Histogram;

/// How the page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/openmetrics-text`, version 1.0.0.
    OpenMetrics,
    /// `text/plain`, version 0.0.4.
    Prometheus,
}

impl Format {
    /// The form that a request accepts; `OpenMetrics` only for those who name it.
    pub fn asked_for(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut types = values.flat_map(|value| value.split(',')).map(str::trim);
        if types.any(|one| one.starts_with("application/openmetrics-text")) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The `Content-Type` of the page.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A page that is being written.
#[derive(Debug)]
pub struct Text {
    out: String,
    format: Format,
}

impl Text {
    pub(super) const fn new(format: Format) -> Self {
        Self { out: String::new(), format }
    }

    /// Begins a family. `OpenMetrics` calls a counter by its name without `_total`.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let short = match (self.format, kind) {
            (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        self.line(format_args!("# HELP {short} {help}"));
        self.line(format_args!("# TYPE {short} {}", kind.as_str()));
    }

    /// A counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, Kind::Counter, help);
        self.sample(name, &[], value);
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help);
        self.sample(name, &[], value);
    }

    /// A counter with a sample for each value of one label.
    pub fn counters<V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        samples: &[(&str, V)],
    ) {
        self.family(name, Kind::Counter, help);
        self.samples(name, label, samples);
    }

    /// A gauge with a sample for each value of one label.
    pub fn gauges<V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        samples: &[(&str, V)],
    ) {
        self.family(name, Kind::Gauge, help);
        self.samples(name, label, samples);
    }

    fn samples<V: Display>(&mut self, name: &str, label: &str, samples: &[(&str, V)]) {
        for (value, sample) in samples {
            self.sample(name, &[(label, value)], sample);
        }
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        let labels = labels.collect::<Vec<_>>().join(",");
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{labels}}} {value}"));
        }
    }

    pub(super) fn histogram(&mut self, name: &str, labels: &[(&str, &str)], values: &Histogram) {
        let counts = values.cumulated();
        let bounds = values.bounds().chain(["+Inf"]);
        for (bound, count) in bounds.zip(&counts) {
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound)]).collect();
            self.sample(&format!("{name}_bucket"), &labels, count);
        }
        self.sample(&format!("{name}_sum"), labels, values.sum());
        self.sample(&format!("{name}_count"), labels, counts.last().copied().unwrap_or(0));
    }

    pub(super) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.line(format_args!("# EOF"));
        }
        self.out
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        self.out.write_fmt(line).expect("text grows in memory");
        self.out.push('\n');
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_forms_differ_in_names_and_ends() {
        for (format, expected) in [
            (
                Format::OpenMetrics,
                "# HELP a Hm.\n# TYPE a counter\na_total{b=\"\\\"\\\\\\n\"} 7\n# EOF\n",
            ),
            (
                Format::Prometheus,
                "# HELP a_total Hm.\n# TYPE a_total counter\na_total{b=\"\\\"\\\\\\n\"} 7\n",
            ),
        ] {
            let mut text = Text::new(format);
            text.family("a_total", Kind::Counter, "Hm.");
            text.sample("a_total", &[("b", "\"\\\n")], 7);
            assert_eq!(text.end(), expected, "{format:?}");
        }
    }

    #[test]
    fn who_names_openmetrics_gets_it() {
        for (accept, expected) in [
            ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", Format::OpenMetrics),
            ("text/plain, application/openmetrics-text", Format::OpenMetrics),
            ("*/*", Format::Prometheus),
            ("text/plain", Format::Prometheus),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(Format::asked_for(&headers), expected, "{accept}");
        }
    }
}
