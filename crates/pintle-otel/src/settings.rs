//! [`Settings`]: what the environment says of traces, in the variables that every program with
//! OpenTelemetry reads.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/> and
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>. As these want it, a value that
//! cannot be is no reason not to start: it is warned of, and the default holds. What would send
//! traces nowhere, or in a protocol that we do not speak, is an error.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use pintle_outbound::{Url, UrlError};

use crate::queue::Batches;

/// Reads one environment variable.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Spans that wait take memory, so that no environment may ask for more than this.
const QUEUE_SPANS_MAX: usize = 1_000_000;

/// Where traces go, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub(crate) endpoint: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) ca_file: Option<PathBuf>,
    /// One request to the collector takes at most so long.
    pub(crate) timeout: Duration,
    pub(crate) queue_spans_max: usize,
    pub(crate) batch_spans_max: usize,
    pub(crate) delay: Duration,
    /// Whether requests belong to the traces that their callers name.
    pub(crate) takes_parents: bool,
}

/// Why traces cannot be exported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The collector is somewhere that cannot be called.
    #[error("{origin} cannot be used: {problem}")]
    Endpoint {
        /// The setting, or the variable.
        origin: &'static str,
        /// What is wrong.
        problem: UrlError,
    },
    /// Another protocol is asked for.
    #[error(
        "{variable} is {value:?}, and traces are sent as http/protobuf alone: say so there, and name \
         an endpoint that takes it (its port is mostly 4318)"
    )]
    Protocol {
        /// The variable.
        variable: &'static str,
        /// What it says.
        value: String,
    },
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const TRACES_PATH: &str = "/v1/traces";

impl Settings {
    /// What the environment says; nothing when no traces are wanted. `endpoint` is that of our own
    /// setting, and wins.
    pub fn read(
        endpoint: Option<&str>,
        environment: &Environment<'_>,
    ) -> Result<Option<Self>, SettingsError> {
        let variables = Variables(environment);
        let Some(endpoint) = variables.endpoint(endpoint)? else { return Ok(None) };
        if variables.is_off() {
            return Ok(None);
        }
        variables.check_protocol()?;
        variables.warn_of_what_is_not_heeded();
        let millis = |name, default| variables.number(name, 1..=u64::MAX, default);
        let batch = variables.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1..=QUEUE_SPANS_MAX, 512);
        let queue = variables.number("OTEL_BSP_MAX_QUEUE_SIZE", 1..=QUEUE_SPANS_MAX, 2_048);
        let timeout =
            variables.of_traces("TIMEOUT").map_or("OTEL_EXPORTER_OTLP_TIMEOUT", |it| it.0);
        Ok(Some(Self {
            endpoint,
            headers: variables.headers(),
            ca_file: variables.of_traces("CERTIFICATE").map(|(_, file)| file.into()),
            timeout: Duration::from_millis(millis(timeout, 10_000)),
            queue_spans_max: queue,
            batch_spans_max: batch.min(queue),
            delay: Duration::from_millis(millis("OTEL_BSP_SCHEDULE_DELAY", 5_000)),
            takes_parents: variables.takes_parents(),
        }))
    }

    /// Where traces go: what may be shown of it.
    pub fn origin(&self) -> String {
        self.endpoint.origin()
    }

    pub(crate) const fn batches(&self) -> Batches {
        Batches { spans_max: self.batch_spans_max, delay: self.delay }
    }
}

struct Variables<'a>(&'a Environment<'a>);

