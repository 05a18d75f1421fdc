//! RBAC objects mean what they mean upstream.

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_authz::{
    Ask, DefaultObject, Reach, RuleBook, RuleBookBuilder, RuleObject, Subresource, User, Verb,
    default_objects, kind_objects,
};
use pintle_model::GroupResource;
use serde_json::{Value, json};

const DEVICES: &str = "devices.infra.example.io";

/// `verb resource[/subresource] [namespace/][name]`; no third word asks for all objects everywhere.
fn ask(text: &str) -> Ask {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (verb, resource, place) = (word(), word(), word());
    let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
    let (namespace, name) = place.split_once('/').unwrap_or(("", place));
    let some = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
    Ask {
        verb: Verb::parse(verb),
        resource: GroupResource::from_text(resource),
        subresource: (!part.is_empty()).then(|| Subresource::parse(part)),
        namespace: some(namespace),
        name: some(name),
    }
}

fn user(name: &str, groups: &[&str]) -> Arc<User> {
    Arc::new(User::authenticated(name, None, groups.iter().copied().map(Arc::from)))
}

/// A book of objects given as `(plural, namespace/name, body)`.
fn book(objects: &[(&str, &str, Value)]) -> RuleBook {
    let mut builder = RuleBookBuilder::new();
    for (plural, name, body) in objects {
        add(&mut builder, plural, name, &BTreeMap::new(), body).expect("well-formed");
    }
    builder.build()
}

fn add(
    builder: &mut RuleBookBuilder,
    plural: &str,
    name: &str,
    labels: &BTreeMap<String, String>,
    body: &Value,
) -> Result<(), String> {
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, name),
    };
    let body = body.as_object().expect("an object");
    builder.add_object(plural, namespace, name, labels, body).map_err(|error| error.to_string())
}

fn rules(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> Value {
    json!({ "rules": [{
        "verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names,
    }] })
}

fn binding(kind: &str, role: &str, subjects: &Value) -> Value {
    json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role },
        "subjects": subjects,
    })
}

fn alice() -> Value {
    json!([{ "kind": "User", "name": "alice" }])
}

const INFRA: &[&str] = &["infra.example.io"];

#[test]
fn one_rule_matches_as_upstream() {
    // The rule, what it allows, and what it does not allow.
    let cases: [(Value, &[&str], &[&str]); 6] = [
        (
            rules(&["get"], INFRA, &["devices"], &[]),
            &["get devices.infra.example.io lab/a", "get devices.infra.example.io"],
            &[
                "list devices.infra.example.io",
                "GET devices.infra.example.io lab/a",
                "get devices.infra.example.io/status lab/a",
                "get devices lab/a",
                "get devices.example.io lab/a",
                "get device.infra.example.io lab/a",
                "get devicesx.infra.example.io lab/a",
            ],
        ),
        (
            rules(&["update"], INFRA, &["devices/status"], &[]),
            &["update devices.infra.example.io/status lab/a"],
            &[
                "update devices.infra.example.io lab/a",
                "update devices.infra.example.io/scale lab/a",
                "update sensors.infra.example.io/status lab/a",
                "patch devices.infra.example.io/status lab/a",
            ],
        ),
        (
            rules(&["update"], &["*"], &["*/status"], &[]),
            &["update devices.infra.example.io/status lab/a", "update namespaces/status lab/lab"],
            &[
                "update devices.infra.example.io lab/a",
                "update devices.infra.example.io/scale lab/a",
            ],
        ),
        (
            rules(&["*"], &[""], &["*"], &[]),
            &["create pods", "frobnicate pods/status lab/a", "delete namespaces lab/lab"],
            &["get devices.infra.example.io lab/a"],
        ),
        (
            // Neither form exists in RBAC.
            rules(&["get"], INFRA, &["devices/*", "*/*", "dev*"], &[]),
            &[],
            &["get devices.infra.example.io lab/a", "get devices.infra.example.io/status lab/a"],
        ),
        (
            rules(&["*"], INFRA, &["devices"], &["a", ""]),
            &[
                "get devices.infra.example.io lab/a",
                "delete devices.infra.example.io other/a",
                // A list that a field selector narrows to one name.
                "list devices.infra.example.io lab/a",
            ],
            &[
                "get devices.infra.example.io lab/b",
                "create devices.infra.example.io lab/",
                "list devices.infra.example.io lab/",
                "watch devices.infra.example.io",
                "deletecollection devices.infra.example.io lab/",
            ],
        ),
    ];
    for (role, allowed, refused) in cases {
        check_rule(&role, allowed, refused);
    }
}

