//! `/scale`: an object as `autoscaling/v1` `Scale`, where its kind says what that is.

use std::sync::Arc;

use http::{Method, Response};
use pintle_authz::{Subresource, Verb};
use pintle_engine::{Get, ask_for};
use pintle_http::{Body, RequestBody, add_warnings};
use pintle_model::Object;
use pintle_rules::{
    Edit, Lane, PatchFormat, Precondition, Refusal as RulesRefusal, Scaling, scale_of,
};
use pintle_schema::read_document;
use serde_json::{Map, Value, json};

use crate::accept::Form;
use crate::api::Call;
use crate::body::{self, Read};
use crate::options::{WriteOptions, revision};
use crate::refusals::{Deed, unreadable_as};
use crate::reply::{self, Failure, plain_form};
use crate::status::{About, Status};
use crate::strict::Findings;
use crate::write::{check_named, plain_patch, refine, text_of, write_of};

/// Reads or writes the scale of an object.
pub(crate) async fn scale(call: Call<'_>, body: RequestBody) -> Result<Response<Body>, Failure> {
    let form = plain_form(&call.parts.headers)?;
    match call.parts.method {
        Method::PUT => put(&call, form, body).await,
        Method::PATCH => patch(&call, form, body).await,
        _ => get(&call, form).await,
    }
}

async fn get(call: &Call<'_>, form: Form) -> Result<Response<Body>, Failure> {
    let version = Arc::clone(&call.face.version);
    let subresource = Some(Subresource::Scale);
    let granted = call.grant(Get { key: call.key(), version, subresource })?;
    let object = call.engine().get(&granted).await;
    let object = object.map_err(|refusal| call.refused(refusal, call.name(), Deed::Read))?;
    call.recording.note(|exchange| exchange.shown(&object));
    show(call, form, &object)
}

async fn put(call: &Call<'_>, form: Form, body: RequestBody) -> Result<Response<Body>, Failure> {
    let deed = Deed::Replace { built_in: call.is_built_in() };
    let granted = call.grant(ask_for(Verb::Update, &call.key(), Some(Subresource::Scale)))?;
    let options = WriteOptions::of(&call.query, "UpdateOptions")?;
    let bytes = call.read_body(body).await?;
    let Some(read) = body::decode(&call.parts.headers, &bytes, true)? else {
        return Err(Failure::bad_request("the body is empty"));
    };
    let (scale, findings) = read_scale(call, read, &options, deed)?;
    let metadata = scale.get("metadata").and_then(Value::as_object);
    let text = |field: &str| Some(text_of(metadata, field)).filter(|it| !it.is_empty());
    let precondition = Precondition {
        revision: text("resourceVersion").filter(|it| *it != "0").map(revision).transpose()?,
        uid: text("uid").map(Into::into),
        ..Precondition::default()
    };
    let replicas = scale.get("spec").and_then(|spec| spec.get("replicas"));
    let replicas = replicas.and_then(Value::as_i64).unwrap_or_default();
    let write = refine(call, granted, call.name(), deed, |_| {
        let edit = Edit::Scale(Scaling::Put(replicas));
        Ok(write_of(call, call.key(), Lane::Main, edit, precondition, &options))
    })?;
    let written = findings.carry_out(call, write, call.name(), deed).await?;
    let warnings = [findings.warnings(), written.warnings].concat();
    let mut response = show(call, form, &written.object)?;
    add_warnings(response.headers_mut(), &warnings);
    Ok(response)
}

