//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, value_parser};

use crate::collection::{Collection, Door};
use crate::load::Pace;
use crate::target::Target;

/// Loads a Pintle server on this machine and says how fast it answers.
///
/// Rates are closed loops over keep-alive HTTP/1.1 connections, one request at a time each.
/// Generator and server share this machine's cores: the reports give the CPU time of both, and how
/// many cores anybody else used. Compare ratios from one run; machines differ, and the same one
/// does from hour to hour. Exit code 1: the run failed, or requests did, or events were lost.
#[derive(Debug, Parser)]
#[command(name = "pintle-bench", version, verbatim_doc_comment)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole suite with its ratios, as a Markdown report; starts the server itself
    Run(RunArgs),
    /// What this machine and this generator reach against a constant answer
    Ceiling(CeilingArgs),
    /// What the store reaches with nobody in front of it: durable status changes
    ///
    /// The store runs inside the generator, so its CPU time is in the generator's column.
    Store(StoreArgs),
    /// PUT of whole statuses
    StatusPut(StatusPutArgs),
    /// Merge PATCH of one status field
    PatchStatus(LoadArgs),
    /// GET of single objects
    Get(LoadArgs),
    /// LIST, the first page
    List(ListArgs),
    /// Watch fan-out: how long until every watcher has every write
    Watch(WatchArgs),
    /// What authentication, rules, audit, metrics and TLS cost a status PUT, each off and on
    ///
    /// Starts the servers itself.
    Overhead(OverheadArgs),
    /// What TLS costs reads, status writes, lists and watches, through any door
    ///
    /// Starts the servers itself.
    Tls(TlsArgs),
    /// What definitions of kinds cost in memory, and how long a server takes to be ready with them
    ///
    /// Starts the servers itself.
    Definitions(DefinitionsArgs),
    /// What a status mutation and a list through the GraphQL door cost, beside REST
    ///
    /// Starts the server itself.
    Graphql(GraphqlArgs),
    /// How many instructions and allocations a GET and a status PUT cost the server
    ///
    /// Starts the servers itself, under Callgrind, which must be installed (valgrind).
    Instructions(InstructionsArgs),
    /// The constant server of `ceiling`, a process of its own so that its CPU time can be told
    /// apart
    #[command(hide = true)]
    ConstantServer(ConstantServerArgs),
}

/// Which server.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    // Given as text, because the URL would have to be in brackets in a comment.
    #[arg(
        long,
        conflicts_with_all = ["server", "resources", "work_dir"],
        help = "A running server on this machine, as http://127.0.0.1:8080. Objects made on it are \
                deleted afterwards. Without it, a server is started"
    )]
    pub(crate) url: Option<Target>,
    /// The process of the running server, to report its CPU time
    #[arg(long, requires = "url")]
    pub(crate) pid: Option<u32>,
    /// A bearer token to send
    #[arg(long, env = "PINTLE_BENCH_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) launch: LaunchArgs,
}

/// How to start a server.
#[derive(Debug, Clone, Args)]
pub(crate) struct LaunchArgs {
    /// The server to start
    #[arg(long, default_value = "target/release/pintle", value_name = "FILE")]
    pub(crate) server: PathBuf,
    /// What it serves
    #[arg(long, default_value = "examples/devices", value_name = "PATH")]
    pub(crate) resources: PathBuf,
    /// Where its data goes while it runs: on a real disk, or flushing costs nothing
    #[arg(long, default_value = "target", value_name = "DIR")]
    pub(crate) work_dir: PathBuf,
}

/// How long to measure, and with how many clients.
#[derive(Debug, Clone, Args)]
pub(crate) struct PaceArgs {
    /// Connection counts, each measured in turn
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256", value_parser = value_parser!(u16).range(1..=4096))]
    pub(crate) connections: Vec<u16>,
    /// How long to measure, each
    #[arg(long, default_value = "4", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// How long to run before measuring, each
    #[arg(long, default_value = "1", value_parser = warmup)]
    pub(crate) warmup: Duration,
}

