//! What holds for every rule book and every request.

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_authz::{
    Ask, Asks, Forbidden, RefineError, RuleBook, RuleBookBuilder, Subresource, User, Verb,
};
use pintle_model::GroupResource;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

const VERBS: [&str; 4] = ["get", "list", "update", "*"];
const GROUPS: [&str; 3] = ["", "infra.example.io", "*"];
const RESOURCES: [&str; 5] = ["devices", "devices/status", "*/status", "sensors", "*"];
const NAMES: [&str; 2] = ["a", "b"];
const PLACES: [Option<&str>; 3] = [None, Some("lab"), Some("attic")];

/// One binding of one role of its own.
#[derive(Debug, Clone)]
struct Given {
    namespace: Option<&'static str>,
    rule: Value,
    subject: Value,
}

fn given() -> impl Strategy<Value = Given> {
    let rule = (
        subsequence(VERBS.to_vec(), 1..=2),
        subsequence(GROUPS.to_vec(), 1..=2),
        subsequence(RESOURCES.to_vec(), 1..=2),
        subsequence(NAMES.to_vec(), 0..=2),
    )
        .prop_map(|(verbs, groups, resources, names)| {
            json!({
                "verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names,
            })
        });
    let subject = (select(vec!["User", "Group"]), select(vec!["alice", "ops"]))
        .prop_map(|(kind, name)| json!({ "kind": kind, "name": name }));
    (select(PLACES.to_vec()), rule, subject).prop_map(|(namespace, rule, subject)| Given {
        namespace,
        rule,
        subject,
    })
}

fn an_ask() -> impl Strategy<Value = Ask> {
    (
        select(vec!["get", "list", "update", "create"]),
        select(vec!["devices.infra.example.io", "sensors", "devices.other.io"]),
        select(vec![None, Some("status"), Some("scale")]),
        select(PLACES.to_vec()),
        select(vec![None, Some("a"), Some("c")]),
    )
        .prop_map(|(verb, resource, part, namespace, name)| Ask {
            verb: Verb::parse(verb),
            resource: GroupResource::from_text(resource),
            subresource: part.map(Subresource::parse),
            namespace: namespace.map(Arc::from),
            name: name.map(Arc::from),
        })
}

