//! Subscriptions: watches of the engine, projected event by event.
//!
//! A subscription holds a cursor and at most one batch of events, however slow its reader is. It
//! keeps the schema that it was planned against, so a new schema does not disturb it. It ends with
//! an error that says how to go on: from which version, or with the state again.

mod encodings;
mod start;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::StatusCode;
use pintle_authz::{Granted, Verb};
use pintle_engine::{Catalog, Refusal, Watch, WatchEvent, Watcher};
use pintle_http::{Lapse, Lapsed};
use pintle_model::{GroupResource, Object, Revision};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::executor::input::Input;
use crate::executor::{Call, reads};
use crate::fault::Fault;
use crate::limits::LimitExceeded;
use crate::numbers::Open;
use crate::prepare::Prepared;
use crate::schema::{KindTypes, Root};

pub(crate) use encodings::Encodings;
use encodings::{Audience, EventKind};

/// So many kinds one subscription can be about.
const KINDS_MAX: u64 = 100;

/// When a kind is gone, so long is left to tell of the last of its objects.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// An open subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    call: Call,
    encodings: Arc<Encodings>,
    audience: Arc<Audience>,
    kinds: Vec<Arc<KindTypes>>,
    /// Nothing once it has ended.
    watcher: Option<Watcher>,
    /// What the watcher has told and is still to be sent.
    pending: VecDeque<WatchEvent>,
    wants_bookmarks: bool,
    /// Where a client goes on that was told everything so far; nothing while it is told the state.
    told: Option<Revision>,
    /// The end of what the caller showed, which is the end of the subscription.
    lapse: Lapse,
    interval: Duration,
    /// When a bookmark is due.
    speaks_at: Instant,
    /// Tells when other kinds are served.
    changes: watch::Receiver<u64>,
    /// The kinds that were served when it was last made sure that those of this subscription are.
    catalog: Arc<Catalog>,
    _counted: Open,
}

/// What a subscription tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// A result, as JSON text.
    Result(Bytes),
    /// Why it ends.
    Failed(Fault),
}

impl Subscription {
    /// Opens the one root field of a subscription.
    pub(crate) async fn open(
        call: Call,
        prepared: Prepared,
        encodings: &Arc<Encodings>,
        interval: Duration,
    ) -> Result<Self, Fault> {
        let ([field], [arguments]) = (&prepared.plan.root.fields[..], &prepared.arguments[..])
        else {
            return Err(Fault::bad_input("a subscription asks for one field").of_document());
        };
        let placed = |fault: Fault| Fault {
            locations: prepared.location(0),
            path: [(*field.key).into()].into(),
            ..fault
        };
        let input = Input::of(arguments);
        let opened = async {
            let kinds = kinds(&call, &field.name, input)?;
            let watcher = watch(&call, &kinds, input).await?;
            Ok((kinds, watcher))
        };
        let (kinds, watcher) = opened.await.map_err(placed)?;
        let (wants_bookmarks, only_when_changed) =
            (input.is("allowBookmarks"), input.is("onlyWhenChanged"));
        let lapse = call.caller.lapse();
        let (changes, catalog) = (call.engine.catalog_changes(), call.engine.catalog());
        let audience = encodings.audience(&call.published, prepared, only_when_changed);
        Ok(Self {
            told: watcher.cursor(),
            encodings: Arc::clone(encodings),
            audience,
            kinds,
            watcher: Some(watcher),
            pending: VecDeque::new(),
            wants_bookmarks,
            lapse,
            interval,
            speaks_at: Instant::now() + interval,
            changes,
            catalog,
            call,
            _counted: encodings.numbers().subscription(),
        })
    }

