//! The command line: its grammar and its help. What the settings mean and where else they may come
//! from lives in [`crate::config`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Args as _, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::auth::AuthCommand;
use crate::backup::{BackupArgs, RestoreArgs};
use crate::config::{self, ConfigError, Environment, ServeConfig};
use crate::kubeconfig::KubeconfigArgs;
use crate::openapi::OpenApiArgs;
use crate::project::{GenerateArgs, InitArgs, ResourceArgs, VersionArgs};
use crate::token::TokenArgs;

/// What a call of the program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve until a signal ends it.
    Serve(Box<ServeConfig>),
    /// Make a bearer token.
    Token(TokenArgs),
    /// Write what clients for Kubernetes have to know of a server.
    Kubeconfig(Box<ServeConfig>, KubeconfigArgs),
    /// Answer a question about rights.
    Auth(AuthCommand),
    /// Copy the data of a server.
    Backup {
        /// File to make.
        file: PathBuf,
        /// Where the data is.
        data_dir: PathBuf,
    },
    /// Make a data directory from such a copy.
    Restore(RestoreArgs),
    /// Look whether a server could start.
    Check(Box<ServeConfig>),
    /// Look whether a backup is sound.
    CheckBackup(PathBuf),
    /// Begin a project of kinds in Rust.
    Init(InitArgs),
    /// Add a kind to such a project.
    AddResource(ResourceArgs),
    /// Add a version to a kind of such a project.
    AddVersion(VersionArgs),
    /// Write what follows from the kinds of such a project.
    Generate(GenerateArgs),
    /// Describe the doors of a server.
    OpenApi(OpenApiArgs),
    /// Write the manual pages into this directory.
    Man(PathBuf),
    /// Print what lets a shell complete commands.
    Completions(Shell),
    /// Print the version.
    Version,
}

/// A call that asks for nothing that can be done.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments are wrong, or ask for help; `clap` prints both and knows the exit code.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// A setting from the environment or the settings file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The manual pages cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the manual cannot be written to {}", dir.display())]
pub struct ManualError {
    dir: PathBuf,
    source: std::io::Error,
}

impl CliError {
    /// The exit code of the process: 2 for whatever the user has to put right.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(error) => u8::try_from(error.exit_code()).unwrap_or(2),
            Self::Config(_) => 2,
        }
    }
}

/// Reads the arguments (the program's name first), and whatever settings they leave open from the
/// environment and the settings file.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment<'_>,
) -> Result<Command, CliError> {
    let matches = grammar().try_get_matches_from(arguments)?;
    Ok(match Cli::from_arg_matches(&matches)?.command {
        Verb::Version => Command::Version,
        Verb::Token(args) => Command::Token(args),
        Verb::Auth { command } => Command::Auth(command),
        Verb::Backup(args) => {
            let data_dir = settings(&matches, environment)?.data_dir;
            Command::Backup { file: args.file, data_dir }
        }
        Verb::Restore(args) => Command::Restore(args),
        Verb::Init(args) => Command::Init(args),
        Verb::Add { what: Added::Resource(args) } => Command::AddResource(args),
        Verb::Add { what: Added::Version(args) } => Command::AddVersion(args),
        Verb::Generate(args) => Command::Generate(args),
        Verb::Openapi(args) => Command::OpenApi(args),
        Verb::Man { dir } => Command::Man(dir),
        Verb::Completions { shell } => Command::Completions(shell),
        Verb::Check(CheckArgs { backup: Some(file), .. }) => Command::CheckBackup(file),
        Verb::Kubeconfig(args) => Command::Kubeconfig(settings(&matches, environment)?, args.own),
        Verb::Check(_) => Command::Check(settings(&matches, environment)?),
        Verb::Serve(_) => Command::Serve(settings(&matches, environment)?),
    })
}

/// Reads the command line of a program that does nothing but serve: the options of `pintle serve`.
pub fn parse_settings(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment<'_>,
) -> Result<ServeConfig, CliError> {
    let command = clap::Command::new("server").after_help(SETTINGS_HELP);
    let command = ServeConfig::augment_args(command);
    let matches = command.mut_args(config::with_variable).try_get_matches_from(arguments)?;
    config::resolve(&matches, environment)
}

