//! Who asks.

use std::sync::Arc;

use crate::Impersonation;

/// The user name of a caller who showed no credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of callers who showed no credentials.
pub const ALL_UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group of all other callers.
pub const ALL_AUTHENTICATED: &str = "system:authenticated";
/// The group whose members may do everything, whatever the rules say.
pub const MASTERS: &str = "system:masters";
/// The group of those who collect `/metrics`.
pub const MONITORING: &str = "system:monitoring";
/// What the user name of a service account begins with; `namespace:name` follows.
pub const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// Who asks, as an authenticator found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Unique among users.
    pub name: Arc<str>,
    /// Tells apart two users who had the same name one after the other.
    pub uid: Option<Arc<str>>,
    /// Sorted, without duplicates when made by a constructor.
    pub groups: Vec<Arc<str>>,
    /// Who acts as this user, where that is somebody else: with the right to do so ends whatever is
    /// done as this user.
    pub acted_by: Option<Arc<Actor>>,
}

/// Somebody who acts as somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who that is.
    pub caller: Arc<User>,
    /// Whom they asked to act as.
    pub wanted: Impersonation,
}

impl User {
    /// A caller who showed no credentials: `system:anonymous`, in `system:unauthenticated`.
    pub fn anonymous() -> Self {
        let groups = vec![ALL_UNAUTHENTICATED.into()];
        Self { name: ANONYMOUS.into(), uid: None, groups, acted_by: None }
    }

    /// A caller whom an authenticator knows: in `groups`, and in `system:authenticated`.
    pub fn authenticated(
        name: &str,
        uid: Option<&str>,
        groups: impl IntoIterator<Item = Arc<str>>,
    ) -> Self {
        let mut groups: Vec<Arc<str>> = groups.into_iter().collect();
        groups.push(ALL_AUTHENTICATED.into());
        groups.sort_unstable();
        groups.dedup();
        Self { name: name.into(), uid: uid.map(Arc::from), groups, acted_by: None }
    }

    /// Whether this caller showed no credentials.
    pub fn is_anonymous(&self) -> bool {
        &*self.name == ANONYMOUS
    }

    /// Whether this caller is in `group`.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| &**own == group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_both_known_and_unknown() {
        let alice = User::authenticated("alice", None, ["b".into(), "a".into(), "b".into()]);
        assert_eq!(alice.groups, ["a".into(), "b".into(), Arc::from(ALL_AUTHENTICATED)]);
        assert!(!alice.is_anonymous() && !alice.is_in(ALL_UNAUTHENTICATED));

        let nobody = User::anonymous();
        assert!(nobody.is_anonymous() && !nobody.is_in(ALL_AUTHENTICATED));
    }
}
