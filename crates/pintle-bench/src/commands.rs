//! What each subcommand does.

use std::time::Duration;

use crate::args::{
    CeilingArgs, Command, FanOutArgs, LoadArgs, ObjectArgs, PaceArgs, StoreArgs, WatchArgs,
};
use crate::collection::{Collection, Door};
use crate::constant;
use crate::definitions;
use crate::error::{BenchError, Result};
use crate::graphql;
use crate::instructions;
use crate::load::{Measured, Pace};
use crate::objects::{self, Created};
use crate::operation::{OBJECTS_PER_CONNECTION, Operation, per_connection};
use crate::output::report;
use crate::overhead;
use crate::report::{load_table, watch_table};
use crate::scenario::{Load, measure, probe, sound, store_alone};
use crate::server::{Server, Subject};
use crate::session::Session;
use crate::store::Sizes;
use crate::suite;
use crate::tls;
use crate::watch::{self, Delivered, FanOut};

/// A measurement and what reports call it.
type Row = (&'static str, Measured);

/// Does what the command line says.
pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Run(args) => suite::run(args).await,
        Command::Ceiling(args) => ceiling(&args).await,
        Command::Store(args) => store(&args).await,
        Command::StatusPut(args) => {
            let status_bytes = size(args.load.objects.status_bytes);
            let operation = Operation::StatusPut { if_match: args.if_match, status_bytes };
            load_server(&args.load, operation).await
        }
        Command::PatchStatus(args) => load_server(&args, Operation::StatusPatch).await,
        Command::Get(args) => load_server(&args, Operation::Get).await,
        Command::List(args) => load_server(&args.load, Operation::List { limit: args.limit }).await,
        Command::Watch(args) => watch(&args).await,
        Command::Overhead(args) => overhead::run(args).await,
        Command::Tls(args) => tls::run(args).await,
        Command::Definitions(args) => definitions::run(args).await,
        Command::Graphql(args) => graphql::run(args).await,
        Command::Instructions(args) => instructions::run(args).await,
        Command::ConstantServer(args) => constant::serve(size(args.answer_bytes)).await,
    }
}

/// A size or count from the command line as this machine counts.
pub(crate) fn size(number: u32) -> usize {
    usize::try_from(number).expect("no 16-bit machine runs this")
}

impl PaceArgs {
    /// Each measurement's pace.
    pub(crate) const fn pace(&self) -> Pace {
        Pace { warmup: self.warmup, length: self.seconds }
    }

    /// How many connections at most.
    pub(crate) fn connections_max(&self) -> usize {
        self.connections.iter().copied().max().map_or(1, usize::from)
    }
}

impl FanOutArgs {
    /// The fan-out, for so long.
    pub(crate) fn fan_out(&self, length: Duration) -> FanOut {
        FanOut {
            watchers: usize::from(self.watchers),
            writes_per_second: self.writes_per_second,
            length,
        }
    }
}

async fn ceiling(args: &CeilingArgs) -> Result<()> {
    let server = Server::start(constant::command(size(args.answer_bytes))?).await?;
    let subject = server.subject();
    let objects = constant::objects(args.pace.connections_max() * OBJECTS_PER_CONNECTION);
    let put = Operation::StatusPut { if_match: false, status_bytes: size(args.status_bytes) };
    let mut rows = Vec::new();
    for (operation, name) in [(put, "constant PUT"), (Operation::Get, "constant GET")] {
        let load = Load {
            name,
            subject: &subject,
            collection: &Collection::rest("devices"),
            operation,
            objects: &objects,
            pace: args.pace.pace(),
        };
        measure_each(&load, &args.pace.connections, &mut rows).await?;
    }
    server.stop().await?;
    finish(&rows)
}

async fn store(args: &StoreArgs) -> Result<()> {
    let sizes = Sizes {
        object_bytes: size(args.object_bytes),
        status_bytes: size(args.status_bytes.min(args.object_bytes)),
    };
    let mut rows = Vec::new();
    for &committers in &args.pace.connections {
        let measured = store_alone(&args.work_dir, committers, sizes, args.pace.pace()).await?;
        rows.push(("store alone", measured));
    }
    finish(&rows)
}

/// Measures a load with each number of connections in turn.
async fn measure_each(load: &Load<'_>, connections: &[u16], rows: &mut Vec<Row>) -> Result<()> {
    for &connections in connections {
        rows.push((load.name, measure(load, connections).await?));
    }
    Ok(())
}

async fn load_server(args: &LoadArgs, operation: Operation) -> Result<()> {
    let session = Session::open(&args.server).await?;
    let count = args.pace.connections_max() * OBJECTS_PER_CONNECTION;
    let objects = create(&session.subject, &args.objects, count, operation).await?;
    let measured = load_objects(&session.subject, args, operation, &objects).await;
    session.close(objects).await?;
    finish(&measured?)
}

async fn load_objects(
    subject: &Subject,
    args: &LoadArgs,
    operation: Operation,
    objects: &[Created],
) -> Result<Vec<Row>> {
    let collection = &args.objects.collection();
    probe(subject, collection, objects, size(args.objects.status_bytes)).await?;
    let pace = args.pace.pace();
    let load = Load { name: operation.name(), subject, collection, operation, objects, pace };
    let mut rows = Vec::new();
    measure_each(&load, &args.pace.connections, &mut rows).await?;
    Ok(rows)
}

async fn watch(args: &WatchArgs) -> Result<()> {
    if args.objects.door == Door::Graphql {
        let why = "watches are measured through the other doors; subscriptions share the events";
        return Err(BenchError::Refused(why.to_owned()));
    }
    let session = Session::open(&args.server).await?;
    let status_bytes = size(args.objects.status_bytes);
    let put = Operation::StatusPut { if_match: false, status_bytes };
    let count = usize::from(args.fan_out.writers) * OBJECTS_PER_CONNECTION;
    let objects = create(&session.subject, &args.objects, count, put).await?;
    let delivered = watch_objects(&session.subject, args, put, &objects).await;
    session.close(objects).await?;
    let delivered = delivered?;
    report(&watch_table(&delivered))?;
    sound(delivered.is_sound())
}

async fn watch_objects(
    subject: &Subject,
    args: &WatchArgs,
    put: Operation,
    objects: &[Created],
) -> Result<Delivered> {
    let collection = &args.objects.collection();
    probe(subject, collection, objects, size(args.objects.status_bytes)).await?;
    let writers = usize::from(args.fan_out.writers);
    let requests = per_connection(subject, collection, put, objects, writers)?;
    watch::measure(subject, collection, args.fan_out.fan_out(args.seconds), requests).await
}

/// Creates the objects that are asked for, at least `count`, and one more to [`probe`] with. What
/// an operation reads has its size at once, what it writes a status to has it with the status.
async fn create(
    subject: &Subject,
    args: &ObjectArgs,
    count: usize,
    operation: Operation,
) -> Result<Vec<Created>> {
    let status_bytes = match operation {
        Operation::StatusPut { .. } | Operation::StatusPatch => args.status_bytes,
        Operation::Get | Operation::List { .. } => 0,
    };
    let object_bytes = size(args.object_bytes.saturating_sub(status_bytes));
    let count = count.max(size(args.objects)) + 1;
    objects::create(subject, &args.collection(), count, object_bytes).await
}

fn finish(rows: &[Row]) -> Result<()> {
    report(&load_table(rows))?;
    sound(rows.iter().all(|(_, measured)| measured.tally.faults.is_empty()))
}