/// What the objects look like.
#[derive(Debug, Clone, Args)]
pub(crate) struct ObjectArgs {
    /// The resource, which must take the bodies of examples/devices
    #[arg(long = "kind", default_value = "devices", value_parser = plural)]
    pub(crate) plural: String,
    /// The door that the objects are reached through. The Kubernetes door has those of
    /// examples/devices in the namespace `default`, the GraphQL door has theirs of status and lists
    #[arg(long, value_enum, default_value_t)]
    pub(crate) door: Door,
    /// How many objects there are at least; ten for each connection are always made
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u32).range(0..=1_000_000))]
    pub(crate) objects: u32,
    /// How large an object is with its status, about
    #[arg(long, default_value_t = 1_800, value_parser = value_parser!(u32).range(1_000..=1_048_576))]
    pub(crate) object_bytes: u32,
    /// How large the body of a status PUT is
    #[arg(long, default_value_t = 370, value_parser = value_parser!(u32).range(330..=262_144))]
    pub(crate) status_bytes: u32,
}

impl ObjectArgs {
    /// The objects, through their door.
    pub(crate) fn collection(&self) -> Collection {
        Collection::new(self.door, &self.plural)
    }
}

#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) objects: ObjectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StatusPutArgs {
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Send the version of the last answer, as controllers should
    #[arg(long)]
    pub(crate) if_match: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Objects a page
    #[arg(long, default_value_t = 500, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct CeilingArgs {
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    /// How large the constant answer is
    #[arg(long, default_value_t = 1_800, value_parser = value_parser!(u32).range(2..=1_048_576))]
    pub(crate) answer_bytes: u32,
    /// How large the body of a PUT is
    #[arg(long, default_value_t = 370, value_parser = value_parser!(u32).range(330..=262_144))]
    pub(crate) status_bytes: u32,
}

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    /// Where its data goes while it runs: on a real disk, or flushing costs nothing
    #[arg(long, default_value = "target", value_name = "DIR")]
    pub(crate) work_dir: PathBuf,
    /// How large an object is with its status, about
    #[arg(long, default_value_t = 1_800, value_parser = value_parser!(u32).range(1_000..=1_048_576))]
    pub(crate) object_bytes: u32,
    /// How large a status is
    #[arg(long, default_value_t = 370, value_parser = value_parser!(u32).range(330..=262_144))]
    pub(crate) status_bytes: u32,
}

/// How wide a fan-out.
#[derive(Debug, Clone, Args)]
pub(crate) struct FanOutArgs {
    /// How many watch, each over its own connection
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u16).range(1..=20_000))]
    pub(crate) watchers: u16,
    /// How many status writes a second, evenly spaced
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) writes_per_second: u32,
    /// How many connections share the writing, so that one slow write does not hold up the next
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u16).range(1..=256))]
    pub(crate) writers: u16,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) fan_out: FanOutArgs,
    /// How long to write
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) seconds: Duration,
    #[command(flatten)]
    pub(crate) objects: ObjectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) launch: LaunchArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) fan_out: FanOutArgs,
    /// How many objects of 1.5 kB to measure memory and start-up with
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u32).range(0..=1_000_000))]
    pub(crate) objects: u32,
    /// A rough run of about a minute: 1 second each with 1 and 64 connections, 100 watchers, 10,000
    /// objects
    #[arg(long, conflicts_with_all = ["connections", "seconds", "warmup", "watchers", "objects"])]
    pub(crate) quick: bool,
}

/// How often to measure what is compared, in turn.
#[derive(Debug, Clone, Args)]
pub(crate) struct RoundsArgs {
    /// How many connections there are
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) connections: u16,
    /// How many rounds; in each, everything is measured once
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u16).range(1..=100))]
    pub(crate) rounds: u16,
    /// How long to measure, each
    #[arg(long, default_value = "2", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// How long to run before measuring, each
    #[arg(long, default_value = "0.5", value_parser = warmup)]
    pub(crate) warmup: Duration,
}

