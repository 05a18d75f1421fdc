//! The kinds that the server has without being told, from documents in the shape of a
//! `CustomResourceDefinition`.

use std::sync::{Arc, LazyLock};

use pintle_model::{GroupResource, NameRule};

use crate::definition::read_core;
use crate::{Definition, Finalizers, Freezing, Habits, Schema, SelectableField, Version};

struct CoreKind {
    document: &'static str,
    name_rule: NameRule,
    habits: Habits,
}

/// Most kinds are replaced whatever became of them, when whoever does it names no version.
const USUAL: Habits = Habits {
    immutable: &[],
    freezes: None,
    first_status: None,
    name_label: None,
    encodes: None,
    keyed: &[],
    refers: None,
    limits: None,
    finalizers: None,
    unconditional_updates: true,
    deleted_singly: false,
    selectors: &[],
};

const BINDING: Habits = Habits { immutable: &[("roleRef", "cannot change roleRef")], ..USUAL };

const CORE_KINDS: [CoreKind; 12] = [
    CoreKind {
        document: include_str!("core_kinds/custom_resource_definition.json"),
        name_rule: NameRule::Subdomain,
        habits: Habits {
            // What the server finds out of the names comes a moment later.
            first_status: Some(
                r#"{"acceptedNames":{"kind":"","plural":""},"conditions":[],"storedVersions":[]}"#,
            ),
            unconditional_updates: false,
            ..USUAL
        },
    },
    CoreKind {
        document: include_str!("core_kinds/namespace.json"),
        name_rule: NameRule::Label,
        habits: Habits {
            first_status: Some(r#"{"phase":"Active"}"#),
            name_label: Some("kubernetes.io/metadata.name"),
            finalizers: Some(Finalizers { part: "spec", list: "finalizers", own: "kubernetes" }),
            deleted_singly: true,
            selectors: &[("status.phase", "status.phase")],
            ..USUAL
        },
    },
    CoreKind {
        document: include_str!("core_kinds/resource_quota.json"),
        name_rule: NameRule::Subdomain,
        habits: Habits { limits: Some(("spec", "hard")), ..USUAL },
    },
    CoreKind {
        document: include_str!("core_kinds/role.json"),
        name_rule: NameRule::PathSegment,
        habits: USUAL,
    },
    CoreKind {
        document: include_str!("core_kinds/cluster_role.json"),
        name_rule: NameRule::PathSegment,
        habits: USUAL,
    },
    CoreKind {
        document: include_str!("core_kinds/role_binding.json"),
        name_rule: NameRule::PathSegment,
        habits: BINDING,
    },
    CoreKind {
        document: include_str!("core_kinds/cluster_role_binding.json"),
        name_rule: NameRule::PathSegment,
        habits: BINDING,
    },
    CoreKind {
        document: include_str!("core_kinds/config_map.json"),
        name_rule: NameRule::Subdomain,
        habits: Habits {
            freezes: Some(Freezing { switch: "immutable", fields: &["data", "binaryData"] }),
            keyed: &["data", "binaryData"],
            ..USUAL
        },
    },
    CoreKind {
        document: include_str!("core_kinds/secret.json"),
        name_rule: NameRule::Subdomain,
        habits: Habits {
            immutable: &[("type", "field is immutable")],
            freezes: Some(Freezing { switch: "immutable", fields: &["data"] }),
            encodes: Some(("stringData", "data")),
            keyed: &["data"],
            ..USUAL
        },
    },
    CoreKind {
        document: include_str!("core_kinds/service_account.json"),
        name_rule: NameRule::Subdomain,
        habits: USUAL,
    },
    CoreKind {
        document: include_str!("core_kinds/event.json"),
        // It begins with the name of what the event is about, which may be a user.
        name_rule: NameRule::PathSegment,
        habits: Habits {
            refers: Some("involvedObject"),
            selectors: &[("source", "source.component")],
            ..USUAL
        },
    },
    CoreKind {
        document: include_str!("core_kinds/lease.json"),
        name_rule: NameRule::Subdomain,
        habits: USUAL,
    },
];

/// A kind that shows the objects of another one, under other names.
#[derive(Debug, Clone)]
pub struct View {
    /// What it is called and what its objects look like.
    pub definition: Arc<Definition>,
    /// Whose objects it shows.
    pub of: GroupResource,
    /// Fields of the body that have another name here: the name here, and the one that is stored.
    pub fields: &'static [(&'static str, &'static str)],
}

/// Kubernetes has events in two groups, which are one.
const EVENT_OF_EVENTS: CoreKind = CoreKind {
    document: include_str!("core_kinds/event_of_events.json"),
    name_rule: NameRule::Subdomain,
    habits: USUAL,
};
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

static VIEWS: LazyLock<Vec<Arc<View>>> = LazyLock::new(|| {
    let (of, fields) = (GroupResource::new("", "events"), EVENT_FIELDS);
    vec![Arc::new(View { definition: Arc::new(EVENT_OF_EVENTS.definition()), of, fields })]
});

/// The kinds that show the objects of others: `Event` of `events.k8s.io`.
pub fn core_views() -> Vec<Arc<View>> {
    VIEWS.clone()
}

static DEFINITIONS: LazyLock<Vec<Arc<Definition>>> =
    LazyLock::new(|| CORE_KINDS.iter().map(|kind| Arc::new(kind.definition())).collect());

/// `CustomResourceDefinition`, `Namespace`, `ResourceQuota`, the four kinds of RBAC, `ConfigMap`,
/// `Secret`, `ServiceAccount`, `Event` and `Lease`, in this order.
pub fn core_definitions() -> Vec<Arc<Definition>> {
    DEFINITIONS.clone()
}

/// The schema of a `CustomResourceDefinition`: the shape that every declared kind is checked
/// against first.
pub(crate) fn declaration_schema() -> &'static Schema {
    let declaration = DEFINITIONS.first().expect("the first core kind is the declaration of kinds");
    &declaration.storage_version().schema
}

