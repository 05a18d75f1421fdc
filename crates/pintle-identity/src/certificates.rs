//! Client certificates: the common name of the subject is the user, its organisations are the
//! groups, as upstream. The CA is the operator's own, so groups of the server's own, such as
//! `system:masters`, are taken from it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use pintle_authz::{ALL_UNAUTHENTICATED, ANONYMOUS, User};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode as _, Tag, Tagged as _};

use crate::life::Life;
use crate::{Caller, Credential, CredentialKind};

/// A chain that a client showed, the client's own certificate first. Its private key was seen to be
/// there; nothing else is known yet.
pub struct ClientCertificates {
    chain: Vec<CertificateDer<'static>>,
    /// What they proved, and under which trust.
    proved: Mutex<Option<(Life, Caller)>>,
}

impl ClientCertificates {
    /// What was shown.
    pub const fn new(chain: Vec<CertificateDer<'static>>) -> Self {
        Self { chain, proved: Mutex::new(None) }
    }
}

/// Whose client certificates are believed. It can be replaced while callers show them.
#[derive(Debug)]
pub struct ClientTrust {
    current: ArcSwap<Trust>,
}

#[derive(Debug)]
struct Trust {
    authorities: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ClientCertVerifier>,
    life: Life,
}

/// A file of authorities that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientTrustError {
    /// It has no certificate in it.
    #[error("it holds no certificate; one begins with -----BEGIN CERTIFICATE-----")]
    Empty,
    /// The text is broken.
    #[error("it is not PEM: {0}")]
    NotPem(String),
    /// One of the certificates is broken.
    #[error("certificate {number} of it cannot be used: {why}")]
    Unusable {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// Why a certificate proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Nobody whom we trust signed it, or its time is over, or it is not for clients.
    #[error("the client certificate is not valid: {0}")]
    NotValid(&'static str),
    /// Its subject is nobody.
    #[error("the client certificate must have exactly one common name (CN), which is the user")]
    NoName,
    /// Its subject is nobody in particular.
    #[error(
        "the client certificate names {ANONYMOUS} or {ALL_UNAUTHENTICATED}, which is who shows nothing"
    )]
    Nobody,
}

impl ClientTrust {
    /// Believes the authorities in this text (PEM).
    pub fn from_pem(text: &[u8]) -> Result<Self, ClientTrustError> {
        Ok(Self { current: ArcSwap::from_pointee(Trust::from_pem(text)?) })
    }

    /// Believes those in this text instead. What was begun with a certificate lapses, and has to
    /// begin again under the new ones. Returns whether they are other ones.
    pub fn replace(&self, text: &[u8]) -> Result<bool, ClientTrustError> {
        let trust = Trust::from_pem(text)?;
        if trust.authorities == self.current.load().authorities {
            return Ok(false);
        }
        self.current.swap(Arc::new(trust)).life.end();
        Ok(true)
    }

    /// Who shows these certificates. They are checked once, and again under another trust.
    pub(crate) fn caller(
        &self,
        shown: &ClientCertificates,
        now: SystemTime,
    ) -> Result<Caller, CertificateError> {
        let mut proved = shown.proved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((life, caller)) = &*proved
            && !life.has_ended()
            && caller.credential.holds(now)
        {
            return Ok(caller.clone());
        }
        let trust = self.current.load();
        let caller = trust.caller(&shown.chain, now)?;
        *proved = Some((trust.life.clone(), caller.clone()));
        Ok(caller)
    }
}

impl Trust {
    fn from_pem(text: &[u8]) -> Result<Self, ClientTrustError> {
        let authorities = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
        let authorities = authorities.map_err(|it| ClientTrustError::NotPem(it.to_string()))?;
        let mut roots = RootCertStore::empty();
        for (index, authority) in authorities.iter().enumerate() {
            let number = index + 1;
            roots
                .add(authority.clone())
                .map_err(|it| ClientTrustError::Unusable { number, why: it.to_string() })?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        // The one thing that can be wrong here is that there are no roots.
        let verifier = verifier.build().map_err(|_| ClientTrustError::Empty)?;
        Ok(Self { authorities, verifier, life: Life::new() })
    }

    fn caller(
        &self,
        chain: &[CertificateDer<'static>],
        now: SystemTime,
    ) -> Result<Caller, CertificateError> {
        let (own, others) = chain.split_first().ok_or(CertificateError::NoName)?;
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let verified =
            self.verifier.verify_client_cert(own, others, UnixTime::since_unix_epoch(since));
        verified.map_err(|error| CertificateError::NotValid(in_words(&error)))?;
        let certificate =
            Certificate::from_der(own).map_err(|_| CertificateError::NotValid("it is broken"))?;
        let user = Arc::new(user(&certificate)?);
        let expires = Some(certificate.tbs_certificate.validity.not_after.to_system_time());
        let life = Some(self.life.clone());
        let credential = Credential { kind: CredentialKind::Certificate, expires, life };
        Ok(Caller { user, credential })
    }
}

fn in_words(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Fault;
    let rustls::Error::InvalidCertificate(fault) = error else { return "it cannot be checked" };
    match fault {
        Fault::Expired | Fault::ExpiredContext { .. } => "it has expired",
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => "its time has not come",
        Fault::UnknownIssuer => "nobody who is trusted here signed it",
        Fault::InvalidPurpose | Fault::InvalidPurposeContext { .. } => "it is not for clients",
        _ => "it cannot be checked",
    }
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

fn user(certificate: &Certificate) -> Result<User, CertificateError> {
    let names = texts(certificate, COMMON_NAME)?;
    let [name] = names.as_slice() else { return Err(CertificateError::NoName) };
    if name.trim() != name || name.is_empty() || name.chars().any(char::is_control) {
        return Err(CertificateError::NoName);
    }
    let groups = texts(certificate, ORGANIZATION)?.into_iter().filter(|group| !group.is_empty());
    let user = User::authenticated(name, None, groups.map(Arc::from));
    if user.is_anonymous() || user.is_in(ALL_UNAUTHENTICATED) {
        return Err(CertificateError::Nobody);
    }
    Ok(user)
}

/// The texts of one kind in the subject.
fn texts(
    certificate: &Certificate,
    kind: ObjectIdentifier,
) -> Result<Vec<String>, CertificateError> {
    const UNREADABLE: CertificateError =
        CertificateError::NotValid("its subject is not written in UTF-8 or ASCII");
    let parts = certificate.tbs_certificate.subject.0.iter().flat_map(|set| set.0.iter());
    let values = parts.filter(|part| part.oid == kind).map(|part| &part.value);
    let text = |value: &x509_cert::der::Any| match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            String::from_utf8(value.value().to_vec()).map_err(|_| UNREADABLE)
        }
        _ => Err(UNREADABLE),
    };
    values.map(text).collect()
}

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificates").field("len", &self.chain.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
