//! DELETE: of one object, and of all that are selected, which becomes many deletes of one.

use std::sync::Arc;

use http::Response;
use pintle_authz::{Asks as _, Verb};
use pintle_engine::{List, Listed, Refusal, Removal, ask_for};
use pintle_http::{Body, RequestBody, add_warnings};
use pintle_model::{Object, ObjectKey};
use pintle_rules::{Edit, Lane, Refusal as RulesRefusal};
use serde_json::json;

use crate::api::Call;
use crate::body;
use crate::options::{Deletion, ListOptions, WriteOptions};
use crate::read::{Include, collection};
use crate::refusals::Deed;
use crate::reply::{self, Failure};
use crate::status::success;
use crate::write::{carry_out, form_of, refine, respond, write_of};

/// The object goes.
pub(crate) async fn delete(call: Call<'_>, body: RequestBody) -> Result<Response<Body>, Failure> {
    let granted = call.grant(ask_for(Verb::Delete, &call.key(), None))?;
    let form = form_of(&call)?;
    let read = body::read_options(&call, body).await?;
    let deletion = Deletion::of(&call.query, read.as_ref(), &call.target.at.group)?;
    let name = call.name();
    let deed = Deed::Delete { expected: deletion.precondition.revision, gone: 0 };
    let write = refine(&call, granted, name, deed, |_| {
        let Deletion { options, precondition, dry_run } = deletion;
        let write = WriteOptions { dry_run, ..WriteOptions::default() };
        let edit = Edit::Delete(options);
        Ok(write_of(&call, call.key(), Lane::Main, edit, precondition, &write))
    })?;
    let written = carry_out(&call, write, name, deed).await?;
    if !written.removed {
        return Ok(respond(&call, form, 200, &written, &[]));
    }
    let gone = success(&call.about(name), written.object.uid().as_str());
    let mut response = reply::document(200, form.encoding, &gone);
    add_warnings(response.headers_mut(), &written.warnings);
    Ok(response)
}

/// So many objects of a collection are deleted at once: enough to share the flushes to the disk.
const DELETES_MAX: usize = 32;

/// All that is selected goes. The answer lists it as it was.
pub(crate) async fn delete_many(
    call: Call<'_>,
    body: RequestBody,
) -> Result<Response<Body>, Failure> {
    let options = ListOptions::of(&call.query, false)?;
    let selection = call.selection(&options);
    let list = List { selection, limit: options.limit, after: None, at: None };
    let granted = call.grant(Removal(list))?;
    let form = form_of(&call)?;
    let read = body::read_options(&call, body).await?;
    let deletion = Deletion::of(&call.query, read.as_ref(), &call.target.at.group)?;
    let listed = call.engine().list_to_remove(&granted).await;
    let listed = listed.map_err(|refusal| call.refused(refusal, "", Deed::Read))?;
    call.recording.pass().await.map_err(Failure::Closed)?;
    // What one of them may not is found out before any goes.
    delete_all(&call, &listed.objects, &Deletion { dry_run: true, ..deletion.clone() }).await?;
    if !deletion.dry_run {
        delete_all(&call, &listed.objects, &deletion).await?;
    }
    let list = granted.get().0.clone();
    if !call.engine().rules().allows(&call.caller.user, &list.ask()) {
        // Whoever may remove them all need not be one who may see them.
        let gone =
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
        return Ok(reply::document(200, form.encoding, &gone));
    }
    let metadata = json!({"resourceVersion": listed.revision.to_string()});
    let listed = Listed { next: None, ..listed };
    Ok(collection(&call, form, Include::Metadata, listed, &metadata))
}

/// Deletes all of these, or says what is in the way of one of them, and how many are gone by then.
async fn delete_all(
    call: &Call<'_>,
    objects: &[Arc<Object>],
    deletion: &Deletion,
) -> Result<(), Failure> {
    let mut gone = 0;
    for some in objects.chunks(DELETES_MAX) {
        let deletes = some.iter().map(|object| delete_one(call, &object.key, deletion));
        let deleted = futures_util::future::join_all(deletes).await;
        gone += deleted.iter().filter(|it| it.is_ok()).count();
        let failed = some.iter().zip(deleted).find_map(|(object, it)| Some((object, it.err()?)));
        if let Some((object, refusal)) = failed {
            let gone = if deletion.dry_run { 0 } else { gone };
            let deed = Deed::Delete { expected: deletion.precondition.revision, gone };
            return Err(call.refused(refusal, &object.key.name.name, deed));
        }
    }
    Ok(())
}

/// One of many. That it is gone already, or somebody was first, is no fault.
async fn delete_one(call: &Call<'_>, key: &ObjectKey, deletion: &Deletion) -> Result<(), Refusal> {
    let mut options = deletion.options;
    options.collective = true;
    let write = WriteOptions { dry_run: deletion.dry_run, ..WriteOptions::default() };
    let precondition = deletion.precondition.clone();
    let edit = Edit::Delete(options);
    let write = write_of(call, key.clone(), Lane::Main, edit, precondition, &write);
    let granted = call.engine().rules().grant(&call.caller.user, write)?;
    match call.engine().write(granted).await {
        Ok(_) | Err(Refusal::Rules(RulesRefusal::NotFound)) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}
