//! What projects, groups and kinds may be called, and what follows from it.

use std::fmt::Write as _;

/// A name that cannot be had, with what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A project is a crate and a DNS label.
    #[error(
        "{0:?} is no name for a project: use lowercase letters, digits and single hyphens, begin \
         with a letter and end with none of the hyphens, at most 40 characters"
    )]
    Project(String),
    /// The name is taken.
    #[error(
        "a project cannot be called {0:?}, which is a word of Rust or the name of a crate that it needs"
    )]
    Taken(String),
    /// A group is a DNS name.
    #[error("{0:?} is no group: use a DNS name with a dot in it, such as infra.example.io")]
    Group(String),
    /// Groups of Kubernetes' own kinds.
    #[error("the group {0:?} is kept for Kubernetes' own kinds")]
    GroupTaken(String),
    /// A kind is a word in upper camel case.
    #[error(
        "{0:?} is no name for a kind: use letters and digits in upper camel case, such as Device or \
         BootConfig, at most 50 of them"
    )]
    Kind(String),
    /// The kind would get into the way of what the code uses.
    #[error("a kind cannot be called {0:?}: its code needs that name for something else")]
    KindTaken(String),
    /// A version is numbered.
    #[error("{0:?} is no version: use v2, v2beta1 or v2alpha1, or others with larger numbers")]
    Version(String),
    /// A plural is a DNS label.
    #[error("{0:?} is no plural: use lowercase letters and digits, and begin with a letter")]
    Plural(String),
}

/// The name of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectName(String);

const PROJECT_MAX: usize = 40;
const KIND_MAX: usize = 50;

/// What a crate of the project would collide with.
const TAKEN: [&str; 16] = [
    "core",
    "std",
    "alloc",
    "test",
    "proc-macro",
    "kube",
    "serde",
    "serde-json",
    "schemars",
    "tokio",
    "pintle",
    "pintle-client",
    "pintle-kinds",
    "pintle-controller",
    "k8s-openapi",
    "crds",
];

const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

impl ProjectName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let characters =
            text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        let good = characters
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && !text.ends_with('-')
            && !text.contains("--")
            && text.len() <= PROJECT_MAX;
        if !good {
            return Err(NameError::Project(shown(text)));
        }
        if TAKEN.contains(&text) || KEYWORDS.contains(&text) {
            return Err(NameError::Taken(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// `my-api`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `my_api`, as code has it.
    pub fn module(&self) -> String {
        self.0.replace('-', "_")
    }
}

/// The name of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindName(String);

/// Types that the code of a kind uses.
const TYPES: [&str; 24] = [
    "Arc",
    "Action",
    "Api",
    "BTreeMap",
    "Client",
    "Condition",
    "Conditions",
    "Context",
    "CustomResource",
    "CustomResourceDefinition",
    "Deserialize",
    "Error",
    "JsonSchema",
    "List",
    "ListOptions",
    "Option",
    "Patch",
    "Reconciler",
    "Result",
    "Self",
    "Serialize",
    "String",
    "Vec",
    "Watch",
];

impl KindName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let good = text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && text.starts_with(|first: char| first.is_ascii_uppercase())
            && text.len() <= KIND_MAX;
        if !good {
            return Err(NameError::Kind(shown(text)));
        }
        let name = Self(text.to_owned());
        if TYPES.contains(&text) || KEYWORDS.contains(&name.snake().as_str()) {
            return Err(NameError::KindTaken(text.to_owned()));
        }
        Ok(name)
    }

    /// `BootConfig`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `boot_config`; of letters that are all capitals, as in `HTTPRoute`, `http_route`.
    pub fn snake(&self) -> String {
        let letters: Vec<char> = self.0.chars().collect();
        let mut snake = String::new();
        for (index, letter) in letters.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|it| letters.get(it));
            let after = letters.get(index + 1);
            let begins = letter.is_ascii_uppercase()
                && before.is_some_and(|before| {
                    !before.is_ascii_uppercase() || after.is_some_and(char::is_ascii_lowercase)
                });
            if begins {
                snake.push('_');
            }
            write!(snake, "{}", letter.to_ascii_lowercase()).expect("text grows in memory");
        }
        snake
    }

    /// The plural in English, as far as there is a rule for it.
    pub fn plural(&self) -> String {
        let word = self.0.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| word.ends_with(ending));
        let stem = word.strip_suffix('y');
        match stem.filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']) && !stem.is_empty()) {
            Some(stem) => format!("{stem}ies"),
            None if ends(&["s", "x", "z", "ch", "sh"]) => format!("{word}es"),
            None => format!("{word}s"),
        }
    }
}