    /// What comes next; nothing after the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            let watcher = self.watcher.as_mut()?;
            // What is still to be sent is not for somebody who is nobody any more.
            if let Some(lapsed) = (&mut self.lapse).now_or_never() {
                return Some(self.lapsed(lapsed));
            }
            if let Some(event) = self.pending.pop_front() {
                match self.result(&event) {
                    Some(result) => return Some(self.say(result)),
                    None => continue,
                }
            }
            tokio::select! {
                biased;
                lapsed = &mut self.lapse => return Some(self.lapsed(lapsed)),
                events = watcher.next() => match events {
                    Ok(events) => self.pending = events.into(),
                    // Clients resume elsewhere, or here later.
                    Err(Refusal::ShuttingDown) => {
                        self.watcher = None;
                        return None;
                    }
                    Err(refusal) => return Some(self.refused(&refusal)),
                },
                Ok(()) = self.changes.changed() => {
                    if self.missing_kind().is_some() {
                        self.speaks_at = self.speaks_at.min(Instant::now() + LAST_WORDS);
                    }
                }
                () = tokio::time::sleep_until(self.speaks_at) => {
                    self.speaks_at = Instant::now() + self.interval;
                    if let Some(fault) = self.missing_kind() {
                        return Some(self.fail(fault));
                    }
                    let revision = self.watcher.as_ref().and_then(Watcher::cursor);
                    if let Some(revision) = revision {
                        self.pending.push_back(WatchEvent::Bookmark { revision, ends_state: false });
                    }
                }
            }
            // A long history of which nothing is to be told lets others work.
            tokio::task::yield_now().await;
        }
    }

    /// The reader takes nothing: ends the subscription, and says where to go on.
    pub(crate) fn too_slow(&mut self) -> Fault {
        let message = "what was sent was not read for too long; go on from lastResourceVersion";
        let fault = Fault::new("SLOW_CONSUMER", StatusCode::TOO_MANY_REQUESTS, message)
            .with("lastResourceVersion", self.told.map(|told| told.to_string()));
        self.encodings.numbers().one_too_slow();
        self.end();
        self.placed(Fault { retryable: true, ..fault })
    }

    fn say(&mut self, result: Bytes) -> Told {
        self.call.recording.events(1);
        self.speaks_at = Instant::now() + self.interval;
        Told::Result(result)
    }

    /// An event as a result; nothing for one that is not asked for.
    fn result(&mut self, event: &WatchEvent) -> Option<Bytes> {
        match event {
            // These come in key order, so none of them is a place to go on from.
            WatchEvent::Existing(object) => self.object(EventKind::Existing, object, None),
            WatchEvent::Added(object) => {
                self.told = Some(object.revision);
                self.object(EventKind::Added, object, None)
            }
            WatchEvent::Modified { object, before } => {
                self.told = Some(object.revision);
                self.object(EventKind::Modified, object, before.as_ref())
            }
            WatchEvent::Deleted(object) => {
                self.told = Some(object.revision);
                self.object(EventKind::Deleted, object, None)
            }
            WatchEvent::Bookmark { revision, ends_state } => {
                self.told = Some(*revision);
                self.wants_bookmarks.then(|| self.audience.bookmark(*revision, *ends_state))
            }
        }
    }

    fn object(
        &self,
        event: EventKind,
        object: &Arc<Object>,
        before: Option<&Arc<Object>>,
    ) -> Option<Bytes> {
        let of = |kind: &&Arc<KindTypes>| kind.definition.kind.resource() == object.key.resource;
        let kind = match &self.kinds[..] {
            [only] => only,
            several => several.iter().find(of)?,
        };
        self.encodings.event(&self.audience, kind, event, object, before)
    }

    /// A kind that is not served any more has no events any more.
    fn missing_kind(&mut self) -> Option<Fault> {
        let catalog = self.call.engine.catalog();
        if Arc::ptr_eq(&catalog, &self.catalog) {
            return None;
        }
        let mut resources = self.kinds.iter().map(|kind| kind.definition.kind.resource());
        let Some(missing) = resources.find(|resource| catalog.get(resource).is_none()) else {
            self.catalog = catalog;
            return None;
        };
        Some(Fault::kind_not_served(format!("{missing} is not served any more")))
    }

    fn lapsed(&mut self, lapsed: Lapsed) -> Told {
        self.fail(Fault::unauthenticated(lapsed.to_string()))
    }

    fn refused(&mut self, refusal: &Refusal) -> Told {
        let resource = match refusal {
            Refusal::Forbidden(forbidden) => Some(forbidden.ask.resource.clone()),
            _ => self.kinds.first().map(|kind| kind.definition.kind.resource()),
        };
        let resource = resource.unwrap_or_else(|| GroupResource::from_text(""));
        let fault = expired(self.call.refused(refusal, &resource, ""), refusal);
        self.fail(fault)
    }

    fn fail(&mut self, fault: Fault) -> Told {
        self.end();
        Told::Failed(self.placed(fault))
    }

    fn end(&mut self) {
        self.watcher = None;
        self.pending.clear();
    }

    fn placed(&self, fault: Fault) -> Fault {
        Fault { path: [self.audience.key().into()].into(), ..fault }
    }
}

/// A watch from a version that is forgotten has a code of its own, because there is but one way to
/// go on.
fn expired(fault: Fault, refusal: &Refusal) -> Fault {
    match refusal {
        Refusal::Expired { .. } => Fault { code: "WATCH_EXPIRED", ..fault },
        _ => fault,
    }
}

/// The kinds that are watched, each once.
fn kinds(call: &Call, field: &str, input: Input<'_>) -> Result<Vec<Arc<KindTypes>>, Fault> {
    match call.published.roots.get(field) {
        Some(Root::Watch(kind)) => return Ok(vec![Arc::clone(kind)]),
        Some(Root::WatchResources) => {}
        _ => return Err(Fault::kind_not_served("nothing answers this field")),
    }
    let named = input.items("kinds");
    let (limit, actual) = (KINDS_MAX, u64::try_from(named.len()).unwrap_or(u64::MAX));
    if actual > limit {
        return Err(LimitExceeded { name: "kinds", limit, actual }.into());
    }
    let mut kinds: Vec<Arc<KindTypes>> = Vec::with_capacity(named.len());
    for names in named {
        let kind = call.kind_named(Input::of_value(names))?;
        if kinds.iter().all(|known| !Arc::ptr_eq(known, &kind)) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        return Err(Fault::bad_input("`kinds` names at least one kind"));
    }
    Ok(kinds)
}

/// Asks the rules about every kind, and opens one watch of all of them.
async fn watch(call: &Call, kinds: &[Arc<KindTypes>], input: Input<'_>) -> Result<Watcher, Fault> {
    let start = start::start(input, call.engine.newest())?;
    let mut grants: Vec<Granted<Watch>> = Vec::new();
    for kind in kinds {
        let resource = kind.definition.kind.resource();
        let refused = |refusal: &Refusal| call.refused(refusal, &resource, "");
        for mut selection in reads::selections(call, kind, input, &Verb::Watch)? {
            start::select_name(&mut selection, input.text("name"));
            let granted = call.engine.rules().grant(&call.caller.user, Watch { selection, start });
            let granted = granted.map_err(|forbidden| refused(&forbidden.into()))?;
            call.recording.note(|exchange| exchange.allowed(&granted));
            grants.push(granted);
        }
    }
    let resource = kinds.first().map(|kind| kind.definition.kind.resource());
    let resource = resource.unwrap_or_else(|| GroupResource::from_text(""));
    let opened = call.engine.watch(grants).await;
    opened.map_err(|refusal| expired(call.refused(&refusal, &resource, ""), &refusal))
}
