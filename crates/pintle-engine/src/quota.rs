//! Quotas: how many objects of a kind a namespace may hold.
//!
//! Whether there is room for one more is decided by counting what there is, and not by what a
//! status says: deleted objects make room at once, and nobody makes any by writing a status. The
//! creates that a quota limits take turns, from the count until they are committed. Their commit
//! also writes what is used then into the status of the quota, on the version of it that was read:
//! so no limit changes unseen in between, and `used` is right whenever a create is acknowledged.
//! What else changes it (removals, another spec) the lifecycle writes, a moment later.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use pintle_model::{Change, GroupResource, Json, Object, ObjectKey, Put, Quantity};
use pintle_rules::Verdict;
use pintle_schema::counted_resource;
use serde_json::{Map, Value, json};

use crate::lifecycle::{all_of, status_intent};
use crate::write::tried;
use crate::{Catalog, Engine, Refusal};

/// The resource of the objects that limit others.
pub(crate) static QUOTAS: LazyLock<GroupResource> =
    LazyLock::new(|| GroupResource::from_text("resourcequotas"));

/// Why a quota does not allow one more object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaExceeded {
    /// The object that was to be made.
    pub key: ObjectKey,
    /// The name of the quota.
    pub quota: String,
    /// The limits that are in the way, by their names in the quota: how much is used, and how much
    /// may be. One more was asked for of each.
    pub limits: BTreeMap<String, (u64, Quantity)>,
}

impl fmt::Display for QuotaExceeded {
    /// In upstream's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |amount: fn(u64, Quantity) -> Quantity| {
            let entries = self.limits.iter();
            let entries =
                entries.map(|(name, (used, hard))| format!("{name}={}", amount(*used, *hard)));
            entries.collect::<Vec<_>>().join(",")
        };
        let requested = list(|_, _| Quantity::from(1));
        let (used, limited) = (list(|used, _| Quantity::from(used)), list(|_, hard| hard));
        let quota = &self.quota;
        write!(
            f,
            "exceeded quota: {quota}, requested: {requested}, used: {used}, limited: {limited}"
        )
    }
}

/// What one `ResourceQuota` says.
#[derive(Debug)]
pub(crate) struct Quota {
    pub(crate) object: Arc<Object>,
    hard: BTreeMap<String, Quantity>,
    /// Whether it is about objects of some sort only. All sorts that there are, are sorts of pods.
    scoped: bool,
}

/// How many objects of a resource there are in the namespace of a quota.
type Count<'a> = &'a dyn Fn(&GroupResource) -> u64;

impl Quota {
    /// What cannot be read limits nothing: it was written before such things were refused.
    pub(crate) fn of(object: Arc<Object>) -> Self {
        let body = object.body.to_map();
        let spec = body.get("spec");
        let field = |name: &str| spec.and_then(|spec| spec.get(name));
        let hard = field("hard").and_then(Value::as_object).into_iter().flatten();
        let hard = hard.filter_map(|(name, value)| Some((name.clone(), Quantity::of(value).ok()?)));
        let is_given = |list: Option<&Value>| {
            list.and_then(Value::as_array).is_some_and(|list| !list.is_empty())
        };
        let selector = field("scopeSelector").and_then(|it| it.get("matchExpressions"));
        let scoped = is_given(field("scopes")) || is_given(selector);
        let hard = hard.collect();
        Self { object, hard, scoped }
    }

    /// The limits on how many objects of this resource there may be.
    fn limits_on<'a>(
        &'a self,
        resource: &'a GroupResource,
    ) -> impl Iterator<Item = (&'a String, Quantity)> {
        let hard = self.hard.iter().filter(|_| !self.scoped);
        let counts = |name: &str| counted_resource(name).is_some_and(|it| it == *resource);
        hard.filter(move |(name, _)| counts(name)).map(|(name, limit)| (name, *limit))
    }

    /// The limits that do not allow one more object, and how much of them is used.
    fn exceeded_by(&self, key: &ObjectKey, count: Count<'_>) -> Option<QuotaExceeded> {
        let used = count(&key.resource);
        let full = self.limits_on(&key.resource).filter(|(_, limit)| used >= limit.count());
        let limits: BTreeMap<_, _> =
            full.map(|(name, limit)| (name.clone(), (used, limit))).collect();
        let quota = self.object.metadata.name.clone();
        (!limits.is_empty()).then(|| QuotaExceeded { key: key.clone(), quota, limits })
    }

    /// What its status has to say. What is used of an amount that is no count of objects is for
    /// others to say; that stays. A kind that is not served has nothing that could be counted.
    pub(crate) fn status(&self, catalog: &Catalog, count: Count<'_>) -> Value {
        let before = self.object.status.as_ref().map(Json::to_map);
        let before = before.and_then(|mut status| match status.remove("used") {
            Some(Value::Object(used)) => Some(used),
            _ => None,
        });
        let mut before = before.unwrap_or_default();
        let used = self.hard.keys().filter_map(|name| {
            let used = match counted_resource(name) {
                None => before.remove(name)?,
                Some(resource) => {
                    catalog.get(&resource)?;
                    let used = if self.scoped { 0 } else { count(&resource) };
                    json!(Quantity::from(used).to_string())
                }
            };
            Some((name.clone(), used))
        });
        let used: Map<String, Value> = used.collect();
        let hard = self.hard.iter().map(|(name, limit)| (name.clone(), json!(limit.to_string())));
        json!({"hard": hard.collect::<Map<_, _>>(), "used": used})
    }
}

