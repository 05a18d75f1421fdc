//! What definitions cost in memory, and how long a server that is given many takes to be ready.

use http::Method;
use serde_json::Value;
use tokio::process::Command;

use crate::args::DefinitionsArgs;
use crate::connection;
use crate::error::{BenchError, Result};
use crate::operation::request;
use crate::output::report;
use crate::report::{self as text, Table};
use crate::server::{Server, Subject};
use crate::session;
use crate::suite::{AtRest, rest};

/// What makes a server work out all that it says of its kinds, for each door.
const DESCRIPTIONS: [&str; 4] =
    ["/openapi.json", "/graphql/schema.graphql", "/apis", "/openapi/v3"];

/// Measures and reports.
pub(crate) async fn run(args: DefinitionsArgs) -> Result<()> {
    let mut table =
        Table::new(&["state", "definitions", "start to ready ms", "resident", "KiB a definition"]);
    let empty = start(&args, false, &mut table, None).await?;
    start(&args, true, &mut table, empty.resident).await?;
    report(&table.into_text())
}

/// Starts a server with the definitions or without, and looks at it twice: as it is at rest, and
/// after everything that describes its kinds was asked for.
async fn start(
    args: &DefinitionsArgs,
    with: bool,
    table: &mut Table,
    empty: Option<u64>,
) -> Result<AtRest> {
    let data = session::data_dir(&args.work_dir)?;
    let mut command = Command::new(&args.server);
    command.arg("serve").args(args.definitions.iter().filter(|_| with));
    command.arg("--data-dir").arg(data.path()).args(["--listen", "127.0.0.1:0"]);
    let server = Server::start(command).await?;
    let subject = server.subject();
    let count = definitions(&subject).await?;
    let state = if with { "with definitions" } else { "empty" };
    let at_rest = rest(state, Some(server.ready_after), &subject).await;
    row(table, &at_rest, count, empty);
    for path in DESCRIPTIONS {
        let request = request(&subject, Method::GET, path)?;
        connection::exchange_once(&subject.target.endpoint, request, path)
            .await?
            .expect_success(path)?;
    }
    row(table, &rest(&format!("{state}, described"), None, &subject).await, count, empty);
    server.stop().await?;
    Ok(at_rest)
}

async fn definitions(subject: &Subject) -> Result<u64> {
    let doing = "listing definitions";
    let request = request(subject, Method::GET, "/customresourcedefinitions")?;
    let answer = connection::exchange_once(&subject.target.endpoint, request, doing).await?;
    let listed: Value = serde_json::from_slice(&answer.expect_success(doing)?.body)
        .map_err(|error| BenchError::Answer(format!("{doing}: {error}")))?;
    Ok(listed.as_array().map_or(0, Vec::len) as u64)
}

fn row(table: &mut Table, it: &AtRest, count: u64, empty: Option<u64>) {
    let more = it.resident.zip(empty).map(|(now, empty)| now.saturating_sub(empty));
    let each =
        more.and_then(|more| more.checked_div(count)).map(|bytes| text::float(bytes) / 1024.0);
    table.row(&[
        it.state.clone(),
        count.to_string(),
        text::millis(it.ready_after),
        text::mebibytes(it.resident),
        text::known(each, 0),
    ]);
}
