//! Root fields that read: one object, or many.

use std::sync::Arc;

use http::StatusCode;
use pintle_authz::{Granted, Reach, Subresource, Verb};
use pintle_engine::{Get, List, Refusal, Selection};
use pintle_model::{FieldSelector, LabelSelector, Revision, Scope};
use pintle_rules::Refusal as RulesRefusal;

use super::Call;
use super::address::{self, Target};
use super::input::Input;
use super::pages;
use crate::data::{Data, Shown};
use crate::fault::Fault;
use crate::limits::LimitExceeded;
use crate::schema::KindTypes;

type Answered = Result<Data, Fault>;

/// One object of a kind, by its id or by its names.
pub(crate) async fn get(call: &Call, kind: &Arc<KindTypes>, input: Input<'_>) -> Answered {
    let by = input.below("by");
    let (id, has_names) = (by.text("id"), by.get("ref").is_some_and(|names| !names.is_null()));
    let target = match (id, has_names) {
        (Some(id), false) => call.target_of_id(Some(kind), id)?,
        (None, true) => Some(call.target(kind, by.below("ref"))?),
        _ => return Err(Fault::bad_input("`by` has exactly one of `id` and `ref`")),
    };
    match target {
        None => Ok(Data::Null),
        Some(target) => found(call, target).await,
    }
}

/// One object of any kind, by its names.
pub(crate) async fn resource(call: &Call, input: Input<'_>) -> Answered {
    let names = input.below("ref");
    let kind = call.kind_named(names)?;
    let target = call.target(&kind, names)?;
    found(call, target).await
}

/// One object of any kind, by its id. Null, too, where the caller may not read it: an id says
/// nothing of what it belongs to.
pub(crate) async fn node(call: &Call, input: Input<'_>) -> Answered {
    node_of(call, input.text("id").unwrap_or_default()).await
}

/// Several of them, in the order of their ids.
pub(crate) async fn nodes(call: &Call, input: Input<'_>) -> Answered {
    let ids = input.items("ids");
    let (limit, actual) = (call.limits.page_max, u64::try_from(ids.len()).unwrap_or(u64::MAX));
    if actual > limit {
        return Err(LimitExceeded { name: "ids", limit, actual }.into());
    }
    let mut nodes = Vec::with_capacity(ids.len());
    for id in ids {
        nodes.push(node_of(call, id.as_str().unwrap_or_default()).await?);
    }
    Ok(Data::List(nodes))
}

async fn node_of(call: &Call, id: &str) -> Answered {
    let Some(target) = call.target_of_id(None, id)? else { return Ok(Data::Null) };
    match found(call, target).await {
        Err(fault) if fault.status == StatusCode::FORBIDDEN => Ok(Data::Null),
        answered => answered,
    }
}

/// The object, or null where there is none. Its status can be read with the right to read that
/// alone; then the body is not shown.
async fn found(call: &Call, target: Target) -> Answered {
    let Target { kind, key, .. } = target;
    let rules = call.engine.rules();
    let user = &call.caller.user;
    let granted = rules.grant(
        user,
        Get { key: key.clone(), version: Arc::clone(&kind.version), subresource: None },
    );
    let (granted, whole) = match granted {
        Ok(granted) => (granted, true),
        Err(forbidden) => {
            let version = Arc::clone(&kind.version);
            let subresource = Some(Subresource::Status);
            let part = Get { key: key.clone(), version, subresource };
            let granted = rules.grant(user, part);
            let refused = |_| call.refused(&forbidden.into(), &key.resource, &key.name.name);
            (granted.map_err(refused)?, false)
        }
    };
    call.recording.note(|exchange| exchange.allowed(&granted));
    match call.engine.get(&granted).await {
        Ok(object) => {
            call.recording.note(|exchange| exchange.shown(&object));
            Ok(Arc::new(Shown { kind, object, whole }).into())
        }
        Err(Refusal::Rules(RulesRefusal::NotFound)) => Ok(Data::Null),
        Err(refusal) => Err(call.refused(&refusal, &key.resource, &key.name.name)),
    }
}

/// Objects of any kind, a page at a time.
pub(crate) async fn resources(call: &Call, input: Input<'_>) -> Answered {
    let kind = call.kind_named(input.below("kind"))?;
    list(call, &kind, input).await
}

