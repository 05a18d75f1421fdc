//! The one write path.

use std::sync::Arc;

use pintle_authz::{Ask, Asks, Granted, Subresource, Verb};
use pintle_model::{Change, Json, Object, ObjectKey, Put, Revision, Uid};
use pintle_rules::{
    Decision, Edit, Intent, Lane, Scaling, Situation, Stamp, UidForm, Verdict, decide,
};
use pintle_schema::Version;
use pintle_store::Committed;
use tokio::time::{Instant, timeout_at};

use crate::hook::ask_about_write;
use crate::lens::Lens;
use crate::{Engine, Refusal, Served};

/// One write to one object.
#[derive(Debug, Clone)]
pub struct Write {
    /// The kind, as it was served when the request came.
    pub served: Arc<Served>,
    /// The version of the kind that the request speaks.
    pub version: Arc<Version>,
    /// The object. In a create with a generated name, the name is empty.
    pub key: ObjectKey,
    /// What is wanted of it.
    pub intent: Intent,
    /// Go through everything, and write nothing.
    pub dry_run: bool,
}

impl Asks for Write {
    fn ask(&self) -> Ask {
        let subresource = match (self.intent.lane, &self.intent.edit) {
            (Lane::Status, _) => Some(Subresource::Status),
            (Lane::Main, Edit::Scale(_)) => Some(Subresource::Scale),
            (Lane::Main, Edit::Finalize(_)) => Some(Subresource::parse("finalize")),
            (Lane::Main, _) => None,
        };
        let verb = match &self.intent.edit {
            Edit::Create(_) => Verb::Create,
            Edit::Replace(_) | Edit::Finalize(_) | Edit::Emptied | Edit::Scale(Scaling::Put(_)) => {
                Verb::Update
            }
            Edit::Patch(..)
            | Edit::Condition(_)
            | Edit::MergeStatus(_)
            | Edit::ApplyConditions(_)
            | Edit::Scale(_) => Verb::Patch,
            // Whoever may remove all of them may remove each; whether they may, `Removal` asked.
            Edit::Delete(options) if options.collective => Verb::DeleteCollection,
            Edit::Delete(_) => Verb::Delete,
        };
        ask_for(verb, &self.key, subresource)
    }
}

/// The question to the rules about one object. A create names no object, and an object that *is* a
/// namespace is asked for in that namespace.
pub fn ask_for(verb: Verb, key: &ObjectKey, subresource: Option<Subresource>) -> Ask {
    let is_namespace = key.resource.as_str() == "namespaces";
    let name = Some(&key.name.name).filter(|name| verb != Verb::Create && !name.is_empty());
    let namespace = if is_namespace { name } else { Some(&key.name.namespace) };
    Ask {
        resource: key.resource.clone(),
        subresource,
        namespace: namespace.filter(|namespace| !namespace.is_empty()).cloned(),
        name: name.cloned(),
        verb,
    }
}

/// An accepted write.
#[derive(Debug, Clone)]
pub struct Written {
    /// The object after it; when it was removed, its last state.
    pub object: Arc<Object>,
    /// Whether anything was written (or would have been, in a dry run).
    pub changed: bool,
    /// Whether the object is gone.
    pub removed: bool,
    /// What the caller should be told.
    pub warnings: Vec<String>,
    /// How long the store took to make it durable; nothing when there was nothing to be made so.
    pub waited: Option<Wait>,
}

/// A time that was waited for the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// When it began.
    pub began: std::time::Instant,
    /// How long it was.
    pub took: std::time::Duration,
}

/// What one look at an object led to.
enum Step {
    Done(Written),
    /// A rival was first; this is the object now.
    Again(Option<Arc<Object>>),
}

/// The kind as it is when a write is decided: between the request and its turn it may have changed.
pub(crate) struct Place {
    served: Arc<Served>,
    version: Arc<Version>,
    lens: Lens,
}

impl Place {
    /// What came of a write, in the version of its request.
    pub(crate) fn shown(&self, mut written: Written) -> Written {
        written.object = self.lens.show_written(&written.object, &mut written.warnings);
        written
    }
}

