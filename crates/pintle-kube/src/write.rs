//! POST, PUT and PATCH: each becomes a write of the engine.

use std::sync::Arc;

use http::Response;
use pintle_authz::{Ask, Granted, RefineError, Subresource, Verb};
use pintle_engine::{Write, Written, ask_for};
use pintle_http::{Body, RequestBody, add_warnings, manager_of};
use pintle_model::{Manner, ObjectKey, ObjectName, Revision};
use pintle_rules::{
    Conduct, Edit, ForeignLane, Intent, Lane, MetadataMode, Patch, PatchFormat, PatchRoot,
    Precondition, Refusal as RulesRefusal, UidForm,
};
use serde_json::{Map, Value};

use crate::accept::Form;
use crate::api::Call;
use crate::body::{self, Read, Shaped};
use crate::options::{WriteOptions, revision};
use crate::read::show;
use crate::refusals::{self, Deed};
use crate::reply::Failure;
use crate::strict::Findings;

/// A new object.
pub(crate) async fn create(call: Call<'_>, body: RequestBody) -> Result<Response<Body>, Failure> {
    let deed = Deed::Create { built_in: call.is_built_in() };
    let granted = call.grant(ask_for(Verb::Create, &call.key(), None))?;
    let form = form_of(&call)?;
    let options = WriteOptions::of(&call.query, "CreateOptions")?;
    let read = required(body::read(&call, body).await?)?;
    let (mut shaped, findings) = document(&call, read, &options, deed, Lane::Main)?;
    let options = findings.bound(options);
    call.face.check_new(&call, &shaped.document)?;
    let name = text_of(shaped.document.metadata.as_ref(), "name").to_owned();
    let mut precondition = Precondition::default();
    if let Some(metadata) = &mut shaped.document.metadata {
        precondition.revision = version_in(metadata)?;
    }
    let write = refine(&call, granted, &name, deed, |_| {
        let mut key = call.key();
        key.name = ObjectName::new(&key.name.namespace, &name);
        Ok(write_of(&call, key, Lane::Main, Edit::Create(shaped.document), precondition, &options))
    })?;
    let written = findings.carry_out(&call, write, &name, deed).await?;
    Ok(respond(&call, form, 201, &written, &findings.warnings()))
}

/// The endpoint beside the object for whoever finishes its removal: it has a right of its own, and
/// writes the finalizers in the body, and nothing else.
pub(crate) const FINALIZE: &str = "finalize";

/// The main lane, the status or the finalizers in the body, replaced.
pub(crate) async fn replace(call: Call<'_>, body: RequestBody) -> Result<Response<Body>, Failure> {
    let deed = Deed::Replace { built_in: call.is_built_in() };
    let lane = lane_of(&call);
    let granted = call.grant(ask_for(Verb::Update, &call.key(), call.target.subresource()))?;
    let form = form_of(&call)?;
    let options = WriteOptions::of(&call.query, "UpdateOptions")?;
    let read = required(body::read(&call, body).await?)?;
    let (shaped, findings) = document(&call, read, &options, deed, lane)?;
    let options = findings.bound(options);
    let metadata = shaped.document.metadata.as_ref();
    let uid = Some(text_of(metadata, "uid")).filter(|uid| !uid.is_empty());
    let precondition = Precondition {
        revision: metadata.map(version_in).transpose()?.flatten(),
        uid: uid.map(Into::into),
        // What the server has always had may be replaced whatever became of it; as upstream.
        required: !call.served.definition.habits.unconditional_updates,
        ..Precondition::default()
    };
    let name = call.name();
    let write = refine(&call, granted, name, deed, |_| {
        let edit = match call.target.part.as_deref() {
            Some(FINALIZE) => Edit::Finalize(shaped.document),
            _ => Edit::Replace(shaped.document),
        };
        Ok(write_of(&call, call.key(), lane, edit, precondition, &options))
    })?;
    let written = findings.carry_out(&call, write, name, deed).await?;
    Ok(respond(&call, form, 200, &written, &findings.warnings()))
}

