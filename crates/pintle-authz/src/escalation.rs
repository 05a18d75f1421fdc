//! Nobody gives away more than they have: what a write of an RBAC object needs beside the right to
//! write it. The tests are those of upstream.
//!
//! - Whoever writes a role has every right in it, or the verb `escalate` on it.
//! - Whoever writes an aggregated role, which gathers what others will label, has every right that
//!   there is, or `escalate`.
//! - Whoever writes a binding has every right of its role, or the verb `bind` on that role.
//!
//! A write that changes neither what an object gives nor its labels and annotations needs nothing.

use std::fmt;
use std::sync::Arc;

use pintle_model::GroupResource;
use serde_json::{Map, Value};

use crate::rbac::{self, RBAC_GROUP, RoleRef};
use crate::rule::{Matcher, ObjectRule, ResourcePattern, Rule, path_matches};
use crate::rule_set::RuleSet;
use crate::{Ask, Forbidden, RuleBook, User, Verb};

/// A role that no single rule of its writer covers is taken apart into so many rights at most.
const RIGHTS_COMPARED_MAX: usize = 10_000;
/// So many missing rights are named.
const RIGHTS_SHOWN_MAX: usize = 5;

/// An object of `rbac.authorization.k8s.io` that somebody wants to write.
#[derive(Debug, Clone, Copy)]
pub struct RuleWrite<'a> {
    /// `clusterroles`.
    pub plural: &'a str,
    /// Nothing for cluster scope.
    pub namespace: Option<&'a str>,
    /// Nothing in a create, which is asked for without a name.
    pub name: Option<&'a str>,
    /// The top-level fields that it has now.
    pub before: Option<&'a Map<String, Value>>,
    /// Those that it is to have.
    pub after: &'a Map<String, Value>,
}

impl RuleBook {
    /// Refuses a write of an RBAC object that gives away what its writer does not have. What is
    /// written must be well-formed.
    pub fn check_escalation(
        &self,
        user: &Arc<User>,
        write: &RuleWrite<'_>,
    ) -> Result<(), Forbidden> {
        if self.above_rules(user).is_some() {
            return Ok(());
        }
        let checked = match write.plural {
            "roles" | "clusterroles" => self.check_role(user, write),
            _ => self.check_binding(user, write),
        };
        checked.map_err(|(ask, why)| Forbidden::new(user, ask).explained(why))
    }

    fn check_role(&self, user: &User, write: &RuleWrite<'_>) -> Result<(), (Ask, String)> {
        let ask = question("escalate", write.plural, write.namespace, write.name);
        if self.allows(user, &ask) {
            return Ok(());
        }
        let aggregates = |body: &Map<String, Value>| {
            body.get("aggregationRule").is_some_and(|rule| !rule.is_null())
        };
        if aggregates(write.after) || write.before.is_some_and(aggregates) {
            if self.missing(user, None, &everything()).is_empty() {
                return Ok(());
            }
            return Err((
                ask,
                "an aggregationRule gathers whatever rights others label".to_owned(),
            ));
        }
        let rules = rbac::role_rules(write.after).unwrap_or_default();
        self.check_rules(user, write.namespace, &rules).map_err(|why| (ask, why))
    }

    fn check_binding(&self, user: &User, write: &RuleWrite<'_>) -> Result<(), (Ask, String)> {
        let Ok(binding) = rbac::binding(write.namespace, write.after) else { return Ok(()) };
        let (plural, name) = match &binding.role {
            RoleRef::Role { name, .. } => ("roles", name),
            RoleRef::ClusterRole(name) => ("clusterroles", name),
        };
        let ask = question("bind", plural, write.namespace, Some(name));
        if self.allows(user, &ask) {
            return Ok(());
        }
        match self.roles().rules_of(&binding.role) {
            None => {
                let role = &binding.role;
                Err((ask, format!("{role} does not exist, so that what it gives is not known yet")))
            }
            Some(rules) => {
                self.check_rules(user, write.namespace, &rules).map_err(|why| (ask, why))
            }
        }
    }

    fn check_rules(
        &self,
        user: &User,
        namespace: Option<&str>,
        rules: &RuleSet,
    ) -> Result<(), String> {
        let missing = self.missing(user, namespace, rules);
        if missing.is_empty() { Ok(()) } else { Err(in_words(&missing)) }
    }

    /// The rights among `wanted` that a user does not have in a scope.
    fn missing(&self, user: &User, namespace: Option<&str>, wanted: &RuleSet) -> Vec<Lack> {
        let owned: Vec<&Rule> =
            self.gifts(user, namespace).flat_map(|gift| gift.rules.iter()).collect();
        let mut compared = 0;
        let mut missing = Vec::new();
        for rule in wanted.iter() {
            if owned.iter().any(|own| own.covers(rule)) {
                continue;
            }
            compared += rule.rights();
            if compared > RIGHTS_COMPARED_MAX {
                missing.push(Lack::TooMany);
                break;
            }
            let lacks = |right: &Rule| !owned.iter().any(|own| own.covers(right));
            missing.extend(rule.apart().into_iter().filter(lacks).map(Lack::Right));
        }
        missing
    }
}

/// What keeps somebody from giving a role.
enum Lack {
    /// A right that they do not have.
    Right(Rule),
    /// There are so many rights in it that nobody can say.
    TooMany,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right(rule) => rule.fmt(f),
            Self::TooMany => write!(
                f,
                "its rules stand for more than {RIGHTS_COMPARED_MAX} rights, which is too much to \
                 compare: make several roles of it"
            ),
        }
    }
}

