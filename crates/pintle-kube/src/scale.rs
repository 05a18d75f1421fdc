//! `/scale`: an object as `autoscaling/v1` `Scale`, where its kind says what that is.

use std::sync::Arc;

use http::{Method, Response};
use pintle_authz::{Subresource, Verb};
use pintle_engine::{Get, ask_for};
use pintle_http::{Body, RequestBody};
use pintle_model::{FieldError, FieldErrorKind, Object};
use pintle_rules::{Edit, Lane, PatchFormat, Precondition, Scaling, scale_of};
use serde_json::{Value, json};

use crate::accept::Form;
use crate::api::Call;
use crate::body;
use crate::options::{WriteOptions, revision};
use crate::refusals::Deed;
use crate::reply::{self, Failure, plain_form};
use crate::status::{About, Status};
use crate::write::{carry_out, plain_patch, refine, write_of};

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
    let text = |field: &str| {
        let metadata = read.value.get("metadata").and_then(|it| it.get(field));
        metadata.and_then(Value::as_str).filter(|text| !text.is_empty() && *text != "0")
    };
    let precondition = Precondition {
        revision: text("resourceVersion").map(revision).transpose()?,
        uid: text("uid").map(Into::into),
        ..Precondition::default()
    };
    let replicas = match read.value.pointer("/spec/replicas") {
        None | Some(Value::Null) => 0,
        Some(value) => value.as_i64().ok_or_else(|| not_a_number(call, value))?,
    };
    let write = refine(call, granted, call.name(), deed, |_| {
        let edit = Edit::Scale(Scaling::Put(replicas));
        Ok(write_of(call, call.key(), Lane::Main, edit, precondition, &options))
    })?;
    let written = carry_out(call, write, call.name(), deed).await?;
    show(call, form, &written.object)
}

async fn patch(call: &Call<'_>, form: Form, body: RequestBody) -> Result<Response<Body>, Failure> {
    let deed = Deed::Patch { built_in: call.is_built_in() };
    let granted = call.grant(ask_for(Verb::Patch, &call.key(), Some(Subresource::Scale)))?;
    let format = match body::content_type(&call.parts.headers).as_deref() {
        // A scale has no lists, so that both merges are one.
        Some("application/merge-patch+json" | "application/strategic-merge-patch+json") => {
            PatchFormat::Merge
        }
        Some("application/json-patch+json") => PatchFormat::Json,
        _ => return Err(body::unknown_patch()),
    };
    let options = WriteOptions::of(&call.query, "PatchOptions")?;
    let bytes = call.read_body(body).await?;
    let patch = plain_patch(format, &body::parse_json(&bytes)?.value)?;
    let write = refine(call, granted, call.name(), deed, |_| {
        let edit = Edit::Scale(Scaling::Patch(patch));
        let precondition = Precondition::default();
        Ok(write_of(call, call.key(), Lane::Main, edit, precondition, &options))
    })?;
    let written = carry_out(call, write, call.name(), deed).await?;
    show(call, form, &written.object)
}

fn not_a_number(call: &Call<'_>, value: &Value) -> Failure {
    let about = About {
        group: "autoscaling".to_owned(),
        kind: "Scale".to_owned(),
        name: call.name().to_owned(),
        ..About::default()
    };
    let detail = "must be a whole number";
    let fault = FieldError::with_value("spec.replicas", FieldErrorKind::TypeInvalid, value, detail);
    Failure::told(Status::invalid(&about, &[fault]))
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
