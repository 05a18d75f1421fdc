//! The rules of one moment, indexed by who they are for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use pintle_model::GroupResource;

use crate::rule::{Rule, RuleSet};
use crate::user::MASTERS;
use crate::{Ask, Asks, Forbidden, Granted, PathForbidden, Subresource, User, Verb};

/// An immutable snapshot of all rules. Looking something up costs one look at the caller's name and
/// one at each of their groups, however many bindings there are.
#[derive(Debug, Default)]
pub struct RuleBook {
    allow_all: bool,
    users: HashMap<Arc<str>, Rights>,
    groups: HashMap<Arc<str>, Rights>,
}

/// What one user or one group was given.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// In every namespace and at cluster scope.
    everywhere: Vec<RuleSet>,
    by_namespace: HashMap<Arc<str>, Vec<RuleSet>>,
}

/// Whom rights are given to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    User(Arc<str>),
    Group(Arc<str>),
}

/// Where a user may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// In every namespace and at cluster scope.
    Everywhere,
    /// In these namespaces, sorted; never empty.
    Namespaces(Vec<Arc<str>>),
    /// Nowhere.
    Nowhere,
}

impl RuleBook {
    /// Everybody may do everything: a server without authorisation.
    pub fn allow_all() -> Self {
        Self { allow_all: true, ..Self::default() }
    }

    /// Asks the rules, and seals the request when they allow it.
    pub fn grant<A: Asks>(&self, user: &Arc<User>, request: A) -> Result<Granted<A>, Forbidden> {
        let ask = request.ask();
        if self.allows(user, &ask) {
            Ok(Granted::new(Arc::clone(user), ask, request))
        } else {
            Err(Forbidden::new(user, ask))
        }
    }

    /// Whether the rules allow it.
    pub fn allows(&self, user: &User, ask: &Ask) -> bool {
        self.may_do_everything(user)
            || self.rights_of(user).any(|rights| {
                rights.in_scope(ask.namespace.as_deref()).any(|rule| rule.allows(ask))
            })
    }

    /// Where a user may do something to objects without naming one, as a list over all namespaces
    /// needs to know. Rules for single names do not count.
    pub fn namespaces(
        &self,
        user: &User,
        verb: &Verb,
        resource: &GroupResource,
        subresource: Option<&Subresource>,
    ) -> Reach {
        let ask = Ask {
            verb: verb.clone(),
            resource: resource.clone(),
            subresource: subresource.cloned(),
            namespace: None,
            name: None,
        };
        if self.allows(user, &ask) {
            return Reach::Everywhere;
        }
        let found: BTreeSet<&Arc<str>> =
            self.rights_of(user).flat_map(|rights| rights.namespaces_that_allow(&ask)).collect();
        if found.is_empty() {
            Reach::Nowhere
        } else {
            Reach::Namespaces(found.into_iter().cloned().collect())
        }
    }

    /// Asks the rules about a path that belongs to no resource, as [`RuleBook::allows_path`] does.
    pub fn check_path(
        &self,
        user: &Arc<User>,
        verb: &Verb,
        path: &str,
    ) -> Result<(), PathForbidden> {
        if self.allows_path(user, verb, path) {
            return Ok(());
        }
        Err(PathForbidden { user: Arc::clone(user), verb: verb.clone(), path: path.to_owned() })
    }

    /// Whether the rules allow a request for a path that belongs to no resource (`/metrics`). The
    /// verb is the HTTP method in lower case.
    pub fn allows_path(&self, user: &User, verb: &Verb, path: &str) -> bool {
        self.may_do_everything(user)
            || self
                .rights_of(user)
                .any(|rights| rights.in_scope(None).any(|rule| rule.allows_path(verb, path)))
    }

    pub(crate) fn give(&mut self, subject: Subject, namespace: Option<Arc<str>>, rules: RuleSet) {
        let rights = match subject {
            Subject::User(name) => self.users.entry(name).or_default(),
            Subject::Group(name) => self.groups.entry(name).or_default(),
        };
        match namespace {
            None => rights.everywhere.push(rules),
            Some(namespace) => rights.by_namespace.entry(namespace).or_default().push(rules),
        }
    }

    fn may_do_everything(&self, user: &User) -> bool {
        self.allow_all || user.is_in(MASTERS)
    }

    fn rights_of(&self, user: &User) -> impl Iterator<Item = &Rights> {
        let groups = user.groups.iter().filter_map(|group| self.groups.get(group));
        self.users.get(&user.name).into_iter().chain(groups)
    }
}

impl Rights {
    /// The rules that count in a namespace, or at cluster scope.
    fn in_scope(&self, namespace: Option<&str>) -> impl Iterator<Item = &Rule> {
        let here = namespace.and_then(|namespace| self.by_namespace.get(namespace));
        self.everywhere.iter().chain(here.into_iter().flatten()).flat_map(|rules| rules.iter())
    }

    fn namespaces_that_allow(&self, ask: &Ask) -> impl Iterator<Item = &Arc<str>> {
        self.by_namespace
            .iter()
            .filter(|(_, sets)| sets.iter().flat_map(|set| set.iter()).any(|rule| rule.allows(ask)))
            .map(|(namespace, _)| namespace)
    }
}
