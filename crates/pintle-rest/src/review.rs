//! Questions about rights: a document in, the same with its answer out. Nothing is stored.

use http::request::Parts;
use http::{Method, Response, StatusCode};
use pintle_authz::{ReviewError, ReviewKind, Verb};
use pintle_engine::Refusal;
use pintle_http::{Body, Caller, Recording, RequestBody, Subject};
use pintle_rules::Refusal as RulesRefusal;
use serde_json::Value;

use crate::accept;
use crate::api::RestDoor;
use crate::query::Query;
use crate::reply::{Failure, Refused, json_bytes};
use crate::shape;
use crate::write::read_json;

/// Answers a question. Asking it is a right of its own.
pub(crate) async fn review(
    door: &RestDoor,
    parts: &Parts,
    body: RequestBody,
    recording: &Recording,
    caller: &Caller,
    kind: ReviewKind,
) -> Result<Response<Body>, Failure> {
    if parts.method != Method::POST {
        return Err(Failure::MethodNotAllowed { allow: "POST".to_owned() });
    }
    recording.note(|exchange| {
        exchange.verb = Some(Verb::Create);
        exchange.resource = Some(kind.resource());
    });
    let refused = |refusal| refused(kind, refusal);
    let query = Query::parse(parts.uri.query())?;
    let rules = door.engine.rules();
    let granted = rules.grant(&caller.user, kind.ask(query.namespace.as_deref()));
    let granted = granted.map_err(|forbidden| {
        let stranger = door.settings.entrance.is_stranger(caller);
        if stranger { Failure::LoginRequired } else { refused(forbidden.into()) }
    })?;
    recording.note(|exchange| exchange.allowed(&granted));
    accept::check(&parts.headers)?;
    let text = read_json(door, parts, recording, body).await?;
    let Value::Object(document) = shape::parse(&text)? else {
        return Err(Failure::bad_request("the body must be a JSON object"));
    };
    let answer = rules.review(kind, &caller.user, query.namespace.as_deref(), &document);
    let answer = answer.map_err(|error| match error {
        ReviewError::Malformed(problem) => Failure::bad_request(problem),
        ReviewError::Invalid(fault) => refused(RulesRefusal::Invalid(vec![fault]).into()),
    })?;
    Ok(json_bytes(StatusCode::CREATED, answer.to_string().into()))
}

fn refused(kind: ReviewKind, refusal: Refusal) -> Failure {
    Failure::Refused(Box::new(Refused {
        refusal,
        subject: Subject { resource: kind.resource(), name: String::new() },
        by_header: false,
        current: None,
        searched: None,
    }))
}