impl CoreKind {
    fn definition(&self) -> Definition {
        let document = serde_json::from_str(self.document).expect("the embedded text is JSON");
        let definition = read_core(&document).expect("the embedded documents are valid");
        let versions = definition.versions.iter().map(|version| self.version(version)).collect();
        Definition {
            name_rule: self.name_rule,
            core: true,
            habits: self.habits,
            versions,
            ..definition
        }
    }

    /// A version with all that field selectors may name.
    fn version(&self, version: &Arc<Version>) -> Arc<Version> {
        let mut version = Version::clone(version);
        for (name, path) in self.habits.selectors {
            let segments = path.split('.').map(Arc::from).collect();
            version.selectable.push(SelectableField { path: (*name).into(), segments });
        }
        Arc::new(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_model::Scope;
    use serde_json::{Value, json};

    #[test]
    fn core_kinds_are_what_kubernetes_has() {
        let cases = [
            ("customresourcedefinitions.apiextensions.k8s.io", Scope::Cluster, true, true),
            ("namespaces", Scope::Cluster, true, true),
            ("resourcequotas", Scope::Namespaced, true, false),
            ("roles.rbac.authorization.k8s.io", Scope::Namespaced, false, false),
            ("clusterroles.rbac.authorization.k8s.io", Scope::Cluster, false, false),
            ("rolebindings.rbac.authorization.k8s.io", Scope::Namespaced, false, false),
            ("clusterrolebindings.rbac.authorization.k8s.io", Scope::Cluster, false, false),
            ("configmaps", Scope::Namespaced, false, false),
            ("secrets", Scope::Namespaced, false, false),
            ("serviceaccounts", Scope::Namespaced, false, false),
            ("events", Scope::Namespaced, false, false),
            ("leases.coordination.k8s.io", Scope::Namespaced, false, false),
        ];
        let definitions = core_definitions();
        assert_eq!(definitions.len(), cases.len());
        for (definition, (resource, scope, status, conditions)) in definitions.iter().zip(cases) {
            let version = definition.storage_version();
            assert_eq!(definition.kind.resource().as_str(), resource);
            assert_eq!(definition.kind.scope, scope, "{resource}");
            assert_eq!(&*version.name, "v1", "{resource}");
            assert_eq!(version.status_subresource, status, "{resource}");
            assert_eq!(version.conditions, conditions, "{resource}");
            assert!(definition.core, "{resource}");
        }
    }

    #[test]
    fn the_embedded_documents_have_the_shape_of_declarations() {
        for kind in &CORE_KINDS {
            let document: Value = serde_json::from_str(kind.document).unwrap();
            assert_eq!(declaration_schema().validate(pintle_model::FieldPath::ROOT, &document), []);
            let mut normalized = document.clone();
            let dropped =
                declaration_schema().normalize(pintle_model::FieldPath::ROOT, &mut normalized);
            assert!(dropped.is_empty(), "{dropped:?}");
        }
    }

    #[test]
    fn objects_of_core_kinds_are_checked() {
        let cases = [
            (
                0,
                json!({"spec": {"scope": "Everywhere"}}),
                vec![
                    "spec.group: Required value",
                    "spec.names: Required value",
                    "spec.versions: Required value",
                    r#"spec.scope: Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced""#,
                ],
            ),
            (1, json!({}), vec![]),
            (2, json!({"spec": {"hard": {"count/devices.infra.example.io": "5", "x": 5}}}), vec![]),
            (
                2,
                json!({"spec": {"hard": {"x": true}}}),
                vec![
                    r#"spec.hard[x]: Invalid value: "boolean": spec.hard[x] in body must be of type integer,string: "boolean""#,
                ],
            ),
            (3, json!({"rules": [{"apiGroups": [""]}]}), vec!["rules[0].verbs: Required value"]),
            (
                5,
                json!({"subjects": [{"kind": "User", "name": "ann"}]}),
                vec!["roleRef: Required value"],
            ),
            (
                6,
                json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}}),
                vec![r#"roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole""#],
            ),
        ];
        for (index, body, expected) in cases {
            let version = Arc::clone(core_definitions()[index].storage_version());
            let body = body.as_object().unwrap();
            let faults: Vec<_> =
                version.validate_body(body).iter().map(ToString::to_string).collect();
            assert_eq!(faults, expected, "{body:?}");
        }
    }
}
