//! [`decide`]: the contract in one sitting.

use std::sync::Arc;

use pintle_model::{
    Change, FieldError, FieldPath, Json, Metadata, Object, ObjectKey, Put, Revision, Timestamp,
    Uid, validate_metadata_maps, validate_name,
};
use pintle_schema::{Definition, Version};
use serde_json::{Map, Value};

use crate::intent::{
    Conduct, ConflictScope, Document, Edit, FieldValidation, Intent, Lane, Precondition,
};
use crate::refusal::{Conflict, Refusal};
use crate::{deletion, main_lane, metadata, status_lane};

/// What the core may not find out by itself: the time, fresh ids, how far the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The time of the write.
    pub now: Timestamp,
    /// A uid that nobody has, for a create.
    pub uid: Uid,
    /// Letters that make a generated name unique.
    pub name_suffix: String,
    /// The newest revision that the store has given out.
    pub newest: Revision,
}

/// Everything beside the request that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The kind that is written.
    pub definition: &'a Definition,
    /// The version of the kind that the request speaks.
    pub version: &'a Version,
    /// The object addressed. In a create the name may be empty, for a generated one.
    pub key: &'a ObjectKey,
    /// The object as it is.
    pub current: Option<&'a Arc<Object>>,
    /// Time and ids.
    pub stamp: &'a Stamp,
}

/// What becomes of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The result equals what is stored: success, and no trace.
    Unchanged(Arc<Object>),
    /// One change, to be committed against exactly the object that was decided on.
    Change(Change),
}

/// A verdict and what the caller should be told beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What becomes of the write.
    pub verdict: Verdict,
    /// What was ignored or dropped, in full sentences.
    pub warnings: Vec<String>,
}

/// Decides one write. Total: whatever comes in, the answer is a decision or a refusal.
///
/// The order of checks is that of the contract (rule 3): existence, boundary, precondition, schema
/// and rules. Authentication, addressing, authorisation and parsing happened before.
pub fn decide(situation: Situation<'_>, intent: &Intent) -> Result<Decision, Refusal> {
    if let Edit::Create(document) = &intent.edit {
        return create(situation, document, intent);
    }
    let current = situation.current.ok_or(Refusal::NotFound)?;
    if intent.precondition.absent {
        return Err(Refusal::AlreadyExists { uid: current.uid().clone() });
    }
    if intent.lane == Lane::Status {
        status_lane::check_boundary(&intent.edit, intent.conduct)?;
    }
    check_precondition(&intent.precondition, current, situation.stamp)?;
    match (intent.lane, &intent.edit) {
        (Lane::Main, Edit::Delete(options)) => deletion::delete(situation, current, *options),
        (Lane::Main, Edit::Condition(edit)) => {
            Err(Refusal::NoCondition { kind: edit.condition_type().to_owned() })
        }
        (Lane::Main, edit) => main_lane::write(situation, current, edit, intent),
        (Lane::Status, edit) => status_lane::write(situation, current, edit, intent),
    }
}

/// Compares the version a write was computed from with the one that the object has.
pub(crate) fn check_precondition(
    precondition: &Precondition,
    current: &Arc<Object>,
    stamp: &Stamp,
) -> Result<(), Refusal> {
    if let Some(uid) = &precondition.uid
        && uid != current.uid()
    {
        return Err(Refusal::UidMismatch {
            expected: Some(uid.clone()),
            current: current.uid().clone(),
        });
    }
    match precondition.revision {
        None if precondition.required => Err(Refusal::PreconditionRequired),
        None => Ok(()),
        Some(expected) => check_revision(expected, precondition.scope, current, stamp),
    }
}

fn check_revision(
    expected: Revision,
    scope: ConflictScope,
    current: &Arc<Object>,
    stamp: &Stamp,
) -> Result<(), Refusal> {
    let invalid = |why| Err(Refusal::InvalidRevision { given: expected.to_string(), why });
    if expected == Revision::ZERO {
        return invalid("zero is before the first write and belongs to no object");
    }
    if expected > stamp.newest.max(current.revision) {
        return invalid("it is larger than any that was given out");
    }
    if expected < current.created_revision {
        return Err(Refusal::UidMismatch { expected: None, current: current.uid().clone() });
    }
    let conflict = match scope {
        ConflictScope::Object => expected != current.revision,
        ConflictScope::Status => current.status_revision > expected,
    };
    if conflict {
        return Err(Refusal::Conflict(Box::new(Conflict::since(expected, current))));
    }
    Ok(())
}

/// Makes a new object. A status that came along is ignored where it has its own subresource.
fn create(
    situation: Situation<'_>,
    document: &Document,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    let Situation { definition, stamp, .. } = situation;
    let metadata = new_metadata(situation, document)?;
    let key = ObjectKey::new(situation.key.resource.clone(), &metadata.namespace, &metadata.name);
    if let Some(current) = situation.current {
        return Err(Refusal::AlreadyExists { uid: current.uid().clone() });
    }
    if intent.precondition.revision.is_some() {
        return Err(Refusal::InvalidRevision {
            given: intent.precondition.revision.unwrap_or_default().to_string(),
            why: "resourceVersion should not be set on objects to be created",
        });
    }
    let mut errors = Vec::new();
    if let Err(error) = validate_name(
        FieldPath::ROOT.field("metadata").field("name"),
        &metadata.name,
        definition.name_rule,
    ) {
        errors.push(error);
    }
    errors.extend(validate_metadata_maps(&metadata));
    let body = document.body.clone().unwrap_or_default();
    let mut check = Check { situation, conduct: intent.conduct, warnings: Vec::new(), errors };
    let body = check.body(&metadata.name, body, None)?;
    let status = first_status(&mut check, document)?;
    let warnings = check.done()?;
    let put = Put::Create { metadata: Arc::new(metadata), body, status };
    let change = Change { key, expect: None, put, at: stamp.now };
    Ok(Decision { verdict: Verdict::Change(change), warnings })
}

