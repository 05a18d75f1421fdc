//! A server that answers as a test says, byte for byte.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// What a server does once it has read a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Writes this; and when it does not look like a whole answer, closes.
    Bytes(Bytes),
    /// Writes this, and then no more, without closing.
    Hang(Bytes),
    /// Writes this, and then letters until nobody takes them.
    Endless(Bytes),
}

const LOCALHOST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Stops when it is dropped, with all its connections.
pub(crate) struct Server {
    scheme: &'static str,
    address: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: watch::Sender<Vec<String>>,
    connections: AtomicUsize,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(LOCALHOST, None, answer).await
    }

    /// At an address of its own, where it can be started again.
    pub(crate) async fn start_at(
        address: SocketAddr,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(address, None, answer).await
    }

    /// With a certificate for `name`. Whoever calls it calls it localhost.
    pub(crate) async fn start_tls(
        authority: &Authority,
        name: &str,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(LOCALHOST, Some(authority.acceptor(name)), answer).await
    }

    async fn start_with(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (seen, answer) = (Arc::new(Seen::default()), Arc::new(answer));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    seen.connections.fetch_add(1, Ordering::Relaxed);
                    let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                    connections.spawn(converse(stream, tls.clone(), seen, answer));
                }
            }
        });
        Self { scheme, address, seen, task }
    }

    pub(crate) fn authority(&self) -> String {
        if self.address.ip() == LOCALHOST.ip() {
            // The name that certificates are for.
            format!("localhost:{}", self.address.port())
        } else {
            self.address.to_string()
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.authority())
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.borrow().clone()
    }

    /// Waits until `holds` of the requests so far.
    pub(crate) async fn until(&self, holds: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut requests = self.seen.requests.subscribe();
        requests.wait_for(|requests| holds(requests)).await.unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }
}

async fn converse(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    seen: Arc<Seen>,
    answer: Arc<impl Fn(&str) -> Answer>,
) {
    match tls {
        None => answer_all(stream, &seen, &*answer).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                answer_all(stream, &seen, &*answer).await;
            }
        }
    }
}

async fn answer_all(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: &Seen,
    answer: &impl Fn(&str) -> Answer,
) {
    while let Some(request) = read_request(&mut stream).await {
        seen.requests.send_modify(|requests| requests.push(request.clone()));
        let written = match answer(&request) {
            Answer::Bytes(bytes) => {
                let written = stream.write_all(&bytes).await;
                if !bytes.windows(15).any(|it| it == b"content-length:") || bytes.ends_with(b"\nx")
                {
                    return;
                }
                written
            }
            Answer::Hang(bytes) => {
                drop(stream.write_all(&bytes).await);
                std::future::pending().await
            }
            Answer::Endless(bytes) => {
                drop(stream.write_all(&bytes).await);
                while stream.write_all(&[b'a'; 1024]).await.is_ok() {}
                return;
            }
        };
        if written.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |it| it.parse().unwrap()) {
                return Some(text.into_owned());
            }
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}

/// Somebody who signs certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The certificate to believe.
    pub(crate) pem: String,
}

pub(crate) fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let pem = issuer.pem();
    Authority { issuer, pem }
}

impl Authority {
    /// A certificate for `name`, and its key.
    pub(crate) fn pem_for(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
