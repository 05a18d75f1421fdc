//! What a write needs beside the right to write: known once it is known what it would change.

use std::sync::Arc;

use pintle_authz::{RuleObject, RuleWrite, User, Verb};
use pintle_model::{FieldError, FieldErrorKind, Json, Object, Put};
use pintle_rules::{Decision, Edit, Refusal as RulesRefusal, Verdict};
use serde_json::{Map, Value};

use crate::access::are_rules;
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
