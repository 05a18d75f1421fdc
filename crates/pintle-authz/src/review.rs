//! Questions about rights in the form of `authorization.k8s.io/v1` and `authentication.k8s.io/v1`:
//! a document comes in, and goes out with its `status`. Nothing is stored.
//!
//! Doors ask the rules for [`ReviewKind::ask`] first: a review is a `create`, and a right of its
//! own.

use std::sync::Arc;

use pintle_model::{FieldError, GroupResource};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::rule::{ObjectRule, ResourcePattern, Rule};
use crate::{Ask, Grounds, RuleBook, Subresource, User, Verb};

const AUTHORIZATION: &str = "authorization.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// What is done with objects.
const VERBS: [&str; 8] =
    ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// The groups of a user that is asked about are at most so many.
const GROUPS_MAX: usize = 1_000;

/// The sorts of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewKind {
    /// May somebody do this?
    SubjectAccess,
    /// May somebody do this in one namespace?
    LocalSubjectAccess,
    /// May I do this?
    SelfSubjectAccess,
    /// What may I do in a namespace?
    SelfSubjectRules,
    /// Who am I?
    SelfSubject,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReviewError {
    /// The document is not of this sort.
    Malformed(String),
    /// Its fields break rules.
    Invalid(FieldError),
}

impl ReviewKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::SubjectAccess,
        Self::LocalSubjectAccess,
        Self::SelfSubjectAccess,
        Self::SelfSubjectRules,
        Self::SelfSubject,
    ];

    /// The one of this plural name, alone or with its group.
    pub fn named(name: &str) -> Option<Self> {
        // Doors ask this of every path, and hardly any is one: so no names are made in vain.
        if !name.split('.').next().is_some_and(|plural| plural.ends_with("reviews")) {
            return None;
        }
        let is_named = |kind: &Self| {
            let resource = kind.resource();
            name == resource.plural() || name == resource.as_str()
        };
        Self::ALL.into_iter().find(is_named)
    }

    /// `SelfSubjectAccessReview`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::SubjectAccess => "SubjectAccessReview",
            Self::LocalSubjectAccess => "LocalSubjectAccessReview",
            Self::SelfSubjectAccess => "SelfSubjectAccessReview",
            Self::SelfSubjectRules => "SelfSubjectRulesReview",
            Self::SelfSubject => "SelfSubjectReview",
        }
    }

    /// `authorization.k8s.io/v1`.
    pub fn api_version(self) -> String {
        format!("{}/v1", self.group())
    }

    /// `authorization.k8s.io`.
    pub const fn group(self) -> &'static str {
        match self {
            Self::SelfSubject => AUTHENTICATION,
            Self::SubjectAccess
            | Self::LocalSubjectAccess
            | Self::SelfSubjectAccess
            | Self::SelfSubjectRules => AUTHORIZATION,
        }
    }

    /// `selfsubjectaccessreviews.authorization.k8s.io`.
    pub fn resource(self) -> GroupResource {
        GroupResource::new(self.group(), &format!("{}s", self.kind().to_ascii_lowercase()))
    }

    /// What the rules are asked before the question is answered.
    pub fn ask(self, namespace: Option<&str>) -> Ask {
        Ask {
            verb: Verb::Create,
            resource: self.resource(),
            subresource: None,
            namespace: namespace.map(Arc::from),
            name: None,
        }
    }
}

impl RuleBook {
    /// Answers a question: the document with its `status`. The namespace is the one in the path, or
    /// in the query, of a local question.
    pub fn review(
        &self,
        kind: ReviewKind,
        caller: &User,
        namespace: Option<&str>,
        document: &Map<String, Value>,
    ) -> Result<Value, ReviewError> {
        check_type(kind, document)?;
        let spec = document.get("spec").cloned().unwrap_or_else(|| json!({}));
        let status = match kind {
            ReviewKind::SelfSubject => identity(caller),
            ReviewKind::SelfSubjectRules => self.rules_status(caller, &read(&spec)?)?,
            ReviewKind::SelfSubjectAccess => self.access_status(caller, &read(&spec)?)?,
            ReviewKind::SubjectAccess => {
                let spec: AccessSpec = read(&spec)?;
                self.access_status(&spec.subject()?, &spec)?
            }
            ReviewKind::LocalSubjectAccess => {
                let spec: AccessSpec = read(&spec)?;
                spec.check_local(namespace)?;
                self.access_status(&spec.subject()?, &spec)?
            }
        };
        let mut answer = json!({
            "apiVersion": kind.api_version(),
            "kind": kind.kind(),
            "metadata": {},
            "status": status,
        });
        if kind != ReviewKind::SelfSubject
            && let Some(answer) = answer.as_object_mut()
        {
            answer.insert("spec".to_owned(), spec);
        }
        Ok(answer)
    }

