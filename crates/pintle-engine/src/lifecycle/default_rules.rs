//! The roles and bindings that are there from the start, as objects that everybody can read, change
//! and watch like others.

use std::sync::Arc;

use pintle_authz::{DefaultObject, default_objects};
use pintle_model::{GroupResource, Object, ObjectKey};
use pintle_rules::{Document, Edit, Precondition};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::worker::main_intent;
use crate::{AccessMode, Engine, Refusal};

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// An object with this annotation and the value `true` gets what a later version of the server adds
/// to it. Upstream's name.
const FOLLOWS: &str = "rbac.authorization.kubernetes.io/autoupdate";

impl Engine {
    /// Makes the default roles and bindings that are missing, and adds to others what they lack.
    /// Whatever somebody added to one of them stays, and one that does not follow is left alone.
    /// While requests are not authorised there is no use for them.
    pub(crate) async fn ensure_default_rules(self: &Arc<Self>) -> Result<(), Refusal> {
        if self.access().mode() == AccessMode::Open {
            return Ok(());
        }
        // At once, so that they share a flush to the disk.
        let mut writing = JoinSet::new();
        for object in default_objects() {
            let engine = Arc::clone(self);
            writing.spawn(async move { engine.ensure_default_rule(&object).await });
        }
        while let Some(written) = writing.join_next().await {
            written.map_err(|error| Refusal::Internal(error.to_string()))??;
        }
        Ok(())
    }

    async fn ensure_default_rule(&self, object: &DefaultObject) -> Result<(), Refusal> {
        let resource = GroupResource::new(RBAC_GROUP, object.plural);
        let key = ObjectKey::new(resource, "", &object.name);
        let stored = self.store().peek(&key);
        let Some(edit) = edit(object, stored.as_deref()) else { return Ok(()) };
        let precondition = Precondition {
            revision: stored.map(|stored| stored.revision),
            ..Precondition::default()
        };
        self.write_as_server(&key, main_intent(edit, precondition)).await.map(drop)
    }
}

/// What is to be done about a default object.
fn edit(object: &DefaultObject, stored: Option<&Object>) -> Option<Edit> {
    let Some(stored) = stored else {
        let metadata =
            [("labels", json!(object.labels)), ("annotations", json!({FOLLOWS: "true"}))];
        return Some(Edit::Create(document(metadata, object.body.clone())));
    };
    let follows = stored.metadata.annotations.get(FOLLOWS).is_some_and(|value| value == "true");
    if !follows || stored.metadata.is_terminating() {
        return None;
    }
    let was = stored.body.to_map();
    let mut labels = stored.metadata.labels.clone();
    labels.extend(object.labels.clone());
    let body = with_missing(&was, &object.body);
    let same = body == was && labels == stored.metadata.labels;
    (!same).then(|| Edit::Replace(document([("labels", json!(labels))], body)))
}

fn document<const N: usize>(metadata: [(&str, Value); N], body: Map<String, Value>) -> Document {
    let metadata = metadata.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
    Document { metadata: Some(metadata), body: Some(body), ..Document::default() }
}

/// The fields of an object with the items of its lists that they lack.
fn with_missing(stored: &Map<String, Value>, wanted: &Map<String, Value>) -> Map<String, Value> {
    let mut body = stored.clone();
    for (field, wanted) in wanted {
        let merged = match (stored.get(field), wanted) {
            (None | Some(Value::Null), wanted) => wanted.clone(),
            (Some(Value::Array(stored)), Value::Array(wanted)) => {
                let missing = wanted.iter().filter(|item| !stored.contains(item));
                stored.iter().chain(missing).cloned().collect()
            }
            (Some(Value::Object(stored)), Value::Object(wanted)) => {
                Value::Object(with_missing(stored, wanted))
            }
            // Somebody means something else by it.
            (Some(stored), _) => stored.clone(),
        };
        body.insert(field.clone(), merged);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_added_and_what_is_there_stays() {
        let wanted = json!({"rules": [1, 2], "selector": {"any": ["a"]}, "roleRef": {"name": "x"}});
        let cases = [
            (json!({}), wanted.clone()),
            (wanted.clone(), wanted.clone()),
            (
                json!({"rules": [3, 1], "selector": {}, "roleRef": {"name": "y"}, "more": true}),
                json!({"rules": [3, 1, 2], "selector": {"any": ["a"]}, "roleRef": {"name": "y"}, "more": true}),
            ),
        ];
        for (stored, expected) in cases {
            let merged = with_missing(stored.as_object().unwrap(), wanted.as_object().unwrap());
            assert_eq!(Value::Object(merged), expected, "{stored}");
        }
    }
}
