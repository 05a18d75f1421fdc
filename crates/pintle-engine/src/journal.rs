//! The journal: every committed write of every resource, for the server itself or for a caller.
//!
//! It is to the whole store what a [`crate::Watcher`] is to one resource, with two differences: it
//! tells changes only, never a state to begin with; and what a caller may not watch is passed over,
//! so that one journal serves callers of narrow rights. Like a watcher it is a cursor into the log,
//! and a slow reader costs nobody anything.

mod kinds;
mod rights;

use std::sync::Arc;

use pintle_authz::User;
use pintle_model::{Flips, Manner, Object, Revision, Timestamp};
use pintle_store::{Event, Tail, TailQuery};
use tokio::sync::watch;

use self::kinds::Kinds;
use self::rights::Rights;
use crate::engine::Shared;
use crate::hub::Seat;
use crate::lens::Lens;
use crate::{Engine, Refusal, Served};

/// Who reads a journal.
#[derive(Debug, Clone)]
pub enum Reader {
    /// The server itself, or the program that it is a part of: all is shown.
    Server,
    /// A caller: what they may watch is shown.
    Caller(Arc<User>),
}

/// Which part of the journal somebody reads.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Who reads.
    pub reader: Reader,
    /// Only what lives in this namespace; nothing for everything.
    pub namespace: Option<Arc<str>>,
    /// From after this revision; nothing for now.
    pub after: Option<Revision>,
}

/// One committed write, as journals tell it.
#[derive(Debug, Clone)]
pub struct Entry {
    event: Arc<Event>,
    served: Arc<Served>,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It made the object.
    Created,
    /// It replaced the object, or one lane of it.
    Updated,
    /// It changed a part of the object.
    Patched,
    /// It removed the object.
    Deleted,
}

/// The next part of a journal.
#[derive(Debug, Clone)]
pub struct Entries {
    /// In the order of their revisions; empty when there was nothing for this reader.
    pub entries: Vec<Entry>,
    /// Everything up to here has been looked at: where to go on.
    pub up_to: Revision,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    namespace: Option<Arc<str>>,
    /// Nothing for the server itself.
    rights: Option<Rights>,
    kinds: Kinds,
    cursor: Revision,
    woken: watch::Receiver<Revision>,
    followed: watch::Receiver<Revision>,
    closing: watch::Receiver<bool>,
    /// Nothing for the server itself, which is never turned away.
    _seat: Option<Seat>,
}

impl Engine {
    /// Opens the journal. A caller who may watch nothing at all is refused.
    ///
    /// That the history is gone, or the revision was never given out, is found out here when it can
    /// be; a history that ends later ends the journal.
    pub async fn journal(&self, reading: Reading) -> Result<Journal, Refusal> {
        let Reading { reader, namespace, after } = reading;
        let shared = Arc::clone(self.shared());
        let (rights, seat, mut woken) = match reader {
            Reader::Server => (None, None, self.hub().listen()),
            Reader::Caller(user) => {
                let rights = Rights::of(user, namespace.clone(), &shared)?;
                let (seat, woken) = self.hub().join()?;
                (Some(rights), Some(seat), woken)
            }
        };
        let cursor = match after {
            Some(revision) => {
                self.check_history(revision).await?;
                revision
            }
            None => self.newest(),
        };
        woken.mark_changed();
        Ok(Journal {
            followed: shared.follow(),
            closing: self.closing(),
            kinds: Kinds::default(),
            namespace,
            rights,
            cursor,
            woken,
            shared,
            _seat: seat,
        })
    }
}

