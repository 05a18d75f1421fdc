//! Watches: what exists, then each committed change, once and in order.

use std::collections::VecDeque;
use std::sync::Arc;

use pintle_authz::{Ask, Asks, Granted, User, Verb};
use pintle_model::{GroupResource, Object, ObjectName, Revision};
use pintle_store::{Event, ListQuery, TailQuery};
use tokio::sync::watch;

use crate::engine::Shared;
use crate::hub::Seat;
use crate::lens::Lens;
use crate::{Engine, Refusal, Selection};

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With everything that exists, as if it were just created.
    WithState,
    /// With the first change after this revision.
    After(Revision),
}

/// A watch.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Of which objects.
    pub selection: Selection,
    /// From where.
    pub start: Start,
}

impl Asks for Watch {
    fn ask(&self) -> Ask {
        self.selection.ask(Verb::Watch)
    }
}

/// One thing that a watcher is told.
#[derive(Debug, Clone)]
pub enum WatchEvent {
    /// The object was there when the watch began. These come in key order, so their revisions are
    /// no place to resume from.
    Existing(Arc<Object>),
    /// The object is new, or has become one of those that are watched.
    Added(Arc<Object>),
    /// The object changed.
    Modified {
        /// As it is.
        object: Arc<Object>,
        /// As it was; nothing where history no longer has that.
        before: Option<Arc<Object>>,
    },
    /// The object is gone, or is no longer one of those that are watched. It is shown in its last
    /// state that was, with the revision of the change that took it away.
    Deleted(Arc<Object>),
    /// Everything up to this revision has been told.
    Bookmark {
        /// That revision.
        revision: Revision,
        /// Whether this ends the state that the watch began with.
        ends_state: bool,
    },
}

impl WatchEvent {
    /// The revision of what it tells.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Existing(object)
            | Self::Added(object)
            | Self::Modified { object, .. }
            | Self::Deleted(object) => object.revision,
            Self::Bookmark { revision, .. } => *revision,
        }
    }
}

/// One open watch. It holds a cursor and nothing else, however slow its reader is.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    user: Arc<User>,
    /// One for each namespace that was granted, or one for all, of each resource; never empty.
    selections: Vec<Selection>,
    /// What the log is read for; nothing for all of it, where several resources are watched.
    resource: Option<GroupResource>,
    phase: Phase,
    woken: watch::Receiver<Revision>,
    access_changed: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
    seat: Seat,
}

#[derive(Debug)]
enum Phase {
    /// The state at one revision, a page at a time: of which selections it is still to be read, and
    /// where the last page ended.
    State { rest: VecDeque<usize>, after: Option<ObjectName>, at: Option<Revision> },
    /// The log after this revision.
    Log(Revision),
}

impl Engine {
    /// Opens a watch. Each grant adds one namespace (or all of them) of a resource; user and start
    /// are taken from the first. Changes of several resources are told in one order.
    ///
    /// That the history is gone, or the revision was never given out, is found out here when it can
    /// be; a history that ends later ends the watch.
    pub async fn watch(&self, grants: Vec<Granted<Watch>>) -> Result<Watcher, Refusal> {
        let first = grants.first().ok_or(Refusal::Internal("a watch of nothing".into()))?;
        let user = Arc::clone(first.user());
        let start = first.get().start;
        grants.iter().try_for_each(|grant| grant.get().selection.check())?;
        let (seat, mut woken) = self.hub().join()?;
        woken.mark_changed();
        let selections: Vec<_> =
            grants.into_iter().map(|grant| grant.into_inner().selection).collect();
        let phase = match start {
            Start::WithState => {
                Phase::State { rest: (0..selections.len()).collect(), after: None, at: None }
            }
            Start::After(revision) => {
                self.check_history(revision).await?;
                Phase::Log(revision)
            }
        };
        let mut access_changed = self.access().changed();
        // The rights may have gone since they were granted.
        access_changed.mark_changed();
        Ok(Watcher {
            shared: Arc::clone(self.shared()),
            user,
            resource: only_resource(&selections),
            selections,
            phase,
            woken,
            access_changed,
            closing: self.closing(),
            seat,
        })
    }

    /// Whether history after `revision` can be read.
    pub(crate) async fn check_history(&self, revision: Revision) -> Result<(), Refusal> {
        let newest = self.newest();
        if revision > newest {
            return Err(Refusal::FromTheFuture { asked: revision, newest });
        }
        self.store().tail(TailQuery { resource: None, after: revision, limit: 1 }).await?;
        Ok(())
    }
}

