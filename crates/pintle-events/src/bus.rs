//! The bus: subscriptions to events, each with a cursor of its own.
//!
//! Nothing is published to anybody. A subscription reads the journal at its own pace, so nothing is
//! dropped, nothing is queued, and a slow subscriber holds nobody up. What events say is put into
//! words once for all subscribers.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use futures_util::Stream;
use pintle_engine::{Engine, Entry, Journal, Reader, Reading, Refusal, Served};
use pintle_model::{LabelSelector, Revision};

use crate::event::{CloudEvent, events_of};
use crate::{Cursor, Names, Patterns};

/// Where events are read from.
#[derive(Debug)]
pub struct Bus {
    engine: Arc<Engine>,
    names: Names,
    recent: Recent,
}

/// Which events somebody wants.
#[derive(Debug, Clone)]
pub struct Interest {
    /// Who reads: callers are shown what they may watch.
    pub reader: Reader,
    /// Of which types.
    pub types: Patterns,
    /// About objects in one namespace; nothing for all objects.
    pub namespace: Option<Arc<str>>,
    /// About objects with these labels, as they were after the write.
    pub labels: LabelSelector,
    /// From there; nothing for now.
    pub from: Option<Cursor>,
}

impl Interest {
    /// The server's own interest in all events of some types, from now on.
    pub fn of(types: impl Into<Patterns>) -> Self {
        Self {
            reader: Reader::Server,
            types: types.into(),
            namespace: None,
            labels: LabelSelector::default(),
            from: None,
        }
    }

    /// The same, from another place.
    #[must_use]
    pub fn from(self, cursor: Cursor) -> Self {
        Self { from: Some(cursor), ..self }
    }
}

/// One subscription. It holds a cursor, and the events of the last look at the journal that are
/// still to be told.
#[derive(Debug)]
pub struct Subscription {
    bus: Arc<Bus>,
    interest: Interest,
    journal: Journal,
    /// So many events of the first revision were told before.
    skip: Option<(Revision, u32)>,
    pending: VecDeque<Arc<CloudEvent>>,
    cursor: Cursor,
    acked: Cursor,
}

impl Bus {
    /// The bus of an engine.
    pub fn new(engine: Arc<Engine>, names: Names) -> Arc<Self> {
        Arc::new(Self { engine, names, recent: Recent::default() })
    }

    /// Subscribes as the server itself: to events of some types, from a place or from now.
    pub async fn subscribe(
        self: &Arc<Self>,
        types: impl Into<Patterns>,
        from: Option<Cursor>,
    ) -> Result<Subscription, Refusal> {
        self.open(Interest { from, ..Interest::of(types) }).await
    }

    /// Subscribes as whoever the interest names. Refused is a caller who may watch nothing, a place
    /// whose history is gone, and one that there has not been yet.
    pub async fn open(self: &Arc<Self>, interest: Interest) -> Result<Subscription, Refusal> {
        let (after, skip) = match interest.from.map(Cursor::resumes) {
            None => (None, None),
            Some((after, 0)) => (Some(after), None),
            Some((after, old)) => (Some(after), Some((after.next(), old))),
        };
        let (reader, namespace) = (interest.reader.clone(), interest.namespace.clone());
        let journal = self.engine.journal(Reading { reader, namespace, after }).await;
        let asked = interest.from.map(Cursor::revision).unwrap_or_default();
        let journal = journal.map_err(|refusal| match refusal {
            Refusal::FromTheFuture { newest, .. } => Refusal::FromTheFuture { asked, newest },
            other => other,
        })?;
        let newest = self.engine.newest();
        if asked > newest {
            return Err(Refusal::FromTheFuture { asked, newest });
        }
        let cursor = interest.from.unwrap_or_else(|| Cursor::after(journal.cursor()));
        Ok(Subscription {
            bus: Arc::clone(self),
            interest,
            journal,
            skip,
            pending: VecDeque::new(),
            cursor,
            acked: cursor,
        })
    }

    fn events_of(&self, entry: &Entry) -> Arc<[Arc<CloudEvent>]> {
        self.recent.get(entry, || events_of(entry, &self.names).into())
    }
}