/// So many generated names are tried before a create gives up; as upstream.
const GENERATED_NAMES_MAX: usize = 8;

impl Engine {
    /// Decides one write and makes it durable.
    ///
    /// A caller who named a version gets a conflict when it is not the current one. One who did not
    /// is tried again on what the rival wrote, in turn with the other writers of the object, until
    /// the deadline. A verdict that is not put to the test by a commit is confirmed by the store
    /// before it is given, because the copy it came from may be old. A commit that was begun is
    /// never taken for one that did not happen.
    pub async fn write(&self, granted: Granted<Write>) -> Result<Written, Refusal> {
        self.write_as_asked(granted, true).await
    }

    /// A write of the server itself, about which the program has no say.
    pub(crate) async fn write_unasked(&self, granted: Granted<Write>) -> Result<Written, Refusal> {
        self.write_as_asked(granted, false).await
    }

    async fn write_as_asked(
        &self,
        granted: Granted<Write>,
        asks_hook: bool,
    ) -> Result<Written, Refusal> {
        let write = granted.get();
        let deadline = Instant::now() + self.limits().write_deadline;
        let written = if write.key.name.name.is_empty() {
            // Nobody else writes an object that has no name yet.
            self.write_by(deadline, &granted, asks_hook).await?
        } else {
            let turn = timeout_at(deadline, self.turns().take(&write.key)).await;
            let _turn = turn.map_err(|_| Refusal::Contended)?;
            let room = timeout_at(deadline, self.take_room(write)).await;
            let _room = room.map_err(|_| Refusal::Contended)?;
            self.write_by(deadline, &granted, asks_hook).await?
        };
        self.settle(&written, deadline).await;
        Ok(written)
    }

    async fn write_by(
        &self,
        deadline: Instant,
        granted: &Granted<Write>,
        asks_hook: bool,
    ) -> Result<Written, Refusal> {
        let write = granted.get();
        let mut current = self.store().peek(&write.key);
        let mut confirmed = false;
        let mut names = if generates_name(write) { GENERATED_NAMES_MAX } else { 0 };
        loop {
            let opening = timeout_at(deadline, self.hold_open(write))
                .await
                .map_err(|_| Refusal::Contended)??;
            let place = self.place(write)?;
            let said =
                if asks_hook { self.ask_hook_about(granted, current.as_ref()) } else { Ok(()) };
            let decided = said.and_then(|()| self.decide(granted, &place, current.as_ref()));
            let decided = match decided {
                Ok(decision) if write.is_status_of_definition() => {
                    Box::pin(self.check_stored(write, current.as_deref(), decision)).await
                }
                decided => decided,
            };
            let commits = !write.dry_run
                && matches!(&decided, Ok(Decision { verdict: Verdict::Change(_), .. }));
            if !commits && !confirmed {
                let fresh = self.store().get(&write.key).await?;
                confirmed = true;
                if revision_of(fresh.as_ref()) != revision_of(current.as_ref()) {
                    current = fresh;
                    continue;
                }
            }
            let limited = opening.as_ref().is_some_and(|opening| opening.turn.is_some());
            let step = self.carry_out(deadline, write, current.as_ref(), decided?, limited).await?;
            let theirs = match step {
                Step::Done(written) => {
                    return Ok(place.shown(written));
                }
                Step::Again(theirs) => theirs,
            };
            // A generated name that somebody has is no rival: another suffix is tried.
            current = theirs.filter(|_| names <= 1);
            names = names.saturating_sub(1);
            confirmed = true;
            if Instant::now() >= deadline {
                return Err(Refusal::Contended);
            }
        }
    }

    pub(crate) fn place(&self, write: &Write) -> Result<Place, Refusal> {
        let catalog = self.catalog();
        let served = catalog.get(&write.key.resource);
        let version = served.and_then(|served| {
            let same = Arc::ptr_eq(served, &write.served);
            if same { Some(&write.version) } else { served.definition.version(&write.version.name) }
        });
        let (Some(served), Some(version)) = (served, version) else {
            return Err(Refusal::Rules(pintle_rules::Refusal::NotFound));
        };
        let lens = Lens::new(served, version);
        Ok(Place { served: Arc::clone(served), version: Arc::clone(version), lens })
    }

