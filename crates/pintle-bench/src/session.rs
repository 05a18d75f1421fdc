//! A server for as long as a run lasts: a given one, or one started here with data of its own.

use std::path::Path;

use http::HeaderValue;
use tempfile::TempDir;
use tokio::process::Command;

use crate::args::{LaunchArgs, ServerArgs};
use crate::error::{BenchError, Result};
use crate::objects::{self, Created};
use crate::output::progress;
use crate::server::{Server, Subject};

/// A server to load.
#[derive(Debug)]
pub(crate) struct Session {
    /// What to load.
    pub(crate) subject: Subject,
    started: Option<(Server, TempDir)>,
}

impl Session {
    /// Starts a server, unless one is given.
    pub(crate) async fn open(args: &ServerArgs) -> Result<Self> {
        let authorization = args.token.as_deref().map(bearer).transpose()?;
        if let Some(target) = &args.url {
            let subject = Subject { target: target.clone(), pid: args.pid, authorization };
            return Ok(Self { subject, started: None });
        }
        let data = data_dir(&args.launch.work_dir)?;
        let server = start(&args.launch, data.path()).await?;
        let subject = Subject { authorization, ..server.subject() };
        Ok(Self { subject, started: Some((server, data)) })
    }

    /// Stops the server and removes its data; a given server goes on, without the objects.
    pub(crate) async fn close(self, objects: Vec<Created>) -> Result<()> {
        match self.started {
            Some((server, _data)) => server.stop().await,
            None => objects::delete(&self.subject, objects).await,
        }
    }
}

/// A new directory for the data of a server or a store, removed when dropped.
pub(crate) fn data_dir(work_dir: &Path) -> Result<TempDir> {
    let failed = |source| BenchError::io(format!("cannot use {}", work_dir.display()), source);
    std::fs::create_dir_all(work_dir).map_err(failed)?;
    tempfile::Builder::new().prefix("pintle-bench-").tempdir_in(work_dir).map_err(failed)
}

/// Starts a Pintle server on this data.
pub(crate) async fn start(args: &LaunchArgs, data: &Path) -> Result<Server> {
    start_with(args, data, &[]).await
}

/// Starts a Pintle server on this data, with further options.
pub(crate) async fn start_with(
    args: &LaunchArgs,
    data: &Path,
    options: &[String],
) -> Result<Server> {
    if !args.server.is_file() {
        return Err(BenchError::Refused(format!(
            "there is no server at {}; build it with `cargo build --release`, or name one with --server",
            args.server.display()
        )));
    }
    progress(format_args!("starting {}", args.server.display()));
    let command = serve_command(Command::new(&args.server), args, data, options);
    Server::start_trusting(command, Some(&data.join(AUTHORITY_FILE))).await
}

/// What makes a command that ends with the server's program serve this data.
pub(crate) fn serve_command(
    mut command: Command,
    args: &LaunchArgs,
    data: &Path,
    options: &[String],
) -> Command {
    command.arg("serve").arg(&args.resources).arg("--data-dir").arg(data);
    command.args(["--listen", "127.0.0.1:0"]).args(options);
    command
}

/// Where a server with a certificate of its own puts that of its authority.
const AUTHORITY_FILE: &str = "tls/ca.crt";

fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
        BenchError::Refused("the token has characters no header may have".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}