impl Watcher {
    /// What comes next, in order; waits until there is something. An error ends the watch.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Vec<WatchEvent>, Refusal> {
        loop {
            if *self.closing.borrow() {
                return Err(Refusal::ShuttingDown);
            }
            let ends = self.end_of_kinds().map(|_| *self.shared.store.head().borrow());
            let mut events = match self.phase {
                Phase::State { .. } => self.next_page().await?,
                Phase::Log(after) => self.next_changes(after).await?,
            };
            // After reading: what was written once the rights were gone is in what was read.
            self.check_rights()?;
            if let Some(end) = self.end_of_kinds() {
                events.retain(|event| event.revision() < end);
                // It has gone before what was newest then.
                if events.is_empty() && ends.is_some_and(|newest| self.has_read(newest)) {
                    return Err(Refusal::KindGone);
                }
                self.woken.mark_changed();
            }
            if !events.is_empty() {
                return Ok(events);
            }
            self.wait().await?;
        }
    }

    /// Everything up to here has been told; nothing while the first state is still being told.
    pub const fn cursor(&self) -> Option<Revision> {
        match self.phase {
            Phase::State { .. } => None,
            Phase::Log(after) => Some(after),
        }
    }

    /// Where what is watched ends, once a kind of it is gone: at the declaration of another one of
    /// its name, if there is one.
    fn end_of_kinds(&self) -> Option<Revision> {
        let catalog = self.shared.catalog();
        let end_of = |selection: &Selection| {
            let now = catalog.get(&selection.resource()).map(|served| served.declared);
            (now != Some(selection.served.declared)).then_some(now.unwrap_or(Revision(u64::MAX)))
        };
        self.selections.iter().filter_map(end_of).min()
    }

    /// Whether everything up to here was read. A state that is still being read is of kinds that
    /// were there, and is given up with them.
    const fn has_read(&self, revision: Revision) -> bool {
        match self.phase {
            Phase::State { .. } => true,
            Phase::Log(after) => after.0 >= revision.0,
        }
    }

    /// Whether the caller still may watch what it was granted.
    fn check_rights(&mut self) -> Result<(), Refusal> {
        if !self.access_changed.has_changed().unwrap_or(false) {
            return Ok(());
        }
        self.access_changed.borrow_and_update();
        let rules = self.shared.access.rules();
        for selection in &self.selections {
            rules.grant(&self.user, selection.ask(Verb::Watch))?;
        }
        Ok(())
    }

    /// Waits for a change of the log, of rights, or for the end.
    async fn wait(&mut self) -> Result<(), Refusal> {
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => Err(Refusal::ShuttingDown),
            changed = self.woken.changed() => changed.map_err(|_| Refusal::ShuttingDown),
            changed = self.access_changed.changed() => {
                // `check_rights` looks at what changed.
                self.access_changed.mark_changed();
                changed.map_err(|_| Refusal::ShuttingDown)
            }
        }
    }

    async fn next_page(&mut self) -> Result<Vec<WatchEvent>, Refusal> {
        // Whoever tells a long state takes turns with everybody else.
        tokio::task::yield_now().await;
        let Phase::State { rest, after, at } = &self.phase else { return Ok(Vec::new()) };
        let Some(selection) = rest.front().and_then(|index| self.selections.get(*index)) else {
            return Ok(Vec::new());
        };
        let resource = selection.resource();
        let query = ListQuery {
            resource: &resource,
            namespace: selection.namespace.as_deref(),
            after: after.as_ref(),
            limit: self.shared.limits.list_page,
            at: *at,
        };
        let page = self.shared.store.list(query).await?;
        let sight = self.sight(std::slice::from_ref(selection));
        let mut events = Vec::new();
        for object in &page.objects {
            let shown = sight.seen(object)?;
            events.extend(shown.map(WatchEvent::Existing));
        }
        let ended = page.objects.last().map(|object| object.key.name.clone());
        if self.page_done(page.more, ended, page.revision) {
            events.push(WatchEvent::Bookmark { revision: page.revision, ends_state: true });
        }
        // A page of which nothing matched is no reason to wait.
        self.woken.mark_changed();
        Ok(events)
    }

    /// Moves on to the next page, the next namespace, or the log. True when the state is told.
    fn page_done(&mut self, more: bool, ended: Option<ObjectName>, revision: Revision) -> bool {
        let Phase::State { rest, after, at } = &mut self.phase else { return false };
        *at = Some(revision);
        *after = ended.filter(|_| more);
        if !more {
            rest.pop_front();
        }
        let told = rest.is_empty();
        if told {
            self.phase = Phase::Log(revision);
        }
        told
    }

    fn sight<'a>(&'a self, selections: &'a [Selection]) -> Sight<'a> {
        let mut lenses: Vec<(GroupResource, Lens)> = Vec::new();
        for selection in selections {
            let resource = selection.resource();
            if lenses.iter().all(|(known, _)| *known != resource) {
                lenses.push((resource, self.shared.lens(selection)));
            }
        }
        Sight { lenses, selections, user: &self.user, shared: &self.shared }
    }

    async fn next_changes(&mut self, after: Revision) -> Result<Vec<WatchEvent>, Refusal> {
        // Seen before reading: what is committed meanwhile wakes us again.
        let published = *self.woken.borrow_and_update();
        let limit = self.shared.limits.watch_batch;
        let query = TailQuery { resource: self.resource.as_ref(), after, limit };
        let tail = self.shared.store.tail(query).await?;
        if tail.up_to < published {
            self.woken.mark_changed();
        }
        self.phase = Phase::Log(tail.up_to);
        self.seat.told(tail.up_to);
        let sight = self.sight(&self.selections);
        tail.events.iter().filter_map(|event| sight.of(event).transpose()).collect()
    }
}

