//! Tables of policy files.

use pintle_model::GroupResource;
use regex::Regex;
use serde_json::json;

use super::*;
use crate::{Ask, MASTERS, RuleBook, RuleBookBuilder, Subresource, User, Verb};

const DEVICES: &str = "devices.infra.example.io";

/// Roles `user`, `controller` and `admin`, given to alice, device-controller and bob.
fn guide() -> Value {
    json!([
        {"role": "user", "permissions": ["devices:update"]},
        {"role": "controller", "permissions": ["devices:update_status"]},
        {"role": "admin", "permissions": ["devices:update", "devices:update_status"]},
        {"user": "alice", "role": "user"},
        {"user": "device-controller", "role": "controller"},
        {"user": "bob", "role": "admin"},
    ])
}

fn book(file: &Value) -> RuleBook {
    let mut builder = RuleBookBuilder::new();
    builder.add_policy(&Policy::from_value(file).unwrap());
    builder.build()
}

fn user(name: &str, groups: &[&str]) -> User {
    User::authenticated(name, None, groups.iter().copied().map(Arc::from))
}

fn ask(verb: &str, resource: &str, part: &str, namespace: &str) -> Ask {
    let some = |text: &str| Some(Arc::from(text)).filter(|_| !text.is_empty());
    Ask {
        verb: Verb::parse(verb),
        resource: GroupResource::from_text(resource),
        subresource: (!part.is_empty()).then(|| Subresource::parse(part)),
        namespace: some(namespace),
        name: None,
    }
}

/// The verbs that `user` has on devices, and those on their status.
fn rights(book: &RuleBook, user: &User) -> (String, String) {
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    let on = |part: &str| {
        let allowed = |verb: &&str| book.allows(user, &ask(verb, DEVICES, part, "default"));
        verbs.into_iter().filter(allowed).collect::<Vec<_>>().join(" ")
    };
    (on(""), on("status"))
}

#[test]
fn the_guides_policy_separates_spec_from_status() {
    let book = book(&guide());
    let cases = [
        (user("alice", &[]), "get list watch update patch", "get"),
        (user("device-controller", &[]), "get list watch", "get update patch"),
        (user("bob", &[]), "get list watch update patch", "get update patch"),
        (user("mallory", &["user", "alice"]), "", ""),
        (User::anonymous(), "", ""),
        (
            user("root", &[MASTERS]),
            "get list watch create update patch delete deletecollection",
            "get list watch create update patch delete deletecollection",
        ),
    ];
    for (user, main, status) in cases {
        assert_eq!(rights(&book, &user), (main.to_owned(), status.to_owned()), "{}", user.name);
    }
}

#[test]
fn permissions_mean_what_the_page_says() {
    let all = "get list watch create update patch delete deletecollection";
    let written_status = "get update patch";
    let cases: [(&str, &str, &str, &str, &str); 16] = [
        // permission, and: main and status with implied reads, then with explicit ones
        ("devices:get", "get", "get", "get", "get"),
        ("devices:list", "list", "", "list", ""),
        ("devices:watch", "watch", "", "watch", ""),
        ("devices:create", "get list watch create", "get", "create", ""),
        ("devices:update", "get list watch update patch", "get", "update patch", ""),
        ("devices:patch", "get list watch patch", "get", "patch", ""),
        ("devices:delete", "get list watch delete", "get", "delete", ""),
        ("devices:update_status", "get list watch", written_status, "", written_status),
        ("devices:*", all, all, all, all),
        ("devices.infra.example.io:*", all, all, all, all),
        ("devices.infra.example.io:patch", "get list watch patch", "get", "patch", ""),
        ("devices.other.io:*", "", "", "", ""),
        ("device:*", "", "", "", ""),
        ("*:update", "get list watch update patch", "get", "update patch", ""),
        ("*:update_status", "get list watch", written_status, "", written_status),
        ("*", all, all, all, all),
    ];
    for (permission, main, status, explicit_main, explicit_status) in cases {
        let role = json!({"role": "r", "permissions": [permission]});
        let alice = json!({"user": "alice", "role": "r"});
        let found = rights(&book(&json!([role, alice])), &user("alice", &[]));
        assert_eq!(found, (main.to_owned(), status.to_owned()), "{permission}");

        let explicit = json!([role, alice, {"reads": "explicit"}]);
        let found = rights(&book(&explicit), &user("alice", &[]));
        let expected = (explicit_main.to_owned(), explicit_status.to_owned());
        assert_eq!(found, expected, "{permission}, reads explicit");
    }
}

