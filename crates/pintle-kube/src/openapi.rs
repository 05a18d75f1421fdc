//! What the door does, described: one `OpenAPI` 3 document for each version of each group.
//!
//! Clients read two things there: the schemas of kinds, to explain and to check them, and whether
//! operations take `fieldValidation` and `dryRun`.

pub(crate) mod v2;

use std::sync::Arc;

use pintle_engine::{Catalog, Served};
use pintle_model::Scope;
use pintle_schema::Version;
use serde_json::{Map, Value, json};

use crate::discovery::{group_versions, hash};
use crate::route::GroupVersion;

/// The index: where the document of each version of each group is.
pub(crate) fn index(catalog: &Catalog) -> Value {
    let entry = |at: &GroupVersion| {
        let path = at.path();
        let path = path.trim_start_matches('/');
        let tag = hash(document(catalog, at).to_string().as_bytes());
        let address = format!("/openapi/v3/{path}?hash={tag}");
        (path.to_owned(), json!({"serverRelativeURL": address}))
    };
    let described = group_versions(catalog);
    let described = described.iter().filter(|at| kinds(catalog, at).next().is_some());
    json!({"paths": described.map(entry).collect::<Map<_, _>>()})
}

/// The kinds of a version of a group.
pub(crate) fn kinds<'c>(
    catalog: &'c Catalog,
    at: &'c GroupVersion,
) -> impl Iterator<Item = (&'c Arc<Served>, &'c Arc<Version>)> {
    let all = catalog.iter().chain(catalog.views());
    all.filter(|served| *served.definition.kind.group == *at.group).filter_map(|served| {
        let version = served.definition.version(&at.version).filter(|version| version.served)?;
        Some((served, version))
    })
}

/// The document of one version of a group.
pub(crate) fn document(catalog: &Catalog, at: &GroupVersion) -> Value {
    let mut paths = Map::new();
    let mut schemas = shared_schemas();
    for (served, version) in kinds(catalog, at) {
        let described = Described { at, served, version };
        described.add_paths(&mut paths);
        described.add_schemas(&mut schemas);
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"},
            },
        },
    })
}

/// The name of the schema of a kind: its group from behind, its version, its kind.
pub(crate) fn schema_name(group: &str, version: &str, kind: &str) -> String {
    let group = if group.is_empty() { "core.k8s.io" } else { group };
    let parts: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{version}.{kind}", parts.join("."))
}

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A reference with something beside it, which the language allows inside `allOf` only.
fn described(name: &str, what: &str) -> Value {
    json!({"description": what, "default": {}, "allOf": [reference(name)]})
}

struct Described<'a> {
    at: &'a GroupVersion,
    served: &'a Served,
    version: &'a Version,
}

