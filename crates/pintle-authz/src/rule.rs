//! One rule, and what it matches: the part that both sources of rules compile to.

use crate::{Ask, Subresource, Verb};

/// What may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// To objects.
    Objects(ObjectRule),
    /// To paths that belong to no resource.
    Paths { verbs: Matcher, paths: Vec<Box<str>> },
}

/// Verbs × groups × resources × names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectRule {
    pub(crate) verbs: Matcher,
    pub(crate) groups: Matcher,
    pub(crate) resources: Vec<ResourcePattern>,
    /// Empty: objects of every name, and requests without a name.
    pub(crate) names: Vec<Box<str>>,
}

/// Everything, or a few texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Matcher {
    Any,
    OneOf(Vec<Box<str>>),
}

/// What may stand in `resources` of an RBAC rule, and two forms that only the policy file makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResourcePattern {
    /// `*`: every resource and every subresource.
    Any,
    /// `*/status`: that subresource of every resource.
    AnyWith(Box<str>),
    /// `devices`: the objects, not their subresources.
    Objects(Box<str>),
    /// `devices/status`: one subresource.
    Part(Box<str>, Box<str>),
    /// Every resource, but no subresource.
    AnyObjects,
    /// One resource with every subresource.
    WithParts(Box<str>),
}

impl Rule {
    pub(crate) fn allows(&self, ask: &Ask) -> bool {
        match self {
            Self::Objects(rule) => rule.allows(ask),
            Self::Paths { .. } => false,
        }
    }

    pub(crate) fn allows_path(&self, verb: &Verb, path: &str) -> bool {
        match self {
            Self::Paths { verbs, paths } => {
                verbs.matches(verb.as_str())
                    && paths.iter().any(|pattern| path_matches(pattern, path))
            }
            Self::Objects(_) => false,
        }
    }
}

impl ObjectRule {
    fn allows(&self, ask: &Ask) -> bool {
        self.verbs.matches(ask.verb.as_str())
            && self.groups.matches(ask.resource.group())
            && self.resources.iter().any(|pattern| pattern.matches(ask))
            && self.matches_name(ask.name.as_deref())
    }

    fn matches_name(&self, name: Option<&str>) -> bool {
        self.names.is_empty()
            || name.is_some_and(|name| self.names.iter().any(|allowed| &**allowed == name))
    }
}

impl Matcher {
    /// `*` anywhere in the list means everything.
    pub(crate) fn of(texts: Vec<Box<str>>) -> Self {
        if texts.iter().any(|text| &**text == "*") { Self::Any } else { Self::OneOf(texts) }
    }

    /// The texts, where it is not everything.
    pub(crate) fn texts(&self) -> Option<&[Box<str>]> {
        match self {
            Self::Any => None,
            Self::OneOf(texts) => Some(texts),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(texts) => texts.iter().any(|allowed| &**allowed == text),
        }
    }
}

impl ResourcePattern {
    pub(crate) fn parse(text: &str) -> Self {
        match text.split_once('/') {
            None if text == "*" => Self::Any,
            None => Self::Objects(text.into()),
            Some(("*", part)) => Self::AnyWith(part.into()),
            Some((plural, part)) => Self::Part(plural.into(), part.into()),
        }
    }

    /// The plural that it is about, where it is about one.
    pub(crate) fn plural(&self) -> Option<&str> {
        match self {
            Self::Any | Self::AnyWith(_) | Self::AnyObjects => None,
            Self::Objects(plural) | Self::Part(plural, _) | Self::WithParts(plural) => Some(plural),
        }
    }

    fn matches(&self, ask: &Ask) -> bool {
        let asked_part = ask.subresource.as_ref().map(Subresource::as_str);
        let is_asked = |plural: &str| ask.resource.plural() == plural;
        match self {
            Self::Any => true,
            Self::AnyWith(part) => asked_part == Some(part),
            Self::AnyObjects => asked_part.is_none(),
            Self::Objects(plural) => asked_part.is_none() && is_asked(plural),
            Self::WithParts(plural) => is_asked(plural),
            Self::Part(plural, part) => asked_part == Some(part) && is_asked(plural),
        }
    }
}

/// A `*` counts only at the end, where it stands for the rest.
pub(crate) fn path_matches(pattern: &str, path: &str) -> bool {
    pattern == path || pattern.ends_with('*') && path.starts_with(pattern.trim_end_matches('*'))
}
