//! Answers from a server, by the questions of `authorization.k8s.io/v1`.

use std::str::FromStr as _;

use http::{HeaderValue, StatusCode};
use pintle_authz::ReviewKind;
use pintle_model::GroupResource;
use pintle_outbound::{Client, ClientSettings, Message, SecretFile, Url};
use serde_json::{Map, Value, json};

use super::ask::Target;
use super::offline::unknown;
use super::{AuthError, CanI, ServerArgs};

/// Why it is allowed; nothing when it is not.
pub(super) async fn ask(question: &CanI) -> Result<Option<String>, AuthError> {
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
    Ok(allowed.then(|| text("/status/reason").to_owned()))
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
        Err(AuthError::Server(format!(
            "{} answered {status}: {}",
            self.url.origin(),
            told(&answer)
        )))
    }

    /// The resource of a plural: what the definitions say, where they may be read.
    async fn resource(&self, plural: &str) -> Result<GroupResource, AuthError> {
        let path = self.below("/customresourcedefinitions")?;
        let (status, answer) = self.send(Message::get(&path)).await?;
        if status != StatusCode::OK {
            return Err(unknown(plural, format!("the server answered {status}")));
        }
        let named =
            |it: &&Value| it.pointer("/spec/names/plural").and_then(Value::as_str) == Some(plural);
        let group = |it: &Value| {
            let group = it.pointer("/spec/group").and_then(Value::as_str).unwrap_or_default();
            GroupResource::new(group, plural)
        };
        let mut found = answer.as_array().into_iter().flatten().filter(named).map(group);
        match (found.next(), found.next()) {
            (Some(resource), None) => Ok(resource),
            (None, _) => Err(unknown(plural, "the server serves no such kind")),
            (Some(_), Some(_)) => Err(unknown(plural, "several groups have such a kind")),
        }
    }

    fn below(&self, path: &str) -> Result<Url, AuthError> {
        self.url.below(path).map_err(|error| AuthError::Server(format!("--server: {error}")))
    }

    async fn send(&self, message: Message<'_>) -> Result<(StatusCode, Value), AuthError> {
        let failed = |error: &dyn std::error::Error| AuthError::Server(error.to_string());
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

fn told(answer: &Value) -> &str {
    answer.get("error").and_then(Value::as_str).unwrap_or("and said no more")
}
