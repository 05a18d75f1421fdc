//! [`Exporter`]: brings batches of spans to a collector, over OTLP.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use pintle_outbound::{CaFileError, Client, ClientSettings, Message, SendError, Url};
use prost::Message as _;

use crate::Settings;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// A batch is tried so often, with a pause in between that doubles.
const ATTEMPTS_MAX: u32 = 5;
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The longest pause that a collector can ask for: what comes meanwhile has to wait.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Nothing that a collector has to say is longer.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Exporter {
    client: Client,
    endpoint: Url,
    headers: HeaderMap,
    resource: ResourceAttributesWithSchema,
}

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Taken, but so many of its spans.
    Taken {
        rejected: u64,
    },
    /// It may be taken later.
    Again {
        why: String,
        wait: Option<Duration>,
    },
    Refused {
        why: String,
    },
}

impl Exporter {
    pub(crate) fn new(settings: &Settings, resource: &Resource) -> Result<Self, CaFileError> {
        let client = Client::new(&ClientSettings {
            ca_file: settings.ca_file.clone(),
            connect_timeout: settings.timeout,
            timeout: settings.timeout,
            response_bytes_max: RESPONSE_BYTES_MAX,
            // Requests go one after the other.
            idle_connections_max: 1,
            ..ClientSettings::default()
        })?;
        let (endpoint, headers) = (settings.endpoint.clone(), settings.headers.clone());
        Ok(Self { client, endpoint, headers, resource: resource.into() })
    }

    /// Brings a batch away; says how many spans the collector did not want. The error says why it
    /// took none.
    pub(crate) async fn export(&self, batch: Vec<SpanData>) -> Result<u64, String> {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = bytes::Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
        let mut pause = PAUSE_MIN;
        for attempt in 1.. {
            match self.attempt(body.clone()).await {
                Outcome::Taken { rejected } => return Ok(rejected),
                Outcome::Refused { why } => return Err(why),
                Outcome::Again { why, .. } if attempt >= ATTEMPTS_MAX => return Err(why),
                Outcome::Again { wait, .. } => {
                    tokio::time::sleep(wait.unwrap_or(pause).min(PAUSE_MAX)).await;
                    pause *= 2;
                }
            }
        }
        Err("it was given up".to_owned())
    }

    async fn attempt(&self, body: bytes::Bytes) -> Outcome {
        let mut message = Message::post(&self.endpoint, CONTENT_TYPE, body);
        for (name, value) in &self.headers {
            message = message.header(name.clone(), value.clone());
        }
        match self.client.send(message).await {
            Ok(answer) => outcome(&answer, SystemTime::now()),
            Err(error @ SendError::TooLong { .. }) => Outcome::Refused { why: error.to_string() },
            Err(error) => Outcome::Again { why: error.to_string(), wait: None },
        }
    }
}

fn outcome(answer: &Response<bytes::Bytes>, now: SystemTime) -> Outcome {
    let status = answer.status();
    if status.is_success() {
        return Outcome::Taken { rejected: rejected(answer.body()) };
    }
    let why = format!("the answer of the collector is {status}");
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            Outcome::Again { why, wait: retry_after(answer.headers(), now) }
        }
        _ => Outcome::Refused { why },
    }
}

/// How many spans of a batch the collector did not want. It may say so in words alone.
fn rejected(body: &[u8]) -> u64 {
    let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    let Some(partial) = answer.partial_success else { return 0 };
    let (rejected, why) = (partial.rejected_spans, partial.error_message);
    if rejected != 0 || !why.is_empty() {
        tracing::warn!(rejected, why, "the collector does not want all spans");
    }
    u64::try_from(rejected).unwrap_or_default()
}

/// Seconds, or until a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let partial_success =
            Some(ExportTracePartialSuccess { rejected_spans: 3, error_message: "no".to_owned() });
        let partial = ExportTraceServiceResponse { partial_success }.encode_to_vec();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (status, retry_after, body, expected) in [
            (200, "", &[][..], "taken but 0"),
            (200, "", &partial, "taken but 3"),
            (200, "", b"nonsense", "taken but 0"),
            (400, "", &[], "refused"),
            (401, "9", &[], "refused"),
            (404, "", &[], "refused"),
            (429, "7", &[], "again 7"),
            (500, "", &[], "refused"),
            (502, "", &[], "again"),
            (503, "Sun, 06 Nov 1994 08:49:47 GMT", &[], "again 10"),
            (504, "soon", &[], "again"),
        ] {
            let mut answer = Response::builder().status(status);
            if !retry_after.is_empty() {
                answer = answer.header(RETRY_AFTER, retry_after);
            }
            let answer = answer.body(bytes::Bytes::copy_from_slice(body)).unwrap();
            let found = match outcome(&answer, now) {
                Outcome::Taken { rejected } => format!("taken but {rejected}"),
                Outcome::Again { wait: None, .. } => "again".to_owned(),
                Outcome::Again { wait: Some(wait), .. } => format!("again {}", wait.as_secs()),
                Outcome::Refused { .. } => "refused".to_owned(),
            };
            assert_eq!(found, expected, "{status} {retry_after:?}");
        }
    }
}
