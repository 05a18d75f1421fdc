//! Rules that are given out together, found by the resource that they are about.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Ask;
use crate::rule::{ObjectRule, ResourcePattern, Rule};

/// What a role is. Bindings share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleSet(Arc<Indexed>);

/// An aggregated role has rules for every kind that is declared, and a request is about one.
#[derive(Debug, Default)]
struct Indexed {
    rules: Vec<Arc<Rule>>,
    /// The rules that can only be about these resources, by `plural.group`.
    by_resource: HashMap<Box<str>, Vec<Arc<Rule>>>,
    /// The rest of those for objects.
    wide: Vec<Arc<Rule>>,
    paths: Vec<Arc<Rule>>,
}

/// A rule for more resources than this is looked at for each request instead.
const RESOURCES_INDEXED_MAX: usize = 64;

impl RuleSet {
    /// The rules of several sets as one.
    pub(crate) fn joined(sets: &[&Self]) -> Self {
        sets.iter().flat_map(|set| set.0.rules.iter().map(Arc::clone)).collect()
    }

    /// All rules.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.rules.iter().map(|rule| &**rule)
    }

    /// Whether a rule allows it.
    pub(crate) fn allows(&self, ask: &Ask) -> bool {
        let narrow = self.0.by_resource.get(ask.resource.as_str());
        narrow.into_iter().flatten().chain(&self.0.wide).any(|rule| rule.allows(ask))
    }

    /// The rules for paths.
    pub(crate) fn for_paths(&self) -> impl Iterator<Item = &Rule> {
        self.0.paths.iter().map(|rule| &**rule)
    }
}

impl FromIterator<Rule> for RuleSet {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        rules.into_iter().map(Arc::new).collect()
    }
}

impl FromIterator<Arc<Rule>> for RuleSet {
    fn from_iter<I: IntoIterator<Item = Arc<Rule>>>(rules: I) -> Self {
        let mut indexed = Indexed::default();
        for rule in rules {
            indexed.add(rule);
        }
        Self(Arc::new(indexed))
    }
}

impl PartialEq for RuleSet {
    fn eq(&self, other: &Self) -> bool {
        self.0.rules == other.0.rules
    }
}

impl Eq for RuleSet {}

impl Indexed {
    fn add(&mut self, rule: Arc<Rule>) {
        match &*rule {
            Rule::Paths { .. } => self.paths.push(Arc::clone(&rule)),
            Rule::Objects(objects) => match resources(objects) {
                None => self.wide.push(Arc::clone(&rule)),
                Some(resources) => {
                    for resource in resources {
                        self.by_resource.entry(resource).or_default().push(Arc::clone(&rule));
                    }
                }
            },
        }
        self.rules.push(rule);
    }
}

/// The resources that a rule can be about; nothing when they are many.
fn resources(rule: &ObjectRule) -> Option<Vec<Box<str>>> {
    let groups = rule.groups.texts()?;
    let plurals: Option<Vec<&str>> = rule.resources.iter().map(ResourcePattern::plural).collect();
    let plurals = plurals?;
    if groups.len() * plurals.len() > RESOURCES_INDEXED_MAX {
        return None;
    }
    let resource = |group: &str, plural: &str| {
        Box::from(pintle_model::GroupResource::new(group, plural).as_str())
    };
    Some(groups.iter().flat_map(|group| plurals.iter().map(|it| resource(group, it))).collect())
}
