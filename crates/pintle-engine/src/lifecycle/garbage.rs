//! Garbage collection: owned objects follow their owners.

use std::sync::Arc;

use pintle_model::{Object, ObjectKey, OwnerReference, Scope};
use pintle_rules::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Propagation};

use super::todo::Task;
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

/// Where an owner has to be for a reference to mean it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnerPlace {
    /// In the namespace of what it owns, or in none.
    At(ObjectKey),
    /// Nowhere: an object of cluster scope names an owner that has a namespace, and does not say
    /// which.
    Nowhere,
    /// Its kind is not served.
    Unknown,
}

impl OwnerPlace {
    pub(crate) fn of(catalog: &Catalog, owned: &ObjectKey, owner: &OwnerReference) -> Self {
        let resource = catalog.resource_of(&owner.api_version, &owner.kind);
        let served = resource.as_ref().and_then(|resource| catalog.get(resource));
        let (Some(resource), Some(served)) = (&resource, served) else { return Self::Unknown };
        match (served.definition.kind.scope, owned.namespace()) {
            (Scope::Cluster, _) => Self::At(ObjectKey::new(resource.clone(), "", &owner.name)),
            (Scope::Namespaced, Some(namespace)) => {
                Self::At(ObjectKey::new(resource.clone(), namespace, &owner.name))
            }
            (Scope::Namespaced, None) => Self::Nowhere,
        }
    }
}

/// Deletes an object whose owners are all gone; of the others, forgets the owners that are.
pub(super) async fn collect(hands: &Hands, key: &ObjectKey) -> Result<(), Refusal> {
    let Some(object) = hands.peek(key) else { return Ok(()) };
    if object.metadata.is_terminating() {
        return Ok(());
    }
    let mut states = Vec::new();
    for owner in &object.metadata.owner_references {
        states.push(state(hands, key, owner).await?);
    }
    let any = |state| states.contains(&state);
    if !any(Owner::Gone) && !any(Owner::Waiting) {
        return Ok(());
    }
    if any(Owner::Solid) {
        return keep_solid(hands, &object, &states).await;
    }
    let propagation = if any(Owner::Waiting) {
        before_its_owner(hands, &object).await?
    } else {
        Propagation::Background
    };
    if !hands.delete_version(&object, propagation).await? {
        // Somebody wrote it meanwhile, and may have changed its owners.
        hands.work.todo.note(Task::Collect(key.clone()));
    }
    Ok(())
}

async fn keep_solid(hands: &Hands, object: &Object, states: &[Owner]) -> Result<(), Refusal> {
    let owners = object.metadata.owner_references.iter().zip(states);
    let solid = owners.filter(|(_, state)| **state == Owner::Solid);
    let kept: Vec<_> = solid.map(|(owner, _)| owner.clone()).collect();
    hands.put_owners(object, &kept).await
}

/// How an object goes whose owner waits for it: after what it owns itself. Where owners go round in
/// a circle, somebody has to stop being waited for.
async fn before_its_owner(hands: &Hands, object: &Object) -> Result<Propagation, Refusal> {
    let dependents = hands.work.dependents(object.uid());
    if dependents.is_empty() {
        return Ok(Propagation::Background);
    }
    let waits =
        |key: &ObjectKey| hands.peek(key).is_some_and(|it| waits(&it, FOREGROUND_FINALIZER));
    if dependents.iter().any(waits) && blocks_any(object) {
        let mut owners = object.metadata.owner_references.clone();
        for owner in &mut owners {
            owner.block_owner_deletion = Some(false);
        }
        hands.put_owners(object, &owners).await?;
    }
    Ok(Propagation::Foreground)
}

fn blocks_any(object: &Object) -> bool {
    object.metadata.owner_references.iter().any(|owner| owner.block_owner_deletion == Some(true))
}

async fn state(hands: &Hands, owned: &ObjectKey, owner: &OwnerReference) -> Result<Owner, Refusal> {
    let is_gone = hands.work.is_gone(&owner.uid);
    let key = match OwnerPlace::of(&hands.catalog(), owned, owner) {
        OwnerPlace::At(_) | OwnerPlace::Unknown if is_gone => return Ok(Owner::Gone),
        OwnerPlace::At(key) => key,
        // Upstream, too, leaves alone what can never be made out.
        OwnerPlace::Nowhere | OwnerPlace::Unknown => return Ok(Owner::Solid),
    };
    let is_owner = |found: &Arc<Object>| *found.uid() == owner.uid;
    let found = match hands.peek(&key).filter(is_owner) {
        Some(found) => Some(found),
        None => hands.get(&key).await?.filter(is_owner),
    };
    Ok(match found {
        Some(found) if waits(&found, FOREGROUND_FINALIZER) => Owner::Waiting,
        Some(_) => Owner::Solid,
        None => Owner::Gone,
    })
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
    let dependents = hands.work.dependents(owner.uid());
    let catalog = hands.catalog();
    let means =
        |owned: &Object, reference: &OwnerReference| means(&catalog, owned, reference, owner);
    let owned = || {
        let found = dependents.iter().filter_map(|key| hands.peek(key));
        found.filter(|it| it.metadata.owner_references.iter().any(|named| means(it, named)))
    };
    for dependent in owned() {
        let owners = dependent.metadata.owner_references.iter();
        let kept: Vec<_> = owners.filter(|named| !means(&dependent, named)).cloned().collect();
        hands.put_owners(&dependent, &kept).await?;
    }
    if owned().next().is_some() {
        // Somebody changed its owners meanwhile.
        hands.work.todo.note(Task::Release(owner.key.clone()));
        return Ok(());
    }
    hands.remove_finalizer(owner, ORPHAN_FINALIZER).await
}

async fn wait_for_dependents(hands: &Hands, owner: &Arc<Object>) -> Result<(), Refusal> {
    let catalog = hands.catalog();
    let mut blocked = false;
    for key in hands.work.dependents(owner.uid()) {
        let Some(dependent) = hands.peek(&key) else { continue };
        hands.work.todo.note(Task::Collect(key));
        blocked |= blocks(&catalog, &dependent, owner);
    }
    if blocked { Ok(()) } else { hands.remove_finalizer(owner, FOREGROUND_FINALIZER).await }
}

/// Whether a reference means this object: a uid alone can be anybody's, so kind, name and namespace
/// must be right, too.
fn means(catalog: &Catalog, owned: &Object, reference: &OwnerReference, owner: &Object) -> bool {
    reference.uid == *owner.uid()
        && OwnerPlace::of(catalog, &owned.key, reference) == OwnerPlace::At(owner.key.clone())
}

fn blocks(catalog: &Catalog, dependent: &Object, owner: &Object) -> bool {
    dependent.metadata.owner_references.iter().any(|reference| {
        reference.block_owner_deletion == Some(true) && means(catalog, dependent, reference, owner)
    })
}
