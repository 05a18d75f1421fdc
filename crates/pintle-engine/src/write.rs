//! The one write path.

use std::sync::Arc;

use pintle_authz::{Ask, Asks, Granted, Subresource, Verb};
use pintle_model::{Change, Object, ObjectKey, Put, Revision, Uid};
use pintle_rules::{Decision, Edit, Intent, Lane, Situation, Stamp, Verdict, decide};
use pintle_store::Committed;

use crate::{Engine, Refusal, Served};

/// One write to one object.
#[derive(Debug, Clone)]
pub struct Write {
    /// The kind, as it was served when the request came.
    pub served: Arc<Served>,
    /// The version of the kind that the request speaks.
    pub version: Arc<pintle_schema::Version>,
    /// The object. In a create with a generated name, the name is empty.
    pub key: ObjectKey,
    /// What is wanted of it.
    pub intent: Intent,
    /// Go through everything, and write nothing.
    pub dry_run: bool,
}

impl Asks for Write {
    fn ask(&self) -> Ask {
        let subresource = (self.intent.lane == Lane::Status).then_some(Subresource::Status);
        let verb = match &self.intent.edit {
            Edit::Create(_) => Verb::Create,
            Edit::Replace(_) => Verb::Update,
            Edit::Patch(..) | Edit::Condition(_) => Verb::Patch,
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
}

/// What one look at an object led to.
enum Step {
    Done(Written),
    /// A rival was first; this is the object now.
    Again(Option<Arc<Object>>),
}

impl Engine {
    /// Decides one write and makes it durable.
    ///
    /// A caller who named a version gets a conflict when it is not the current one. One who did not
    /// is tried again on what the rival wrote, in turn with the other writers of the object, until
    /// the deadline. A verdict other than a change, when it came from a copy that may be old, is
    /// confirmed by the store before it is given.
    pub async fn write(&self, granted: Granted<Write>) -> Result<Written, Refusal> {
        let write = granted.into_inner();
        let deadline = self.limits().write_deadline;
        let written = tokio::time::timeout(deadline, self.write_in_turn(&write))
            .await
            .map_err(|_| Refusal::Contended)??;
        self.settle(&written).await;
        Ok(written)
    }

    async fn write_in_turn(&self, write: &Write) -> Result<Written, Refusal> {
        let _turn = self.turns().take(&write.key).await;
        let mut current = self.store().peek(&write.key);
        let mut confirmed = false;
        loop {
            let decided = self.decide(write, current.as_ref());
            let writes = matches!(&decided, Ok(Decision { verdict: Verdict::Change(_), .. }));
            if !writes && !confirmed {
                let fresh = self.store().get(&write.key).await?;
                confirmed = true;
                if revision_of(fresh.as_ref()) != revision_of(current.as_ref()) {
                    current = fresh;
                    continue;
                }
            }
            match self.carry_out(write, current.as_ref(), decided?).await? {
                Step::Done(written) => return Ok(written),
                Step::Again(theirs) => {
                    current = theirs;
                    confirmed = true;
                }
            }
        }
    }

    fn decide(&self, write: &Write, current: Option<&Arc<Object>>) -> Result<Decision, Refusal> {
        if matches!(write.intent.edit, Edit::Create(_)) {
            self.check_place(write)?;
        }
        let stamp = self.stamp(&write.served, write);
        let situation = Situation {
            definition: &write.served.definition,
            version: &write.version,
            key: &write.key,
            current,
            stamp: &stamp,
        };
        Ok(decide(situation, &write.intent)?)
    }

    async fn carry_out(
        &self,
        write: &Write,
        current: Option<&Arc<Object>>,
        decision: Decision,
    ) -> Result<Step, Refusal> {
        let Decision { verdict, warnings } = decision;
        let change = match verdict {
            Verdict::Unchanged(object) => {
                let written = Written { object, changed: false, removed: false, warnings };
                return Ok(Step::Done(written));
            }
            Verdict::Change(change) => change,
        };
        let removed = matches!(change.put, Put::Delete);
        self.check_size(current, &change)?;
        if write.dry_run {
            let object = tried(current, &change)?;
            return Ok(Step::Done(Written { object, changed: true, removed, warnings }));
        }
        match self.store().commit(vec![change]).await? {
            Committed::At(mut objects) => {
                let object = objects
                    .pop()
                    .ok_or_else(|| Refusal::Internal("a commit of one gave none back".into()))?;
                Ok(Step::Done(Written { object, changed: true, removed, warnings }))
            }
            // A generated name that somebody has is no rival: the next suffix is tried.
            Committed::Lost { .. } if write.key.name.name.is_empty() => Ok(Step::Again(None)),
            Committed::Lost { theirs, .. } => Ok(Step::Again(theirs)),
        }
    }

    /// Refuses a create where nothing new may be made.
    fn check_place(&self, write: &Write) -> Result<(), Refusal> {
        if write.served.terminating {
            return Err(Refusal::KindTerminating);
        }
        let Some(namespace) = write.key.namespace() else { return Ok(()) };
        let key = crate::lifecycle::namespace_key(namespace);
        match self.store().peek(&key) {
            None => Err(Refusal::NamespaceNotFound { namespace: namespace.to_owned() }),
            Some(found) if found.metadata.is_terminating() => {
                Err(Refusal::NamespaceTerminating { namespace: namespace.to_owned() })
            }
            Some(_) => Ok(()),
        }
    }

    fn check_size(&self, current: Option<&Arc<Object>>, change: &Change) -> Result<(), Refusal> {
        let stored = current.map_or((0, 0), |current| {
            (current.body.len(), current.status.as_ref().map_or(0, pintle_model::Json::len))
        });
        let length = |status: &Option<pintle_model::Json>| status.as_ref().map_or(0, |it| it.len());
        let bytes = match &change.put {
            Put::Create { body, status, .. } => body.len() + length(status),
            Put::Main { body, status, .. } => {
                body.as_ref().map_or(stored.0, pintle_model::Json::len)
                    + status.as_ref().map_or(stored.1, |put| length(&put.status))
            }
            Put::Status(put) => stored.0 + length(&put.status),
            Put::Delete => 0,
        };
        let bytes_max = self.limits().object_bytes_max;
        if bytes > bytes_max { Err(Refusal::TooLarge { bytes, bytes_max }) } else { Ok(()) }
    }

    fn stamp(&self, served: &Served, write: &Write) -> Stamp {
        let creating = matches!(write.intent.edit, Edit::Create(_));
        let (uid, name_suffix) = if creating {
            (self.new_uid(served), suffix(self.entropy().bits()))
        } else {
            (Uid::from(""), String::new())
        };
        Stamp { now: self.clock().now(), uid, name_suffix, newest: self.newest() }
    }

    /// `<lowercase kind>-<16 hex digits>`.
    fn new_uid(&self, served: &Served) -> Uid {
        let kind = served.definition.kind.kind.to_lowercase();
        Uid::from(format!("{kind}-{:016x}", self.entropy().bits()).as_str())
    }
}

fn revision_of(object: Option<&Arc<Object>>) -> Option<Revision> {
    object.map(|object| object.revision)
}

/// What a dry run would have made. It keeps the revision of what exists.
fn tried(current: Option<&Arc<Object>>, change: &Change) -> Result<Arc<Object>, Refusal> {
    let revision = revision_of(current).unwrap_or(Revision::ZERO);
    if let (Put::Delete, Some(current)) = (&change.put, current) {
        return Ok(Arc::clone(current));
    }
    let after = Object::after(current.map(|current| &**current), change, revision);
    after.map(Arc::new).ok_or_else(|| Refusal::Internal("a dry run of a change of nothing".into()))
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