fn new_metadata(situation: Situation<'_>, document: &Document) -> Result<Metadata, Refusal> {
    let Situation { key, stamp, .. } = situation;
    let empty = Map::new();
    let given = document.metadata.as_ref().unwrap_or(&empty);
    metadata::check_identity(given, key)?;
    let mut made = Metadata {
        name: key.name.name.to_string(),
        generate_name: None,
        namespace: key.name.namespace.to_string(),
        uid: stamp.uid.clone(),
        generation: pintle_model::Generation::FIRST,
        creation_timestamp: stamp.now.truncated(),
        deletion_timestamp: None,
        deletion_grace_period_seconds: None,
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        finalizers: Vec::new(),
        owner_references: Vec::new(),
    };
    metadata::apply(&mut made, given, crate::MetadataMode::NamedOnly).map_err(Refusal::Invalid)?;
    metadata::generate_name(&mut made, given, &stamp.name_suffix);
    Ok(made)
}

/// The status of a new object: only versions without the subresource take it from the document.
fn first_status(check: &mut Check<'_>, document: &Document) -> Result<Option<Json>, Refusal> {
    let Some(status) = &document.status else { return Ok(None) };
    if check.situation.version.status_subresource {
        warn_status_ignored(status, None, &mut check.warnings);
        return Ok(None);
    }
    Ok(Some(check.status(status.clone())?.1))
}

/// Says that a status in a main write was ignored, unless it says what is stored anyway.
pub(crate) fn warn_status_ignored(
    given: &Value,
    stored: Option<&Json>,
    warnings: &mut Vec<String>,
) {
    let same = match stored {
        Some(stored) => Json::from_value(given) == *stored,
        None => given.as_object().is_some_and(Map::is_empty) || given.is_null(),
    };
    if !same {
        warnings.push(
            "status was ignored: it is written through the status subresource only".to_owned(),
        );
    }
}

/// Checks the parts of one write and collects what there is to say about them.
pub(crate) struct Check<'a> {
    pub(crate) situation: Situation<'a>,
    pub(crate) conduct: Conduct,
    pub(crate) warnings: Vec<String>,
    pub(crate) errors: Vec<FieldError>,
}

impl Check<'_> {
    /// Prunes, defaults and validates a body, and gives back its canonical text.
    ///
    /// What equals the stored text is not validated again: an object that an older schema let in can
    /// still get a label.
    pub(crate) fn body(
        &mut self,
        name: &str,
        mut body: Map<String, Value>,
        stored: Option<&Json>,
    ) -> Result<Json, Refusal> {
        let Situation { definition, version, .. } = self.situation;
        self.note_unknown(version.normalize_body(&mut body))?;
        let text = Json::from_map(&body);
        if stored == Some(&text) {
            return Ok(text);
        }
        let faults = version.validate_body(&body);
        let sound = faults.is_empty();
        self.errors.extend(faults);
        if sound
            && declares_kinds(definition)
            && let Err(faults) = Definition::from_crd(name, &body)
        {
            self.errors.extend(faults);
        }
        Ok(text)
    }

    /// Prunes, defaults and validates a status, and gives back the tree and its canonical text.
    pub(crate) fn status(&mut self, mut status: Value) -> Result<(Value, Json), Refusal> {
        let version = self.situation.version;
        self.note_unknown(version.normalize_status(&mut status))?;
        self.errors.extend(version.validate_status(&status));
        let text = Json::from_value(&status);
        Ok((status, text))
    }

    /// Warns of unknown fields that were dropped, or refuses them, as the caller asked.
    pub(crate) fn note_unknown(&mut self, unknown: Vec<String>) -> Result<(), Refusal> {
        match self.conduct.unknown_fields {
            FieldValidation::Strict if !unknown.is_empty() => Err(Refusal::UnknownFields(unknown)),
            FieldValidation::Strict | FieldValidation::Ignore => Ok(()),
            FieldValidation::Warn => {
                let sentences = unknown.iter().map(|path| format!("unknown field {path:?}"));
                self.warnings.extend(sentences);
                Ok(())
            }
        }
    }

    /// The warnings, or all that is wrong.
    pub(crate) fn done(self) -> Result<Vec<String>, Refusal> {
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(Refusal::Invalid(self.errors)) }
    }
}

/// Whether the objects of this kind declare kinds, so that what they declare is checked too.
fn declares_kinds(definition: &Definition) -> bool {
    &*definition.kind.plural == "customresourcedefinitions"
        && &*definition.kind.group == "apiextensions.k8s.io"
}