fn check_rule(role: &Value, allowed: &[&str], refused: &[&str]) {
    let book = book(&[
        ("clusterroles", "r", role.clone()),
        ("clusterrolebindings", "b", binding("ClusterRole", "r", &alice())),
    ]);
    for (texts, expected) in [(allowed, true), (refused, false)] {
        for text in texts {
            assert_eq!(book.allows(&user("alice", &[]), &ask(text)), expected, "{text}, {role}");
        }
    }
    assert!(!allowed.iter().any(|text| book.allows(&user("bob", &["alice"]), &ask(text))));
}

#[test]
fn a_binding_reaches_its_subjects_and_its_namespace() {
    let role = || rules(&["list"], &["*"], &["devices"], &[]);
    let account = json!([{ "kind": "ServiceAccount", "name": "robot" }]);
    let far_account = json!([{ "kind": "ServiceAccount", "name": "robot", "namespace": "far" }]);
    let group = json!([{ "kind": "Group", "name": "ops" }, { "kind": "User", "name": "u" }]);
    let everybody = json!([{ "kind": "Group", "name": "system:authenticated" }]);
    let book = book(&[
        ("roles", "lab/r", role()),
        ("roles", "attic/r", role()),
        ("clusterroles", "c", role()),
        ("rolebindings", "lab/1", binding("Role", "r", &account)),
        ("rolebindings", "lab/2", binding("ClusterRole", "c", &far_account)),
        ("rolebindings", "lab/3", binding("Role", "missing", &alice())),
        ("rolebindings", "lab/4", binding("ClusterRole", "r", &alice())),
        ("rolebindings", "attic/5", binding("Role", "r", &group)),
        ("rolebindings", "lab/6", binding("Role", "r", &group)),
        ("rolebindings", "open/7", binding("ClusterRole", "c", &everybody)),
        ("clusterrolebindings", "8", binding("ClusterRole", "c", &group)),
        ("clusterrolebindings", "9", binding("ClusterRole", "missing", &alice())),
    ]);
    let namespaces =
        |names: &[&str]| Reach::Namespaces(names.iter().copied().map(Arc::from).collect());
    let cases = [
        (user("system:serviceaccount:lab:robot", &[]), namespaces(&["lab", "open"])),
        (user("system:serviceaccount:far:robot", &[]), namespaces(&["lab", "open"])),
        (user("system:serviceaccount:attic:robot", &[]), namespaces(&["open"])),
        (user("robot", &[]), namespaces(&["open"])),
        (user("alice", &[]), namespaces(&["open"])),
        (user("u", &[]), Reach::Everywhere),
        (user("olga", &["ops"]), Reach::Everywhere),
        (user("root", &["system:masters"]), Reach::Everywhere),
        (Arc::new(User::anonymous()), Reach::Nowhere),
    ];
    for (user, expected) in cases {
        let resource = GroupResource::from_text(DEVICES);
        let found = book.namespaces(&user, &Verb::List, &resource, None);
        assert_eq!(found, expected, "{}", user.name);
        for place in ["lab", "attic", "open", "far"] {
            let reached = match &expected {
                Reach::Everywhere => true,
                Reach::Nowhere => false,
                Reach::Namespaces(names) => names.iter().any(|name| &**name == place),
            };
            let ask = ask(&format!("list {DEVICES} {place}/"));
            assert_eq!(book.allows(&user, &ask), reached, "{} in {place}", user.name);
        }
        let status = book.namespaces(&user, &Verb::List, &resource, Some(&Subresource::Status));
        assert_eq!(status == Reach::Everywhere, user.is_in("system:masters"), "{}", user.name);
    }
}

