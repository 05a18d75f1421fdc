//! Which objects name an owner, by the owner's uid.

use std::collections::{BTreeSet, HashMap};

use pintle_model::{Object, ObjectKey, Uid};

/// The owners that somebody names.
#[derive(Debug, Default)]
pub(super) struct Owners {
    by_uid: HashMap<Uid, Named>,
}

/// One owner, for as long as somebody names it.
#[derive(Debug, Default)]
struct Named {
    by: BTreeSet<ObjectKey>,
    gone: bool,
}

impl Owners {
    /// The objects that name `owner`.
    pub(super) fn dependents(&self, owner: &Uid) -> Vec<ObjectKey> {
        self.by_uid.get(owner).into_iter().flat_map(|named| &named.by).cloned().collect()
    }

    /// Whether `owner` was seen to go.
    pub(super) fn is_gone(&self, owner: &Uid) -> bool {
        self.by_uid.get(owner).is_some_and(|named| named.gone)
    }

    /// Notes that `owner` has gone, and gives back the objects that still name it.
    pub(super) fn mark_gone(&mut self, owner: &Uid) -> Vec<ObjectKey> {
        if let Some(named) = self.by_uid.get_mut(owner) {
            named.gone = true;
        }
        self.dependents(owner)
    }

    /// Takes in that an object changed; it is the same one before and after.
    pub(super) fn index(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let (named, names) = (uids(before), uids(after));
        if named == names {
            return;
        }
        let Some(key) = after.or(before).map(|object| object.key.clone()) else { return };
        for uid in named.difference(&names) {
            if let Some(owner) = self.by_uid.get_mut(*uid) {
                owner.by.remove(&key);
                if owner.by.is_empty() {
                    self.by_uid.remove(*uid);
                }
            }
        }
        for uid in names.difference(&named) {
            self.by_uid.entry((*uid).clone()).or_default().by.insert(key.clone());
        }
    }
}

fn uids(object: Option<&Object>) -> BTreeSet<&Uid> {
    let owners = object.into_iter().flat_map(|object| &object.metadata.owner_references);
    owners.map(|owner| &owner.uid).collect()
}
