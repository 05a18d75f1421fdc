//! The four kinds of `rbac.authorization.k8s.io/v1`, read from their JSON. The checks are those of
//! upstream's validation: an object that it would refuse gives no rights here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use pintle_model::{LabelSelector, Requirement};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::rule::{Matcher, ObjectRule, ResourcePattern, Rule};
use crate::rule_set::RuleSet;
use crate::user::SERVICE_ACCOUNT_PREFIX;

pub(crate) const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// A role may have so many rules, a binding so many subjects, each list in a rule so many entries.
const RULES_MAX: usize = 1_000;
const SUBJECTS_MAX: usize = 10_000;
const RULE_ENTRIES_MAX: usize = 1_000;
const SELECTORS_MAX: usize = 100;

/// The rules of a `ClusterRole`.
#[derive(Debug)]
pub(crate) enum ClusterRoleRules {
    Own(RuleSet),
    /// Those of every `ClusterRole` that one of these selects; its own are ignored, because
    /// upstream's controller overwrites them.
    Aggregated(Vec<LabelSelector>),
}

/// A `RoleBinding` or a `ClusterRoleBinding`.
#[derive(Debug)]
pub(crate) struct Binding {
    /// Nothing for a `ClusterRoleBinding`.
    pub(crate) namespace: Option<Arc<str>>,
    pub(crate) role: RoleRef,
    pub(crate) subjects: Vec<Subject>,
}

/// The role that a binding gives out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum RoleRef {
    /// In the namespace of the binding.
    Role {
        namespace: Arc<str>,
        name: Box<str>,
    },
    ClusterRole(Box<str>),
}

/// Whom rights are given to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    User(Arc<str>),
    Group(Arc<str>),
}

impl fmt::Display for RoleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role { name, .. } => write!(f, "Role {name:?}"),
            Self::ClusterRole(name) => write!(f, "ClusterRole {name:?}"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "User {name:?}"),
            Self::Group(name) => write!(f, "Group {name:?}"),
        }
    }
}

/// Reads a `Role`.
pub(crate) fn role(body: &Map<String, Value>) -> Result<RuleSet, String> {
    let body: RoleBody = read(body)?;
    let rules = rules(body.rules)?;
    if rules.iter().any(|rule| matches!(rule, Rule::Paths { .. })) {
        return Err("rules of a namespace cannot apply to nonResourceURLs".to_owned());
    }
    Ok(rules)
}

/// Reads a `ClusterRole`.
pub(crate) fn cluster_role(body: &Map<String, Value>) -> Result<ClusterRoleRules, String> {
    let body: RoleBody = read(body)?;
    match body.aggregation_rule {
        None => Ok(ClusterRoleRules::Own(rules(body.rules)?)),
        Some(aggregation) => {
            let selectors = aggregation.cluster_role_selectors.unwrap_or_default();
            at_most("clusterRoleSelectors", selectors.len(), SELECTORS_MAX)?;
            let selectors = selectors.into_iter().map(SelectorBody::compile);
            Ok(ClusterRoleRules::Aggregated(selectors.collect::<Result<_, _>>()?))
        }
    }
}

/// What stands in `rules` of a role of either kind.
pub(crate) fn role_rules(body: &Map<String, Value>) -> Result<RuleSet, String> {
    rules(read::<RoleBody>(body)?.rules)
}

