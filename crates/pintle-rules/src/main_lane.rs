//! The main lane: metadata and body change, status stays byte for byte.

use std::sync::Arc;

use pintle_model::{
    Change, FieldError, Json, Metadata, Object, Put, Revision, StatusPut, Uid,
    validate_metadata_maps,
};
use serde_json::{Map, Value};

use crate::decide::{Check, Decision, Situation, Verdict, check_precondition, warn_status_ignored};
use crate::intent::{ConflictScope, Document, Edit, Intent, MetadataMode, PatchRoot, Precondition};
use crate::patch::{Patch, PatchLimits};
use crate::refusal::Refusal;
use crate::{metadata, visible};

/// Replaces or patches the main lane of an object that exists.
pub(crate) fn write(
    situation: Situation<'_>,
    current: &Arc<Object>,
    edit: &Edit,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    let wanted = match edit {
        Edit::Replace(document) => Wanted::replaced(current, document, intent)?,
        Edit::Patch(patch, root) => Wanted::patched(situation, current, patch, *root)?,
        Edit::Create(_) | Edit::Condition(_) | Edit::Delete(_) => return Err(Refusal::NotFound),
    };
    let mut check =
        Check { situation, conduct: intent.conduct, warnings: Vec::new(), errors: Vec::new() };
    let put = wanted.checked(&mut check, current)?;
    let warnings = check.done()?;
    let verdict = match put {
        None => Verdict::Unchanged(Arc::clone(current)),
        Some(put) => Verdict::Change(Change {
            key: current.key.clone(),
            expect: Some(current.revision),
            put,
            at: situation.stamp.now,
        }),
    };
    Ok(Decision { verdict, warnings })
}

/// The main lane as the write wants it, unchecked.
struct Wanted {
    metadata: Metadata,
    /// Nothing when the body stays.
    body: Option<Map<String, Value>>,
    /// What the document says of status.
    status: Option<Value>,
}

impl Wanted {
    fn replaced(
        current: &Arc<Object>,
        document: &Document,
        intent: &Intent,
    ) -> Result<Self, Refusal> {
        let mut wanted = Metadata::clone(&current.metadata);
        if let Some(given) = &document.metadata {
            metadata::check_identity(given, &current.key)?;
            metadata::apply(&mut wanted, given, intent.conduct.metadata)
                .map_err(Refusal::Invalid)?;
        }
        Ok(Self { metadata: wanted, body: document.body.clone(), status: document.status.clone() })
    }

    fn patched(
        situation: Situation<'_>,
        current: &Arc<Object>,
        patch: &Patch,
        root: PatchRoot,
    ) -> Result<Self, Refusal> {
        match root {
            PatchRoot::Object => Self::patched_whole(situation, current, patch),
            PatchRoot::Lane => Self::patched_spec(current, patch),
        }
    }

    /// The paths of the patch begin at the object.
    fn patched_whole(
        situation: Situation<'_>,
        current: &Arc<Object>,
        patch: &Patch,
    ) -> Result<Self, Refusal> {
        let mut tree = visible::object_tree(current);
        patch.apply(&mut tree, &PatchLimits::default()).map_err(Refusal::Patch)?;
        let Value::Object(mut body) = tree else { return Err(not_an_object("")) };
        let status = body.remove("status");
        body.remove("apiVersion");
        body.remove("kind");
        let mut wanted = Metadata::clone(&current.metadata);
        match body.remove("metadata") {
            Some(Value::Object(given)) => {
                check_patched_identity(&given, current, situation)?;
                metadata::apply(&mut wanted, &given, MetadataMode::Whole)
                    .map_err(Refusal::Invalid)?;
            }
            Some(_) | None => return Err(not_an_object("metadata")),
        }
        // A patch that leaves status alone says nothing about it.
        let status = status.filter(|given| {
            current.status.as_ref().is_none_or(|stored| Json::from_value(given) != *stored)
        });
        Ok(Self { metadata: wanted, body: Some(body), status })
    }

    /// The paths of the patch begin at `spec`.
    fn patched_spec(current: &Arc<Object>, patch: &Patch) -> Result<Self, Refusal> {
        let mut body = current.body.to_map();
        let mut spec = body.remove("spec").unwrap_or_else(|| Value::Object(Map::new()));
        patch.apply(&mut spec, &PatchLimits::default()).map_err(Refusal::Patch)?;
        body.insert("spec".to_owned(), spec);
        Ok(Self { metadata: Metadata::clone(&current.metadata), body: Some(body), status: None })
    }

