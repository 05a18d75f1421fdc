//! JSON Web Tokens (RFC 7519) of one issuer.
//!
//! A token is taken apart (`token`), the key that it names is looked for among those of the issuer
//! (`keys`, kept fresh by `source`), the signature is checked with an algorithm that fits the key,
//! and only then is what it claims looked at (`claims`). What was found is remembered by the digest
//! of the token (`cache`), so that a signature is checked once.
//!
//! The advice of RFC 8725 is followed: a list of algorithms that are asymmetric without exception,
//! a key is good for the algorithms of its type alone, and issuer and audience are always checked.

mod algorithm;
mod cache;
mod claims;
mod keys;
mod source;
mod token;

use std::sync::Arc;
use std::time::SystemTime;

use crate::Caller;
use cache::Cache;
use token::Token;

pub use claims::{ClaimRules, ClaimRulesError};
pub use keys::{KeySet, KeySetError};
pub use source::{Keys, KeysError, Remote};

/// Why a token proves nothing. No message shows any part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// It is longer than any token may be.
    #[error("the token is longer than {} bytes", token::BYTES_MAX)]
    TooLong,
    /// It is not what it should be.
    #[error("the token is not a signed JWT: {0}")]
    Malformed(&'static str),
    /// It is signed in a way that is not trusted here, or not at all.
    #[error("the token's alg is not accepted; accepted are {}", algorithm::NAMES)]
    Algorithm,
    /// The issuer has no such key.
    #[error("no key of the issuer has the token's kid and fits its alg")]
    UnknownKey,
    /// It names no key, and more than one would fit.
    #[error("the token has no kid, and more than one key of the issuer fits its alg")]
    NoKeyId,
    /// It was not signed with that key, or changed since.
    #[error("the token's signature is not valid")]
    Signature,
    /// Somebody else made it.
    #[error("the token's iss is not the issuer that is trusted here")]
    Issuer,
    /// It is meant for somebody else.
    #[error("the token's aud does not name this server")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet (nbf)")]
    NotYet,
    /// It claims to be made later than now.
    #[error("the token's iat is in the future")]
    FromTheFuture,
    /// A claim is missing or is not what it should be.
    #[error("the token's claims cannot be used: {0}")]
    Claim(&'static str),
}

impl JwtError {
    /// As metrics name it.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::TooLong | Self::Malformed(_) => "jwt_malformed",
            Self::Algorithm => "jwt_algorithm",
            Self::UnknownKey | Self::NoKeyId => "jwt_key",
            Self::Signature => "jwt_signature",
            Self::Issuer => "jwt_issuer",
            Self::Audience => "jwt_audience",
            Self::Expired => "jwt_expired",
            Self::NotYet | Self::FromTheFuture => "jwt_not_yet",
            Self::Claim(_) => "jwt_claim",
        }
    }
}

/// Knows the holders of tokens that one issuer signed.
#[derive(Debug)]
pub struct JwtAuthenticator {
    keys: Arc<Keys>,
    rules: ClaimRules,
    cache: Cache,
}

impl JwtAuthenticator {
    /// Trusts these keys, and what these rules let through.
    pub fn new(keys: Arc<Keys>, rules: ClaimRules) -> Self {
        Self { keys, rules, cache: Cache::default() }
    }

    /// Who shows this token. A key that is not known may be fetched, and this waits for it.
    pub(crate) async fn caller(&self, token: &str, now: SystemTime) -> Result<Caller, JwtError> {
        if token.len() > token::BYTES_MAX {
            return Err(JwtError::TooLong);
        }
        let digest = cache::digest(token);
        if let Some(caller) = self.cache.get(&digest, now) {
            return Ok(caller);
        }
        let token = Token::parse(token)?;
        let keys = self.keys.current();
        let key = match keys.find(&token) {
            Err(JwtError::UnknownKey) => self.keys.newer_than(&keys).await.find(&token),
            found => found,
        }?;
        key.verify(&token)?;
        let caller = self.rules.caller(&token.claims, key.life(), now)?;
        self.cache.put(digest, &caller, now);
        Ok(caller)
    }
}

/// Whether a bearer token looks like a JWT: three parts, as no token that we make.
pub(crate) fn is_jwt(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod tests;
