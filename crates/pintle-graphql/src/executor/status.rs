//! Mutations of a status. None of their inputs has a place for a spec.

use std::sync::Arc;

use pintle_authz::Verb;
use pintle_engine::Refusal;
use pintle_rules::{ApplyConditions, Document, Edit, Intent, Lane};
use serde_json::{Map, Value};

use super::Call;
use super::address::Target;
use super::input::Input;
use super::writes::{Answered, Deed, precondition};
use crate::schema::KindTypes;

/// What a payload calls an object of any kind.
const RESOURCE: &str = "resource";

/// The whole status.
pub(crate) async fn update(
    call: &Call,
    kind: &Arc<KindTypes>,
    input: Input<'_>,
    apart: bool,
) -> Answered {
    let target = call.target(kind, input.below("ref"))?;
    replace(call, &target, &deed(Verb::Update, input, &kind.singular, apart), input).await
}

/// A part of the status.
pub(crate) async fn patch(
    call: &Call,
    kind: &Arc<KindTypes>,
    input: Input<'_>,
    apart: bool,
) -> Answered {
    let target = call.target(kind, input.below("ref"))?;
    merge(call, &target, &deed(Verb::Patch, input, &kind.singular, apart), input).await
}

/// The whole status, of a kind that the client did not know.
pub(crate) async fn update_resource(call: &Call, input: Input<'_>, apart: bool) -> Answered {
    let kind = call.kind_named(input)?;
    let target = call.target(&kind, input.below("ref"))?;
    replace(call, &target, &deed(Verb::Update, input, RESOURCE, apart), input).await
}

/// A part of the status, of a kind that the client did not know.
pub(crate) async fn patch_resource(call: &Call, input: Input<'_>, apart: bool) -> Answered {
    let kind = call.kind_named(input)?;
    let target = call.target(&kind, input.below("ref"))?;
    merge(call, &target, &deed(Verb::Patch, input, RESOURCE, apart), input).await
}

/// The conditions of one manager.
pub(crate) async fn apply_conditions(
    call: &Call,
    kind: &Arc<KindTypes>,
    input: Input<'_>,
    apart: bool,
) -> Answered {
    let target = call.target(kind, input.below("ref"))?;
    let deed = deed(Verb::Patch, input, &kind.singular, apart);
    call.carry_out(&target, &deed, input, || {
        let edit = Edit::ApplyConditions(ApplyConditions {
            set: maps(input.items("conditions")),
            remove: texts(input.items("removeTypes")),
            observed_generation: input.integer("observedGeneration"),
            force: input.is("force"),
        });
        call.intent(input, Lane::Status, edit, precondition(input)?)
    })
    .await
}

async fn replace(call: &Call, target: &Target, deed: &Deed<'_>, input: Input<'_>) -> Answered {
    call.carry_out(target, deed, input, || {
        let edit = Edit::Replace(document(&target.kind, input));
        call.intent(input, Lane::Status, edit, precondition(input)?)
    })
    .await
}

async fn merge(call: &Call, target: &Target, deed: &Deed<'_>, input: Input<'_>) -> Answered {
    call.carry_out(target, deed, input, || merge_intent(call, &target.kind, input)).await
}

/// What one patch of a status wants.
pub(crate) fn merge_intent(
    call: &Call,
    kind: &KindTypes,
    input: Input<'_>,
) -> Result<Intent, Refusal> {
    let edit = Edit::MergeStatus(document(kind, input));
    call.intent(input, Lane::Status, edit, precondition(input)?)
}

pub(crate) fn deed<'a>(verb: Verb, input: Input<'_>, shown_as: &'a str, apart: bool) -> Deed<'a> {
    Deed { verb, lane: Lane::Status, dry_run: input.is("dryRun"), shown_as, apart }
}

/// The status of an input. A free-form one that has a `spec`, where the kind's status has none, is
/// somebody who takes the status for the object.
fn document(kind: &KindTypes, input: Input<'_>) -> Document {
    let mut status = input.get("status").cloned().unwrap_or_default();
    let mut foreign = Vec::new();
    if !has_spec_in_status(kind)
        && let Some(fields) = status.as_object_mut()
        && fields.remove("spec").is_some()
    {
        foreign.push("spec".to_owned());
    }
    Document { status: Some(status), foreign, ..Document::default() }
}

fn has_spec_in_status(kind: &KindTypes) -> bool {
    let status = kind.version.schema.property("status");
    status.is_some_and(|status| status.property("spec").is_some())
}

fn maps(items: &[Value]) -> Vec<Map<String, Value>> {
    items.iter().map(|item| item.as_object().cloned().unwrap_or_default()).collect()
}

fn texts(items: &[Value]) -> Vec<String> {
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
