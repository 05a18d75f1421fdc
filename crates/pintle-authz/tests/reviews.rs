//! Questions about rights, and their answers.

#![cfg(test)]

use std::sync::Arc;

use pintle_authz::{
    MASTERS, Policy, ReviewError, ReviewKind, RuleBook, RuleBookBuilder, RuleObject, User,
    default_objects,
};
use serde_json::{Value, json};

fn book() -> RuleBook {
    let policy = json!([
        {"role": "user", "permissions": ["devices:update"]},
        {"user": "ann", "role": "user", "namespace": "lab"},
        {"group": "ops", "role": "user"},
        {"role": "any", "permissions": ["*:list"]},
        {"user": "bob", "role": "any"},
    ]);
    let mut builder = RuleBookBuilder::new();
    for object in default_objects() {
        builder.add(&RuleObject::of_default(&object));
    }
    builder.add_policy(&Policy::from_value(&policy).unwrap().named("p.yaml"));
    builder.build()
}

fn user(name: &str, groups: &[&str]) -> User {
    User::authenticated(name, Some("7"), groups.iter().copied().map(Arc::from))
}

fn status(kind: ReviewKind, caller: &User, spec: &Value) -> Value {
    let document = json!({"apiVersion": kind.api_version(), "kind": kind.kind(), "spec": spec});
    let answer = book().review(kind, caller, Some("lab"), document.as_object().unwrap());
    let answer = answer.unwrap_or_else(|error| panic!("{spec}: {error:?}"));
    assert_eq!((&answer["kind"], &answer["spec"]), (&document["kind"], spec));
    answer["status"].clone()
}

fn fault(kind: ReviewKind, document: &Value) -> String {
    match book().review(kind, &user("ann", &[]), Some("lab"), document.as_object().unwrap()) {
        Ok(answer) => format!("answered {answer}"),
        Err(ReviewError::Malformed(problem)) => problem,
        Err(ReviewError::Invalid(fault)) => fault.to_string(),
    }
}

#[test]
fn access_is_what_the_rules_say_and_why() {
    let devices = |verb: &str, namespace: &str| {
        json!({"resourceAttributes": {
            "verb": verb, "group": "infra.example.io", "resource": "devices", "namespace": namespace,
        }})
    };
    let path = |path: &str| json!({"nonResourceAttributes": {"verb": "get", "path": path}});
    let ann = || user("ann", &[]);
    let cases = [
        (
            ann(),
            devices("update", "lab"),
            "RBAC: allowed by p.yaml entry 2: role \"user\" to User \"ann\"",
        ),
        (ann(), devices("update", ""), ""),
        (ann(), devices("delete", "lab"), ""),
        (
            user("eve", &["ops"]),
            devices("update", ""),
            "RBAC: allowed by p.yaml entry 3: role \"user\" to Group \"ops\"",
        ),
        (
            user("eve", &[MASTERS]),
            devices("delete", ""),
            "Group \"system:masters\" may do everything",
        ),
        (
            ann(),
            path("/docs"),
            "RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group \"system:authenticated\"",
        ),
        (ann(), path("/metrics"), ""),
        (
            user("prometheus", &["system:monitoring"]),
            path("/metrics"),
            "RBAC: allowed by ClusterRoleBinding \"system:monitoring\" of ClusterRole \"system:monitoring\" to Group \"system:monitoring\"",
        ),
    ];
    for (caller, spec, reason) in cases {
        let expected = if reason.is_empty() {
            let found = status(ReviewKind::SelfSubjectAccess, &caller, &spec);
            let why = found["reason"].as_str().unwrap_or_default();
            assert!(why.starts_with("no rule gives User "), "{found}");
            json!({"allowed": false, "reason": why})
        } else {
            json!({"allowed": true, "reason": reason})
        };
        assert_eq!(status(ReviewKind::SelfSubjectAccess, &caller, &spec), expected, "{spec}");
        // The same question about somebody else.
        let mut about = spec.clone();
        about["user"] = json!(&*caller.name);
        about["groups"] = json!(caller.groups);
        assert_eq!(status(ReviewKind::SubjectAccess, &ann(), &about), expected, "{about}");
    }
}

