//! Entity tags: an object's `resourceVersion` in quotes (RFC 9110, section 8.8.3).

use pintle_model::Revision;

/// What `If-Match` or `If-None-Match` lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`: whatever there is.
    Any,
    /// The strong tags of the list that may be versions. Weak ones and foreign ones match nothing
    /// under `If-Match`, and are counted.
    List {
        /// Those that are versions.
        revisions: Vec<Revision>,
        /// Versions behind a `W/`, which only `If-None-Match` looks at.
        weak: Vec<Revision>,
        /// How many are neither.
        foreign: usize,
    },
}

/// A header that is not a list of entity tags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a list of entity tags: write `\"<resourceVersion>\"` in double quotes, or `*`"
)]
pub struct InvalidEntityTag(pub String);

/// So many tags one header may list.
const TAGS_MAX: usize = 64;

impl EntityTags {
    /// Reads the value of the header.
    pub fn parse(value: &str) -> Result<Self, InvalidEntityTag> {
        let invalid = || InvalidEntityTag(value.chars().take(200).collect());
        if value.trim() == "*" {
            return Ok(Self::Any);
        }
        let (mut revisions, mut weak, mut foreign) = (Vec::new(), Vec::new(), 0);
        for (index, item) in value.split(',').map(str::trim).enumerate() {
            let (is_weak, quoted) = match item.strip_prefix("W/") {
                Some(rest) => (true, rest),
                None => (false, item),
            };
            let tag = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let tag = tag.filter(|tag| !tag.contains('"')).ok_or_else(invalid)?;
            if index == TAGS_MAX {
                return Err(invalid());
            }
            match (Revision::parse(tag), is_weak) {
                (Ok(revision), false) => revisions.push(revision),
                (Ok(revision), true) => weak.push(revision),
                (Err(_), _) => foreign += 1,
            }
        }
        Ok(Self::List { revisions, weak, foreign })
    }

    /// Whether `If-None-Match` is met, so that a read answers 304: weak comparison.
    pub fn lists(&self, revision: Revision) -> bool {
        match self {
            Self::Any => true,
            Self::List { revisions, weak, .. } => {
                revisions.contains(&revision) || weak.contains(&revision)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_versions_in_quotes() {
        let list = |revisions: &[u64], weak: &[u64], foreign| {
            let revisions = revisions.iter().copied().map(Revision).collect();
            let weak = weak.iter().copied().map(Revision).collect();
            Some(EntityTags::List { revisions, weak, foreign })
        };
        let cases = [
            ("*", Some(EntityTags::Any)),
            ("\"7\"", list(&[7], &[], 0)),
            ("\"7\", \"8\"", list(&[7, 8], &[], 0)),
            ("W/\"7\"", list(&[], &[7], 0)),
            ("\"abc\"", list(&[], &[], 1)),
            ("7", None),
            ("\"7", None),
            ("", None),
            ("\"7\",", None),
        ];
        for (text, expected) in cases {
            assert_eq!(EntityTags::parse(text).ok(), expected, "{text:?}");
        }
    }
}
