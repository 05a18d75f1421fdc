//! Groups that belong to the Kubernetes community: whoever declares a kind in one of them says who
//! approved it. The rule is that of apiextensions-apiserver's `apihelpers`.

use std::collections::BTreeMap;
use std::fmt;

use pintle_model::{FieldError, FieldPath};
use serde_json::Value;

/// The annotation of a definition that names its approval. Upstream's name.
const ANNOTATION: &str = "api-approved.kubernetes.io";

/// What a definition in such a group says of its approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// Nothing.
    Missing,
    /// Something that is neither an address nor a confession.
    Unclear(String),
    /// That there is none: a text that begins with `unapproved`.
    Unapproved(String),
    /// Where it was given: a URL.
    Approved(String),
}

impl Approval {
    /// Of the definition of this name. Nothing in groups that belong to nobody else.
    pub fn of(name: &str, annotations: &BTreeMap<String, String>) -> Option<Self> {
        let (_, group) = name.split_once('.')?;
        is_protected(group).then(|| Self::read(annotations.get(ANNOTATION)))
    }

    fn read(text: Option<&String>) -> Self {
        match text.map(String::as_str) {
            None | Some("") => Self::Missing,
            Some(text) if text.starts_with("unapproved") => Self::Unapproved(text.to_owned()),
            Some(text) if is_url(text) => Self::Approved(text.to_owned()),
            Some(text) => Self::Unclear(text.to_owned()),
        }
    }

    /// Whether there is one.
    pub const fn is_given(&self) -> bool {
        matches!(self, Self::Approved(_))
    }

    /// The reason of the condition that tells of it; upstream's.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAnnotation",
            Self::Unclear(_) => "InvalidAnnotation",
            Self::Unapproved(_) => "UnapprovedAnnotation",
            Self::Approved(_) => "ApprovedAnnotation",
        }
    }

    /// Why a definition is refused that begins to say this.
    pub fn fault(&self) -> Option<FieldError> {
        let metadata = FieldPath::ROOT.field("metadata");
        let annotations = metadata.field("annotations");
        let path = annotations.field(ANNOTATION);
        match self {
            Self::Missing => Some(FieldError::required(path, self.to_string())),
            Self::Unclear(text) => {
                Some(FieldError::invalid(path, &Value::from(text.as_str()), self.to_string()))
            }
            Self::Unapproved(_) | Self::Approved(_) => None,
        }
    }
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing | Self::Unclear(_) => write!(
                f,
                "groups of k8s.io and kubernetes.io belong to the Kubernetes community: name the \
                 URL of the approval in the annotation {ANNOTATION}, or say \"unapproved\" in it \
                 (see https://github.com/kubernetes/enhancements/pull/1111)"
            ),
            Self::Unapproved(text) => write!(f, "not approved: {text:?}"),
            Self::Approved(url) => write!(f, "approved in {url}"),
        }
    }
}

fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"].into_iter().any(|domain| {
        group.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !host.is_empty()
            && !text.contains(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_groups_of_the_community_need_an_approval() {
        let url = "https://github.com/kubernetes/enhancements/pull/1870";
        for (name, text, reason, fits) in [
            ("a.example.io", "", None, true),
            ("a.autoscaling.x-k8s.io", "", None, true),
            ("a.notkubernetes.io", "", None, true),
            ("a.k8s.io", "", Some("MissingAnnotation"), false),
            ("a.foo.k8s.io", "", Some("MissingAnnotation"), false),
            ("a.foo.kubernetes.io", "", Some("MissingAnnotation"), false),
            ("a.foo.k8s.io", "yes", Some("InvalidAnnotation"), false),
            ("a.foo.k8s.io", "https://", Some("InvalidAnnotation"), false),
            ("a.foo.k8s.io", "unapproved, experimental", Some("UnapprovedAnnotation"), true),
            ("a.foo.k8s.io", url, Some("ApprovedAnnotation"), true),
        ] {
            let annotations = BTreeMap::from([(ANNOTATION.to_owned(), text.to_owned())]);
            let found = Approval::of(name, &annotations);
            assert_eq!(found.as_ref().map(Approval::reason), reason, "{name} {text}");
            assert_eq!(found.and_then(|it| it.fault()).is_none(), fits, "{name} {text}");
        }
    }
}
