//! The server's certificate: from files, read again when they change, or made here.

mod self_signed;

use std::path::{Path, PathBuf};

use pintle_http::{CertificateFault, ServerCertificate, Tls};
use tokio::task::JoinSet;

use crate::config::ServeConfig;
use crate::input_file;
use crate::reload::{FileWatch, Reload};
use self_signed::{Made, MakeError};

/// Why the server cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that the settings name cannot be read.
    #[error("cannot read {}, which the setting {setting:?} names", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The name of the setting.
        setting: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("{}: {problem}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: CertificateFault,
    },
    /// One of the two is missing.
    #[error("tls-cert and tls-key go together; only {0} is set")]
    OnlyOne(&'static str),
    /// Both are there, and a third is to be made.
    #[error("tls-self-signed makes a certificate, and tls-cert names one; leave one of them out")]
    Both,
    /// No certificate could be made.
    #[error(transparent)]
    Make(#[from] MakeError),
}

/// The server's side of TLS, and what it stands on.
#[derive(Debug)]
pub(crate) struct ServerTls {
    pub(crate) tls: Tls,
    /// What clients have to trust, where nobody does yet.
    pub(crate) ca: Option<PathBuf>,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    Files { cert: PathBuf, key: PathBuf, watch: FileWatch },
    Made(Made),
}

impl ServerTls {
    /// Nothing where no setting asks for TLS.
    pub(crate) fn load(config: &ServeConfig) -> Result<Option<Self>, TlsError> {
        let settings = &config.tls;
        let ask = settings.client_ca.is_some();
        match (&settings.tls_cert, &settings.tls_key, settings.tls_self_signed) {
            (None, None, false) => Ok(None),
            (None, None, true) => {
                let made = Made::load_or_make(&config.data_dir.join("tls"), config.listen.ip())?;
                let tls = Tls::new(&made.issue()?, ask);
                let ca = Some(made.ca_file());
                Ok(Some(Self { tls, ca, origin: Origin::Made(made) }))
            }
            (Some(cert), Some(key), false) => {
                let watch = FileWatch::new([cert.clone(), key.clone()]);
                let tls = Tls::new(&read(cert, key)?, ask);
                input_file::warn_of_readers(key, "private key");
                let (cert, key) = (cert.clone(), key.clone());
                Ok(Some(Self { tls, ca: None, origin: Origin::Files { cert, key, watch } }))
            }
            (Some(_), None, false) => Err(TlsError::OnlyOne("tls-cert")),
            (None, Some(_), false) => Err(TlsError::OnlyOne("tls-key")),
            (_, _, true) => Err(TlsError::Both),
        }
    }

    /// Keeps the certificate fresh.
    pub(crate) fn follow(self, following: &mut JoinSet<()>) {
        let tls = self.tls;
        match self.origin {
            Origin::Files { cert, key, watch } => {
                following.spawn(watch.follow(move || replace(&tls, &cert, &key)))
            }
            Origin::Made(made) => following.spawn(made.renew(tls)),
        };
    }
}

fn read(cert: &Path, key: &Path) -> Result<ServerCertificate, TlsError> {
    let certificates = read_file(cert, "tls-cert")?;
    let private = read_file(key, "tls-key")?;
    ServerCertificate::from_pem(&certificates, &private).map_err(|problem| {
        let file = if problem == CertificateFault::NoKey { key } else { cert };
        TlsError::Certificate { file: file.to_owned(), problem }
    })
}

/// Certificates and keys are small.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

fn read_file(file: &Path, setting: &'static str) -> Result<Vec<u8>, TlsError> {
    input_file::read(file, FILE_BYTES_MAX).map_err(|source| TlsError::Unreadable {
        file: file.to_owned(),
        setting,
        source,
    })
}

fn replace(tls: &Tls, cert: &Path, key: &Path) -> Reload {
    let certificate = read(cert, key).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })?;
    Ok(tls.replace(&certificate).then(|| "new connections get the new certificate".to_owned()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let pair = || {
            let CertifiedKey { cert, signing_key } =
                generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            (cert.pem(), signing_key.serialize_pem())
        };
        let ((cert, key), (_, other)) = (pair(), pair());
        let (at_cert, at_key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let cases = [
            (cert.as_str(), key.as_str(), None),
            ("", &key, Some("cert.pem: it holds no certificate")),
            (&cert, "", Some("key.pem: it holds no private key")),
            (&cert, &cert, Some("key.pem: it holds no private key")),
            (&cert, &other, Some("cert.pem: the certificate and the key do not go together")),
            (
                "-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n",
                &key,
                Some("cert.pem: it is not PEM"),
            ),
        ];
        for (cert, key, expected) in cases {
            std::fs::write(&at_cert, cert).unwrap();
            std::fs::write(&at_key, key).unwrap();
            let found = read(&at_cert, &at_key).map_err(|error| error.to_string()).err();
            let said = found.clone().unwrap_or_default();
            assert_eq!(found.is_some(), expected.is_some(), "{said}");
            assert!(said.contains(expected.unwrap_or_default()), "{said}");
            assert!(!said.contains("PRIVATE KEY-----\nM"), "{said}");
        }
    }
}
