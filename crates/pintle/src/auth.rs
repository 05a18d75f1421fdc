//! `pintle auth`: may somebody do something, and who am I. It asks a running server, or reads the
//! files that a server would be started with.

mod ask;
mod listed;
mod offline;
mod online;

use std::io::{self, Write};
use std::path::PathBuf;

use crate::manifests::ManifestError;
use crate::policies::PolicyFileError;

/// What `pintle auth` is told.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum AuthCommand {
    /// Say whether somebody may do something: exit code 0 for yes, 1 for no
    CanI(CanI),
    /// Say who a server takes the caller for
    Whoami(ServerArgs),
}

/// Which server is asked, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ServerArgs {
    /// Server to ask
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub server: String,

    /// File with the bearer token to send
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Certificates (PEM) to believe besides those that the machine trusts
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// A question about rights.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct CanI {
    /// Verb, such as get, list, watch, create, update, patch or delete
    #[arg(
        value_name = "VERB",
        required_unless_present = "list",
        default_value = "",
        hide_default_value = true
    )]
    pub verb: String,

    /// Plural of a kind, with its group where it is needed (devices.infra.example.io), and with
    /// /status for the status; or a path that begins with a slash
    #[arg(
        value_name = "RESOURCE[/SUBRESOURCE]",
        required_unless_present = "list",
        default_value = "",
        hide_default_value = true
    )]
    pub resource: String,

    /// Name of one object
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    /// List what is allowed in a namespace (default, unless another is named) instead of asking for
    /// one right
    #[arg(long, conflicts_with_all = ["verb", "resource", "name"])]
    pub list: bool,

    /// Namespace; without it, all namespaces or none
    #[arg(long, short, value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// Somebody else to ask about
    #[arg(long = "as", value_name = "USER")]
    pub user: Option<String>,

    /// Group of that somebody; may be given more than once
    #[arg(long = "as-group", value_name = "GROUP", requires = "user")]
    pub groups: Vec<String>,

    /// Read this policy file instead of asking a server; may be given more than once
    #[arg(long, value_name = "FILE", requires = "user")]
    pub policy: Vec<PathBuf>,

    /// Read kinds and RBAC objects from this file or directory instead of asking a server; may be
    /// given more than once
    #[arg(long, value_name = "PATH", requires = "user")]
    pub files: Vec<PathBuf>,

    #[expect(missing_docs, reason = "clap shows the comment of a flattened field as help")]
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A policy file cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    /// A file with kinds or RBAC objects cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An RBAC object is malformed.
    #[error(transparent)]
    Rule(#[from] pintle_authz::RuleError),
    /// Nobody knows which group a plural is of.
    #[error(
        "which {plural:?} is meant is not known ({why}); say its group too, as in {plural}.example.io"
    )]
    Group {
        /// The plural.
        plural: String,
        /// Why not.
        why: String,
    },
    /// The question means nothing that rules could allow.
    #[error("{0}")]
    Mistyped(String),
    /// Only one's own rights are listed.
    #[error(
        "a server lists the rights of its caller alone; leave --as out, name --policy or --files, or \
         ask for single rights"
    )]
    ListOfAnother,
    /// The server cannot be asked.
    #[error("{0}")]
    Server(String),
    /// The answer cannot be printed.
    #[error("the answer cannot be printed")]
    Print(#[source] io::Error),
}

/// Answers, and says whether the answer is yes.
pub async fn run(command: &AuthCommand, out: &mut impl Write) -> Result<bool, AuthError> {
    let (yes, text) = match command {
        AuthCommand::Whoami(server) => (true, online::whoami(server).await?),
        AuthCommand::CanI(question) if question.list => {
            let rules = if question.is_offline() {
                offline::list(question)?
            } else {
                online::list(question).await?
            };
            (true, listed::table(&rules))
        }
        AuthCommand::CanI(question) => {
            ask::check(&question.verb, &question.resource)?;
            let answer = if question.is_offline() {
                offline::ask(question)?
            } else {
                online::ask(question).await?
            };
            (answer.allowed, answer.in_words())
        }
    };
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(AuthError::Print)?;
    Ok(yes)
}

/// How a server describes itself.
pub(crate) async fn described(args: &ServerArgs) -> Result<serde_json::Value, AuthError> {
    online::described(args).await
}

/// An answer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    allowed: bool,
    /// May be empty.
    why: String,
}

impl Answer {
    fn in_words(&self) -> String {
        let answer = if self.allowed { "yes" } else { "no" };
        if self.why.is_empty() { answer.to_owned() } else { format!("{answer}: {}", self.why) }
    }
}

impl CanI {
    const fn is_offline(&self) -> bool {
        !self.policy.is_empty() || !self.files.is_empty()
    }

    /// The namespace whose rights are listed.
    fn listed_namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }
}
