//! A CA of this server's own, and certificates that it signs.
//!
//! The CA stays in the data directory, so that clients need to be told once whom to trust. The
//! certificate of the server lives in memory: it is made at each start, and again long before it
//! expires.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pintle_http::{CertificateFault, ServerCertificate, Tls};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

use crate::input_file;

const DAY: Duration = Duration::from_hours(24);
/// Clients have to trust a new CA after so long.
const CA_LIFE: Duration = Duration::from_hours(24 * 3650);
/// A certificate of the server is good for so long, and is renewed well before.
const CERTIFICATE_LIFE: Duration = Duration::from_hours(24 * 90);
const RENEWED_AFTER: Duration = Duration::from_hours(24 * 30);
/// A file has at most so many bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// A file of the CA cannot be read or written.
    #[error("{} cannot be read or written", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The CA's key cannot be used.
    #[error("{} holds no key of a CA; move it away, and a new CA is made", file.display())]
    Key {
        /// The file.
        file: PathBuf,
    },
    /// Signing failed.
    #[error("a certificate could not be made: {0}")]
    Sign(#[from] rcgen::Error),
    /// What was made cannot be used.
    #[error("a certificate could not be made: {0}")]
    Fault(#[from] CertificateFault),
}

/// A CA that this server made.
#[derive(Debug)]
pub(super) struct Made {
    ca_file: PathBuf,
    ca: Issuer<'static, KeyPair>,
    names: Vec<String>,
}

impl Made {
    /// Takes the CA in this directory, or makes one there.
    pub(super) fn load_or_make(dir: &Path, listen: IpAddr) -> Result<Self, MakeError> {
        let (ca_file, key_file) = (dir.join("ca.crt"), dir.join("ca.key"));
        let failed = |file: &Path| {
            let file = file.to_owned();
            move |source| MakeError::File { file, source }
        };
        let key = match input_file::read_text(&key_file) {
            Ok(text) if input_file::read(&ca_file, FILE_BYTES_MAX).is_ok() => {
                input_file::warn_of_readers(&key_file, "private key");
                KeyPair::from_pem(&text).map_err(|_| MakeError::Key { file: key_file })?
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&key_file)(error));
            }
            _ => {
                let key = KeyPair::generate()?;
                std::fs::create_dir_all(dir).map_err(failed(dir))?;
                write_new(&key_file, &key.serialize_pem(), 0o600).map_err(failed(&key_file))?;
                let certificate = ca_params().self_signed(&key)?.pem();
                write_new(&ca_file, &certificate, 0o644).map_err(failed(&ca_file))?;
                key
            }
        };
        Ok(Self { ca_file, ca: Issuer::new(ca_params(), key), names: names(listen) })
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.ca_file.clone()
    }

    /// A new certificate for this server.
    pub(super) fn issue(&self) -> Result<ServerCertificate, MakeError> {
        let mut params = CertificateParams::new(self.names.clone())?;
        params.distinguished_name = called("Pintle");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        last(&mut params, CERTIFICATE_LIFE);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.ca)?;
        Ok(ServerCertificate::from_pem(
            certificate.pem().as_bytes(),
            key.serialize_pem().as_bytes(),
        )?)
    }

    /// Shows a new certificate every now and then, for ever.
    pub(super) async fn renew(self, tls: Tls) {
        self.renew_every(RENEWED_AFTER, tls).await;
    }

    async fn renew_every(self, interval: Duration, tls: Tls) {
        loop {
            tokio::time::sleep(interval).await;
            match self.issue() {
                Ok(certificate) => {
                    tls.replace(&certificate);
                }
                Err(error) => tracing::error!(%error, "the server's certificate is not renewed"),
            }
        }
    }
}

/// Always the same, because the name of the CA stands in what it signs.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = called("Pintle CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    last(&mut params, CA_LIFE);
    params
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    called
}

/// From yesterday, because clocks differ.
fn last(params: &mut CertificateParams, life: Duration) {
    let now = SystemTime::now();
    params.not_before = OffsetDateTime::from(now - DAY);
    params.not_after = OffsetDateTime::from(now + life);
}

/// What clients may call this server.
fn names(listen: IpAddr) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let is_name =
        |text: &str| text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-.".contains(&it));
    let host = Some(host.trim().to_owned()).filter(|host| !host.is_empty() && is_name(host));
    let address = Some(listen).filter(|it| !it.is_unspecified()).map(|it| it.to_string());
    names.extend(host.into_iter().chain(address));
    names.sort_unstable();
    names.dedup();
    names
}

fn write_new(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut open =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(file)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::pin::Pin;
    use std::sync::Arc;

    use http::{Request, Response};
    use pintle_http::{Body, Door, RequestBody, ServerLimits};
    use tokio::net::TcpListener;

    use super::*;

    #[derive(Debug)]
    struct Nothing;

    impl Door for Nothing {
        fn handle(
            self: Arc<Self>,
            _: Request<RequestBody>,
        ) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
            Box::pin(async { Response::new(Body::empty()) })
        }
    }

    /// The certificates that a server shows to a client that trusts its CA, as text.
    async fn shown(url: &str, ca: &Path) -> String {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sSf", "--max-time", "20", "-w", "%{certs}", "--cacert"]).arg(ca).arg(url);
        let output = tokio::task::spawn_blocking(move || curl.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[tokio::test]
    async fn a_running_server_shows_its_renewed_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let made = Made::load_or_make(dir.path(), "127.0.0.1".parse().unwrap()).unwrap();
        let (tls, ca) = (Tls::new(&made.issue().unwrap(), false), made.ca_file());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let (_going_on, closing) = tokio::sync::watch::channel(false);
        let (door, limits) = (Arc::new(Nothing), ServerLimits::default());
        let serving =
            pintle_http::serve(listener, door, limits, Some(tls.clone()), Arc::default(), closing);
        let serving = tokio::spawn(serving);
        let first = shown(&url, &ca).await;
        assert!(first.contains("BEGIN CERTIFICATE"), "{first}");
        assert_eq!(shown(&url, &ca).await, first, "it is the same until it is renewed");
        let renewing = tokio::spawn(made.renew_every(Duration::from_millis(20), tls));
        let renewed = async { while shown(&url, &ca).await == first {} };
        tokio::time::timeout(Duration::from_secs(30), renewed).await.unwrap();
        renewing.abort();
        serving.abort();
    }

    #[test]
    fn the_ca_stays_and_only_its_owner_reads_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let make = || Made::load_or_make(&dir.path().join("tls"), "10.1.2.3".parse().unwrap());
        let first = make().unwrap();
        assert!(first.names.contains(&"10.1.2.3".to_owned()), "{:?}", first.names);
        first.issue().unwrap();
        let certificate = std::fs::read(first.ca_file()).unwrap();
        let key = dir.path().join("tls/ca.key");
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let again = make().unwrap();
        assert_eq!(std::fs::read(again.ca_file()).unwrap(), certificate);
        std::fs::write(&key, "nothing").unwrap();
        assert!(make().unwrap_err().to_string().contains("ca.key holds no key"));
    }
}
