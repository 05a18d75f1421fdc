//! Garbage collection: owned objects follow their owners.

use std::sync::Arc;

use pintle_model::{Object, ObjectKey, OwnerReference, Scope};
use pintle_rules::{DeleteOptions, FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Propagation};
use serde_json::json;

use super::worker::Hands;
use crate::{Catalog, Refusal};

/// How an owner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// There, or of a kind that is not served, of which nothing can be known.
    Solid,
    /// There, deleted, and waiting for what it owns to go first.
    Waiting,
    /// Gone, or recreated.
    Gone,
}

/// Where the owner of an object lives: in the same namespace, or in none. Nothing when its kind is
/// not served, or when an object of cluster scope names an owner that is not.
pub(super) fn owner_key(
    catalog: &Catalog,
    owned: &ObjectKey,
    owner: &OwnerReference,
) -> Option<ObjectKey> {
    let resource = catalog.resource_of(&owner.api_version, &owner.kind)?;
    let namespace = match catalog.get(&resource)?.definition.kind.scope {
        Scope::Cluster => "",
        Scope::Namespaced => owned.namespace()?,
    };
    Some(ObjectKey::new(resource, namespace, &owner.name))
}

/// Deletes an object whose owners are all gone; of the others, forgets the owners that are.
pub(super) async fn collect(hands: &Hands, key: &ObjectKey) -> Result<(), Refusal> {
    let Some(object) = hands.peek(key) else { return Ok(()) };
    let owners = &object.metadata.owner_references;
    let states: Vec<Owner> = owners.iter().map(|owner| state(hands, key, owner)).collect();
    let any = |state| states.contains(&state);
    if owners.is_empty()
        || object.metadata.is_terminating()
        || !(any(Owner::Gone) || any(Owner::Waiting))
    {
        return Ok(());
    }
    if any(Owner::Solid) {
        return keep_solid(hands, &object, &states).await;
    }
    let propagation =
        if any(Owner::Waiting) { Propagation::Foreground } else { Propagation::Background };
    let has_dependents = !hands.work.dependents(object.uid()).is_empty();
    let propagation = if has_dependents { propagation } else { Propagation::Background };
    hands.delete(&object, DeleteOptions { propagation }).await
}

async fn keep_solid(hands: &Hands, object: &Object, states: &[Owner]) -> Result<(), Refusal> {
    let owners = object.metadata.owner_references.iter().zip(states);
    let kept: Vec<_> =
        owners.filter(|(_, state)| **state == Owner::Solid).map(|(owner, _)| owner).collect();
    hands.merge_metadata(object, json!({ "ownerReferences": kept })).await
}

fn state(hands: &Hands, owned: &ObjectKey, owner: &OwnerReference) -> Owner {
    let Some(key) = owner_key(&hands.catalog(), owned, owner) else { return Owner::Solid };
    match hands.peek(&key) {
        Some(found) if *found.uid() != owner.uid => Owner::Gone,
        Some(found) if waits(&found, FOREGROUND_FINALIZER) => Owner::Waiting,
        Some(_) => Owner::Solid,
        None => Owner::Gone,
    }
}

fn waits(object: &Object, finalizer: &str) -> bool {
    object.metadata.is_terminating()
        && object.metadata.finalizers.iter().any(|name| name == finalizer)
}

/// Lets a deleted owner go when nothing keeps it: what it owned has gone, or was let go.
pub(super) async fn release(hands: &Hands, key: &ObjectKey) -> Result<(), Refusal> {
    let Some(owner) = hands.peek(key) else { return Ok(()) };
    if waits(&owner, ORPHAN_FINALIZER) {
        return orphan(hands, &owner).await;
    }
    if waits(&owner, FOREGROUND_FINALIZER) {
        return wait_for_dependents(hands, &owner).await;
    }
    Ok(())
}

async fn orphan(hands: &Hands, owner: &Arc<Object>) -> Result<(), Refusal> {
    for dependent in hands.work.dependents(owner.uid()) {
        let Some(dependent) = hands.peek(&dependent) else { continue };
        let owners = dependent.metadata.owner_references.iter();
        let kept: Vec<_> = owners.filter(|reference| reference.uid != *owner.uid()).collect();
        if kept.len() < dependent.metadata.owner_references.len() {
            hands.merge_metadata(&dependent, json!({ "ownerReferences": kept })).await?;
        }
    }
    // Somebody may have written one of them in between: then it is looked at once more.
    let owned = |key: &ObjectKey| {
        let owners = hands.peek(key).map(|dependent| dependent.metadata.owner_references.clone());
        owners.is_some_and(|owners| owners.iter().any(|owner_ref| owner_ref.uid == *owner.uid()))
    };
    if hands.work.dependents(owner.uid()).iter().any(owned) {
        return Err(Refusal::Contended);
    }
    hands.remove_finalizer(&owner.key, ORPHAN_FINALIZER).await
}

async fn wait_for_dependents(hands: &Hands, owner: &Arc<Object>) -> Result<(), Refusal> {
    let mut blocked = false;
    for dependent in hands.work.dependents(owner.uid()) {
        collect(hands, &dependent).await?;
        blocked |= hands.peek(&dependent).is_some_and(|dependent| blocks(&dependent, owner));
    }
    if blocked { Ok(()) } else { hands.remove_finalizer(&owner.key, FOREGROUND_FINALIZER).await }
}

fn blocks(dependent: &Object, owner: &Object) -> bool {
    dependent.metadata.owner_references.iter().any(|reference| {
        reference.uid == *owner.uid() && reference.block_owner_deletion == Some(true)
    })
}
