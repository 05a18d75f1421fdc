//! Questions about rights and about tokens: a document in, the same with its answer out. Nothing is
//! stored.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use pintle_authz::{Ask, ReviewError, ReviewKind, Verb};
use pintle_http::{Body, Caller, Recording, RequestBody, add_warnings};
use pintle_model::GroupResource;
use pintle_rules::Refusal as RulesRefusal;
use pintle_schema::read_document;
use serde_json::{Map, Value, json};

use crate::api::KubeDoor;
use crate::body;
use crate::options::WriteOptions;
use crate::query::Query;
use crate::refusals::Deed;
use crate::reply::{self, Failure, Refused, plain_form};
use crate::route::Target;
use crate::status::About;
use crate::strict::Findings;

/// A question about rights, before it is read.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) asked: Asked<'a>,
    pub(crate) kind: ReviewKind,
}

/// Who asks, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) door: &'a KubeDoor,
    pub(crate) parts: &'a Parts,
    pub(crate) recording: &'a Recording,
    pub(crate) caller: &'a Caller,
}

impl Question<'_> {
    /// Answers it. Asking is a right of its own.
    pub(crate) async fn answer(
        &self,
        target: &Target,
        body: RequestBody,
    ) -> Result<Response<Body>, Failure> {
        let Self { asked, kind } = *self;
        let namespace = target.namespace.as_deref();
        let about = about(&kind.resource(), kind.kind());
        let (document, warnings) = asked.document(kind.ask(namespace), &about, body).await?;
        let rules = asked.door.engine.rules();
        let answer = rules.review(kind, &asked.caller.user, namespace, &document);
        let answer = answer.map_err(|error| match error {
            ReviewError::Malformed(problem) => Failure::bad_request(problem),
            ReviewError::Invalid(fault) => Failure::Refused(Box::new(Refused {
                refusal: RulesRefusal::Invalid(vec![fault]).into(),
                about,
                deed: Deed::Create { built_in: false },
            })),
        })?;
        asked.answered(&answer, &warnings)
    }
}

fn about(resource: &GroupResource, kind: &str) -> About {
    About {
        group: resource.group().to_owned(),
        plural: resource.plural().to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        name: String::new(),
    }
}

const AUTHENTICATION: &str = "authentication.k8s.io";
/// The plural and the kind of a question about a token.
pub(crate) const TOKEN_REVIEW: (&str, &str) = ("tokenreviews", "TokenReview");

/// Whether a path is the one to ask about tokens.
pub(crate) fn asks_about_tokens(target: &Target) -> bool {
    let at = &target.at;
    let named = target.name.is_some() || target.namespace.is_some();
    at.group == AUTHENTICATION && at.version == "v1" && target.plural == TOKEN_REVIEW.0 && !named
}

/// Says whose a token is, to whoever may ask: upstream's `TokenReview`.
pub(crate) async fn token(asked: Asked<'_>, body: RequestBody) -> Result<Response<Body>, Failure> {
    let (plural, kind) = TOKEN_REVIEW;
    let resource = GroupResource::new(AUTHENTICATION, plural);
    let about = about(&resource, kind);
    let (subresource, namespace, name) = (None, None, None);
    let ask = Ask { verb: Verb::Create, resource, subresource, namespace, name };
    let (document, warnings) = asked.document(ask, &about, body).await?;
    let spec = document.get("spec").cloned().unwrap_or_else(|| json!({}));
    let token = spec.get("token").and_then(Value::as_str).unwrap_or_default();
    let answer = json!({
        "apiVersion": format!("{AUTHENTICATION}/v1"),
        "kind": kind,
        "metadata": {},
        "spec": {},
        "status": asked.door.holder(token).await,
    });
    asked.answered(&answer, &warnings)
}

impl Asked<'_> {
    fn answered(self, answer: &Value, warnings: &[String]) -> Result<Response<Body>, Failure> {
        let form = plain_form(&self.parts.headers)?;
        let mut response = reply::document(201, form.encoding, answer);
        add_warnings(response.headers_mut(), warnings);
        Ok(response)
    }

    /// The document of a question, once the rules allow to ask it, and what to warn about.
    async fn document(
        self,
        ask: Ask,
        about: &About,
        body: RequestBody,
    ) -> Result<(Map<String, Value>, Vec<String>), Failure> {
        let Self { door, parts, recording, caller } = self;
        recording.note(|exchange| {
            exchange.verb = Some(Verb::Create);
            exchange.resource = Some(ask.resource.clone());
        });
        if parts.method != Method::POST {
            return Err(Failure::MethodNotAllowed { allow: "POST" });
        }
        let entrance = &door.settings.entrance;
        let granted = door.engine.rules().grant(&caller.user, ask).map_err(|forbidden| {
            if entrance.is_stranger(caller) {
                return Failure::LoginRequired;
            }
            let (about, deed) = (about.clone(), Deed::Read);
            Failure::Refused(Box::new(Refused { refusal: forbidden.into(), about, deed }))
        })?;
        recording.note(|exchange| exchange.allowed(&granted));
        let options = WriteOptions::of(&Query::parse(parts.uri.query())?, "CreateOptions")?;
        let bytes = entrance.read_body(parts, body, recording).await?;
        let read = body::decode(&parts.headers, &bytes, true)?.unwrap_or_default();
        let Value::Object(mut document) = read.value else {
            return Err(Failure::bad_request("the body must be an object"));
        };
        let unknown = read_document(&about.kind, &mut document).unknown;
        let findings = Findings::of(options.validation, &read.duplicates, &unknown);
        if findings.refuse() {
            return Err(findings.refusal(&[], about, Deed::Create { built_in: true }));
        }
        Ok((document, findings.warnings()))
    }
}

impl KubeDoor {
    /// Whose a token is, as it would be found out were it shown.
    async fn holder(&self, token: &str) -> Value {
        let unknown = |why: String| json!({"authenticated": false, "error": why});
        let Ok(shown) = HeaderValue::from_str(&format!("Bearer {token}")) else {
            return unknown("the token is not one that can be sent".to_owned());
        };
        if token.is_empty() || !self.settings.entrance.authentication.asks() {
            return unknown("no such token is known".to_owned());
        }
        let mut parts = Request::new(()).into_parts().0;
        parts.headers.insert(AUTHORIZATION, shown);
        match self.settings.entrance.authentication.identify(&parts).await {
            Err(error) => unknown(error.to_string()),
            Ok(found) => {
                let user = &found.user;
                let mut info = json!({"username": &*user.name, "groups": user.groups});
                if let (Some(uid), Some(info)) = (&user.uid, info.as_object_mut()) {
                    info.insert("uid".to_owned(), json!(&**uid));
                }
                json!({"authenticated": true, "user": info})
            }
        }
    }
}
