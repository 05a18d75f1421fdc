//! `policy.yaml` of a project: made once, and given rules for kinds that it does not know.

use std::io::Write;
use std::path::Path;

use pintle_authz::Policy;
use pintle_scaffold::{Extended, File, ProjectName, Ruled, extend_policy, policy};
use serde_json::Value;

use super::ProjectError;
use super::files::{create, read, replace, say, shown};
use crate::yaml;

/// The policy of a project: its owner's, who finds rules for new kinds in it.
pub(super) const POLICY: &str = "policy.yaml";

/// What becomes of it.
#[derive(Debug)]
pub(super) enum Rules {
    /// There is none yet, and this is one to begin with; nothing for no kinds.
    New(Option<File>),
    /// There is one.
    There(Extended),
}

impl Rules {
    pub(super) fn of(
        name: &ProjectName,
        dir: &Path,
        definitions: &[Value],
    ) -> Result<Self, ProjectError> {
        let kinds: Vec<Ruled> = definitions.iter().filter_map(Ruled::of).collect();
        let Some(text) = read(&dir.join(POLICY))? else {
            return Ok(Self::New(policy(name, &kinds)));
        };
        Ok(Self::There(match extend_policy(&text, &kinds) {
            // A comment was moved to where no permission can stand.
            Extended::With(new, plurals) if is_policy(&text) && !is_policy(&new) => {
                Extended::NoPlace(plurals)
            }
            other => other,
        }))
    }

    /// Whether something would be written.
    pub(super) const fn is_missing(&self) -> bool {
        matches!(self, Self::New(Some(_)) | Self::There(Extended::With(..)))
    }

    pub(super) fn write(&self, dir: &Path, out: &mut impl Write) -> Result<(), ProjectError> {
        let path = dir.join(POLICY);
        match self {
            Self::New(Some(file)) => {
                create(&path, &file.text)?;
                say(out, &format!("  created    {} (from now on yours)", shown(&path)));
            }
            Self::There(Extended::With(text, plurals)) => {
                replace(&path, text)?;
                let plurals = plurals.join(", ");
                say(out, &format!("  changed    {}: rules for {plurals}", shown(&path)));
            }
            Self::There(Extended::NoPlace(plurals)) => {
                let plurals = plurals.join(", ");
                say(
                    out,
                    &format!(
                        "  {} is yours, and has no rules for {plurals}: give its roles \
                         permissions such as PLURAL:create, PLURAL:update, PLURAL:update_status, \
                         or say PLURAL:none in a comment",
                        shown(&path)
                    ),
                );
            }
            Self::New(None) | Self::There(Extended::Complete) => {}
        }
        Ok(())
    }
}

fn is_policy(text: &str) -> bool {
    yaml::value(text).is_ok_and(|value| Policy::from_value(&value).is_ok())
}
