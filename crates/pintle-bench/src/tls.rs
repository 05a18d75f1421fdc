//! What TLS costs, through any door: reads, status writes, lists and watches.
//!
//! A server with TLS and one without run beside each other and are measured in turn, round after
//! round. What counts is the ratio within a round; the median of the rounds is told. The generator
//! encrypts as well, on the same cores, so the ratio of the rates shows more than what TLS costs
//! the server; its CPU time for a request shows that.

use std::fmt::Write as _;

use tempfile::TempDir;

use crate::args::TlsArgs;
use crate::collection::{Collection, Door};
use crate::commands::size;
use crate::error::Result;
use crate::load::Measured;
use crate::objects::{self, Created};
use crate::operation::{OBJECTS_PER_CONNECTION, Operation, per_connection};
use crate::output::{progress, report};
use crate::overhead::median;
use crate::report::{self as text, Table, load_table, section, watch_table};
use crate::scenario::{Load, measure, probe, sound};
use crate::server::{Server, Subject};
use crate::session;
use crate::watch::{self, Delivered};

const OBJECT_BYTES: usize = 1_430;
const STATUS_BYTES: usize = 370;
const STATUS_PUT: Operation = Operation::StatusPut { if_match: false, status_bytes: STATUS_BYTES };
/// The tail of what events take needs more seconds than a closed loop does.
const WATCHED_TIMES: u32 = 4;
/// A list is read over so many connections: more of them say how long a client waits for others.
const LIST_CONNECTIONS: u16 = 1;

/// A server with TLS or without.
#[derive(Debug)]
struct Candidate {
    name: &'static str,
    server: Server,
    subject: Subject,
    objects: Vec<Created>,
    /// Removed with all that is in it.
    _data: TempDir,
}

/// What one operation reached, round after round.
#[derive(Debug)]
struct Comparison {
    operation: Operation,
    rounds: Vec<Round>,
}

/// Both servers, one right after the other.
#[derive(Debug)]
struct Round {
    plain: Measured,
    tls: Measured,
}

/// Measures and reports.
pub(crate) async fn run(args: TlsArgs) -> Result<()> {
    let collection = Collection::new(args.door, "devices");
    let plain = Candidate::start(&args, &collection, "plain", None).await?;
    let tls = Candidate::start(&args, &collection, "TLS", Some("--tls-self-signed")).await?;
    let mut comparisons = Vec::new();
    for operation in operations(args.limit) {
        let mut rounds = Vec::new();
        for _ in 0..args.rounds.rounds {
            rounds.push(Round {
                plain: plain.measure(&args, &collection, operation).await?,
                tls: tls.measure(&args, &collection, operation).await?,
            });
        }
        comparisons.push(Comparison { operation, rounds });
    }
    let mut fan_outs = Vec::new();
    if args.door != Door::Graphql {
        for candidate in [&plain, &tls] {
            fan_outs.push((candidate.name, candidate.fan_out(&args, &collection).await?));
        }
    }
    plain.server.stop().await?;
    tls.server.stop().await?;
    report(&written(&args, &comparisons, &fan_outs))?;
    let all_told = fan_outs.iter().all(|(_, delivered)| delivered.is_sound());
    sound(all_told && comparisons.iter().all(Comparison::is_sound))
}

const fn operations(limit: u32) -> [Operation; 4] {
    [Operation::Get, STATUS_PUT, Operation::StatusPatch, Operation::List { limit }]
}

impl Candidate {
    async fn start(
        args: &TlsArgs,
        collection: &Collection,
        name: &'static str,
        option: Option<&str>,
    ) -> Result<Self> {
        let data = session::data_dir(&args.launch.work_dir)?;
        let options: Vec<_> = option.map(str::to_owned).into_iter().collect();
        let server = session::start_with(&args.launch, data.path(), &options).await?;
        let subject = server.subject();
        let count = usize::from(args.rounds.connections) * OBJECTS_PER_CONNECTION + 1;
        let count = count.max(size(args.limit));
        let writers = usize::from(args.fan_out.writers) * OBJECTS_PER_CONNECTION;
        let count = count.max(writers);
        let objects = objects::create(&subject, collection, count, OBJECT_BYTES).await?;
        probe(&subject, collection, &objects, STATUS_BYTES).await?;
        Ok(Self { name, server, subject, objects, _data: data })
    }

    async fn measure(
        &self,
        args: &TlsArgs,
        collection: &Collection,
        operation: Operation,
    ) -> Result<Measured> {
        let load = Load {
            name: self.name,
            subject: &self.subject,
            collection,
            operation,
            objects: &self.objects,
            pace: args.rounds.pace(),
        };
        let connections = match operation {
            Operation::List { .. } => LIST_CONNECTIONS,
            _ => args.rounds.connections,
        };
        measure(&load, connections).await
    }

