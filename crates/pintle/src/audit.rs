//! Opens the audit log that the settings ask for, and looks after it while the server runs.

mod numbers;

use std::path::Path;
use std::sync::Arc;

use pintle_audit::{AuditLog, Auditor, Flush, Level, OpenError, Rotation, Target};
use pintle_http::Collector;
use pintle_model::Revision;
use tokio::signal::unix::{SignalKind, signal};

use self::numbers::AuditNumbers;
use crate::config::{AuditConfig, AuditFlush, AuditLevel};

/// Why there is no audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The signal to open it anew cannot be awaited.
    #[error("signals cannot be awaited")]
    Signal(#[source] std::io::Error),
}

/// An audit log, and who fills it.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) auditor: Arc<Auditor>,
    log: Arc<AuditLog>,
    level: Level,
}

impl Audit {
    /// Opens the log, if one is asked for. It must be called on a runtime.
    pub(crate) fn open(config: &AuditConfig) -> Result<Option<Self>, AuditError> {
        let Some(target) = target(config) else { return Ok(None) };
        let is_file = matches!(target, Target::File { .. });
        let log = Arc::new(AuditLog::open(target, flush(config.audit_flush), config.audit_wait)?);
        if is_file {
            reopen_on_signal(&log)?;
        }
        let level = level(config.audit_level);
        let auditor = Arc::new(Auditor::new(Arc::clone(&log), level));
        Ok(Some(Self { auditor, log, level }))
    }

    /// Records that the server begins.
    pub(crate) fn start(&self, revision: Revision) {
        self.log.start(env!("CARGO_PKG_VERSION"), self.level, revision);
    }

    /// What the log counts, for the page of metrics.
    pub(crate) fn numbers(&self) -> Arc<dyn Collector> {
        Arc::new(AuditNumbers(Arc::clone(&self.log)))
    }

    /// Writes what is left, and ends.
    pub(crate) async fn close(self) {
        // It may have to wait for the disk.
        drop(tokio::task::spawn_blocking(move || self.log.close()).await);
    }
}

/// Whether the log goes where the greeting of the server would go.
pub fn takes_standard_output(config: &AuditConfig) -> bool {
    config.audit_log.as_deref() == Some(Path::new("-"))
}

fn target(config: &AuditConfig) -> Option<Target> {
    let path = config.audit_log.clone()?;
    if takes_standard_output(config) {
        return Some(Target::StandardOutput);
    }
    let bytes_max = Some(config.audit_max_size).filter(|max| *max > 0);
    Some(Target::File { path, rotation: Rotation { bytes_max, keep: config.audit_keep } })
}

const fn flush(choice: AuditFlush) -> Flush {
    match choice {
        AuditFlush::Never => Flush::Never,
        AuditFlush::Interval => Flush::Interval,
        AuditFlush::Always => Flush::Always,
    }
}

const fn level(choice: AuditLevel) -> Level {
    match choice {
        AuditLevel::Writes => Level::Writes,
        AuditLevel::All => Level::All,
    }
}

/// Tools that rotate logs send SIGHUP, which would end the process if nobody waited for it.
fn reopen_on_signal(log: &Arc<AuditLog>) -> Result<(), AuditError> {
    let mut hangups = signal(SignalKind::hangup()).map_err(AuditError::Signal)?;
    let log = Arc::downgrade(log);
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            let Some(log) = log.upgrade() else { break };
            log.reopen();
        }
    });
    Ok(())
}
