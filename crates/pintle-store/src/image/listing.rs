//! One list in the making: the current objects, with everything undone that was written since.
//!
//! Each step holds the lock only for a bounded number of entries. Between steps others may write;
//! the next step first learns of their events and what they replaced, so the page that comes out is
//! the one that a single long look at its revision would have given.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use pintle_model::{Object, ObjectName, Revision};

use super::{Objects, State};
use crate::{ListQuery, Page, StoreError};

/// A step looks at no more than so many entries.
const STEP_ENTRIES: usize = 1_000;

#[derive(Debug)]
pub(super) struct Listing<'a> {
    query: ListQuery<'a>,
    at: Revision,
    /// What stood at `at` where something was written later; nothing where there was no object.
    undone: BTreeMap<ObjectName, Option<Arc<Object>>>,
    /// The events up to here are in `undone`.
    seen: Revision,
    cursor: Option<ObjectName>,
    objects: Vec<Arc<Object>>,
}

impl<'a> Listing<'a> {
    pub(super) fn start(query: ListQuery<'a>, state: &State) -> Result<Self, StoreError> {
        let query = ListQuery { limit: query.limit.max(1), ..query };
        let at = query.at.unwrap_or(state.newest);
        state.check_reachable(at)?;
        let (undone, objects, cursor) = (BTreeMap::new(), Vec::new(), query.after.cloned());
        Ok(Self { query, at, undone, seen: at, cursor, objects })
    }

    /// Goes on, and says whether the page is complete.
    pub(super) fn step(&mut self, state: &State) -> Result<bool, StoreError> {
        if self.seen < state.newest {
            self.undo_newer(state)?;
            if self.seen < state.newest {
                return Ok(false);
            }
        }
        let none = Objects::default();
        let objects = state.resources.get(self.query.resource).unwrap_or(&none);
        Ok(self.read(objects))
    }

    pub(super) fn into_page(mut self) -> Page {
        let more = self.objects.len() > self.query.limit;
        self.objects.truncate(self.query.limit);
        Page { objects: self.objects, revision: self.at, more }
    }

    /// Notes what the oldest unseen events replaced; of one object the first replaced version
    /// counts.
    fn undo_newer(&mut self, state: &State) -> Result<(), StoreError> {
        let oldest = state.ring.oldest();
        if self.seen < oldest {
            return Err(StoreError::Expired { asked: self.at, oldest });
        }
        let events = state.ring.after(Some(self.query.resource), self.seen, STEP_ENTRIES);
        self.seen = match events.last() {
            Some(last) if events.len() == STEP_ENTRIES => last.revision,
            _ => state.newest,
        };
        for event in events {
            let name = &event.object.key.name;
            if self.is_asked_for(name) && !self.undone.contains_key(name) {
                self.undone.insert(name.clone(), event.before.clone());
            }
        }
        Ok(())
    }

    fn is_asked_for(&self, name: &ObjectName) -> bool {
        self.is_in_namespace(name) && self.cursor.as_ref().is_none_or(|cursor| name > cursor)
    }

    /// Reads the next entries, and says whether the page is complete.
    fn read(&mut self, objects: &Objects) -> bool {
        let room = self.query.limit.saturating_add(1).saturating_sub(self.objects.len()).max(1);
        let wanted = STEP_ENTRIES.min(room);
        let from = self.bound();
        let current: Vec<_> = objects
            .by_name
            .range((from.clone(), Bound::Unbounded))
            .take_while(|(name, _)| self.is_in_namespace(name))
            .take(wanted)
            .collect();
        let last = current.last().map(|(name, _)| (*name).clone());
        let last = last.filter(|_| current.len() == wanted);
        self.merge(from, last.clone().map_or(Bound::Unbounded, Bound::Included), current);
        let read_all = last.is_none();
        self.cursor = last.or(self.cursor.take());
        read_all || self.objects.len() > self.query.limit
    }

    /// Takes the current entries of a range, with what has to be undone among them.
    fn merge(
        &mut self,
        from: Bound<ObjectName>,
        to: Bound<ObjectName>,
        current: Vec<(&ObjectName, &Arc<Object>)>,
    ) {
        let mut current = current.into_iter().peekable();
        for (name, before) in self.undone.range((from, to)) {
            while let Some((_, object)) = current.next_if(|(other, _)| *other < name) {
                self.objects.push(Arc::clone(object));
            }
            current.next_if(|(other, _)| *other == name);
            self.objects.extend(before.clone());
        }
        self.objects.extend(current.map(|(_, object)| Arc::clone(object)));
    }

    fn is_in_namespace(&self, name: &ObjectName) -> bool {
        self.query.namespace.is_none_or(|namespace| *name.namespace == *namespace)
    }

    /// Where to go on: after the cursor, and not before the namespace.
    fn bound(&self) -> Bound<ObjectName> {
        let first = self.query.namespace.map(|namespace| ObjectName::new(namespace, ""));
        match (self.cursor.clone(), first) {
            (Some(cursor), Some(first)) if cursor < first => Bound::Included(first),
            (Some(cursor), _) => Bound::Excluded(cursor),
            (None, Some(first)) => Bound::Included(first),
            (None, None) => Bound::Unbounded,
        }
    }
}
