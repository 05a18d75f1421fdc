//! The whole suite: everything a server is compared with is run beside it, one right after the
//! other.
//!
//! For each number of connections: the constant server's PUT rate (a), the rate of durable changes
//! of the store alone (b), the server's status PUT rate, the constant server's GET rate, the
//! server's. What a server can reach at most is `1 / (1/a + 1/b)`: the time of a request plus the
//! time of a durable change.

use std::time::Duration;

use tokio::time::sleep;

use crate::args::RunArgs;
use crate::collection::Collection;
use crate::commands::size;
use crate::constant;
use crate::error::Result;
use crate::load::Measured;
use crate::objects::{self, Created};
use crate::operation::{OBJECTS_PER_CONNECTION, Operation, per_connection};
use crate::output::report;
use crate::report::{self as text, Table, load_table, section, watch_table};
use crate::scenario::{Load, measure, probe, sound, store_alone};
use crate::server::{Server, Subject};
use crate::session;
use crate::store::Sizes;
use crate::usage::resident_bytes;
use crate::watch::{self, Delivered};

/// The resource of `examples/devices`.
static DEVICES: Collection = Collection::rest("devices");
/// An object with its status, about; the sizes of the measurements in the design notes.
const SIZES: Sizes = Sizes { object_bytes: 1_800, status_bytes: 370 };
/// An object without a status, where memory and start-up are measured.
const STORED_OBJECT_BYTES: usize = 1_500;
/// A process that has nothing to do is given so long to let go of memory.
const REST: Duration = Duration::from_secs(1);

/// What was found for one number of connections.
#[derive(Debug)]
struct Row {
    constant_put: Measured,
    store: Measured,
    put: Measured,
    constant_get: Measured,
    get: Measured,
}

/// What a server is like when nobody asks anything of it.
#[derive(Debug)]
pub(crate) struct AtRest {
    pub(crate) state: String,
    pub(crate) ready_after: Option<Duration>,
    pub(crate) resident: Option<u64>,
}

/// Runs everything and prints the report.
pub(crate) async fn run(args: RunArgs) -> Result<()> {
    let args = if args.quick { quick(args) } else { args };
    let mut at_rest = Vec::new();
    let (rows, delivered) = under_load(&args, &mut at_rest).await?;
    if args.objects > 0 {
        with_many_objects(&args, &mut at_rest).await?;
    }
    report(&written(&args, &rows, &delivered, &at_rest))?;
    sound(delivered.is_sound() && rows.iter().all(Row::is_sound))
}

fn quick(mut args: RunArgs) -> RunArgs {
    args.pace.connections = vec![1, 64];
    args.pace.seconds = Duration::from_secs(1);
    args.pace.warmup = Duration::from_millis(300);
    args.fan_out.watchers = 100;
    args.objects = 10_000;
    args
}

/// Requests and fan-out, on a server that was just started.
async fn under_load(args: &RunArgs, at_rest: &mut Vec<AtRest>) -> Result<(Vec<Row>, Delivered)> {
    let data = session::data_dir(&args.launch.work_dir)?;
    let server = session::start(&args.launch, data.path()).await?;
    let subject = server.subject();
    at_rest.push(rest("empty", Some(server.ready_after), &subject).await);

    let writers = usize::from(args.fan_out.writers);
    let connections = args.pace.connections_max().max(writers);
    let count = connections * OBJECTS_PER_CONNECTION + 1;
    let objects =
        objects::create(&subject, &DEVICES, count, SIZES.object_bytes - SIZES.status_bytes).await?;
    let answer_bytes = probe(&subject, &DEVICES, &objects, SIZES.status_bytes).await?;
    let constant = Server::start(constant::command(answer_bytes)?).await?;
    let mut rows = Vec::new();
    for &connections in &args.pace.connections {
        rows.push(row(args, connections, &constant.subject(), &subject, &objects).await?);
    }
    constant.stop().await?;
    at_rest.push(rest(&format!("{count} objects, after load"), None, &subject).await);

    let put = status_put();
    let requests = per_connection(&subject, &DEVICES, put, &objects, writers)?;
    let fan_out = args.fan_out.fan_out(watch_length(args));
    let delivered = watch::measure(&subject, &DEVICES, fan_out, requests).await?;
    server.stop().await?;
    Ok((rows, delivered))
}

/// Events trickle in at a fixed rate: the tail needs more seconds than a closed loop does.
fn watch_length(args: &RunArgs) -> Duration {
    args.pace.seconds * 2
}

const fn status_put() -> Operation {
    Operation::StatusPut { if_match: false, status_bytes: SIZES.status_bytes }
}

async fn row(
    args: &RunArgs,
    connections: u16,
    constant: &Subject,
    server: &Subject,
    objects: &[Created],
) -> Result<Row> {
    let load = |name, subject, operation| Load {
        name,
        subject,
        collection: &DEVICES,
        operation,
        objects,
        pace: args.pace.pace(),
    };
    let constant_put = measure(&load("constant PUT", constant, status_put()), connections).await?;
    let store = store_alone(&args.launch.work_dir, connections, SIZES, args.pace.pace()).await?;
    let put = measure(&load("status PUT", server, status_put()), connections).await?;
    let constant_get =
        measure(&load("constant GET", constant, Operation::Get), connections).await?;
    let get = measure(&load("GET", server, Operation::Get), connections).await?;
    Ok(Row { constant_put, store, put, constant_get, get })
}

