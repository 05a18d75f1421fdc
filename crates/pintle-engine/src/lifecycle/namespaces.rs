//! Namespaces: their phase, and what goes when they do.

use pintle_model::{ObjectKey, Scope};
use serde_json::json;

use super::worker::Hands;
use crate::Refusal;

/// Writes the phase of a namespace, and empties one that is deleted.
pub(super) async fn look_after(hands: &Hands, key: &ObjectKey) -> Result<(), Refusal> {
    let Some(namespace) = hands.peek(key) else { return Ok(()) };
    if !namespace.metadata.is_terminating() {
        return hands.write_status(key, json!({"phase": "Active"})).await;
    }
    hands.write_status(key, json!({"phase": "Terminating"})).await?;
    let finalizer = pintle_rules::cleanup_finalizer(&key.resource).unwrap_or_default();
    if !namespace.metadata.finalizers.iter().any(|name| name == finalizer) {
        return Ok(());
    }
    let mut empty = true;
    for served in hands.catalog().iter() {
        if served.definition.kind.scope == Scope::Namespaced {
            empty &= hands.delete_all(&served.resource(), Some(&key.name.name)).await?;
        }
    }
    // Whoever else keeps it sees that the server is done with it. Where somebody wrote meanwhile,
    // the log brings the task back.
    if empty && hands.leave_to_others(&namespace).await? {
        hands.let_go(&namespace).await?;
    }
    Ok(())
}
