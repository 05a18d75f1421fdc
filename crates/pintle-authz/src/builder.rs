//! From policies and RBAC objects to a rule book.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::rbac::{self, Binding, ClusterRoleRules, RoleRef, Subject};
use crate::roles::Roles;
use crate::rule_set::RuleSet;
use crate::{DefaultObject, Policy, RuleBook};

/// Collects rules in any order; bindings find their roles when it builds the book.
#[derive(Debug, Default)]
pub struct RuleBookBuilder {
    book: RuleBook,
    roles: Roles,
    bindings: Vec<(Box<str>, Arc<Binding>)>,
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

/// One object of `rbac.authorization.k8s.io`, read. It can be added to one book after another.
#[derive(Debug, Clone)]
pub struct RuleObject {
    name: Box<str>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Role { namespace: Arc<str>, rules: RuleSet },
    ClusterRole { labels: BTreeMap<String, String>, rules: Arc<ClusterRoleRules> },
    Binding(Arc<Binding>),
}

impl RuleObject {
    /// Reads an object: its plural is `roles`, `clusterroles`, `rolebindings` or
    /// `clusterrolebindings`, and `body` holds its top-level fields without `metadata`.
    pub fn read(
        plural: &str,
        namespace: Option<&str>,
        name: &str,
        labels: &BTreeMap<String, String>,
        body: &Map<String, Value>,
    ) -> Result<Self, RuleError> {
        let what = What::read(plural, namespace, labels, body).map_err(|why| RuleError {
            plural: plural.to_owned(),
            name: namespace.map_or_else(|| name.to_owned(), |place| format!("{place}/{name}")),
            why,
        })?;
        Ok(Self { name: name.into(), what })
    }

    /// One of the objects that exist without anybody having written them.
    pub fn of_default(object: &DefaultObject) -> Self {
        Self::read(object.plural, None, &object.name, &object.labels, &object.body)
            .expect("a test reads every default object")
    }
}

impl What {
    fn read(
        plural: &str,
        namespace: Option<&str>,
        labels: &BTreeMap<String, String>,
        body: &Map<String, Value>,
    ) -> Result<Self, String> {
        match (plural, namespace) {
            ("roles", Some(namespace)) => {
                Ok(Self::Role { namespace: namespace.into(), rules: rbac::role(body)? })
            }
            ("clusterroles", None) => {
                let rules = Arc::new(rbac::cluster_role(body)?);
                Ok(Self::ClusterRole { labels: labels.clone(), rules })
            }
            ("rolebindings", Some(_)) | ("clusterrolebindings", None) => {
                Ok(Self::Binding(Arc::new(rbac::binding(namespace, body)?)))
            }
            ("roles" | "rolebindings", None) => Err("it needs a namespace".to_owned()),
            ("clusterroles" | "clusterrolebindings", Some(_)) => {
                Err("it has no place in a namespace".to_owned())
            }
            _ => Err("it is not a kind of rule".to_owned()),
        }
    }
}

impl RuleBookBuilder {
    /// Nobody may do anything yet, except members of `system:masters`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a policy file gives.
    pub fn add_policy(&mut self, policy: &Policy) {
        for assignment in policy.assignments() {
            let grounds = policy.grounds_of(assignment).into();
            let (subject, namespace) = (&assignment.subject, assignment.namespace.as_ref());
            self.book.give(subject, namespace, assignment.rules.clone(), grounds);
        }
    }

    /// Adds one object of `rbac.authorization.k8s.io`, given as [`RuleObject::read`] takes it. A
    /// malformed object gives no rights.
    pub fn add_object(
        &mut self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
        labels: &BTreeMap<String, String>,
        body: &Map<String, Value>,
    ) -> Result<(), RuleError> {
        self.add(&RuleObject::read(plural, namespace, name, labels, body)?);
        Ok(())
    }

    /// Adds an object that was read. A role of the same name takes the place of an earlier one, a
    /// binding adds to what others give.
    pub fn add(&mut self, object: &RuleObject) {
        let name = object.name.clone();
        match &object.what {
            What::Role { namespace, rules } => {
                self.roles.put_role(Arc::clone(namespace), name, rules.clone());
            }
            What::ClusterRole { labels, rules } => {
                self.roles.put_cluster_role(name, labels.clone(), Arc::clone(rules));
            }
            What::Binding(binding) => self.bindings.push((name, Arc::clone(binding))),
        }
    }

    /// The book. A binding whose role does not exist gives nothing.
    pub fn build(mut self) -> RuleBook {
        let mut known: HashMap<RoleRef, Option<RuleSet>> = HashMap::new();
        for (name, binding) in std::mem::take(&mut self.bindings) {
            let role = &binding.role;
            let rules = known.entry(role.clone()).or_insert_with(|| self.roles.rules_of(role));
            let Some(rules) = rules else { continue };
            for subject in &binding.subjects {
                let grounds = grounds(&name, &binding, subject).into();
                self.book.give(subject, binding.namespace.as_ref(), rules.clone(), grounds);
            }
        }
        self.book.keep_roles(self.roles);
        self.book
    }
}

/// In the words of upstream's authoriser.
fn grounds(name: &str, binding: &Binding, subject: &Subject) -> String {
    let role = &binding.role;
    match &binding.namespace {
        None => format!("ClusterRoleBinding {name:?} of {role} to {subject}"),
        Some(namespace) => {
            format!("RoleBinding {:?} of {role} to {subject}", format!("{name}/{namespace}"))
        }
    }
}