#[test]
fn groups_namespaces_and_other_resources_are_told_apart() {
    let book = book(&json!([
        {"group": "ops", "role": "r", "namespace": "lab"},
        {"role": "r", "permissions": ["devices:update", "events.core:list"]},
        {"role": "root", "permissions": ["*:*"]},
        {"user": "root", "role": "root"},
        {"user": "lab-root", "role": "root", "namespace": "lab"},
    ]));
    let op = user("olga", &["ops"]);
    let cases = [
        (&op, ask("update", DEVICES, "", "lab"), true),
        (&op, ask("update", "devices.other.io", "", "lab"), true),
        (&op, ask("update", DEVICES, "", "default"), false),
        (&op, ask("update", DEVICES, "", ""), false),
        (&op, ask("update", DEVICES, "scale", "lab"), false),
        (&op, ask("list", "events", "", "lab"), true),
        (&op, ask("list", "events.events.k8s.io", "", "lab"), false),
        (&user("ops", &[]), ask("update", DEVICES, "", "lab"), false),
        (
            &user("root", &[]),
            ask("escalate", "clusterroles.rbac.authorization.k8s.io", "", ""),
            true,
        ),
        (&user("lab-root", &[]), ask("update", "namespaces", "finalize", "lab"), true),
        (&user("lab-root", &[]), ask("update", "namespaces", "", "default"), false),
    ];
    for (user, ask, expected) in cases {
        assert_eq!(book.allows(user, &ask), expected, "{} {ask:?}", user.name);
    }
    assert!(book.allows_path(&user("root", &[]), &Verb::Get, "/metrics"));
    assert!(!book.allows_path(&user("lab-root", &[]), &Verb::Get, "/metrics"));
    assert!(!book.allows_path(&op, &Verb::Get, "/metrics"));
}

/// A file, whether the schema takes it, and how the error of the parser begins.
type File = (Value, bool, Option<String>);

fn files() -> Vec<File> {
    let good = good_files().into_iter().map(|file| (file, true, None));
    let bad = |(file, error): (Value, &str)| (file, false, Some(format!("policy{error}")));
    let entries = bad_entries().into_iter().map(bad);
    let across =
        faults_across_entries().into_iter().map(bad).map(|(file, _, error)| (file, true, error));
    let permissions = bad_permissions().into_iter().map(|(permissions, error)| {
        let error = format!("policy entry 1, key \"permissions\": {error}");
        (json!([{"role": "r", "permissions": permissions}]), false, Some(error))
    });
    good.chain(entries).chain(permissions).chain(across).collect()
}

fn good_files() -> Vec<Value> {
    let permissions = ["*", "*:*", "a.b-c.d:get", "events.core:watch"];
    let role = json!({"role": "r", "permissions": permissions});
    vec![
        json!([]),
        guide(),
        json!([{"reads": "implied"}]),
        json!([role]),
        json!([role, {"group": "g", "role": "r", "namespace": "lab"}]),
    ]
}

