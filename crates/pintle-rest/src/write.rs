//! POST, PUT, PATCH and DELETE: each becomes one write of the engine.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use pintle_authz::{Ask, Granted, Reach, RefineError, Subresource, Verb};
use pintle_engine::{Refusal, Wait, Write, Written, ask_for};
use pintle_events::document::{self, View};
use pintle_http::{
    Body, EntityTags, Phase, Recording, RequestBody, add_warnings, manager_of, set_header,
};
use pintle_model::{Manner, Object, ObjectKey, ObjectName, Revision, Uid};
use pintle_rules::{
    ConditionEdit, Conduct, DeleteOptions, Edit, ForeignLane, Intent, Lane, MetadataMode, Patch,
    PatchFormat, PatchRoot, Precondition, Refusal as RulesRefusal, UidForm,
};
use serde_json::{Map, Value, json};

use crate::api::{Call, RestDoor};
use crate::query::propagation;
use crate::reply::{Failure, Refused, message, object_response};
use crate::shape::{self, Shaped};

/// A new object.
pub(crate) async fn create(call: Call<'_>, body: RequestBody) -> Result<Response<Body>, Failure> {
    if may_nowhere(&call) {
        // Then no namespace makes a difference, and the body need not come in at all.
        let key = ObjectKey::new(call.resource(), call.namespace(), "");
        ask(&call, Verb::Create, &key, None, "")?;
    }
    let text = read_json(call.door, call.parts, call.recording, body).await;
    // The namespace of a create may stand in its body, and the rules must be asked for it: so the
    // body is looked at before, and judged after.
    let shaped = text.and_then(|text| shape::object(&text, &call.version));
    let namespace = namespace_of_create(&call, shaped.as_ref().ok());
    let key = ObjectKey::new(call.resource(), &namespace, "");
    let granted = ask(&call, Verb::Create, &key, None, "")?;
    let shaped = shaped?;
    let name = shaped.document.metadata.as_ref().and_then(|it| it.get("name"));
    let name = name.and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut version = Arc::clone(&call.version);
    let write = refine(&call, granted, &name, |_| {
        version = spoken_version(&call, &shaped)?;
        let mut precondition = preconditions(&call, Lane::Main, None)?;
        let given = shaped.document.metadata.as_ref().and_then(|it| it.get("resourceVersion"));
        if let Some(given) = given.filter(|given| !is_blank(given)) {
            precondition.revision = Some(revision_in_body(given)?);
        }
        let mut key = key.clone();
        key.name = ObjectName::new(&key.name.namespace, &name);
        let intent = intent(&call, Lane::Main, Edit::Create(shaped.document), precondition);
        Ok(write_of(&call, &version, key, intent))
    })?;
    let written = carry_out(&call, write, &name).await?;
    let mut response = respond(&call, StatusCode::CREATED, &version, &written);
    if !call.query.dry_run {
        let location = format!("{}/{}", crate::api::qualified(&call.served), written.object.uid());
        set_header(response.headers_mut(), LOCATION, &location);
    }
    Ok(response)
}

fn may_nowhere(call: &Call<'_>) -> bool {
    let reach = call.engine().reach(&call.caller.user, &Verb::Create, &call.resource(), None);
    reach == Reach::Nowhere
}

fn namespace_of_create(call: &Call<'_>, shaped: Option<&Shaped>) -> String {
    if !call.is_namespaced() {
        return String::new();
    }
    let metadata = shaped.and_then(|shaped| shaped.document.metadata.as_ref());
    let given = metadata.and_then(|metadata| metadata.get("namespace")).and_then(Value::as_str);
    match (&call.query.namespace, given.filter(|given| !given.is_empty())) {
        // A body that says otherwise is refused later, as one that names another object.
        (Some(namespace), _) => namespace.clone(),
        (None, Some(given)) => given.to_owned(),
        (None, None) => "default".to_owned(),
    }
}

/// The main lane, replaced.
pub(crate) async fn replace(
    call: Call<'_>,
    id: &str,
    body: RequestBody,
) -> Result<Response<Body>, Failure> {
    let key = call.address(id);
    let granted = ask(&call, Verb::Update, &key, None, id)?;
    let text = read_json(call.door, call.parts, call.recording, body).await?;
    let mut version = Arc::clone(&call.version);
    let write = refine(&call, granted, id, |_| {
        let mut shaped = shape::object(&text, &version)?;
        shape::forget_spec_name(&mut shaped, &version);
        version = spoken_version(&call, &shaped)?;
        let precondition = preconditions(&call, Lane::Main, shaped.document.metadata.as_ref())?;
        let intent = intent(&call, Lane::Main, Edit::Replace(shaped.document), precondition);
        Ok(write_of(&call, &version, key, intent))
    })?;
    let written = carry_out(&call, write, id).await?;
    Ok(respond(&call, StatusCode::OK, &version, &written))
}

