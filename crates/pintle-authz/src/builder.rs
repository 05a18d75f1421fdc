//! From policies and RBAC objects to a rule book.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::rbac::{self, Binding, ClusterRoleRules, RoleRef};
use crate::rule::RuleSet;
use crate::{DefaultObject, Policy, RuleBook};

/// Collects rules in any order; bindings find their roles when it builds the book.
#[derive(Debug, Default)]
pub struct RuleBookBuilder {
    book: RuleBook,
    /// By namespace and name.
    roles: HashMap<(Box<str>, Box<str>), RuleSet>,
    cluster_roles: HashMap<Box<str>, ClusterRole>,
    bindings: Vec<Binding>,
}

#[derive(Debug)]
struct ClusterRole {
    labels: BTreeMap<String, String>,
    rules: ClusterRoleRules,
}

/// An RBAC object that gives no rights because it is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{plural} {name:?} gives no rights: {why}")]
pub struct RuleError {
    /// `clusterroles`.
    pub plural: String,
    /// `namespace/name`, or the name.
    pub name: String,
    /// What is wrong, where, and what would be right.
    pub why: String,
}

impl RuleBookBuilder {
    /// Nobody may do anything yet, except members of `system:masters`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a policy file gives.
    pub fn add_policy(&mut self, policy: &Policy) {
        for assignment in policy.assignments() {
            let rules = Arc::clone(&assignment.rules);
            self.book.give(assignment.subject.clone(), assignment.namespace.clone(), rules);
        }
    }

    /// Adds one object of `rbac.authorization.k8s.io`: its plural is `roles`, `clusterroles`,
    /// `rolebindings` or `clusterrolebindings`, and `body` holds its top-level fields without
    /// `metadata`. The same object added again takes the place of a role, and adds to a binding.
    ///
    /// A malformed object gives no rights. On an empty builder this is also how to find out whether
    /// an object that somebody wants to store is well-formed.
    pub fn add_object(
        &mut self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
        labels: &BTreeMap<String, String>,
        body: &Map<String, Value>,
    ) -> Result<(), RuleError> {
        self.try_add(plural, namespace, name, labels, body).map_err(|why| RuleError {
            plural: plural.to_owned(),
            name: namespace.map_or_else(|| name.to_owned(), |place| format!("{place}/{name}")),
            why,
        })
    }

    /// Adds one of the objects that exist without anybody having written them. Add them before what
    /// is stored, so that an administrator's version of a role wins.
    pub fn add_default(&mut self, object: &DefaultObject) {
        self.add_object(object.plural, None, &object.name, &object.labels, &object.body)
            .expect("a test reads every default object");
    }

    fn try_add(
        &mut self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
        labels: &BTreeMap<String, String>,
        body: &Map<String, Value>,
    ) -> Result<(), String> {
        match (plural, namespace) {
            ("roles", Some(namespace)) => {
                self.roles.insert((namespace.into(), name.into()), rbac::role(body)?);
            }
            ("clusterroles", None) => {
                let role = ClusterRole { labels: labels.clone(), rules: rbac::cluster_role(body)? };
                self.cluster_roles.insert(name.into(), role);
            }
            ("rolebindings", Some(_)) | ("clusterrolebindings", None) => {
                self.bindings.push(rbac::binding(namespace, body)?);
            }
            ("roles" | "rolebindings", None) => return Err("it needs a namespace".to_owned()),
            ("clusterroles" | "clusterrolebindings", Some(_)) => {
                return Err("it has no place in a namespace".to_owned());
            }
            _ => return Err("it is not a kind of rule".to_owned()),
        }
        Ok(())
    }

    /// The book. A binding whose role does not exist gives nothing.
    pub fn build(mut self) -> RuleBook {
        for binding in std::mem::take(&mut self.bindings) {
            let rules = self.rules_of(&binding);
            for subject in &binding.subjects {
                for set in &rules {
                    self.book.give(subject.clone(), binding.namespace.clone(), Arc::clone(set));
                }
            }
        }
        self.book
    }

    fn rules_of(&self, binding: &Binding) -> Vec<RuleSet> {
        match (&binding.role, &binding.namespace) {
            (RoleRef::ClusterRole(name), _) => self.cluster_role_rules(name),
            (RoleRef::Role(name), Some(namespace)) => {
                let key = (Box::from(&**namespace), name.clone());
                self.roles.get(&key).map(Arc::clone).into_iter().collect()
            }
            (RoleRef::Role(_), None) => Vec::new(),
        }
    }

    /// Follows aggregation, which may go over several roles and in circles.
    fn cluster_role_rules(&self, name: &str) -> Vec<RuleSet> {
        let mut found = Vec::new();
        let mut seen = HashSet::from([name]);
        let mut open: Vec<&ClusterRole> = self.cluster_roles.get(name).into_iter().collect();
        while let Some(role) = open.pop() {
            match &role.rules {
                ClusterRoleRules::Own(rules) => found.push(Arc::clone(rules)),
                ClusterRoleRules::Aggregated(selectors) => {
                    let selected = self.cluster_roles.iter().filter(|(name, other)| {
                        selectors.iter().any(|selector| selector.matches(&other.labels))
                            && seen.insert(name)
                    });
                    open.extend(selected.map(|(_, role)| role));
                }
            }
        }
        found
    }
}