#[test]
fn paths_match_exactly_or_by_a_star_at_the_end() {
    let role = json!({ "rules": [
        { "verbs": ["get"], "nonResourceURLs": ["/metrics", "/docs/*", "/v*"] },
    ] });
    let objects = [
        ("clusterroles", "paths", role),
        ("clusterrolebindings", "b", binding("ClusterRole", "paths", &alice())),
        // In a namespace, rules for paths do not count.
        (
            "rolebindings",
            "lab/b",
            binding("ClusterRole", "paths", &json!([{ "kind": "User", "name": "bob" }])),
        ),
    ];
    let book = book(&objects);
    let cases = [
        ("/metrics", true),
        ("/metrics/", false),
        ("/docs", false),
        ("/docs/", true),
        ("/docs/a/b", true),
        ("/version", true),
        ("/", false),
        ("*", false),
    ];
    for (path, expected) in cases {
        assert_eq!(book.allows_path(&user("alice", &[]), &Verb::Get, path), expected, "{path}");
        assert!(!book.allows_path(&user("alice", &[]), &Verb::Other("post".into()), path));
        assert!(!book.allows_path(&user("bob", &[]), &Verb::Get, path));
    }
}

#[test]
fn aggregation_follows_labels() {
    let label = |key: &str| BTreeMap::from([(format!("example.io/{key}"), "true".to_owned())]);
    let selects = |key: &str| {
        let key = format!("example.io/{key}");
        json!({
            "aggregationRule": { "clusterRoleSelectors": [
                { "matchLabels": { &key: "true" } },
                { "matchExpressions": [
                    { "key": &key, "operator": "In", "values": ["yes", "sure"] },
                    { "key": "off", "operator": "DoesNotExist" },
                ] },
            ] },
            // Upstream's controller would write over these.
            "rules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }],
        })
    };
    let may = |verb: &str| rules(&[verb], &["*"], &["devices"], &[]);
    let sure = BTreeMap::from([("example.io/top".to_owned(), "sure".to_owned())]);
    let off = BTreeMap::from([
        ("example.io/top".to_owned(), "sure".to_owned()),
        ("off".to_owned(), String::new()),
    ]);
    let mut builder = RuleBookBuilder::new();
    for (name, labels, body) in [
        ("top", label("middle"), selects("top")),
        ("middle", label("top"), selects("middle")),
        ("leaf-1", label("top"), may("get")),
        ("leaf-2", label("middle"), may("list")),
        ("leaf-3", sure, may("watch")),
        ("leaf-4", off, may("update")),
        ("leaf-5", BTreeMap::new(), may("delete")),
    ] {
        add(&mut builder, "clusterroles", name, &labels, &body).unwrap();
    }
    let body = binding("ClusterRole", "top", &alice());
    add(&mut builder, "clusterrolebindings", "b", &BTreeMap::new(), &body).unwrap();
    let book = builder.build();
    for (verb, expected) in
        [("get", true), ("list", true), ("watch", true), ("update", false), ("delete", false)]
    {
        let ask = ask(&format!("{verb} {DEVICES} lab/a"));
        assert_eq!(book.allows(&user("alice", &[]), &ask), expected, "{verb}");
    }
}

