//! A program's own say about who may do what, asked after the rules.

use std::fmt;
use std::sync::Arc;

use pintle_authz::{Ask, Forbidden, Granted, User};
use pintle_model::Object;
use pintle_rules::{Edit, Lane, Patch};

use crate::engine::Shared;
use crate::lens::Lens;
use crate::{Engine, Refusal, Write};

/// Why a program does not allow what the rules do. Whoever asked is told with code 403.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Denied(String);

impl Denied {
    /// For this reason, in words for whoever asked.
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// What a program that embeds the engine says beyond its rules, given in
/// [`Setup`](crate::Setup::hook).
///
/// It can only take away: it is asked about what the rules allow, once the object is known to
/// exist, and before anything is said of the object. An answer is of the moment, and given in the
/// path of every request, so that it must not block. What the server does by itself (establishing
/// kinds, emptying namespaces, collecting what lost its owner) is not asked for.
///
/// Objects are always shown to it in the version that doors speak by default
/// ([`Served::default_version`](crate::Served::default_version)), so that nobody gets around it by
/// asking in another one. The document of a request is in the version of the request.
///
/// Whatever [`can_get`](Self::can_get) denies is in no list and in no watch either, and is shown
/// without its body in the answer to a write. An object that comes to be denied while it is watched
/// is told as deleted, in its last state that was not; one that is no longer denied, as added.
pub trait Hook: fmt::Debug + Send + Sync {
    /// Reading one object, or its status.
    fn can_get(&self, _caller: &User, _object: &Object) -> Result<(), Denied> {
        Ok(())
    }

    /// Showing an object in a list. As `can_get`, unless said otherwise.
    fn can_list(&self, caller: &User, object: &Object) -> Result<(), Denied> {
        self.can_get(caller, object)
    }

    /// Telling of an object in a watch. As `can_get`, unless said otherwise.
    fn can_watch(&self, caller: &User, object: &Object) -> Result<(), Denied> {
        self.can_get(caller, object)
    }

    /// Making an object; the document stands in the request.
    fn can_create(&self, _caller: &User, _request: &Write) -> Result<(), Denied> {
        Ok(())
    }

    /// Replacing metadata and body of the object as it is now.
    fn can_update(&self, _caller: &User, _request: &Write, _object: &Object) -> Result<(), Denied> {
        Ok(())
    }

    /// Patching metadata and body. As `can_update`, unless said otherwise.
    fn can_patch(&self, caller: &User, request: &Write, object: &Object) -> Result<(), Denied> {
        self.can_update(caller, request, object)
    }

    /// Writing the status of the object as it is now: all of it, a patch, or one condition.
    fn can_update_status(
        &self,
        _caller: &User,
        _request: &Write,
        _object: &Object,
    ) -> Result<(), Denied> {
        Ok(())
    }

    /// Removing the object.
    fn can_delete(&self, _caller: &User, _request: &Write, _object: &Object) -> Result<(), Denied> {
        Ok(())
    }
}

/// What a hook says to a write. Nothing is asked about an object that does not exist.
pub(crate) fn ask_about_write(
    hook: &dyn Hook,
    caller: &User,
    request: &Write,
    current: Option<&Object>,
) -> Result<(), Denied> {
    // Nobody learns what they may not read by moving it around.
    let moves = |patch: &Patch, object| {
        if patch.reads() { hook.can_get(caller, object) } else { Ok(()) }
    };
    match (&request.intent.edit, request.intent.lane, current) {
        (Edit::Create(_), _, _) => hook.can_create(caller, request),
        (_, _, None) => Ok(()),
        (Edit::Patch(patch, _), Lane::Status, Some(object)) if request.intent.sees_all() => {
            moves(patch, object).and_then(|()| hook.can_update_status(caller, request, object))
        }
        (_, Lane::Status, Some(object))
        | (
            Edit::Condition(_) | Edit::MergeStatus(_) | Edit::ApplyConditions(_),
            Lane::Main,
            Some(object),
        ) => hook.can_update_status(caller, request, object),
        (Edit::Delete(_), _, Some(object)) => hook.can_delete(caller, request, object),
        (
            Edit::Replace(_) | Edit::Scale(_) | Edit::Finalize(_) | Edit::Emptied,
            _,
            Some(object),
        ) => hook.can_update(caller, request, object),
        (Edit::Patch(patch, _), _, Some(object)) => {
            moves(patch, object).and_then(|()| hook.can_patch(caller, request, object))
        }
    }
}

impl Engine {
    /// Whether the hook lets what was granted happen to an object.
    pub(crate) fn ask_hook<A>(
        &self,
        granted: &Granted<A>,
        question: impl FnOnce(&dyn Hook, &User) -> Result<(), Denied>,
    ) -> Result<(), Refusal> {
        let Some(hook) = self.shared().hook.as_deref() else { return Ok(()) };
        question(hook, granted.user())
            .map_err(|denied| overruled(granted.user(), granted.ask(), &denied))
    }
}

impl Shared {
    /// Whether the hook lets somebody see a stored object; it does where there is none.
    pub(crate) fn hook_lets(
        &self,
        stored: &Arc<Object>,
        question: impl FnOnce(&dyn Hook, &Object) -> Result<(), Denied>,
    ) -> bool {
        let Some(hook) = self.hook.as_deref() else { return true };
        self.for_hook(stored).is_ok_and(|seen| question(hook, &seen).is_ok())
    }

    /// A stored object as the hook sees it, whatever version it was asked for in. What the hook
    /// cannot be shown, it cannot allow.
    pub(crate) fn for_hook(&self, stored: &Arc<Object>) -> Result<Arc<Object>, Denied> {
        let catalog = self.catalog();
        let Some(served) = catalog.get(&stored.key.resource) else { return Ok(Arc::clone(stored)) };
        Lens::new(served, served.default_version()).show(stored).map_err(|refusal| {
            tracing::warn!(?refusal, "denied: the hook cannot be shown an object");
            Denied::because("the program that decides about it cannot be shown this object")
        })
    }
}

/// The refusal of what the rules would allow.
pub(crate) fn overruled(user: &Arc<User>, ask: &Ask, denied: &Denied) -> Refusal {
    Forbidden::new(user, ask.clone()).because(denied.to_string()).into()
}
