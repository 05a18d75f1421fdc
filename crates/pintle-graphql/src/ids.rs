//! Ids of objects, unique among all kinds: the resource and the uid.

use pintle_model::{GroupResource, Object, Uid};

/// The id of an object. Clients are told that it is opaque.
pub(crate) fn of(object: &Object) -> String {
    format!("{}/{}", object.key.resource, object.uid())
}

/// The object that an id means; nothing when it is not one.
pub(crate) fn parse(id: &str) -> Option<(GroupResource, Uid)> {
    let (resource, uid) = id.split_once('/')?;
    Some((GroupResource::from_text(resource), Uid::from(uid)))
}
