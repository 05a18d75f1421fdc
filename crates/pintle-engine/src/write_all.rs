//! Several writes as one: all of them, or none.

use std::sync::Arc;

use pintle_authz::Granted;
use pintle_model::{Change, Object, Put};
use pintle_rules::{Decision, Edit, Verdict};
use pintle_store::Committed;
use tokio::time::{Instant, timeout_at};

use crate::write::{revision_of, shown_last, tried};
use crate::{Engine, Refusal, Write, Written};

/// Why none of several writes was made.
#[derive(Debug, Clone, PartialEq)]
pub struct NoneWritten {
    /// Which write was refused; nothing where it was none of them in particular.
    pub index: Option<usize>,
    /// Why.
    pub refusal: Refusal,
}

impl From<Refusal> for NoneWritten {
    fn from(refusal: Refusal) -> Self {
        Self { index: None, refusal }
    }
}

impl NoneWritten {
    const fn of(index: usize, refusal: Refusal) -> Self {
        Self { index: Some(index), refusal }
    }
}

/// What is known of one of the objects while all of them are decided.
struct Seen {
    current: Option<Arc<Object>>,
    /// Whether the store has said so, and not just the copy in memory.
    confirmed: bool,
}

/// One write, decided: what it comes to, and what there is to commit for it.
struct Decided {
    written: Written,
    change: Option<Change>,
}

impl Engine {
    /// Decides several writes and makes them durable in one commit, or none of them. They get
    /// consecutive revisions in their order, and each is an event of its own.
    ///
    /// Every object is written once, and none is created. Each write is decided as
    /// [`Engine::write`] would, in turn with the other writers of its object.
    pub async fn write_all(
        &self,
        granted: Vec<Granted<Write>>,
    ) -> Result<Vec<Written>, NoneWritten> {
        if let Some(index) = granted.iter().position(|it| !can_be_one_of_several(it.get())) {
            let why = "a creation among several writes at once";
            return Err(NoneWritten::of(index, Refusal::Internal(why.to_owned())));
        }
        let deadline = Instant::now() + self.limits().write_deadline;
        let keys = granted.iter().map(|it| &it.get().key);
        let turns = timeout_at(deadline, self.turns().take_all(keys)).await;
        let _turns = turns.map_err(|_| Refusal::Contended)?;
        let written = self.write_all_by(deadline, &granted).await?;
        for one in &written {
            self.settle(one, deadline).await;
        }
        Ok(written)
    }

    async fn write_all_by(
        &self,
        deadline: Instant,
        granted: &[Granted<Write>],
    ) -> Result<Vec<Written>, NoneWritten> {
        let peek = |it: &Granted<Write>| self.store().peek(&it.get().key);
        let mut seen: Vec<Seen> =
            granted.iter().map(|it| Seen { current: peek(it), confirmed: false }).collect();
        loop {
            let mut decided = Vec::with_capacity(granted.len());
            for (index, (it, seen)) in granted.iter().zip(&mut seen).enumerate() {
                let one = self.decide_confirmed(it, seen).await;
                decided.push(one.map_err(|refusal| NoneWritten::of(index, refusal))?);
            }
            match self.commit_all(deadline, decided).await? {
                Ok(written) => return Ok(self.all_shown(granted, written)),
                Err((index, theirs)) => {
                    if let Some(seen) = seen.get_mut(index) {
                        *seen = Seen { current: theirs, confirmed: true };
                    }
                }
            }
            if Instant::now() >= deadline {
                return Err(Refusal::Contended.into());
            }
        }
    }