impl Described<'_> {
    fn kind_of(&self, kind: &str) -> Value {
        json!({"group": self.at.group, "version": self.at.version, "kind": kind})
    }

    fn name_of(&self, kind: &str) -> String {
        schema_name(&self.at.group, &self.at.version, kind)
    }

    fn add_schemas(&self, schemas: &mut Map<String, Value>) {
        let kind = &self.served.definition.kind;
        let (name, list) = (self.name_of(&kind.kind), self.name_of(&kind.list_kind));
        schemas.insert(name.clone(), self.schema());
        schemas.insert(
            list,
            json!({
                "description": format!("Many objects of the kind {}.", kind.kind),
                "type": "object",
                "required": ["items"],
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": described(LIST_META, "What is said of all of them."),
                    "items": {"type": "array", "items": reference(&name)},
                },
                "x-kubernetes-group-version-kind": [self.kind_of(&kind.list_kind)],
            }),
        );
    }

    fn schema(&self) -> Value {
        let kind = &self.served.definition.kind;
        let mut schema = match self.version.schema_document.to_value() {
            Value::Object(schema) => schema,
            _ => Map::new(),
        };
        let fields = schema.entry("properties").or_insert_with(|| json!({}));
        if let Some(fields) = fields.as_object_mut() {
            let about = [
                ("apiVersion", "The version of the schema that this object is written in."),
                ("kind", "The kind that this object is of."),
            ];
            for (field, what) in about {
                fields.insert(field.to_owned(), json!({"type": "string", "description": what}));
            }
            let what = "Name, labels, and what the server keeps.";
            fields.insert("metadata".to_owned(), described(OBJECT_META, what));
        }
        schema.insert(
            "x-kubernetes-group-version-kind".to_owned(),
            json!([self.kind_of(&kind.kind)]),
        );
        Value::Object(schema)
    }

    fn add_paths(&self, paths: &mut Map<String, Value>) {
        let kind = &self.served.definition.kind;
        let (root, plural) = (self.at.path(), &kind.plural);
        let namespaced = kind.scope == Scope::Namespaced;
        let many = if namespaced {
            format!("{root}/namespaces/{{namespace}}/{plural}")
        } else {
            format!("{root}/{plural}")
        };
        let one = format!("{many}/{{name}}");
        let mut put = |path: String, item: Value| paths.insert(path, item);
        let mut acts = vec![("get", Act::List), ("post", Act::Create)];
        if !self.served.definition.habits.deleted_singly {
            acts.push(("delete", Act::Clear));
        }
        put(many.clone(), self.item(&many, &acts));
        if namespaced {
            let all = format!("{root}/{plural}");
            put(all.clone(), self.item(&all, &[("get", Act::List)]));
        }
        let acts = [
            ("get", Act::Get),
            ("put", Act::Replace),
            ("patch", Act::Patch),
            ("delete", Act::Delete),
        ];
        put(one.clone(), self.item(&one, &acts));
        let [get, replace, patch, _] = acts;
        if self.version.status_subresource {
            let status = format!("{one}/status");
            put(status.clone(), self.item(&status, &[get, replace, patch]));
        }
        if self.version.scale.is_some() {
            let scale = format!("{one}/scale");
            put(scale.clone(), self.item(&scale, &[get, replace, patch]));
        }
    }

    fn item(&self, path: &str, acts: &[(&str, Act)]) -> Value {
        let placeholders = ["namespace", "name"].into_iter();
        let in_path = placeholders.filter(|name| path.contains(&format!("{{{name}}}")));
        let mut parameters: Vec<Value> = in_path
            .map(|name| {
                json!({
                    "name": name,
                    "in": "path",
                    "required": true,
                    "schema": {"type": "string", "uniqueItems": true},
                })
            })
            .collect();
        parameters.push(query("pretty", "string"));
        let mut item: Map<String, Value> = acts
            .iter()
            .map(|(method, act)| ((*method).to_owned(), self.operation(path, method, *act)))
            .collect();
        item.insert("parameters".to_owned(), Value::Array(parameters));
        Value::Object(item)
    }

    fn operation(&self, path: &str, method: &str, act: Act) -> Value {
        let kind = &self.served.definition.kind;
        let own = self.name_of(&kind.kind);
        let answer = match act {
            Act::List => self.name_of(&kind.list_kind),
            Act::Delete | Act::Clear => STATUS.to_owned(),
            Act::Get | Act::Create | Act::Replace | Act::Patch => own.clone(),
        };
        let content = |name: &str| json!({"application/json": {"schema": reference(name)}});
        let code = if act == Act::Create { "201" } else { "200" };
        let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
        let mut operation = json!({
            "operationId": format!("{method}_{}", words.join("_").replace(['{', '}'], "")),
            "parameters": act.parameters(),
            "responses": {code: {"description": "OK", "content": content(&answer)}},
            "x-kubernetes-action": act.name(),
            "x-kubernetes-group-version-kind": self.kind_of(&kind.kind),
        });
        let body = match act {
            Act::Create | Act::Replace => Some(json!({"content": content(&own), "required": true})),
            Act::Delete | Act::Clear => Some(json!({"content": content(DELETE_OPTIONS)})),
            Act::Patch => {
                let patch = json!({"schema": {"type": "object"}});
                let types = ["application/merge-patch+json", "application/json-patch+json"];
                let content: Map<String, Value> =
                    types.into_iter().map(|it| (it.to_owned(), patch.clone())).collect();
                Some(json!({"content": content, "required": true}))
            }
            Act::Get | Act::List => None,
        };
        if let (Some(body), Some(fields)) = (body, operation.as_object_mut()) {
            fields.insert("requestBody".to_owned(), body);
        }
        operation
    }
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    List,
    Create,
    Get,
    Replace,
    Patch,
    Delete,
    Clear,
}

