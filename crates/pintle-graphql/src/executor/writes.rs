//! What all root fields that write have in common: asking the rules, passing the gate, the engine,
//! and the payload.

use std::sync::Arc;

use http::StatusCode;
use pintle_authz::{Granted, RefineError, Subresource, Verb};
use pintle_engine::{Refusal, Write, Written, ask_for};
use pintle_http::{Answer, Phase, Recording};
use pintle_model::{FieldError, FieldErrorKind, Revision, Uid};
use pintle_rules::{Edit, Intent, Lane, Precondition, Refusal as RulesRefusal};
use serde_json::Value;

use super::address::Target;
use super::input::{CONDUCT, Input};
use super::{Call, mutation_errors};
use crate::data::{Data, Record, Shown};
use crate::fault::Fault;

pub(crate) type Answered = Result<Data, Fault>;

/// Why a write was not carried out.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The engine refused, or the rules did.
    Refusal(Refusal),
    /// The gate did not let it pass.
    Closed(Box<Answer>),
    /// Another item of an atomic write failed.
    Aborted { failed_item: usize },
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// What a write does, without its address.
#[derive(Debug, Clone)]
pub(crate) struct Deed<'a> {
    pub(crate) verb: Verb,
    pub(crate) lane: Lane,
    pub(crate) dry_run: bool,
    /// The field of the payload that has the object.
    pub(crate) shown_as: &'a str,
    /// Whether it is recorded by itself, because the operation has several.
    pub(crate) apart: bool,
}

impl Deed<'_> {
    fn subresource(&self) -> Option<Subresource> {
        (self.lane == Lane::Status).then_some(Subresource::Status)
    }
}

impl Call {
    /// The recording of one write. Where an operation has several, each is told of by itself.
    pub(crate) fn recording_of_write(&self, apart: bool) -> Arc<Recording> {
        if apart { self.recording.part() } else { Arc::clone(&self.recording) }
    }

    /// Asks the rules, and then looks at what is wanted.
    pub(crate) fn granted(
        &self,
        recording: &Recording,
        target: &Target,
        deed: &Deed<'_>,
        intent: impl FnOnce() -> Result<Intent, Refusal>,
    ) -> Result<Granted<Write>, Refusal> {
        recording.note(|exchange| {
            exchange.verb = Some(deed.verb.clone());
            exchange.resource = Some(target.key.resource.clone());
            exchange.dry_run = deed.dry_run;
        });
        let ask = ask_for(deed.verb.clone(), &target.key, deed.subresource());
        let granted = self.engine.rules().grant(&self.caller.user, ask)?;
        recording.note(|exchange| exchange.allowed(&granted));
        let write = granted.refine(|_| {
            Ok::<_, Refusal>(Write {
                served: Arc::clone(&target.served),
                version: Arc::clone(&target.kind.version),
                key: target.key.clone(),
                intent: intent()?,
                dry_run: deed.dry_run,
            })
        });
        write.map_err(|error| match error {
            RefineError::Failed(refusal) => refusal,
            RefineError::Changed(forbidden) => forbidden.into(),
        })
    }

    /// Carries out one write.
    pub(crate) async fn write(
        &self,
        recording: &Recording,
        target: &Target,
        deed: &Deed<'_>,
        intent: impl FnOnce() -> Result<Intent, Refusal>,
    ) -> Result<Written, Refused> {
        let granted = self.granted(recording, target, deed, intent)?;
        recording.pass().await.map_err(Refused::Closed)?;
        let written = recording.timed(Phase::Write, self.engine.write(granted)).await?;
        self.written_down(recording, &written, deed.apart);
        Ok(written)
    }

    /// The object after a write, as the caller may see it.
    pub(crate) fn shown(&self, target: &Target, written: &Written) -> Arc<Shown> {
        let whole = self.engine.shows(&self.caller.user, &written.object);
        let (kind, object) = (Arc::clone(&target.kind), Arc::clone(&written.object));
        Arc::new(Shown { kind, object, whole })
    }

    /// An intent with what is the same for all of them.
    pub(crate) fn intent(
        &self,
        input: Input<'_>,
        lane: Lane,
        edit: Edit,
        precondition: Precondition,
    ) -> Result<Intent, Refusal> {
        let manager = match input.text("fieldManager") {
            Some(given) => checked_manager(given)?.to_owned(),
            None => self.manager.clone(),
        };
        Ok(Intent { lane, edit, precondition, conduct: CONDUCT, manager })
    }

