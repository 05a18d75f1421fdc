//! Where a create may make something: in a place that is open, and that has room.

use std::sync::Arc;

use pintle_model::Object;
use pintle_rules::Edit;
use tokio::sync::{MutexGuard, RwLockReadGuard};

use crate::quota::QUOTAS;
use crate::{Engine, Refusal, Write};

/// What a create holds until it is written.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    /// The turn of its namespace, where a quota limits its kind.
    pub(crate) turn: Option<MutexGuard<'a, ()>>,
    /// Keeps whoever empties the place waiting, and whoever limits it.
    _open: RwLockReadGuard<'a, ()>,
}

impl Engine {
    /// Refuses a create where nothing new may be made, and keeps whoever empties such a place
    /// waiting until the create has been decided and written. What is no create needs nothing.
    pub(crate) async fn hold_open(&self, write: &Write) -> Result<Option<Opening<'_>>, Refusal> {
        if !matches!(write.intent.edit, Edit::Create(_)) {
            return Ok(None);
        }
        let opening = self.enter(write).await?;
        let served = self.catalog().get(&write.key.resource).map(Arc::clone);
        if served.is_none_or(|served| served.terminating) {
            return Err(Refusal::KindTerminating);
        }
        if let Some(namespace) = write.key.namespace() {
            let key = crate::lifecycle::namespace_key(namespace);
            if check_namespace(namespace, self.store().peek(&key).as_deref()).is_err() {
                check_namespace(namespace, self.store().get(&key).await?.as_deref())?;
            }
        }
        Ok(Some(opening))
    }

    /// Waits for the turn of a namespace, for a write of a quota in it, which is to be no slower
    /// than what it limits. A create of one is a create like others.
    pub(crate) async fn take_room(&self, write: &Write) -> Option<MutexGuard<'_, ()>> {
        let limits = write.key.resource == *QUOTAS && !matches!(write.intent.edit, Edit::Create(_));
        let namespace = write.key.namespace().filter(|_| limits)?;
        Some(self.turns().take_room(namespace).await)
    }

    /// A turn is waited for before the place is held open, so that a long queue holds up nobody
    /// who has to wait for the creates that are in it.
    async fn enter(&self, write: &Write) -> Result<Opening<'_>, Refusal> {
        let mut turn = None;
        loop {
            let open = self.turns().hold_open().await;
            if turn.is_some() || !self.is_limited(&write.key).await? {
                return Ok(Opening { turn, _open: open });
            }
            drop(open);
            turn = Some(self.turns().take_room(&write.key.name.namespace).await);
        }
    }
}

fn check_namespace(namespace: &str, found: Option<&Object>) -> Result<(), Refusal> {
    let namespace = namespace.to_owned();
    match found {
        None => Err(Refusal::NamespaceNotFound { namespace }),
        Some(found) if found.metadata.is_terminating() => {
            Err(Refusal::NamespaceTerminating { namespace })
        }
        Some(_) => Ok(()),
    }
}
