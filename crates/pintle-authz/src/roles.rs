//! Roles by their names, and what they hold together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::rbac::{ClusterRoleRules, RoleRef};
use crate::rule_set::RuleSet;

/// All roles of RBAC objects.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    /// By namespace and name.
    roles: HashMap<(Arc<str>, Box<str>), RuleSet>,
    cluster_roles: HashMap<Box<str>, ClusterRole>,
}

#[derive(Debug)]
struct ClusterRole {
    labels: BTreeMap<String, String>,
    rules: Arc<ClusterRoleRules>,
}

impl Roles {
    pub(crate) fn put_role(&mut self, namespace: Arc<str>, name: Box<str>, rules: RuleSet) {
        self.roles.insert((namespace, name), rules);
    }

    pub(crate) fn put_cluster_role(
        &mut self,
        name: Box<str>,
        labels: BTreeMap<String, String>,
        rules: Arc<ClusterRoleRules>,
    ) {
        self.cluster_roles.insert(name, ClusterRole { labels, rules });
    }

    /// What a role gives; nothing when it does not exist.
    pub(crate) fn rules_of(&self, role: &RoleRef) -> Option<RuleSet> {
        match role {
            RoleRef::Role { namespace, name } => {
                self.roles.get(&(Arc::clone(namespace), name.clone())).cloned()
            }
            RoleRef::ClusterRole(name) => self.rules_of_cluster_role(name),
        }
    }

    fn rules_of_cluster_role(&self, name: &str) -> Option<RuleSet> {
        let role = self.cluster_roles.get(name)?;
        match &*role.rules {
            ClusterRoleRules::Own(rules) => Some(rules.clone()),
            ClusterRoleRules::Aggregated(_) => Some(RuleSet::joined(&self.aggregated(name, role))),
        }
    }

    /// Follows aggregation, which may go over several roles and in circles.
    fn aggregated<'a>(&'a self, name: &'a str, role: &'a ClusterRole) -> Vec<&'a RuleSet> {
        let mut found = Vec::new();
        let mut seen = HashSet::from([name]);
        let mut open = vec![role];
        while let Some(role) = open.pop() {
            match &*role.rules {
                ClusterRoleRules::Own(rules) => found.push(rules),
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