impl RoundsArgs {
    /// Each measurement's pace.
    pub(crate) const fn pace(&self) -> Pace {
        Pace { warmup: self.warmup, length: self.seconds }
    }
}

#[derive(Debug, Args)]
pub(crate) struct OverheadArgs {
    #[command(flatten)]
    pub(crate) launch: LaunchArgs,
    #[command(flatten)]
    pub(crate) rounds: RoundsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    #[command(flatten)]
    pub(crate) launch: LaunchArgs,
    /// The door that the objects are reached through
    #[arg(long, value_enum, default_value_t)]
    pub(crate) door: Door,
    #[command(flatten)]
    pub(crate) rounds: RoundsArgs,
    /// Objects that a list shows
    #[arg(long, default_value_t = 500, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) fan_out: FanOutArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DefinitionsArgs {
    /// Files and folders of definitions, as `pintle serve` takes them
    #[arg(required = true, value_name = "PATH")]
    pub(crate) definitions: Vec<PathBuf>,
    /// The server to start
    #[arg(long, default_value = "target/release/pintle", value_name = "FILE")]
    pub(crate) server: PathBuf,
    /// Where its data goes while it runs
    #[arg(long, default_value = "target", value_name = "DIR")]
    pub(crate) work_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct GraphqlArgs {
    #[command(flatten)]
    pub(crate) launch: LaunchArgs,
    #[command(flatten)]
    pub(crate) rounds: RoundsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InstructionsArgs {
    #[command(flatten)]
    pub(crate) launch: LaunchArgs,
    /// How many connections
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u16).range(1..=256))]
    pub(crate) connections: u16,
    /// How many requests over each of them
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) requests: u32,
    /// Where to keep what Callgrind wrote, for `callgrind_annotate`
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ConstantServerArgs {
    #[arg(long, value_parser = value_parser!(u32).range(2..=16_777_216))]
    pub(crate) answer_bytes: u32,
}

const SECONDS_MAX: f64 = 3_600.0;

fn seconds(text: &str) -> Result<Duration, String> {
    match warmup(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        length => Ok(length),
    }
}

fn warmup(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if (0.0..=SECONDS_MAX).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("must be between 0 and {SECONDS_MAX} seconds"))
    }
}

fn plural(text: &str) -> Result<String, String> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if !text.is_empty() && text.len() <= 253 && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("must be a plural name as in devices or devices.infra.example.io".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(line: &str) -> Result<Command, String> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command).map_err(|e| e.to_string())
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_visible_argument_says_what_it_does() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }

    #[test]
    fn lists_and_lengths_are_read() {
        let line = "pintle-bench status-put --url http://127.0.0.1:1 --connections 1,16 --seconds 0.5 --if-match";
        let Ok(Command::StatusPut(args)) = parse(line) else { panic!("{line}") };
        assert!(args.if_match);
        assert_eq!(args.load.pace.connections, [1, 16]);
        assert_eq!(args.load.pace.seconds, Duration::from_millis(500));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_name() {
        let cases = [
            ("get --url http://example.org", "not this machine"),
            ("get --url http://127.0.0.1:1 --server x", "--server"),
            ("get --pid 1", "--url"),
            ("get --connections 0", "--connections"),
            ("get --connections 1,5000", "--connections"),
            ("get --seconds 0", "--seconds"),
            ("get --seconds NaN", "--seconds"),
            ("get --warmup=-1", "--warmup"),
            ("get --kind ../etc", "--kind"),
            ("get --objects 1000001", "--objects"),
            ("run --quick --seconds 3", "--quick"),
        ];
        for (line, named) in cases {
            let error = parse(&format!("pintle-bench {line}")).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
