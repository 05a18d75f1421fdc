//! The settings of the audit log.

use std::path::PathBuf;
use std::time::Duration;

use super::values;

/// Whether there is an audit log, what is in it, and how it is kept.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct AuditConfig {
    /// File that says who did what, as JSON lines; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,

    /// Which requests are recorded there
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t)]
    pub audit_level: AuditLevel,

    /// When the audit log is larger it becomes FILE.1, and a new one begins; 0 leaves that to
    /// others
    #[arg(long, value_name = "SIZE", default_value = "100MiB")]
    #[arg(value_parser = values::file_size)]
    pub audit_max_size: u64,

    /// So many older files of the audit log are kept
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub audit_keep: u32,

    /// When records are made to survive a power cut; what was written survives the death of the
    /// process in any case
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub audit_flush: AuditFlush,

    /// A write waits so long while the audit log cannot be written, and is then refused
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    #[arg(value_parser = values::duration)]
    pub audit_wait: Duration,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            audit_log: None,
            audit_level: AuditLevel::Writes,
            audit_max_size: 100 * 1024 * 1024,
            audit_keep: 10,
            audit_flush: AuditFlush::Interval,
            audit_wait: Duration::from_secs(5),
        }
    }
}

/// Which requests are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum AuditLevel {
    /// Writes, and requests of callers who were turned away
    #[default]
    Writes,
    /// Reads as well, and when watches begin and end
    All,
}

/// When records are made to survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum AuditFlush {
    /// When the system finds the time
    Never,
    /// A second after they were written
    #[default]
    Interval,
    /// At once, for as many as are there
    Always,
}
