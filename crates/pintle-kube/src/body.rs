//! Bodies: JSON, YAML or protobuf, brought to one tree.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use pintle_http::RequestBody;
use pintle_model::json;
use pintle_rules::Document;
use serde_json::{Map, Value};

use crate::api::Call;
use crate::reply::Failure;
use crate::status::Status;

/// A body, read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) value: Value,
    /// Paths of keys that stood twice.
    pub(crate) duplicates: Vec<String>,
}

/// A document, and what it says it is.
#[derive(Debug, Default)]
pub(crate) struct Shaped {
    pub(crate) document: Document,
    pub(crate) api_version: Option<String>,
    pub(crate) kind: Option<String>,
}

/// The media type of the body, without parameters and in lower case.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?;
    let value = String::from_utf8_lossy(value.as_bytes());
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Reads a body whose media type says how; JSON where it says nothing.
pub(crate) async fn read(call: &Call<'_>, body: RequestBody) -> Result<Option<Read>, Failure> {
    let bytes = call.read_body(body).await?;
    decode(&call.parts.headers, &bytes, call.is_built_in())
}

/// Decodes a body as its headers say; nothing when it is empty. Only kinds that clients have
/// compiled in come as protobuf.
pub(crate) fn decode(
    headers: &HeaderMap,
    bytes: &[u8],
    built_in: bool,
) -> Result<Option<Read>, Failure> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match content_type(headers).as_deref() {
        None | Some("application/json" | "*/*") => parse_json(bytes).map(Some),
        Some("application/yaml") => parse_yaml(bytes).map(Some),
        Some(pintle_protobuf::MEDIA_TYPE) if built_in => {
            let decoded = pintle_protobuf::decode(bytes)
                .map_err(|error| Failure::bad_request(error.to_string()))?;
            Ok(Some(Read { value: decoded.value, duplicates: Vec::new() }))
        }
        Some(_) => Err(unsupported()),
    }
}

/// Reads the options of a delete, if there are any.
pub(crate) async fn read_options(
    call: &Call<'_>,
    body: RequestBody,
) -> Result<Option<Value>, Failure> {
    let bytes = call.read_body(body).await?;
    // These are of no kind of its own, so that they can be protobuf for every kind.
    Ok(decode(&call.parts.headers, &bytes, true)?.map(|read| read.value))
}

/// The patch is of no format that is known. Strategic ones are for kinds that clients have compiled
/// in. The list is upstream's to the letter, as clients compare it, though applying is refused.
pub(crate) fn unknown_patch(strategic: bool) -> Failure {
    let strategic = if strategic { ", application/strategic-merge-patch+json" } else { "" };
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: \
         application/json-patch+json, application/merge-patch+json{strategic}, \
         application/apply-patch+yaml"
    );
    Failure::UnsupportedMediaType { message }
}

fn unsupported() -> Failure {
    let message = "the body of the request was in an unknown format - accepted media types \
                   include: application/json, application/yaml";
    Failure::UnsupportedMediaType { message: message.to_owned() }
}

/// Reads JSON.
pub(crate) fn parse_json(text: &[u8]) -> Result<Read, Failure> {
    let parsed = json::parse(text).map_err(|error| match error {
        json::InvalidJson::Malformed(why) => {
            Failure::bad_request(format!("the body is not JSON: {why}"))
        }
        json::InvalidJson::TooManyValues => {
            Failure::told(Status::new(413, "RequestEntityTooLarge", error.to_string()))
        }
    })?;
    Ok(Read { value: parsed.value, duplicates: parsed.duplicates })
}

/// YAML of a request is no deeper than JSON can be, and its aliases add no more than so much: a few
/// hundred bytes could otherwise take seconds to read.
const YAML_DEPTH_MAX: usize = 100;
const YAML_NODES_MAX: usize = 1_000_000;
const YAML_REPLAYED_MAX: usize = 20_000;

fn parse_yaml(bytes: &[u8]) -> Result<Read, Failure> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Failure::bad_request("the body is not UTF-8"))?;
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_depth: YAML_DEPTH_MAX,
            max_nodes: YAML_NODES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: YAML_REPLAYED_MAX,
        },
    };
    let read = |deserializer: serde_saphyr::Deserializer<'_, '_>| json::read(deserializer);
    let parsed = serde_saphyr::with_deserializer_from_str_with_options(text, options, read)
        .map_err(|error| Failure::bad_request(format!("the body is not YAML: {error}")))?;
    // Through JSON text once more, so that equal numbers are written equally, and for its limit.
    let Read { value, .. } = parse_json(parsed.value.to_string().as_bytes())?;
    Ok(Read { value, duplicates: parsed.duplicates })
}

/// Splits a document into its lanes.
pub(crate) fn shape(value: Value) -> Result<Shaped, Failure> {
    let Value::Object(mut fields) = value else {
        return Err(Failure::bad_request("the body must be an object"));
    };
    let api_version = take_text(&mut fields, "apiVersion")?;
    let kind = take_text(&mut fields, "kind")?;
    let status = fields.remove("status");
    let metadata = match fields.remove("metadata") {
        None | Some(Value::Null) => None,
        Some(Value::Object(metadata)) => Some(metadata),
        Some(_) => return Err(Failure::bad_request("metadata must be an object")),
    };
    let document = Document { metadata, body: Some(fields), status, foreign: Vec::new() };
    Ok(Shaped { document, api_version, kind })
}

fn take_text(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Failure> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(Failure::bad_request(format!("{name} must be a string"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_repeat_a_little_and_no_more() {
        let read = parse_yaml(b"a: &a {x: 1}\nb: *a\n").unwrap_or_else(|_| panic!("no bomb"));
        assert_eq!(read.value, serde_json::json!({"a": {"x": 1}, "b": {"x": 1}}));
        let level = |level: u32| {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            format!("a{level}: &a{level} [{below}]\n")
        };
        let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        let bomb = first + &(1..7).map(level).collect::<Vec<_>>().concat();
        assert!(parse_yaml(bomb.as_bytes()).is_err());
    }
}
