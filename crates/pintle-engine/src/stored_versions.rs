//! What the list of stored versions in the status of a definition may lose.
//!
//! That it has the storage version, and none that is not declared, is a rule of the contract. What
//! is here depends on the objects of the kind, and matters only where versions are converted: a
//! half that says which version it is in is read for what it is, listed or not; one that does not,
//! because it is older than such notes, is taken for the first of the list.

use pintle_model::{
    FieldError, FieldErrorKind, GroupResource, Json, Object, ObjectKey, ObjectName, Put,
};
use pintle_rules::{Decision, Lane, Refusal as RulesRefusal, Verdict};
use pintle_store::ListQuery;

use crate::lifecycle::declares_kinds;
use crate::{Engine, Refusal, Write};

impl Write {
    /// Whether it may change what is said of the stored versions of a kind.
    pub(crate) fn is_status_of_definition(&self) -> bool {
        self.intent.lane == Lane::Status && declares_kinds(&self.key.resource)
    }
}

impl Engine {
    /// Refuses a decision about a status that takes away what values are read by.
    pub(crate) async fn check_stored(
        &self,
        write: &Write,
        current: Option<&Object>,
        mut decision: Decision,
    ) -> Result<Decision, Refusal> {
        if let Verdict::Change(change) = &decision.verdict
            && let Put::Status(put) = &change.put
        {
            let after = put.status.as_ref();
            let warning = self.check_stored_versions(&write.key, current, after).await?;
            decision.warnings.extend(warning);
        }
        Ok(decision)
    }

    /// The same for a status that would take the place of that of `current`. Gives back what its
    /// writer should know.
    pub(crate) async fn check_stored_versions(
        &self,
        definition: &ObjectKey,
        current: Option<&Object>,
        after: Option<&Json>,
    ) -> Result<Option<String>, Refusal> {
        let before = listed(current.and_then(|current| current.status.as_ref()));
        let after = listed(after);
        let kind = GroupResource::from_text(&definition.name.name);
        let lost: Vec<_> = before.iter().filter(|version| !after.contains(version)).collect();
        let first = before.first().filter(|first| after.first() != Some(first));
        if (lost.is_empty() && first.is_none()) || self.shared().conversions.of(&kind).is_none() {
            return Ok(None);
        }
        let (unnoted, stored) = self.find_stored(&kind, &lost).await?;
        if let (Some(first), Some(which)) = (first, unnoted.in_words()) {
            let detail = format!(
                "must begin with {first}: {which} have halves of which it was not noted what \
                 version they are in; they are read as {first} until they are changed"
            );
            let fault = FieldError::new("status.storedVersions", FieldErrorKind::Invalid, detail);
            return Err(Refusal::Rules(RulesRefusal::Invalid(vec![fault])));
        }
        Ok(stored.in_words().map(|which| {
            format!(
                "{which} have halves that are still stored in a version which is no longer listed; \
                 keep its conversions, and give its name to no other, until they are changed"
            )
        }))
    }
}

impl Engine {
    /// The objects with halves that say no version, and those with halves in one of these.
    async fn find_stored(
        &self,
        kind: &GroupResource,
        versions: &[&String],
    ) -> Result<(Found, Found), Refusal> {
        let (mut unnoted, mut stored) = (Found::default(), Found::default());
        let mut place: Option<ObjectName> = None;
        loop {
            let (after, limit) = (place.as_ref(), self.limits().list_page);
            let query = ListQuery { resource: kind, namespace: None, after, limit, at: None };
            let page = self.store().list(query).await?;
            for object in &page.objects {
                let of_status = object.status.as_ref().map(|_| &object.status_version);
                let notes = || [Some(&object.body_version), of_status].into_iter().flatten();
                let is_one = |note: &str| versions.iter().any(|version| ***version == *note);
                unnoted.add_if(notes().any(Option::is_none), &object.key);
                stored.add_if(notes().flatten().any(|note| is_one(note)), &object.key);
            }
            place = page.objects.last().map(|object| object.key.name.clone());
            if !page.more || place.is_none() {
                return Ok((unnoted, stored));
            }
        }
    }
}

/// How many objects there are of a sort, and the first of them.
#[derive(Debug, Default)]
struct Found {
    count: usize,
    first: Option<ObjectKey>,
}

impl Found {
    fn add_if(&mut self, is_one: bool, key: &ObjectKey) {
        if is_one {
            self.count += 1;
            self.first.get_or_insert_with(|| key.clone());
        }
    }

    fn in_words(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(format!("{} objects ({first} is one)", self.count))
    }
}

/// The versions that a status lists as stored.
fn listed(status: Option<&Json>) -> Vec<String> {
    let status = status.map(Json::to_value).unwrap_or_default();
    let list = status.get("storedVersions").and_then(serde_json::Value::as_array);
    let texts = list.into_iter().flatten().filter_map(|version| version.as_str());
    texts.map(str::to_owned).collect()
}
