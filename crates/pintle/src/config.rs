//! The settings of `serve`: what they are, and how an option, an environment variable and a key of
//! the settings file become one value.
//!
//! [`ServeConfig`] is the only list of settings. Its fields name the options; the names of keys and
//! variables follow from those, and all three are read by the same parsers.

mod audit;
mod events;
mod file;
mod graphql;
mod identity;
mod layers;
mod nats;
mod operation;
mod tls;
mod values;
mod webhooks;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use audit::{AuditConfig, AuditFlush, AuditLevel};
pub use events::EventConfig;
pub use graphql::GraphqlConfig;
pub use identity::JwtConfig;
pub(crate) use identity::is_url;
pub(crate) use layers::{SETTINGS_FILE_NAME, resolve, with_variable};
pub use nats::NatsConfig;
pub use operation::OperationConfig;
pub(crate) use values::duration;
pub use webhooks::{UrlText, WebhookConfig};

pub use tls::TlsConfig;

/// Reads one environment variable.
pub type Environment<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// Everything that `serve` needs to know. File names are as they have to be opened.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ServeConfig {
    /// Files and directories with kinds (CRDs), RBAC objects, and objects of those kinds, as YAML
    /// or JSON; directories are read with all that is in them
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Settings file; without it, pintle.yaml inside the first PATH that is a directory, if there
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Address and port to listen on
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    #[arg(value_parser = values::address)]
    pub listen: SocketAddr,

    /// Directory that the data lives in; the database in it is pintle.db
    #[arg(long, value_name = "DIR", default_value = "pintle-data")]
    pub data_dir: PathBuf,

    /// Where objects live
    #[arg(long, value_enum, value_name = "STORE", default_value_t)]
    pub store: StoreChoice,

    /// Policy file of roles, their permissions, and who has them; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub policy: Vec<PathBuf>,

    /// Static bearer tokens, one a line: token,user,uid,"group1,group2"
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,

    /// TLS and client certificates.
    #[command(flatten)]
    pub tls: TlsConfig,

    /// JSON Web Tokens.
    #[command(flatten)]
    pub jwt: JwtConfig,

    /// Whether requests are authorised; auto is rbac when a policy is given or the PATHs hold an
    /// RBAC object, and none otherwise
    #[arg(long, value_enum, value_name = "MODE", default_value_t)]
    pub authorization: AuthorizationChoice,

    /// Refuse status writes on the REST door that do not say which version they were computed from
    #[arg(long, value_name = "BOOL", default_value_t = false, value_parser = values::switch)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(action = clap::ArgAction::Set)]
    pub require_status_precondition: bool,

    /// Keep history at least so long, for watches to resume in
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = values::duration)]
    pub history_age: Duration,

    /// Keep at most so many events of history; without it, as many as there are
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub history_events: Option<u64>,

    /// Cut history short when it takes more than this, such as 500MB or 2GiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = values::size)]
    pub history_bytes_max: u64,

    /// Largest request body that the REST door takes
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = values::body_size)]
    pub body_bytes_max: usize,

    /// How far GraphQL operations may go
    #[command(flatten)]
    pub graphql: GraphqlConfig,

    /// What events are called
    #[command(flatten)]
    pub events: EventConfig,

    /// Who is told of them over HTTP
    #[command(flatten)]
    pub webhooks: WebhookConfig,

    /// Into which streams of NATS they are published
    #[command(flatten)]
    pub nats: NatsConfig,

    /// How it is watched over, and how it goes.
    #[command(flatten)]
    pub operation: OperationConfig,

    /// How log lines look; auto is human on a terminal and json otherwise
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub log_format: LogFormat,

    /// The audit log
    #[command(flatten)]
    pub audit: AuditConfig,
}

impl Default for ServeConfig {
    /// As if nothing was said anywhere.
    fn default() -> Self {
        layers::defaults()
    }
}

/// Where objects live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum StoreChoice {
    /// A file in the data directory
    #[default]
    Sqlite,
    /// Nowhere: everything is forgotten at the end
    Memory,
}

/// Whether requests are authorised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum AuthorizationChoice {
    /// As the configuration suggests
    #[default]
    Auto,
    /// By roles, their bindings and policy files
    Rbac,
    /// Not at all
    None,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise
    #[default]
    Auto,
    /// For people
    Human,
    /// One JSON object a line
    Json,
}

/// Why the settings cannot be used. Each message names the place, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The settings file cannot be read.
    #[error("cannot read the settings file {}: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The settings file is not a YAML mapping.
    #[error("{}: {why}", file.display())]
    NotSettings {
        /// The file.
        file: PathBuf,
        /// What is wrong, and on which line.
        why: String,
    },
    /// The settings file has a key that is no setting.
    #[error("{}, line {line}: unknown key {key:?}{} `pintle serve --help` lists the settings",
            file.display(), similar_to(nearest.as_deref()))]
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The key.
        key: String,
        /// The key that looks most like it, if one does.
        nearest: Option<String>,
    },
    /// A setting has a value that it cannot have.
    #[error("{origin}: {why}")]
    BadValue {
        /// Where the value comes from.
        origin: Origin,
        /// What is wrong with it, and what would be right.
        why: String,
    },
}

/// Where a value comes from, other than the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The environment variable of this name.
    Variable(String),
    /// A key of the settings file.
    Key {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The key.
        key: String,
    },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Key { file, line, key } => {
                write!(f, "{}, line {line}, key {key:?}", file.display())
            }
        }
    }
}

/// `; did you mean "listen"?`, or the end of the sentence.
fn similar_to(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| ".".to_owned(), |key| format!("; did you mean {key:?}?"))
}

#[cfg(test)]
mod tests;