async fn patch(call: &Call<'_>, form: Form, body: RequestBody) -> Result<Response<Body>, Failure> {
    let deed = Deed::Patch { built_in: call.is_built_in() };
    let granted = call.grant(ask_for(Verb::Patch, &call.key(), Some(Subresource::Scale)))?;
    let format = match body::content_type(&call.parts.headers).as_deref() {
        Some("application/merge-patch+json") => PatchFormat::Merge,
        Some("application/json-patch+json") => PatchFormat::Json,
        _ => return Err(body::unknown_patch(false)),
    };
    let options = WriteOptions::of(&call.query, "PatchOptions")?;
    let bytes = call.read_body(body).await?;
    let read = body::parse_json(&bytes)?;
    let findings = Findings::of(options.validation, &read.duplicates, &[]);
    let options = findings.bound(options);
    let patch = plain_patch(format, &read.value)?;
    let write = refine(call, granted, call.name(), deed, |_| {
        let edit = Edit::Scale(Scaling::Patch(patch));
        let precondition = Precondition::default();
        Ok(write_of(call, call.key(), Lane::Main, edit, precondition, &options))
    })?;
    let written = findings.carry_out(call, write, call.name(), deed).await?;
    let warnings = [findings.warnings(), written.warnings].concat();
    let mut response = show(call, form, &written.object)?;
    add_warnings(response.headers_mut(), &warnings);
    Ok(response)
}

const GROUP: &str = "autoscaling";
const VERSION: &str = "v1";
const KIND: &str = "Scale";

fn about(call: &Call<'_>) -> About {
    About {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        kind: KIND.to_owned(),
        name: call.name().to_owned(),
        ..About::default()
    }
}

/// A document that is a scale, and that of this object.
fn read_scale(
    call: &Call<'_>,
    read: Read,
    options: &WriteOptions,
    deed: Deed,
) -> Result<(Map<String, Value>, Findings), Failure> {
    let Value::Object(mut scale) = read.value else {
        return Err(Failure::bad_request("the body must be an object"));
    };
    check_is_scale(&scale)?;
    let reading = read_document(KIND, &mut scale);
    if let Some(fault) = reading.faults.first() {
        return Err(Failure::told(unreadable_as(&about(call), &fault.to_string())));
    }
    let findings = Findings::of(options.validation, &read.duplicates, &reading.unknown);
    if findings.refuse() {
        return Err(findings.refusal(&[], &about(call), deed));
    }
    let metadata = scale.get("metadata").and_then(Value::as_object);
    check_named(call, metadata)?;
    let namespace = call.target.namespace.as_deref().unwrap_or_default();
    for (field, expected) in [("name", call.name()), ("namespace", namespace)] {
        let given = text_of(metadata, field);
        if !given.is_empty() && given != expected {
            let (path, given) = (format!("metadata.{field}"), given.chars().take(128).collect());
            let expected = expected.to_owned();
            let refusal = RulesRefusal::IdentityMismatch { path, given, expected };
            return Err(call.refused(refusal.into(), call.name(), deed));
        }
    }
    Ok((scale, findings))
}

/// A document may leave out what it is; it may not say that it is something else.
fn check_is_scale(scale: &Map<String, Value>) -> Result<(), Failure> {
    let text = |field: &str, usual: &str| match scale.get(field) {
        None | Some(Value::Null) => usual.to_owned(),
        Some(Value::String(text)) if text.is_empty() => usual.to_owned(),
        Some(Value::String(text)) => text.chars().take(128).collect(),
        Some(other) => other.to_string().chars().take(128).collect(),
    };
    let expected = format!("{GROUP}/{VERSION}");
    let (kind, version) = (text("kind", KIND), text("apiVersion", &expected));
    if kind != KIND {
        let version = version.rsplit('/').next().unwrap_or_default();
        let message = format!("{kind} in version {version:?} cannot be handled as a {KIND}");
        return Err(Failure::bad_request(message));
    }
    if version != expected {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version \
             ({expected})"
        )));
    }
    Ok(())
}

fn show(call: &Call<'_>, form: Form, object: &Object) -> Result<Response<Body>, Failure> {
    let Some(scale) = scale_of(&call.version, object) else { return Err(Failure::NoSuchPath) };
    if scale.pointer("/spec/replicas").is_none() {
        let path = call.version.scale.as_ref().map_or("", |scale| &*scale.spec_replicas_path);
        let message =
            format!("Internal error occurred: the spec replicas field {path:?} does not exist");
        return Err(Failure::told(Status::new(500, "InternalError", message)));
    }
    let mut document = json!({"kind": "Scale", "apiVersion": "autoscaling/v1"});
    if let (Value::Object(document), Value::Object(scale)) = (&mut document, scale) {
        document.extend(scale);
    }
    Ok(reply::document(200, form.encoding, &document))
}
