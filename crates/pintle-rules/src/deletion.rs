//! How an object goes: at once, or first marked and later, when its finalizers have acted.

use std::sync::Arc;

use pintle_model::{Change, GroupResource, Metadata, Object, Put};

use crate::decide::{Decision, Situation, Verdict};
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
    let mut metadata = Metadata::clone(&current.metadata);
    let wanted = match options.propagation {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND_FINALIZER),
        Propagation::Orphan => Some(ORPHAN_FINALIZER),
    };
    let cleanup =
        cleanup_finalizer(&current.key.resource).filter(|_| !current.metadata.is_terminating());
    for finalizer in wanted.into_iter().chain(cleanup) {
        if !metadata.finalizers.iter().any(|present| present == finalizer) {
            metadata.finalizers.push(finalizer.to_owned());
        }
    }
    if metadata.finalizers.is_empty() {
        return Ok(decision(situation, current, Put::Delete));
    }
    if !metadata.is_terminating() {
        metadata.deletion_timestamp = Some(situation.stamp.now.truncated());
        metadata.deletion_grace_period_seconds = Some(0);
        metadata.generation = metadata.generation.next();
    }
    if metadata == *current.metadata {
        let verdict = Verdict::Unchanged(Arc::clone(current));
        return Ok(Decision { verdict, warnings: Vec::new() });
    }
    let put = Put::Main { metadata: Arc::new(metadata), body: None, status: None };
    Ok(decision(situation, current, put))
}

fn decision(situation: Situation<'_>, current: &Arc<Object>, put: Put) -> Decision {
    let change = Change {
        key: current.key.clone(),
        expect: Some(current.revision),
        put,
        at: situation.stamp.now,
    };
    Decision { verdict: Verdict::Change(change), warnings: Vec::new() }
}
