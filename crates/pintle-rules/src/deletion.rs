//! How an object goes: at once, or first marked and later, when its finalizers have acted.

use std::sync::Arc;

use pintle_model::{GroupResource, Manner, Metadata, Object, ObjectKey, Put};

use crate::decide::{Decision, Situation};
use crate::main_lane::is_held;
use crate::refusal::Refusal;

/// What becomes of the objects that the deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// The object goes; what it owns follows.
    #[default]
    Background,
    /// What it owns goes first.
    Foreground,
    /// What it owns stays, without an owner.
    Orphan,
}

/// How to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeleteOptions {
    /// What becomes of owned objects.
    pub propagation: Propagation,
    /// It is one of many that are deleted by one request, which is a right of its own.
    pub collective: bool,
}

/// Keeps an owner until what it owns has gone.
pub const FOREGROUND_FINALIZER: &str = "foregroundDeletion";
/// Keeps an owner until what it owns has been released.
pub const ORPHAN_FINALIZER: &str = "orphan";

/// The finalizer that the server itself puts on objects of this resource when they are deleted,
/// because they contain others.
pub fn cleanup_finalizer(resource: &GroupResource) -> Option<&'static str> {
    match resource.as_str() {
        "customresourcedefinitions.apiextensions.k8s.io" => {
            Some("customresourcecleanup.apiextensions.k8s.io")
        }
        "namespaces" => Some("pintle/namespace-contents"),
        _ => None,
    }
}

/// Removes the object, or marks it when somebody has to act first.
pub(crate) fn delete(
    situation: Situation<'_>,
    current: &Arc<Object>,
    options: DeleteOptions,
) -> Result<Decision, Refusal> {
    if is_indispensable(current) {
        return Err(Refusal::Indispensable);
    }
    let mut metadata = Metadata::clone(&current.metadata);
    propagate(&mut metadata.finalizers, options.propagation);
    if !metadata.is_terminating()
        && let Some(cleanup) = cleanup_finalizer(&current.key.resource)
    {
        add(&mut metadata.finalizers, cleanup);
    }
    if metadata.finalizers.is_empty() && !is_held(situation, &current.body) {
        return Ok(Decision::new(
            situation,
            current,
            Manner::Replaced,
            Some(Put::Delete),
            Vec::new(),
        ));
    }
    if !metadata.is_terminating() {
        metadata.deletion_timestamp = Some(situation.stamp.now.truncated());
        metadata.deletion_grace_period_seconds = Some(0);
        metadata.generation = metadata.generation.next();
    }
    let changed = metadata != *current.metadata;
    let put = changed.then(|| Put::Main { metadata: Arc::new(metadata), body: None, status: None });
    Ok(Decision::new(situation, current, Manner::Replaced, put, Vec::new()))
}

/// Lets go of an object that contains nothing any more.
pub(crate) fn emptied(situation: Situation<'_>, current: &Arc<Object>) -> Decision {
    let mut metadata = Metadata::clone(&current.metadata);
    let own = cleanup_finalizer(&current.key.resource);
    metadata.finalizers.retain(|name| Some(name.as_str()) != own);
    let kept = !metadata.finalizers.is_empty() || is_held(situation, &current.body);
    let put = if metadata.is_terminating() && !kept {
        Some(Put::Delete)
    } else {
        let changed = metadata != *current.metadata;
        changed.then(|| Put::Main { metadata: Arc::new(metadata), body: None, status: None })
    };
    Decision::new(situation, current, Manner::Replaced, put, Vec::new())
}

/// Puts the finalizer that the server keeps a deleted object by back where a client has taken it
/// away, and says whether it had to: what is in the object would be left behind.
pub(crate) fn keep_cleanup(key: &ObjectKey, stored: &Metadata, wanted: &mut Metadata) -> bool {
    let Some(own) = cleanup_finalizer(&key.resource).filter(|_| stored.is_terminating()) else {
        return false;
    };
    let place = stored.finalizers.iter().position(|name| name == own);
    let Some(place) = place.filter(|_| !wanted.finalizers.iter().any(|name| name == own)) else {
        return false;
    };
    wanted.finalizers.insert(place.min(wanted.finalizers.len()), own.to_owned());
    true
}

/// Requests that name no namespace mean this one, so it cannot go; as upstream.
fn is_indispensable(object: &Object) -> bool {
    object.key.resource.as_str() == "namespaces" && &*object.key.name.name == "default"
}

/// What is owned can go first or stay, not both: the later wish counts. No wish leaves an earlier
/// one.
fn propagate(finalizers: &mut Vec<String>, propagation: Propagation) {
    let (wanted, other) = match propagation {
        Propagation::Background => return,
        Propagation::Foreground => (FOREGROUND_FINALIZER, ORPHAN_FINALIZER),
        Propagation::Orphan => (ORPHAN_FINALIZER, FOREGROUND_FINALIZER),
    };
    finalizers.retain(|present| present != other);
    add(finalizers, wanted);
}

fn add(finalizers: &mut Vec<String>, finalizer: &str) {
    if !finalizers.iter().any(|present| present == finalizer) {
        finalizers.push(finalizer.to_owned());
    }
}
