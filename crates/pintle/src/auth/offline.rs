//! Answers from files: the rules that a server would have that was started with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_authz::{
    Ask, Grounds, RuleBook, RuleBookBuilder, RuleObject, Subresource, User, Verb, default_objects,
    kind_objects,
};
use pintle_model::GroupResource;
use serde_json::Value;

use super::ask::Target;
use super::{AuthError, CanI};
use crate::manifests::{self, Manifest, ManifestLimits};
use crate::policies::read_policy;

/// Why it is allowed; nothing when it is not.
pub(super) fn ask(question: &CanI) -> Result<Option<String>, AuthError> {
    let manifests = manifests::load(&question.files, &ManifestLimits::default())?.manifests;
    let rules = rules(question, &manifests)?;
    let groups = question.groups.iter().map(|group| Arc::from(group.as_str()));
    let user = User::authenticated(question.user.as_deref().unwrap_or_default(), None, groups);
    let verb = Verb::parse(&question.verb);
    let (resource, part) = match Target::parse(&question.resource) {
        Target::Path(path) => {
            return Ok(rules.path_grounds(&user, &verb, &path).map(|it| it.to_string()));
        }
        Target::Resource(resource, part) => (resource, part),
        Target::Plural(plural, part) => (declared(&plural, &manifests)?, part),
    };
    let ask = Ask {
        verb,
        resource,
        subresource: (!part.is_empty()).then(|| Subresource::parse(&part)),
        namespace: question.namespace.as_deref().map(Arc::from),
        name: question.name.as_deref().map(Arc::from),
    };
    Ok(rules.grounds(&user, &ask).map(|grounds: Grounds| grounds.to_string()))
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
    for manifest in manifests.iter().filter(|it| text(it, "/apiVersion").starts_with(RBAC)) {
        builder.add(&rule(manifest)?);
    }
    Ok(builder.build())
}

const RBAC: &str = "rbac.authorization.k8s.io/";

fn text<'m>(manifest: &'m Manifest, pointer: &str) -> &'m str {
    manifest.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What a declared kind adds to the default roles.
fn kinds(manifest: &Manifest) -> Vec<pintle_authz::DefaultObject> {
    let declares = text(manifest, "/kind") == "CustomResourceDefinition";
    if declares { kind_objects(&resource_of(manifest)) } else { Vec::new() }
}

fn resource_of(definition: &Manifest) -> GroupResource {
    GroupResource::new(text(definition, "/spec/group"), text(definition, "/spec/names/plural"))
}

fn rule(manifest: &Manifest) -> Result<RuleObject, AuthError> {
    let plural = format!("{}s", text(manifest, "/kind").to_lowercase());
    let namespaced = matches!(plural.as_str(), "roles" | "rolebindings");
    let namespace = match text(manifest, "/metadata/namespace") {
        "" => "default",
        namespace => namespace,
    };
    let labels: BTreeMap<String, String> = manifest
        .value
        .pointer("/metadata/labels")
        .and_then(|labels| serde_json::from_value(labels.clone()).ok())
        .unwrap_or_default();
    let mut body = manifest.value.as_object().cloned().unwrap_or_default();
    body.remove("metadata");
    let name = text(manifest, "/metadata/name");
    let namespace = namespaced.then_some(namespace);
    Ok(RuleObject::read(&plural, namespace, name, &labels, &body)?)
}

/// The resource of a kind that the files declare.
fn declared(plural: &str, manifests: &[Manifest]) -> Result<GroupResource, AuthError> {
    let is_meant = |it: &&Manifest| {
        text(it, "/kind") == "CustomResourceDefinition" && text(it, "/spec/names/plural") == plural
    };
    let mut found = manifests.iter().filter(is_meant).map(resource_of);
    match (found.next(), found.next()) {
        (Some(resource), None) => Ok(resource),
        (None, _) => Err(unknown(plural, "no file declares such a kind")),
        (Some(_), Some(_)) => Err(unknown(plural, "several groups have such a kind")),
    }
}

pub(super) fn unknown(plural: &str, why: impl Into<String>) -> AuthError {
    AuthError::Group { plural: plural.to_owned(), why: why.into() }
}
