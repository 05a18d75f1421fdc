//! Answers from a server, by the questions of `authorization.k8s.io/v1`.

use std::str::FromStr as _;

use http::{HeaderValue, StatusCode};
use pintle_authz::ReviewKind;
use pintle_model::GroupResource;
use pintle_outbound::{Client, ClientSettings, Message, SecretFile, Url};
use serde_json::{Map, Value, json};

use super::ask::{Target, resolve};
use super::{Answer, AuthError, CanI, ServerArgs};

/// The answer of the server.
pub(super) async fn ask(question: &CanI) -> Result<Answer, AuthError> {
    let server = Server::new(&question.server)?;
    let mut spec = match Target::parse(&question.resource) {
        Target::Path(path) => {
            json!({"nonResourceAttributes": {"verb": question.verb, "path": path}})
        }
        Target::Resource(resource, part) => attributes(question, &resource, &part),
        Target::Plural(plural, part) => {
            attributes(question, &server.resource(&plural).await?, &part)
        }
    };
    let kind = match (&question.user, spec.as_object_mut()) {
        (Some(user), Some(spec)) => {
            about(spec, user, &question.groups);
            ReviewKind::SubjectAccess
        }
        _ => ReviewKind::SelfSubjectAccess,
    };
    let answer = server.review(kind, &json!({"spec": spec})).await?;
    let text = |pointer| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let allowed = answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or(false);
    Ok(Answer { allowed, why: text("/status/reason").to_owned() })
}

/// What the caller may do in a namespace, as the status of a `SelfSubjectRulesReview`.
pub(super) async fn list(question: &CanI) -> Result<Value, AuthError> {
    if question.user.is_some() {
        return Err(AuthError::ListOfAnother);
    }
    let spec = json!({"spec": {"namespace": question.listed_namespace()}});
    let server = Server::new(&question.server)?;
    let answer = server.review(ReviewKind::SelfSubjectRules, &spec).await?;
    Ok(answer.get("status").cloned().unwrap_or_default())
}

/// Somebody else, who is known: in the group of all who are.
fn about(spec: &mut Map<String, Value>, user: &str, groups: &[String]) {
    let all = groups.iter().map(String::as_str).chain([pintle_authz::ALL_AUTHENTICATED]);
    spec.insert("user".to_owned(), json!(user));
    spec.insert("groups".to_owned(), all.collect());
}

fn attributes(question: &CanI, resource: &GroupResource, part: &str) -> Value {
    json!({"resourceAttributes": {
        "verb": question.verb,
        "group": resource.group(),
        "resource": resource.plural(),
        "subresource": part,
        "namespace": question.namespace.as_deref().unwrap_or_default(),
        "name": question.name.as_deref().unwrap_or_default(),
    }})
}

/// Name and groups, as the server has them.
pub(super) async fn whoami(args: &ServerArgs) -> Result<String, AuthError> {
    let answer = Server::new(args)?.review(ReviewKind::SelfSubject, &json!({})).await?;
    let info = answer.pointer("/status/userInfo").cloned().unwrap_or_default();
    let name = info.get("username").and_then(Value::as_str).unwrap_or_default();
    let groups = info.get("groups").and_then(Value::as_array).into_iter().flatten();
    let groups: Vec<&str> = groups.filter_map(Value::as_str).collect();
    Ok(format!("{name} (groups: {})", groups.join(", ")))
}

/// How the server describes itself, in OpenAPI.
pub(super) async fn described(args: &ServerArgs) -> Result<Value, AuthError> {
    let server = Server::new(args)?;
    let (status, document) = server.send(Message::get(&server.below("/openapi.json")?)).await?;
    if status == StatusCode::OK { Ok(document) } else { Err(server.refused(status, &document)) }
}

/// The server that is asked.
struct Server<'a> {
    args: &'a ServerArgs,
    client: Client,
    url: Url,
}

impl<'a> Server<'a> {
    fn new(args: &'a ServerArgs) -> Result<Self, AuthError> {
        let settings =
            ClientSettings { ca_file: args.ca_file.clone(), ..ClientSettings::default() };
        let client =
            Client::new(&settings).map_err(|error| AuthError::Server(error.to_string()))?;
        let url = Url::from_str(&args.server)
            .map_err(|error| AuthError::Server(format!("--server: {error}")))?;
        Ok(Self { args, client, url })
    }

    async fn review(&self, kind: ReviewKind, document: &Value) -> Result<Value, AuthError> {
        let path = self.below(&format!("/{}", kind.resource()))?;
        let json = HeaderValue::from_static("application/json");
        let (status, answer) = self.send(Message::post(&path, json, document.to_string())).await?;
        if status == StatusCode::CREATED {
            return Ok(answer);
        }
        Err(self.refused(status, &answer))
    }

    fn refused(&self, status: StatusCode, answer: &Value) -> AuthError {
        let origin = self.url.origin();
        let problem = if status == StatusCode::UNAUTHORIZED && self.args.token_file.is_none() {
            format!("{origin} does not know who asks: name a file with a token, --token-file FILE")
        } else {
            format!("{origin} answered {status}: {}", told(answer))
        };
        AuthError::Server(problem)
    }

    /// The kind of a plural. Everybody who is known may read what a server serves; whoever may
    /// not, may perhaps read the definitions.
    async fn resource(&self, plural: &str) -> Result<GroupResource, AuthError> {
        let (described, document) = self.send(Message::get(&self.below("/openapi.json")?)).await?;
        if described == StatusCode::OK {
            let tags = document.get("tags").and_then(Value::as_array).into_iter().flatten();
            let named =
                tags.filter_map(|tag| tag.get("x-pintle-resource")).filter_map(Value::as_str);
            return resolve(plural, named.map(GroupResource::from_text));
        }
        let path = self.below("/customresourcedefinitions")?;
        let (status, answer) = self.send(Message::get(&path)).await?;
        if status != StatusCode::OK {
            let why = format!("the server answered {described}");
            return Err(AuthError::Group { plural: plural.to_owned(), why });
        }
        let names = answer.as_array().into_iter().flatten();
        let names = names.filter_map(|it| it.pointer("/metadata/name")).filter_map(Value::as_str);
        resolve(plural, names.map(GroupResource::from_text))
    }

    fn below(&self, path: &str) -> Result<Url, AuthError> {
        self.url.below(path).map_err(|error| AuthError::Server(format!("--server: {error}")))
    }

    async fn send(&self, message: Message<'_>) -> Result<(StatusCode, Value), AuthError> {
        let failed = |error: &dyn std::error::Error| AuthError::Server(with_causes(error));
        let message = match &self.args.token_file {
            None => message,
            Some(file) => {
                let token = SecretFile::new(file).load().await.map_err(|error| failed(&error))?;
                message.bearer(&token)
            }
        };
        let answer = self.client.send(message).await.map_err(|error| failed(&error))?;
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        Ok((answer.status(), body))
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn told(answer: &Value) -> &str {
    answer.get("error").and_then(Value::as_str).unwrap_or("and said no more")
}