    pub(crate) fn ask_hook_about(
        &self,
        granted: &Granted<Write>,
        current: Option<&Arc<Object>>,
    ) -> Result<(), Refusal> {
        self.ask_hook(granted, |hook, user| {
            let seen = current.map(|object| self.shared().for_hook(object)).transpose()?;
            ask_about_write(hook, user, granted.get(), seen.as_deref())
        })
    }

    /// Decides a write on the object as it is stored, and says what is stored then.
    pub(crate) fn decide(
        &self,
        granted: &Granted<Write>,
        place: &Place,
        stored: Option<&Arc<Object>>,
    ) -> Result<Decision, Refusal> {
        let write = granted.get();
        let seen = stored.map(|object| place.lens.show_to(&write.intent, object)).transpose()?;
        let current = seen.as_ref();
        let stamp = self.stamp(&place.served, write);
        let situation = Situation {
            definition: &place.served.definition,
            version: &place.version,
            key: &write.key,
            current,
            stamp: &stamp,
        };
        let decision = decide(situation, &write.intent)?;
        self.check_gain(write, granted.user(), current, &decision)?;
        place.lens.to_store(decision, stored)
    }

    async fn carry_out(
        &self,
        deadline: Instant,
        write: &Write,
        current: Option<&Arc<Object>>,
        decision: Decision,
        limited: bool,
    ) -> Result<Step, Refusal> {
        let Decision { verdict, warnings, last } = decision;
        let mut change = match verdict {
            Verdict::Unchanged(object) => {
                let (changed, removed, waited) = (false, false, None);
                let written = Written { object, changed, removed, warnings, waited };
                return Ok(Step::Done(written));
            }
            Verdict::Change(change) => change,
        };
        let removed = matches!(change.put, Put::Delete);
        self.begin_usage(&mut change)?;
        self.check_size(current, &change)?;
        let usage = if limited { self.make_room(&change.key).await? } else { Vec::new() };
        let written = |object, waited| {
            Step::Done(Written { object, changed: true, removed, warnings, waited })
        };
        let last = last.map(|put| tried(current, &Change { put, ..change.clone() })).transpose()?;
        if write.dry_run {
            return match self.rival_of_dry_run(write, &change).await? {
                Some(theirs) => Ok(Step::Again(Some(theirs))),
                None => Ok(written(last.map_or_else(|| tried(current, &change), Ok)?, None)),
            };
        }
        let changes = std::iter::once(change).chain(usage).collect();
        let (committed, waited) = self.make_durable(deadline, changes).await?;
        match committed {
            Committed::At(objects) => {
                let object = objects.into_iter().next();
                object
                    .map(|object| shown_last(last, object))
                    .map(|object| written(object, Some(waited)))
                    .ok_or_else(|| Refusal::Internal("a commit of one gave none back".into()))
            }
            Committed::Lost { index: 0, theirs } => Ok(Step::Again(theirs)),
            // Somebody wrote a quota, and may have changed what it limits.
            Committed::Lost { .. } => Ok(Step::Again(current.cloned())),
        }
    }

    /// The one place where changes become durable.
    pub(crate) async fn make_durable(
        &self,
        deadline: Instant,
        changes: Vec<Change>,
    ) -> Result<(Committed, Wait), Refusal> {
        let began = std::time::Instant::now();
        let committed = timeout_at(deadline, self.store().commit(changes)).await;
        let committed = committed.map_err(|_| {
            Refusal::OutcomeUnknown("the store did not answer before the deadline".into())
        })?;
        let waited = Wait { began, took: began.elapsed() };
        self.measures().committed(waited.took, &committed);
        Ok((committed?, waited))
    }

