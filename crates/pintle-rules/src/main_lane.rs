//! The main lane: metadata and body change, status stays byte for byte.

use std::sync::Arc;

use pintle_model::{
    FieldError, FieldErrorKind, Json, Metadata, Object, Put, REFERENCES_MAX, StatusPut,
    validate_metadata_maps,
};
use pintle_schema::read_document;
use serde_json::{Map, Value};

use crate::check::Check;
use crate::decide::{Decision, Situation};
use crate::intent::{Document, Intent, MetadataMode, PatchRoot, Scaling};
use crate::patch::{Patch, PatchLimits};
use crate::refusal::Refusal;
use crate::stored::StoredStatus;
use crate::{deletion, identity, metadata, status_lane, visible};

/// Replaces the main lane of an object that exists.
pub(crate) fn replace(
    situation: Situation<'_>,
    current: &Arc<Object>,
    document: &Document,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    let mut check = Check::new(situation, intent);
    let mut wanted = Metadata::clone(&current.metadata);
    if let Some(given) = &document.metadata {
        metadata::apply(&mut check, &mut wanted, given, intent.conduct.metadata);
    }
    // Where status is part of the object, a whole object without one has none.
    let whole = intent.conduct.metadata == MetadataMode::Whole && document.body.is_some();
    let absent = whole && !situation.version.status_subresource;
    let status = document.status.clone().or_else(|| absent.then_some(Value::Null));
    let body = document.body.clone().map(|body| with_finalizers(&mut check, body, current));
    Wanted { metadata: wanted, body, status }.decided(check, current)
}

/// Replaces the finalizers in the body of an object that exists.
pub(crate) fn finalize(
    situation: Situation<'_>,
    current: &Arc<Object>,
    document: &Document,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    let Some(finalizers) = situation.definition.habits.finalizers else {
        return Err(Refusal::NotFound);
    };
    let given = document.body.as_ref().and_then(|body| finalizers.of(body));
    let given = given.filter(|list| !list.is_null()).cloned();
    let mut body = current.body.to_map();
    finalizers.put(&mut body, Some(given.unwrap_or_else(|| Value::Array(Vec::new()))));
    let metadata = Metadata::clone(&current.metadata);
    let check = Check::new(situation, intent);
    Wanted { metadata, body: Some(body), status: None }.decided(check, current)
}

/// A body with the finalizers that are stored: they are written by [`finalize`] alone.
fn with_finalizers(
    check: &mut Check<'_>,
    mut body: Map<String, Value>,
    current: &Object,
) -> Map<String, Value> {
    let Some(finalizers) = check.situation.definition.habits.finalizers else { return body };
    let stored = current.body.to_map();
    let stored = finalizers.of(&stored);
    if finalizers.of(&body).is_some_and(|given| Some(given) != stored) {
        let (part, list) = (finalizers.part, finalizers.list);
        check.warnings.push(format!(
            "{part}.{list} was ignored: it is written through the finalize subresource only"
        ));
    }
    finalizers.put(&mut body, stored.cloned());
    body
}

/// Whether finalizers in the body keep the object.
pub(crate) fn is_held(situation: Situation<'_>, body: &Json) -> bool {
    let finalizers = situation.definition.habits.finalizers;
    finalizers.is_some_and(|it| !it.of_others(&body.to_map()).is_empty())
}

/// Patches the main lane of an object that exists.
pub(crate) fn patch(
    situation: Situation<'_>,
    current: &Arc<Object>,
    patch: &Patch,
    root: PatchRoot,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    let mut check = Check::new(situation, intent);
    let wanted = match root {
        PatchRoot::Object => patched_whole(&mut check, current, patch, intent)?,
        PatchRoot::Lane => patched_spec(current, patch)?,
    };
    let body = wanted.body.map(|body| with_finalizers(&mut check, body, current));
    let wanted = Wanted { body, ..wanted };
    wanted.decided(check, current)
}

