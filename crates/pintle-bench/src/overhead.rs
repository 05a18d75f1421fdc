//! What the service around the contract costs: status writes with authentication, rules, audit,
//! metrics and TLS, each off and on.
//!
//! All servers run beside each other, each with data of its own, and are measured in turn, round
//! after round, so that a machine whose speed drifts slows all of them. What counts is the ratio to
//! the bare server of the same round; the median of the rounds is told.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use http::HeaderValue;
use tempfile::TempDir;

use crate::args::OverheadArgs;
use crate::collection::Collection;
use crate::error::{BenchError, Result};
use crate::load::Measured;
use crate::objects::{self, Created};
use crate::operation::{OBJECTS_PER_CONNECTION, Operation};
use crate::output::report;
use crate::report::{self as text, Table, load_table, section};
use crate::scenario::{Load, measure, probe, sound};
use crate::server::{Server, Subject};
use crate::session;

static DEVICES: Collection = Collection::rest("devices");
const OBJECT_BYTES: usize = 1_430;
const STATUS_BYTES: usize = 370;
/// Who writes, where somebody asks.
const TOKEN: &str = "pintle-bench-0123456789abcdef0123456789abcdef";

/// One way to run a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "what can be on is independent")]
struct Setting {
    name: &'static str,
    tokens: bool,
    rules: bool,
    audit: bool,
    metrics: bool,
    tls: bool,
}

const BARE: Setting =
    Setting { name: "bare", tokens: false, rules: false, audit: false, metrics: false, tls: false };

/// The bare one first: the others are compared with it. Rules need to know who writes.
const SETTINGS: [Setting; 8] = [
    BARE,
    Setting { name: "authentication", tokens: true, ..BARE },
    Setting { name: "authentication, rules", tokens: true, rules: true, ..BARE },
    Setting { name: "audit", audit: true, ..BARE },
    Setting { name: "metrics", metrics: true, ..BARE },
    Setting { name: "TLS", tls: true, ..BARE },
    Setting {
        name: "all but TLS",
        tokens: true,
        rules: true,
        audit: true,
        metrics: true,
        tls: false,
    },
    Setting { name: "all", tokens: true, rules: true, audit: true, metrics: true, tls: true },
];

/// A server that is run in one way.
#[derive(Debug)]
struct Candidate {
    setting: Setting,
    server: Server,
    subject: Subject,
    objects: Vec<Created>,
    rounds: Vec<Measured>,
    /// Removed with all that is in it.
    _data: TempDir,
}

/// Measures and reports.
pub(crate) async fn run(args: OverheadArgs) -> Result<()> {
    let mut candidates = Vec::new();
    for setting in SETTINGS {
        candidates.push(Candidate::start(&args, setting).await?);
    }
    for _ in 0..args.rounds.rounds {
        for candidate in &mut candidates {
            candidate.measure(&args).await?;
        }
    }
    report(&written(&args, &candidates))?;
    let all_sound = candidates.iter().all(Candidate::is_sound);
    for candidate in candidates {
        candidate.server.stop().await?;
    }
    sound(all_sound)
}

impl Candidate {
    async fn start(args: &OverheadArgs, setting: Setting) -> Result<Self> {
        let data = session::data_dir(&args.launch.work_dir)?;
        let options = setting.options(data.path())?;
        let server = session::start_with(&args.launch, data.path(), &options).await?;
        let mut subject = server.subject();
        if setting.tokens {
            let mut token = HeaderValue::from_str(&format!("Bearer {TOKEN}"))
                .map_err(|error| BenchError::Refused(error.to_string()))?;
            token.set_sensitive(true);
            subject.authorization = Some(token);
        }
        let count = usize::from(args.rounds.connections) * OBJECTS_PER_CONNECTION + 1;
        let objects = objects::create(&subject, &DEVICES, count, OBJECT_BYTES).await?;
        probe(&subject, &DEVICES, &objects, STATUS_BYTES).await?;
        Ok(Self { setting, server, subject, objects, rounds: Vec::new(), _data: data })
    }

