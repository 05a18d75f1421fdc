//! The typed client of a project, from its definitions.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{File, GENERATED, KindName, Owner, ProjectName, fill};

/// `src/client.rs`: named methods for each kind, which the definitions name.
pub fn client(project: &ProjectName, definitions: &[Value]) -> File {
    let mut kinds: Vec<Kind<'_>> = definitions.iter().filter_map(Kind::of).collect();
    kinds.sort_unstable_by(|a, b| (a.kind, a.group).cmp(&(b.kind, b.group)));
    let mut methods = String::new();
    for kind in &kinds {
        methods.push_str(&kind.methods());
    }
    let mut types = vec!["Api"];
    let mut uses = String::new();
    if !kinds.is_empty() {
        types.extend(["Error", "List", "ListOptions", "Patch", "Watch"]);
        let names = kinds.iter().flat_map(|kind| {
            let status = kind.has_status.then(|| format!("{}Status", kind.kind));
            [Some(kind.kind.to_owned()), status].into_iter().flatten()
        });
        let names = names.collect::<Vec<_>>().join(", ");
        writeln!(uses, "use {}_kinds::{{{names}}};", project.module())
            .expect("text grows in memory");
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

struct Kind<'a> {
    kind: &'a str,
    snake: String,
    group: &'a str,
    plural: &'a str,
    version: &'a str,
    has_status: bool,
}

impl<'a> Kind<'a> {
    fn of(definition: &'a Value) -> Option<Self> {
        let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
        let kind = text("/spec/names/kind")?;
        let versions = definition.pointer("/spec/versions")?.as_array()?;
        let stored = versions.iter().find(|it| it.get("storage") == Some(&Value::Bool(true)));
        let version = stored.or_else(|| versions.first())?;
        Some(Self {
            kind,
            snake: KindName::parse(kind).ok()?.snake(),
            group: text("/spec/group")?,
            plural: text("/spec/names/plural")?,
            version: version.get("name")?.as_str()?,
            has_status: version.pointer("/subresources/status").is_some(),
        })
    }

    fn methods(&self) -> String {
        let values = [
            ("KIND", self.kind),
            ("SNAKE", &self.snake),
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