/// The resource of all of these, if there is but one.
fn only_resource(selections: &[Selection]) -> Option<GroupResource> {
    let first = selections.first()?.resource();
    selections.iter().all(|selection| selection.resource() == first).then_some(first)
}

/// What somebody sees who sees only the selected objects.
struct Sight<'a> {
    /// One for each resource.
    lenses: Vec<(GroupResource, Lens)>,
    selections: &'a [Selection],
    user: &'a User,
    shared: &'a Shared,
}

impl Sight<'_> {
    fn of(&self, event: &Event) -> Result<Option<WatchEvent>, Refusal> {
        if !self.selections.iter().any(|selection| selection.reaches(&event.object)) {
            return Ok(None);
        }
        let is_seen = self.seen(&event.object)?;
        // Where history no longer has the version before, or that cannot be converted, it is taken
        // to be like the one after: then a change never looks like an arrival, and a leave is told
        // even to those who had not seen it.
        let before = event.before.as_ref().and_then(|before| self.seen(before).ok());
        let was_seen = before.as_ref().map_or(!event.is_creation(), Option::is_some);
        let before = before.flatten();
        Ok(match (was_seen, is_seen) {
            (false, None) => None,
            (_, Some(object)) if event.removed => was_seen.then_some(WatchEvent::Deleted(object)),
            (false, Some(object)) => Some(WatchEvent::Added(object)),
            (true, Some(object)) => Some(WatchEvent::Modified { object, before }),
            // What was removed unseen leaves nothing behind.
            (true, None) if event.removed => None,
            (true, None) => {
                let shown = match before {
                    Some(before) => before,
                    None => self.show(&event.object)?,
                };
                let last = Object { revision: event.revision, ..Object::clone(&shown) };
                Some(WatchEvent::Deleted(Arc::new(last)))
            }
        })
    }

    /// A stored object as it is shown, if it is one of those that are watched. Whether it may be
    /// seen is found out first: of others nothing is said, not even that they cannot be converted.
    fn seen(&self, stored: &Arc<Object>) -> Result<Option<Arc<Object>>, Refusal> {
        let may_match = self.selections.iter().any(|selection| selection.may_match(stored));
        let hook_lets =
            || self.shared.hook_lets(stored, |hook, seen| hook.can_watch(self.user, seen));
        if !may_match || !hook_lets() {
            return Ok(None);
        }
        let shown = self.show(stored)?;
        let matches = self.selections.iter().any(|selection| selection.matches(&shown));
        Ok(matches.then_some(shown))
    }

    fn show(&self, object: &Arc<Object>) -> Result<Arc<Object>, Refusal> {
        let mut lenses = self.lenses.iter();
        let lens = lenses.find(|(resource, _)| *resource == object.key.resource);
        lens.map_or_else(|| Ok(Arc::clone(object)), |(_, lens)| lens.show(object))
    }
}