/// The status lane, replaced.
pub(crate) async fn replace_status(
    call: Call<'_>,
    id: &str,
    body: RequestBody,
) -> Result<Response<Body>, Failure> {
    has_status(&call)?;
    let key = call.address(id);
    let granted = ask(&call, Verb::Update, &key, Some(Subresource::Status), id)?;
    let text = read_json(call.door, call.parts, call.recording, body).await?;
    let mut version = Arc::clone(&call.version);
    let write = refine(&call, granted, id, |_| {
        let shaped = shape::status(&text, &version)?;
        version = spoken_version(&call, &shaped)?;
        let precondition = preconditions(&call, Lane::Status, shaped.document.metadata.as_ref())?;
        let intent = intent(&call, Lane::Status, Edit::Replace(shaped.document), precondition);
        Ok(write_of(&call, &version, key, intent))
    })?;
    let written = carry_out(&call, write, id).await?;
    Ok(respond(&call, StatusCode::OK, &version, &written))
}

/// The main lane, patched.
pub(crate) async fn patch(
    call: Call<'_>,
    id: &str,
    body: RequestBody,
) -> Result<Response<Body>, Failure> {
    patch_lane(call, id, body, Lane::Main).await
}

/// The status lane, patched.
pub(crate) async fn patch_status(
    call: Call<'_>,
    id: &str,
    body: RequestBody,
) -> Result<Response<Body>, Failure> {
    has_status(&call)?;
    patch_lane(call, id, body, Lane::Status).await
}

async fn patch_lane(
    call: Call<'_>,
    id: &str,
    body: RequestBody,
    lane: Lane,
) -> Result<Response<Body>, Failure> {
    let key = call.address(id);
    let (subresource, name) = match lane {
        Lane::Main => (None, "spec"),
        Lane::Status => (Some(Subresource::Status), "status"),
    };
    let granted = ask(&call, Verb::Patch, &key, subresource, id)?;
    let format = patch_format(&call)?;
    let text = read(call.door, call.parts, call.recording, body).await?;
    let write = refine(&call, granted, id, |_| {
        let (patch, root) = shape::patch(&text, format, &call.version, name)?;
        if lane == Lane::Main && patch.reads() {
            // Whoever may not see a spec learns nothing of it by moving it around either.
            call.may(ask_for(Verb::Get, &key, None), id)?;
        }
        let precondition = preconditions(&call, lane, None)?;
        let precondition = with_patched_version(precondition, &patch, root)?;
        let intent = intent(&call, lane, Edit::Patch(patch, root), precondition);
        Ok(write_of(&call, &call.version, key, intent))
    })?;
    let written = carry_out(&call, write, id).await?;
    Ok(respond(&call, StatusCode::OK, &call.version, &written))
}

/// One condition, the others untouched.
pub(crate) async fn put_condition(
    call: Call<'_>,
    id: &str,
    kind: String,
    body: RequestBody,
) -> Result<Response<Body>, Failure> {
    has_status(&call)?;
    let key = call.address(id);
    let granted = ask(&call, Verb::Patch, &key, Some(Subresource::Status), id)?;
    let text = read_json(call.door, call.parts, call.recording, body).await?;
    edit_condition(&call, id, key, granted, || {
        let Value::Object(fields) = shape::parse(&text)? else {
            return Err(Failure::bad_request("the body must be the condition, a JSON object"));
        };
        if fields.is_empty() {
            return Err(Failure::bad_request("the body is an empty object, which says nothing"));
        }
        Ok(ConditionEdit::Put { kind, fields })
    })
    .await
}

/// One condition, gone.
pub(crate) async fn remove_condition(
    call: Call<'_>,
    id: &str,
    kind: String,
) -> Result<Response<Body>, Failure> {
    has_status(&call)?;
    let key = call.address(id);
    let granted = ask(&call, Verb::Patch, &key, Some(Subresource::Status), id)?;
    edit_condition(&call, id, key, granted, || Ok(ConditionEdit::Remove { kind })).await
}

