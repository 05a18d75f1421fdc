//! Objects as a version of their kind has them, and writes as the store has them.
//!
//! A lane that was written before the schema last changed is pruned and defaulted when it is read,
//! as upstream does; one that was written in another version is converted. Nothing is written for
//! it: the next write to that lane makes it lasting.

use std::sync::Arc;

use pintle_model::{Change, FieldError, FieldErrorKind, Json, Object, Put, Revision, StatusPut};
use pintle_rules::{Decision, Edit, Intent, Lane, Verdict};
use pintle_schema::{Definition, Version};
use serde_json::{Map, Value};

use crate::conversion::{Half, Steps, Unconverted};
use crate::{Refusal, Served};

/// How the objects of a kind are seen through one of its versions.
#[derive(Debug, Clone)]
pub(crate) struct Lens {
    since: Revision,
    version: Arc<Version>,
    definition: Arc<Definition>,
    /// What lanes are in of which nobody noted it.
    first_stored: Arc<str>,
    steps: Option<Arc<Steps>>,
}

impl Lens {
    pub(crate) fn new(served: &Served, version: &Arc<Version>) -> Self {
        Self {
            since: served.since,
            version: Arc::clone(version),
            definition: Arc::clone(&served.definition),
            first_stored: Arc::clone(&served.first_stored),
            steps: served.steps.clone(),
        }
    }

    fn storage(&self) -> &Arc<Version> {
        self.definition.storage_version()
    }

    /// The object, itself where nothing about it is out of date. It keeps its revisions.
    pub(crate) fn show(&self, object: &Arc<Object>) -> Result<Arc<Object>, Refusal> {
        self.show_halves(object, |lost| Err(Refusal::Unconverted(Box::new(lost))))
    }

    /// The object as a write sees it. The half that it is not for may be one that cannot be
    /// converted: nothing is seen of it then, and it stays as it is. A removal needs neither.
    pub(crate) fn show_to(
        &self,
        intent: &Intent,
        object: &Arc<Object>,
    ) -> Result<Arc<Object>, Refusal> {
        let needed = match (&intent.edit, intent.lane) {
            (Edit::Delete(_), _) => None,
            (_, Lane::Main) => Some(Half::Spec),
            (_, Lane::Status) => Some(Half::Status),
        };
        self.show_halves(object, |lost| {
            let is_needed = needed == Some(lost.half);
            if is_needed { Err(Refusal::Unconverted(Box::new(lost))) } else { Ok(()) }
        })
    }

    /// The object after a write. What cannot be shown of it is left out with a warning: it is
    /// written all the same.
    pub(crate) fn show_written(
        &self,
        object: &Arc<Object>,
        warnings: &mut Vec<String>,
    ) -> Arc<Object> {
        let shown = self.show_halves(object, |lost| {
            let half = lost.half.field();
            warnings.push(format!("{half} cannot be shown in {} and was left out", lost.to));
            Ok(())
        });
        shown.unwrap_or_else(|_| Arc::clone(object))
    }

    /// As [`Lens::show`], with a say about each half that cannot be converted: it is left out, or
    /// the whole is refused.
    fn show_halves(
        &self,
        object: &Arc<Object>,
        mut lost: impl FnMut(Unconverted) -> Result<(), Refusal>,
    ) -> Result<Arc<Object>, Refusal> {
        let sees_body = self.is_current(object.body_revision, object.body_version.as_ref());
        let sees_status = self.is_current(object.status_revision, object.status_version.as_ref());
        if sees_body && sees_status {
            return Ok(Arc::clone(object));
        }
        let mut shown = Object::clone(object);
        if !sees_body {
            shown.body = match self.body(object) {
                Ok(body) => body,
                Err(what) => {
                    lost(what)?;
                    Json::empty_object()
                }
            };
            shown.body_version = Some(Arc::clone(&self.version.name));
        }
        if !sees_status {
            shown.status = match self.status(object) {
                Ok(status) => status,
                Err(what) => {
                    lost(what)?;
                    None
                }
            };
            shown.status_version = Some(Arc::clone(&self.version.name));
        }
        let same = shown.body == object.body && shown.status == object.status;
        Ok(if same { Arc::clone(object) } else { Arc::new(shown) })
    }

    fn is_current(&self, written: Revision, version: Option<&Arc<str>>) -> bool {
        written >= self.since && *self.noted(version) == self.version.name
    }

