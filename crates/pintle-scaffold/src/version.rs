//! What one more version adds to a kind.

use crate::names::shown;
use crate::{File, Insertion, NameError, Names, fill};

/// The name of a version of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionName(String);

impl VersionName {
    /// Reads a name: `v2`, `v2beta1`, `v2alpha3`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let number = |text: &str| {
            !text.is_empty()
                && text.len() <= 4
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && !text.starts_with('0')
        };
        let good = text.strip_prefix('v').is_some_and(|rest| {
            let parts = rest.split_once("alpha").or_else(|| rest.split_once("beta"));
            match parts {
                Some((major, minor)) => number(major) && number(minor),
                None => number(rest),
            }
        });
        if good { Ok(Self(text.to_owned())) } else { Err(NameError::Version(shown(text))) }
    }

    /// `v2beta1`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A version of a kind, as the file says that holds its types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSource {
    /// The module of the file, below the root of the crate: `device_v2`.
    pub module: String,
    /// What stands in the file.
    pub text: String,
}

/// A file of types does not say what is needed of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "kinds/src/{module}.rs does not say `{attribute} = \"…\"` exactly once in #[kube(…)]; add the \
     version by hand"
)]
pub struct UnclearSource {
    /// The module.
    pub module: String,
    /// What it should say.
    pub attribute: &'static str,
}

impl VersionSource {
    /// What an attribute of `#[kube(…)]` says.
    pub fn attribute(&self, attribute: &'static str) -> Result<&str, UnclearSource> {
        let unclear = || UnclearSource { module: self.module.clone(), attribute };
        let start = format!("{attribute} = \"");
        let mut found = self.text.lines().filter_map(|line| line.trim().strip_prefix(&start));
        let said = found.next().and_then(|rest| rest.split('"').next()).ok_or_else(unclear)?;
        if found.next().is_some() { Err(unclear()) } else { Ok(said) }
    }

    /// What the type of its status is called; nothing when it has none.
    fn status(&self) -> Option<&str> {
        self.attribute("status").ok()
    }
}

/// What a version adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedVersion {
    /// New files. The last of them is there already if the kind has several versions.
    pub files: Vec<File>,
    /// Lines in files that are there.
    pub insertions: Vec<Insertion>,
    /// In `kinds/src/lib.rs`, the line that declares the kind as having one version, and what
    /// stands there instead.
    pub declaration: (String, String),
}

/// The file in which a kind says which versions it has: `kinds/src/device_versions.rs`.
pub fn versions_path(names: &Names) -> String {
    format!("kinds/src/{}_versions.rs", names.kind.snake())
}

/// The module that holds the types of a version that was added.
pub fn version_module(names: &Names, version: &VersionName) -> String {
    format!("{}_{}", names.kind.snake(), version.as_str())
}

/// One more version of a kind: its types, which are those of another version until they are
/// changed, and conversions between the two.
pub fn version(
    names: &Names,
    new: &VersionName,
    from: &VersionSource,
) -> Result<AddedVersion, UnclearSource> {
    let (kind, snake) = (names.kind.as_str(), names.kind.snake());
    let (module, old) = (version_module(names, new), from.attribute("version")?);
    let said = |version: &str| format!("version = \"{version}\"");
    let types = from.text.replacen(&said(old), &said(new.as_str()), 1);
    let name = format!("{}.{}", from.attribute("plural")?, from.attribute("group")?);
    let pair = Pair { kind, old, new: new.as_str(), status: from.status() };
    let values = [
        ("KIND", kind),
        ("SNAKE", &*snake),
        ("NAME", &*name),
        ("OLD", old),
        ("OLD_MODULE", &*from.module),
        ("NEW", new.as_str()),
        ("NEW_MODULE", &*module),
        ("HALVES", &*pair.halves("        .__LOW__::<__OLD__, __NEW__>()\n")),
        ("STEPS", &*pair.steps()),
        ("CHECKS", &*pair.halves("assert_eq!(round_trip::<__OLD__, __NEW__>(), Ok(()));\n")),
    ];
    let file = |path: String, template: &str| File::of_person(path, fill(template, &values));
    let steps = include_str!("templates/version_conversion.rs.tmpl");
    let several = include_str!("templates/versions.rs.tmpl");
    Ok(AddedVersion {
        files: vec![
            File::of_person(format!("kinds/src/{module}.rs"), types),
            file(format!("kinds/src/{module}_conversion.rs"), steps),
            file(versions_path(names), several),
        ],
        insertions: insertions(names, &module),
        declaration: (
            format!("<{kind} as kube::CustomResourceExt>::crd(),"),
            format!("{snake}_versions::definition(),"),
        ),
    })
}

