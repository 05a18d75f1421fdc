//! The public keys of an issuer: a JWK set (RFC 7517).
//!
//! A key that is not for checking signatures, or of a type that is not known here, is passed over,
//! as section 5 of the RFC wants; so is a symmetric one.

use std::sync::Arc;

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::JwtError;
use super::algorithm::{Algorithm, Family};
use super::token::Token;
use crate::life::Life;

/// A set has at most so many keys. Issuers have two or three.
const KEYS_MAX: usize = 100;

/// The keys that tokens are checked with.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Arc<Key>>,
}

/// Why a document is no set of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is something else.
    #[error("it is not a JWK set, which looks like {{\"keys\": [{{\"kty\": …}}]}}: {0}")]
    NotKeys(String),
    /// There are too many.
    #[error("it has {0} keys; at most {KEYS_MAX} are read")]
    TooMany(usize),
    /// None of them is of use.
    #[error(
        "none of its {keys} keys can check signatures; keys of type RSA (2048 bits or more), EC \
         (P-256, P-384) and OKP (Ed25519) can{first}"
    )]
    NoneUsable {
        /// So many there are.
        keys: usize,
        /// What is wrong with the first of them, as the rest of the sentence.
        first: String,
    },
}

#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    /// The one algorithm that the key says it is for.
    only: Option<Algorithm>,
    public: Public,
    life: Life,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// As the curve writes its points.
    Point {
        family: Family,
        bytes: Vec<u8>,
    },
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a document.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        // The error of serde shows values only of types that are wrong, never texts.
        let set: JwkSet =
            serde_json::from_slice(json).map_err(|error| KeySetError::NotKeys(place_of(&error)))?;
        if set.keys.len() > KEYS_MAX {
            return Err(KeySetError::TooMany(set.keys.len()));
        }
        let count = set.keys.len();
        let (mut keys, mut first) = (Vec::new(), None);
        for jwk in set.keys {
            match Key::parse(jwk) {
                Ok(key) => keys.push(Arc::new(key)),
                Err(why) => first = first.or(Some(why)),
            }
        }
        if keys.is_empty() {
            let first = first.map(|why| format!(" (the first: {why})")).unwrap_or_default();
            return Err(KeySetError::NoneUsable { keys: count, first });
        }
        Ok(Self { keys })
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that a token names, or the only one that it can mean.
    pub(super) fn find(&self, token: &Token<'_>) -> Result<Arc<Key>, JwtError> {
        let mut fitting = self.keys.iter().filter(|key| {
            let named = token.key_id.is_none() || token.key_id == key.id;
            named && key.fits(token.algorithm)
        });
        match (fitting.next(), fitting.next()) {
            (None, _) => Err(JwtError::UnknownKey),
            (Some(_), Some(_)) if token.key_id.is_none() => Err(JwtError::NoKeyId),
            (Some(key), _) => Ok(Arc::clone(key)),
        }
    }

    /// Takes the place of `before`: keys that stay go on living, and those that are gone end.
    /// Returns how many came and how many are gone.
    pub(super) fn succeed(&mut self, before: &Self) -> (usize, Vec<Life>) {
        let mut new = 0;
        for key in &mut self.keys {
            match before.keys.iter().find(|old| old.is(key)) {
                Some(same) => *key = Arc::clone(same),
                None => new += 1,
            }
        }
        let gone = before.keys.iter().filter(|old| !self.keys.iter().any(|key| key.is(old)));
        (new, gone.map(|key| key.life.clone()).collect())
    }
}