    fn access_status(&self, user: &User, spec: &AccessSpec) -> Result<Value, ReviewError> {
        let (grounds, why_not) = match (&spec.resource_attributes, &spec.non_resource_attributes) {
            (Some(resource), None) => {
                let ask = resource.ask()?;
                (self.grounds(user, &ask), self.why_not(user, &ask))
            }
            (None, Some(path)) => (
                self.path_grounds(user, &Verb::parse(&path.verb), &path.path),
                format!(
                    "no rule gives User {:?} the path {:?} with this verb",
                    user.name, path.path
                ),
            ),
            (Some(_), Some(_)) => {
                let problem = "cannot be specified in combination with resourceAttributes";
                let path = "spec.nonResourceAttributes";
                return Err(ReviewError::Invalid(FieldError::forbidden(path, problem)));
            }
            (None, None) => {
                let problem = "exactly one of nonResourceAttributes or resourceAttributes must be \
                               specified";
                let path = "spec.resourceAttributes";
                return Err(ReviewError::Invalid(FieldError::required(path, problem)));
            }
        };
        Ok(match grounds {
            None => json!({"allowed": false, "reason": why_not}),
            Some(grounds) => json!({"allowed": true, "reason": reason(&grounds)}),
        })
    }

    /// Why the rules do not allow something: what else they give on the same resource, which tells
    /// a right on the other lane, or another verb, from no right at all.
    pub fn why_not(&self, user: &User, ask: &Ask) -> String {
        let given = |part: Option<Subresource>| {
            let ask = |verb| Ask { verb, subresource: part.clone(), ..ask.clone() };
            let verbs = VERBS.into_iter().filter(|verb| self.allows(user, &ask(Verb::parse(verb))));
            (part.clone(), verbs.collect::<Vec<_>>())
        };
        let mut parts = vec![None, Some(Subresource::Status)];
        if !parts.contains(&ask.subresource) {
            parts.push(ask.subresource.clone());
        }
        let given = parts.into_iter().map(given).filter(|(_, verbs)| !verbs.is_empty());
        let plural = ask.resource.plural();
        let in_words = given.map(|(part, verbs)| {
            let part = part.map(|part| format!("/{part}")).unwrap_or_default();
            format!("{plural}{part}: {}", verbs.join(", "))
        });
        let in_words: Vec<String> = in_words.collect();
        if in_words.is_empty() {
            format!("no rule gives User {:?} any right on {plural} there", user.name)
        } else {
            format!("no rule gives User {:?} this, but {}", user.name, in_words.join("; "))
        }
    }

    fn rules_status(&self, user: &User, spec: &RulesSpec) -> Result<Value, ReviewError> {
        if spec.namespace.is_empty() {
            let problem = "name the namespace to list rights in";
            return Err(ReviewError::Invalid(FieldError::required("spec.namespace", problem)));
        }
        if self.above_rules(user).is_some() {
            return Ok(json!({
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                "incomplete": false,
            }));
        }
        let mut listed = Listed::default();
        for gift in self.gifts(user, Some(&spec.namespace)) {
            gift.rules.iter().for_each(|rule| listed.add(rule));
        }
        Ok(listed.status())
    }
}

/// In upstream's words, where it has some.
fn reason(grounds: &Grounds) -> String {
    match grounds {
        Grounds::Given(text) => format!("RBAC: allowed by {text}"),
        Grounds::Open | Grounds::Masters => grounds.to_string(),
    }
}

fn identity(caller: &User) -> Value {
    let mut info = json!({"username": &*caller.name, "groups": caller.groups});
    if let (Some(uid), Some(info)) = (&caller.uid, info.as_object_mut()) {
        info.insert("uid".to_owned(), json!(&**uid));
    }
    json!({"userInfo": info})
}

/// A document may leave out what it is; it may not say that it is something else.
fn check_type(kind: ReviewKind, document: &Map<String, Value>) -> Result<(), ReviewError> {
    let expected = [("apiVersion", kind.api_version()), ("kind", kind.kind().to_owned())];
    for (field, expected) in expected {
        if document.get(field).is_some_and(|found| *found != *expected) {
            let problem = format!("{field} must be {expected:?} here");
            return Err(ReviewError::Malformed(problem));
        }
    }
    for field in ["metadata", "spec", "status"] {
        if document.get(field).is_some_and(|found| !found.is_object() && !found.is_null()) {
            return Err(ReviewError::Malformed(format!("{field} must be an object")));
        }
    }
    Ok(())
}

