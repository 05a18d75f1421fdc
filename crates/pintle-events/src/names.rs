//! What events are called and where they say that they come from.

use crate::cursor::Cursor;

/// A prefix has at most so many bytes, and a source too.
pub const NAME_BYTES_MAX: usize = 200;

/// The names that a server gives its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    type_prefix: String,
    condition_prefix: String,
    source: String,
}

/// A name that events cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// A prefix of types.
    #[error(
        "{0:?} cannot begin the types of events: it must be 1 to {NAME_BYTES_MAX} letters, digits, \
         hyphens and underscores, in segments between dots"
    )]
    Prefix(String),
    /// A source.
    #[error(
        "{0:?} cannot be the source of events: it must be 1 to {NAME_BYTES_MAX} characters that \
         can stand in a URI"
    )]
    Source(String),
}

impl Names {
    /// Names with these prefixes and this source. Without a prefix for condition events it is the
    /// other one and `.condition`.
    pub fn new(
        type_prefix: &str,
        condition_prefix: Option<&str>,
        source: &str,
    ) -> Result<Self, InvalidName> {
        let condition_prefix = match condition_prefix {
            Some(given) => prefix(given)?,
            None => format!("{type_prefix}.condition"),
        };
        let type_prefix = prefix(type_prefix)?;
        let source = checked_source(source)?;
        Ok(Self { type_prefix, condition_prefix, source })
    }

    /// `io.fabrica.device.created`.
    pub(crate) fn lifecycle_type(&self, kind: &str, action: &str) -> String {
        format!("{}.{}.{action}", self.type_prefix, kind.to_lowercase())
    }

    /// `io.fabrica.condition.ready`.
    pub(crate) fn condition_type(&self, condition: &str) -> String {
        format!("{}.{}", self.condition_prefix, condition.to_lowercase())
    }

    /// `fabrica-api/resources/Device/device-…`.
    pub(crate) fn source_of(&self, kind: &str, uid: &str) -> String {
        format!("{}/resources/{kind}/{uid}", self.source)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new("pintle", None, "pintle").expect("these names are valid")
    }
}

/// The `id` of an event: with its source, it is unique.
pub(crate) fn event_id(revision: pintle_model::Revision, part: u32) -> String {
    Cursor::within(revision, part).to_string()
}

fn prefix(text: &str) -> Result<String, InvalidName> {
    let fits = |segment: &str| {
        !segment.is_empty()
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if text.len() <= NAME_BYTES_MAX && text.split('.').all(fits) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::Prefix(text.chars().take(NAME_BYTES_MAX).collect()))
    }
}

/// A source is a URI reference (RFC 3986); its last slash is one too many.
fn checked_source(text: &str) -> Result<String, InvalidName> {
    let source = text.strip_suffix('/').unwrap_or(text);
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    if !source.is_empty() && source.len() <= NAME_BYTES_MAX && source.bytes().all(allowed) {
        Ok(source.to_owned())
    } else {
        Err(InvalidName::Source(text.chars().take(NAME_BYTES_MAX).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let (fits, long) = ("a".repeat(NAME_BYTES_MAX), "a".repeat(NAME_BYTES_MAX + 1));
        let cases = [
            ("io.fabrica", None, "fabrica-api", true),
            ("a", Some("b.c"), "https://example.io/x/", true),
            ("", None, "s", false),
            ("a..b", None, "s", false),
            ("a.*", None, "s", false),
            ("a b", None, "s", false),
            ("a", Some("b."), "s", false),
            ("a", None, "", false),
            ("a", None, "/", false),
            ("a", None, "a b", false),
            ("a", None, "a\nb", false),
            (&long, None, "s", false),
            ("a", None, &long, false),
            (&fits, None, &fits, true),
        ];
        for (prefix, condition, source, good) in cases {
            assert_eq!(Names::new(prefix, condition, source).is_ok(), good, "{prefix} {source}");
        }
    }
}