    /// Checks everything, and says what is to be written; nothing when all of it is stored already.
    fn checked(self, check: &mut Check<'_>, current: &Arc<Object>) -> Result<Option<Put>, Refusal> {
        let Self { mut metadata, body, status } = self;
        let body = match body {
            Some(body) => Some(check.body(&metadata.name, body, Some(&current.body))?)
                .filter(|text| *text != current.body),
            None => None,
        };
        if let Some(body) = &body {
            check_immutable(check, current, body);
        }
        let status = checked_status(check, current, status)?;
        if metadata != *current.metadata {
            check.errors.extend(validate_metadata_maps(&metadata));
            check_finalizers(&metadata, &current.metadata, &mut check.errors);
        }
        if metadata.is_terminating() && metadata.finalizers.is_empty() {
            return Ok(Some(Put::Delete));
        }
        if body.is_some() || status.is_some() {
            metadata.generation = metadata.generation.next();
        }
        if metadata == *current.metadata {
            return Ok(None);
        }
        Ok(Some(Put::Main { metadata: Arc::new(metadata), body, status }))
    }
}

/// A patch may name the version and the uid it is meant for, and may not make another object.
fn check_patched_identity(
    given: &Map<String, Value>,
    current: &Arc<Object>,
    situation: Situation<'_>,
) -> Result<(), Refusal> {
    metadata::check_identity(given, &current.key)?;
    check_precondition(&patched_precondition(given, current)?, current, situation.stamp)
}

/// Reads `resourceVersion` and `uid` of a patched tree as preconditions; unchanged, they hold.
pub(crate) fn patched_precondition(
    given: &Map<String, Value>,
    current: &Object,
) -> Result<Precondition, Refusal> {
    let text = |field| given.get(field).and_then(Value::as_str);
    let revision = match text("resourceVersion") {
        None | Some("") => current.revision,
        Some(text) => Revision::parse(text).map_err(|_| Refusal::InvalidRevision {
            given: text.chars().take(64).collect(),
            why: "it must be the decimal text that the server gave out",
        })?,
    };
    Ok(Precondition {
        revision: Some(revision),
        uid: text("uid").filter(|uid| !uid.is_empty()).map(Uid::from),
        scope: ConflictScope::Object,
        absent: false,
        required: false,
    })
}

/// What a main write does to status: nothing, with a warning, unless the version has no subresource
/// for it.
fn checked_status(
    check: &mut Check<'_>,
    current: &Arc<Object>,
    status: Option<Value>,
) -> Result<Option<StatusPut>, Refusal> {
    let Some(status) = status else { return Ok(None) };
    if check.situation.version.status_subresource {
        warn_status_ignored(&status, current.status.as_ref(), &mut check.warnings);
        return Ok(None);
    }
    let (_, text) = check.status(status)?;
    let changed = current.status.as_ref() != Some(&text);
    Ok(changed.then(|| StatusPut { status: Some(text), ledger: current.ledger.clone() }))
}

fn check_finalizers(wanted: &Metadata, stored: &Metadata, errors: &mut Vec<FieldError>) {
    let added = || wanted.finalizers.iter().find(|name| !stored.finalizers.contains(name));
    if stored.is_terminating()
        && let Some(added) = added()
    {
        errors.push(FieldError::forbidden(
            "metadata.finalizers",
            format!("no new finalizers can be added while the object is being deleted: {added:?}"),
        ));
    }
}

fn check_immutable(check: &mut Check<'_>, current: &Arc<Object>, wanted: &Json) {
    let fields = &check.situation.definition.immutable;
    if fields.is_empty() {
        return;
    }
    let (stored, wanted) = (current.body.to_map(), wanted.to_map());
    for field in fields {
        if stored.get(&**field) != wanted.get(&**field) {
            let value = wanted.get(&**field).unwrap_or(&Value::Null);
            check.errors.push(FieldError::invalid(field, value, "field is immutable"));
        }
    }
}

fn not_an_object(path: &str) -> Refusal {
    Refusal::Invalid(vec![FieldError::new(
        path,
        pintle_model::FieldErrorKind::TypeInvalid,
        "the patched result must be an object here",
    )])
}
