//! What a question is about, as it was typed.

use pintle_model::GroupResource;
use pintle_schema::core_definitions;

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