fn bad_entries() -> Vec<(Value, &'static str)> {
    let role = json!({"role": "r", "permissions": ["*"]});
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    vec![
        (json!({}), ": expected a list of entries"),
        (json!(null), ": expected a list of entries"),
        (json!(["user"]), " entry 1: expected `role` with `permissions`"),
        (json!([{}]), " entry 1: expected `role` with `permissions`"),
        (json!([{"role": "r"}]), " entry 1: expected `role` with `permissions`"),
        (json!([role, {"user": "a", "roles": "r"}]), " entry 2, key \"roles\": it has no place"),
        (
            json!([{"user": "a", "group": "b", "role": "r"}]),
            " entry 1, key \"group\": it has no place beside \"user\"; known are user, role, \
             namespace",
        ),
        (
            json!([role, {"role": "s", "permisions": ["*"]}]),
            " entry 2, key \"permisions\": it is unknown; expected `role` with `permissions`",
        ),
        (json!([{"usr": "a", "role": "r"}]), " entry 1, key \"usr\": it is unknown; expected"),
        (json!([{"user": "a"}]), " entry 1, key \"role\": it is missing"),
        (json!([{"permissions": ["*"]}]), " entry 1, key \"role\": it is missing"),
        (json!([{"user": 7, "role": "r"}]), " entry 1, key \"user\": expected a text"),
        (json!([{"user": "", "role": "r"}]), " entry 1, key \"user\": expected a text"),
        (json!([{"user": long, "role": "r"}]), " entry 1, key \"user\": expected a text"),
        (json!([{"group": "*", "role": "r"}]), " entry 1, key \"group\": * does not stand"),
        (
            json!([{"user": "a", "role": "r", "namespace": "A b"}]),
            " entry 1, key \"namespace\": Invalid value",
        ),
        (
            json!([{"user": "a", "role": "r", "namespace": null}]),
            " entry 1, key \"namespace\": expected a text",
        ),
        (json!([{"reads": "never"}]), " entry 1, key \"reads\": expected explicit or implied"),
        (json!([{"reads": "explicit", "role": "r"}]), " entry 1, key \"role\": it has no place"),
    ]
}

fn bad_permissions() -> Vec<(Value, &'static str)> {
    vec![
        (json!([]), "expected a list of at least one"),
        (json!("devices:get"), "expected a list of at least one"),
        (json!([1]), "expected a permission such as"),
        (json!(["devices"]), "\"devices\" names no verb"),
        (
            json!(["devices:udpate"]),
            "\"devices:udpate\": unknown verb \"udpate\"; known are get, list, watch, create, \
             update, patch, delete, update_status and *",
        ),
        (json!(["devices:"]), "\"devices:\": unknown verb"),
        (json!(["devices:get:x"]), "\"devices:get:x\": unknown verb"),
        (json!([":get"]), "\":get\": plural \"\""),
        (json!(["Devices:get"]), "\"Devices:get\": plural \"Devices\""),
        (json!(["devices.:get"]), "\"devices.:get\": group \"\""),
        (json!(["*.io:get"]), "\"*.io:get\": plural \"*\""),
        (json!(["a/b:get"]), "\"a/b:get\": plural \"a/b\""),
        (json!(["*", "*"]), "\"*\" stands twice"),
    ]
}

/// What a schema cannot see.
fn faults_across_entries() -> Vec<(Value, &'static str)> {
    let role = json!({"role": "r", "permissions": ["*"]});
    let alice = json!({"user": "alice", "role": "r"});
    let ghost = json!({"user": "alice", "role": "x"});
    vec![
        (json!([role, role]), " entry 2, key \"role\": role \"r\" was defined in an earlier entry"),
        (
            json!([role, alice, alice]),
            " entry 3, key \"role\": an earlier entry gives the same role",
        ),
        (
            json!([{"reads": "explicit"}, {"reads": "implied"}]),
            " entry 2, key \"reads\": it was set in an earlier entry",
        ),
        (
            json!([ghost, role]),
            " entry 1, key \"role\": role \"x\" is not defined; this file defines r",
        ),
        (
            json!([ghost]),
            " entry 1, key \"role\": role \"x\" is not defined; this file defines none",
        ),
    ]
}