    /// One write from its target to its payload.
    pub(crate) async fn carry_out(
        &self,
        target: &Target,
        deed: &Deed<'_>,
        input: Input<'_>,
        intent: impl FnOnce() -> Result<Intent, Refusal>,
    ) -> Answered {
        let recording = self.recording_of_write(deed.apart);
        let written = self.write(&recording, target, deed, intent).await;
        let payload = self.told(&recording, target, deed.shown_as, written);
        if deed.apart {
            self.finish(recording).await;
        }
        let payload = payload?;
        Ok(payload.with("clientMutationId", input.text("clientMutationId")).into())
    }

    /// The payload of a write. A fault of the server is none of the object's.
    fn told(
        &self,
        recording: &Recording,
        target: &Target,
        field: &str,
        written: Result<Written, Refused>,
    ) -> Result<Record, Fault> {
        match &written {
            Err(Refused::Refusal(Refusal::Forbidden(_))) if self.is_stranger => {
                let fault = Self::login_required();
                recording.note(|exchange| exchange.told(&fault.to_answer()));
                Err(fault)
            }
            Err(Refused::Refusal(refusal @ (Refusal::Internal(_) | Refusal::Unconverted(_)))) => {
                let key = &target.key;
                Err(self.refused(refusal, &key.resource, &key.name.name))
            }
            _ => Ok(self.payload(recording, target, field, written)),
        }
    }

    /// The payload of a write, whatever became of it.
    pub(crate) fn payload(
        &self,
        recording: &Recording,
        target: &Target,
        field: &str,
        written: Result<Written, Refused>,
    ) -> Record {
        match written {
            Ok(written) => Record::new("")
                .with(field, self.shown(target, &written))
                .with("changed", written.changed)
                .with("removed", written.removed)
                .with("errors", Vec::<Data>::new()),
            Err(refused) => {
                let error = mutation_errors::told(self, recording, target, &refused);
                Record::new("")
                    .with("changed", false)
                    .with("removed", false)
                    .with("errors", vec![error])
            }
        }
    }

    /// A write that is recorded apart is over.
    pub(crate) async fn finish(&self, recording: Arc<Recording>) {
        // One that was refused before the gate is recorded all the same; that it cannot be changes
        // nothing of it.
        drop(recording.pass().await);
        recording.done(StatusCode::OK);
    }
}

/// The version that a write was computed from, and the life of the object that it is meant for.
pub(crate) fn precondition(input: Input<'_>) -> Result<Precondition, Refusal> {
    let revision = match input.text("resourceVersion") {
        None => None,
        Some("") => return Err(RulesRefusal::PreconditionRequired.into()),
        Some(given) => Some(revision(given)?),
    };
    let uid = input.text("uid").map(Uid::from);
    Ok(Precondition { revision, uid, scope: input.scope(), absent: false, required: false })
}

fn revision(given: &str) -> Result<Revision, Refusal> {
    Revision::parse(given).map_err(|invalid| {
        let why = "it must be the decimal text that the server gave out";
        RulesRefusal::InvalidRevision { given: invalid.0, why }.into()
    })
}

/// The longest name of a field manager, as upstream.
const MANAGER_CHARS_MAX: usize = 128;

fn checked_manager(given: &str) -> Result<&str, Refusal> {
    let printable = given.chars().all(|c| !c.is_control());
    if !given.is_empty() && given.chars().count() <= MANAGER_CHARS_MAX && printable {
        return Ok(given);
    }
    let detail = format!("must be 1 to {MANAGER_CHARS_MAX} printable characters");
    let fault = FieldError::new("fieldManager", FieldErrorKind::Invalid, detail);
    Err(RulesRefusal::Invalid(vec![fault]).into())
}

/// A copy without what is null: in the metadata of an input, null says the same as nothing.
pub(crate) fn without_nulls(fields: Input<'_>) -> serde_json::Map<String, Value> {
    let given = fields.fields().iter().filter(|(_, value)| !value.is_null());
    given.map(|(name, value)| (name.clone(), value.clone())).collect()
}