fn book(all: &[Given]) -> RuleBook {
    let mut builder = RuleBookBuilder::new();
    for (index, given) in all.iter().enumerate() {
        let name = format!("given-{index}");
        let role = json!({ "rules": [given.rule] });
        let role_ref = json!({ "kind": "ClusterRole", "name": name });
        let binding = json!({ "roleRef": role_ref, "subjects": [given.subject] });
        let bindings =
            if given.namespace.is_some() { "rolebindings" } else { "clusterrolebindings" };
        let (role, binding) = (fields(&role), fields(&binding));
        builder.add_object("clusterroles", None, &name, &BTreeMap::new(), &role).expect("a role");
        builder
            .add_object(bindings, given.namespace, &name, &BTreeMap::new(), &binding)
            .expect("a binding");
    }
    builder.build()
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

fn caller() -> Arc<User> {
    Arc::new(User::authenticated("alice", None, [Arc::from("ops")]))
}

proptest! {
    #[test]
    fn another_binding_never_takes_a_right_away(
        before in prop::collection::vec(given(), 0..6),
        more in given(),
        ask in an_ask(),
    ) {
        let fewer = book(&before).allows(&caller(), &ask);
        let after: Vec<Given> = before.into_iter().chain([more]).collect();
        prop_assert!(!fewer || book(&after).allows(&caller(), &ask));
    }

    #[test]
    fn grant_gives_exactly_what_allows_says(
        all in prop::collection::vec(given(), 0..6),
        ask in an_ask(),
    ) {
        let (book, caller) = (book(&all), caller());
        match book.grant(&caller, ask.clone()) {
            Ok(granted) => {
                prop_assert!(book.allows(&caller, &ask));
                prop_assert_eq!((granted.ask(), granted.get()), (&ask, &ask));
                prop_assert_eq!(granted.user(), &caller);
            }
            Err(forbidden) => {
                prop_assert!(!book.allows(&caller, &ask));
                prop_assert_eq!((&*forbidden.ask, &forbidden.user), (&ask, &caller));
            }
        }
    }

    #[test]
    fn refining_keeps_the_question(first in an_ask(), second in an_ask()) {
        let granted = RuleBook::allow_all().grant(&caller(), first.clone()).unwrap();
        let refined = granted.refine(|_| Ok::<_, ()>(second.clone()));
        match refined {
            Ok(granted) => prop_assert_eq!((granted.get(), &second), (&first, &first)),
            Err(RefineError::Changed(forbidden)) => {
                prop_assert_ne!(&first, &second);
                prop_assert_eq!(&*forbidden.ask, &second);
            }
            Err(RefineError::Failed(())) => prop_assert!(false, "nothing failed"),
        }
    }
}

/// A request whose body is still to be read.
#[derive(Debug)]
struct Raw(&'static str);

impl Asks for Raw {
    fn ask(&self) -> Ask {
        update_status()
    }
}

#[derive(Debug, PartialEq)]
struct Parsed(u64);

impl Asks for Parsed {
    fn ask(&self) -> Ask {
        update_status()
    }
}

fn update_status() -> Ask {
    Ask {
        verb: Verb::Update,
        resource: GroupResource::new("infra.example.io", "devices"),
        subresource: Some(Subresource::Status),
        namespace: Some("default".into()),
        name: Some("dev-123".into()),
    }
}

#[test]
fn a_body_is_parsed_after_the_grant() {
    let parse = |body| {
        let granted = RuleBook::allow_all().grant(&caller(), Raw(body)).unwrap();
        granted.refine(|raw| raw.0.parse().map(Parsed)).map(pintle_authz::Granted::into_inner)
    };
    assert_eq!(parse("7").unwrap(), Parsed(7));
    assert!(matches!(parse("seven"), Err(RefineError::Failed(_))));
}

#[test]
fn a_refusal_speaks_as_kubernetes_does() {
    let plain = |ask| Forbidden::new(&caller(), ask);
    let cluster = Ask { namespace: None, name: None, subresource: None, ..update_status() };
    let core = Ask {
        verb: Verb::parse("list"),
        resource: GroupResource::new("", "events"),
        ..cluster.clone()
    };
    let finalize = Ask { subresource: Some(Subresource::parse("finalize")), ..update_status() };
    let cases = [
        (
            plain(update_status()),
            "devices.infra.example.io \"dev-123\" is forbidden: User \"alice\" cannot update \
             resource \"devices/status\" in API group \"infra.example.io\" in the namespace \
             \"default\"",
            Some("requires update_status permission"),
        ),
        (
            plain(cluster.clone()).explained("the rack is sealed"),
            "devices.infra.example.io is forbidden: User \"alice\" cannot update resource \
             \"devices\" in API group \"infra.example.io\" at the cluster scope: the rack is sealed",
            Some("requires update permission"),
        ),
        (
            // Then no permission would help.
            plain(cluster).because("the rack is sealed"),
            "devices.infra.example.io is forbidden: User \"alice\" cannot update resource \
             \"devices\" in API group \"infra.example.io\" at the cluster scope: the rack is sealed",
            None,
        ),
        (
            plain(core),
            "events is forbidden: User \"alice\" cannot list resource \"events\" in API group \"\" \
             at the cluster scope",
            Some("requires list permission"),
        ),
        (
            plain(finalize),
            "devices.infra.example.io \"dev-123\" is forbidden: User \"alice\" cannot update \
             resource \"devices/finalize\" in API group \"infra.example.io\" in the namespace \
             \"default\"",
            Some("requires update permission on finalize"),
        ),
    ];
    for (forbidden, message, hint) in cases {
        assert_eq!((forbidden.to_string().as_str(), forbidden.hint().as_deref()), (message, hint));
    }
    let check = |book: RuleBook| book.check_path(&caller(), &Verb::Get, "/metrics");
    assert_eq!(check(RuleBook::allow_all()), Ok(()));
    let message = "forbidden: User \"alice\" cannot get path \"/metrics\"";
    assert_eq!(check(RuleBook::default()).unwrap_err().to_string(), message);
}

#[test]
fn nobody_may_do_anything_until_told() {
    for user in [Arc::new(User::anonymous()), caller()] {
        assert!(RuleBookBuilder::new().build().grant(&user, update_status()).is_err());
        assert!(RuleBook::allow_all().grant(&user, update_status()).is_ok());
    }
}
