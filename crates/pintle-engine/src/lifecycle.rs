//! What happens to objects by themselves.
//!
//! The [`Follower`] reads the log, keeps the catalog, the rules and the index of owners up to date,
//! and notes what there is to do; it never writes. The [`Worker`] does it, through the same
//! [`crate::Engine::write`] as everybody else: definitions are established and cleaned up
//! (`definitions`), namespaces are emptied (`namespaces`), owned objects follow their owners
//! (`garbage`), quotas say what is used (`quotas`).

mod default_rules;
mod definitions;
mod follower;
mod garbage;
mod namespaces;
mod owners;
mod quotas;
mod todo;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use pintle_model::{GroupResource, ObjectKey};

use crate::engine::Shared;

pub use definitions::Report;
pub(crate) use definitions::first_stored;
pub(crate) use follower::{Follower, Work, all_of};
pub(crate) use garbage::OwnerPlace;
pub(crate) use todo::Task;
pub(crate) use worker::{Worker, status_intent};

pub(crate) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
/// The plural of the kind whose objects other objects live in.
pub const NAMESPACES: &str = "namespaces";

/// Whether objects of this resource declare kinds.
pub(crate) fn declares_kinds(resource: &GroupResource) -> bool {
    resource.as_str() == DEFINITIONS
}

/// Where the object of a namespace lives.
pub(crate) fn namespace_key(namespace: &str) -> ObjectKey {
    ObjectKey::new(GroupResource::from_text(NAMESPACES), "", namespace)
}

/// So often history is looked at for what can go.
const COMPACT_INTERVAL: Duration = Duration::from_secs(1);

/// Drops history that is no longer kept, in small steps, for as long as the engine runs.
pub(crate) async fn compact(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(COMPACT_INTERVAL).await;
        loop {
            match shared.store.compact(shared.now()).await {
                Ok(step) => {
                    shared.measures.compacted(step);
                    if !step.more {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "history could not be compacted");
                    shared.measures.compaction_failed(&error);
                    break;
                }
            }
        }
    }
}