fn place_of(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

impl Key {
    fn parse(jwk: Value) -> Result<Self, &'static str> {
        let jwk = Jwk::deserialize(jwk).map_err(|_| "its members are not what RFC 7517 says")?;
        if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return Err("its use is not sig");
        }
        let verifies = |operations: &Vec<String>| operations.iter().any(|it| it == "verify");
        if !jwk.key_ops.as_ref().is_none_or(verifies) {
            return Err("its key_ops are without verify");
        }
        let public = Public::parse(&jwk)?;
        let only = jwk.alg.as_deref().map(|alg| Algorithm::named(alg).ok_or("its alg is unknown"));
        let only = only.transpose()?;
        if only.is_some_and(|only| only.family() != public.family()) {
            return Err("its alg does not fit its kty");
        }
        Ok(Self { id: jwk.kid, only, public, life: Life::new() })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        algorithm.family() == self.public.family() && self.only.is_none_or(|only| only == algorithm)
    }

    fn is(&self, other: &Self) -> bool {
        self.id == other.id && self.only == other.only && self.public == other.public
    }

    pub(super) fn life(&self) -> Life {
        self.life.clone()
    }

    /// Whether the token was signed with this key.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<(), JwtError> {
        if !self.fits(token.algorithm) {
            return Err(JwtError::UnknownKey);
        }
        let (message, signature) = (token.signed.as_bytes(), &token.signature);
        let valid = match (&self.public, token.algorithm.rsa(), token.algorithm.curve()) {
            (Public::Rsa { n, e }, Some(how), _) => {
                RsaPublicKeyComponents { n, e }.verify(how, message, signature).is_ok()
            }
            (Public::Point { bytes, .. }, None, Some(how)) => {
                let key = ParsedPublicKey::new(how, bytes);
                key.is_ok_and(|key| key.verify_sig(message, signature).is_ok())
            }
            _ => false,
        };
        if valid { Ok(()) } else { Err(JwtError::Signature) }
    }
}

/// The bits that an RSA key has at least, as those who check signatures want it.
const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;

impl Public {
    fn parse(jwk: &Jwk) -> Result<Self, &'static str> {
        match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Self::rsa(jwk),
            ("EC", Some("P-256")) => Self::ec(jwk, Family::P256, 32),
            ("EC", Some("P-384")) => Self::ec(jwk, Family::P384, 48),
            ("OKP", Some("Ed25519")) => {
                let bytes = coordinate(jwk.x.as_deref(), 32)?;
                Self::point(Family::Ed25519, Algorithm::Ed25519, bytes)
            }
            ("EC" | "OKP", _) => Err("its crv is not known"),
            ("oct", _) => Err("it is symmetric"),
            _ => Err("its kty is not known"),
        }
    }

    fn rsa(jwk: &Jwk) -> Result<Self, &'static str> {
        let (n, e) = (number(jwk.n.as_deref())?, number(jwk.e.as_deref())?);
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            return Err("it has less than 2048 or more than 8192 bits");
        }
        Ok(Self::Rsa { n, e })
    }

    fn ec(jwk: &Jwk, family: Family, bytes: usize) -> Result<Self, &'static str> {
        let (x, y) = (coordinate(jwk.x.as_deref(), bytes)?, coordinate(jwk.y.as_deref(), bytes)?);
        let how = if family == Family::P256 { Algorithm::Es256 } else { Algorithm::Es384 };
        // SEC 1, section 2.3.3: an uncompressed point.
        Self::point(family, how, [&[4][..], &x, &y].concat())
    }

    fn point(family: Family, how: Algorithm, bytes: Vec<u8>) -> Result<Self, &'static str> {
        let how = how.curve().ok_or("its crv is not known")?;
        ParsedPublicKey::new(how, &bytes).map_err(|_| "it is not a point on its curve")?;
        Ok(Self::Point { family, bytes })
    }

    const fn family(&self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::Point { family, .. } => *family,
        }
    }
}

/// A number without leading zeros.
fn number(text: Option<&str>) -> Result<Vec<u8>, &'static str> {
    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let bytes = bytes.ok_or("n or e is missing or not base64url")?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes.into_iter().skip(zeros).collect())
}

fn coordinate(text: Option<&str>, length: usize) -> Result<Vec<u8>, &'static str> {
    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes.filter(|bytes| bytes.len() == length).ok_or("x or y is missing or has another length")
}
