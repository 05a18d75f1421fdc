//! Of which kind an object is that the journal tells of, also when the kind is gone by now.

use std::collections::HashMap;
use std::sync::Arc;

use pintle_model::{GroupResource, Object, ObjectKey, Revision};
use pintle_schema::Definition;
use pintle_store::{Event, TailQuery};

use crate::engine::Shared;
use crate::lifecycle::{DEFINITIONS, first_stored};
use crate::{Refusal, Served};

/// So many kinds that are gone are remembered.
const GONE_MAX: usize = 32;

/// The kinds that one reader has met and that are not served any more.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    gone: HashMap<GroupResource, Arc<Served>>,
}

impl Kinds {
    /// The kind of the object that an event is about.
    ///
    /// A kind that is not served has a definition all the same, or its removal comes later in the
    /// log than the last of its objects: a definition goes when they have gone. Nothing is found
    /// only where a definition cannot be read.
    pub(super) async fn of(
        &mut self,
        event: &Event,
        shared: &Shared,
    ) -> Result<Option<Arc<Served>>, Refusal> {
        let resource = &event.object.key.resource;
        if let Some(served) = shared.catalog().get(resource) {
            return Ok(Some(Arc::clone(served)));
        }
        if let Some(served) = self.gone.get(resource) {
            return Ok(Some(Arc::clone(served)));
        }
        let definitions = GroupResource::from_text(DEFINITIONS);
        let key = ObjectKey::new(definitions, "", resource.as_str());
        let definition = match shared.store.peek(&key) {
            Some(found) => Some(found),
            None => removed_later(&key, event.revision, shared).await?,
        };
        let Some(served) = definition.as_deref().and_then(|it| read(it, shared)) else {
            let revision = event.revision;
            tracing::warn!(%resource, %revision, "an event is not told: its kind is not known");
            return Ok(None);
        };
        if self.gone.len() >= GONE_MAX {
            self.gone.clear();
        }
        let served = Arc::new(served);
        self.gone.insert(resource.clone(), Arc::clone(&served));
        Ok(Some(served))
    }
}

/// The definition that the log removes after a revision.
async fn removed_later(
    key: &ObjectKey,
    mut after: Revision,
    shared: &Shared,
) -> Result<Option<Arc<Object>>, Refusal> {
    let (resource, limit) = (Some(&key.resource), shared.limits.watch_batch);
    let newest = *shared.store.head().borrow();
    while after < newest {
        let tail = shared.store.tail(TailQuery { resource, after, limit }).await?;
        let found = tail.events.iter().find(|event| event.removed && event.object.key == *key);
        if let Some(found) = found {
            return Ok(Some(Arc::clone(&found.object)));
        }
        after = tail.up_to;
    }
    Ok(None)
}

/// Objects of a kind that is gone are told as its last definition has them.
fn read(object: &Object, shared: &Shared) -> Option<Served> {
    let definition = Definition::from_crd(&object.key.name.name, &object.body.to_map()).ok()?;
    let steps = shared.conversions.of(&definition.kind.resource());
    let served = Served::new(Arc::new(definition), Revision::ZERO, Revision::ZERO, true);
    Some(served.converting(steps, first_stored(object).as_deref()))
}
