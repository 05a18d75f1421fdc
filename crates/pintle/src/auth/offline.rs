//! Answers from files: the rules that a server would have that was started with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_authz::{
    Ask, Grounds, ReviewKind, RuleBook, RuleBookBuilder, RuleObject, Subresource, User, Verb,
    default_objects, kind_objects,
};
use pintle_model::GroupResource;
use serde_json::{Value, json};

use super::ask::{Target, resolve};
use super::{Answer, AuthError, CanI};
use crate::manifests::{self, Manifest, ManifestLimits};
use crate::policies::read_policy;

/// The answer of a server that was started with these files.
pub(super) fn ask(question: &CanI) -> Result<Answer, AuthError> {
    let manifests = load(question)?;
    let (rules, user) = (rules(question, &manifests)?, user(question));
    let verb = Verb::parse(&question.verb);
    let (resource, part) = match Target::parse(&question.resource) {
        Target::Path(path) => {
            let grounds = rules.path_grounds(&user, &verb, &path);
            return Ok(answer(grounds, || format!("no rule gives User {:?} this path", user.name)));
        }
        Target::Resource(resource, part) => (resource, part),
        Target::Plural(plural, part) => (resolve(&plural, declared(&manifests))?, part),
    };
    let ask = Ask {
        verb,
        resource,
        subresource: (!part.is_empty()).then(|| Subresource::parse(&part)),
        namespace: question.namespace.as_deref().map(Arc::from),
        name: question.name.as_deref().map(Arc::from),
    };
    Ok(answer(rules.grounds(&user, &ask), || rules.why_not(&user, &ask)))
}

/// What is allowed in a namespace, as the status of a `SelfSubjectRulesReview`.
pub(super) fn list(question: &CanI) -> Result<Value, AuthError> {
    let rules = rules(question, &load(question)?)?;
    let document = json!({"spec": {"namespace": question.listed_namespace()}});
    let document = document.as_object().cloned().unwrap_or_default();
    let kind = ReviewKind::SelfSubjectRules;
    let answer = rules.review(kind, &user(question), None, &document);
    let answer = answer.map_err(|error| AuthError::Mistyped(format!("{error:?}")))?;
    Ok(answer.get("status").cloned().unwrap_or_default())
}

fn load(question: &CanI) -> Result<Vec<Manifest>, AuthError> {
    Ok(manifests::load(&question.files, &ManifestLimits::default())?.manifests)
}

fn user(question: &CanI) -> User {
    let groups = question.groups.iter().map(|group| Arc::from(group.as_str()));
    User::authenticated(question.user.as_deref().unwrap_or_default(), None, groups)
}

fn answer(grounds: Option<Grounds>, why_not: impl FnOnce() -> String) -> Answer {
    let allowed = grounds.is_some();
    Answer { allowed, why: grounds.map_or_else(why_not, |grounds| grounds.to_string()) }
}

fn rules(question: &CanI, manifests: &[Manifest]) -> Result<RuleBook, AuthError> {
    let mut builder = RuleBookBuilder::new();
    for object in
        default_objects().iter().chain(&manifests.iter().flat_map(kinds).collect::<Vec<_>>())
    {
        builder.add(&RuleObject::of_default(object));
    }
    for file in &question.policy {
        builder.add_policy(&read_policy(file)?);
    }
    for manifest in manifests.iter().filter(|it| it.group() == RBAC) {
        builder.add(&rule(manifest)?);
    }
    Ok(builder.build())
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn declares(manifest: &Manifest) -> bool {
    manifest.kind == "CustomResourceDefinition"
}

/// What a declared kind adds to the default roles.
fn kinds(manifest: &Manifest) -> Vec<pintle_authz::DefaultObject> {
    if declares(manifest) { kind_objects(&resource_of(manifest)) } else { Vec::new() }
}

fn resource_of(definition: &Manifest) -> GroupResource {
    let value = definition.value();
    let text = |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    GroupResource::new(text("/spec/group"), text("/spec/names/plural"))
}

fn rule(manifest: &Manifest) -> Result<RuleObject, AuthError> {
    let plural = format!("{}s", manifest.kind.to_lowercase());
    let namespaced = matches!(plural.as_str(), "roles" | "rolebindings");
    let namespace = manifest.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let namespace = namespace.unwrap_or("default");
    let mut value = manifest.value();
    let labels: BTreeMap<String, String> = value
        .pointer("/metadata/labels")
        .and_then(|labels| serde_json::from_value(labels.clone()).ok())
        .unwrap_or_default();
    let mut body = value.as_object_mut().map(std::mem::take).unwrap_or_default();
    body.remove("metadata");
    let name = manifest.name.as_deref().unwrap_or_default();
    let namespace = namespaced.then_some(namespace);
    Ok(RuleObject::read(&plural, namespace, name, &labels, &body)?)
}

/// The kinds that the files declare.
fn declared(manifests: &[Manifest]) -> impl Iterator<Item = GroupResource> {
    manifests.iter().filter(|it| declares(it)).map(resource_of)
}
