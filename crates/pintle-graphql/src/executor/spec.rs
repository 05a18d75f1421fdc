//! Mutations of what is wanted. None of their inputs has a place for a status.

use std::sync::Arc;

use pintle_authz::Verb;
use pintle_model::ObjectKey;
use pintle_rules::{DeleteOptions, Document, Edit, Lane, Patch, PatchRoot, Propagation};
use serde_json::{Map, Value};

use super::Call;
use super::address::{Target, namespace};
use super::input::Input;
use super::writes::{Answered, Deed, precondition, without_nulls};
use crate::schema::KindTypes;

/// A new object.
pub(crate) async fn create(
    call: &Call,
    kind: &Arc<KindTypes>,
    input: Input<'_>,
    apart: bool,
) -> Answered {
    let metadata = input.below("metadata");
    let served = call.served(kind)?;
    let namespace = namespace(kind, metadata.text("namespace"))?;
    let name = metadata.text("name").unwrap_or_default();
    let key = ObjectKey::new(served.resource(), namespace, name);
    let target = Target { kind: Arc::clone(kind), served, key };
    let deed = deed(Verb::Create, input, &kind.singular, apart);
    call.carry_out(&target, &deed, input, || {
        let document = Document {
            metadata: Some(without_nulls(metadata)),
            body: Some(body(kind, input)),
            ..Document::default()
        };
        call.intent(input, Lane::Main, Edit::Create(document), precondition(input)?)
    })
    .await
}

/// The whole body, and the metadata that is named.
pub(crate) async fn update(
    call: &Call,
    kind: &Arc<KindTypes>,
    input: Input<'_>,
    apart: bool,
) -> Answered {
    let target = call.target(kind, input.below("ref"))?;
    let deed = deed(Verb::Update, input, &kind.singular, apart);
    call.carry_out(&target, &deed, input, || {
        let document = Document {
            metadata: Some(without_nulls(input.below("metadata"))),
            body: Some(body(kind, input)),
            ..Document::default()
        };
        call.intent(input, Lane::Main, Edit::Replace(document), precondition(input)?)
    })
    .await
}

/// A part of the body: what is left out stays, a null clears.
pub(crate) async fn patch(
    call: &Call,
    kind: &Arc<KindTypes>,
    input: Input<'_>,
    apart: bool,
) -> Answered {
    let target = call.target(kind, input.below("ref"))?;
    let deed = deed(Verb::Patch, input, &kind.singular, apart);
    call.carry_out(&target, &deed, input, || {
        let mut merged = body(kind, input);
        let metadata = input.below("metadata").fields();
        if !metadata.is_empty() {
            merged.insert("metadata".to_owned(), Value::Object(metadata.clone()));
        }
        let edit = Edit::Patch(Patch::Merge(Value::Object(merged)), PatchRoot::Object);
        call.intent(input, Lane::Main, edit, precondition(input)?)
    })
    .await
}

/// The object goes.
pub(crate) async fn delete(
    call: &Call,
    kind: &Arc<KindTypes>,
    input: Input<'_>,
    apart: bool,
) -> Answered {
    let target = call.target(kind, input.below("ref"))?;
    let deed = deed(Verb::Delete, input, &kind.singular, apart);
    call.carry_out(&target, &deed, input, || {
        let propagation = match input.text("propagationPolicy") {
            Some("FOREGROUND") => Propagation::Foreground,
            Some("ORPHAN") => Propagation::Orphan,
            _ => Propagation::Background,
        };
        let edit = Edit::Delete(DeleteOptions { propagation, collective: false });
        call.intent(input, Lane::Main, edit, precondition(input)?)
    })
    .await
}

fn deed<'a>(verb: Verb, input: Input<'_>, shown_as: &'a str, apart: bool) -> Deed<'a> {
    Deed { verb, lane: Lane::Main, dry_run: input.is("dryRun"), shown_as, apart }
}

/// The fields of the body that were given, under their JSON names.
fn body(kind: &KindTypes, input: Input<'_>) -> Map<String, Value> {
    let given = kind.body.iter().filter_map(|(field, json)| Some((json, input.get(field)?)));
    given.map(|(json, value)| (json.to_string(), value.clone())).collect()
}
