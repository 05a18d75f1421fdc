//! Why something is allowed.

use std::fmt;
use std::sync::Arc;

use crate::MASTERS;

/// Why the rules allow something: for whoever reads the audit log, or asks what somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grounds {
    /// Requests are not authorised.
    Open,
    /// Members of `system:masters` may do everything.
    Masters,
    /// A binding, or an entry of a policy file, in words that were made when it was read:
    /// `ClusterRoleBinding "ops" of ClusterRole "edit" to Group "ops"`.
    Given(Arc<str>),
}

impl fmt::Display for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("requests are not authorised"),
            Self::Masters => write!(f, "Group {MASTERS:?} may do everything"),
            Self::Given(text) => f.write_str(text),
        }
    }
}