/// The main lane or the status, patched.
pub(crate) async fn patch(call: Call<'_>, body: RequestBody) -> Result<Response<Body>, Failure> {
    let deed = Deed::Patch { built_in: call.is_built_in() };
    let lane = lane_of(&call);
    let granted = call.grant(ask_for(Verb::Patch, &call.key(), subresource(lane)))?;
    let form = form_of(&call)?;
    let format = patch_format(&call)?;
    let options = WriteOptions::of(&call.query, "PatchOptions")?;
    let bytes = call.read_body(body).await?;
    if bytes.is_empty() {
        return Err(Failure::bad_request("the body is empty"));
    }
    let read = body::parse_json(&bytes)?;
    let findings = Findings::of(options.validation, &read.duplicates, &[]);
    let options = findings.bound(options);
    // A list of operations says it where it tests it.
    let said = read.value.get("metadata").and_then(Value::as_object);
    let said = said.map(version_in).transpose()?.flatten();
    let name = call.name();
    let write = refine(&call, granted, name, deed, |_| {
        let patch = parse_patch(&call, format, &call.face.stored_patch(read.value))?;
        if lane == Lane::Main && patch.reads() {
            // Whoever may not see a spec learns nothing of it by moving it around either.
            call.grant(ask_for(Verb::Get, &call.key(), None))?;
        }
        let precondition = Precondition { revision: said, ..Precondition::default() };
        let edit = Edit::Patch(patch, PatchRoot::Object);
        Ok(write_of(&call, call.key(), lane, edit, precondition, &options))
    })?;
    let written = findings.carry_out(&call, write, name, deed).await?;
    Ok(respond(&call, form, 200, &written, &findings.warnings()))
}

/// The form of the answer to a write. What is written is one object, or a status.
pub(crate) fn form_of(call: &Call<'_>) -> Result<Form, Failure> {
    Form::asked_for(&call.parts.headers).ok_or(Failure::NotAcceptable)
}

fn lane_of(call: &Call<'_>) -> Lane {
    match call.target.part.as_deref() {
        Some("status") => Lane::Status,
        _ => Lane::Main,
    }
}

const fn subresource(lane: Lane) -> Option<Subresource> {
    match lane {
        Lane::Main => None,
        Lane::Status => Some(Subresource::Status),
    }
}

fn required(read: Option<Read>) -> Result<Read, Failure> {
    read.ok_or_else(|| Failure::bad_request("the body is empty"))
}

/// The document of a create or a replace, which must be of the kind and version that the path
/// names; and what to warn about.
fn document(
    call: &Call<'_>,
    read: Read,
    options: &WriteOptions,
    deed: Deed,
    lane: Lane,
) -> Result<(Shaped, Findings), Failure> {
    let mut shaped = body::shape(read.value)?;
    shaped.document.body = shaped.document.body.map(|body| call.face.stored_body(body));
    let name = text_of(shaped.document.metadata.as_ref(), "name");
    let name = if name.is_empty() { call.name() } else { name };
    let kind = &call.face.served.definition.kind;
    let expected = kind.api_version(&call.face.version.name);
    let mismatch = |path: &str, given: &str, expected: &str| {
        let refusal = RulesRefusal::IdentityMismatch {
            path: path.to_owned(),
            given: given.chars().take(128).collect(),
            expected: expected.to_owned(),
        };
        call.refused(refusal.into(), name, deed)
    };
    // Built-in kinds are known by the path.
    if !call.is_built_in() && (shaped.api_version.is_none() || shaped.kind.is_none()) {
        let missing = if shaped.kind.is_none() { "Kind" } else { "apiVersion" };
        return Err(Failure::bad_request(format!("Object '{missing}' is missing in the body")));
    }
    if let Some(given) = shaped.api_version.as_deref().filter(|given| *given != expected) {
        return Err(mismatch("apiVersion", given, &expected));
    }
    if let Some(given) = shaped.kind.as_deref().filter(|given| *given != &*kind.kind)
        && lane == Lane::Main
    {
        if call.is_built_in() {
            let given: String = given.chars().take(128).collect();
            let kind = &kind.kind;
            let message = format!("{given} in the body cannot be handled as a {kind}");
            return Err(Failure::bad_request(message));
        }
        return Err(mismatch("kind", given, &kind.kind));
    }
    if call.target.name.is_some() {
        check_named(call, shaped.document.metadata.as_ref())?;
    }
    Ok((shaped, Findings::of(options.validation, &read.duplicates, &[])))
}

/// A document that replaces something says what.
pub(crate) fn check_named(
    call: &Call<'_>,
    metadata: Option<&Map<String, Value>>,
) -> Result<(), Failure> {
    if !text_of(metadata, "name").is_empty() {
        return Ok(());
    }
    let message = format!(
        "the name of the object ({} based on URL) was undeterminable: name must be provided",
        call.name()
    );
    Err(Failure::bad_request(message))
}

/// The version that a document names; what is empty or zero names none, as upstream.
fn version_in(metadata: &Map<String, Value>) -> Result<Option<Revision>, Failure> {
    match metadata.get("resourceVersion") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() || text == "0" => Ok(None),
        Some(Value::String(text)) => revision(text).map(Some),
        Some(_) => Err(Failure::bad_request("metadata.resourceVersion must be a string")),
    }
}

