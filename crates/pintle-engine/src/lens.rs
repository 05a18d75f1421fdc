//! Objects as the schema of now has them.
//!
//! A lane that was written before the schema last changed is pruned and defaulted when it is read,
//! as upstream does. Nothing is written for it: the next write to the object makes it lasting.

use std::sync::Arc;

use pintle_model::{Json, Object, Revision};
use pintle_schema::Version;

use crate::Served;

/// How the objects of a kind are seen through one of its versions.
#[derive(Debug, Clone)]
pub(crate) struct Lens {
    since: Revision,
    version: Arc<Version>,
}

impl Lens {
    pub(crate) fn new(served: &Served, version: &Arc<Version>) -> Self {
        Self { since: served.since, version: Arc::clone(version) }
    }

    /// The object, itself where nothing about it is out of date. It keeps its revisions.
    pub(crate) fn show(&self, object: &Arc<Object>) -> Arc<Object> {
        if object.body_revision >= self.since && object.status_revision >= self.since {
            return Arc::clone(object);
        }
        let (body, status) = (self.body(object), self.status(object));
        if body == object.body && status == object.status {
            return Arc::clone(object);
        }
        Arc::new(Object { body, status, ..Object::clone(object) })
    }

    fn body(&self, object: &Object) -> Json {
        if object.body_revision >= self.since {
            return object.body.clone();
        }
        let mut body = object.body.to_map();
        self.version.normalize_body(&mut body);
        Json::from_map(&body)
    }

    fn status(&self, object: &Object) -> Option<Json> {
        if object.status_revision >= self.since {
            return object.status.clone();
        }
        let mut status = object.status.as_ref()?.to_value();
        self.version.normalize_status(&mut status);
        Some(status).filter(|status| !status.is_null()).map(|status| Json::from_value(&status))
    }
}