    fn noted<'a>(&'a self, version: Option<&'a Arc<str>>) -> &'a Arc<str> {
        version.unwrap_or(&self.first_stored)
    }

    fn body(&self, object: &Object) -> Result<Json, Unconverted> {
        let from = self.noted(object.body_version.as_ref());
        let lost = |why| self.lost(object, Half::Spec, from, why);
        let body = self.converted_body(&object.body, from, &self.version).map_err(lost)?;
        Ok(Json::from_map(&body))
    }

    fn status(&self, object: &Object) -> Result<Option<Json>, Unconverted> {
        let from = self.noted(object.status_version.as_ref());
        let lost = |why| self.lost(object, Half::Status, from, why);
        let Some(status) = &object.status else { return Ok(None) };
        let status = self.converted_status(status, from, &self.version).map_err(lost)?;
        Ok(Some(status).filter(|status| !status.is_null()).map(|it| Json::from_value(&it)))
    }

    fn lost(&self, object: &Object, half: Half, from: &Arc<str>, why: String) -> Unconverted {
        let (from, to) = (Arc::clone(from), Arc::clone(&self.version.name));
        Unconverted { key: object.key.clone(), half, from, to, why }
    }

    /// A body as a version has it, pruned and defaulted. Of a body only `spec` is converted.
    fn converted_body(
        &self,
        body: &Json,
        from: &str,
        to: &Version,
    ) -> Result<Map<String, Value>, String> {
        let mut body = body.to_map();
        if let Some(steps) = self.steps_between(from, to) {
            // What the schema of its own version no longer has, a conversion need not know.
            if let Some(own) = self.definition.version(from) {
                own.normalize_body(&mut body);
            }
            if let Some(spec) = body.get_mut("spec") {
                *spec = steps.convert(Half::Spec, from, &to.name, spec.take())?;
            }
        }
        to.normalize_body(&mut body);
        Ok(body)
    }

    fn converted_status(&self, status: &Json, from: &str, to: &Version) -> Result<Value, String> {
        let mut status = status.to_value();
        if let Some(steps) = self.steps_between(from, to) {
            if let Some(own) = self.definition.version(from) {
                own.normalize_status(&mut status);
            }
            status = steps.convert(Half::Status, from, &to.name, status)?;
        }
        to.normalize_status(&mut status);
        Ok(status)
    }

    fn steps_between(&self, from: &str, to: &Version) -> Option<&Steps> {
        self.steps.as_deref().filter(|_| *from != *to.name)
    }

    /// A decision that was made in the version of this lens, as the store gets it: in the version
    /// that objects are stored in.
    ///
    /// `current` is the object as it is stored. What cannot be converted is refused; what comes
    /// back differently than it was sent is warned about, and what changes nothing is no write.
    pub(crate) fn to_store(
        &self,
        decision: Decision,
        current: Option<&Arc<Object>>,
    ) -> Result<Decision, Refusal> {
        let Decision { verdict, mut warnings, last } = decision;
        let Verdict::Change(change) = verdict else {
            return Ok(Decision { verdict, warnings, last });
        };
        if self.version.name == self.storage().name {
            self.try_others(&change, &mut warnings);
            return Ok(Decision { verdict: Verdict::Change(change), warnings, last });
        }
        let (faults, warned) = (Vec::new(), &mut warnings);
        let mut writing = Writing { lens: self, current, faults, warnings: warned };
        let change = writing.change(change);
        let faults = writing.faults;
        if !faults.is_empty() {
            return Err(Refusal::Rules(pintle_rules::Refusal::Invalid(faults)));
        }
        // What is only answered with stays in the version of the request.
        Ok(Decision { verdict: self.unless_stored(change, current), warnings, last })
    }

    /// Tells a writer whose words will not be read in other versions. Nobody is kept from writing
    /// what their own version allows.
    fn try_others(&self, change: &Change, warnings: &mut Vec<String>) {
        let Some(steps) = self.steps.as_deref() else { return };
        let (body, status) = match &change.put {
            Put::Create { body, status, .. } => (Some(body), status.as_ref()),
            Put::Main { body, status, .. } => {
                (body.as_ref(), status.as_ref().and_then(|put| put.status.as_ref()))
            }
            Put::Status(put) => (None, put.status.as_ref()),
            Put::Delete => (None, None),
        };
        let spec = body.and_then(|body| body.to_map().remove("spec"));
        let halves = [(Half::Spec, spec), (Half::Status, status.map(Json::to_value))];
        let here = &self.version.name;
        let others = self.definition.versions.iter().filter(|it| it.served && it.name != *here);
        for other in others {
            for (half, value) in &halves {
                let tried = value.clone().map(|it| steps.convert(*half, here, &other.name, it));
                if let Some(Err(why)) = tried {
                    let (half, other) = (half.field(), &other.name);
                    warnings.push(format!("{half} cannot be read in version {other}: {why}"));
                }
            }
        }
    }

