//! An object as the tree that patches see.

use pintle_model::Object;
use pintle_schema::Version;
use serde_json::{Map, Value, json};

use crate::decide::Situation;

/// The whole object, for patches to the main lane.
pub(crate) fn object_tree(situation: Situation<'_>, object: &Object) -> Value {
    let mut tree = object.body.to_map();
    name_kind(situation, &mut tree);
    tree.insert("metadata".to_owned(), Value::Object(metadata_tree(object)));
    if let Some(status) = &object.status {
        tree.insert("status".to_owned(), status.to_value());
    }
    Value::Object(tree)
}

/// The part of the object that a patch to the status lane may see: its identity and its status.
pub(crate) fn status_tree(situation: Situation<'_>, object: &Object, status: Value) -> Value {
    let mut metadata = Map::new();
    let mut put = |field: &str, text: &str| metadata.insert(field.to_owned(), Value::from(text));
    put("name", &object.metadata.name);
    put("uid", object.uid().as_str());
    put("resourceVersion", &object.revision.to_string());
    if let Some(namespace) = object.key.namespace() {
        put("namespace", namespace);
    }
    let mut tree = Map::new();
    name_kind(situation, &mut tree);
    tree.insert("metadata".to_owned(), Value::Object(metadata));
    tree.insert("status".to_owned(), status);
    Value::Object(tree)
}

/// An object as `autoscaling/v1` `Scale`, without what says so; nothing when the version has no
/// scale. `spec.replicas` is not there when the object has none.
pub fn scale_of(version: &Version, object: &Object) -> Option<Value> {
    let scale = version.scale.as_ref()?;
    let mut tree = object.body.to_map();
    if let Some(status) = &object.status {
        tree.insert("status".to_owned(), status.to_value());
    }
    let find = |path: &str| {
        let mut segments = path.split('.').filter(|segment| !segment.is_empty());
        let first = tree.get(segments.next()?)?;
        segments.try_fold(first, |value, segment| value.get(segment))
    };
    let mut spec = Map::new();
    if let Some(replicas) = find(&scale.spec_replicas_path) {
        spec.insert("replicas".to_owned(), replicas.clone());
    }
    let mut status = Map::new();
    let replicas = find(&scale.status_replicas_path).cloned();
    status.insert("replicas".to_owned(), replicas.unwrap_or_else(|| Value::from(0)));
    if let Some(selector) = scale.label_selector_path.as_deref().and_then(find) {
        status.insert("selector".to_owned(), selector.clone());
    }
    let metadata = metadata_tree(object);
    let kept = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let metadata: Map<String, Value> =
        metadata.into_iter().filter(|(field, _)| kept.contains(&field.as_str())).collect();
    Some(json!({"metadata": metadata, "spec": spec, "status": status}))
}

fn name_kind(situation: Situation<'_>, tree: &mut Map<String, Value>) {
    let Situation { definition, version, .. } = situation;
    let api_version = definition.kind.api_version(&version.name);
    tree.insert("apiVersion".to_owned(), Value::from(api_version));
    tree.insert("kind".to_owned(), Value::from(&*definition.kind.kind));
}

/// `metadata` as every client knows it: what patches may test and change.
fn metadata_tree(object: &Object) -> Map<String, Value> {
    let mut tree = match serde_json::to_value(&*object.metadata) {
        Ok(Value::Object(tree)) => tree,
        Ok(_) | Err(_) => Map::new(),
    };
    tree.insert("resourceVersion".to_owned(), Value::from(object.revision.to_string()));
    for (name, time) in [
        ("creationTimestamp", Some(object.metadata.creation_timestamp)),
        ("deletionTimestamp", object.metadata.deletion_timestamp),
    ] {
        if let Some(time) = time {
            tree.insert(name.to_owned(), Value::from(time.seconds()));
        }
    }
    tree
}
