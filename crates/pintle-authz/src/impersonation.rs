//! Acting as somebody else, for whoever has the verb `impersonate` on them; as upstream.
//!
//! Users, groups and uids are asked for as if they were objects: `users` and `groups` of the core
//! group, `uids` of `authentication.k8s.io`, and a service account as itself in its namespace.

use std::sync::Arc;

use pintle_model::GroupResource;

use crate::user::{ALL_AUTHENTICATED, ALL_UNAUTHENTICATED, ANONYMOUS, SERVICE_ACCOUNT_PREFIX};
use crate::{Actor, Ask, Forbidden, RuleBook, User, Verb};

/// Whom a caller wants to act as.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Impersonation {
    /// The name.
    pub user: String,
    /// The groups. Without any, a service account is in those of its kind.
    pub groups: Vec<String>,
    /// The uid.
    pub uid: Option<String>,
}

impl RuleBook {
    /// The user whom a caller acts as, if it may act as all of that.
    pub fn impersonate(
        &self,
        caller: &Arc<User>,
        wanted: &Impersonation,
    ) -> Result<Arc<User>, Forbidden> {
        self.check_impersonation(caller, wanted)?;
        let account = service_account(&wanted.user);
        let mut groups: Vec<Arc<str>> =
            wanted.groups.iter().map(|group| group.as_str().into()).collect();
        if let (Some((namespace, _)), true) = (account, groups.is_empty()) {
            groups.push("system:serviceaccounts".into());
            groups.push(format!("system:serviceaccounts:{namespace}").into());
        }
        let everybody =
            if wanted.user == ANONYMOUS { ALL_UNAUTHENTICATED } else { ALL_AUTHENTICATED };
        groups.push(everybody.into());
        groups.sort_unstable();
        groups.dedup();
        let (name, uid) = (wanted.user.as_str().into(), wanted.uid.as_deref().map(Arc::from));
        let actor = Actor { caller: Arc::clone(caller), wanted: wanted.clone() };
        Ok(Arc::new(User { name, uid, groups, acted_by: Some(Arc::new(actor)) }))
    }

    /// Whether whoever acts as a user still may. Who acts as themselves always may.
    pub(crate) fn may_be_acted(&self, user: &User) -> bool {
        let Some(actor) = &user.acted_by else { return true };
        self.check_impersonation(&actor.caller, &actor.wanted).is_ok()
    }

    fn check_impersonation(
        &self,
        caller: &Arc<User>,
        wanted: &Impersonation,
    ) -> Result<(), Forbidden> {
        let who = match service_account(&wanted.user) {
            Some((namespace, name)) => ask("", "serviceaccounts", Some(namespace), name),
            None => ask("", "users", None, &wanted.user),
        };
        self.grant(caller, who)?;
        for group in &wanted.groups {
            self.grant(caller, ask("", "groups", None, group))?;
        }
        if let Some(uid) = &wanted.uid {
            self.grant(caller, ask("authentication.k8s.io", "uids", None, uid))?;
        }
        Ok(())
    }
}

/// Namespace and name of the service account that a user name is of.
fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')
}

fn ask(group: &str, plural: &str, namespace: Option<&str>, name: &str) -> Ask {
    Ask {
        verb: Verb::Other("impersonate".into()),
        resource: GroupResource::new(group, plural),
        subresource: None,
        namespace: namespace.map(Arc::from),
        name: Some(name.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RuleBookBuilder;
    use serde_json::json;

    fn book() -> RuleBook {
        let mut builder = RuleBookBuilder::new();
        let rule = |group: &str, resource: &str, names: &[&str]| {
            json!({
                "apiGroups": [group],
                "resources": [resource],
                "verbs": ["impersonate"],
                "resourceNames": names,
            })
        };
        let role = json!({"rules": [
            rule("", "users", &["zed"]),
            rule("", "groups", &["devs"]),
            rule("", "serviceaccounts", &["robot"]),
        ]});
        let binding = json!({
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "actor",
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"},
            ],
        });
        for (plural, body) in [("clusterroles", role), ("clusterrolebindings", binding)] {
            let none = std::collections::BTreeMap::new();
            let body = body.as_object().unwrap();
            builder.add_object(plural, None, "actor", &none, body).unwrap();
        }
        builder.build()
    }

    #[test]
    fn callers_act_as_whom_they_may() {
        let alice = Arc::new(User::authenticated("alice", None, []));
        let cases = [
            ("zed", &[][..], None, Some(vec!["system:authenticated"])),
            ("zed", &["devs"][..], None, Some(vec!["devs", "system:authenticated"])),
            (
                "system:serviceaccount:lab:robot",
                &[][..],
                None,
                Some(vec![
                    "system:authenticated",
                    "system:serviceaccounts",
                    "system:serviceaccounts:lab",
                ]),
            ),
            ("zed", &["system:masters"][..], None, None),
            ("zed", &[][..], Some("1"), None),
            ("root", &[][..], None, None),
            ("system:serviceaccount:lab:other", &[][..], None, None),
        ];
        for (user, groups, uid, expected) in cases {
            let wanted = Impersonation {
                user: user.to_owned(),
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
                uid: uid.map(str::to_owned),
            };
            let found = book().impersonate(&alice, &wanted).ok();
            let names = found
                .as_ref()
                .map(|user| user.groups.iter().map(ToString::to_string).collect::<Vec<_>>());
            let expected =
                expected.map(|groups| groups.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(names, expected, "{wanted:?}");
        }
    }
}
