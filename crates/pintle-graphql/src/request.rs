//! GraphQL over HTTP: what a request says, and how its answer is to be written.
//!
//! Source: the GraphQL-over-HTTP draft. A request is a POST of JSON, or a GET, which only queries
//! may come as. A body of a type that a form could send is refused, so that no page of another
//! origin can write without asking first.

use apollo_compiler::response::JsonMap;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::fault::Fault;

/// An operation, as somebody asked for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) query: String,
    pub(crate) operation_name: Option<String>,
    pub(crate) variables: JsonMap,
}

/// The body, as it comes. Other members are ignored, as the draft asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<JsonMap>,
    /// There are none, but what is there must be an object.
    #[serde(rename = "extensions")]
    _extensions: Option<JsonMap>,
}

impl Asked {
    /// Reads the body of a POST.
    pub(crate) fn from_body(body: &Bytes) -> Result<Self, Fault> {
        if body.trim_ascii_start().starts_with(b"[") {
            return Err(Fault::bad_input("one request holds one operation; a list is not taken"));
        }
        let body: Body = serde_json::from_slice(body).map_err(|error| {
            Fault::bad_input(format!("the body is not the JSON of a request: {error}"))
        })?;
        let query = body.query.ok_or_else(missing)?;
        let variables = body.variables.unwrap_or_default();
        Ok(Self { query, operation_name: body.operation_name, variables })
    }

    /// Reads the query of a GET.
    pub(crate) fn from_query(query: &str) -> Result<Self, Fault> {
        let mut asked = Self::default();
        let mut has_query = false;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "query" => {
                    has_query = true;
                    asked.query = value.into_owned();
                }
                "operationName" if !value.is_empty() => {
                    asked.operation_name = Some(value.into_owned());
                }
                "variables" if !value.is_empty() => asked.variables = map(&name, &value)?,
                "extensions" if !value.is_empty() => drop(map(&name, &value)?),
                _ => {}
            }
        }
        if has_query { Ok(asked) } else { Err(missing()) }
    }
}

fn missing() -> Fault {
    Fault::bad_input("a request has a `query`, the text of a GraphQL document")
}

fn map(name: &str, text: &str) -> Result<JsonMap, Fault> {
    serde_json::from_str::<Option<JsonMap>>(text)
        .map(Option::unwrap_or_default)
        .map_err(|error| Fault::bad_input(format!("`{name}` is not a JSON object: {error}")))
}

