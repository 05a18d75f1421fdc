//! The rules in force: made from policies and RBAC objects, and swapped when those change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use pintle_authz::{Policy, RuleBook, RuleBookBuilder, default_objects, kind_objects};
use pintle_model::{GroupResource, Object};
use tokio::sync::watch;

/// Whether requests are authorised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessMode {
    /// Everybody may do everything.
    Open,
    /// Only what the rules allow.
    Rules,
}

/// Where the rules come from.
#[derive(Debug, Clone)]
pub struct RuleSource {
    /// Whether requests are authorised at all.
    pub mode: AccessMode,
    /// Policy files, read.
    pub policies: Vec<Policy>,
}

/// The rules in force.
#[derive(Debug)]
pub(crate) struct Access {
    source: RuleSource,
    rules: ArcSwap<RuleBook>,
    /// Counts the changes.
    changes: watch::Sender<u64>,
}

/// The resources whose objects are rules.
pub(crate) const RULE_RESOURCES: [&str; 4] = [
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
];

/// Whether objects of this resource are rules.
pub(crate) fn are_rules(resource: &GroupResource) -> bool {
    RULE_RESOURCES.contains(&resource.as_str())
}

impl Access {
    pub(crate) fn new(source: RuleSource) -> Self {
        let access = Self {
            source,
            rules: ArcSwap::from_pointee(RuleBook::default()),
            changes: watch::Sender::new(0),
        };
        access.rebuild(&[], &[]);
        access
    }

    /// The rules of this moment.
    pub(crate) fn rules(&self) -> Arc<RuleBook> {
        self.rules.load_full()
    }

    /// Tells that the rules changed.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Makes the rules anew from the kinds that are declared and all objects that are rules.
    pub(crate) fn rebuild(&self, declared: &[GroupResource], objects: &[Arc<Object>]) {
        let rules = match self.source.mode {
            AccessMode::Open => RuleBook::allow_all(),
            AccessMode::Rules => self.build(declared, objects),
        };
        self.rules.store(Arc::new(rules));
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn build(&self, declared: &[GroupResource], objects: &[Arc<Object>]) -> RuleBook {
        let mut builder = RuleBookBuilder::new();
        let defaults = default_objects();
        for object in defaults.into_iter().chain(declared.iter().flat_map(kind_objects)) {
            builder.add_default(&object);
        }
        for policy in &self.source.policies {
            builder.add_policy(policy);
        }
        for object in objects {
            let key = &object.key;
            let added = builder.add_object(
                key.resource.plural(),
                key.namespace(),
                &key.name.name,
                &object.metadata.labels,
                &object.body.to_map(),
            );
            if let Err(error) = added {
                tracing::warn!(%error, "a rule was left out");
            }
        }
        builder.build()
    }
}