#[test]
fn bad_files_say_where_and_what() {
    for (file, _, error) in files() {
        let found = Policy::from_value(&file).err().map(|error| error.to_string());
        match (&found, &error) {
            (None, None) => {}
            (Some(found), Some(error)) => assert!(found.starts_with(error), "{found}\n{file}"),
            _ => panic!("{file}: {found:?} instead of {error:?}"),
        }
    }
}

#[test]
fn the_published_schema_agrees_with_the_parser() {
    let schema: Value = serde_json::from_str(POLICY_SCHEMA).unwrap();
    for (file, accepted, _) in files() {
        assert_eq!(is_valid(&file, &schema, &schema), accepted, "{file}");
    }
    let verbs = permission::VERBS.map(|(name, _)| name).join("|");
    let pattern = schema["$defs"]["permission"]["pattern"].as_str().unwrap();
    assert!(pattern.ends_with(&format!(":({verbs}|\\*))$")), "{pattern}");

    let forms = schema["items"]["oneOf"].as_array().unwrap();
    assert_eq!(forms.len(), FORMS.len());
    for (form, keys) in FORMS {
        let found = forms.iter().find(|each| each["required"][0] == form).unwrap();
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        assert!(found["properties"].as_object().unwrap().keys().eq(keys), "{form}");
    }
    assert_eq!(schema["maxItems"], ENTRIES_MAX);
    assert_eq!(schema["$defs"]["name"]["maxLength"], NAME_BYTES_MAX);
    let permissions = forms.iter().find_map(|each| each["properties"].get("permissions")).unwrap();
    assert_eq!(permissions["maxItems"], PERMISSIONS_MAX);
}

/// As much of JSON Schema as the published one uses; any other word in it fails the test.
fn is_valid(value: &Value, schema: &Value, root: &Value) -> bool {
    let text = || value.as_str().unwrap_or_default();
    let items = || value.as_array().map(Vec::as_slice).unwrap_or_default();
    let fields = || value.as_object().cloned().unwrap_or_default();
    let number = |bound: &Value| usize::try_from(bound.as_u64().unwrap()).unwrap();
    schema.as_object().unwrap().iter().all(|(word, rule)| match word.as_str() {
        "$schema" | "$defs" | "title" | "description" => true,
        "$ref" => {
            let name = rule.as_str().unwrap().strip_prefix("#").unwrap();
            is_valid(value, root.pointer(name).unwrap(), root)
        }
        "type" => match rule.as_str().unwrap() {
            "array" => value.is_array(),
            "object" => value.is_object(),
            "string" => value.is_string(),
            other => panic!("type {other}"),
        },
        "oneOf" => {
            let valid = |form: &&Value| is_valid(value, form, root);
            rule.as_array().unwrap().iter().filter(valid).count() == 1
        }
        "not" => !is_valid(value, rule, root),
        "const" => value == rule,
        "enum" => rule.as_array().unwrap().contains(value),
        "pattern" => Regex::new(rule.as_str().unwrap()).unwrap().is_match(text()),
        "minLength" => text().chars().count() >= number(rule),
        "maxLength" => text().chars().count() <= number(rule),
        "minItems" => items().len() >= number(rule),
        "maxItems" => items().len() <= number(rule),
        "uniqueItems" => (1..items().len()).all(|at| !items()[..at].contains(&items()[at])),
        "items" => items().iter().all(|item| is_valid(item, rule, root)),
        "required" => {
            rule.as_array().unwrap().iter().all(|key| fields().contains_key(key.as_str().unwrap()))
        }
        "additionalProperties" => {
            assert_eq!(rule, false);
            fields().keys().all(|key| schema["properties"].get(key).is_some())
        }
        "properties" => fields()
            .iter()
            .all(|(key, value)| rule.get(key).is_none_or(|rule| is_valid(value, rule, root))),
        other => panic!("word {other}"),
    })
}
