//! The rules in force: made from policies and RBAC objects, and swapped when those change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;
use pintle_authz::{Policy, RuleBook, RuleBookBuilder, RuleObject, kind_objects};
use pintle_model::{GroupResource, Object, ObjectKey, Revision};
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
    mode: AccessMode,
    /// What they were made from last. Whoever makes them anew holds it, so that the newest of all
    /// of it is what comes into force.
    sources: Mutex<Sources>,
    rules: ArcSwap<RuleBook>,
    /// Counts the changes.
    changes: watch::Sender<u64>,
}

/// Everything that rules come from. What was read once is kept for as long as it stays the same.
#[derive(Debug, Default)]
struct Sources {
    policies: Vec<Policy>,
    kinds: HashMap<GroupResource, Vec<RuleObject>>,
    objects: HashMap<ObjectKey, Stored>,
}

/// One version of a stored object, read; nothing when it is malformed.
#[derive(Debug, Clone)]
struct Stored {
    revision: Revision,
    object: Option<RuleObject>,
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
        let RuleSource { mode, policies } = source;
        let access = Self {
            mode,
            sources: Mutex::new(Sources { policies, ..Sources::default() }),
            rules: ArcSwap::from_pointee(RuleBook::default()),
            changes: watch::Sender::new(0),
        };
        access.put_in_force(&access.sources());
        access
    }

    pub(crate) const fn mode(&self) -> AccessMode {
        self.mode
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
        let mut sources = self.sources();
        sources.take_in(declared, objects);
        self.put_in_force(&sources);
    }

    /// Makes the rules anew from these policies, and everything else as it was.
    pub(crate) fn replace_policies(&self, policies: Vec<Policy>) {
        let mut sources = self.sources();
        sources.policies = policies;
        self.put_in_force(&sources);
    }

    fn put_in_force(&self, sources: &Sources) {
        let rules = match self.mode {
            AccessMode::Open => RuleBook::allow_all(),
            AccessMode::Rules => sources.rule_book(),
        };
        self.rules.store(Arc::new(rules));
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().expect("nothing panics while it holds this lock")
    }
}

impl Sources {
    fn take_in(&mut self, declared: &[GroupResource], objects: &[Arc<Object>]) {
        let mut kinds = std::mem::take(&mut self.kinds);
        self.kinds.extend(declared.iter().map(|kind| {
            let known = kinds.remove(kind);
            (kind.clone(), known.unwrap_or_else(|| rules_of_kind(kind)))
        }));
        let mut stored = std::mem::take(&mut self.objects);
        self.objects.extend(objects.iter().map(|object| {
            let known = stored.remove(&object.key).filter(|it| it.revision == object.revision);
            (object.key.clone(), known.unwrap_or_else(|| Stored::read(object)))
        }));
    }

    fn rule_book(&self) -> RuleBook {
        let mut builder = RuleBookBuilder::new();
        for object in self.kinds.values().flatten() {
            builder.add(object);
        }
        for policy in &self.policies {
            builder.add_policy(policy);
        }
        for object in self.objects.values().filter_map(|stored| stored.object.as_ref()) {
            builder.add(object);
        }
        builder.build()
    }
}

fn rules_of_kind(kind: &GroupResource) -> Vec<RuleObject> {
    kind_objects(kind).iter().map(RuleObject::of_default).collect()
}

impl Stored {
    fn read(object: &Object) -> Self {
        let (key, labels) = (&object.key, &object.metadata.labels);
        let (plural, name) = (key.resource.plural(), &key.name.name);
        let read = RuleObject::read(plural, key.namespace(), name, labels, &object.body.to_map());
        let revision = object.revision;
        match read {
            Ok(read) => Self { revision, object: Some(read) },
            Err(error) => {
                tracing::warn!(%error, "a rule was left out");
                Self { revision, object: None }
            }
        }
    }
}
