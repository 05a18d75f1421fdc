//! How the server speaks TLS, and whose client certificates it believes.

use std::path::PathBuf;

/// The settings of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct TlsConfig {
    /// Certificate of the server (PEM), followed by those of whoever signed it
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Make a CA and a certificate in the data directory, and use those
    #[arg(long, value_name = "BOOL", default_value_t = false)]
    #[arg(value_parser = super::values::switch)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(action = clap::ArgAction::Set)]
    pub tls_self_signed: bool,

    /// Certificates (PEM) of those who sign client certificates: CN is the user, O are the groups
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
}
