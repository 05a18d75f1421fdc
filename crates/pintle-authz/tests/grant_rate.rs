//! What one question to the rules costs where there are many of them. `cargo test --release -p
//! pintle-authz --test grant_rate -- --ignored --nocapture`

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use pintle_authz::{Ask, RuleBook, RuleBookBuilder, Subresource, User, Verb};
use pintle_model::GroupResource;
use serde_json::{Map, Value, json};

const BINDINGS: usize = 10_000;
const SUBJECTS: usize = 100;
const ROLES: usize = 50;
const ROUNDS: usize = 1_000;

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

/// Ten thousand `RoleBinding`s in a hundred namespaces: each subject has one in each of them, to
/// one of fifty `ClusterRole`s. Users and groups take turns.
fn book() -> RuleBook {
    let mut builder = RuleBookBuilder::new();
    let none = BTreeMap::new();
    for role in 0..ROLES {
        let rules = json!({"rules": [
            {"apiGroups": ["other.io"], "resources": ["*"], "verbs": ["*"]},
            {
                "apiGroups": ["infra.example.io"],
                "resources": [format!("kind{role}s"), "devices/status"],
                "verbs": ["get", "update", "patch"],
            },
        ]});
        let name = format!("role-{role}");
        builder.add_object("clusterroles", None, &name, &none, &fields(&rules)).expect("a role");
    }
    for binding in 0..BINDINGS {
        let subject = binding % SUBJECTS;
        let kind = if subject.is_multiple_of(2) { "User" } else { "Group" };
        let body = json!({
            "roleRef": {"kind": "ClusterRole", "name": format!("role-{}", binding % ROLES)},
            "subjects": [{"kind": kind, "name": format!("subject-{subject}")}],
        });
        let namespace = format!("namespace-{}", binding / SUBJECTS);
        let name = format!("binding-{binding}");
        builder
            .add_object("rolebindings", Some(&namespace), &name, &none, &fields(&body))
            .expect("a binding");
    }
    builder.build()
}

/// Those who are bound, each by name or by group.
fn users() -> Vec<Arc<User>> {
    let user = |subject: usize| {
        let name = format!("subject-{subject}");
        let user = if subject.is_multiple_of(2) {
            User::authenticated(&name, None, [])
        } else {
            User::authenticated("somebody", None, [name.as_str().into()])
        };
        Arc::new(user)
    };
    (0..SUBJECTS).map(user).collect()
}

fn ask(verb: Verb) -> Ask {
    Ask {
        verb,
        resource: GroupResource::from_text("devices.infra.example.io"),
        subresource: Some(Subresource::Status),
        namespace: Some("namespace-42".into()),
        name: Some("device-1".into()),
    }
}

fn print_cost(name: &str, book: &RuleBook, users: &[Arc<User>], ask: &Ask, allowed: bool) {
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        for user in users {
            let granted = black_box(book).grant(black_box(user), ask.clone());
            assert_eq!(black_box(granted).is_ok(), allowed, "{name}");
        }
    }
    println!("{:>6} ns  {name}", begun.elapsed().as_nanos() / (ROUNDS * users.len()) as u128);
}

#[test]
#[ignore = "prints a time; what it asserts is asserted elsewhere"]
fn grant_rate() {
    let begun = Instant::now();
    let book = book();
    println!("{BINDINGS} bindings, {SUBJECTS} subjects; made in {:?}", begun.elapsed());
    let users = users();
    let (hit, miss) = (ask(Verb::Update), ask(Verb::Delete));
    print_cost("allowed", &book, &users, &hit, true);
    print_cost("refused: bound, and not to this", &book, &users, &miss, false);
    let strangers: Vec<_> = (0..SUBJECTS)
        .map(|number| Arc::new(User::authenticated(&format!("stranger-{number}"), None, [])))
        .collect();
    print_cost("refused: bound to nothing", &book, &strangers, &hit, false);
}