/// Two versions of a kind.
struct Pair<'a> {
    kind: &'a str,
    old: &'a str,
    new: &'a str,
    status: Option<&'a str>,
}

impl Pair<'_> {
    /// A line for each half, in which the types of both versions stand.
    fn halves(&self, line: &str) -> String {
        let Self { kind, old, new, status } = self;
        let spec = ("spec", format!("{kind}Spec"));
        let halves = [Some(spec), status.map(|status| ("status", status.to_owned()))];
        halves.iter().flatten().fold(String::new(), |text, (low, name)| {
            let (old, new) = (format!("{old}::{name}"), format!("{new}::{name}"));
            text + &fill(line, &[("LOW", low), ("OLD", &old), ("NEW", &new)])
        })
    }

    /// The conversions, both ways for each half.
    fn steps(&self) -> String {
        let step = include_str!("templates/version_step.rs.tmpl");
        let [forth, back] = [("ONE", "OTHER"), ("OTHER", "ONE")]
            .map(|(old, new)| fill(step, &[(old, "__OLD__"), (new, "__NEW__")]));
        self.halves(&(forth + &back))
    }
}

fn insertions(names: &Names, module: &str) -> Vec<Insertion> {
    let (kind, snake) = (names.kind.as_str(), names.kind.snake());
    let (lib, versions) = ("kinds/src/lib.rs", versions_path(names));
    let line = |path: &str, marker, line: String| Insertion {
        path: path.to_owned(),
        marker,
        lines: vec![line],
    };
    vec![
        line(lib, "// pintle:modules", format!("pub mod {module};")),
        line(lib, "// pintle:modules", format!("mod {module}_conversion;")),
        line(lib, "// pintle:modules", format!("mod {snake}_versions;")),
        line(lib, "// pintle:conversions", format!("{snake}_versions::conversions(),")),
        line(
            &versions,
            "// pintle:versions",
            format!("<crate::{module}::{kind} as kube::CustomResourceExt>::crd(),"),
        ),
        line(
            &versions,
            "// pintle:conversions",
            format!("crate::{module}_conversion::conversion(),"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: &str = "#[kube(\n    group = \"a.b\",\n    version = \"v1\",\n    kind = \"Lamp\",\n    \
                         plural = \"lamps\",\n    status = \"LampStatus\",\n)]\npub struct LampSpec {}\n";

    fn source(text: &str) -> VersionSource {
        VersionSource { module: "lamp".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn names_of_versions() {
        for good in ["v1", "v2", "v10", "v1alpha1", "v2beta3"] {
            assert_eq!(VersionName::parse(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "v", "2", "v0", "v01", "v1gamma1", "v1beta", "v1beta0", "V1", "v1-2", "v12345"]
        {
            assert!(VersionName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_version_is_a_copy_with_conversions() {
        let names = Names::new("Lamp", None, "a.b").unwrap();
        let new = VersionName::parse("v2").unwrap();
        let added = version(&names, &new, &source(TYPES)).unwrap();
        let paths: Vec<&str> = added.files.iter().map(|file| &*file.path).collect();
        let expected = [
            "kinds/src/lamp_v2.rs",
            "kinds/src/lamp_v2_conversion.rs",
            "kinds/src/lamp_versions.rs",
        ];
        assert_eq!(paths, expected);
        assert_eq!(added.files[0].text, TYPES.replace("v1", "v2"));
        for text in [
            "Conversion::between(\"lamps.a.b\", \"v1\", \"v2\")",
            "impl TryFrom<v1::LampSpec> for v2::LampSpec",
            "impl TryFrom<v2::LampStatus> for v1::LampStatus",
        ] {
            assert!(added.files[1].text.contains(text), "{text}");
        }
        let without = TYPES.replace("    status = \"LampStatus\",\n", "");
        let added = version(&names, &new, &source(&without)).unwrap();
        assert!(!added.files[1].text.contains("Status"), "{}", added.files[1].text);
    }

    #[test]
    fn unclear_files_are_refused() {
        let names = Names::new("Lamp", None, "a.b").unwrap();
        let new = VersionName::parse("v2").unwrap();
        for (text, attribute) in [
            (TYPES.replace("    version = \"v1\",\n", ""), "version"),
            (
                TYPES.replace(
                    "    plural = \"lamps\",\n",
                    "    plural = \"a\",\n    plural = \"b\",\n",
                ),
                "plural",
            ),
        ] {
            assert_eq!(version(&names, &new, &source(&text)).unwrap_err().attribute, attribute);
        }
    }
}