    /// Decides one write. A verdict that no commit puts to the test is confirmed by the store.
    async fn decide_confirmed(
        &self,
        granted: &Granted<Write>,
        seen: &mut Seen,
    ) -> Result<Decided, Refusal> {
        let write = granted.get();
        loop {
            let decided = self.decide_one(granted, seen.current.as_ref());
            let decided = match decided {
                Ok(decided) if write.is_status_of_definition() => {
                    Box::pin(self.check_stored_of(write, seen.current.as_deref(), decided)).await
                }
                decided => decided,
            };
            let commits = !write.dry_run && matches!(&decided, Ok(Decided { change: Some(_), .. }));
            if commits || seen.confirmed {
                return decided;
            }
            let fresh = self.store().get(&write.key).await?;
            seen.confirmed = true;
            if revision_of(fresh.as_ref()) == revision_of(seen.current.as_ref()) {
                return decided;
            }
            seen.current = fresh;
        }
    }

    fn decide_one(
        &self,
        granted: &Granted<Write>,
        current: Option<&Arc<Object>>,
    ) -> Result<Decided, Refusal> {
        let write = granted.get();
        let place = self.place(write)?;
        self.ask_hook_about(granted, current)?;
        let Decision { verdict, warnings, last } = self.decide(granted, &place, current)?;
        match verdict {
            Verdict::Unchanged(object) => {
                let (changed, removed, waited) = (false, false, None);
                let written = Written { object, changed, removed, warnings, waited };
                Ok(Decided { written, change: None })
            }
            Verdict::Change(change) => {
                self.check_size(current, &change)?;
                let last = last.map(|put| Change { put, ..change.clone() });
                let object = tried(current, last.as_ref().unwrap_or(&change))?;
                let removed = matches!(change.put, Put::Delete);
                // What it would be; what it became is known after the commit.
                let written = Written { object, changed: true, removed, warnings, waited: None };
                Ok(Decided { written, change: Some(change).filter(|_| !write.dry_run) })
            }
        }
    }

    async fn check_stored_of(
        &self,
        write: &Write,
        current: Option<&Object>,
        mut decided: Decided,
    ) -> Result<Decided, Refusal> {
        let after = decided.written.object.status.as_ref();
        let warning = self.check_stored_versions(&write.key, current, after).await?;
        decided.written.warnings.extend(warning);
        Ok(decided)
    }

    /// Commits what changes. The inner error is a rival: which write met it, and what it wrote.
    async fn commit_all(
        &self,
        deadline: Instant,
        decided: Vec<Decided>,
    ) -> Result<Result<Vec<Written>, Rival>, NoneWritten> {
        let (mut changes, mut places) = (Vec::new(), Vec::new());
        let mut written = Vec::with_capacity(decided.len());
        for (index, one) in decided.into_iter().enumerate() {
            written.push(one.written);
            if let Some(change) = one.change {
                changes.push(change);
                places.push(index);
            }
        }
        if changes.is_empty() {
            return Ok(Ok(written));
        }
        let (committed, waited) = self.make_durable(deadline, changes).await?;
        match committed {
            Committed::At(objects) => {
                for (place, object) in places.into_iter().zip(objects) {
                    if let Some(it) = written.get_mut(place) {
                        let last = it.removed.then(|| Arc::clone(&it.object));
                        it.object = shown_last(last, object);
                        it.waited = Some(waited);
                    }
                }
                Ok(Ok(written))
            }
            Committed::Lost { index, theirs } => {
                Ok(Err((places.get(index).copied().unwrap_or_default(), theirs)))
            }
        }
    }

    /// It is written, whatever becomes of the kind meanwhile.
    fn all_shown(&self, granted: &[Granted<Write>], written: Vec<Written>) -> Vec<Written> {
        let shown = granted.iter().zip(written).map(|(it, written)| match self.place(it.get()) {
            Ok(place) => place.shown(written),
            Err(_) => written,
        });
        shown.collect()
    }
}

type Rival = (usize, Option<Arc<Object>>);

/// A creation needs its namespace and its kind held open, and a generated name may have to be tried
/// again.
const fn can_be_one_of_several(write: &Write) -> bool {
    !matches!(write.intent.edit, Edit::Create(_))
}