/// Reads a `RoleBinding` (with its namespace) or a `ClusterRoleBinding`.
pub(crate) fn binding(
    namespace: Option<&str>,
    body: &Map<String, Value>,
) -> Result<Binding, String> {
    let body: BindingBody = read(body)?;
    let subjects = body.subjects.unwrap_or_default();
    at_most("subjects", subjects.len(), SUBJECTS_MAX)?;
    let subjects = subjects.into_iter().enumerate().map(|(index, subject)| {
        subject.compile(namespace).map_err(|why| format!("subjects[{index}]: {why}"))
    });
    Ok(Binding {
        namespace: namespace.map(Arc::from),
        role: body.role_ref.compile(namespace).map_err(|why| format!("roleRef: {why}"))?,
        subjects: subjects.collect::<Result<_, _>>()?,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleBody {
    rules: Option<Vec<RuleBody>>,
    aggregation_rule: Option<AggregationBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregationBody {
    cluster_role_selectors: Option<Vec<SelectorBody>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SelectorBody {
    match_labels: Option<BTreeMap<String, String>>,
    match_expressions: Option<Vec<ExpressionBody>>,
}

#[derive(Deserialize)]
struct ExpressionBody {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RuleBody {
    verbs: Option<Vec<String>>,
    #[serde(rename = "apiGroups")]
    api_groups: Option<Vec<String>>,
    resources: Option<Vec<String>>,
    #[serde(rename = "resourceNames")]
    resource_names: Option<Vec<String>>,
    #[serde(rename = "nonResourceURLs")]
    non_resource_urls: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BindingBody {
    role_ref: RoleRefBody,
    subjects: Option<Vec<SubjectBody>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleRefBody {
    #[serde(default)]
    api_group: String,
    kind: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubjectBody {
    #[serde(default)]
    api_group: String,
    kind: String,
    name: String,
    #[serde(default)]
    namespace: String,
}

fn read<'b, T: Deserialize<'b>>(body: &'b Map<String, Value>) -> Result<T, String> {
    T::deserialize(body).map_err(|error| error.to_string())
}

fn at_most(what: &str, found: usize, max: usize) -> Result<(), String> {
    if found > max { Err(format!("{found} {what}; {max} are allowed")) } else { Ok(()) }
}

fn rules(rules: Option<Vec<RuleBody>>) -> Result<RuleSet, String> {
    let rules = rules.unwrap_or_default();
    at_most("rules", rules.len(), RULES_MAX)?;
    let compiled = rules
        .into_iter()
        .enumerate()
        .map(|(index, rule)| rule.compile().map_err(|why| format!("rules[{index}]: {why}")));
    compiled.collect()
}

impl RuleBody {
    fn compile(self) -> Result<Rule, String> {
        let verbs = entries("verbs", self.verbs)?;
        let groups = entries("apiGroups", self.api_groups)?;
        let resources = entries("resources", self.resources)?;
        let names = entries("resourceNames", self.resource_names)?;
        let paths = entries("nonResourceURLs", self.non_resource_urls)?;
        if verbs.is_empty() {
            return Err("verbs must contain at least one value".to_owned());
        }
        let verbs = Matcher::of(verbs);
        let for_objects = !(groups.is_empty() && resources.is_empty() && names.is_empty());
        match (paths.is_empty(), for_objects) {
            (false, true) => {
                Err("a rule is for resources or for nonResourceURLs, not for both".to_owned())
            }
            (false, false) => Ok(Rule::Paths { verbs, paths }),
            (true, _) if groups.is_empty() => {
                Err("apiGroups must contain at least one value; the core group is \"\"".to_owned())
            }
            (true, _) if resources.is_empty() => {
                Err("resources must contain at least one value".to_owned())
            }
            (true, _) => Ok(Rule::Objects(ObjectRule {
                verbs,
                groups: Matcher::of(groups),
                resources: resources.iter().map(|text| ResourcePattern::parse(text)).collect(),
                names,
            })),
        }
    }
}

fn entries(what: &str, texts: Option<Vec<String>>) -> Result<Vec<Box<str>>, String> {
    let texts = texts.unwrap_or_default();
    at_most(what, texts.len(), RULE_ENTRIES_MAX)?;
    Ok(texts.into_iter().map(String::into_boxed_str).collect())
}

impl SelectorBody {
    fn compile(self) -> Result<LabelSelector, String> {
        let equal = self.match_labels.unwrap_or_default().into_iter();
        let mut requirements: Vec<_> =
            equal.map(|(key, value)| (key, Requirement::In(vec![value]))).collect();
        for expression in self.match_expressions.unwrap_or_default() {
            requirements.push(expression.compile()?);
        }
        LabelSelector::new(requirements).map_err(|error| error.to_string())
    }
}

impl ExpressionBody {
    fn compile(self) -> Result<(String, Requirement), String> {
        let values = self.values.unwrap_or_default();
        let requirement = match (&*self.operator, values.is_empty()) {
            ("In", false) => Requirement::In(values),
            ("NotIn", false) => Requirement::NotIn(values),
            ("Exists", true) => Requirement::Exists,
            ("DoesNotExist", true) => Requirement::Absent,
            ("In" | "NotIn", true) => {
                return Err(format!("operator {} needs values", self.operator));
            }
            ("Exists" | "DoesNotExist", false) => {
                return Err(format!("operator {} takes no values", self.operator));
            }
            _ => {
                return Err(format!(
                    "unknown operator {:?}; expected In, NotIn, Exists or DoesNotExist",
                    self.operator
                ));
            }
        };
        Ok((self.key, requirement))
    }
}

impl RoleRefBody {
    fn compile(self, namespace: Option<&str>) -> Result<RoleRef, String> {
        check_group(&self.api_group)?;
        if self.name.is_empty() {
            return Err("name is required".to_owned());
        }
        match (&*self.kind, namespace) {
            ("ClusterRole", _) => Ok(RoleRef::ClusterRole(self.name.into())),
            ("Role", Some(namespace)) => {
                Ok(RoleRef::Role { namespace: namespace.into(), name: self.name.into() })
            }
            ("Role", None) => Err("a ClusterRoleBinding cannot give out a Role".to_owned()),
            (other, _) => Err(format!("unknown kind {other:?}; expected Role or ClusterRole")),
        }
    }
}

impl SubjectBody {
    /// A service account without a namespace lives in the namespace of the binding.
    fn compile(self, binding_namespace: Option<&str>) -> Result<Subject, String> {
        if self.name.is_empty() {
            return Err("name is required".to_owned());
        }
        match &*self.kind {
            "User" => check_group(&self.api_group).map(|()| Subject::User(self.name.into())),
            "Group" => check_group(&self.api_group).map(|()| Subject::Group(self.name.into())),
            "ServiceAccount" if !self.api_group.is_empty() => {
                Err(format!("apiGroup {:?} has no service accounts; leave it out", self.api_group))
            }
            "ServiceAccount" => {
                let own = Some(&*self.namespace).filter(|namespace| !namespace.is_empty());
                let namespace =
                    own.or(binding_namespace).ok_or("a service account needs a namespace here")?;
                let name = &self.name;
                Ok(Subject::User(format!("{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}").into()))
            }
            other => Err(format!("unknown kind {other:?}; expected User, Group or ServiceAccount")),
        }
    }
}

/// Upstream fills in a group that was left out.
fn check_group(group: &str) -> Result<(), String> {
    if group.is_empty() || group == RBAC_GROUP {
        Ok(())
    } else {
        Err(format!("unknown apiGroup {group:?}; expected {RBAC_GROUP}"))
    }
}