/// Memory and start-up with as many objects as were asked for.
async fn with_many_objects(args: &RunArgs, at_rest: &mut Vec<AtRest>) -> Result<()> {
    let data = session::data_dir(&args.launch.work_dir)?;
    let server = session::start(&args.launch, data.path()).await?;
    let subject = server.subject();
    objects::create(&subject, &DEVICES, size(args.objects), STORED_OBJECT_BYTES).await?;
    let state = format!("{} objects", args.objects);
    at_rest.push(rest(&format!("{state}, just created"), None, &subject).await);
    server.stop().await?;

    let server = session::start(&args.launch, data.path()).await?;
    let ready_after = Some(server.ready_after);
    at_rest.push(rest(&format!("{state}, restarted"), ready_after, &server.subject()).await);
    server.stop().await
}

/// What a server takes that has nothing to do.
pub(crate) async fn rest(state: &str, ready_after: Option<Duration>, subject: &Subject) -> AtRest {
    sleep(REST).await;
    let resident = subject.pid.and_then(resident_bytes);
    AtRest { state: state.to_owned(), ready_after, resident }
}

impl Row {
    fn is_sound(&self) -> bool {
        let all = [&self.constant_put, &self.put, &self.constant_get, &self.get];
        all.iter().all(|measured| measured.tally.faults.is_empty())
    }
}

/// What both together leave, one after the other.
fn ceiling(constant: f64, store: f64) -> f64 {
    1.0 / (1.0 / constant + 1.0 / store)
}

fn written(args: &RunArgs, rows: &[Row], delivered: &Delivered, at_rest: &[AtRest]) -> String {
    let mut report = String::new();
    section(&mut report, "Ratios", &ratios(rows));
    let all: Vec<_> = rows.iter().flat_map(Row::named).collect();
    section(&mut report, "Requests", &load_table(&all));
    section(&mut report, "Watch", &watch_table(delivered));
    section(&mut report, "At rest", &rest_table(at_rest));
    report.push_str(&conditions(args));
    report
}

impl Row {
    fn named(&self) -> [(&'static str, Measured); 5] {
        [
            ("constant PUT", self.constant_put.clone()),
            ("store alone", self.store.clone()),
            ("status PUT", self.put.clone()),
            ("constant GET", self.constant_get.clone()),
            ("GET", self.get.clone()),
        ]
    }
}

fn ratios(rows: &[Row]) -> String {
    let mut table = Table::new(&[
        "connections",
        "a: constant PUT/s",
        "b: store alone/s",
        "ceiling 1/(1/a+1/b)",
        "status PUT/s",
        "of ceiling",
        "constant GET/s",
        "GET/s",
        "of constant",
    ]);
    for row in rows {
        let constant = row.constant_put.per_second();
        let store = row.store.per_second();
        let ceiling = ceiling(constant, store);
        table.row(&[
            row.put.connections.to_string(),
            text::count(constant),
            text::count(store),
            text::count(ceiling),
            text::count(row.put.per_second()),
            text::percent(row.put.per_second() / ceiling),
            text::count(row.constant_get.per_second()),
            text::count(row.get.per_second()),
            text::percent(row.get.per_second() / row.constant_get.per_second()),
        ]);
    }
    table.into_text()
}

fn rest_table(at_rest: &[AtRest]) -> String {
    let mut table = Table::new(&["state", "start to ready ms", "resident"]);
    for state in at_rest {
        table.row(&[
            state.state.clone(),
            text::millis(state.ready_after),
            text::mebibytes(state.resident),
        ]);
    }
    table.into_text()
}

fn conditions(args: &RunArgs) -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "\n{cores} cores, shared by generator and server; {} s each after {} s of warm-up; plain \
         HTTP/1.1 keep-alive on loopback, {OBJECTS_PER_CONNECTION} objects a connection, status body \
         {} B.\n",
        args.pace.seconds.as_secs_f64(),
        args.pace.warmup.as_secs_f64(),
        SIZES.status_bytes,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Tally;
    use crate::usage::Usage;

    fn measured(per_second: u64) -> Measured {
        let mut tally = Tally::default();
        tally.latency.record_many(Duration::from_millis(1), per_second);
        let length = Duration::from_secs(1);
        Measured { connections: 64, length, tally, usage: Usage::default() }
    }

    #[test]
    fn the_ceiling_is_the_sum_of_both_times() {
        let row = Row {
            constant_put: measured(40_000),
            store: measured(40_000),
            put: measured(10_000),
            constant_get: measured(70_000),
            get: measured(35_000),
        };
        assert_eq!(
            ratios(&[row]).lines().nth(2),
            Some("| 64 | 40,000 | 40,000 | 20,000 | 10,000 | 50 % | 70,000 | 35,000 | 50 % |")
        );
    }

    #[test]
    fn what_is_not_known_at_rest_is_left_open() {
        let state =
            AtRest { state: "empty".to_owned(), ready_after: None, resident: Some(1 << 20) };
        assert_eq!(rest_table(&[state]).lines().nth(2), Some("| empty | - | 1 MiB |"));
    }
}