#[test]
fn malformed_roles_are_named_and_give_nothing() {
    let rule = |rule: Value| json!({ "rules": [rule] });
    let selector = |expression: Value| {
        json!({ "aggregationRule": { "clusterRoleSelectors": [
            { "matchExpressions": [expression] },
        ] } })
    };
    let expressions = [
        (json!({ "key": "a", "operator": "In" }), "operator In needs values"),
        (
            json!({ "key": "a", "operator": "Exists", "values": ["x"] }),
            "operator Exists takes no values",
        ),
        (json!({ "key": "a", "operator": "Like" }), "unknown operator"),
        (json!({ "key": "a b", "operator": "Exists" }), "invalid label selector"),
    ];
    for (expression, error) in expressions {
        check_malformed("clusterroles", "r", &selector(expression), error);
    }
    let rules = [
        (json!({}), "rules[0]: verbs must contain"),
        (json!({ "verbs": ["get"] }), "rules[0]: apiGroups must contain"),
        (json!({ "verbs": ["get"], "apiGroups": [""] }), "rules[0]: resources must contain"),
        (
            json!({ "verbs": ["get"], "apiGroups": [""], "nonResourceURLs": ["/"] }),
            "rules[0]: a rule is for resources or for nonResourceURLs",
        ),
    ];
    for (body, error) in rules {
        check_malformed("clusterroles", "r", &rule(body), error);
    }
    let paths = rule(json!({ "verbs": ["get"], "nonResourceURLs": ["/"] }));
    check_malformed("roles", "lab/r", &paths, "rules of a namespace cannot apply to nonResource");
    check_malformed("clusterroles", "r", &json!({ "rules": "*" }), "invalid type: string");
    check_malformed("roles", "r", &json!({}), "it needs a namespace");
    check_malformed("clusterroles", "lab/r", &json!({}), "it has no place in a namespace");
    check_malformed("devices", "lab/r", &json!({}), "it is not a kind of rule");
}

#[test]
fn malformed_bindings_are_named_and_give_nothing() {
    let subject = |subject: Value| binding("ClusterRole", "r", &json!([subject]));
    let subjects = [
        (
            json!({ "kind": "ServiceAccount", "name": "robot" }),
            "a service account needs a namespace",
        ),
        (json!({ "kind": "User", "name": "alice", "apiGroup": "v1" }), "unknown apiGroup"),
        (json!({ "kind": "Robot", "name": "alice" }), "unknown kind"),
        (json!({ "kind": "User", "name": "" }), "name is required"),
    ];
    for (body, error) in subjects {
        let error = format!("subjects[0]: {error}");
        check_malformed("clusterrolebindings", "b", &subject(body), &error);
    }
    let roles = [
        ("clusterrolebindings", "b", "Role", "r", "roleRef: a ClusterRoleBinding cannot"),
        ("rolebindings", "lab/b", "Rule", "r", "roleRef: unknown kind"),
        ("rolebindings", "lab/b", "Role", "", "roleRef: name is required"),
    ];
    for (plural, name, kind, role, error) in roles {
        check_malformed(plural, name, &binding(kind, role, &alice()), error);
    }
    let many = json!(vec![json!({ "kind": "User", "name": "alice" }); 10_001]);
    let many = binding("ClusterRole", "r", &many);
    check_malformed("clusterrolebindings", "b", &many, "10001 subjects; 10000 are allowed");
    check_malformed("clusterrolebindings", "b", &json!({}), "missing field `roleRef`");
}

/// With a good role and a good binding beside it, a malformed object of the other sort gives
/// nothing.
fn check_malformed(plural: &str, name: &str, body: &Value, error: &str) {
    let none = BTreeMap::new();
    let mut builder = RuleBookBuilder::new();
    let all = rules(&["*"], &["*"], &["*"], &[]);
    if plural.ends_with("bindings") {
        add(&mut builder, "clusterroles", "r", &none, &all).expect("well-formed");
    } else {
        let binding = binding("ClusterRole", "r", &alice());
        add(&mut builder, "clusterrolebindings", "good", &none, &binding).expect("well-formed");
    }
    let found = add(&mut builder, plural, name, &none, body).expect_err("malformed");
    let start = format!("{plural} {name:?} gives no rights: {error}");
    assert!(found.starts_with(&start), "{found}\n{start}");
    assert!(!builder.build().allows(&user("alice", &[]), &ask("get pods lab/a")));
}