fn settings(
    matches: &ArgMatches,
    environment: &Environment<'_>,
) -> Result<Box<ServeConfig>, CliError> {
    let (_, of_verb) = matches.subcommand().expect("clap has just read a subcommand");
    Ok(Box::new(config::resolve(of_verb, environment)?))
}

/// Writes the script that lets a shell complete commands.
pub fn complete(shell: Shell, out: &mut impl std::io::Write) {
    clap_complete::generate(shell, &mut grammar(), "pintle", out);
}

/// Writes the manual pages: `pintle.1`, and one for each command, as `pintle-serve.1`.
pub fn write_manual(dir: &Path) -> Result<(), ManualError> {
    let written = std::fs::create_dir_all(dir);
    let written = written.and_then(|()| clap_mangen::generate_to(grammar(), dir));
    written.map_err(|source| ManualError { dir: dir.to_owned(), source })
}

/// What `pintle version` prints.
pub const fn version() -> &'static str {
    concat!("pintle ", env!("CARGO_PKG_VERSION"))
}

fn grammar() -> clap::Command {
    let settings = ServeConfig::augment_args(clap::Command::new("settings"));
    let is_setting = |arg: &Arg| settings.get_arguments().any(|it| it.get_id() == arg.get_id());
    ["serve", "check", "kubeconfig", "backup"].into_iter().fold(Cli::command(), |command, verb| {
        let help = |arg: Arg| if is_setting(&arg) { config::with_variable(arg) } else { arg };
        command.mut_subcommand(verb, |verb| verb.mut_args(help))
    })
}

/// Declare a kind, and get a durable, watchable, authorised API for it
#[derive(Debug, Parser)]
#[command(name = "pintle", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Load kinds and objects from files, then serve them until SIGTERM or SIGINT
    #[command(after_help = format!("{SETTINGS_HELP}\n\n{SERVE_EXAMPLES}"))]
    Serve(Box<ServeConfig>),
    /// Make a bearer token that nobody can guess, as a line of the token file
    Token(TokenArgs),
    /// Write a kubeconfig, from the settings that the server is started with
    Kubeconfig(Box<KubeconfigVerb>),
    /// Say what somebody may do, and who one is
    Auth {
        #[command(subcommand)]
        command: AuthCommand,
    },
    /// Copy the data of a server into one file, also while it runs
    Backup(BackupArgs),
    /// Make a data directory from a backup
    Restore(RestoreArgs),
    /// Look whether `serve` with the same arguments could start: settings, files, and the database
    Check(CheckArgs),
    /// Begin a project: kinds in Rust, a server of them, and their reconcilers
    Init(InitArgs),
    /// Add something to a project
    Add {
        #[command(subcommand)]
        what: Added,
    },
    /// Write definitions, OpenAPI, GraphQL schema, client and a first policy from the kinds of a
    /// project
    Generate(GenerateArgs),
    /// Print the OpenAPI document of a server: of one that runs, or that these files would make
    Openapi(OpenApiArgs),
    /// Write the manual pages, one for each command, into a directory
    Man {
        /// Where to write them; made if need be
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Print a script that lets a shell complete commands
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the version
    Version,
}

#[derive(Debug, Subcommand)]
enum Added {
    /// A kind: its types, its reconciler, its tests
    Resource(ResourceArgs),
    /// One more version of a kind: its types, and conversions between it and the others
    Version(VersionArgs),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    settings: Box<ServeConfig>,

    /// Read this backup, and nothing else
    #[arg(long, value_name = "FILE", exclusive = true)]
    backup: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct KubeconfigVerb {
    #[command(flatten)]
    settings: ServeConfig,

    #[command(flatten, next_help_heading = "What is written")]
    own: KubeconfigArgs,
}

const SETTINGS_HELP: &str = "\
Every option but --config is also a key of the settings file (history-age: 10m), and every one
is an environment variable (PINTLE_HISTORY_AGE=10m). An option wins over the environment, the
environment over the file. Relative names in the settings file start at its own directory.
PINTLE_POLICY takes several files, separated as in PATH. A variable that is set to nothing counts
as not set.";

const SERVE_EXAMPLES: &str = "\
Examples:
  pintle serve examples/devices
  pintle serve examples/devices --policy examples/devices/policy.yaml --tokens examples/devices/tokens.csv
  pintle serve crds/ --store memory --listen 127.0.0.1:9000";

#[cfg(test)]
mod tests;