/// Refuses a body that is not said to be JSON.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), Fault> {
    let given = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let given = given.as_deref().unwrap_or_default();
    let mut parts = given.split(';').map(|part| part.trim().to_ascii_lowercase());
    let is_json = parts.next().as_deref() == Some("application/json");
    let is_utf8 = parts.all(|part| {
        part.strip_prefix("charset=").is_none_or(|set| set.trim_matches('"') == "utf-8")
    });
    if is_json && is_utf8 {
        return Ok(());
    }
    let given: String = given.chars().take(128).collect();
    Err(Fault::new(
        "UNSUPPORTED_MEDIA_TYPE",
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("Content-Type {given:?} is not understood here; send application/json"),
    ))
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/graphql-response+json`: the status says how it went.
    GraphqlResponse,
    /// `application/json`, for a client that asked for it by name. Such clients expect 200 for
    /// every request that is one, whatever became of it.
    JsonByName,
    /// `application/json`, for a client that did not say.
    Json,
}

impl MediaType {
    /// What the client likes best.
    pub(crate) fn negotiated(headers: &HeaderMap) -> Result<Self, Fault> {
        let mut accepts = headers.get_all(ACCEPT).iter().peekable();
        if accepts.peek().is_none() {
            return Ok(Self::Json);
        }
        let texts = accepts.filter_map(|value| value.to_str().ok());
        let mut best: Option<(u32, Self)> = None;
        for range in texts.flat_map(|text| text.split(',')) {
            let Some((quality, found)) = accepted(range) else { continue };
            if quality > 0 && best.is_none_or(|(so_far, _)| quality > so_far) {
                best = Some((quality, found));
            }
        }
        best.map(|(_, found)| found).ok_or_else(|| {
            let message = "an answer is application/graphql-response+json or application/json; \
                           Accept takes neither";
            Fault::new("NOT_ACCEPTABLE", StatusCode::NOT_ACCEPTABLE, message)
        })
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::JsonByName | Self::Json => "application/json; charset=utf-8",
        }
    }

    /// The status of a request that was refused because of its document or its variables.
    pub(crate) fn status(self, fault: &Fault) -> StatusCode {
        if self == Self::JsonByName && fault.in_document { StatusCode::OK } else { fault.status }
    }
}

/// A media range that we can write, and how much it is liked, in thousandths.
fn accepted(range: &str) -> Option<(u32, MediaType)> {
    let mut parts = range.split(';').map(str::trim);
    let found = match &*parts.next()?.to_ascii_lowercase() {
        "application/graphql-response+json" => MediaType::GraphqlResponse,
        "application/json" => MediaType::JsonByName,
        "*/*" | "application/*" => MediaType::Json,
        _ => return None,
    };
    let quality = parts.find_map(|part| part.strip_prefix("q="));
    let quality = quality.map_or(1_000, thousandths);
    Some((quality, found))
}

/// `0.75` as 750. What is no quality counts for nothing.
fn thousandths(text: &str) -> u32 {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = rest.chars().chain("000".chars()).take(3).collect();
    match (whole.parse::<u32>(), digits.parse::<u32>()) {
        (Ok(whole), Ok(rest)) => (whole.min(1) * 1_000 + rest).min(1_000),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn clients_get_what_they_like_best() {
        use MediaType::{GraphqlResponse, Json, JsonByName};
        let cases = [
            (None, Some(Json)),
            (Some("*/*"), Some(Json)),
            (Some("application/json"), Some(JsonByName)),
            (Some("application/json; charset=utf-8"), Some(JsonByName)),
            (Some("application/graphql-response+json"), Some(GraphqlResponse)),
            (
                Some("application/graphql-response+json, application/json;q=0.9"),
                Some(GraphqlResponse),
            ),
            (
                Some("application/json;q=0.9, application/graphql-response+json"),
                Some(GraphqlResponse),
            ),
            (Some("application/json;q=0, */*;q=0.1"), Some(Json)),
            (Some("text/html, APPLICATION/JSON"), Some(JsonByName)),
            (Some("text/html"), None),
            (Some(""), None),
        ];
        for (accept, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(MediaType::negotiated(&headers).ok(), expected, "{accept:?}");
        }
    }

    #[test]
    fn only_json_is_read() {
        for (given, good) in [
            (Some("application/json"), true),
            (Some("application/json; charset=utf-8"), true),
            (Some("Application/JSON;charset=UTF-8"), true),
            (Some("application/json; charset=iso-8859-1"), false),
            (Some("text/plain"), false),
            (Some("application/x-www-form-urlencoded"), false),
            (Some("multipart/form-data; boundary=x"), false),
            (Some("application/graphql"), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(given));
            }
            assert_eq!(check_content_type(&headers).is_ok(), good, "{given:?}");
        }
    }

    #[test]
    fn bodies_are_read_or_refused() {
        let cases = [
            (r#"{"query":"{a}"}"#, true),
            (r#"{"query":"{a}","variables":null,"operationName":null,"extensions":null}"#, true),
            (r#"{"query":"{a}","variables":{"a":1},"extensions":{},"id":7}"#, true),
            (r#"{"query":"{a}","variables":[]}"#, false),
            (r#"{"query":"{a}","operationName":7}"#, false),
            (r#"{"query":"{a}","extensions":"x"}"#, false),
            (r#"{"query":7}"#, false),
            (r#"{"query":null}"#, false),
            (r#"[{"query":"{a}"}]"#, false),
            ("{}", false),
            ("", false),
        ];
        for (body, good) in cases {
            assert_eq!(Asked::from_body(&Bytes::from(body)).is_ok(), good, "{body}");
        }
        let asked = Asked::from_query("query=%7Ba%7D+x&variables=%7B%22n%22%3A1%7D&x=y").unwrap();
        assert_eq!((&*asked.query, asked.variables.len()), ("{a} x", 1));
        for bad in ["", "variables={}", "query={a}&variables=[1]", "query={a}&variables=x"] {
            assert!(Asked::from_query(bad).is_err(), "{bad}");
        }
    }
}
