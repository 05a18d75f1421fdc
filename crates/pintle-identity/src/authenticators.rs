//! [`Authenticators`]: from what a request shows to who sent it.

use std::sync::Arc;
use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::jwt::{self, JwtAuthenticator, JwtError};
use crate::{Caller, CertificateError, ClientTrust, Connection, TokenFile};

/// The ways in which callers can prove who they are. Without any, everybody is anonymous, and the
/// server listens on loopback addresses only.
#[derive(Debug, Clone, Default)]
pub struct Authenticators {
    tokens: Option<Arc<TokenFile>>,
    jwt: Option<Arc<JwtAuthenticator>>,
    certificates: Option<Arc<ClientTrust>>,
    anonymous: bool,
}

/// The caller showed credentials that prove nothing. No message shows any part of them.
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
    /// The token is a JWT, and proves nothing.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// A certificate was shown that proves nothing, and nothing else.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl Unauthenticated {
    /// As metrics name it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous",
            Self::NotBearer => "not_bearer",
            Self::UnknownToken => "unknown_token",
            Self::Jwt(error) => error.as_str(),
            Self::Certificate(_) => "certificate",
        }
    }
}

impl Authenticators {
    /// Asks nobody for anything.
    pub fn none() -> Self {
        Self::default()
    }

    /// Knows the bearer tokens of a file.
    #[must_use]
    pub fn with_tokens(self, tokens: Arc<TokenFile>) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// Knows the holders of an issuer's JSON Web Tokens.
    #[must_use]
    pub fn with_jwt(self, jwt: Arc<JwtAuthenticator>) -> Self {
        Self { jwt: Some(jwt), ..self }
    }

    /// Knows those whose certificates these authorities signed.
    #[must_use]
    pub fn with_certificates(self, trust: Arc<ClientTrust>) -> Self {
        Self { certificates: Some(trust), ..self }
    }

    /// Lets callers who show nothing go on as the anonymous user. Only where rules decide what that
    /// user may do.
    #[must_use]
    pub fn with_anonymous(self, anonymous: bool) -> Self {
        Self { anonymous, ..self }
    }

    /// Whether callers are asked for credentials at all.
    pub const fn asks(&self) -> bool {
        self.tokens.is_some() || self.jwt.is_some() || self.certificates.is_some()
    }

    /// Whether certificates of callers are looked at.
    pub const fn takes_certificates(&self) -> bool {
        self.certificates.is_some()
    }

    /// Whether callers who show nothing may go on although others are asked for credentials.
    pub const fn takes_anonymous(&self) -> bool {
        self.anonymous
    }

    /// Finds out who sent a request. A certificate that proves something wins over a token, as
    /// upstream, where the first authenticator that knows the caller does. Whom the program itself
    /// vouches for shows nothing.
    pub async fn identify(&self, request: &Parts) -> Result<Caller, Unauthenticated> {
        let connection = request.extensions.get::<Connection>();
        if let Some(user) = connection.and_then(|connection| connection.user.as_ref()) {
            return Ok(Caller::vouched(Arc::clone(user)));
        }
        let by_certificate =
            connection.and_then(|connection| self.holder_of_certificate(connection));
        if let Some(Ok(caller)) = by_certificate {
            return Ok(caller);
        }
        match shown(&request.headers)? {
            Some(value) if self.asks() => {
                let token = bearer(value).ok_or(Unauthenticated::NotBearer)?;
                self.holder_of(token).await
            }
            None if let Some(Err(error)) = by_certificate => Err(error.into()),
            None if self.asks() && !self.anonymous => Err(Unauthenticated::Missing),
            _ => Ok(Caller::anonymous()),
        }
    }
}

impl Authenticators {
    fn holder_of_certificate(
        &self,
        connection: &Connection,
    ) -> Option<Result<Caller, CertificateError>> {
        let trust = self.certificates.as_ref()?;
        let shown = connection.certificates.as_ref()?;
        Some(trust.caller(shown, SystemTime::now()))
    }

    async fn holder_of(&self, token: &str) -> Result<Caller, Unauthenticated> {
        if let Some(caller) = self.tokens.as_ref().and_then(|tokens| tokens.caller(token)) {
            return Ok(caller);
        }
        match &self.jwt {
            Some(jwt) if jwt::is_jwt(token) => Ok(jwt.caller(token, SystemTime::now()).await?),
            _ => Err(Unauthenticated::UnknownToken),
        }
    }
}

fn shown(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Unauthenticated> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Unauthenticated::Ambiguous),
        (value, None) => Ok(value),
    }
}

/// RFC 6750, section 2.1.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StaticTokens;

    async fn identify(
        authenticators: &Authenticators,
        values: &[&str],
    ) -> Result<String, Unauthenticated> {
        let mut request = http::Request::new(());
        for value in values {
            request.headers_mut().append(AUTHORIZATION, value.parse().unwrap());
        }
        let (parts, ()) = request.into_parts();
        authenticators.identify(&parts).await.map(|caller| caller.user.name.to_string())
    }

    #[tokio::test]
    async fn tokens_say_who_it_is() {
        let tokens = StaticTokens::parse("s3cret-s3cret,alice,1").unwrap();
        let tokens = Authenticators::none().with_tokens(Arc::new(TokenFile::new(tokens)));
        let lenient = tokens.clone().with_anonymous(true);
        let none = Authenticators::none();
        let (alice, anonymous) = (Ok("alice".to_owned()), Ok("system:anonymous".to_owned()));
        let twice = ["Bearer s3cret-s3cret", "Bearer s3cret-s3cret"];
        let cases: [(&Authenticators, &[&str], _); 10] = [
            (&tokens, &["Bearer s3cret-s3cret"], alice.clone()),
            (&lenient, &["bearer  s3cret-s3cret"], alice),
            (&tokens, &[], Err(Unauthenticated::Missing)),
            (&lenient, &[], anonymous.clone()),
            (&lenient, &["Bearer other"], Err(Unauthenticated::UnknownToken)),
            (&lenient, &["Basic YTpi"], Err(Unauthenticated::NotBearer)),
            (&lenient, &["Bearer"], Err(Unauthenticated::NotBearer)),
            (&lenient, &twice, Err(Unauthenticated::Ambiguous)),
            (&none, &twice, Err(Unauthenticated::Ambiguous)),
            (&none, &["Bearer x"], anonymous),
        ];
        for (authenticators, values, expected) in cases {
            let found = identify(authenticators, values).await;
            assert_eq!(found, expected, "{values:?}");
        }
    }

    #[tokio::test]
    async fn the_program_vouches_for_its_own_calls() {
        let tokens = StaticTokens::parse("s3cret-s3cret,alice,1").unwrap();
        let tokens = Authenticators::none().with_tokens(Arc::new(TokenFile::new(tokens)));
        let controller = Arc::new(pintle_authz::User::authenticated("controller", None, []));
        let mut request = http::Request::new(());
        let facts = Connection { user: Some(Arc::clone(&controller)), ..Connection::default() };
        request.extensions_mut().insert(facts);
        let caller = tokens.identify(&request.into_parts().0).await.unwrap();
        assert_eq!(caller.user, controller);
        assert_eq!(caller.credential.kind.as_str(), "program");
    }
}