async fn edit_condition(
    call: &Call<'_>,
    id: &str,
    key: ObjectKey,
    granted: Granted<Ask>,
    edit: impl FnOnce() -> Result<ConditionEdit, Failure>,
) -> Result<Response<Body>, Failure> {
    let write = refine(call, granted, id, |_| {
        let edit = Edit::Condition(edit()?);
        let precondition = preconditions(call, Lane::Status, None)?;
        let intent = intent(call, Lane::Status, edit, precondition);
        Ok(write_of(call, &call.version, key, intent))
    })?;
    let written = carry_out(call, write, id).await?;
    Ok(respond(call, StatusCode::OK, &call.version, &written))
}

/// The object goes.
pub(crate) async fn delete(
    call: Call<'_>,
    id: &str,
    body: RequestBody,
) -> Result<Response<Body>, Failure> {
    let key = call.address(id);
    let granted = ask(&call, Verb::Delete, &key, None, id)?;
    let text = read(call.door, call.parts, call.recording, body).await?;
    let write = refine(&call, granted, id, |_| {
        let options =
            if text.is_empty() { Value::Object(Map::new()) } else { shape::parse(&text)? };
        let mut precondition = preconditions(&call, Lane::Main, None)?;
        let options = delete_options(&call, &options, &mut precondition)?;
        let intent = intent(&call, Lane::Main, Edit::Delete(options), precondition);
        Ok(write_of(&call, &call.version, key, intent))
    })?;
    let written = carry_out(&call, write, id).await?;
    let (kind, object) = (&call.served.definition.kind.kind, &written.object);
    let text = if written.removed {
        format!("{kind} deleted successfully")
    } else {
        let waiting = object.metadata.finalizers.join(", ");
        format!("{kind} deletion has begun and waits for finalizers: {waiting}")
    };
    let mut response = message(&json!({"message": text, "uid": object.uid().as_str()}));
    add_warnings(response.headers_mut(), &written.warnings);
    Ok(response)
}

/// Reads `DeleteOptions` as Kubernetes has them; the query wins.
fn delete_options(
    call: &Call<'_>,
    given: &Value,
    precondition: &mut Precondition,
) -> Result<DeleteOptions, Failure> {
    let Some(given) = given.as_object() else {
        return Err(Failure::bad_request(
            "the body of a DELETE must be delete options, or nothing",
        ));
    };
    let known = ["kind", "apiVersion", "propagationPolicy", "preconditions"];
    if let Some(unknown) = given.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(Failure::bad_request(format!(
            "unknown delete option {:?}; known are propagationPolicy and preconditions",
            unknown.chars().take(64).collect::<String>()
        )));
    }
    if let Some(Value::Object(wanted)) = given.get("preconditions") {
        take_preconditions(wanted, precondition, "preconditions")?;
    }
    let policy = given.get("propagationPolicy").and_then(Value::as_str);
    let policy = policy.map(propagation).transpose()?;
    let propagation = call.query.propagation.or(policy).unwrap_or_default();
    Ok(DeleteOptions { propagation, ..DeleteOptions::default() })
}

fn has_status(call: &Call<'_>) -> Result<(), Failure> {
    if call.version.status_subresource {
        Ok(())
    } else {
        Err(Failure::NoStatusSubresource { version: call.version.name.to_string() })
    }
}

/// Asks the rules, before anything of the body is judged.
fn ask(
    call: &Call<'_>,
    verb: Verb,
    key: &ObjectKey,
    subresource: Option<Subresource>,
    id: &str,
) -> Result<Granted<Ask>, Failure> {
    call.grant(ask_for(verb, key, subresource), id)
}

/// Turns what was granted into the write itself, now that the body may be read.
fn refine(
    call: &Call<'_>,
    granted: Granted<Ask>,
    id: &str,
    make: impl FnOnce(Ask) -> Result<Write, Failure>,
) -> Result<Granted<Write>, Failure> {
    granted.refine(make).map_err(|error| match error {
        RefineError::Failed(failure) => failure,
        RefineError::Changed(forbidden) => call.refused(forbidden.into(), id),
    })
}

fn intent(call: &Call<'_>, lane: Lane, edit: Edit, precondition: Precondition) -> Intent {
    Intent {
        lane,
        edit,
        precondition,
        conduct: Conduct {
            foreign: ForeignLane::Refuse,
            metadata: MetadataMode::NamedOnly,
            unknown_fields: call.query.field_validation,
            keeps_conditions: true,
            patches_are: Manner::Patched,
            uids: UidForm::Kind,
        },
        manager: call
            .query
            .field_manager
            .clone()
            .unwrap_or_else(|| manager_of(&call.parts.headers)),
    }
}