pub(crate) fn text_of<'m>(metadata: Option<&'m Map<String, Value>>, field: &str) -> &'m str {
    metadata.and_then(|it| it.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// How a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Plain(PatchFormat),
    /// Of kinds that clients have compiled in.
    Strategic,
}

fn patch_format(call: &Call<'_>) -> Result<Format, Failure> {
    let given = body::content_type(&call.parts.headers).unwrap_or_default();
    match &*given {
        "application/merge-patch+json" => Ok(Format::Plain(PatchFormat::Merge)),
        "application/json-patch+json" => Ok(Format::Plain(PatchFormat::Json)),
        Patch::STRATEGIC_MEDIA_TYPE if call.is_built_in() => Ok(Format::Strategic),
        "application/apply-patch+yaml" => Err(Failure::UnsupportedMediaType {
            message: "server-side apply is not there yet: send application/merge-patch+json or \
                      application/json-patch+json"
                .to_owned(),
        }),
        _ => Err(body::unknown_patch(call.is_built_in())),
    }
}

fn parse_patch(call: &Call<'_>, format: Format, value: &Value) -> Result<Patch, Failure> {
    match format {
        Format::Plain(format) => plain_patch(format, value),
        Format::Strategic => Patch::strategic(value, &call.version.schema)
            .map_err(|error| Failure::bad_request(error.to_string())),
    }
}

pub(crate) fn plain_patch(format: PatchFormat, value: &Value) -> Result<Patch, Failure> {
    let shape_fits = match format {
        PatchFormat::Json => value.is_array(),
        PatchFormat::Merge | PatchFormat::Shorthand => value.is_object(),
    };
    if !shape_fits {
        return Err(Failure::bad_request("the body is not a patch of the format it says it has"));
    }
    // A list of operations of which one is none does not fit any object.
    Patch::parse(format, value)
        .map_err(|error| Failure::told(refusals::unpatchable(&error.to_string())))
}

/// Turns what was granted into the write itself, now that the body may be read.
pub(crate) fn refine(
    call: &Call<'_>,
    granted: Granted<Ask>,
    name: &str,
    deed: Deed,
    make: impl FnOnce(Ask) -> Result<Write, Failure>,
) -> Result<Granted<Write>, Failure> {
    granted.refine(make).map_err(|error| match error {
        RefineError::Failed(failure) => failure,
        RefineError::Changed(forbidden) => call.refused(forbidden.into(), name, deed),
    })
}

pub(crate) fn write_of(
    call: &Call<'_>,
    key: ObjectKey,
    lane: Lane,
    edit: Edit,
    precondition: Precondition,
    options: &WriteOptions,
) -> Write {
    let manager = options.manager.clone();
    // A patch of the whole object can copy what it cannot write, and what is said to be ignored
    // tells what is there: so only for readers.
    let sees = lane == Lane::Main || call.may_get(&key);
    let foreign = if sees { ForeignLane::Discard } else { ForeignLane::Ignore };
    Write {
        served: Arc::clone(&call.served),
        version: Arc::clone(&call.version),
        key,
        intent: Intent {
            lane,
            edit,
            precondition,
            conduct: Conduct {
                foreign,
                metadata: MetadataMode::Whole,
                unknown_fields: options.validation,
                keeps_conditions: false,
                patches_are: Manner::Patched,
                uids: UidForm::Uuid,
            },
            manager: manager.unwrap_or_else(|| manager_of(&call.parts.headers)),
        },
        dry_run: options.dry_run,
    }
}

pub(crate) async fn carry_out(
    call: &Call<'_>,
    write: Granted<Write>,
    name: &str,
    deed: Deed,
) -> Result<Written, Failure> {
    let dry_run = write.get().dry_run;
    call.recording.note(|exchange| exchange.dry_run = dry_run);
    call.recording.pass().await.map_err(Failure::Closed)?;
    let written = call.engine().write(write).await;
    let written = written.map_err(|refusal| call.refused(refusal, name, deed))?;
    call.recording.note(|exchange| exchange.written(&written));
    Ok(written)
}

pub(crate) fn respond(
    call: &Call<'_>,
    form: Form,
    code: u16,
    written: &Written,
    warnings: &[String],
) -> Response<Body> {
    let view = call.view(&written.object);
    let mut response = show(call, form, code, &written.object, view);
    let said: Vec<String> = warnings.iter().chain(&written.warnings).cloned().collect();
    add_warnings(response.headers_mut(), &said);
    response
}
