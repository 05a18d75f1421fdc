//! The answer no, in the words of Kubernetes, because its clients show and match them.

use std::fmt;
use std::sync::Arc;

use crate::{Ask, Subresource, User, Verb};

/// The rules, or the program, do not allow what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Forbidden {
    /// Who asked.
    pub user: Arc<User>,
    /// For what.
    pub ask: Box<Ask>,
    /// Why not, when it is not just that no rule allows it.
    pub reason: Option<String>,
    /// Whether the rules would allow it, and a program does not.
    pub overruled: bool,
}

impl Forbidden {
    /// No rule allows it.
    pub fn new(user: &Arc<User>, ask: Ask) -> Self {
        Self { user: Arc::clone(user), ask: Box::new(ask), reason: None, overruled: false }
    }

    /// No rule allows it, and this is why it was asked for.
    #[must_use]
    pub fn explained(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// The rules would allow it; the program that embeds the server does not, and says why.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), overruled: true, ..self }
    }

    /// The permission that was missing, in the words of the policy file; nothing when none was.
    pub fn hint(&self) -> Option<String> {
        if self.overruled {
            return None;
        }
        let Ask { verb, subresource, .. } = &*self.ask;
        Some(match (verb, subresource) {
            (Verb::Update | Verb::Patch, Some(Subresource::Status)) => {
                "requires update_status permission".to_owned()
            }
            (verb, None | Some(Subresource::Status)) => format!("requires {verb} permission"),
            (verb, Some(other)) => format!("requires {verb} permission on {other}"),
        })
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ask { verb, resource, subresource, namespace, name } = &*self.ask;
        write!(f, "{resource}")?;
        if let Some(name) = name {
            write!(f, " {name:?}")?;
        }
        write!(f, " is forbidden: User {:?} cannot {verb} resource ", self.user.name)?;
        match subresource {
            Some(subresource) => write!(f, "\"{}/{subresource}\"", resource.plural())?,
            None => write!(f, "{:?}", resource.plural())?,
        }
        write!(f, " in API group {:?}", resource.group())?;
        match namespace {
            Some(namespace) => write!(f, " in the namespace {namespace:?}")?,
            None => f.write_str(" at the cluster scope")?,
        }
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// The rules do not allow a request for a path that belongs to no resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("forbidden: User {:?} cannot {verb} path {path:?}", user.name)]
pub struct PathForbidden {
    /// Who asked.
    pub user: Arc<User>,
    /// For what: the HTTP method in lower case.
    pub verb: Verb,
    /// Where.
    pub path: String,
}