#[test]
fn what_upstream_takes_is_taken() {
    for (plural, name, body) in [
        ("clusterroles", "r", json!({ "rules": null })),
        ("roles", "lab/r", json!({})),
        ("clusterrolebindings", "b", binding("ClusterRole", "r", &Value::Null)),
    ] {
        add(&mut RuleBookBuilder::new(), plural, name, &BTreeMap::new(), &body).unwrap();
    }
}

#[test]
fn the_default_roles_are_what_their_names_promise() {
    let kinds = [DEVICES, "secrets.vault.example.io"].map(GroupResource::from_text);
    let mut builder = RuleBookBuilder::new();
    let objects: Vec<DefaultObject> =
        default_objects().into_iter().chain(kinds.iter().flat_map(kind_objects)).collect();
    for object in &objects {
        builder.add(&RuleObject::of_default(object));
    }
    let roles = ["view", "edit", "admin", "status-writer", "cluster-admin"];
    for role in roles {
        let subjects = json!([{ "kind": "User", "name": role }]);
        let body = binding("ClusterRole", role, &subjects);
        add(&mut builder, "rolebindings", &format!("lab/{role}"), &BTreeMap::new(), &body).unwrap();
    }
    let book = builder.build();
    let cases = [
        ("get devices.infra.example.io lab/a", "view edit admin status-writer cluster-admin"),
        ("watch devices.infra.example.io lab/", "view edit admin status-writer cluster-admin"),
        (
            "get devices.infra.example.io/status lab/a",
            "view edit admin status-writer cluster-admin",
        ),
        ("create devices.infra.example.io lab/", "edit admin cluster-admin"),
        ("deletecollection devices.infra.example.io lab/", "edit admin cluster-admin"),
        ("patch devices.infra.example.io/scale lab/a", "edit admin cluster-admin"),
        ("update devices.infra.example.io/status lab/a", "status-writer cluster-admin"),
        ("patch devices.infra.example.io/status lab/a", "status-writer cluster-admin"),
        ("get devices.other.io lab/a", "cluster-admin"),
        ("list secrets lab/", "edit admin cluster-admin"),
        ("get secrets.vault.example.io lab/a", "edit admin cluster-admin"),
        ("list secrets.vault.example.io lab/", "edit admin cluster-admin"),
        ("update secrets.vault.example.io lab/a", "edit admin cluster-admin"),
        ("update secrets.vault.example.io/status lab/a", "status-writer cluster-admin"),
        ("list configmaps lab/", "view edit admin status-writer cluster-admin"),
        ("create events lab/", "edit admin status-writer cluster-admin"),
        ("get namespaces lab/lab", "view edit admin status-writer cluster-admin"),
        ("update namespaces lab/lab", "cluster-admin"),
        ("update namespaces/status lab/lab", "cluster-admin"),
        ("create rolebindings.rbac.authorization.k8s.io lab/", "admin cluster-admin"),
        ("list roles.rbac.authorization.k8s.io lab/", "admin cluster-admin"),
        ("bind clusterroles.rbac.authorization.k8s.io lab/x", "cluster-admin"),
        ("get devices.infra.example.io other/a", ""),
        ("list devices.infra.example.io", ""),
    ];
    for (text, expected) in cases {
        let may = |role: &&str| book.allows(&user(role, &[]), &ask(text));
        let found: Vec<&str> = roles.into_iter().filter(may).collect();
        assert_eq!(found.join(" "), expected, "{text}");
    }
    let anonymous = User::anonymous();
    for (path, known, unknown) in
        [("/healthz", true, true), ("/openapi.json", true, false), ("/metrics", false, false)]
    {
        assert_eq!(book.allows_path(&user("x", &[]), &Verb::Get, path), known, "{path}");
        assert_eq!(book.allows_path(&anonymous, &Verb::Get, path), unknown, "{path}");
    }
}
