//! What the GraphQL door costs beside REST: status writes through both, and lists beside what it
//! takes to write the same JSON.
//!
//! Both doors are measured in turn, round after round, on one server; what counts is the ratio
//! within a round, and the median of the rounds is told.

use std::fmt::Write as _;
use std::time::Instant;

use serde_json::Value;

use crate::args::GraphqlArgs;
use crate::collection::{Collection, Door};
use crate::commands::size;
use crate::connection;
use crate::error::{BenchError, Result};
use crate::load::Measured;
use crate::objects::{self, Created};
use crate::operation::{OBJECTS_PER_CONNECTION, Operation, Requests};
use crate::output::report;
use crate::overhead::median;
use crate::report::{self as text, Table, load_table, section};
use crate::scenario::{Load, measure, probe, sound};
use crate::server::Subject;
use crate::session;

const OBJECT_BYTES: usize = 1_430;
const STATUS_BYTES: usize = 370;
/// So many objects a list shows, with ten fields each.
const LISTED: u32 = 1_000;
/// The same JSON is written so often, and the median counts.
const WRITTEN_TIMES: usize = 101;

/// One round: both doors, and the list.
#[derive(Debug)]
struct Round {
    rest: Measured,
    graphql: Measured,
    list: Measured,
}

/// Measures and reports.
pub(crate) async fn run(args: GraphqlArgs) -> Result<()> {
    let data = session::data_dir(&args.launch.work_dir)?;
    let server = session::start(&args.launch, data.path()).await?;
    let subject = server.subject();
    let count = usize::from(args.rounds.connections) * OBJECTS_PER_CONNECTION + 1;
    let count = count.max(size(LISTED));
    let rest = Collection::new(Door::Rest, "devices");
    let graphql = Collection::new(Door::Graphql, "devices");
    let by_uid = objects::create(&subject, &rest, count, OBJECT_BYTES).await?;
    // Objects of their own, so that no door finds what the other one changed.
    let by_name = objects::create(&subject, &graphql, count, OBJECT_BYTES).await?;
    for (collection, objects) in [(&rest, &by_uid), (&graphql, &by_name)] {
        probe(&subject, collection, objects, STATUS_BYTES).await?;
    }
    let bench = Bench { args: &args, subject: &subject };
    let mut rounds = Vec::new();
    for _ in 0..args.rounds.rounds {
        rounds.push(Round {
            rest: bench.status("status PUT", &rest, &by_uid).await?,
            graphql: bench.status("status mutation", &graphql, &by_name).await?,
            list: bench.list(&graphql, &by_name).await?,
        });
    }
    let serialising = serialising(&subject, &graphql, &by_name).await?;
    server.stop().await?;
    report(&written(&args, &rounds, serialising))?;
    sound(rounds.iter().flat_map(Round::all).all(|(_, it)| it.tally.faults.is_empty()))
}

struct Bench<'a> {
    args: &'a GraphqlArgs,
    subject: &'a Subject,
}

impl Bench<'_> {
    async fn status(
        &self,
        name: &'static str,
        collection: &Collection,
        objects: &[Created],
    ) -> Result<Measured> {
        let operation = Operation::StatusPut { if_match: false, status_bytes: STATUS_BYTES };
        self.load(name, collection, objects, operation, self.args.rounds.connections).await
    }

    async fn list(&self, collection: &Collection, objects: &[Created]) -> Result<Measured> {
        self.load("list", collection, objects, Operation::List { limit: LISTED }, 1).await
    }

    async fn load(
        &self,
        name: &'static str,
        collection: &Collection,
        objects: &[Created],
        operation: Operation,
        connections: u16,
    ) -> Result<Measured> {
        let pace = self.args.rounds.pace();
        let load = Load { name, subject: self.subject, collection, operation, objects, pace };
        measure(&load, connections).await
    }
}

impl Round {
    fn all(&self) -> [(&'static str, &Measured); 3] {
        [("status PUT", &self.rest), ("status mutation", &self.graphql), ("list", &self.list)]
    }
}

/// How many microseconds it takes to write the JSON of a list that was read.
async fn serialising(
    subject: &Subject,
    collection: &Collection,
    objects: &[Created],
) -> Result<f64> {
    let operation = Operation::List { limit: LISTED };
    let request = Requests::new(subject, collection, operation, objects)?.next();
    let doing = "listing";
    let answer = connection::exchange_once(&subject.target.endpoint, request, doing).await?;
    let answer: Value = serde_json::from_slice(&answer.expect_success(doing)?.body)
        .map_err(|error| BenchError::Answer(format!("{doing}: {error}")))?;
    let once = |_| {
        let began = Instant::now();
        let bytes = std::hint::black_box(&answer).to_string();
        std::hint::black_box(bytes);
        began.elapsed().as_secs_f64() * 1e6
    };
    Ok(median((0..WRITTEN_TIMES).map(once).collect()))
}

fn written(args: &GraphqlArgs, rounds: &[Round], serialising: f64) -> String {
    let mut report = String::new();
    section(&mut report, "GraphQL beside REST", &table(rounds, serialising));
    let rows: Vec<_> =
        rounds.iter().flat_map(|round| round.all().map(|(name, it)| (name, it.clone()))).collect();
    section(&mut report, "Rounds", &load_table(&rows));
    let _infallible = write!(
        report,
        "\n{} connections, {} rounds of {} s each in turn; lists of {LISTED} objects x 10 fields \
         over one connection, beside writing the same JSON from memory.\n",
        args.rounds.connections,
        args.rounds.rounds,
        args.rounds.seconds.as_secs_f64()
    );
    report
}

fn table(rounds: &[Round], serialising: f64) -> String {
    let mut table = Table::new(&["what", "median", "beside", "median", "ratio (median)"]);
    let middle = |of: &dyn Fn(&Round) -> f64| median(rounds.iter().map(of).collect());
    let ratio = middle(&|it| it.graphql.per_second() / it.rest.per_second());
    table.row(&[
        "status mutation/s".to_owned(),
        text::count(middle(&|it| it.graphql.per_second())),
        "REST status PUT/s".to_owned(),
        text::count(middle(&|it| it.rest.per_second())),
        text::percent(ratio),
    ]);
    let list = middle(&|it| 1e6 / it.list.per_second());
    table.row(&[
        "list, us".to_owned(),
        text::count(list),
        "the same JSON, us".to_owned(),
        text::count(serialising),
        format!("{:.1} x", list / serialising),
    ]);
    table.into_text()
}
