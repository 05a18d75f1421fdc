//! The roles that are there from the start, as the JSON that a user would write.
//!
//! The names are those of Kubernetes and mean the same. `view`, `edit`, `admin` and `status-writer`
//! are aggregated by label, so whoever declares a kind can extend them; [`kind_objects`] is what
//! the server itself adds for each declared kind. (Nothing in RBAC says "every resource but the
//! core ones", and `*` would let `edit` write status and rules.)
//!
//! - `cluster-admin` may do everything, and `system:masters` has it.
//! - `view` reads what users own, without rules, and without secrets: the core ones and
//!   every declared kind whose plural is `secrets`.
//! - `edit` also writes it, and reads and writes secrets. It never writes status or rules.
//! - `admin` also gives out rights in a namespace. It never writes status either: that is a
//!   controller's, and whoever is to write it gets `status-writer` too.
//! - `status-writer` is `view`, and writes the status of declared kinds and events about them. It
//!   writes no status of built-in kinds, because that of a namespace or a definition has one owner.

use std::collections::BTreeMap;

use pintle_model::GroupResource;
use serde_json::{Map, Value, json};

use crate::rbac::RBAC_GROUP;
use crate::user::{ALL_AUTHENTICATED, ALL_UNAUTHENTICATED, MASTERS, MONITORING};

/// One object that exists without anybody having written it, in the form that
/// [`RuleBookBuilder::add_object`](crate::RuleBookBuilder::add_object) takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultObject {
    /// `clusterroles` or `clusterrolebindings`.
    pub plural: &'static str,
    /// Its name.
    pub name: String,
    /// Its labels, which aggregation looks at.
    pub labels: BTreeMap<String, String>,
    /// Its top-level fields without `metadata`.
    pub body: Map<String, Value>,
}

/// The roles that aggregate others.
#[derive(Debug, Clone, Copy)]
enum Aggregate {
    View,
    Edit,
    Admin,
    StatusWriter,
}

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// The roles and bindings of every server.
pub fn default_objects() -> Vec<DefaultObject> {
    use Aggregate::{Admin, Edit, StatusWriter, View};
    let mut objects = vec![
        role("cluster-admin", &[], json!([rule("*", &["*"], &["*"]), paths(&["*"], &["*"])])),
        aggregated("view", View, &[Edit, StatusWriter]),
        aggregated("edit", Edit, &[Admin]),
        aggregated("admin", Admin, &[]),
        aggregated("status-writer", StatusWriter, &[]),
        role("system:aggregate-to-view", &[View], view_rules()),
        role("system:aggregate-to-edit", &[Edit], edit_rules()),
        role("system:aggregate-to-admin", &[Admin], admin_rules()),
        role("system:aggregate-to-status-writer", &[StatusWriter], status_writer_rules()),
        role("system:basic-user", &[], basic_user_rules()),
    ];
    objects.push(role("system:discovery", &[], json!([paths(&["get"], &DISCOVERY_PATHS)])));
    objects.push(role("system:monitoring", &[], json!([paths(&["get"], &MONITORING_PATHS)])));
    objects.push(role("system:public-info-viewer", &[], json!([paths(&["get"], &PUBLIC_PATHS)])));
    objects.push(binding("cluster-admin", &[MASTERS]));
    objects.push(binding("system:basic-user", &[ALL_AUTHENTICATED]));
    objects.push(binding("system:discovery", &[ALL_AUTHENTICATED]));
    objects.push(binding("system:monitoring", &[MONITORING]));
    objects.push(binding("system:public-info-viewer", &[ALL_AUTHENTICATED, ALL_UNAUTHENTICATED]));
    objects
}

/// Objects of this name are not for everybody who may look around, whatever group they are of.
pub const SECRETS: &str = "secrets";

/// What a declared kind adds to the aggregated roles.
pub fn kind_objects(resource: &GroupResource) -> Vec<DefaultObject> {
    let (group, plural) = (resource.group(), resource.plural());
    let (status, scale) = (format!("{plural}/status"), format!("{plural}/scale"));
    let read = [rule(group, &[plural], &READ), rule(group, &[&status, &scale], &["get"])];
    let write = [rule(group, &[plural], &WRITE), rule(group, &[&scale], &["update", "patch"])];
    let (view, edit) = match plural {
        SECRETS => (json!([]), read.into_iter().chain(write).collect()),
        _ => (json!(read), json!(write)),
    };
    let write_status = json!([rule(group, &[&status], &["get", "update", "patch"])]);
    [(Aggregate::View, view), (Aggregate::Edit, edit), (Aggregate::StatusWriter, write_status)]
        .into_iter()
        .map(|(to, rules)| role(&format!("system:{}:{resource}", to.label()), &[to], rules))
        .collect()
}