impl Subscription {
    /// The next event, in order; waits until there is one. An error ends the subscription.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Arc<CloudEvent>, Refusal> {
        loop {
            if let Some(event) = self.next_now() {
                return Ok(event);
            }
            self.look().await?;
        }
    }

    /// The next event if the journal need not be looked at for it.
    pub fn next_now(&mut self) -> Option<Arc<CloudEvent>> {
        let event = self.pending.pop_front()?;
        self.cursor = event.cursor();
        if self.pending.is_empty() {
            self.cursor = Cursor::after(self.journal.cursor());
        }
        Some(event)
    }

    /// Waits for the journal to go on. There may be nothing in it for this subscription: then the
    /// cursor has moved, and nothing else.
    pub async fn look(&mut self) -> Result<(), Refusal> {
        let found = self.journal.next().await?;
        for entry in &found.entries {
            if !self.interest.labels.matches(&entry.stored().metadata.labels) {
                continue;
            }
            let events = self.bus.events_of(entry);
            let old = self.skip.filter(|(revision, _)| *revision == entry.revision());
            let told = old.map_or(0, |(_, count)| usize::try_from(count).unwrap_or(usize::MAX));
            let wanted = |event: &&Arc<CloudEvent>| self.interest.types.matches(event.event_type());
            self.pending.extend(events.iter().skip(told).filter(wanted).map(Arc::clone));
        }
        self.skip = None;
        if self.pending.is_empty() {
            self.cursor = Cursor::after(found.up_to);
        }
        Ok(())
    }

    /// The events as a stream, up to the error that ends it.
    pub fn into_stream(self) -> impl Stream<Item = Result<Arc<CloudEvent>, Refusal>> {
        futures_util::stream::unfold(Some(self), |subscription| async move {
            let mut subscription = subscription?;
            let next = subscription.next().await;
            let goes_on = next.is_ok();
            Some((next, Some(subscription).filter(|_| goes_on)))
        })
    }

    /// Where to go on after all that was told. It moves past events that nobody asked for as well.
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Says that everything that was told so far has been dealt with.
    pub const fn ack(&mut self) {
        self.acked = self.cursor;
    }

    /// Where to go on after all that has been dealt with: what to keep for the next start.
    pub const fn acked(&self) -> Cursor {
        self.acked
    }

    /// Goes back: what was told and not dealt with is told again.
    pub async fn rewind(&mut self) -> Result<(), Refusal> {
        let interest = Interest { from: Some(self.acked), ..self.interest.clone() };
        *self = self.bus.open(interest).await?;
        Ok(())
    }
}

/// So many of the newest revisions have their events kept.
const RECENT_MAX: usize = 512;
/// The events of larger objects are kept only for as long as some subscriber is being told them, so
/// that all of this takes at most about four times so much times [`RECENT_MAX`].
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// The events of the newest revisions, shared by all subscribers.
#[derive(Debug)]
struct Recent {
    slots: Vec<ArcSwapOption<Made>>,
}

#[derive(Debug)]
struct Made {
    revision: Revision,
    /// Compared by address: what a kind looks like may change.
    served: Arc<Served>,
    events: Kept,
}

#[derive(Debug)]
enum Kept {
    Small(Arc<[Arc<CloudEvent>]>),
    Large(Vec<Weak<CloudEvent>>),
}

impl Default for Recent {
    fn default() -> Self {
        let slots = std::iter::repeat_with(ArcSwapOption::empty).take(RECENT_MAX).collect();
        Self { slots }
    }
}

impl Recent {
    fn get(
        &self,
        entry: &Entry,
        make: impl FnOnce() -> Arc<[Arc<CloudEvent>]>,
    ) -> Arc<[Arc<CloudEvent>]> {
        let (revision, served) = (entry.revision(), entry.served());
        let index = usize::try_from(revision.0 % RECENT_MAX as u64).unwrap_or(0);
        let Some(slot) = self.slots.get(index) else { return make() };
        let known = slot.load();
        let known = known
            .as_deref()
            .filter(|known| known.revision == revision && Arc::ptr_eq(&known.served, served));
        let events = match known.map(|known| &known.events) {
            Some(Kept::Small(events)) => return Arc::clone(events),
            Some(Kept::Large(kept)) => alive(kept, &make()),
            None => make(),
        };
        let kept = Kept::of(&events, entry.stored().size());
        slot.store(Some(Arc::new(Made { revision, served: Arc::clone(served), events: kept })));
        events
    }
}

impl Kept {
    fn of(events: &Arc<[Arc<CloudEvent>]>, bytes: usize) -> Self {
        if bytes <= KEPT_BYTES_MAX {
            Self::Small(Arc::clone(events))
        } else {
            Self::Large(events.iter().map(Arc::downgrade).collect())
        }
    }
}

/// The events that were made just now; those that somebody is being told are the same for
/// everybody.
fn alive(kept: &[Weak<CloudEvent>], made: &[Arc<CloudEvent>]) -> Arc<[Arc<CloudEvent>]> {
    let both = kept.iter().zip(made);
    both.map(|(kept, made)| kept.upgrade().unwrap_or_else(|| Arc::clone(made))).collect()
}