fn in_words(missing: &[Lack]) -> String {
    let shown: Vec<String> =
        missing.iter().take(RIGHTS_SHOWN_MAX).map(ToString::to_string).collect();
    let more = missing.len().saturating_sub(RIGHTS_SHOWN_MAX);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("attempting to grant RBAC permissions not currently held: {}{more}", shown.join(", "))
}

fn question(verb: &str, plural: &str, namespace: Option<&str>, name: Option<&str>) -> Ask {
    Ask {
        verb: Verb::parse(verb),
        resource: GroupResource::new(RBAC_GROUP, plural),
        subresource: None,
        namespace: namespace.map(Arc::from),
        name: name.map(Arc::from),
    }
}

fn everything() -> RuleSet {
    let objects = ObjectRule {
        verbs: Matcher::Any,
        groups: Matcher::Any,
        resources: vec![ResourcePattern::Any],
        names: Vec::new(),
    };
    let paths = Rule::Paths { verbs: Matcher::Any, paths: vec!["*".into()] };
    [Rule::Objects(objects), paths].into_iter().collect()
}

impl Rule {
    /// Whether it allows everything that `other` allows, by itself.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Objects(own), Self::Objects(other)) => own.covers(other),
            (Self::Paths { verbs, paths }, Self::Paths { verbs: verbs_of, paths: paths_of }) => {
                let covered = |path| paths.iter().any(|own| path_matches(own, path));
                verbs.covers(verbs_of) && paths_of.iter().all(|path| covered(path))
            }
            (Self::Objects(_), Self::Paths { .. }) | (Self::Paths { .. }, Self::Objects(_)) => {
                false
            }
        }
    }

    /// How many single rights it stands for.
    fn rights(&self) -> usize {
        let count = |matcher: &Matcher| matcher.texts().map_or(1, <[_]>::len);
        let factors = match self {
            Self::Paths { verbs, paths } => [count(verbs), paths.len(), 1, 1],
            Self::Objects(rule) => [
                count(&rule.verbs),
                count(&rule.groups),
                rule.resources.len(),
                rule.names.len().max(1),
            ],
        };
        factors.into_iter().fold(1, usize::saturating_mul)
    }

    /// Its single rights: each of its verbs on each of its resources or paths.
    fn apart(&self) -> Vec<Self> {
        match self {
            Self::Paths { verbs, paths } => {
                let right = |verbs: &Matcher, path: &str| Self::Paths {
                    verbs: verbs.clone(),
                    paths: vec![path.into()],
                };
                let of_path = |path| verbs.apart().iter().map(|it| right(it, path)).collect();
                paths.iter().flat_map(|path| -> Vec<Self> { of_path(path) }).collect()
            }
            Self::Objects(rule) => rule.apart().into_iter().map(Self::Objects).collect(),
        }
    }
}

impl ObjectRule {
    fn covers(&self, other: &Self) -> bool {
        self.verbs.covers(&other.verbs)
            && self.groups.covers(&other.groups)
            && other.resources.iter().all(|it| self.resources.iter().any(|own| own.covers(it)))
            && self.covers_names(&other.names)
    }

    /// No names mean every name.
    fn covers_names(&self, others: &[Box<str>]) -> bool {
        let named = !others.is_empty() && others.iter().all(|name| self.names.contains(name));
        self.names.is_empty() || named
    }

    fn apart(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for verbs in self.verbs.apart() {
            for groups in self.groups.apart() {
                for resource in &self.resources {
                    found.extend(self.names_apart().into_iter().map(|names| Self {
                        verbs: verbs.clone(),
                        groups: groups.clone(),
                        resources: vec![resource.clone()],
                        names,
                    }));
                }
            }
        }
        found
    }

    fn names_apart(&self) -> Vec<Vec<Box<str>>> {
        if self.names.is_empty() {
            return vec![Vec::new()];
        }
        self.names.iter().map(|name| vec![name.clone()]).collect()
    }
}

impl Matcher {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::OneOf(_), Self::Any) => false,
            (Self::OneOf(own), Self::OneOf(others)) => others.iter().all(|it| own.contains(it)),
        }
    }

    fn apart(&self) -> Vec<Self> {
        match self {
            Self::Any => vec![Self::Any],
            Self::OneOf(texts) => texts.iter().map(|it| Self::OneOf(vec![it.clone()])).collect(),
        }
    }
}

impl ResourcePattern {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (Self::AnyObjects, Self::Objects(_)) => true,
            (Self::AnyWith(own), Self::Part(_, part)) => own == part,
            (Self::WithParts(own), Self::Objects(plural) | Self::Part(plural, _)) => own == plural,
            (own, other) => own == other,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paths { verbs, paths } => write!(f, "{verbs} {}", paths.join(" ")),
            Self::Objects(rule) => rule.fmt(f),
        }
    }
}

/// `get devices/status in API group "infra.example.io"`.
impl fmt::Display for ObjectRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verbs, groups, resources, names } = self;
        let resources: Vec<String> = resources.iter().map(ToString::to_string).collect();
        write!(f, "{verbs} {} in API group \"{groups}\"", resources.join(","))?;
        if names.is_empty() { Ok(()) } else { write!(f, " named {}", names.join(",")) }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().map_or_else(|| "*".to_owned(), |texts| texts.join(",")))
    }
}

impl fmt::Display for ResourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::AnyWith(part) => write!(f, "*/{part}"),
            Self::Objects(plural) => f.write_str(plural),
            Self::Part(plural, part) => write!(f, "{plural}/{part}"),
            Self::AnyObjects => f.write_str("* without subresources"),
            Self::WithParts(plural) => write!(f, "{plural} with subresources"),
        }
    }
}
