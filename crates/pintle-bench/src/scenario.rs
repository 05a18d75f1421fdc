//! Single measurements, however they were asked for: by a subcommand or by the suite.

use std::path::Path;
use std::sync::Arc;

use pintle_store::HistoryLimits;
use pintle_store_sqlite::SqliteStore;

use crate::collection::Collection;
use crate::connection;
use crate::error::{BenchError, Result};
use crate::load::{self, Measured, Pace};
use crate::objects::{self, Created};
use crate::operation::{Operation, Requests, per_connection};
use crate::output::progress;
use crate::server::Subject;
use crate::session;
use crate::store::{self, Sizes};

/// What to send where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    /// What reports call it.
    pub(crate) name: &'static str,
    pub(crate) subject: &'a Subject,
    pub(crate) collection: &'a Collection,
    pub(crate) operation: Operation,
    pub(crate) objects: &'a [Created],
    pub(crate) pace: Pace,
}

/// Measures a load over so many connections.
pub(crate) async fn measure(load: &Load<'_>, connections: u16) -> Result<Measured> {
    progress(format_args!("{}, connections: {connections}", load.name));
    let newest;
    let mut objects = load.objects;
    if load.collection.puts_versions() {
        newest = objects::read_again(load.subject, load.collection, objects).await?;
        objects = &newest;
    }
    let requests = per_connection(
        load.subject,
        load.collection,
        load.operation,
        objects,
        usize::from(connections),
    )?;
    load::measure(load.subject, load.pace, requests).await
}

/// Measures a store of its own, which is removed again.
pub(crate) async fn store_alone(
    work_dir: &Path,
    committers: u16,
    sizes: Sizes,
    pace: Pace,
) -> Result<Measured> {
    progress(format_args!("store alone, committers: {committers}"));
    let data = session::data_dir(work_dir)?;
    let opened = SqliteStore::open(data.path(), HistoryLimits::default());
    let store = opened.map_err(|error| BenchError::Refused(error.to_string()))?;
    store::measure(Arc::new(store), committers, sizes, pace).await
}

/// Writes the status of the last object, which no load touches, so that a server that does not take
/// our writes says why; how large its answer is.
pub(crate) async fn probe(
    subject: &Subject,
    collection: &Collection,
    objects: &[Created],
    status_bytes: usize,
) -> Result<usize> {
    let last = objects.last().map(std::slice::from_ref).unwrap_or_default();
    let put = Operation::StatusPut { if_match: true, status_bytes };
    let mut requests = Requests::new(subject, collection, put, last)?;
    let request = requests.next();
    let doing = "writing a status";
    let answer = connection::exchange_once(&subject.target.endpoint, request, doing).await?;
    let answer = answer.expect_success(doing)?;
    requests.told(&answer.body);
    if requests.failed() {
        let text = String::from_utf8_lossy(&answer.body);
        return Err(BenchError::Answer(format!("{doing}: the server answered {text}")));
    }
    Ok(answer.body.len())
}

/// Numbers with failures in them are printed, but not passed off as results.
pub(crate) fn sound(sound: bool) -> Result<()> {
    let unsound =
        || BenchError::Unsound("requests failed or events were lost; see the table".to_owned());
    sound.then_some(()).ok_or_else(unsound)
}
