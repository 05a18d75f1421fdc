//! One permission of a role, and the rules that it stands for.

use pintle_model::{FieldPath, NameRule, validate_name};

use super::Reads;
use crate::rule::{Matcher, ObjectRule, ResourcePattern, Rule};
use crate::rule_set::RuleSet;

pub(super) const EXPECTED: &str =
    "expected a permission such as devices:update or devices:update_status";

/// The verbs of the file, beside `*`.
pub(super) const VERBS: [(&str, Action); 8] = [
    ("get", Action::Get),
    ("list", Action::List),
    ("watch", Action::Watch),
    ("create", Action::Create),
    ("update", Action::Update),
    ("patch", Action::Patch),
    ("delete", Action::Delete),
    ("update_status", Action::UpdateStatus),
];

/// `resource:verb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Permission {
    /// Nothing: any group.
    group: Option<Box<str>>,
    /// Nothing: any resource.
    plural: Option<Box<str>>,
    action: Action,
}

/// What a verb of the file stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Everything,
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    UpdateStatus,
}

/// Which part of the resource a rule is about.
#[derive(Clone, Copy)]
enum Part {
    Object,
    Status,
    Everything,
}

impl Permission {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self { group: None, plural: None, action: Action::Everything });
        }
        let Some((resource, verb)) = text.split_once(':') else {
            return Err(format!("{text:?} names no verb; {EXPECTED}"));
        };
        let (group, plural) = parse_resource(resource).map_err(|why| format!("{text:?}: {why}"))?;
        let action = Action::parse(verb).ok_or_else(|| {
            let known = VERBS.map(|(name, _)| name).join(", ");
            format!("{text:?}: unknown verb {verb:?}; known are {known} and *")
        })?;
        Ok(Self { group, plural, action })
    }

    fn rules(&self, reads: Reads) -> Vec<Rule> {
        const READ: [&str; 3] = ["get", "list", "watch"];
        let mut rules = match self.action {
            Action::Everything => return self.every_rule(),
            Action::Get => {
                vec![self.rule(Part::Object, &["get"]), self.rule(Part::Status, &["get"])]
            }
            Action::List => vec![self.rule(Part::Object, &["list"])],
            Action::Watch => vec![self.rule(Part::Object, &["watch"])],
            Action::Create => vec![self.rule(Part::Object, &["create"])],
            Action::Update => vec![self.rule(Part::Object, &["update", "patch"])],
            Action::Patch => vec![self.rule(Part::Object, &["patch"])],
            Action::Delete => vec![self.rule(Part::Object, &["delete"])],
            Action::UpdateStatus => vec![self.rule(Part::Status, &["get", "update", "patch"])],
        };
        if reads == Reads::Implied && self.action.writes() {
            rules.push(self.rule(Part::Object, &READ));
            rules.push(self.rule(Part::Status, &["get"]));
        }
        rules
    }

    /// Everything on everything is for administrators: it covers paths as well.
    fn every_rule(&self) -> Vec<Rule> {
        let paths = Rule::Paths { verbs: Matcher::Any, paths: vec!["*".into()] };
        let paths = self.plural.is_none().then_some(paths);
        paths.into_iter().chain([self.rule(Part::Everything, &["*"])]).collect()
    }

    fn rule(&self, part: Part, verbs: &[&str]) -> Rule {
        let resource = match (&self.plural, part) {
            (None, Part::Object) => ResourcePattern::AnyObjects,
            (None, Part::Status) => ResourcePattern::AnyWith("status".into()),
            (None, Part::Everything) => ResourcePattern::Any,
            (Some(plural), Part::Object) => ResourcePattern::Objects(plural.clone()),
            (Some(plural), Part::Status) => ResourcePattern::Part(plural.clone(), "status".into()),
            (Some(plural), Part::Everything) => ResourcePattern::WithParts(plural.clone()),
        };
        Rule::Objects(ObjectRule {
            verbs: Matcher::of(verbs.iter().copied().map(Box::from).collect()),
            groups: self.group.clone().map_or(Matcher::Any, |group| Matcher::of(vec![group])),
            resources: vec![resource],
            names: Vec::new(),
        })
    }
}

impl Action {
    fn parse(verb: &str) -> Option<Self> {
        if verb == "*" {
            return Some(Self::Everything);
        }
        VERBS.into_iter().find(|(name, _)| *name == verb).map(|(_, action)| action)
    }

    const fn writes(self) -> bool {
        match self {
            Self::Get | Self::List | Self::Watch => false,
            Self::Everything
            | Self::Create
            | Self::Update
            | Self::Patch
            | Self::Delete
            | Self::UpdateStatus => true,
        }
    }
}

/// Group and plural of `devices.infra.example.io`, `events.core`, `devices` or `*`.
type Resource = (Option<Box<str>>, Option<Box<str>>);

fn parse_resource(text: &str) -> Result<Resource, String> {
    if text == "*" {
        return Ok((None, None));
    }
    let (plural, group) = match text.split_once('.') {
        Some((plural, group)) => (plural, Some(group)),
        None => (text, None),
    };
    let checked = |part: &str, rule, what: &str| {
        validate_name(FieldPath::ROOT, part, rule)
            .map_err(|error| format!("{what} {part:?}: {}", error.detail))
    };
    checked(plural, NameRule::Label, "plural")?;
    let group = match group {
        None => None,
        Some("core") => Some(Box::from("")),
        Some(group) => {
            checked(group, NameRule::Subdomain, "group")?;
            Some(group.into())
        }
    };
    Ok((group, Some(plural.into())))
}

/// The rules of a role.
pub(super) fn compile(permissions: &[Permission], reads: Reads) -> RuleSet {
    permissions.iter().flat_map(|permission| permission.rules(reads)).collect()
}