impl Variables<'_> {
    /// An empty value counts as none.
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// What is said of traces, else what is said of all signals; with the name of the variable.
    fn of_traces(&self, what: &str) -> Option<(&'static str, String)> {
        let names = match what {
            "PROTOCOL" => ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
            "HEADERS" => ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"],
            "TIMEOUT" => ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"],
            "COMPRESSION" => {
                ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"]
            }
            "CLIENT_KEY" => {
                ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"]
            }
            _ => ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"],
        };
        names.into_iter().find_map(|name| Some((name, self.get(name)?)))
    }

    fn is_off(&self) -> bool {
        let says =
            |name, value: &str| self.get(name).is_some_and(|it| it.eq_ignore_ascii_case(value));
        says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none")
    }

    fn endpoint(&self, own: Option<&str>) -> Result<Option<Url>, SettingsError> {
        let (origin, text, is_base) = if let Some(own) = own {
            ("the setting \"otel-endpoint\"", own.to_owned(), true)
        } else if let Some(text) = self.get(TRACES_ENDPOINT) {
            (TRACES_ENDPOINT, text, false)
        } else if let Some(text) = self.get(ENDPOINT) {
            (ENDPOINT, text, true)
        } else {
            return Ok(None);
        };
        let error = |problem| SettingsError::Endpoint { origin, problem };
        let url: Url = text.parse().map_err(error)?;
        Ok(Some(if is_base { url.below(TRACES_PATH).map_err(error)? } else { url }))
    }

    fn check_protocol(&self) -> Result<(), SettingsError> {
        match self.of_traces("PROTOCOL") {
            Some((variable, value)) if value != "http/protobuf" => {
                Err(SettingsError::Protocol { variable, value })
            }
            _ => Ok(()),
        }
    }

    /// `key=value,key=value`, percent-encoded. They are mostly secrets, so none is shown.
    fn headers(&self) -> HeaderMap {
        let Some((variable, text)) = self.of_traces("HEADERS") else { return HeaderMap::new() };
        let mut headers = HeaderMap::new();
        for (number, pair) in text.split(',').enumerate().filter(|(_, it)| !it.trim().is_empty()) {
            let Some((name, value)) = header(pair) else {
                let number = number + 1;
                let expected = "name=value, percent-encoded";
                tracing::warn!(
                    variable,
                    number,
                    expected,
                    "this header cannot be, and is not sent"
                );
                continue;
            };
            headers.insert(name, value);
        }
        headers
    }

    fn takes_parents(&self) -> bool {
        let known = self.get("OTEL_PROPAGATORS");
        known.is_none_or(|list| list.split(',').any(|one| one.trim() == "tracecontext"))
    }

    fn number<N: FromStr + PartialOrd + Copy>(
        &self,
        variable: &'static str,
        range: std::ops::RangeInclusive<N>,
        default: N,
    ) -> N {
        let Some(text) = self.get(variable) else { return default };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.unwrap_or_else(|| {
            tracing::warn!(variable, value = text, "this is no number that it can be; ignored");
            default
        })
    }

    fn warn_of_what_is_not_heeded(&self) {
        const SAMPLERS: [&str; 6] = [
            "always_on",
            "always_off",
            "traceidratio",
            "parentbased_always_on",
            "parentbased_always_off",
            "parentbased_traceidratio",
        ];
        if let Some(sampler) = self.get("OTEL_TRACES_SAMPLER") {
            let ratio = || self.get("OTEL_TRACES_SAMPLER_ARG")?.parse::<f64>().ok();
            if !SAMPLERS.contains(&&*sampler) {
                let known = SAMPLERS.join(", ");
                tracing::warn!(
                    sampler,
                    known,
                    "OTEL_TRACES_SAMPLER names no sampler; all is traced"
                );
            } else if sampler.ends_with("ratio")
                && !ratio().is_some_and(|it| (0.0..=1.0).contains(&it))
            {
                tracing::warn!("OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1; all is traced");
            }
        }
        if let Some(exporter) = self.get("OTEL_TRACES_EXPORTER").filter(|it| it != "otlp") {
            tracing::warn!(
                exporter,
                "OTEL_TRACES_EXPORTER names no exporter there is; otlp is used"
            );
        }
        if let Some((variable, value)) = self.of_traces("COMPRESSION").filter(|it| it.1 != "none") {
            tracing::warn!(variable, value, "traces are sent without compression");
        }
        if let Some((variable, _)) = self.of_traces("CLIENT_KEY") {
            tracing::warn!(variable, "no client certificate is shown to the collector");
        }
    }
}

fn header(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once('=')?;
    let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
    let mut value = HeaderValue::try_from(&*value).ok()?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn read(own: Option<&str>, pairs: Pairs<'_>) -> Result<Option<Settings>, SettingsError> {
        let environment = |name: &str| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(own, &environment)
    }

    #[test]
    fn the_endpoint_is_the_most_particular_one() {
        let all = [(ENDPOINT, "http://all:4318/x/"), (TRACES_ENDPOINT, "http://traces/y")];
        for (own, pairs, expected) in [
            (None, &[][..], None),
            (None, &[(ENDPOINT, "")], None),
            (None, &[(ENDPOINT, "http://all:4318")], Some("http://all:4318/v1/traces")),
            (None, &all[..1], Some("http://all:4318/x/v1/traces")),
            (None, &all, Some("http://traces/y")),
            (Some("https://own"), &all, Some("https://own/v1/traces")),
            (Some("https://own"), &[("OTEL_SDK_DISABLED", "TRUE")], None),
            (Some("https://own"), &[("OTEL_TRACES_EXPORTER", "none")], None),
        ] {
            let found = read(own, pairs).unwrap().map(|settings| settings.endpoint);
            assert_eq!(found, expected.map(|url| url.parse().unwrap()), "{own:?} {pairs:?}");
        }
    }

    #[test]
    fn what_would_send_traces_nowhere_is_an_error() {
        for (own, pairs, expected) in [
            (
                Some("nowhere"),
                &[][..],
                "the setting \"otel-endpoint\" cannot be used: the URL has to",
            ),
            (
                None,
                &[(ENDPOINT, "http://u:secret@h")],
                "OTEL_EXPORTER_OTLP_ENDPOINT cannot be used",
            ),
            (
                Some("http://h"),
                &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
                "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\", and traces are sent as http/protobuf",
            ),
        ] {
            let error = read(own, pairs).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
        let both = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ];
        assert!(read(Some("http://h"), &both).is_ok());
    }

    #[test]
    fn numbers_that_cannot_be_are_left_alone() {
        let pairs = [
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "200"),
            ("OTEL_PROPAGATORS", "b3"),
        ];
        let settings = read(Some("http://h"), &pairs).unwrap().unwrap();
        let sizes = (settings.queue_spans_max, settings.batch_spans_max);
        assert_eq!(sizes, (100, 100), "a batch is no larger than the queue");
        assert_eq!(settings.delay, Duration::from_secs(5));
        assert_eq!(settings.timeout, Duration::from_millis(200));
        assert!(!settings.takes_parents);
    }

    #[test]
    fn headers_are_read_and_not_shown() {
        let text = "authorization=Bearer%20s3cret, x-tenant = a ,,broken,bad name=1";
        let pairs = [("OTEL_EXPORTER_OTLP_HEADERS", text)];
        let settings = read(Some("http://h"), &pairs).unwrap().unwrap();
        assert_eq!(settings.headers.get("authorization").unwrap(), "Bearer s3cret");
        assert_eq!(settings.headers.get("x-tenant").unwrap(), "a");
        assert_eq!(settings.headers.len(), 2);
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