fn write_of(
    call: &Call<'_>,
    version: &Arc<pintle_schema::Version>,
    key: ObjectKey,
    intent: Intent,
) -> Write {
    Write {
        served: Arc::clone(&call.served),
        version: Arc::clone(version),
        key,
        intent,
        dry_run: call.query.dry_run,
    }
}

/// The version that a document says it is in; it must be of this kind.
fn spoken_version(
    call: &Call<'_>,
    shaped: &Shaped,
) -> Result<Arc<pintle_schema::Version>, Failure> {
    let kind = &call.served.definition.kind;
    if let Some(given) = shaped.kind.as_deref().filter(|given| *given != &*kind.kind) {
        let given: String = given.chars().take(128).collect();
        return Err(Failure::bad_request(format!(
            "kind is {given:?} in the document; this path is for {:?}",
            &*kind.kind
        )));
    }
    let Some(given) = &shaped.api_version else { return Ok(Arc::clone(&call.version)) };
    let name = match given.rsplit_once('/') {
        Some((group, name)) if group == &*kind.group => Some(name),
        Some(_) => None,
        None => Some(given.as_str()),
    };
    let version = name.and_then(|name| call.served.definition.version(name));
    version.filter(|version| version.served).cloned().ok_or_else(|| {
        let given: String = given.chars().take(128).collect();
        let served: Vec<_> = call
            .served
            .definition
            .served_versions()
            .iter()
            .map(|version| kind.api_version(&version.name))
            .collect();
        Failure::bad_request(format!(
            "apiVersion {given:?} is not served for this kind; served are {}",
            served.join(", ")
        ))
    })
}

/// Collects from headers, metadata and query which version the write was computed from.
fn preconditions(
    call: &Call<'_>,
    lane: Lane,
    metadata: Option<&Map<String, Value>>,
) -> Result<Precondition, Failure> {
    let mut precondition = Precondition {
        scope: call.query.scope,
        required: lane == Lane::Status && call.door.settings.require_status_precondition,
        ..Precondition::default()
    };
    precondition.revision = version_in_header(call)?;
    if let Some(tags) = header(call, &IF_NONE_MATCH)? {
        if tags != EntityTags::Any {
            return Err(Failure::bad_request("If-None-Match of a write can only be *"));
        }
        precondition.absent = true;
    }
    if let Some(metadata) = metadata {
        take_preconditions(metadata, &mut precondition, "metadata")?;
    }
    Ok(precondition)
}

fn header(call: &Call<'_>, name: &HeaderName) -> Result<Option<EntityTags>, Failure> {
    let mut values = call.parts.headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Failure::bad_request(format!("the header {name} stands more than once")));
    }
    Ok(Some(EntityTags::parse(value.to_str().unwrap_or_default())?))
}

/// `If-Match`: `*` only says that the object exists, which every write but a create needs anyway.
fn version_in_header(call: &Call<'_>) -> Result<Option<Revision>, Failure> {
    match header(call, &IF_MATCH)? {
        None | Some(EntityTags::Any) => Ok(None),
        Some(EntityTags::List { revisions, weak, foreign }) => {
            match (revisions.as_slice(), weak.is_empty(), foreign) {
                ([revision], _, 0) => Ok(Some(*revision)),
                ([], false, 0) => Err(Failure::NeverMatches),
                ([], _, _) => Err(pintle_model::InvalidRevision("in If-Match".to_owned()).into()),
                (_, _, _) => Err(Failure::bad_request("If-Match of a write names one version")),
            }
        }
    }
}

/// Takes `resourceVersion` and `uid` over as preconditions; two versions must agree.
fn take_preconditions(
    given: &Map<String, Value>,
    precondition: &mut Precondition,
    place: &str,
) -> Result<(), Failure> {
    if let Some(value) = given.get("resourceVersion").filter(|value| !is_blank(value)) {
        let revision = revision_in_body(value)?;
        if precondition.revision.is_some_and(|header| header != revision) {
            return Err(Failure::bad_request(format!(
                "If-Match and {place}.resourceVersion name different versions"
            )));
        }
        precondition.revision = Some(revision);
    }
    if let Some(value) = given.get("uid").filter(|value| !is_blank(value)) {
        let Some(uid) = value.as_str() else {
            return Err(Failure::bad_request(format!("{place}.uid must be a string")));
        };
        precondition.uid = Some(Uid::from(uid));
    }
    Ok(())
}

