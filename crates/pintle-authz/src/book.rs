//! The rules of one moment, indexed by who they are for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use pintle_model::GroupResource;

use crate::rbac::Subject;
use crate::roles::Roles;
use crate::rule_set::RuleSet;
use crate::user::MASTERS;
use crate::{Ask, Asks, Forbidden, Granted, Grounds, PathForbidden, Subresource, User, Verb};

/// An immutable snapshot of all rules. Looking something up costs one look at the caller's name and
/// one at each of their groups, however many bindings there are.
#[derive(Debug, Default)]
pub struct RuleBook {
    allow_all: bool,
    users: HashMap<Arc<str>, Rights>,
    groups: HashMap<Arc<str>, Rights>,
    /// What can be given out, for whoever wants to.
    roles: Roles,
}

/// What one user or one group was given.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// In every namespace and at cluster scope.
    everywhere: Vec<Gift>,
    by_namespace: HashMap<Arc<str>, Vec<Gift>>,
}

/// What one binding gives to one subject.
#[derive(Debug)]
pub(crate) struct Gift {
    pub(crate) rules: RuleSet,
    grounds: Arc<str>,
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

/// Resources that show the same objects: rights to the second are rights to the first.
const SAME: [(&str, &str); 1] = [("events", "events.events.k8s.io")];

impl RuleBook {
    /// Everybody may do everything: a server without authorisation.
    pub fn allow_all() -> Self {
        Self { allow_all: true, ..Self::default() }
    }

    /// Asks the rules, and seals the request when they allow it.
    pub fn grant<A: Asks>(&self, user: &Arc<User>, request: A) -> Result<Granted<A>, Forbidden> {
        let ask = request.ask();
        match self.grounds(user, &ask) {
            Some(grounds) => Ok(Granted::new(Arc::clone(user), ask, grounds, request)),
            None => Err(Forbidden::new(user, ask)),
        }
    }

    /// Whether the rules allow it.
    pub fn allows(&self, user: &User, ask: &Ask) -> bool {
        self.grounds(user, ask).is_some()
    }

    /// Why the rules allow it; nothing when they do not.
    pub fn grounds(&self, user: &User, ask: &Ask) -> Option<Grounds> {
        if !self.may_be_acted(user) {
            return None;
        }
        self.above_rules(user).or_else(|| self.given(user, ask)).or_else(|| {
            let (_, other) =
                SAME.iter().find(|(resource, _)| ask.resource.as_str() == *resource)?;
            let resource = GroupResource::from_text(other);
            self.given(user, &Ask { resource, ..ask.clone() })
        })
    }

    fn given(&self, user: &User, ask: &Ask) -> Option<Grounds> {
        let mut gifts = self.gifts(user, ask.namespace.as_deref());
        gifts.find(|gift| gift.rules.allows(ask)).map(Gift::grounds)
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
        if !self.may_be_acted(user) {
            return Reach::Nowhere;
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
        self.path_grounds(user, verb, path).is_some()
    }

    /// Why the rules allow a request for a path; nothing when they do not.
    pub fn path_grounds(&self, user: &User, verb: &Verb, path: &str) -> Option<Grounds> {
        if !self.may_be_acted(user) {
            return None;
        }
        self.above_rules(user).or_else(|| {
            let allows =
                |gift: &Gift| gift.rules.for_paths().any(|rule| rule.allows_path(verb, path));
            self.gifts(user, None).find(|gift| allows(gift)).map(Gift::grounds)
        })
    }

    /// What a user was given that counts in a namespace, or at cluster scope.
    pub(crate) fn gifts<'a>(
        &'a self,
        user: &'a User,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Gift> {
        self.rights_of(user).flat_map(move |rights| rights.in_scope(namespace))
    }

    pub(crate) const fn roles(&self) -> &Roles {
        &self.roles
    }

    pub(crate) fn keep_roles(&mut self, roles: Roles) {
        self.roles = roles;
    }

    pub(crate) fn give(
        &mut self,
        subject: &Subject,
        namespace: Option<&Arc<str>>,
        rules: RuleSet,
        grounds: Arc<str>,
    ) {
        let rights = match subject {
            Subject::User(name) => self.users.entry(Arc::clone(name)).or_default(),
            Subject::Group(name) => self.groups.entry(Arc::clone(name)).or_default(),
        };
        let gifts = match namespace {
            None => &mut rights.everywhere,
            Some(namespace) => rights.by_namespace.entry(Arc::clone(namespace)).or_default(),
        };
        gifts.push(Gift { rules, grounds });
    }

    /// Why a user may do everything, if they may.
    pub(crate) fn above_rules(&self, user: &User) -> Option<Grounds> {
        if self.allow_all {
            Some(Grounds::Open)
        } else {
            user.is_in(MASTERS).then_some(Grounds::Masters)
        }
    }

    fn rights_of(&self, user: &User) -> impl Iterator<Item = &Rights> {
        let groups = user.groups.iter().filter_map(|group| self.groups.get(group));
        self.users.get(&user.name).into_iter().chain(groups)
    }
}

impl Gift {
    fn grounds(&self) -> Grounds {
        Grounds::Given(Arc::clone(&self.grounds))
    }
}

impl Rights {
    /// What counts in a namespace, or at cluster scope.
    fn in_scope(&self, namespace: Option<&str>) -> impl Iterator<Item = &Gift> {
        let here = namespace.and_then(|namespace| self.by_namespace.get(namespace));
        self.everywhere.iter().chain(here.into_iter().flatten())
    }

    fn namespaces_that_allow(&self, ask: &Ask) -> impl Iterator<Item = &Arc<str>> {
        self.by_namespace
            .iter()
            .filter(|(_, gifts)| gifts.iter().any(|gift| gift.rules.allows(ask)))
            .map(|(namespace, _)| namespace)
    }
}
