//! What a new project holds.

use serde_json::json;

use crate::{File, ProjectName, fill};

/// Where a project takes Pintle from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependencies {
    /// From a checkout, whose root this is, as a path that Cargo understands.
    Checkout(String),
    /// From a registry, in this version.
    Version(String),
}

impl Dependencies {
    fn of(&self, name: &str, folder: &str) -> String {
        match self {
            Self::Checkout(root) => {
                let path = format!("{root}/{folder}/{name}");
                // A TOML basic string: what has a meaning in one is escaped.
                let path = path.replace('\\', "\\\\").replace('"', "\\\"");
                format!("{name} = {{ path = \"{path}\" }}")
            }
            Self::Version(version) => format!("{name} = \"{version}\""),
        }
    }

    /// What `docker build` has to be told, so that a checkout is there in the image.
    fn build_context(&self) -> String {
        match self {
            Self::Checkout(root) => format!("--build-context pintle={root} "),
            Self::Version(_) => String::new(),
        }
    }

    /// The lines of a Dockerfile that bring a checkout to where `Cargo.toml` looks for it.
    fn copies(&self) -> String {
        let Self::Checkout(root) = self else { return String::new() };
        let copy = |part: &&str| {
            // In the form with brackets, names may have spaces in them.
            format!("COPY --from=pintle {}\n", json!([part, format!("{root}/{part}")]))
        };
        CHECKOUT_PARTS.iter().map(copy).collect()
    }
}

/// What a build needs of a checkout.
const CHECKOUT_PARTS: [&str; 3] = ["Cargo.toml", "crates", "sdk"];

/// The files of a new project, all of them its owner's from then on.
pub fn project(name: &ProjectName, group: &str, from: &Dependencies) -> Vec<File> {
    let module = name.module();
    let values: Vec<(&str, String)> = vec![
        ("NAME", name.as_str().to_owned()),
        ("MODULE", module),
        ("GROUP", group.to_owned()),
        ("DEP_PINTLE", from.of("pintle", "crates")),
        ("DEP_CLIENT", from.of("pintle-client", "crates")),
        ("DEP_KINDS", from.of("pintle-kinds", "crates")),
        ("DEP_CONTROLLER", from.of("pintle-controller", "sdk")),
        ("CONTEXT", from.build_context()),
        ("CHECKOUT", from.copies()),
    ];
    let values: Vec<(&str, &str)> =
        values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let file = |path: &str, template: &str| File::of_person(path, fill(template, &values));
    vec![
        file("Cargo.toml", include_str!("templates/Cargo.toml.tmpl")),
        file(".gitignore", include_str!("templates/gitignore.tmpl")),
        file(".dockerignore", include_str!("templates/dockerignore.tmpl")),
        file("README.md", include_str!("templates/README.md.tmpl")),
        file("Dockerfile", include_str!("templates/Dockerfile.tmpl")),
        file("justfile", include_str!("templates/justfile.tmpl")),
        file("kinds/Cargo.toml", include_str!("templates/kinds.toml.tmpl")),
        file("kinds/src/lib.rs", include_str!("templates/kinds.rs.tmpl")),
        file("kinds/src/bin/crds.rs", include_str!("templates/crds.rs.tmpl")),
        file("src/lib.rs", include_str!("templates/lib.rs.tmpl")),
        file("src/main.rs", include_str!("templates/main.rs.tmpl")),
        file("src/reconcilers.rs", include_str!("templates/reconcilers.rs.tmpl")),
    ]
}