    /// What is written of a change: nothing of what is stored already.
    fn unless_stored(&self, mut change: Change, current: Option<&Arc<Object>>) -> Verdict {
        let Some(current) = current else { return Verdict::Change(change) };
        // The same text means another thing in another version.
        let comparable =
            |version: &Option<Arc<str>>| *self.noted(version.as_ref()) == self.storage().name;
        let has_body = |body: &Json| comparable(&current.body_version) && *body == current.body;
        let has_status = |put: &StatusPut| {
            comparable(&current.status_version)
                && put.status == current.status
                && put.ledger == current.ledger
        };
        let same = match &mut change.put {
            Put::Create { .. } | Put::Delete => false,
            Put::Status(put) => has_status(put),
            Put::Main { metadata, body, status } => {
                let wrote = body.is_some() || status.is_some();
                body.take_if(|body| has_body(body));
                status.take_if(|put| has_status(put));
                if wrote && body.is_none() && status.is_none() {
                    // It was counted as a change of what is wanted, and is none.
                    Arc::make_mut(metadata).generation = current.metadata.generation;
                }
                body.is_none() && status.is_none() && *metadata == current.metadata
            }
        };
        if same { Verdict::Unchanged(Arc::clone(current)) } else { Verdict::Change(change) }
    }
}

/// A change on its way into the version that objects are stored in.
struct Writing<'a> {
    lens: &'a Lens,
    current: Option<&'a Arc<Object>>,
    faults: Vec<FieldError>,
    warnings: &'a mut Vec<String>,
}

