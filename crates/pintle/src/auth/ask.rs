//! What a question is about, as it was typed.

use std::collections::BTreeSet;

use pintle_model::GroupResource;
use pintle_schema::core_definitions;

use super::AuthError;

/// A resource of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A path that belongs to no kind.
    Path(String),
    /// A resource whose group is known.
    Resource(GroupResource, String),
    /// A plural of some group.
    Plural(String, String),
}

impl Target {
    /// Reads `devices`, `devices.infra.example.io/status` or `/metrics`.
    pub(super) fn parse(text: &str) -> Self {
        if text.starts_with('/') {
            return Self::Path(text.to_owned());
        }
        let (name, part) = text.split_once('/').unwrap_or((text, ""));
        match name.split_once('.') {
            Some((plural, "core")) => {
                Self::Resource(GroupResource::new("", plural), part.to_owned())
            }
            Some((plural, group)) => {
                Self::Resource(GroupResource::new(group, plural), part.to_owned())
            }
            // `* *` asks for everything.
            None if name == "*" => Self::Resource(GroupResource::new("*", "*"), part.to_owned()),
            None => match core(name) {
                Some(resource) => Self::Resource(resource, part.to_owned()),
                None => Self::Plural(name.to_owned(), part.to_owned()),
            },
        }
    }
}

/// Verbs that rules are written with.
const VERBS: [&str; 18] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "bind",
    "escalate",
    "impersonate",
    "use",
    "approve",
    "sign",
    "attest",
    "post",
    "put",
    "*",
];

/// Parts of objects that rules are written about.
const PARTS: [&str; 7] = ["status", "scale", "finalizers", "finalize", "approval", "token", "*"];

/// Refuses a question that no rule could ever allow, because a word of it is mistyped.
pub(super) fn check(verb: &str, resource: &str) -> Result<(), AuthError> {
    if verb == "update_status" {
        let plural = resource.split('/').next().unwrap_or_default();
        return Err(AuthError::Mistyped(format!(
            "\"update_status\" is a permission of policy files; the question is: can-i update \
             {plural}/status"
        )));
    }
    if !VERBS.contains(&verb) {
        return Err(mistyped("verb", verb, &VERBS));
    }
    let part = resource.split_once('/').map(|(_, part)| part);
    match part {
        Some(part) if !resource.starts_with('/') && !PARTS.contains(&part) => {
            Err(mistyped("subresource", part, &PARTS))
        }
        _ => Ok(()),
    }
}

/// Says what a word is not, and what was likely meant by it.
pub(super) fn mistyped(what: &str, word: &str, known: &[&str]) -> AuthError {
    let near = known.iter().map(|it| (distance(word, it), *it)).min();
    let hint = match near {
        Some((distance, near)) if distance <= 1 + word.len() / 4 => format!("; is it {near:?}?"),
        _ => format!("; known are {}", known.join(", ")),
    };
    AuthError::Mistyped(format!("{word:?} is no {what}{hint}"))
}

/// How many letters have to be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((above, pair), other) in row.iter().skip(1).zip(row.iter()).zip(other.chars()) {
            let left = next.last().copied().unwrap_or_default();
            let changed = pair + usize::from(letter != other);
            next.push(changed.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// The one kind of this plural among those that are known.
pub(super) fn resolve(
    plural: &str,
    known: impl IntoIterator<Item = GroupResource>,
) -> Result<GroupResource, AuthError> {
    let known: Vec<GroupResource> = known.into_iter().collect();
    let mut same = known.iter().filter(|it| it.plural() == plural);
    match (same.next(), same.next()) {
        (Some(one), None) => Ok(one.clone()),
        (Some(_), Some(_)) => Err(AuthError::Group {
            plural: plural.to_owned(),
            why: "several groups have such a kind".to_owned(),
        }),
        (None, _) => {
            let core = core_definitions();
            let core = core.iter().map(|it| &*it.kind.plural);
            let plurals: BTreeSet<&str> =
                known.iter().map(GroupResource::plural).chain(core).collect();
            let plurals: Vec<&str> = plurals.into_iter().collect();
            Err(mistyped("kind that is declared there", plural, &plurals))
        }
    }
}

/// The kind of the server's own that has this plural.
fn core(plural: &str) -> Option<GroupResource> {
    let kinds = core_definitions();
    let found = kinds.iter().find(|definition| *definition.kind.plural == *plural);
    found.map(|definition| definition.kind.resource())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_words_get_a_hint() {
        for (verb, resource, expected) in [
            ("update", "devices/status", None),
            ("get", "/metrics", None),
            ("*", "*", None),
            ("update_status", "devices", Some("can-i update devices/status")),
            ("udpate", "devices", Some("is it \"update\"?")),
            ("frobnicate", "devices", Some("known are get, list")),
            ("get", "devices/staus", Some("is it \"status\"?")),
        ] {
            let found = check(verb, resource).map_err(|error| error.to_string()).err();
            let fits = match (&found, expected) {
                (Some(found), Some(expected)) => found.contains(expected),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(fits, "{verb} {resource}: {found:?}");
        }
        let known = ["devices.a.io", "devices.b.io", "gauges.a.io"].map(GroupResource::from_text);
        let found = |plural: &str| {
            resolve(plural, known.clone()).map(|it| it.to_string()).map_err(|it| it.to_string())
        };
        assert_eq!(found("gauges").as_deref(), Ok("gauges.a.io"));
        assert!(found("gauge").unwrap_err().contains("is it \"gauges\"?"));
        assert!(found("devices").unwrap_err().contains("several groups"));
    }

    #[test]
    fn resources_are_read_as_people_write_them() {
        let known = |text: &str, part: &str| {
            Target::Resource(GroupResource::from_text(text), part.to_owned())
        };
        for (text, expected) in [
            ("/metrics", Target::Path("/metrics".to_owned())),
            ("devices", Target::Plural("devices".to_owned(), String::new())),
            ("devices/status", Target::Plural("devices".to_owned(), "status".to_owned())),
            ("devices.infra.example.io/status", known("devices.infra.example.io", "status")),
            ("events.core", known("events", "")),
            ("namespaces", known("namespaces", "")),
            ("clusterroles", known("clusterroles.rbac.authorization.k8s.io", "")),
            ("*", known("*.*", "")),
        ] {
            assert_eq!(Target::parse(text), expected, "{text}");
        }
    }
}