    async fn measure(&mut self, args: &OverheadArgs) -> Result<()> {
        let load = Load {
            name: self.setting.name,
            subject: &self.subject,
            collection: &DEVICES,
            operation: Operation::StatusPut { if_match: false, status_bytes: STATUS_BYTES },
            objects: &self.objects,
            pace: args.rounds.pace(),
        };
        let measured = measure(&load, args.rounds.connections).await?;
        self.rounds.push(measured);
        Ok(())
    }

    fn is_sound(&self) -> bool {
        self.rounds.iter().all(|measured| measured.tally.faults.is_empty())
    }

    /// The rates of each round, as a part of the bare server's.
    fn ratios(&self, bare: &Self) -> Vec<f64> {
        let pairs = self.rounds.iter().zip(&bare.rounds);
        pairs.map(|(own, bare)| own.per_second() / bare.per_second()).collect()
    }
}

impl Setting {
    /// The options of the server; files that they name are made in `folder`.
    fn options(self, folder: &Path) -> Result<Vec<String>> {
        let mut options = vec![format!("--metrics={}", self.metrics)];
        if self.tokens {
            let line = format!("{TOKEN},bench,1\n");
            options.push(format!("--tokens={}", file(folder, "tokens.csv", &line)?.display()));
        }
        if self.rules {
            let policy = "- role: bench\n  permissions: [devices:*, devices:update_status]\n\
                          - user: bench\n  role: bench\n";
            options.push(format!("--policy={}", file(folder, "policy.yaml", policy)?.display()));
        }
        if self.audit {
            options.push(format!("--audit-log={}", folder.join("audit.log").display()));
        }
        if self.tls {
            options.push("--tls-self-signed".to_owned());
        }
        Ok(options)
    }
}

fn file(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    let failed = |source| BenchError::io(format!("cannot write {}", path.display()), source);
    std::fs::write(&path, text).map_err(failed)?;
    Ok(path)
}

/// The middle one; no number when there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn written(args: &OverheadArgs, candidates: &[Candidate]) -> String {
    let mut report = String::new();
    section(&mut report, "Overhead on status PUT", &overhead_table(candidates));
    let rows: Vec<_> = candidates
        .iter()
        .flat_map(|it| it.rounds.iter().map(|round| (it.setting.name, round.clone())))
        .collect();
    section(&mut report, "Rounds", &load_table(&rows));
    let _infallible = write!(
        report,
        "\n{} connections, {} rounds of {} s each in turn, one server for each row, all on this \
         machine with the generator.\n",
        args.rounds.connections,
        args.rounds.rounds,
        args.rounds.seconds.as_secs_f64()
    );
    report
}

fn overhead_table(candidates: &[Candidate]) -> String {
    let mut table = Table::new(&[
        "on",
        "status PUT/s (median)",
        "of bare (median)",
        "of bare (min to max)",
        "server us/op (median)",
    ]);
    let Some(bare) = candidates.first() else { return table.into_text() };
    for candidate in candidates {
        let ratios = candidate.ratios(bare);
        let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let cpu = candidate.rounds.iter().filter_map(|it| it.micros_per_request(it.usage.server));
        table.row(&[
            candidate.setting.name.to_owned(),
            text::count(median(candidate.rounds.iter().map(Measured::per_second).collect())),
            text::percent(median(ratios)),
            format!("{} to {}", text::percent(low), text::percent(high)),
            text::known(Some(median(cpu.collect())), 1),
        ]);
    }
    table.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_setting_names_only_what_it_switches_on() {
        let folder = tempfile::tempdir().unwrap();
        let options = |setting: Setting| setting.options(folder.path()).unwrap().join(" ");
        assert_eq!(options(BARE), "--metrics=false");
        let all = options(SETTINGS[7]);
        for option in
            ["--metrics=true", "--tokens=", "--policy=", "--audit-log=", "--tls-self-signed"]
        {
            assert!(all.contains(option), "{all}");
        }
    }
}
