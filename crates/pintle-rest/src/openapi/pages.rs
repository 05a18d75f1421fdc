//! The door's own pages.

use pintle_authz::ReviewKind;
use serde_json::{Value, json};

use super::Terms;
use super::schema::{Fields, with};
use super::shared::{header_references, reference, schema};
use crate::docs::Asset;
use crate::reply::Page;

/// What the pages are grouped under.
pub(crate) const TAG: &str = "Server";

/// Adds the paths of the pages.
pub(crate) fn write(paths: &mut Fields, terms: Terms) {
    for page in Page::ALL {
        if let Some(operation) = operation(page, terms) {
            paths.insert(page.path().to_owned(), json!({"get": operation}));
        }
    }
    paths.insert("/events".to_owned(), json!({"get": events(terms)}));
    for kind in ReviewKind::ALL {
        let path = format!("/{}", kind.resource().plural());
        paths.insert(path, json!({"post": review(kind, terms)}));
    }
}

/// A question about rights.
fn review(kind: ReviewKind, terms: Terms) -> Value {
    let document = json!({
        "type": "object",
        "properties": {
            "apiVersion": {"const": kind.api_version()},
            "kind": {"const": kind.kind()},
            "spec": {"type": "object"},
            "status": {"type": "object", "description": "The answer."},
        },
    });
    let content = json!({"application/json": {"schema": document}});
    let answered = json!({"description": "The same, with its answer.", "content": content});
    let mut responses = Fields::from_iter([("201".to_owned(), answered)]);
    for (status, name) in [
        ("400", "BadRequest"),
        ("401", "Unauthorized"),
        ("403", "Forbidden"),
        ("405", "MethodNotAllowed"),
        ("408", "RequestTimeout"),
        ("413", "PayloadTooLarge"),
        ("415", "UnsupportedMediaType"),
        ("422", "UnprocessableEntity"),
        ("500", "InternalServerError"),
        ("503", "ServiceUnavailable"),
    ] {
        if status != "401" || terms.authenticates {
            responses.insert(status.to_owned(), reference("responses", name));
        }
    }
    let id = format!("create{}", kind.kind());
    let operation = described(&id, "Ask about rights; nothing is stored", &responses);
    let namespace = json!([reference("parameters", "namespace")]);
    let operation = with(operation, "parameters", namespace);
    with(operation, "requestBody", json!({"required": true, "content": content}))
}

/// What is counted and timed, as Prometheus reads it.
fn metrics(terms: Terms) -> Value {
    let text = json!({"type": "string"});
    let content = json!({
        "text/plain": {"schema": text},
        "application/openmetrics-text": {"schema": text},
    });
    let found = json!({"description": "One sample a line.", "content": content});
    let mut responses = responses("text/plain", &text);
    responses.insert("200".to_owned(), found);
    if terms.authenticates {
        responses.insert("401".to_owned(), reference("responses", "Unauthorized"));
    }
    described("getMetrics", "What is counted and timed", &responses)
}

/// The stream of lifecycle events.
fn events(terms: Terms) -> Value {
    let stream = json!({"schema": {"type": "string"}, "x-itemSchema": {"type": "object"}});
    let content = json!({"text/event-stream": stream, "application/x-ndjson": stream});
    let found = json!({"description": "CloudEvents 1.0, one after the other.", "content": content});
    let mut responses = responses("text/event-stream", &json!(true));
    responses.insert("200".to_owned(), found);
    for (status, name) in [
        ("401", "Unauthorized"),
        ("405", "MethodNotAllowed"),
        ("429", "TooManyRequests"),
        ("500", "InternalServerError"),
        ("503", "ServiceUnavailable"),
    ] {
        if status != "401" || terms.authenticates {
            responses.insert(status.to_owned(), reference("responses", name));
        }
    }
    let summary = "Lifecycle events of all kinds that the caller may watch";
    let parameters = EVENT_PARAMETERS.iter().map(|(name, what)| {
        json!({"name": name, "in": "query", "description": what, "schema": {"type": "string"}})
    });
    let shared = ["namespace", "labelSelector", "timeoutSeconds", "Last-Event-ID"];
    let shared = shared.iter().map(|name| reference("parameters", name));
    let parameters: Value = parameters.chain(shared).collect();
    with(described("getEvents", summary, &responses), "parameters", parameters)
}

const EVENT_PARAMETERS: [(&str, &str); 2] = [
    ("types", "Patterns with commas: `*` is one segment of a type, `**` the rest."),
    ("after", "Go on after this event."),
];

/// Nothing for what is only a part of another page.
fn operation(page: Page, terms: Terms) -> Option<Value> {
    let (id, summary, media_type, schema) = match page {
        Page::Health => {
            let summary = "How the server is, for Fabrica's clients";
            ("getHealth", summary, "application/json", schema("Health"))
        }
        Page::Livez => return Some(alive("getLivez")),
        Page::Healthz => return Some(alive("getHealthz")),
        Page::Readyz => return Some(ready()),
        Page::Metrics => return Some(metrics(terms)),
        Page::OpenApi => return Some(description(terms)),
        Page::Docs(Asset::Page) => {
            let text = json!({"type": "string"});
            ("getDocs", "This description, for people", "text/html", text)
        }
        Page::Docs(Asset::Style | Asset::Script) | Page::Reserved(_) => return None,
    };
    Some(for_all(described(id, summary, &responses(media_type, &schema))))
}

fn alive(id: &str) -> Value {
    let responses = responses("text/plain", &json!({"type": "string"}));
    for_all(described(id, "Whether the process is alive", &responses))
}

fn ready() -> Value {
    let text = json!({"type": "string"});
    let closing = json!({"description": "Something is wrong, or it shuts down; the text says what.",
                         "content": {"text/plain": {"schema": text}}});
    let mut responses = responses("text/plain", &text);
    responses.insert("503".to_owned(), closing);
    for_all(described("getReadyz", "Whether the server can do its work", &responses))
}

fn description(terms: Terms) -> Value {
    let found = json!({
        "description": "The description of what is served now.",
        "headers": header_references(&["ETag"]),
        "content": {"application/json": {"schema": {"type": "object"}}},
    });
    let mut responses = responses("application/json", &json!(true));
    responses.insert("200".to_owned(), found);
    responses.insert("304".to_owned(), json!({"description": "Nothing changed since."}));
    if terms.authenticates {
        responses.insert("401".to_owned(), reference("responses", "Unauthorized"));
    }
    let known = json!([{
        "name": "If-None-Match", "in": "header", "schema": {"type": "string"},
        "description": "Answer 304 if nothing changed since: the `ETag` of then.",
    }]);
    with(described("getOpenApi", "This description, for programs", &responses), "parameters", known)
}

/// Nobody is asked for credentials here.
fn for_all(operation: Value) -> Value {
    with(operation, "security", json!([]))
}

fn described(id: &str, summary: &str, responses: &Fields) -> Value {
    json!({"operationId": id, "tags": [TAG], "summary": summary, "responses": responses})
}

fn responses(media_type: &str, schema: &Value) -> Fields {
    let content = json!({media_type: {"schema": schema}});
    Fields::from_iter([
        ("200".to_owned(), json!({"description": "So it is.", "content": content})),
        ("400".to_owned(), reference("responses", "BadRequest")),
        ("403".to_owned(), reference("responses", "Forbidden")),
    ])
}
