//! What each subcommand does.

use std::time::Duration;

use crate::args::{CeilingArgs, Command, FanOutArgs, LoadArgs, ObjectArgs, PaceArgs, WatchArgs};
use crate::connection;
use crate::constant;
use crate::error::{BenchError, Result};
use crate::load::{self, Measured, Pace};
use crate::objects::{self, Created};
use crate::operation::{OBJECTS_PER_CONNECTION, Operation, Requests, per_connection};
use crate::output::{progress, report};
use crate::report::{load_table, watch_table};
use crate::server::{Server, Subject};
use crate::session::Session;
use crate::suite;
use crate::watch::{self, FanOut};

/// Does what the command line says.
pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Run(args) => suite::run(args).await,
        Command::Ceiling(args) => ceiling(&args).await,
        Command::StatusPut(args) => {
            let status_bytes = size(args.load.objects.status_bytes);
            let operation = Operation::StatusPut { if_match: args.if_match, status_bytes };
            load_server(&args.load, operation).await
        }
        Command::PatchStatus(args) => load_server(&args, Operation::StatusPatch).await,
        Command::Get(args) => load_server(&args, Operation::Get).await,
        Command::List(args) => load_server(&args.load, Operation::List { limit: args.limit }).await,
        Command::Watch(args) => watch(&args).await,
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
            plural: "devices",
            operation,
            objects: &objects,
            pace: args.pace.pace(),
        };
        measure_each(&load, &args.pace.connections, &mut rows).await?;
    }
    server.stop().await?;
    finish(&rows)
}

/// What to send where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    /// What reports call it.
    pub(crate) name: &'static str,
    pub(crate) subject: &'a Subject,
    pub(crate) plural: &'a str,
    pub(crate) operation: Operation,
    pub(crate) objects: &'a [Created],
    pub(crate) pace: Pace,
}

/// Measures a load over so many connections.
pub(crate) async fn measure(load: &Load<'_>, connections: u16) -> Result<Measured> {
    progress(format_args!("{}, connections: {connections}", load.name));
    let requests = per_connection(
        load.subject,
        load.plural,
        load.operation,
        load.objects,
        usize::from(connections),
    )?;
    load::measure(load.subject, load.pace, requests).await
}

/// Measures a load with each number of connections in turn.
async fn measure_each(
    load: &Load<'_>,
    connections: &[u16],
    rows: &mut Vec<(&'static str, Measured)>,
) -> Result<()> {
    for &connections in connections {
        rows.push((load.name, measure(load, connections).await?));
    }
    Ok(())
}

async fn load_server(args: &LoadArgs, operation: Operation) -> Result<()> {
    let session = Session::open(&args.server).await?;
    let count = args.pace.connections_max() * OBJECTS_PER_CONNECTION;
    let objects = create(&session.subject, &args.objects, count).await?;
    let load = Load {
        name: operation.name(),
        subject: &session.subject,
        plural: &args.objects.plural,
        operation,
        objects: &objects,
        pace: args.pace.pace(),
    };
    let mut rows = Vec::new();
    measure_each(&load, &args.pace.connections, &mut rows).await?;
    session.close(objects).await?;
    finish(&rows)
}

async fn watch(args: &WatchArgs) -> Result<()> {
    let session = Session::open(&args.server).await?;
    let writers = usize::from(args.fan_out.writers);
    let objects = create(&session.subject, &args.objects, writers * OBJECTS_PER_CONNECTION).await?;
    let fan_out = args.fan_out.fan_out(args.seconds);
    let put =
        Operation::StatusPut { if_match: false, status_bytes: size(args.objects.status_bytes) };
    let plural = &args.objects.plural;
    let requests = per_connection(&session.subject, plural, put, &objects, writers)?;
    let delivered = watch::measure(&session.subject, plural, fan_out, requests).await?;
    session.close(objects).await?;
    report(&watch_table(&delivered))?;
    sound(delivered.is_sound())
}

/// Creates the objects that are asked for, at least `count`, and proves on the last that the server
/// takes our writes: an error then says what it does not like.
async fn create(subject: &Subject, args: &ObjectArgs, count: usize) -> Result<Vec<Created>> {
    let object_bytes = size(args.object_bytes - args.status_bytes.min(args.object_bytes));
    let count = count.max(size(args.objects)) + 1;
    let objects = objects::create(subject, &args.plural, count, object_bytes).await?;
    probe(subject, &args.plural, &objects, size(args.status_bytes)).await?;
    Ok(objects)
}

/// Writes the status of the last object, which no load touches; how large the answer is.
pub(crate) async fn probe(
    subject: &Subject,
    plural: &str,
    objects: &[Created],
    status_bytes: usize,
) -> Result<usize> {
    let last = objects.last().map(std::slice::from_ref).unwrap_or_default();
    let put = Operation::StatusPut { if_match: true, status_bytes };
    let request = Requests::new(subject, plural, put, last)?.next();
    let doing = "writing a status";
    let answer = connection::exchange_once(subject.target.address, request, doing).await?;
    Ok(answer.expect_success(doing)?.body.len())
}

fn finish(rows: &[(&str, Measured)]) -> Result<()> {
    report(&load_table(rows))?;
    sound(rows.iter().all(|(_, measured)| measured.tally.faults.is_empty()))
}

/// Numbers with failures in them are printed, but not passed off as results.
pub(crate) fn sound(sound: bool) -> Result<()> {
    let unsound =
        || BenchError::Unsound("requests failed or events were lost; see the table".to_owned());
    sound.then_some(()).ok_or_else(unsound)
}