fn read<'v, T: Deserialize<'v>>(spec: &'v Value) -> Result<T, ReviewError> {
    T::deserialize(spec).map_err(|error| ReviewError::Malformed(format!("spec: {error}")))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AccessSpec {
    resource_attributes: Option<ResourceAttributes>,
    non_resource_attributes: Option<PathAttributes>,
    user: String,
    groups: Vec<String>,
    uid: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResourceAttributes {
    namespace: String,
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PathAttributes {
    path: String,
    verb: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RulesSpec {
    namespace: String,
}

impl AccessSpec {
    /// Whom it asks about: exactly who is named, in exactly these groups.
    fn subject(&self) -> Result<User, ReviewError> {
        if self.user.is_empty() && self.groups.is_empty() {
            let problem = "at least one of user or group must be specified";
            return Err(ReviewError::Invalid(FieldError::required("spec.user", problem)));
        }
        if self.groups.len() > GROUPS_MAX {
            let problem = format!("{} groups; {GROUPS_MAX} are allowed", self.groups.len());
            return Err(ReviewError::Invalid(FieldError::forbidden("spec.groups", problem)));
        }
        Ok(User {
            name: self.user.as_str().into(),
            uid: Some(self.uid.as_str()).filter(|uid| !uid.is_empty()).map(Arc::from),
            groups: self.groups.iter().map(|group| Arc::from(group.as_str())).collect(),
            acted_by: None,
        })
    }

    fn check_local(&self, namespace: Option<&str>) -> Result<(), ReviewError> {
        let asked = self.resource_attributes.as_ref().map(|asked| asked.namespace.as_str());
        if asked == namespace && namespace.is_some() {
            return Ok(());
        }
        let problem = "must be the namespace of the request, and the question must be about \
                       resources";
        let path = "spec.resourceAttributes.namespace";
        Err(ReviewError::Invalid(FieldError::forbidden(path, problem)))
    }
}

impl ResourceAttributes {
    fn ask(&self) -> Result<Ask, ReviewError> {
        if self.resource.contains(['.', '/']) {
            let problem = "is the plural name alone: the group and the subresource have fields of \
                           their own";
            let (path, found) = ("spec.resourceAttributes.resource", json!(self.resource));
            return Err(ReviewError::Invalid(FieldError::invalid(path, &found, problem)));
        }
        let given = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
        Ok(Ask {
            verb: Verb::parse(&self.verb),
            resource: GroupResource::new(&self.group, &self.resource),
            subresource: (!self.subresource.is_empty())
                .then(|| Subresource::parse(&self.subresource)),
            namespace: given(&self.namespace),
            name: given(&self.name),
        })
    }
}

/// Rules as the answer lists them.
#[derive(Default)]
struct Listed {
    resources: Vec<Value>,
    paths: Vec<Value>,
    /// A rule of a policy file that RBAC has no words for was listed as more than it is.
    rounded: bool,
}

impl Listed {
    fn add(&mut self, rule: &Rule) {
        match rule {
            Rule::Paths { verbs, paths } => {
                self.paths.push(json!({"verbs": texts(verbs.texts()), "nonResourceURLs": paths}));
            }
            Rule::Objects(rule) => self.add_objects(rule),
        }
    }

    fn add_objects(&mut self, rule: &ObjectRule) {
        let patterns = rule.resources.iter();
        self.rounded |= patterns.clone().any(|it| matches!(it, ResourcePattern::AnyObjects));
        let mut listed = json!({
            "verbs": texts(rule.verbs.texts()),
            "apiGroups": texts(rule.groups.texts()),
            "resources": patterns.flat_map(in_rbac).collect::<Vec<_>>(),
        });
        if let (false, Some(listed)) = (rule.names.is_empty(), listed.as_object_mut()) {
            listed.insert("resourceNames".to_owned(), json!(rule.names));
        }
        self.resources.push(listed);
    }

    fn status(self) -> Value {
        let mut status = json!({
            "resourceRules": self.resources,
            "nonResourceRules": self.paths,
            "incomplete": self.rounded,
        });
        if let (true, Some(status)) = (self.rounded, status.as_object_mut()) {
            let problem = "rules of a policy file for all objects without their subresources are \
                           listed as *; ask for single rights";
            status.insert("evaluationError".to_owned(), json!(problem));
        }
        status
    }
}

fn texts(texts: Option<&[Box<str>]>) -> Value {
    texts.map_or_else(|| json!(["*"]), |texts| json!(texts))
}

fn in_rbac(pattern: &ResourcePattern) -> Vec<String> {
    match pattern {
        ResourcePattern::Any | ResourcePattern::AnyObjects => vec!["*".to_owned()],
        ResourcePattern::WithParts(plural) => vec![plural.to_string(), format!("{plural}/*")],
        ResourcePattern::AnyWith(_) | ResourcePattern::Objects(_) | ResourcePattern::Part(..) => {
            vec![pattern.to_string()]
        }
    }
}
