//! Many status patches at once, of objects of one kind.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use pintle_authz::{Granted, Verb};
use pintle_engine::{NoneWritten, Refusal, Write, Written};
use pintle_http::Recording;
use pintle_model::Revision;
use serde_json::Value;

use super::Call;
use super::address::Target;
use super::input::Input;
use super::status::{deed, merge_intent};
use super::writes::{Answered, Deed, Refused};
use crate::data::{Data, Record};
use crate::fault::Fault;
use crate::limits::LimitExceeded;
use crate::schema::KindTypes;

/// One item, found.
struct Item<'a> {
    input: Input<'a>,
    target: Target,
    recording: Arc<Recording>,
}

/// What became of one.
type Outcome = Result<Written, Refused>;

/// Patches them all, each for itself or all together.
pub(crate) async fn update(call: &Call, kind: &Arc<KindTypes>, input: Input<'_>) -> Answered {
    let given = input.items("items");
    check_count(call, given)?;
    let items: Vec<Item<'_>> =
        given.iter().map(|item| find(call, kind, item)).collect::<Result<_, _>>()?;
    check_distinct(&items)?;
    let atomic = input.text("mode") == Some("ATOMIC");
    let outcomes = if atomic {
        check_alike(&items)?;
        together(call, &items).await
    } else {
        join_all(items.iter().map(|item| alone(call, item))).await
    };
    let is_refused_to = |outcome: &Outcome| {
        call.is_stranger && matches!(outcome, Err(Refused::Refusal(Refusal::Forbidden(_))))
    };
    if outcomes.iter().any(is_refused_to) {
        return Err(Call::login_required());
    }
    let last = last_version(&items, &outcomes);
    let succeeded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let failed = outcomes.len() - succeeded;
    let mut results = Vec::with_capacity(outcomes.len());
    for (item, outcome) in items.into_iter().zip(outcomes) {
        let Item { input, target, recording } = item;
        let payload = call.payload(&recording, &target, &kind.singular, outcome);
        let payload = payload.with("clientMutationId", input.text("clientMutationId"));
        call.finish(recording).await;
        results.push(Data::from(payload));
    }
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let payload = Record::new("")
        .with("results", Data::List(results))
        .with("succeeded", number(succeeded))
        .with("failed", number(failed))
        .with("resourceVersion", last.map(|revision| revision.to_string()))
        .with("clientMutationId", input.text("clientMutationId"));
    Ok(payload.into())
}

/// The last version that was made.
fn last_version(items: &[Item<'_>], outcomes: &[Outcome]) -> Option<Revision> {
    let outcomes = items.iter().zip(outcomes).filter(|(item, _)| !item.input.is("dryRun"));
    let written = outcomes.filter_map(|(_, outcome)| outcome.as_ref().ok());
    written.filter(|written| written.changed).map(|written| written.object.revision).max()
}

fn check_count(call: &Call, given: &[Value]) -> Result<(), Fault> {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let (limit, actual) = (count(call.limits.bulk_items_max), count(given.len()));
    if actual > limit {
        return Err(LimitExceeded { name: "items", limit, actual }.into());
    }
    if given.is_empty() { Err(Fault::bad_input("`items` is empty")) } else { Ok(()) }
}

fn find<'a>(call: &Call, kind: &Arc<KindTypes>, item: &'a Value) -> Result<Item<'a>, Fault> {
    let fields = item.as_object();
    let input = Input::of(fields.ok_or_else(|| Fault::bad_input("an item is an object"))?);
    let target = call.target(kind, input.below("ref"))?;
    Ok(Item { input, target, recording: call.recording_of_write(true) })
}

/// Whoever names an object twice would have one of the two lost, or in conflict with the other.
fn check_distinct(items: &[Item<'_>]) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    match items.iter().find(|item| !seen.insert(&item.target.key)) {
        None => Ok(()),
        Some(twice) => {
            let message = format!("{} stands twice among the items", twice.target.key);
            Err(Fault::bad_input(message))
        }
    }
}

/// Half a dry run is no transaction.
fn check_alike(items: &[Item<'_>]) -> Result<(), Fault> {
    let dry = items.iter().filter(|item| item.input.is("dryRun")).count();
    if dry == 0 || dry == items.len() {
        return Ok(());
    }
    Err(Fault::bad_input("with mode ATOMIC, `dryRun` is the same for all items"))
}

fn item_deed<'a>(item: &'a Item<'_>) -> Deed<'a> {
    deed(Verb::Patch, item.input, &item.target.kind.singular, true)
}

async fn alone(call: &Call, item: &Item<'_>) -> Outcome {
    let Item { input, target, recording } = item;
    let intent = || merge_intent(call, &target.kind, *input);
    call.write(recording, target, &item_deed(item), intent).await
}

/// All of them in one transaction, or none.
async fn together(call: &Call, items: &[Item<'_>]) -> Vec<Outcome> {
    let grants = items.iter().map(|item| {
        let Item { input, target, recording } = item;
        let intent = || merge_intent(call, &target.kind, *input);
        call.granted(recording, target, &item_deed(item), intent)
    });
    let mut granted: Vec<Granted<Write>> = Vec::with_capacity(items.len());
    for (index, grant) in grants.enumerate() {
        match grant {
            Ok(grant) => granted.push(grant),
            Err(refusal) => return failed(items.len(), index, refusal.into()),
        }
    }
    for (index, item) in items.iter().enumerate() {
        if let Err(closed) = item.recording.pass().await {
            return failed(items.len(), index, Refused::Closed(closed));
        }
    }
    match call.engine.write_all(granted).await {
        Ok(written) => {
            for (item, written) in items.iter().zip(&written) {
                call.written_down(&item.recording, written, true);
            }
            written.into_iter().map(Ok).collect()
        }
        Err(NoneWritten { index: Some(index), refusal }) => {
            failed(items.len(), index, refusal.into())
        }
        Err(NoneWritten { index: None, refusal }) => {
            items.iter().map(|_| Err(refusal.clone().into())).collect()
        }
    }
}

/// One item failed, and the others with it.
fn failed(count: usize, failed_item: usize, why: Refused) -> Vec<Outcome> {
    let mut why = Some(why);
    let outcome = |index| {
        let own = if index == failed_item { why.take() } else { None };
        Err(own.unwrap_or(Refused::Aborted { failed_item }))
    };
    (0..count).map(outcome).collect()
}