impl Journal {
    /// What comes next, in order; waits until there is something to look at. It may turn out that
    /// none of it is for this reader: then the cursor has moved, and nothing else.
    ///
    /// An error ends the journal. Cancel-safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Entries, Refusal> {
        loop {
            if *self.closing.borrow() {
                return Err(Refusal::ShuttingDown);
            }
            let before = self.cursor;
            let entries = self.read().await?;
            if entries.up_to > before {
                return Ok(entries);
            }
            self.wait().await?;
        }
    }

    /// Everything up to here has been told.
    pub const fn cursor(&self) -> Revision {
        self.cursor
    }

    async fn read(&mut self) -> Result<Entries, Refusal> {
        // Seen before reading: what is committed meanwhile wakes us again.
        let published = *self.woken.borrow_and_update();
        let limit = self.shared.limits.watch_batch;
        let query = TailQuery { resource: None, after: self.cursor, limit };
        let Tail { events, up_to } = self.shared.store.tail(query).await?;
        if up_to < published {
            self.woken.mark_changed();
        }
        // A write that took rights away, or declared a kind, counts for whatever came after it.
        let followed = self.followed.wait_for(|seen| *seen >= up_to).await;
        followed.map_err(|_| Refusal::ShuttingDown)?;
        if let Some(rights) = &mut self.rights {
            rights.look(&self.shared)?;
        }
        let mut entries = Vec::new();
        for event in events {
            if self.shows(&event)
                && let Some(served) = self.kinds.of(&event, &self.shared).await?
            {
                let entry = Entry { event, served };
                entries.extend(Some(entry).filter(|entry| self.hook_lets(entry)));
            }
        }
        self.cursor = up_to;
        Ok(Entries { entries, up_to })
    }

    fn shows(&mut self, event: &Event) -> bool {
        let key = &event.object.key;
        let here = self.namespace.as_deref().is_none_or(|here| key.namespace() == Some(here));
        here && self.rights.as_mut().is_none_or(|rights| rights.allow(key))
    }

    /// Whether the program lets a caller see the object.
    fn hook_lets(&self, entry: &Entry) -> bool {
        let Some(rights) = &self.rights else { return true };
        self.shared.hook_lets(entry.stored(), |hook, seen| hook.can_watch(rights.user(), seen))
    }

    /// Waits for a change of the log, of rights, or for the end.
    async fn wait(&mut self) -> Result<(), Refusal> {
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => Err(Refusal::ShuttingDown),
            changed = self.woken.changed() => changed.map_err(|_| Refusal::ShuttingDown),
            changed = Rights::changed(self.rights.as_mut()) => changed,
        }
    }
}

impl Entry {
    /// Its revision.
    pub fn revision(&self) -> Revision {
        self.event.revision
    }

    /// When it was decided.
    pub fn at(&self) -> Timestamp {
        self.event.object.updated_at
    }

    /// The kind of the object.
    pub const fn served(&self) -> &Arc<Served> {
        &self.served
    }

    /// The object after it, as its kind is now; of one that was removed the last state, with the
    /// revision of the removal. A half that cannot be converted is left out: a journal leaves no
    /// write out.
    pub fn object(&self) -> Arc<Object> {
        let lens = Lens::new(&self.served, self.served.default_version());
        let mut warnings = Vec::new();
        let shown = lens.show_written(&self.event.object, &mut warnings);
        if !warnings.is_empty() {
            let key = &self.event.object.key;
            tracing::warn!(%key, revision = self.event.revision.0, ?warnings, "an event lacks a half");
        }
        shown
    }

    /// The object after it, as it was stored: for what is not a matter of its schema.
    pub fn stored(&self) -> &Arc<Object> {
        &self.event.object
    }

    /// What it did.
    pub fn action(&self) -> Action {
        match self.event.manner {
            _ if self.event.removed => Action::Deleted,
            _ if self.event.is_creation() => Action::Created,
            Manner::Replaced => Action::Updated,
            Manner::Patched => Action::Patched,
        }
    }

    /// Whether it was a write to the status lane.
    pub fn is_status(&self) -> bool {
        // Only of a status write can it be unknown what it replaced.
        self.event.is_status_only()
            || (self.event.before.is_none() && !self.event.removed && !self.event.is_creation())
    }

    /// Which conditions it turned over.
    pub fn flips(&self) -> &Flips {
        &self.event.flips
    }
}

impl Action {
    /// As events have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Patched => "patched",
            Self::Deleted => "deleted",
        }
    }
}
