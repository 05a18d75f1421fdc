//! What a token claims, and whom that makes its holder. Its signature was checked before.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pintle_authz::User;
use serde_json::{Map, Value};

use super::JwtError;
use crate::life::Life;
use crate::{Caller, Credential, CredentialKind};

/// Clocks of issuers may be ahead of ours by so much. It is not added to `exp`: when that says that
/// a token is over, it is over.
const LEEWAY: Duration = Duration::from_mins(1);
/// A name has at most so many bytes.
const NAME_BYTES_MAX: usize = 1024;
/// Names that begin so are the server's own, and no issuer gives them out.
const RESERVED: &str = "system:";

/// What has to be claimed, and what callers are called after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRules {
    /// `iss` has to be this, to the letter.
    pub issuer: String,
    /// `aud` has to name this.
    pub audience: String,
    /// The claim that holds the name of the user.
    pub username_claim: String,
    /// What is put before that name.
    pub username_prefix: String,
    /// The claim that holds the groups: a list of texts, or one text.
    pub groups_claim: String,
    /// What is put before each group.
    pub groups_prefix: String,
}

/// Rules that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimRulesError {
    /// A prefix would make reserved names.
    #[error(
        "a prefix that begins with \"system:\" would let an issuer give out the names of the server's own"
    )]
    ReservedPrefix,
}

impl ClaimRules {
    /// Whether these rules can be meant.
    pub fn check(&self) -> Result<(), ClaimRulesError> {
        // A prefix that is shorter than the reserved one is looked at with the name behind it.
        let reserved = |prefix: &str| prefix.starts_with(RESERVED);
        if reserved(&self.username_prefix) || reserved(&self.groups_prefix) {
            return Err(ClaimRulesError::ReservedPrefix);
        }
        Ok(())
    }

    /// Who holds a token that makes these claims, signed with a key of this life.
    pub(super) fn caller(
        &self,
        claims: &Map<String, Value>,
        life: Life,
        now: SystemTime,
    ) -> Result<Caller, JwtError> {
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(JwtError::Issuer);
        }
        if !self.is_meant(claims.get("aud")) {
            return Err(JwtError::Audience);
        }
        let expires = check_times(claims, now)?;
        let user = User::authenticated(&self.name(claims)?, None, self.groups(claims)?);
        let life = Some(life);
        let credential = Credential { kind: CredentialKind::Jwt, expires: Some(expires), life };
        Ok(Caller { user: Arc::new(user), credential })
    }

    fn is_meant(&self, audience: Option<&Value>) -> bool {
        let is_ours = |value: &Value| value.as_str() == Some(&self.audience);
        match audience {
            Some(Value::Array(several)) => several.iter().any(is_ours),
            Some(one) => is_ours(one),
            None => false,
        }
    }

    fn name(&self, claims: &Map<String, Value>) -> Result<String, JwtError> {
        let name = claims.get(&self.username_claim).and_then(Value::as_str);
        let name = name.ok_or(JwtError::Claim("the user name is missing or not a text"))?;
        if self.username_claim == "email" && claims.get("email_verified").is_some_and(is_not_true) {
            return Err(JwtError::Claim("email_verified is not true"));
        }
        let full = format!("{}{name}", self.username_prefix);
        if name.is_empty() || full.trim() != full || !is_sane(&full) {
            return Err(JwtError::Claim(
                "the user name is empty, too long, or has characters that no name has",
            ));
        }
        if full.starts_with(RESERVED) {
            return Err(JwtError::Claim("user names that begin with system: are never taken"));
        }
        Ok(full)
    }

    /// Groups that nobody may be given by an issuer are left out: the rest of the token is good.
    fn groups(&self, claims: &Map<String, Value>) -> Result<Vec<Arc<str>>, JwtError> {
        const WRONG: JwtError =
            JwtError::Claim("the groups are neither a list of texts nor a text");
        let named: Vec<&str> = match claims.get(&self.groups_claim) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => {
                several.iter().map(|it| it.as_str().ok_or(WRONG)).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(WRONG),
        };
        let groups = named.into_iter().filter(|group| !group.is_empty());
        let groups = groups.map(|group| format!("{}{group}", self.groups_prefix));
        let kept = groups.filter(|group| !group.starts_with(RESERVED) && is_sane(group));
        Ok(kept.map(Arc::from).collect())
    }
}

fn is_not_true(value: &Value) -> bool {
    *value != Value::Bool(true)
}

fn is_sane(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control)
}

/// Returns when the token is over.
fn check_times(claims: &Map<String, Value>, now: SystemTime) -> Result<SystemTime, JwtError> {
    const NO_END: JwtError = JwtError::Claim("exp is missing, and a token must have an end");
    let expires = time(claims, "exp")?.ok_or(NO_END)?;
    if expires <= now {
        return Err(JwtError::Expired);
    }
    if time(claims, "nbf")?.is_some_and(|from| from > now + LEEWAY) {
        return Err(JwtError::NotYet);
    }
    if time(claims, "iat")?.is_some_and(|made| made > now + LEEWAY) {
        return Err(JwtError::FromTheFuture);
    }
    Ok(expires)
}

/// The last second of the year 9999; whatever is later is a mistake.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// Seconds since 1970, perhaps with a fraction (RFC 7519, section 2).
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<SystemTime>, JwtError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
    let seconds = seconds.ok_or(JwtError::Claim("exp, nbf or iat is not a time"))?;
    Ok(Some(SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds)))
}
