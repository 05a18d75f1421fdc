//! TLS: the certificate that the server shows, and those that callers show. Whom the latter make
//! somebody is decided in `pintle-identity`; here they are only asked for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pintle_identity::ClientCertificates;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A handshake takes at most so long; whoever begins none costs no more.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The server's side of TLS 1.2 and 1.3. Its certificate can be replaced while it serves.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
}

/// A certificate, the chain to whoever signed it, and its key.
#[derive(Clone)]
pub struct ServerCertificate(Arc<CertifiedKey>);

/// Why a certificate and a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// The text has no certificate in it.
    #[error("it holds no certificate; one begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// The text has no private key in it.
    #[error("it holds no private key; one begins with -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// The text is broken.
    #[error("it is not PEM: {0}")]
    NotPem(String),
    /// The key is not the one of the certificate, or of a kind that is not known.
    #[error("the certificate and the key do not go together: {0}")]
    Mismatch(String),
}

impl ServerCertificate {
    /// From the two texts (PEM), the certificate of the server first in its own.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, CertificateFault> {
        let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| CertificateFault::NotPem(error.to_string()))?;
        if chain.is_empty() {
            return Err(CertificateFault::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateFault::NoKey)?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        let key = key.map_err(|error| CertificateFault::Mismatch(error.to_string()))?;
        Ok(Self(Arc::new(key)))
    }
}

impl Tls {
    /// Shows this certificate; asks callers for theirs, without insisting, if told so.
    pub fn new(certificate: &ServerCertificate, ask_for_certificates: bool) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let shown = Arc::new(Shown(ArcSwap::new(Arc::clone(&certificate.0))));
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3");
        let config = if ask_for_certificates {
            config.with_client_cert_verifier(Arc::new(Asks(provider)))
        } else {
            config.with_no_client_auth()
        };
        let resolver = Arc::clone(&shown);
        let mut config = config.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), shown }
    }

    /// Shows another certificate from now on. Returns whether it is another one.
    pub fn replace(&self, certificate: &ServerCertificate) -> bool {
        let before = self.shown.0.swap(Arc::clone(&certificate.0));
        before.cert != certificate.0.cert
    }

    /// Shakes hands. Nothing for whoever does not, in time or at all.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<Greeted> {
        tokio::time::timeout(HANDSHAKE_TIMEOUT, self.greet(stream)).await.ok()?
    }

    async fn greet(&self, stream: TcpStream) -> Option<Greeted> {
        let mut first = [0];
        if stream.peek(&mut first).await.ok()? == 1 && first.iter().all(u8::is_ascii_uppercase) {
            speak_plainly(stream).await;
            return None;
        }
        match self.acceptor.accept(stream).await {
            Ok(stream) => {
                let shown = stream.get_ref().1.peer_certificates();
                let certificates = shown.map(|chain| ClientCertificates::new(chain.to_vec()));
                Some(Greeted { stream, certificates: certificates.map(Arc::new) })
            }
            Err(error) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
        }
    }
}

/// A connection with TLS on it.
#[derive(Debug)]
pub(crate) struct Greeted {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) certificates: Option<Arc<ClientCertificates>>,
}

/// Tells a client without TLS what is wrong.
async fn speak_plainly(mut stream: TcpStream) {
    const BODY: &str = "{\"code\":400,\"error\":\"this port speaks TLS: begin the URL with \
                        https://\",\"reason\":\"BAD_REQUEST\"}";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    // A client that has gone need not be told.
    let _gone = stream.write_all(answer.as_bytes()).await;
    let _gone = stream.shutdown().await;
    // What is left unread when a connection closes would take the answer with it.
    let mut rest = [0; 4096];
    for _ in 0..16 {
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut rest);
        if !matches!(read.await, Ok(1..)) {
            break;
        }
    }
}

struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Asks for a certificate, and takes any whose key the other end has. One that proves nothing is
/// told so with an answer, as upstream does it; a broken handshake would tell them nothing.
#[derive(Debug)]
struct Asks(Arc<CryptoProvider>);

impl ClientCertVerifier for Asks {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate").finish_non_exhaustive()
    }
}
