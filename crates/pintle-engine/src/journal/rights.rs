//! What a caller may see of a journal, and when that becomes less.

use std::collections::HashMap;
use std::sync::Arc;

use pintle_authz::{Ask, Reach, RuleBook, User, Verb};
use pintle_model::{GroupResource, ObjectKey};
use tokio::sync::watch;

use crate::Refusal;
use crate::engine::Shared;

/// So many answers of the rule book are remembered until the rules change.
const ANSWERS_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Rights {
    user: Arc<User>,
    /// The only namespace that is looked at, if there is one.
    namespace: Option<Arc<str>>,
    rules: Arc<RuleBook>,
    /// Where the caller may watch what, of the kinds that are served; without those of which they
    /// may watch nothing.
    reach: Vec<(GroupResource, Reach)>,
    answers: HashMap<(GroupResource, Arc<str>), bool>,
    changed: watch::Receiver<u64>,
}

impl Rights {
    /// The rights of somebody who may watch something at least.
    pub(super) fn of(
        user: Arc<User>,
        namespace: Option<Arc<str>>,
        shared: &Shared,
    ) -> Result<Self, Refusal> {
        // Subscribed before looking: a change in between is looked at again.
        let mut changed = shared.access.changed();
        changed.mark_changed();
        let (rules, reach, answers) = (shared.access.rules(), Vec::new(), HashMap::new());
        let mut rights = Self { user, namespace, rules, reach, answers, changed };
        rights.reach = rights.reach(shared);
        if rights.reach.is_empty() {
            let anything = ask(GroupResource::from_text("*"), rights.namespace.clone());
            rights.rules.grant(&rights.user, anything)?;
        }
        Ok(rights)
    }

    pub(super) fn user(&self) -> &User {
        &self.user
    }

    /// Looks at the rules again if they have changed. A caller who has lost something is told so by
    /// the end of the journal: what follows would have a gap that nobody could see.
    pub(super) fn look(&mut self, shared: &Shared) -> Result<(), Refusal> {
        if !self.changed.has_changed().unwrap_or(false) {
            return Ok(());
        }
        self.changed.borrow_and_update();
        self.rules = shared.access.rules();
        self.answers.clear();
        let reach = self.reach(shared);
        for (resource, before) in std::mem::replace(&mut self.reach, reach) {
            // With a kind that is gone went what there was to see.
            if shared.catalog().get(&resource).is_some() {
                self.check_kept(&resource, before)?;
            }
        }
        Ok(())
    }

    fn check_kept(&self, resource: &GroupResource, before: Reach) -> Result<(), Refusal> {
        let places = match before {
            Reach::Nowhere => Vec::new(),
            Reach::Everywhere => vec![None],
            Reach::Namespaces(namespaces) => namespaces.into_iter().map(Some).collect(),
        };
        for place in places {
            self.rules.grant(&self.user, ask(resource.clone(), place))?;
        }
        Ok(())
    }

    /// Whether the caller may see an object.
    pub(super) fn allow(&mut self, key: &ObjectKey) -> bool {
        let place = (key.resource.clone(), Arc::clone(&key.name.namespace));
        if let Some(answer) = self.answers.get(&place) {
            return *answer;
        }
        let namespace = key.namespace().map(Arc::from);
        let answer = self.rules.allows(&self.user, &ask(key.resource.clone(), namespace));
        if self.answers.len() >= ANSWERS_MAX {
            self.answers.clear();
        }
        self.answers.insert(place, answer);
        answer
    }

    /// Waits until the rules change; for ever without a caller.
    pub(super) async fn changed(rights: Option<&mut Self>) -> Result<(), Refusal> {
        let Some(rights) = rights else { return std::future::pending().await };
        let changed = rights.changed.changed().await;
        // `look` sees what changed.
        rights.changed.mark_changed();
        changed.map_err(|_| Refusal::ShuttingDown)
    }

    fn reach(&self, shared: &Shared) -> Vec<(GroupResource, Reach)> {
        let catalog = shared.catalog();
        let resources = catalog.iter().map(|served| served.resource());
        let reach = resources.map(|resource| {
            let reach = self.reach_of(&resource);
            (resource, reach)
        });
        reach.filter(|(_, reach)| *reach != Reach::Nowhere).collect()
    }

    fn reach_of(&self, resource: &GroupResource) -> Reach {
        let Some(namespace) = &self.namespace else {
            return self.rules.namespaces(&self.user, &Verb::Watch, resource, None);
        };
        let here = Some(Arc::clone(namespace));
        if self.rules.allows(&self.user, &ask(resource.clone(), here)) {
            Reach::Namespaces(vec![Arc::clone(namespace)])
        } else {
            Reach::Nowhere
        }
    }
}

fn ask(resource: GroupResource, namespace: Option<Arc<str>>) -> Ask {
    Ask { verb: Verb::Watch, resource, subresource: None, namespace, name: None }
}