    /// Who has the name that a create found out by itself: without a commit nobody else would say.
    async fn rival_of_dry_run(
        &self,
        write: &Write,
        change: &Change,
    ) -> Result<Option<Arc<Object>>, Refusal> {
        if change.key == write.key {
            return Ok(None);
        }
        Ok(self.store().get(&change.key).await?)
    }

    /// Refuses what makes an object too large. One that is so already, because more was allowed
    /// when it was made, may still shrink, or go.
    pub(crate) fn check_size(
        &self,
        current: Option<&Arc<Object>>,
        change: &Change,
    ) -> Result<(), Refusal> {
        let stored = current.map_or((0, 0), |current| {
            (current.body.len(), current.status.as_ref().map_or(0, Json::len))
        });
        let length = |status: &Option<Json>| status.as_ref().map_or(0, Json::len);
        let bytes = match &change.put {
            Put::Create { body, status, .. } => body.len() + length(status),
            Put::Main { body, status, .. } => {
                body.as_ref().map_or(stored.0, Json::len)
                    + status.as_ref().map_or(stored.1, |put| length(&put.status))
            }
            Put::Status(put) => stored.0 + length(&put.status),
            Put::Delete => 0,
        };
        let bytes_max = self.limits().object_bytes_max;
        let grows = bytes > stored.0 + stored.1;
        if grows && bytes > bytes_max {
            Err(Refusal::TooLarge { bytes, bytes_max })
        } else {
            Ok(())
        }
    }

    fn stamp(&self, served: &Served, write: &Write) -> Stamp {
        let creating = matches!(write.intent.edit, Edit::Create(_));
        let (uid, name_suffix) = if creating {
            (self.new_uid(served, write.intent.conduct.uids), suffix(self.entropy().bits()))
        } else {
            (Uid::from(""), String::new())
        };
        Stamp { now: self.clock().now(), uid, name_suffix, newest: self.newest() }
    }

    fn new_uid(&self, served: &Served, form: UidForm) -> Uid {
        let text = match form {
            UidForm::Kind => {
                let kind = served.definition.kind.kind.to_lowercase();
                format!("{kind}-{:016x}", self.entropy().bits())
            }
            UidForm::Uuid => uuid(self.entropy().bits(), self.entropy().bits()),
        };
        Uid::from(text.as_str())
    }
}

/// Whether the name of a new object is made up here.
fn generates_name(write: &Write) -> bool {
    let Edit::Create(document) = &write.intent.edit else { return false };
    let given = document.metadata.as_ref().and_then(|given| given.get("name"));
    let named = given.and_then(serde_json::Value::as_str).is_some_and(|name| !name.is_empty());
    write.key.name.name.is_empty() && !named
}

pub(crate) fn revision_of(object: Option<&Arc<Object>>) -> Option<Revision> {
    object.map(|object| object.revision)
}

/// An object that went with a write: as its writer left it, at the revision of its removal.
pub(crate) fn shown_last(last: Option<Arc<Object>>, removed: Arc<Object>) -> Arc<Object> {
    match last {
        Some(last) => Arc::new(Object { revision: removed.revision, ..Arc::unwrap_or_clone(last) }),
        None => removed,
    }
}

/// What a dry run would have made. It keeps the revision of what exists.
pub(crate) fn tried(
    current: Option<&Arc<Object>>,
    change: &Change,
) -> Result<Arc<Object>, Refusal> {
    let revision = revision_of(current).unwrap_or(Revision::ZERO);
    if let (Put::Delete, Some(current)) = (&change.put, current) {
        return Ok(Arc::clone(current));
    }
    let after = Object::after(current.map(|current| &**current), change, revision);
    after.map(Arc::new).ok_or_else(|| Refusal::Internal("a dry run of a change of nothing".into()))
}

/// A random UUID (RFC 9562, section 5.4).
fn uuid(high: u64, low: u64) -> String {
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// Five letters without vowels, so that no generated name is a word.
fn suffix(mut bits: u64) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..5)
        .map(|_| {
            let letter = LETTERS.get(usize::try_from(bits % 27).unwrap_or(0)).copied();
            bits /= 27;
            char::from(letter.unwrap_or(b'x'))
        })
        .collect()
}
