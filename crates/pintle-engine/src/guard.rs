//! What a write needs beside the right to write: known once it is known what it would change.

use std::sync::Arc;

use pintle_authz::{RuleObject, RuleWrite, Subresource, User, Verb};
use pintle_model::{
    FieldError, FieldErrorKind, GroupResource, Json, Object, ObjectKey, OwnerReference, Put,
};
use pintle_rules::{Decision, Edit, Refusal as RulesRefusal, Verdict};
use serde_json::{Map, Value};

use crate::access::are_rules;
use crate::lifecycle::OwnerPlace;
use crate::{Engine, Refusal, Write, ask_for};

impl Engine {
    /// Refuses a write that would give its caller more than was asked for.
    pub(crate) fn check_gain(
        &self,
        write: &Write,
        user: &Arc<User>,
        current: Option<&Arc<Object>>,
        decision: &Decision,
    ) -> Result<(), Refusal> {
        let Verdict::Change(change) = &decision.verdict else { return Ok(()) };
        if let Some(current) = current {
            self.check_owners(write, user, current, &change.put)?;
        }
        self.check_blocked_owners(&change.key, user, current.map(|it| &**it), &change.put)?;
        if are_rules(&write.key.resource) {
            self.check_rules(write, user, current, &change.put)?;
        }
        Ok(())
    }

    /// Whoever changes the owners of an object can have it collected with them, so it takes the
    /// right to delete it; as upstream's `OwnerReferencesPermissionEnforcement`.
    fn check_owners(
        &self,
        write: &Write,
        user: &Arc<User>,
        current: &Object,
        put: &Put,
    ) -> Result<(), Refusal> {
        let Put::Main { metadata, .. } = put else { return Ok(()) };
        if metadata.owner_references == current.metadata.owner_references {
            return Ok(());
        }
        let delete = ask_for(Verb::Delete, &write.key, None);
        let granted = self.rules().grant(user, delete);
        granted.map(drop).map_err(|forbidden| {
            forbidden.explained("changing ownerReferences can have the object deleted").into()
        })
    }

    /// Whoever makes an owner's foreground deletion wait for an object needs a right on that owner:
    /// `update` on its `finalizers`, as upstream's `OwnerReferencesPermissionEnforcement`, or on
    /// the owner itself, whose finalizers can be written with it.
    fn check_blocked_owners(
        &self,
        key: &ObjectKey,
        user: &Arc<User>,
        current: Option<&Object>,
        put: &Put,
    ) -> Result<(), Refusal> {
        let (Put::Main { metadata, .. } | Put::Create { metadata, .. }) = put else {
            return Ok(());
        };
        let blocks = |owner: &&OwnerReference| owner.block_owner_deletion == Some(true);
        let before = current.map(|current| &current.metadata.owner_references[..]);
        let before: Vec<_> = before.unwrap_or_default().iter().filter(blocks).collect();
        let is_new = |owner: &&OwnerReference| !before.iter().any(|known| same_owner(known, owner));
        let catalog = self.catalog();
        for owner in metadata.owner_references.iter().filter(blocks).filter(is_new) {
            let key = match OwnerPlace::of(&catalog, key, owner) {
                OwnerPlace::At(key) => key,
                // It is waited for by nobody.
                OwnerPlace::Nowhere => continue,
                // Somebody may declare the kind later; who may write all of its group may say so.
                OwnerPlace::Unknown => unknown_owner(key, owner),
            };
            self.check_may_hold(user, &key)?;
        }
        Ok(())
    }

    fn check_may_hold(&self, user: &Arc<User>, owner: &ObjectKey) -> Result<(), Refusal> {
        let rules = self.rules();
        let finalizers = Subresource::Other("finalizers".into());
        if rules.grant(user, ask_for(Verb::Update, owner, Some(finalizers))).is_ok() {
            return Ok(());
        }
        let granted = rules.grant(user, ask_for(Verb::Update, owner, None));
        granted.map(drop).map_err(|forbidden| {
            let why = "blockOwnerDeletion makes the deletion of its owner wait";
            forbidden.explained(why).into()
        })
    }

    /// Refuses rules that mean nothing, and rules that give away what the caller does not have.
    fn check_rules(
        &self,
        write: &Write,
        user: &Arc<User>,
        current: Option<&Arc<Object>>,
        put: &Put,
    ) -> Result<(), Refusal> {
        let Some(after) = body_given(put, current.map(|current| &**current)) else { return Ok(()) };
        let (key, name) = (&write.key, &*write.key.name.name);
        let (plural, namespace) = (key.resource.plural(), key.namespace());
        RuleObject::read(plural, namespace, name, &std::collections::BTreeMap::new(), &after)
            .map_err(|error| {
                let fault = FieldError::new("", FieldErrorKind::Invalid, error.why);
                Refusal::Rules(RulesRefusal::Invalid(vec![fault]))
            })?;
        let before = current.map(|current| current.body.to_map());
        let is_create = matches!(write.intent.edit, Edit::Create(_));
        let name = Some(name).filter(|_| !is_create);
        let write = RuleWrite { plural, namespace, name, before: before.as_ref(), after: &after };
        Ok(self.rules().check_escalation(user, &write)?)
    }
}

fn same_owner(one: &OwnerReference, other: &OwnerReference) -> bool {
    let of = |owner: &OwnerReference| {
        (owner.uid.clone(), owner.api_version.clone(), owner.kind.clone(), owner.name.clone())
    };
    of(one) == of(other)
}

fn unknown_owner(owned: &ObjectKey, owner: &OwnerReference) -> ObjectKey {
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    let resource = GroupResource::new(group, &owner.kind.to_lowercase());
    ObjectKey::new(resource, owned.namespace().unwrap_or_default(), &owner.name)
}

/// The body after a change; nothing when the change gives nothing: an object that goes, or of which
/// only what its collection needs is written (as upstream's `IsOnlyMutatingGCFields`).
fn body_given(put: &Put, current: Option<&Object>) -> Option<Map<String, Value>> {
    match (put, current) {
        (Put::Create { body, .. }, _) => Some(body.to_map()),
        (Put::Main { metadata, body, .. }, Some(current)) => {
            let before = &current.metadata;
            let same = body.is_none()
                && metadata.labels == before.labels
                && metadata.annotations == before.annotations;
            (!same).then(|| body.as_ref().unwrap_or(&current.body)).map(Json::to_map)
        }
        (Put::Main { .. } | Put::Status(_) | Put::Delete, _) => None,
    }
}