impl Act {
    const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Create => "post",
            Self::Get => "get",
            Self::Replace => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Clear => "deletecollection",
        }
    }

    fn parameters(self) -> Vec<Value> {
        const SELECTS: [(&str, &str); 4] = [
            ("labelSelector", "string"),
            ("fieldSelector", "string"),
            ("limit", "integer"),
            ("continue", "string"),
        ];
        const WATCHES: [(&str, &str); 6] = [
            ("watch", "boolean"),
            ("resourceVersion", "string"),
            ("resourceVersionMatch", "string"),
            ("timeoutSeconds", "integer"),
            ("allowWatchBookmarks", "boolean"),
            ("sendInitialEvents", "boolean"),
        ];
        const WRITES: [(&str, &str); 3] =
            [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
        const DELETES: [(&str, &str); 2] = [("dryRun", "string"), ("propagationPolicy", "string")];
        let listed: Vec<(&str, &str)> = match self {
            Self::Get => Vec::new(),
            Self::List => [SELECTS.as_slice(), &WATCHES].concat(),
            Self::Create | Self::Replace | Self::Patch => WRITES.to_vec(),
            Self::Delete => DELETES.to_vec(),
            Self::Clear => [SELECTS.as_slice(), &DELETES].concat(),
        };
        listed.into_iter().map(|(name, kind)| query(name, kind)).collect()
    }
}

fn query(name: &str, kind: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
}

/// What the schemas of all kinds refer to.
#[expect(clippy::too_many_lines, reason = "it is a document, read from top to bottom")]
fn shared_schemas() -> Map<String, Value> {
    let text = |what: &str| json!({"type": "string", "description": what});
    let time = |what: &str| json!({"type": "string", "format": "date-time", "description": what});
    let number = |what: &str| json!({"type": "integer", "format": "int64", "description": what});
    let texts = |what: &str| json!({"type": "object", "additionalProperties": {"type": "string"}, "description": what});
    let object = |what: &str, properties: Value| json!({"type": "object", "description": what, "properties": properties});
    let owner = json!({
        "apiVersion": text("Its group and version."),
        "kind": text("Its kind."),
        "name": text("Its name."),
        "uid": text("Its uid."),
        "controller": {"type": "boolean", "description": "Whether it manages this object."},
        "blockOwnerDeletion":
            {"type": "boolean", "description": "Whether it waits for this object to go."},
    });
    let metadata = json!({
        "name": text("Unique among the objects of a kind in a namespace."),
        "generateName": text("What a name that the server makes up begins with."),
        "namespace": text("Where the object is."),
        "uid": text("Tells it from others that had its name."),
        "resourceVersion": text("Which version of the object this is."),
        "generation": number("How often what is wanted of it has changed."),
        "creationTimestamp": time("When it was made."),
        "deletionTimestamp": time("When it was asked to go."),
        "deletionGracePeriodSeconds": number("How long it has for that."),
        "labels": texts("What selectors match."),
        "annotations": texts("What nothing matches."),
        "finalizers": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Who has to act before it goes.",
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        },
        "ownerReferences": {
            "type": "array",
            "items": object("An owner.", owner),
            "description": "What takes it along when it goes.",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-merge-key": "uid",
            "x-kubernetes-patch-strategy": "merge",
        },
    });
    let list = json!({
        "resourceVersion": text("The snapshot that is listed."),
        "continue": text("Where the next page begins."),
        "remainingItemCount": number("How many are on the pages that follow."),
    });
    let status = json!({
        "apiVersion": text("v1"),
        "kind": text("Status"),
        "metadata": reference(LIST_META),
        "status": text("Success or Failure."),
        "message": text("What happened."),
        "reason": text("Why, as one word."),
        "code": number("The status of the answer."),
        "details": {"type": "object", "description": "About what."},
    });
    let options = json!({
        "apiVersion": text("v1"),
        "kind": text("DeleteOptions"),
        "propagationPolicy": text("Background, Foreground or Orphan."),
        "dryRun": {"type": "array", "items": {"type": "string"}},
        "gracePeriodSeconds": number("Passed over."),
        "preconditions": object(
            "Which object, in which version, is meant.",
            json!({"uid": text("Its uid."), "resourceVersion": text("Its version.")}),
        ),
    });
    Map::from_iter([
        (OBJECT_META.to_owned(), object("What every object has.", metadata)),
        (LIST_META.to_owned(), object("What every list has.", list)),
        (STATUS.to_owned(), object("How a request ended.", status)),
        (DELETE_OPTIONS.to_owned(), object("How to delete.", options)),
    ])
}
