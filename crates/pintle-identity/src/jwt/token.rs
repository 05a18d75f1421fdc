//! The parts of a token (RFC 7515, section 7.1), before anything of it is believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::JwtError;
use super::algorithm::Algorithm;

/// A token has at most so many bytes.
pub(super) const BYTES_MAX: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Token<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) claims: Map<String, Value>,
    /// What the signature is over.
    pub(super) signed: &'t str,
    pub(super) signature: Vec<u8>,
}

/// A member that is there twice is an error.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
    b64: Option<Value>,
}

impl<'t> Token<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, JwtError> {
        let (signed, signature) = text.rsplit_once('.').ok_or(PARTS)?;
        let (header, claims) = signed.split_once('.').ok_or(PARTS)?;
        if claims.contains('.') {
            return Err(PARTS);
        }
        let header: Header = serde_json::from_slice(&decoded(header)?)
            .map_err(|_| JwtError::Malformed("its header is not a JSON object with an alg"))?;
        let claims = serde_json::from_slice(&decoded(claims)?)
            .map_err(|_| JwtError::Malformed("its claims are not a JSON object"))?;
        let algorithm = header.algorithm()?;
        let signature = decoded(signature)?;
        Ok(Self { algorithm, key_id: header.kid, claims, signed, signature })
    }
}

const PARTS: JwtError = JwtError::Malformed("it must have three parts, with dots between them");

impl Header {
    /// The algorithm, when there is nothing in the header that we would have to understand.
    fn algorithm(&self) -> Result<Algorithm, JwtError> {
        if self.crit.is_some() || self.b64.is_some() {
            return Err(JwtError::Malformed("its header has extensions (crit, b64)"));
        }
        if !self.typ.as_deref().is_none_or(is_access) {
            return Err(JwtError::Malformed("its typ is neither JWT nor at+jwt"));
        }
        Algorithm::named(&self.alg).ok_or(JwtError::Algorithm)
    }
}

/// Tokens of other types are made by the same issuers for other purposes (RFC 8725, section 3.11).
fn is_access(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    typ == "jwt" || typ == "at+jwt"
}

fn decoded(part: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed("a part of it is not base64url"))
}