/// Everything that a kind is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The kind.
    pub kind: KindName,
    /// `devices`.
    pub plural: String,
    /// `infra.example.io`.
    pub group: String,
    /// `v1`.
    pub version: String,
}

impl Names {
    /// The names of a kind in a group, with a plural of its own if it needs one.
    pub fn new(kind: &str, plural: Option<&str>, group: &str) -> Result<Self, NameError> {
        let kind = KindName::parse(kind)?;
        let plural = plural.map_or_else(|| kind.plural(), str::to_owned);
        let good = plural.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            && plural.starts_with(|first: char| first.is_ascii_lowercase())
            && plural.len() <= 63;
        if !good {
            return Err(NameError::Plural(shown(&plural)));
        }
        Ok(Self { kind, plural, group: check_group(group)?, version: "v1".to_owned() })
    }
}

/// Reads the name of a group.
pub fn check_group(text: &str) -> Result<String, NameError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !text.contains('.') || text.len() > 200 || !text.split('.').all(label) {
        return Err(NameError::Group(shown(text)));
    }
    if [".k8s.io", ".kubernetes.io"].iter().any(|end| format!(".{text}").ends_with(end)) {
        return Err(NameError::GroupTaken(text.to_owned()));
    }
    Ok(text.to_owned())
}

/// What somebody typed, as an error repeats it.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects() {
        for good in ["a", "my-api", "api2"] {
            assert_eq!(ProjectName::parse(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(PROJECT_MAX + 1);
        for bad in ["", "My-api", "2api", "-a", "a-", "a--b", "a_b", "a b", "../x", "é", &long] {
            assert!(matches!(ProjectName::parse(bad), Err(NameError::Project(_))), "{bad}");
        }
        for taken in ["std", "match", "pintle", "kube"] {
            assert!(matches!(ProjectName::parse(taken), Err(NameError::Taken(_))), "{taken}");
        }
    }

    #[test]
    fn groups() {
        for good in ["infra.example.io", "a.b", "x-y.example.com"] {
            assert_eq!(check_group(good).as_deref(), Ok(good));
        }
        for bad in ["", "io", ".io", "a..b", "A.b", "a.b.", "-a.b", "a_b.c", "a/b.c"] {
            assert!(matches!(check_group(bad), Err(NameError::Group(_))), "{bad}");
        }
        for taken in ["apps.k8s.io", "k8s.io", "x.kubernetes.io"] {
            assert!(matches!(check_group(taken), Err(NameError::GroupTaken(_))), "{taken}");
        }
    }

    #[test]
    fn kinds() {
        for (kind, snake, plural) in [
            ("Device", "device", "devices"),
            ("BootConfig", "boot_config", "bootconfigs"),
            ("Policy", "policy", "policies"),
            ("Gateway", "gateway", "gateways"),
            ("Chassis", "chassis", "chassises"),
            ("Switch", "switch", "switches"),
            ("HTTPRoute", "http_route", "httproutes"),
            ("NodeBMC", "node_bmc", "nodebmcs"),
            ("X", "x", "xes"),
            ("Y", "y", "ys"),
        ] {
            let names = Names::new(kind, None, "a.b").unwrap();
            assert_eq!((&*names.kind.snake(), &*names.plural), (snake, plural));
        }
        for bad in ["", "device", "2Device", "Boot-Config", "Boot_Config", "Gerät", "A/B"] {
            assert!(matches!(KindName::parse(bad), Err(NameError::Kind(_))), "{bad}");
        }
        for taken in ["Option", "Type", "Client", "Self"] {
            assert!(matches!(KindName::parse(taken), Err(NameError::KindTaken(_))), "{taken}");
        }
        assert!(matches!(Names::new("Chassis", Some("Chassis"), "a.b"), Err(NameError::Plural(_))));
        assert_eq!(Names::new("Chassis", Some("chassis"), "a.b").unwrap().plural, "chassis");
    }
}
