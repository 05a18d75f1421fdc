//! The typed client of a project, from its definitions.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{File, GENERATED, KindName, Owner, ProjectName, fill};

/// `src/client.rs`: named methods for each kind, which the definitions name. `modules` are those of
/// the project's kinds: versions that have one of their own, such as `device_v2`, get methods of
/// their own.
pub fn client(project: &ProjectName, definitions: &[Value], modules: &[String]) -> File {
    let mut kinds: Vec<Kind<'_>> =
        definitions.iter().flat_map(|definition| Kind::of(definition, modules)).collect();
    kinds.sort_by(|a, b| (a.kind, a.group).cmp(&(b.kind, b.group)));
    let mut methods = String::new();
    for kind in &kinds {
        methods.push_str(&kind.methods());
    }
    let mut types = vec!["Api"];
    let mut uses = String::new();
    if !kinds.is_empty() {
        types.extend(["Error", "List", "ListOptions", "Patch", "Watch"]);
        let firsts = kinds.iter().filter(|kind| kind.added.is_none());
        let names: Vec<String> = firsts.flat_map(|kind| kind.types("")).collect();
        let names = names.join(", ");
        let module = project.module();
        writeln!(uses, "use {module}_kinds::{{{names}}};").expect("text grows in memory");
        for kind in &kinds {
            let Some(version) = kind.added else { continue };
            let (file, names) = (kind.method(), kind.types(&upper(version)).join(", "));
            writeln!(uses, "use {module}_kinds::{file}::{{{names}}};")
                .expect("text grows in memory");
        }
    }
    let types = if kinds.is_empty() {
        String::new()
    } else {
        format!("use pintle_client::{{{}}};\n", types.join(", "))
    };
    let values = [
        ("GENERATED", GENERATED),
        ("NAME", project.as_str()),
        ("USES", &*format!("{uses}{types}")),
        ("METHODS", &*methods),
    ];
    let text = fill(include_str!("templates/client.rs.tmpl"), &values);
    File { path: "src/client.rs".to_owned(), text, owner: Owner::Generator }
}

/// One version of a kind. That of the kind's own module has the plain names, whichever is stored.
struct Kind<'a> {
    kind: &'a str,
    snake: String,
    /// The version, if it is one of those that were added.
    added: Option<&'a str>,
    group: &'a str,
    plural: &'a str,
    version: &'a str,
    has_status: bool,
}

impl<'a> Kind<'a> {
    fn of(definition: &'a Value, modules: &[String]) -> Vec<Self> {
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
        let says = |version: &Value, field: &str| version.get(field) == Some(&Value::Bool(true));
        let served = versions.into_iter().flatten().filter(|version| says(version, "served"));
        let all: Vec<(Self, bool)> = served
            .filter_map(|version| {
                let kind = Self::of_version(definition, version, modules)?;
                Some((kind, says(version, "storage")))
            })
            .collect();
        // Of those without a module, the plain types are of one: if it can be, of the stored one.
        let plain: Vec<&(Self, bool)> =
            all.iter().filter(|(kind, _)| kind.added.is_none()).collect();
        let plain = plain.iter().find(|(_, stored)| *stored).or_else(|| plain.first());
        let plain = plain.map(|(kind, _)| kind.version);
        let is_used = |kind: &Self| kind.added.is_some() || Some(kind.version) == plain;
        all.into_iter().map(|(kind, _)| kind).filter(is_used).collect()
    }

    fn of_version(definition: &'a Value, version: &'a Value, modules: &[String]) -> Option<Self> {
        let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
        let kind = text("/spec/names/kind")?;
        let name = version.get("name")?.as_str()?;
        let snake = KindName::parse(kind).ok()?.snake();
        let is_added = modules.iter().any(|module| *module == format!("{snake}_{name}"));
        Some(Self {
            kind,
            snake,
            added: is_added.then_some(name),
            group: text("/spec/group")?,
            plural: text("/spec/names/plural")?,
            version: name,
            has_status: version.pointer("/subresources/status").is_some(),
        })
    }

    /// The types of this version, as they are used under names that end in `suffix`.
    fn types(&self, suffix: &str) -> Vec<String> {
        let used = |name: String| match suffix {
            "" => name,
            suffix => format!("{name} as {name}{suffix}"),
        };
        let status = self.has_status.then(|| format!("{}Status", self.kind));
        [Some(self.kind.to_owned()), status].into_iter().flatten().map(used).collect()
    }

    /// What the names of methods end in that are about one object; the module of an added version
    /// is called the same.
    fn method(&self) -> String {
        self.added.map_or_else(|| self.snake.clone(), |version| format!("{}_{version}", self.snake))
    }

    fn methods(&self) -> String {
        let suffix = self.added.map(upper).unwrap_or_default();
        let many = self
            .added
            .map_or_else(|| self.plural.to_owned(), |version| format!("{}_{version}", self.plural));
        let values = [
            ("KIND", &*format!("{}{suffix}", self.kind)),
            ("STATUS", &*format!("{}Status{suffix}", self.kind)),
            ("SNAKE", &*self.method()),
            ("MANY", &*many),
            ("PLURAL", self.plural),
            ("GROUP", self.group),
            ("VERSION", self.version),
        ];
        let mut text = fill(include_str!("templates/client_kind.rs.tmpl"), &values);
        if self.has_status {
            text.push_str(&fill(include_str!("templates/client_status.rs.tmpl"), &values));
        }
        text
    }
}

/// `V2beta1`, as types have it.
fn upper(version: &str) -> String {
    let (first, rest) = version.split_at_checked(1).unwrap_or((version, ""));
    format!("{}{rest}", first.to_ascii_uppercase())
}