    /// Events come at a fixed rate, so it is their delivery and their cost that differ.
    async fn fan_out(&self, args: &TlsArgs, collection: &Collection) -> Result<Delivered> {
        progress(format_args!("{}, watchers: {}", self.name, args.fan_out.watchers));
        let objects = objects::read_again(&self.subject, collection, &self.objects).await?;
        let writers = usize::from(args.fan_out.writers);
        let requests = per_connection(&self.subject, collection, STATUS_PUT, &objects, writers)?;
        let fan_out = args.fan_out.fan_out(args.rounds.seconds * WATCHED_TIMES);
        watch::measure(&self.subject, collection, fan_out, requests).await
    }
}

impl Round {
    const fn plain(&self) -> &Measured {
        &self.plain
    }

    const fn tls(&self) -> &Measured {
        &self.tls
    }
}

impl Comparison {
    fn is_sound(&self) -> bool {
        let mut all = self.rounds.iter().flat_map(|round| [&round.plain, &round.tls]);
        all.all(|measured| measured.tally.faults.is_empty())
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }

    /// The middle of what a request cost the server, in microseconds.
    fn cost(&self, of: impl Fn(&Round) -> &Measured) -> Option<f64> {
        let cost = |round| {
            let measured = of(round);
            measured.micros_per_request(measured.usage.server)
        };
        let known: Option<Vec<f64>> = self.rounds.iter().map(cost).collect();
        known.map(median)
    }

    /// Every measurement with its name in the report.
    fn named<'a>(&'a self) -> impl Iterator<Item = (String, &'a Measured)> {
        let name = self.operation.name();
        let both = move |round: &'a Round| {
            [(name.to_owned(), &round.plain), (format!("{name}, TLS"), &round.tls)]
        };
        self.rounds.iter().flat_map(both)
    }

    fn row(&self) -> [String; 6] {
        let rate = |of: fn(&Round) -> &Measured| self.median(|round| of(round).per_second());
        let ratio = self.median(|round| round.tls.per_second() / round.plain.per_second());
        [
            self.operation.name().to_owned(),
            text::count(rate(Round::plain)),
            text::count(rate(Round::tls)),
            text::percent(ratio),
            text::known(self.cost(Round::plain), 1),
            text::known(self.cost(Round::tls), 1),
        ]
    }
}

fn written(args: &TlsArgs, comparisons: &[Comparison], fan_outs: &[(&str, Delivered)]) -> String {
    let mut report = String::new();
    section(&mut report, "TLS", &table(comparisons));
    for (name, delivered) in fan_outs {
        section(&mut report, format_args!("Watch, {name}"), &watch_table(delivered));
    }
    let rounds = comparisons.iter().flat_map(Comparison::named);
    let rounds: Vec<_> = rounds.collect();
    let rows: Vec<_> = rounds.iter().map(|(name, it)| (name.as_str(), (*it).clone())).collect();
    section(&mut report, "Rounds", &load_table(&rows));
    let _infallible = write!(
        report,
        "\n{} connections, lists of {} objects over {LIST_CONNECTIONS}; {} rounds of {} s each in \
         turn, both servers on this machine with the generator, which encrypts as well.\n",
        args.rounds.connections,
        args.limit,
        args.rounds.rounds,
        args.rounds.seconds.as_secs_f64()
    );
    report
}

fn table(comparisons: &[Comparison]) -> String {
    let mut table = Table::new(&[
        "operation",
        "plain/s (median)",
        "TLS/s (median)",
        "of plain (median)",
        "server us/op, plain",
        "server us/op, TLS",
    ]);
    for comparison in comparisons {
        table.row(&comparison.row());
    }
    table.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Tally;
    use crate::usage::Usage;
    use std::time::Duration;

    fn measured(count: u64, server: Duration) -> Measured {
        let mut tally = Tally::default();
        tally.latency.record_many(Duration::from_millis(1), count);
        let usage = Usage { server: Some(server), ..Usage::default() };
        Measured { connections: 64, length: Duration::from_secs(1), tally, usage }
    }

    #[test]
    fn a_row_has_the_middle_of_the_rounds_and_of_their_ratios() {
        let round = |plain, tls| Round {
            plain: measured(plain, Duration::from_millis(10)),
            tls: measured(tls, Duration::from_millis(20)),
        };
        let rounds = vec![round(1_000, 500), round(2_000, 1_800), round(4_000, 3_000)];
        let comparison = Comparison { operation: Operation::Get, rounds };
        assert_eq!(comparison.row(), ["GET", "2,000", "1,800", "75 %", "5.0", "11.1"]);
        assert!(comparison.is_sound());
        let names: Vec<_> = comparison.named().map(|(name, _)| name).collect();
        assert_eq!(names[..2], ["GET", "GET, TLS"]);
    }
}
