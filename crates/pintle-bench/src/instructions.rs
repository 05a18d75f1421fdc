//! What one request costs the server in instructions and allocations, counted by Callgrind.
//!
//! Time says much about the machine and about who else is at work on it. The number of instructions
//! hardly does, so it can be compared from one build to the next. Nothing in it is about waiting,
//! about the kernel or about how well caches are used: it finds work that is done in vain, and no
//! more.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use tokio::process::Command;
use tokio::task::JoinSet;

use crate::args::InstructionsArgs;
use crate::collection::Collection;
use crate::connection;
use crate::error::{BenchError, Result};
use crate::objects;
use crate::operation::{OBJECTS_PER_CONNECTION, Operation, Requests, per_connection};
use crate::output::{progress, report};
use crate::report::{self as text, Table};
use crate::server::{Server, Subject};
use crate::session;

static DEVICES: Collection = Collection::rest("devices");
const OBJECT_BYTES: usize = 1_430;
const STATUS_BYTES: usize = 370;
/// Before the count begins, each connection sends so many.
const WARMUP: u32 = 20;
/// Where Callgrind writes; what it is told to dump first gets a number behind it.
const COUNTS_FILE: &str = "callgrind.out";
/// What Rust code asks for memory, as the symbols of the server have it.
const ALLOCATORS: [&str; 3] =
    ["__rustc::__rust_alloc", "__rustc::__rust_alloc_zeroed", "__rustc::__rust_realloc"];

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    instructions: u64,
    allocations: u64,
}

/// Measures and reports.
pub(crate) async fn run(args: InstructionsArgs) -> Result<()> {
    let mut table = Table::new(&["operation", "requests", "instructions each", "allocations each"]);
    let put = Operation::StatusPut { if_match: false, status_bytes: STATUS_BYTES };
    for operation in [Operation::Get, put] {
        let counts = count(&args, operation).await?;
        let requests = u64::from(args.requests) * u64::from(args.connections);
        let each = |number| text::float(number) / text::float(requests);
        table.row(&[
            operation.name().to_owned(),
            requests.to_string(),
            text::count(each(counts.instructions)),
            format!("{:.1}", each(counts.allocations)),
        ]);
    }
    report(&table.into_text())
}

/// One operation, against a server of its own.
async fn count(args: &InstructionsArgs, operation: Operation) -> Result<Counts> {
    let data = session::data_dir(&args.launch.work_dir)?;
    let counts_file = data.path().join(COUNTS_FILE);
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind");
    command.arg(format!("--callgrind-out-file={}", counts_file.display()));
    command.arg(&args.launch.server);
    let command = session::serve_command(command, &args.launch, &data.path().join("data"), &[]);
    progress(format_args!("{}: starting a server under Callgrind, slowly", operation.name()));
    let server = Server::start(command).await?;
    let subject = server.subject();
    let connections = usize::from(args.connections);
    let count = connections * OBJECTS_PER_CONNECTION;
    let objects = objects::create(&subject, &DEVICES, count, OBJECT_BYTES).await?;
    let requests = || per_connection(&subject, &DEVICES, operation, &objects, connections);
    send(&subject, requests()?, WARMUP).await?;
    tell(&subject, "zero").await?;
    send(&subject, requests()?, args.requests).await?;
    tell(&subject, "dump").await?;
    let dumped = data.path().join(format!("{COUNTS_FILE}.1"));
    let counts = read(&dumped)?;
    if let Some(folder) = &args.keep {
        let name = format!("{}.callgrind", operation.name().replace(' ', "-").to_lowercase());
        let to = folder.join(name);
        let failed = |source| BenchError::io(format!("cannot write {}", to.display()), source);
        fs::create_dir_all(folder).map_err(failed)?;
        fs::copy(&dumped, &to).map_err(failed)?;
    }
    server.stop().await?;
    Ok(counts)
}

/// Sends so many requests over each connection, one after the other. All must succeed.
async fn send(subject: &Subject, requests: Vec<Requests>, times: u32) -> Result<()> {
    let mut running = JoinSet::new();
    for mut requests in requests {
        let endpoint = subject.target.endpoint.clone();
        running.spawn(async move {
            let (mut sender, transport) = connection::open(&endpoint).await?;
            let work = async {
                for _ in 0..times {
                    let request = requests.next();
                    let doing = "a counted request";
                    let answer = connection::exchange(&mut sender, request, doing).await?;
                    answer.expect_success(doing)?;
                }
                Ok(())
            };
            connection::drive(transport, work).await
        });
    }
    while let Some(sent) = running.join_next().await {
        sent.expect("a client neither panics nor is cancelled")?;
    }
    Ok(())
}

/// Tells Callgrind in the server something.
async fn tell(subject: &Subject, what: &str) -> Result<()> {
    let Some(pid) = subject.pid else {
        return Err(BenchError::Refused("the server's process is not known".to_owned()));
    };
    let mut command = Command::new("vgdb");
    command.arg(format!("--pid={pid}")).arg(what).kill_on_drop(true);
    let output = command.output().await;
    let output = output.map_err(|source| BenchError::io("cannot run vgdb", source))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(BenchError::Refused(format!("vgdb could not say {what} to the server: {said}")))
}

fn read(file: &Path) -> Result<Counts> {
    let failed = |source| BenchError::io(format!("cannot read {}", file.display()), source);
    let text = fs::read_to_string(file).map_err(failed)?;
    parse(&text).ok_or_else(|| {
        BenchError::Answer(format!("{} does not hold what Callgrind counts", file.display()))
    })
}

/// Reads Callgrind's format: the sum of each thread is a `totals` or `summary`, and whatever was
/// called is a `cfn` with a `calls` behind it. A name stands in full the first time only, and its
/// number after that.
fn parse(text: &str) -> Option<Counts> {
    let mut counts = Counts::default();
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut called = "";
    let mut found = false;
    for line in text.lines() {
        if let Some(total) = line.strip_prefix("totals: ") {
            counts.instructions += total.split(' ').next()?.parse::<u64>().ok()?;
            found = true;
        } else if let Some(name) = line.strip_prefix("cfn=").or_else(|| line.strip_prefix("fn=")) {
            let (number, name) = name.split_once(' ').unwrap_or((name, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            called = names.get(number).copied().unwrap_or_default();
        } else if let Some(calls) = line.strip_prefix("calls=")
            && ALLOCATORS.contains(&called)
        {
            counts.allocations += calls.split(' ').next()?.parse::<u64>().ok()?;
        }
    }
    found.then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_with_names_in_full_and_by_number() {
        let text = "version: 1\nevents: Ir\n\nfn=(1) serve\n10 5\n\
                    cfn=(2) __rustc::__rust_alloc\ncalls=3 20\n10 90\n\
                    fn=(2)\n20 90\nfn=(3) parse\n1 1\ncfn=(2)\ncalls=4 20\n1 9\n\
                    cfn=(1)\ncalls=7 0\n1 1\ntotals: 195\n";
        assert_eq!(parse(text), Some(Counts { instructions: 195, allocations: 7 }));
        assert_eq!(parse("cfn=(1) __rustc::__rust_alloc\ncalls=1 0\n"), None);
    }
}
