//! `pintle check`: does what a start does, up to where it would begin to serve, and leaves no
//! trace.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use pintle_engine::RuleSource;
use pintle_store::{HistoryLimits, MemoryStore};
use pintle_store_sqlite::{BackupError, OpenError, inspect, verify_directory};

use crate::apply::apply;
use crate::authorization;
use crate::backup::{Reporter, in_words};
use crate::config::{ServeConfig, StoreChoice};
use crate::identity::Identity;
use crate::manifests::{self, ManifestLimits};
use crate::policies::Policies;
use crate::serve::{self, Extensions, ServeError};
use crate::telemetry::Telemetry;
use crate::tls::ServerTls;

/// Why a server could not start, or a backup is not sound.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A start would say this.
    #[error(transparent)]
    Serve(#[from] Box<ServeError>),
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The backup cannot be read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// There is no runtime.
    #[error("the check cannot be run")]
    Runtime(#[source] std::io::Error),
}

/// Checks settings, files and the database, and says what was found.
///
/// Files are applied to an empty store in memory, so what is stored changes nothing, and is not
/// changed.
pub async fn run(config: &ServeConfig, out: &mut impl Write) -> Result<(), CheckError> {
    let documents = check_files(config).await.map_err(Box::new)?;
    say(out, &format!("settings and files: good, {documents} documents"));
    if config.store == StoreChoice::Sqlite {
        check_database(&config.data_dir, out)?;
    }
    Ok(())
}

/// Reads all of a backup, and says what is in it.
pub fn run_backup(file: &Path, out: &mut impl Write) -> Result<(), CheckError> {
    let info = inspect(file, &mut Reporter::new().tell())?;
    say(out, &format!("{}: good, {}", file.display(), in_words(&info)));
    Ok(())
}

async fn check_files(config: &ServeConfig) -> Result<usize, ServeError> {
    let manifests = manifests::load(&config.paths, &ManifestLimits::default())?.manifests;
    let identity = Identity::load(config).await?;
    // Certificates that the server makes itself are made at a start.
    let makes = config.tls.tls_self_signed;
    let encrypts = makes || ServerTls::load(config)?.is_some();
    serve::check_reach(config, identity.asks(), encrypts)?;
    Telemetry::check(&config.operation)?;
    let policies = Policies::load(&config.policy)?.read().to_vec();
    let data_dir = (config.store == StoreChoice::Sqlite).then_some(config.data_dir.as_path());
    let mode = authorization::foresee(config, &manifests, data_dir)?.mode;
    let store = Arc::new(MemoryStore::new(HistoryLimits::default()));
    let rules = RuleSource { mode, policies };
    let engine = serve::start_engine(config, store, rules, Extensions::default()).await?;
    let applied = apply(&engine, &manifests).await;
    engine.close().await.map_err(ServeError::Engine)?;
    applied?;
    Ok(manifests.len())
}

fn check_database(dir: &Path, out: &mut impl Write) -> Result<(), CheckError> {
    let Some(contents) = verify_directory(dir)? else {
        say(out, &format!("database: none in {} yet", dir.display()));
        return Ok(());
    };
    let (newest, objects, events) = (contents.newest, contents.objects, contents.events);
    let found = format!("revision {newest}, {objects} objects, {events} events of history");
    say(out, &format!("database: good, {found}"));
    Ok(())
}

fn say(out: &mut impl Write, text: &str) {
    // A reader that has gone needs no message.
    drop(writeln!(out, "{text}"));
}
