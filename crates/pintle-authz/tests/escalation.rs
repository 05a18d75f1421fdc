//! Nobody gives away more than they have.

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_authz::{MASTERS, Policy, RuleBook, RuleBookBuilder, RuleWrite, User};
use serde_json::{Map, Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names})
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// What somebody has: rules everywhere, and rules in the namespace `lab`.
fn book(everywhere: &[Value], in_lab: &[Value]) -> RuleBook {
    let mut builder = RuleBookBuilder::new();
    let mut add = |plural: &str, namespace, name: &str, body: &Value| {
        builder
            .add_object(plural, namespace, name, &BTreeMap::new(), &fields(body))
            .expect("well-formed");
    };
    let bound = |role: &str| {
        json!({
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "name": "ann"}],
        })
    };
    add("clusterroles", None, "wide", &json!({"rules": everywhere}));
    add("clusterrolebindings", None, "wide", &bound("wide"));
    add("clusterroles", None, "narrow", &json!({"rules": in_lab}));
    add("rolebindings", Some("lab"), "narrow", &bound("narrow"));
    add("clusterroles", None, "reads", &json!({"rules": [reads()]}));
    builder.build()
}

fn reads() -> Value {
    rule(&["get", "list"], &["infra.example.io"], &["devices", "devices/status"], &[])
}

fn ann() -> Arc<User> {
    Arc::new(User::authenticated("ann", None, []))
}

/// What is missing; empty when it may be written.
fn missing(book: &RuleBook, plural: &str, namespace: Option<&str>, after: &Value) -> String {
    missing_to(&ann(), book, plural, namespace, after)
}

fn missing_to(
    user: &Arc<User>,
    book: &RuleBook,
    plural: &str,
    namespace: Option<&str>,
    after: &Value,
) -> String {
    let after = fields(after);
    let write = RuleWrite { plural, namespace, name: Some("new"), before: None, after: &after };
    book.check_escalation(user, &write).err().map(|no| no.to_string()).unwrap_or_default()
}

#[test]
fn a_role_gives_what_its_writer_has() {
    let all = || rule(&["*"], &["*"], &["*"], &[]);
    let one = |verb| rule(&[verb], &["infra.example.io"], &["devices"], &[]);
    let paths = |path: &str| json!({"verbs": ["get"], "nonResourceURLs": [path]});
    // What one has, what one gives, and what is missing.
    let cases = [
        (vec![], vec![], ""),
        (vec![reads()], vec![reads()], ""),
        (vec![reads()], vec![one("get"), one("list")], ""),
        // Several rules may hold together what one gives.
        (
            vec![one("get"), one("list")],
            vec![rule(&["get", "list"], &["infra.example.io"], &["devices"], &[])],
            "",
        ),
        (vec![reads()], vec![one("watch")], "watch devices in API group \"infra.example.io\""),
        (vec![reads()], vec![all()], "* * in API group \"*\""),
        (vec![all()], vec![all(), reads()], ""),
        (vec![one("get")], vec![paths("/metrics")], "get /metrics"),
        (vec![paths("/metrics/*")], vec![paths("/metrics/a")], ""),
        (vec![paths("/metrics/*")], vec![paths("/metrics/*")], ""),
        (vec![paths("/metrics/a")], vec![paths("/metrics/*")], "get /metrics/*"),
        (
            vec![rule(&["get"], &["*"], &["*/status"], &[])],
            vec![rule(&["get"], &["x"], &["y/status"], &[])],
            "",
        ),
        (
            vec![rule(&["get"], &["*"], &["*/status"], &[])],
            vec![rule(&["get"], &["x"], &["y"], &[])],
            "get y in API group \"x\"",
        ),
        (
            vec![one("get")],
            vec![rule(&["get"], &["*"], &["devices"], &[])],
            "get devices in API group \"*\"",
        ),
        (vec![one("get")], vec![rule(&["get"], &["infra.example.io"], &["devices"], &["a"])], ""),
        (
            vec![rule(&["get"], &["infra.example.io"], &["devices"], &["a"])],
            vec![rule(&["get"], &["infra.example.io"], &["devices"], &["a", "b"])],
            "get devices in API group \"infra.example.io\" named b",
        ),
        (
            vec![rule(&["get"], &["infra.example.io"], &["devices"], &["a"])],
            vec![one("get")],
            "get devices in API group \"infra.example.io\"",
        ),
        // The verb that allows it, which is a right like others.
        (vec![rule(&["escalate"], &[RBAC], &["clusterroles"], &[])], vec![all()], ""),
        (vec![rule(&["escalate"], &[RBAC], &["clusterroles"], &["new"])], vec![all()], ""),
        (
            vec![rule(&["escalate"], &[RBAC], &["clusterroles"], &["other"])],
            vec![all()],
            "* * in API",
        ),
        (vec![rule(&["escalate"], &[RBAC], &["roles"], &[])], vec![all()], "* * in API"),
        (vec![rule(&["bind"], &[RBAC], &["clusterroles"], &[])], vec![all()], "* * in API"),
    ];
    for (has, gives, expected) in cases {
        let found = missing(&book(&has, &[]), "clusterroles", None, &json!({"rules": gives}));
        check(&found, expected, &format!("{has:?} {gives:?}"));
    }
}

fn check(found: &str, expected: &str, row: &str) {
    if expected.is_empty() {
        assert_eq!(found, "", "{row}");
    } else {
        assert!(found.contains(&format!("not currently held: {expected}")), "{row}: {found}");
    }
}

#[test]
fn a_right_in_a_namespace_is_given_in_that_namespace() {
    let book = book(&[], &[reads()]);
    let role = json!({"rules": [reads()]});
    assert_eq!(missing(&book, "roles", Some("lab"), &role), "");
    assert_ne!(missing(&book, "roles", Some("attic"), &role), "");
    assert_ne!(missing(&book, "clusterroles", None, &role), "");
}