impl Engine {
    /// The quotas of a namespace.
    pub(crate) async fn quotas_in(&self, namespace: &str) -> Result<Vec<Quota>, Refusal> {
        // Where there are none, which is almost everywhere, this is all there is to it.
        if self.store().count(&QUOTAS, namespace) == 0 {
            return Ok(Vec::new());
        }
        let found = all_of(self.shared(), &QUOTAS, Some(namespace)).await?;
        Ok(found.into_iter().map(Quota::of).collect())
    }

    /// Whether a quota limits how many objects of the resource of this one there may be beside it.
    pub(crate) async fn is_limited(&self, key: &ObjectKey) -> Result<bool, Refusal> {
        let Some(namespace) = key.namespace() else { return Ok(false) };
        let quotas = self.quotas_in(namespace).await?;
        Ok(quotas.iter().any(|quota| quota.limits_on(&key.resource).next().is_some()))
    }

    /// What has to be written together with a new object, so that the quotas that limit it say what
    /// is used then; or the first of them that has no room for it.
    ///
    /// Whoever asks must have the turn of the namespace, and keep it until that is written.
    pub(crate) async fn make_room(&self, key: &ObjectKey) -> Result<Vec<Change>, Refusal> {
        let namespace = key.namespace().unwrap_or_default();
        let mut quotas = self.quotas_in(namespace).await?;
        quotas.retain(|quota| quota.limits_on(&key.resource).next().is_some());
        let count = |resource: &GroupResource| self.store().count(resource, namespace);
        if let Some(exceeded) = quotas.iter().find_map(|quota| quota.exceeded_by(key, &count)) {
            return Err(Refusal::QuotaExceeded(Box::new(exceeded)));
        }
        let catalog = self.catalog();
        let mut changes = Vec::new();
        for quota in &quotas {
            let status = quota.status(&catalog, &|resource| self.count_with(key, resource));
            changes.extend(self.put_usage(quota, status)?);
        }
        Ok(changes)
    }

    /// Puts what is used into a new quota, so that it is told from the beginning.
    pub(crate) fn begin_usage(&self, change: &mut Change) -> Result<(), Refusal> {
        if change.key.resource != *QUOTAS || !matches!(change.put, Put::Create { .. }) {
            return Ok(());
        }
        let quota = Quota::of(tried(None, change)?);
        let count = |resource: &GroupResource| self.count_with(&change.key, resource);
        let usage = quota.status(&self.catalog(), &count);
        if let Put::Create { status, .. } = &mut change.put {
            *status = Some(Json::from_value(&usage));
        }
        Ok(())
    }

    /// How many objects of a resource there are in the namespace of a new one, with that.
    fn count_with(&self, key: &ObjectKey, resource: &GroupResource) -> u64 {
        let there = self.store().count(resource, &key.name.namespace);
        there.saturating_add(u64::from(*resource == key.resource))
    }

    /// The server's own write of the status of a quota as it was read; nothing when that says so
    /// already.
    fn put_usage(&self, quota: &Quota, status: Value) -> Result<Option<Change>, Refusal> {
        let intent = status_intent(status, Some(&quota.object));
        let granted = self.grant_to_server(&quota.object.key, intent)?;
        let place = self.place(granted.get())?;
        match self.decide(&granted, &place, Some(&quota.object))?.verdict {
            Verdict::Change(change) => Ok(Some(change)),
            Verdict::Unchanged(_) => Ok(None),
        }
    }
}