impl Writing<'_> {
    fn change(&mut self, change: Change) -> Change {
        let put = match change.put {
            Put::Create { metadata, body, status } => Put::Create {
                metadata,
                body: self.body(&body),
                status: status.as_ref().and_then(|status| self.status(status)),
            },
            Put::Main { metadata, body, status } => Put::Main {
                metadata,
                body: body.map(|body| self.body(&body)),
                status: status.map(|put| self.status_put(put)),
            },
            Put::Status(put) => Put::Status(self.status_put(put)),
            Put::Delete => Put::Delete,
        };
        let version = Some(Arc::clone(&self.lens.storage().name));
        Change { put, version, ..change }
    }

    /// Who wrote which condition is known by types, so those must stay what they are.
    fn status_put(&mut self, put: StatusPut) -> StatusPut {
        let status = put.status.as_ref().and_then(|status| self.status(status));
        if condition_types(put.status.as_ref()) != condition_types(status.as_ref()) {
            self.refuse(Half::Status, "a conversion must keep the types of conditions");
        }
        StatusPut { status, ..put }
    }

    fn body(&mut self, wanted: &Json) -> Json {
        let (here, there) = (&self.lens.version, self.lens.storage());
        let stored = match self.lens.converted_body(wanted, &here.name, there) {
            Ok(stored) => stored,
            Err(why) => {
                self.refuse(Half::Spec, &why);
                return Json::empty_object();
            }
        };
        let faults = there.validate_new_body(&stored, || {
            let object = self.current?;
            let label = self.lens.noted(object.body_version.as_ref());
            self.lens.converted_body(&object.body, label, there).ok()
        });
        let stored = Json::from_map(&stored);
        let back = self.lens.converted_body(&stored, &there.name, here).map(Value::Object);
        self.refuse_stored(faults);
        self.compare(Half::Spec, &wanted.to_value(), back);
        self.warn_of_loss(|lens, object| {
            let label = lens.noted(object.body_version.as_ref());
            let before = lens.converted_body(&object.body, label, there)?;
            let shown = lens.converted_body(&object.body, label, here)?;
            let kept = lens.converted_body(&Json::from_map(&shown), &here.name, there)?;
            Ok((Value::Object(before), Value::Object(kept)))
        });
        stored
    }

    fn status(&mut self, wanted: &Json) -> Option<Json> {
        let (here, there) = (&self.lens.version, self.lens.storage());
        let stored = match self.lens.converted_status(wanted, &here.name, there) {
            Ok(stored) => stored,
            Err(why) => {
                self.refuse(Half::Status, &why);
                return None;
            }
        };
        let faults = there.validate_new_status(&stored, || {
            let object = self.current?;
            let label = self.lens.noted(object.status_version.as_ref());
            self.lens.converted_status(object.status.as_ref()?, label, there).ok()
        });
        let back = self.lens.converted_status(&Json::from_value(&stored), &there.name, here);
        self.refuse_stored(faults);
        self.compare(Half::Status, &under_status(wanted.to_value()), back.map(under_status));
        self.warn_of_loss(|lens, object| {
            let Some(status) = &object.status else { return Ok((Value::Null, Value::Null)) };
            let label = lens.noted(object.status_version.as_ref());
            let before = lens.converted_status(status, label, there)?;
            let shown = lens.converted_status(status, label, here)?;
            let kept = lens.converted_status(&Json::from_value(&shown), &here.name, there)?;
            Ok((under_status(before), under_status(kept)))
        });
        Some(stored).filter(|stored| !stored.is_null()).map(|stored| Json::from_value(&stored))
    }

    fn refuse(&mut self, half: Half, why: &str) {
        let storage = &self.lens.storage().name;
        let detail = format!("cannot be converted to {storage}, in which it is stored: {why}");
        self.faults.push(FieldError::new(half.field(), FieldErrorKind::Invalid, detail));
    }

    fn refuse_stored(&mut self, faults: Vec<FieldError>) {
        let storage = &self.lens.storage().name;
        self.faults.extend(faults.into_iter().map(|mut fault| {
            fault.detail = format!("{} (once converted to {storage}, to be stored)", fault.detail);
            fault
        }));
    }

    /// Says so when what was sent is not what will be read.
    fn compare(&mut self, half: Half, wanted: &Value, back: Result<Value, String>) {
        let (here, there) = (&self.lens.version.name, &self.lens.storage().name);
        match back {
            Ok(back) => {
                if let Some(path) = first_difference(wanted, &back) {
                    self.warnings.push(format!(
                        "{path} is not kept as it was sent: it is stored in {there}, and reads \
                         differently in {here}"
                    ));
                }
            }
            Err(why) => {
                let half = half.field();
                let detail = format!("cannot be converted back from {there} to {here}: {why}");
                self.faults.push(FieldError::new(half, FieldErrorKind::Invalid, detail));
            }
        }
    }

    /// Says so when something is stored for which the writer's version has no place: whoever writes
    /// a half anew in that version takes it away.
    fn warn_of_loss(
        &mut self,
        before_and_kept: impl Fn(&Lens, &Object) -> Result<(Value, Value), String>,
    ) {
        let Some(current) = self.current else { return };
        let Ok((before, kept)) = before_and_kept(self.lens, current) else { return };
        if let Some(path) = first_difference(&before, &kept) {
            let (here, there) = (&self.lens.version.name, &self.lens.storage().name);
            self.warnings.push(format!(
                "{path} of {there} has no place in {here}, so that a write in {here} does not keep it"
            ));
        }
    }
}

fn under_status(status: Value) -> Value {
    Value::Object(Map::from_iter([("status".to_owned(), status)]))
}

/// The types of the conditions in a status, sorted.
fn condition_types(status: Option<&Json>) -> Vec<String> {
    let status = status.map(Json::to_value).unwrap_or_default();
    let conditions = status.get("conditions").and_then(Value::as_array);
    let types = conditions.into_iter().flatten().filter_map(|entry| entry.get("type")?.as_str());
    let mut types: Vec<String> = types.map(str::to_owned).collect();
    types.sort_unstable();
    types
}

/// The path of the first value that is not the same in both; nothing when all are.
fn first_difference(one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Object(ones), Value::Object(others)) => {
            let names = ones.keys().chain(others.keys().filter(|name| !ones.contains_key(*name)));
            let mut found = names.filter_map(|name| {
                let pair = (ones.get(name), others.get(name));
                let below = match pair {
                    (Some(one), Some(other)) => first_difference(one, other)?,
                    _ => String::new(),
                };
                Some(if below.is_empty() { name.clone() } else { format!("{name}.{below}") })
            });
            found.next()
        }
        _ => (one != other).then(String::new),
    }
}