/// Sets the number of replicas of an object that exists.
pub(crate) fn scale(
    situation: Situation<'_>,
    current: &Arc<Object>,
    scaling: &Scaling,
    intent: &Intent,
) -> Result<Decision, Refusal> {
    let Some(scale) = &situation.version.scale else { return Err(Refusal::NotFound) };
    let mut check = Check::new(situation, intent);
    let replicas = match scaling {
        Scaling::Put(replicas) => Value::from(*replicas),
        Scaling::Patch(patch) => patched_scale(&mut check, current, patch, intent)?,
    };
    if !replicas.as_i64().is_some_and(|replicas| (0..=REPLICAS_MAX).contains(&replicas)) {
        let detail = "must be a whole number, and not less than 0";
        check.errors.push(FieldError::invalid("spec.replicas", &replicas, detail));
    }
    let mut body = Value::Object(current.body.to_map());
    let segments = scale.spec_replicas_path.split('.').filter(|segment| !segment.is_empty());
    let place = segments.fold(&mut body, |place, segment| {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        match place {
            Value::Object(fields) => fields.entry(segment).or_insert(Value::Null),
            other => other,
        }
    });
    *place = replicas;
    let Value::Object(body) = body else { return Err(not_an_object("")) };
    let metadata = Metadata::clone(&current.metadata);
    Wanted { metadata, body: Some(body), status: None }.decided(check, current)
}

/// As upstream's `Scale`, whose number of replicas has 32 bits.
const REPLICAS_MAX: i64 = i32::MAX as i64;

/// The number of replicas that a patch of the scale leads to.
fn patched_scale(
    check: &mut Check<'_>,
    current: &Arc<Object>,
    patch: &Patch,
    intent: &Intent,
) -> Result<Value, Refusal> {
    let situation = check.situation;
    let mut tree = visible::scale_of(situation.version, current).unwrap_or(Value::Null);
    patch.apply(&mut tree, &PatchLimits::default()).map_err(Refusal::Patch)?;
    let Value::Object(mut tree) = tree else { return Err(not_an_object("")) };
    identity::check_patched_scale(situation, current, &tree, &intent.precondition)?;
    let reading = read_document("Scale", &mut tree);
    check.unknown.extend(reading.unknown);
    check.errors.extend(reading.faults);
    let spec = tree.get("spec").and_then(|spec| spec.get("replicas"));
    Ok(spec.cloned().unwrap_or(Value::Null))
}

/// The paths of the patch begin at the object.
fn patched_whole(
    check: &mut Check<'_>,
    current: &Arc<Object>,
    patch: &Patch,
    intent: &Intent,
) -> Result<Wanted, Refusal> {
    let mut tree = visible::object_tree(check.situation, current);
    patch.apply(&mut tree, &PatchLimits::default()).map_err(Refusal::Patch)?;
    let Value::Object(mut body) = tree else { return Err(not_an_object("")) };
    identity::check_patched(check.situation, current, &body, &intent.precondition)?;
    let status = body.remove("status").unwrap_or(Value::Null);
    body.remove("apiVersion");
    body.remove("kind");
    let Some(Value::Object(given)) = body.remove("metadata") else {
        return Err(not_an_object("metadata"));
    };
    let mut wanted = Metadata::clone(&current.metadata);
    metadata::apply(check, &mut wanted, &given, MetadataMode::Whole);
    // A patch that leaves status alone says nothing about it.
    let untouched = match &current.status {
        Some(stored) => Json::from_value(&status) == *stored,
        None => status.is_null(),
    };
    let status = Some(status).filter(|_| !untouched);
    Ok(Wanted { metadata: wanted, body: Some(body), status })
}