/// A merge patch names its version where the object has it. Other patches are compared when they
/// are applied.
fn with_patched_version(
    mut precondition: Precondition,
    patch: &Patch,
    root: PatchRoot,
) -> Result<Precondition, Failure> {
    if let (Patch::Merge(document), PatchRoot::Object) = (patch, root)
        && let Some(Value::Object(metadata)) = document.get("metadata")
    {
        take_preconditions(metadata, &mut precondition, "metadata")?;
    }
    Ok(precondition)
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

fn revision_in_body(value: &Value) -> Result<Revision, Failure> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::String(_) => Ok(Revision::parse(&text)?),
        _ => Err(pintle_model::InvalidRevision(text.chars().take(64).collect()).into()),
    }
}

async fn read(
    door: &RestDoor,
    parts: &Parts,
    recording: &Recording,
    body: RequestBody,
) -> Result<Bytes, Failure> {
    Ok(door.settings.entrance.read_body(parts, body, recording).await?)
}

/// Reads a body that must be JSON and say so.
pub(crate) async fn read_json(
    door: &RestDoor,
    parts: &Parts,
    recording: &Recording,
    body: RequestBody,
) -> Result<Bytes, Failure> {
    match content_type(&parts.headers).as_deref() {
        None | Some("application/json") => read(door, parts, recording, body).await,
        Some(given) => Err(Failure::UnsupportedMediaType {
            given: given.chars().take(128).collect(),
            accepted: "application/json",
        }),
    }
}

fn patch_format(call: &Call<'_>) -> Result<PatchFormat, Failure> {
    let given = content_type(&call.parts.headers);
    let format = match given.as_deref() {
        None | Some("application/json") => Some(PatchFormat::Merge),
        Some(given) => PatchFormat::from_media_type(given),
    };
    format.ok_or_else(|| Failure::UnsupportedMediaType {
        given: given.unwrap_or_default().chars().take(128).collect(),
        accepted: "application/merge-patch+json, application/json, application/json-patch+json, \
                   application/shorthand-patch+json",
    })
}

/// The media type of the body, without parameters and in lower case.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?;
    let value = String::from_utf8_lossy(value.as_bytes());
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

async fn carry_out(call: &Call<'_>, write: Granted<Write>, id: &str) -> Result<Written, Failure> {
    let by_header =
        call.parts.headers.contains_key(IF_MATCH) || call.parts.headers.contains_key(IF_NONE_MATCH);
    call.recording.pass().await.map_err(Failure::Closed)?;
    let version = Arc::clone(&write.get().version);
    let written = call.recording.timed(Phase::Write, call.engine().write(write)).await;
    let written = written.map_err(|refusal| {
        let current = current_for_caller(call, &version, &refusal);
        let subject = call.subject(id);
        let searched = call.is_namespaced().then(|| call.namespace().to_owned());
        Failure::Refused(Box::new(Refused { refusal, subject, by_header, current, searched }))
    })?;
    call.recording.note(|exchange| exchange.written(&written));
    if let Some(Wait { began, took }) = written.waited {
        call.recording.took(Phase::Commit, began, took);
    }
    Ok(written)
}

/// The object that a conflict met, for a caller who asks for it with `Prefer` and may read it.
fn current_for_caller(
    call: &Call<'_>,
    version: &pintle_schema::Version,
    refusal: &Refusal,
) -> Option<Bytes> {
    let Refusal::Rules(RulesRefusal::Conflict(conflict)) = refusal else { return None };
    let wants = call
        .parts
        .headers
        .get_all("prefer")
        .iter()
        .any(|value| value.to_str().is_ok_and(|text| text.contains("return=representation")));
    let object = &conflict.object;
    let view = view(call, object);
    (wants && view == View::Whole).then(|| document::object(&call.served, version, object, view))
}

/// How much of an object the caller sees in an answer.
fn view(call: &Call<'_>, object: &Arc<Object>) -> View {
    let shown = call.engine().shows(&call.caller.user, object);
    if shown { View::Whole } else { View::WithoutBody }
}

fn respond(
    call: &Call<'_>,
    status: StatusCode,
    version: &pintle_schema::Version,
    written: &Written,
) -> Response<Body> {
    let view = view(call, &written.object);
    let mut response = object_response(status, &call.served, version, &written.object, view);
    add_warnings(response.headers_mut(), &written.warnings);
    response
}