#[test]
fn a_caller_is_told_who_they_are() {
    let document = json!({}).as_object().unwrap().clone();
    let kind = ReviewKind::SelfSubject;
    let answer = book().review(kind, &user("ann", &["ops"]), None, &document).unwrap();
    let groups = json!(["ops", "system:authenticated"]);
    let expected = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {},
        "status": {"userInfo": {"username": "ann", "uid": "7", "groups": groups}},
    });
    assert_eq!(answer, expected);
}

#[test]
fn rights_are_listed() {
    let lab = json!({"namespace": "lab"});
    let found = status(ReviewKind::SelfSubjectRules, &user("ann", &[]), &lab);
    let rules = found["resourceRules"].as_array().unwrap();
    let writes =
        json!({"verbs": ["update", "patch"], "apiGroups": ["*"], "resources": ["devices"]});
    assert!(rules.contains(&writes), "{found}");
    assert_eq!(found["incomplete"], false, "{found}");
    let paths = found["nonResourceRules"].to_string();
    assert!(paths.contains("/openapi.json") && !paths.contains("/metrics"), "{paths}");
    let elsewhere =
        status(ReviewKind::SelfSubjectRules, &user("ann", &[]), &json!({"namespace": "x"}));
    assert!(!elsewhere["resourceRules"].as_array().unwrap().contains(&writes), "{elsewhere}");
    let rounded = status(ReviewKind::SelfSubjectRules, &user("bob", &[]), &lab);
    assert_eq!(rounded["incomplete"], true, "{rounded}");
    let all = status(ReviewKind::SelfSubjectRules, &user("root", &[MASTERS]), &lab);
    assert_eq!(all["resourceRules"][0]["verbs"], json!(["*"]), "{all}");
}

#[test]
fn questions_that_mean_nothing_are_refused() {
    use ReviewKind::{LocalSubjectAccess, SelfSubjectAccess, SelfSubjectRules, SubjectAccess};
    let in_ns =
        |namespace: &str| json!({"verb": "get", "resource": "pods", "namespace": namespace});
    let cases = [
        (SelfSubjectAccess, json!({}), "spec.resourceAttributes: Required value"),
        (
            SelfSubjectAccess,
            json!({"spec": {"resourceAttributes": {}, "nonResourceAttributes": {}}}),
            "spec.nonResourceAttributes: Forbidden",
        ),
        (SelfSubjectAccess, json!({"kind": "SubjectAccessReview"}), "kind must be"),
        (SelfSubjectAccess, json!({"apiVersion": "v1"}), "apiVersion must be"),
        (SelfSubjectAccess, json!({"spec": {"resourceAttributes": 7}}), "spec: invalid type"),
        (
            SelfSubjectAccess,
            json!({"spec": {"resourceAttributes": {"resource": "devices/status"}}}),
            "is the plural name alone",
        ),
        (ReviewKind::SelfSubject, json!({"status": []}), "status must be an object"),
        (ReviewKind::SelfSubject, json!({"spec": 7}), "spec must be an object"),
        (SelfSubjectAccess, json!({"metadata": "x"}), "metadata must be an object"),
        (SelfSubjectRules, json!({"spec": {}}), "spec.namespace: Required value"),
        (
            SubjectAccess,
            json!({"spec": {"resourceAttributes": {}}}),
            "at least one of user or group",
        ),
        (
            SubjectAccess,
            json!({"spec": {"groups": vec!["g"; 1_001], "resourceAttributes": {}}}),
            "1001 groups; 1000 are allowed",
        ),
        (
            LocalSubjectAccess,
            json!({"spec": {"user": "ann", "resourceAttributes": in_ns("attic")}}),
            "must be the namespace of the request",
        ),
        (
            LocalSubjectAccess,
            json!({"spec": {"user": "ann", "resourceAttributes": in_ns("lab")}}),
            "answered",
        ),
    ];
    for (kind, document, expected) in cases {
        let found = fault(kind, &document);
        assert!(found.contains(expected), "{document}: {found}");
    }
}

#[test]
fn names_are_those_of_kubernetes() {
    for (name, expected) in [
        ("selfsubjectaccessreviews", Some(ReviewKind::SelfSubjectAccess)),
        ("selfsubjectaccessreviews.authorization.k8s.io", Some(ReviewKind::SelfSubjectAccess)),
        ("selfsubjectreviews.authentication.k8s.io", Some(ReviewKind::SelfSubject)),
        ("selfsubjectreviews.authorization.k8s.io", None),
        ("devices", None),
    ] {
        assert_eq!(ReviewKind::named(name), expected, "{name}");
    }
}