#[test]
fn a_binding_gives_what_its_writer_has() {
    let bind = |resource, names: &[&str]| rule(&["bind"], &[RBAC], &[resource], names);
    let to = |kind: &str, name: &str| json!({"roleRef": {"apiGroup": RBAC, "kind": kind, "name": name}, "subjects": []});
    let reads_it = to("ClusterRole", "reads");
    // What one has everywhere and in the namespace, the binding, and what the refusal says.
    let cases = [
        (vec![reads()], vec![], "clusterrolebindings", None, &reads_it, ""),
        (vec![], vec![reads()], "clusterrolebindings", None, &reads_it, "not currently held"),
        (vec![], vec![reads()], "rolebindings", Some("lab"), &reads_it, ""),
        (vec![], vec![reads()], "rolebindings", Some("attic"), &reads_it, "not currently held"),
        (
            vec![bind("clusterroles", &["reads"])],
            vec![],
            "clusterrolebindings",
            None,
            &reads_it,
            "",
        ),
        (
            vec![bind("clusterroles", &["other"])],
            vec![],
            "clusterrolebindings",
            None,
            &reads_it,
            "cannot bind",
        ),
        (
            vec![bind("roles", &["reads"])],
            vec![],
            "clusterrolebindings",
            None,
            &reads_it,
            "cannot bind",
        ),
        (vec![], vec![bind("clusterroles", &[])], "rolebindings", Some("lab"), &reads_it, ""),
        (
            vec![],
            vec![bind("clusterroles", &[])],
            "clusterrolebindings",
            None,
            &reads_it,
            "cannot bind",
        ),
        (
            vec![reads()],
            vec![],
            "clusterrolebindings",
            None,
            &to("ClusterRole", "none"),
            "does not exist",
        ),
        (
            vec![reads()],
            vec![],
            "rolebindings",
            Some("lab"),
            &to("Role", "reads"),
            "does not exist",
        ),
        (vec![bind("*", &[])], vec![], "clusterrolebindings", None, &to("ClusterRole", "none"), ""),
    ];
    for (everywhere, in_lab, plural, namespace, binding, expected) in cases {
        let found = missing(&book(&everywhere, &in_lab), plural, namespace, binding);
        assert_eq!(found.is_empty(), expected.is_empty(), "{everywhere:?} {in_lab:?}: {found}");
        assert!(found.contains(expected), "{everywhere:?} {in_lab:?}: {found}");
    }
}

/// An aggregated role gathers what others will label.
#[test]
fn aggregation_takes_every_right() {
    // Every right includes the verb `escalate`; all but that are not enough.
    let all = rule(&["*"], &["*"], &["*"], &[]);
    let no_verb = rule(&["get", "create", "update", "patch", "bind"], &["*"], &["*"], &[]);
    let body = json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
    for (has, may) in [
        (vec![], false),
        (vec![no_verb], false),
        (vec![all], true),
        (vec![rule(&["escalate"], &[RBAC], &["clusterroles"], &[])], true),
    ] {
        let book = book(&has, &[]);
        assert_eq!(missing(&book, "clusterroles", None, &body).is_empty(), may, "{has:?}");
        // It takes as much to make an ordinary role of it.
        let (before, after) = (fields(&body), fields(&json!({"rules": []})));
        let write = RuleWrite {
            plural: "clusterroles",
            namespace: None,
            name: Some("new"),
            before: Some(&before),
            after: &after,
        };
        assert_eq!(book.check_escalation(&ann(), &write).is_ok(), may, "{has:?}");
    }
}

#[test]
fn who_may_do_everything_gives_everything() {
    let role = json!({"rules": [rule(&["*"], &["*"], &["*"], &[])]});
    let master = Arc::new(User::authenticated("root", None, [MASTERS.into()]));
    assert_eq!(missing_to(&master, &book(&[], &[]), "clusterroles", None, &role), "");
    assert_eq!(missing(&RuleBook::allow_all(), "clusterroles", None, &role), "");
}

/// What a policy file gives may be given on like what an RBAC object gives.
#[test]
fn rights_of_a_policy_file_count() {
    let policy = json!([
        {"role": "r", "permissions": ["devices.infra.example.io:*", "*:get"]},
        {"user": "ann", "role": "r"},
    ]);
    let mut builder = RuleBookBuilder::new();
    builder.add_policy(&Policy::from_value(&policy).unwrap());
    let book = builder.build();
    for (gives, may) in [
        (rule(&["delete"], &["infra.example.io"], &["devices", "devices/scale"], &[]), true),
        (rule(&["delete"], &["*"], &["devices"], &[]), false),
        (rule(&["get"], &["x"], &["y", "y/status"], &[]), true),
        (rule(&["get"], &["x"], &["y/scale"], &[]), false),
        (rule(&["get"], &["x"], &["*"], &[]), false),
    ] {
        let found = missing(&book, "clusterroles", None, &json!({"rules": [gives]}));
        assert_eq!(found.is_empty(), may, "{gives}: {found}");
    }
}

/// A product of long lists is refused before it is multiplied out.
#[test]
fn a_role_of_a_million_rights_is_refused() {
    let many: Vec<String> = (0..1_000).map(|number| format!("v{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let role = json!({"rules": [rule(&many, &many, &many, &many)]});
    let found = missing(&book(&[reads()], &[]), "clusterroles", None, &role);
    assert!(found.contains("more than 10000 rights"), "{found}");
    let whole = book(&[rule(&["*"], &["*"], &["*"], &[])], &[]);
    assert_eq!(missing(&whole, "clusterroles", None, &role), "");
}
