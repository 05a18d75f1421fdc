//! Who is calling.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, USER_AGENT};
use pintle_authz::User;

use crate::StaticTokens;

/// How callers prove who they are.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// Not at all: everybody is anonymous. Such a server listens on loopback addresses only.
    None,
    /// With bearer tokens from a file. A caller with an unknown one is turned away.
    Tokens {
        /// The tokens.
        tokens: Arc<StaticTokens>,
        /// Whether a caller without a token may go on as the anonymous user. Only where rules
        /// decide what that user may do.
        anonymous: bool,
    },
}

/// A caller, found out.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is.
    pub user: Arc<User>,
}

/// The caller showed credentials that prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// There is none, and this server serves nobody unknown.
    #[error("send `Authorization: Bearer <token>`")]
    Missing,
    /// There is more than one `Authorization` header.
    #[error("more than one Authorization header was sent")]
    Ambiguous,
    /// The scheme is not the one that is understood here.
    #[error("the Authorization header must be `Bearer <token>`")]
    NotBearer,
    /// Nobody has this token.
    #[error("the bearer token is not known")]
    UnknownToken,
}

impl Authentication {
    /// Finds out who sent a request.
    pub fn identify(&self, headers: &HeaderMap) -> Result<Caller, Unauthenticated> {
        let mut credentials = headers.get_all(AUTHORIZATION).iter();
        let user = match (self, credentials.next(), credentials.next()) {
            (_, _, Some(_)) => return Err(Unauthenticated::Ambiguous),
            (Self::Tokens { anonymous: false, .. }, None, None) => {
                return Err(Unauthenticated::Missing);
            }
            (Self::None, _, None) | (Self::Tokens { .. }, None, None) => {
                Arc::new(User::anonymous())
            }
            (Self::Tokens { tokens, .. }, Some(value), None) => {
                let token =
                    value.to_str().ok().and_then(bearer).ok_or(Unauthenticated::NotBearer)?;
                tokens.user(token).ok_or(Unauthenticated::UnknownToken)?
            }
        };
        Ok(Caller { user })
    }

    /// Whether callers are asked for credentials at all.
    pub const fn asks(&self) -> bool {
        matches!(self, Self::Tokens { .. })
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// The longest name of a field manager, as upstream.
const MANAGER_CHARS_MAX: usize = 128;

/// Who writes, where a request does not say it with `fieldManager`: the first word of the
/// User-Agent, up to its version.
pub fn manager_of(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let word = agent.split(['/', ' ']).next().unwrap_or_default();
    if word.is_empty() {
        return "unknown".to_owned();
    }
    word.chars().take(MANAGER_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identify(
        authentication: &Authentication,
        values: &[&str],
    ) -> Result<String, Unauthenticated> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        authentication.identify(&headers).map(|caller| caller.user.name.to_string())
    }

    #[test]
    fn tokens_say_who_it_is() {
        let tokens = StaticTokens::parse("s3cret-s3cret,alice,1").unwrap();
        let tokens = Authentication::Tokens { tokens: Arc::new(tokens), anonymous: true };
        let anonymous = Ok("system:anonymous".to_owned());
        assert_eq!(identify(&tokens, &["Bearer s3cret-s3cret"]), Ok("alice".to_owned()));
        assert_eq!(identify(&tokens, &["bearer  s3cret-s3cret"]), Ok("alice".to_owned()));
        assert_eq!(identify(&tokens, &[]), anonymous);
        assert_eq!(identify(&tokens, &["Bearer other"]), Err(Unauthenticated::UnknownToken));
        assert_eq!(identify(&tokens, &["Basic YTpi"]), Err(Unauthenticated::NotBearer));
        assert_eq!(identify(&tokens, &["Bearer"]), Err(Unauthenticated::NotBearer));
        let twice = ["Bearer s3cret-s3cret", "Bearer s3cret-s3cret"];
        assert_eq!(identify(&tokens, &twice), Err(Unauthenticated::Ambiguous));
        assert_eq!(identify(&Authentication::None, &["Bearer x"]), anonymous);
    }
}