/// The paths of the patch begin at `spec`, which it sees as `{}` when there is none.
fn patched_spec(current: &Arc<Object>, patch: &Patch) -> Result<Wanted, Refusal> {
    let mut body = current.body.to_map();
    let stored = body.remove("spec");
    let absent = stored.is_none();
    let mut spec = stored.unwrap_or_else(|| Value::Object(Map::new()));
    patch.apply(&mut spec, &PatchLimits::default()).map_err(Refusal::Patch)?;
    if !absent || !is_empty_object(&spec) {
        body.insert("spec".to_owned(), spec);
    }
    Ok(Wanted { metadata: Metadata::clone(&current.metadata), body: Some(body), status: None })
}

fn is_empty_object(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

fn not_an_object(path: &str) -> Refusal {
    Refusal::Invalid(vec![FieldError::new(
        path,
        FieldErrorKind::TypeInvalid,
        "the patched result must be an object here",
    )])
}

/// The main lane as the write wants it, unchecked.
struct Wanted {
    metadata: Metadata,
    /// Nothing when the body stays.
    body: Option<Map<String, Value>>,
    /// What the write says of status; null when it says that there shall be none.
    status: Option<Value>,
}

impl Wanted {
    fn decided(self, mut check: Check<'_>, current: &Arc<Object>) -> Result<Decision, Refusal> {
        let (put, goes) = self.checked(&mut check, current);
        if goes {
            let decision = check.decided(current, Some(Put::Delete))?;
            return Ok(Decision { last: put, ..decision });
        }
        check.decided(current, put)
    }

    /// Checks everything, and says what is to be written, nothing when all of it is stored already;
    /// and whether the object goes with it.
    fn checked(self, check: &mut Check<'_>, current: &Arc<Object>) -> (Option<Put>, bool) {
        let Self { mut metadata, body, status } = self;
        let body = body
            .map(|body| check.body(&metadata.name, body, Some(&current.body)))
            .filter(|text| *text != current.body);
        let status = status.and_then(|status| checked_status(check, current, status));
        keep_own(check, current, &mut metadata);
        if metadata != *current.metadata {
            check.errors.extend(validate_metadata_maps(&metadata));
            check_finalizers(&metadata, &current.metadata, &mut check.errors);
            check.approval(&metadata, Some(&current.metadata));
        }
        let rest = body.as_ref().unwrap_or(&current.body);
        let goes = metadata.is_terminating()
            && metadata.finalizers.is_empty()
            && !is_held(check.situation, rest);
        if body.is_some() || status.is_some() {
            metadata.generation = metadata.generation.next();
        }
        let changed = metadata != *current.metadata;
        let put = changed.then(|| Put::Main { metadata: Arc::new(metadata), body, status });
        (put, goes)
    }
}

/// Puts back what is the server's own in metadata, whatever the write said of it.
fn keep_own(check: &mut Check<'_>, current: &Object, wanted: &mut Metadata) {
    if deletion::keep_cleanup(&current.key, &current.metadata, wanted) {
        check.warnings.push(
            "metadata.finalizers: the server's own stays until what the object contains is gone"
                .to_owned(),
        );
    }
    if let Some(label) = check.situation.definition.habits.name_label {
        wanted.labels.insert(label.to_owned(), wanted.name.clone());
    }
}

/// What a main write does to status: nothing, with a warning, unless the version has no subresource
/// for it.
fn checked_status(
    check: &mut Check<'_>,
    current: &Arc<Object>,
    status: Value,
) -> Option<StatusPut> {
    if check.situation.version.status_subresource {
        check.warn_status_ignored(&status, current.status.as_ref());
        return None;
    }
    status_lane::checked(check, &StoredStatus::of(current), status)
}

fn check_finalizers(wanted: &Metadata, stored: &Metadata, errors: &mut Vec<FieldError>) {
    // Too many are refused for that already.
    if !stored.is_terminating() || wanted.finalizers.len() > REFERENCES_MAX {
        return;
    }
    let added = wanted.finalizers.iter().find(|name| !stored.finalizers.contains(name));
    errors.extend(added.map(|added| {
        FieldError::forbidden(
            "metadata.finalizers",
            format!("no new finalizers can be added if the object is being deleted: {added:?}"),
        )
    }));
}