/// Objects of a kind, a page at a time.
pub(crate) async fn list(call: &Call, kind: &Arc<KindTypes>, input: Input<'_>) -> Answered {
    let after = input.text("after").map(pages::cursor).transpose()?;
    let at = match &after {
        Some(cursor) => Some(cursor.revision),
        None => snapshot(call, kind, input)?,
    };
    let limit = Some(page_size(call, input)?);
    let selections = selections(call, kind, input, &Verb::List)?;
    let resource = kind.definition.kind.resource();
    let refused = |refusal: &Refusal| {
        let fault = call.refused(refusal, &resource, "");
        let is_page = after.is_some() && matches!(refusal, Refusal::Expired { .. });
        if is_page { Fault { code: "CURSOR_EXPIRED", ..fault } } else { fault }
    };
    let mut grants: Vec<Granted<List>> = Vec::with_capacity(selections.len());
    for selection in selections {
        let after = after.as_ref().map(|cursor| cursor.after.clone());
        let granted =
            call.engine.rules().grant(&call.caller.user, List { selection, limit, after, at });
        let granted = granted.map_err(|forbidden| refused(&forbidden.into()))?;
        call.recording.note(|exchange| exchange.allowed(&granted));
        grants.push(granted);
    }
    let listed = call.engine.list(&grants).await.map_err(|refusal| refused(&refusal))?;
    Ok(pages::connection(kind, &listed, after.is_none()))
}

/// How many objects a page has.
fn page_size(call: &Call, input: Input<'_>) -> Result<usize, Fault> {
    const DEFAULT: i64 = 100;
    let first = input.integer("first").unwrap_or(DEFAULT);
    let limit = call.limits.page_max;
    match u64::try_from(first) {
        Err(_) | Ok(0) => Err(Fault::bad_input("`first` is at least 1")),
        Ok(actual) if actual > limit => Err(LimitExceeded { name: "first", limit, actual }.into()),
        Ok(first) => Ok(usize::try_from(first).unwrap_or(usize::MAX)),
    }
}

/// The version that a list is to show; nothing for the newest. A version without a word on how to
/// match it only has to be reached, as upstream.
fn snapshot(call: &Call, kind: &KindTypes, input: Input<'_>) -> Result<Option<Revision>, Fault> {
    let given = input.text("resourceVersion").filter(|given| !given.is_empty());
    let Some(asked) = given.map(revision).transpose()? else {
        return match input.text("resourceVersionMatch") {
            None => Ok(None),
            Some(_) => Err(Fault::bad_input(
                "`resourceVersionMatch` says how to match `resourceVersion`, which is not given",
            )),
        };
    };
    let newest = call.engine.newest();
    if asked > newest {
        let refusal = Refusal::FromTheFuture { asked, newest };
        return Err(call.refused(&refusal, &kind.definition.kind.resource(), ""));
    }
    let exactly = input.text("resourceVersionMatch") == Some("EXACT");
    Ok(Some(asked).filter(|_| exactly))
}

fn revision(text: &str) -> Result<Revision, Fault> {
    Revision::parse(text).map_err(|invalid| {
        let message = invalid.to_string();
        Fault::new("INVALID_RESOURCE_VERSION", StatusCode::BAD_REQUEST, message)
    })
}

/// What is selected, once for each namespace that the caller may see.
pub(crate) fn selections(
    call: &Call,
    kind: &Arc<KindTypes>,
    input: Input<'_>,
    verb: &Verb,
) -> Result<Vec<Selection>, Fault> {
    let served = call.served(kind)?;
    let bad = |error: pintle_model::InvalidSelector| Fault::bad_input(error.to_string());
    let labels = input.text("labelSelector").map(LabelSelector::parse);
    let labels = labels.transpose().map_err(bad)?.unwrap_or_default();
    let fields = input.text("fieldSelector").map(FieldSelector::parse);
    let fields = fields.transpose().map_err(bad)?.unwrap_or_default();
    let selection = |namespace: Option<Arc<str>>| Selection {
        served: Arc::clone(&served),
        version: Arc::clone(&kind.version),
        namespace,
        labels: labels.clone(),
        fields: fields.clone(),
    };
    let given = input.text("namespace").filter(|given| !given.is_empty());
    if kind.definition.kind.scope == Scope::Cluster {
        address::namespace(kind, given)?;
        return Ok(vec![selection(None)]);
    }
    if let Some(namespace) = given {
        return Ok(vec![selection(Some(namespace.into()))]);
    }
    Ok(match call.engine.reach(&call.caller.user, verb, &served.resource(), None) {
        Reach::Namespaces(namespaces) => {
            namespaces.into_iter().map(|namespace| selection(Some(namespace))).collect()
        }
        // Where the caller may see nothing, the rules are asked and say so.
        Reach::Everywhere | Reach::Nowhere => vec![selection(None)],
    })
}
