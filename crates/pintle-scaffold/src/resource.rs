//! What a kind adds to a project.

use crate::{Field, File, Names, ProjectName, fill};

/// What a kind adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// New files.
    pub files: Vec<File>,
    /// Lines in files that are there.
    pub insertions: Vec<Insertion>,
}

/// Lines that go before a marker in a file of its owner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insertion {
    /// The file.
    pub path: String,
    /// The comment that they go before.
    pub marker: &'static str,
    /// The lines, without indentation.
    pub lines: Vec<String>,
}

/// The place for a line is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} has no line `{marker}` any more; add these by hand where they belong:\n{lines}")]
pub struct MarkerMissing {
    /// The file.
    pub path: String,
    /// The comment.
    pub marker: &'static str,
    /// What would have gone there.
    pub lines: String,
}

impl Insertion {
    /// The text of the file with the lines in it; nothing when they are all there.
    pub fn apply(&self, text: &str) -> Result<Option<String>, MarkerMissing> {
        let has = |wanted: &str| text.lines().any(|line| line.trim() == wanted);
        if self.lines.iter().all(|line| line.is_empty() || has(line)) {
            return Ok(None);
        }
        let marker = text.lines().find(|line| line.trim() == self.marker);
        let marker = marker.ok_or_else(|| MarkerMissing {
            path: self.path.clone(),
            marker: self.marker,
            lines: self.lines.join("\n"),
        })?;
        let indent: String = marker.chars().take_while(|letter| letter.is_whitespace()).collect();
        let new = self.lines.iter().filter(|line| line.is_empty() || !has(line));
        let new = new.fold(String::new(), |new, line| match line.as_str() {
            "" => format!("{new}\n"),
            line => format!("{new}{indent}{line}\n"),
        });
        Ok(Some(text.replacen(marker, &format!("{new}{marker}"), 1)))
    }
}

/// The type, the reconciler and the tests of a kind.
pub fn resource(project: &ProjectName, names: &Names, fields: &[Field]) -> Resource {
    let (kind, snake) = (names.kind.as_str(), names.kind.snake());
    let declarations: String = fields.iter().map(Field::declaration).collect();
    let uses_map = declarations.contains("BTreeMap");
    let imports = if uses_map { "use std::collections::BTreeMap;\n\n" } else { "" };
    let sample = |second: bool| {
        let pairs = fields.iter().enumerate().map(|(index, field)| {
            format!("\"{}\": {}", field.name, field.sample(second && index == 0))
        });
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
    };
    let values: Vec<(&str, String)> = vec![
        ("NAME", project.as_str().to_owned()),
        ("MODULE", project.module()),
        ("KIND", kind.to_owned()),
        ("SNAKE", snake.clone()),
        ("PLURAL", names.plural.clone()),
        ("GROUP", names.group.clone()),
        ("VERSION", names.version.clone()),
        ("IMPORTS", imports.to_owned()),
        ("FIELDS", declarations),
        ("SPEC_ONE", sample(false)),
        ("SPEC_TWO", sample(true)),
    ];
    let values: Vec<(&str, &str)> =
        values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let file = |path: String, template: &str| File::of_person(path, fill(template, &values));
    Resource {
        files: vec![
            file(format!("kinds/src/{snake}.rs"), include_str!("templates/kind.rs.tmpl")),
            file(
                format!("src/reconcilers/{snake}.rs"),
                include_str!("templates/reconciler.rs.tmpl"),
            ),
            file(format!("tests/{snake}.rs"), include_str!("templates/test.rs.tmpl")),
        ],
        insertions: vec![
            Insertion {
                path: "kinds/src/lib.rs".to_owned(),
                marker: "// pintle:modules",
                lines: vec![
                    format!("mod {snake};"),
                    format!("pub use {snake}::{{{kind}, {kind}Spec, {kind}Status}};"),
                ],
            },
            Insertion {
                path: "kinds/src/lib.rs".to_owned(),
                marker: "// pintle:kinds",
                lines: vec![format!("<{kind} as kube::CustomResourceExt>::crd(),")],
            },
            Insertion {
                path: "src/reconcilers.rs".to_owned(),
                marker: "// pintle:modules",
                // A line between them, so that nobody wants them in another order.
                lines: vec![format!("pub mod {snake};"), String::new()],
            },
            Insertion {
                path: "src/reconcilers.rs".to_owned(),
                marker: "// pintle:reconcilers",
                lines: vec![format!("let manager = manager.with({snake}::{kind}Reconciler);")],
            },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_before_their_marker_once() {
        let insertion = Insertion {
            path: "a.rs".to_owned(),
            marker: "// here",
            lines: vec!["one,".to_owned(), "two,".to_owned()],
        };
        let with = insertion.apply("list![\n    // here\n]\n").unwrap().unwrap();
        assert_eq!(with, "list![\n    one,\n    two,\n    // here\n]\n");
        assert_eq!(insertion.apply(&with), Ok(None));
        let half = insertion.apply("    two,\n    // here\n").unwrap().unwrap();
        assert_eq!(half, "    two,\n    one,\n    // here\n");
        let missing = insertion.apply("nothing\n").unwrap_err();
        assert!(missing.to_string().contains("one,\ntwo,"), "{missing}");
    }
}
