//! `policy.yaml`: what a new one says, and the rules of a kind that it does not know yet.
//!
//! The file is a person's. Lines are only put before the comments that a new one has for that, and
//! only for kinds of which it says nothing: a rule that somebody took away does not come back as
//! long as another one, or a comment such as `# racks:delete`, is there.

use serde_json::Value;

use crate::{File, ProjectName, fill};

/// A kind, as far as rules are about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ruled {
    plural: String,
    group: String,
}

impl Ruled {
    /// The kind that a definition is about; nothing when it does not say what it is called.
    pub fn of(definition: &Value) -> Option<Self> {
        let text = |place: &str| Some(definition.pointer(place)?.as_str()?.to_owned());
        Some(Self { plural: text("/spec/names/plural")?, group: text("/spec/group")? })
    }

    /// Whether a text has a permission of this kind somewhere, in a comment or not.
    fn is_in(&self, text: &str) -> bool {
        let names = [format!("{}:", self.plural), format!("{}.{}:", self.plural, self.group)];
        text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"-_.:*".contains(letter)).any(
            |word| {
                let verb = names.iter().find_map(|name| word.strip_prefix(name.as_str()));
                verb.is_some_and(|verb| !verb.is_empty())
            },
        )
    }
}

/// A role that a new policy has.
struct Role {
    name: &'static str,
    verbs: &'static [&'static str],
}

const ROLES: [Role; 3] = [
    Role { name: "user", verbs: &["create", "update", "delete"] },
    Role { name: "controller", verbs: &["update_status"] },
    Role { name: "admin", verbs: &["create", "update", "delete", "update_status"] },
];

impl Role {
    /// The comment that its permissions go before.
    fn marker(&self) -> String {
        format!("# pintle:{}", self.name)
    }

    fn lines(&self, kinds: &[&Ruled], indent: &str) -> String {
        let permissions = kinds.iter().flat_map(|kind| {
            self.verbs.iter().map(|verb| format!("{indent}- {}:{verb}\n", kind.plural))
        });
        permissions.collect()
    }
}

/// What becomes of a policy that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extended {
    /// It has rules for each kind, or says that it is to have none.
    Complete,
    /// The whole text, with rules for the kinds that it did not know: these plurals.
    With(String, Vec<String>),
    /// It has no place for rules of these plurals.
    NoPlace(Vec<String>),
}

/// A policy to begin with: users write specs, controllers report. Nothing where there are no kinds,
/// because a role without permissions is none.
pub fn policy(project: &ProjectName, kinds: &[Ruled]) -> Option<File> {
    let kinds = in_order(kinds);
    if kinds.is_empty() {
        return None;
    }
    let rules = |role: &Role| format!("{}    {}", role.lines(&kinds, "    "), role.marker());
    let [user, controller, admin] = ROLES.each_ref().map(rules);
    let values = [
        ("NAME", project.as_str()),
        ("USER", &user),
        ("CONTROLLER", &controller),
        ("ADMIN", &admin),
    ];
    let text = fill(include_str!("templates/policy.yaml.tmpl"), &values);
    Some(File::of_person("policy.yaml", text))
}

/// Gives the kinds that a policy says nothing of the rules that they have in a new one.
pub fn extend_policy(text: &str, kinds: &[Ruled]) -> Extended {
    let mut kinds = in_order(kinds);
    kinds.retain(|kind| !kind.is_in(text));
    let plurals: Vec<String> = kinds.iter().map(|kind| kind.plural.clone()).collect();
    if kinds.is_empty() {
        return Extended::Complete;
    }
    let mut new = String::new();
    for line in text.split_inclusive('\n') {
        if let Some(role) = ROLES.iter().find(|role| line.trim() == role.marker()) {
            let indent: String = line.chars().take_while(|letter| *letter == ' ').collect();
            new.push_str(&role.lines(&kinds, &indent));
        }
        new.push_str(line);
    }
    if new == text { Extended::NoPlace(plurals) } else { Extended::With(new, plurals) }
}

/// Each plural once, in the order of the alphabet.
fn in_order(kinds: &[Ruled]) -> Vec<&Ruled> {
    let mut kinds: Vec<&Ruled> = kinds.iter().collect();
    kinds.sort();
    kinds.dedup_by(|later, earlier| later.plural == earlier.plural);
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruled(plural: &str) -> Ruled {
        Ruled { plural: plural.to_owned(), group: "infra.example.io".to_owned() }
    }

    fn new(kinds: &[Ruled]) -> String {
        policy(&ProjectName::parse("api").unwrap(), kinds).unwrap().text
    }

    fn with(text: &str, kinds: &[Ruled]) -> (String, Vec<String>) {
        match extend_policy(text, kinds) {
            Extended::With(text, plurals) => (text, plurals),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_policy_is_as_one_that_grew() {
        let (devices, racks, sites) = (ruled("devices"), ruled("racks"), ruled("sites"));
        let one = new(std::slice::from_ref(&devices));
        let (two, added) = with(&one, &[racks.clone(), devices.clone()]);
        assert_eq!(added, ["racks"]);
        assert_eq!(two, new(&[devices.clone(), racks.clone()]));
        let all = [devices, racks, sites];
        let (three, _) = with(&two, &all);
        assert_eq!(three, new(&all));
        assert_eq!(extend_policy(&three, &all), Extended::Complete);
    }

    #[test]
    fn what_a_person_wrote_stays() {
        let kinds = [ruled("devices"), ruled("racks")];
        let begun = new(&kinds[..1]);
        let mine = begun.replace("    - devices:delete\n", "").replace("# pintle:admin", "# mine");
        let mine = format!("# Mine.\n{mine}- {{group: ops, role: user, namespace: lab}}\n");
        let (grown, _) = with(&mine, &kinds);
        let kept: Vec<&str> = grown.lines().filter(|line| !line.contains("racks:")).collect();
        assert_eq!(kept, mine.lines().collect::<Vec<_>>());
        assert_eq!(grown.matches("racks:").count(), 4, "three for users, one report:\n{grown}");
    }

    #[test]
    fn a_kind_is_known_by_its_permissions_alone() {
        for (text, is_known) in [
            ("- racks:update", true),
            ("permissions: [racks:create]", true),
            ("- \"racks.infra.example.io:get\"", true),
            ("# racks:none", true),
            ("racks: 1", false),
            ("- trracks:update", false),
            ("- tr-racks:update", false),
            ("- racks.other.example.io:update", false),
            ("# racks", false),
            ("- devices:update # racks: none", false),
        ] {
            assert_eq!(ruled("racks").is_in(text), is_known, "{text}");
        }
        let kinds = [ruled("racks")];
        assert_eq!(extend_policy("[]\n", &kinds), Extended::NoPlace(vec!["racks".to_owned()]));
        assert_eq!(extend_policy("- racks:get\n", &kinds), Extended::Complete);
    }

    #[test]
    fn there_is_no_policy_of_nothing() {
        assert_eq!(policy(&ProjectName::parse("api").unwrap(), &[]), None);
    }
}
