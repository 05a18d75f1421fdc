//! An object as the tree that patches see.

use pintle_model::Object;
use serde_json::{Map, Value, json};

/// `metadata` as every client knows it: what patches may test and change.
pub(crate) fn metadata_tree(object: &Object) -> Map<String, Value> {
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

/// The whole object, for patches to the main lane.
pub(crate) fn object_tree(object: &Object) -> Value {
    let mut tree = object.body.to_map();
    tree.insert("metadata".to_owned(), Value::Object(metadata_tree(object)));
    if let Some(status) = &object.status {
        tree.insert("status".to_owned(), status.to_value());
    }
    Value::Object(tree)
}

/// The part of the object that a patch to the status lane may see: its identity and its status.
pub(crate) fn status_tree(object: &Object) -> Value {
    let metadata = &object.metadata;
    let mut tree = json!({
        "metadata": {
            "name": metadata.name,
            "uid": metadata.uid.as_str(),
            "resourceVersion": object.revision.to_string(),
        },
        "status": object.status.as_ref().map_or_else(|| json!({}), pintle_model::Json::to_value),
    });
    if let (Some(namespace), Some(tree)) =
        (object.key.namespace(), tree.pointer_mut("/metadata").and_then(Value::as_object_mut))
    {
        tree.insert("namespace".to_owned(), Value::from(namespace));
    }
    tree
}
