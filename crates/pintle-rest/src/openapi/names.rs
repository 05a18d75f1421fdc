//! What the schemas and operations of a kind are called. No two of them share a name, and no name
//! depends on the order in which kinds were declared.

use std::collections::{BTreeMap, BTreeSet};

use pintle_engine::{Catalog, Served};
use pintle_model::GroupResource;
use pintle_schema::Version;

use super::shared;
use crate::api::qualified;
use crate::route::Route;

/// What may stand behind the name of a kind, at most once each for a version of it.
const SUFFIXES: [&str; 9] = [
    "",
    "Spec",
    "Status",
    "Create",
    "Update",
    "StatusUpdate",
    "Condition",
    "Event",
    "ConditionUpdate",
];

/// The names of all kinds.
#[derive(Debug)]
pub(crate) struct Names {
    plain: BTreeSet<GroupResource>,
}

/// The names of one kind.
#[derive(Debug)]
pub(crate) struct KindNames<'a> {
    served: &'a Served,
    /// The name of the kind says enough without its group.
    plain: bool,
    /// `/devices`, or with the group.
    pub(crate) path: String,
}

impl Names {
    /// Finds out which kinds need their group to be told apart.
    pub(crate) fn of(catalog: &Catalog) -> Self {
        let mut uses: BTreeMap<String, usize> = BTreeMap::new();
        for name in shared::schema_names() {
            uses.insert(name, 1);
        }
        for served in catalog.iter() {
            for name in claimed(served) {
                *uses.entry(name).or_default() += 1;
            }
        }
        let alone = |served: &&std::sync::Arc<Served>| {
            catalog.has_short_name(served)
                && (served.definition.core
                    || claimed(served).iter().all(|name| uses.get(name) == Some(&1)))
        };
        Self { plain: catalog.iter().filter(alone).map(|served| served.resource()).collect() }
    }

    /// The names of a kind of the catalogue.
    pub(crate) fn of_kind<'a>(&self, catalog: &Catalog, served: &'a Served) -> KindNames<'a> {
        let plural = &*served.definition.kind.plural;
        let short = catalog.has_short_name(served) && !Route::is_kept(plural);
        let path = if short { format!("/{plural}") } else { qualified(served) };
        KindNames { served, plain: self.plain.contains(&served.resource()), path }
    }
}

/// Every name that the kind would take without its group.
fn claimed(served: &Served) -> BTreeSet<String> {
    let kind = &served.definition.kind.kind;
    let versions = served.definition.served_versions();
    let versions = versions.iter().map(|version| version_suffix(served, version));
    let names = versions
        .flat_map(|version| SUFFIXES.iter().map(move |suffix| format!("{kind}{version}{suffix}")));
    names.collect()
}

/// Nothing for the version that is spoken unless another is asked for.
fn version_suffix(served: &Served, version: &Version) -> String {
    if *version.name == *served.default_version().name {
        return String::new();
    }
    capitalised(&identifier(&version.name))
}

impl KindNames<'_> {
    /// The name of a schema of this version: `DeviceSpec`.
    pub(crate) fn schema(&self, version: &Version, suffix: &str) -> String {
        self.join("", &format!("{}{suffix}", version_suffix(self.served, version)))
    }

    /// The name of an operation on one object: `updateDeviceStatus`.
    pub(crate) fn one(&self, verb: &str, suffix: &str) -> String {
        self.join(verb, suffix)
    }

    /// The name of an operation on all objects: `listDevices`.
    pub(crate) fn many(&self, verb: &str) -> String {
        let kind = &self.served.definition.kind;
        format!("{verb}{}{}", plural(&kind.kind, &kind.plural), self.group())
    }

    /// What the operations of this kind are grouped under.
    pub(crate) fn tag(&self) -> String {
        self.join("", "")
    }

    fn join(&self, verb: &str, suffix: &str) -> String {
        let kind = &self.served.definition.kind.kind;
        match (self.plain, suffix) {
            (true, _) | (false, "") => format!("{verb}{kind}{}{suffix}", self.group()),
            (false, _) => format!("{verb}{kind}{}_{suffix}", self.group()),
        }
    }

    fn group(&self) -> String {
        let group = &self.served.definition.kind.group;
        match (self.plain, &**group) {
            (true, _) => String::new(),
            (false, "") => "_core".to_owned(),
            (false, group) => format!("_{}", identifier(group)),
        }
    }
}

/// The plural in the letters of the kind: `NetworkPolicy` and `networkpolicies` make
/// `NetworkPolicies`.
fn plural(kind: &str, plural: &str) -> String {
    let alike = |(one, other): &(char, char)| one.to_ascii_lowercase() == *other;
    let alike = kind.chars().zip(plural.chars()).take_while(alike).count();
    let (head, tail) = (kind.chars().take(alike), plural.chars().skip(alike));
    capitalised(&head.chain(tail).collect::<String>())
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}

/// A DNS name as an identifier. Dots and dashes never meet in one, so no two become the same.
fn identifier(name: &str) -> String {
    name.replace('-', "__").replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_keep_the_letters_of_their_kind() {
        for (kind, plural_name, expected) in [
            ("Device", "devices", "Devices"),
            ("NetworkPolicy", "networkpolicies", "NetworkPolicies"),
            ("CustomResourceDefinition", "customresourcedefinitions", "CustomResourceDefinitions"),
            ("Chassis", "chassis", "Chassis"),
            ("Mouse", "mice", "Mice"),
            ("Ox", "cattle", "Cattle"),
        ] {
            assert_eq!(plural(kind, plural_name), expected);
        }
    }

    #[test]
    fn groups_become_identifiers_of_their_own() {
        for (group, expected) in
            [("infra.example.io", "infra_example_io"), ("a-b.c", "a__b_c"), ("a.b.c", "a_b_c")]
        {
            assert_eq!(identifier(group), expected);
        }
    }
}
