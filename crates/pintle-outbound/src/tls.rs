//! Whose certificates are believed: those that the machine trusts, and those of a file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::file;

const CA_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A file of certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// The file cannot be read.
    #[error("cannot read the certificates in {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something in the file is not a certificate.
    #[error("{}, certificate {number}: {problem}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Which one of the file, from 1.
        number: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The file has no certificate in it.
    #[error(
        "{} holds no certificate: it needs at least one, in PEM (-----BEGIN CERTIFICATE-----)",
        file.display()
    )]
    Empty {
        /// The file.
        file: PathBuf,
    },
}

/// TLS 1.2 and 1.3, with aws-lc-rs, whatever provider the process has as its default. Those are
/// believed that the machine trusts, and the certificates in `ca_file` (PEM).
pub fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig, CaFileError> {
    let mut roots = MACHINE_ROOTS.clone();
    if let Some(file) = ca_file {
        add_file(&mut roots, file)?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has the default versions");
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Read once: on many machines it is a file of a hundred certificates.
static MACHINE_ROOTS: LazyLock<RootCertStore> = LazyLock::new(machine_roots);

/// What the machine trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` say where that is. A machine that
/// trusts nobody is no error: plain HTTP and a file of certificates work there too.
fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some certificates that this machine trusts cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), CaFileError> {
    let pem = file::read(file, CA_FILE_BYTES_MAX)
        .map_err(|source| CaFileError::Unreadable { file: file.to_owned(), source })?;
    let before = roots.len();
    for (certificate, number) in CertificateDer::pem_slice_iter(&pem).zip(1..) {
        let malformed = |problem| CaFileError::Malformed { file: file.to_owned(), number, problem };
        let certificate = certificate.map_err(|error| malformed(error.to_string()))?;
        roots.add(certificate).map_err(|error| malformed(error.to_string()))?;
    }
    if roots.len() == before {
        return Err(CaFileError::Empty { file: file.to_owned() });
    }
    Ok(())
}