/// What everybody who is known may see: what the server serves. `/events` shows only what its
/// reader may watch.
const DISCOVERY_PATHS: [&str; 15] = [
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/docs",
    "/docs/*",
    "/events",
    "/graphql/schema.graphql",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/openapi.json",
    "/readyz",
    "/version",
];
/// Numbers about all that is served, which say something of every namespace.
const MONITORING_PATHS: [&str; 4] = ["/healthz", "/livez", "/metrics", "/readyz"];
const PUBLIC_PATHS: [&str; 5] = ["/health", "/healthz", "/livez", "/readyz", "/version"];

fn view_rules() -> Value {
    let core = [
        "configmaps",
        "events",
        "limitranges",
        "namespaces",
        "namespaces/status",
        "resourcequotas",
        "resourcequotas/status",
        "serviceaccounts",
    ];
    json!([
        rule("", &core, &READ),
        rule("events.k8s.io", &["events"], &READ),
        rule("coordination.k8s.io", &["leases"], &READ),
    ])
}

fn edit_rules() -> Value {
    json!([
        rule("", &["configmaps", "events", SECRETS, "serviceaccounts"], &WRITE),
        rule("", &[SECRETS], &READ),
        rule("events.k8s.io", &["events"], &WRITE),
        rule("coordination.k8s.io", &["leases"], &WRITE),
    ])
}

fn admin_rules() -> Value {
    json!([
        rule(RBAC_GROUP, &["roles", "rolebindings"], &READ),
        rule(RBAC_GROUP, &["roles", "rolebindings"], &WRITE),
        rule("authorization.k8s.io", &["localsubjectaccessreviews"], &["create"]),
    ])
}

fn status_writer_rules() -> Value {
    json!([
        rule("", &["events"], &["create", "patch"]),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
    ])
}

fn basic_user_rules() -> Value {
    let reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"];
    json!([
        rule("authorization.k8s.io", &reviews, &["create"]),
        rule("authentication.k8s.io", &["selfsubjectreviews"], &["create"]),
    ])
}

impl Aggregate {
    const fn label(self) -> &'static str {
        match self {
            Self::View => "aggregate-to-view",
            Self::Edit => "aggregate-to-edit",
            Self::Admin => "aggregate-to-admin",
            Self::StatusWriter => "aggregate-to-status-writer",
        }
    }

    fn labels(self) -> BTreeMap<String, String> {
        BTreeMap::from([(format!("{RBAC_GROUP}/{}", self.label()), "true".to_owned())])
    }
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": resources, "verbs": verbs })
}

fn paths(verbs: &[&str], paths: &[&str]) -> Value {
    json!({ "nonResourceURLs": paths, "verbs": verbs })
}

fn role(name: &str, part_of: &[Aggregate], rules: Value) -> DefaultObject {
    object("clusterroles", name, part_of, [("rules", rules)])
}

fn aggregated(name: &str, by: Aggregate, part_of: &[Aggregate]) -> DefaultObject {
    let rule = json!({ "clusterRoleSelectors": [{ "matchLabels": by.labels() }] });
    object("clusterroles", name, part_of, [("aggregationRule", rule)])
}

fn binding(role: &str, groups: &[&str]) -> DefaultObject {
    let subject = |group| json!({ "apiGroup": RBAC_GROUP, "kind": "Group", "name": group });
    let subjects = groups.iter().map(subject).collect();
    let role_ref = json!({ "apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role });
    object("clusterrolebindings", role, &[], [("roleRef", role_ref), ("subjects", subjects)])
}

fn object<const N: usize>(
    plural: &'static str,
    name: &str,
    part_of: &[Aggregate],
    body: [(&str, Value); N],
) -> DefaultObject {
    let bootstrap = ("kubernetes.io/bootstrapping".to_owned(), "rbac-defaults".to_owned());
    DefaultObject {
        plural,
        name: name.to_owned(),
        labels: part_of.iter().flat_map(|role| role.labels()).chain([bootstrap]).collect(),
        body: body.into_iter().map(|(field, value)| (field.to_owned(), value)).collect(),
    }
}
