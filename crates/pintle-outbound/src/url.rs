//! Where a request goes.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};

const URL_BYTES_MAX: usize = 4096;

/// An absolute `http` or `https` URL without credentials in it.
///
/// `Display` and `Debug` show its [`origin`](Self::origin) alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    uri: Uri,
}

/// Why a text is no URL that can be called. It does not repeat the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is longer than a URL may be.
    #[error("the URL is longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    /// It is not a URL at all.
    #[error("it is not a URL ({0}); a URL looks like https://example.io/path")]
    Malformed(String),
    /// It has no scheme, or another one than those of HTTP.
    #[error("the URL has to begin with http:// or https://")]
    Scheme,
    /// It has no host.
    #[error("the URL names no host")]
    Host,
    /// The port is no port.
    #[error("the port of the URL is not a number from 0 to 65535")]
    Port,
    /// It has a user name or a password in it.
    #[error(
        "the URL holds a user name or a password before the host, where it would end up in logs; \
         put a token into a file instead"
    )]
    Credentials,
    /// It has a fragment, which is never sent.
    #[error("the URL has a fragment (#...), which no server ever sees")]
    Fragment,
}

impl Url {
    /// Scheme, host and port: what may be shown.
    pub fn origin(&self) -> String {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", |it| it.as_str());
        format!("{scheme}://{authority}")
    }

    /// Whether what is sent there is encrypted.
    pub fn is_https(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// Whether what is sent there stays on this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let address = host.parse::<std::net::IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
    }

    /// The URL below this one: `path`, which begins with a slash and may have a query, is put
    /// behind the path of this one. The query of this one is left out.
    pub fn below(&self, path: &str) -> Result<Self, UrlError> {
        Self::from_str(&format!("{}{}{path}", self.origin(), self.uri.path().trim_end_matches('/')))
    }

    pub(crate) const fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        // `Uri` drops fragments without a word.
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let uri = Uri::from_str(text).map_err(|error| UrlError::Malformed(error.to_string()))?;
        let mut parts = uri.into_parts();
        if !parts.scheme.as_ref().is_some_and(|it| [Scheme::HTTP, Scheme::HTTPS].contains(it)) {
            return Err(UrlError::Scheme);
        }
        let authority = parts.authority.as_ref().ok_or(UrlError::Host)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Credentials);
        }
        if authority.host().is_empty() {
            return Err(UrlError::Host);
        }
        // What is behind the host begins with a colon, and is looked at by nobody before this.
        if authority.as_str() != authority.host() && authority.port_u16().is_none() {
            return Err(UrlError::Port);
        }
        parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
        let uri = Uri::from_parts(parts).map_err(|why| UrlError::Malformed(why.to_string()))?;
        Ok(Self { uri })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Url").field(&self.origin()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_called_is_a_url() {
        let long = format!("http://h/{}", "a".repeat(URL_BYTES_MAX - "http://h/".len()));
        for (text, expected) in [
            ("http://h", Ok("http://h")),
            ("HTTPS://h:1/a?token=x", Ok("https://h:1")),
            ("http://[::1]:8080/", Ok("http://[::1]:8080")),
            (&long, Ok("http://h")),
            (&format!("{long}a"), Err(UrlError::TooLong)),
            ("h:80", Err(UrlError::Scheme)),
            ("/a", Err(UrlError::Scheme)),
            ("ftp://h/", Err(UrlError::Scheme)),
            ("https://u:secret@h/", Err(UrlError::Credentials)),
            ("https://u@h/", Err(UrlError::Credentials)),
            ("https://:80/", Err(UrlError::Host)),
            ("https://h:65535/", Ok("https://h:65535")),
            ("https://h:65536/", Err(UrlError::Port)),
            ("https://h:/", Err(UrlError::Port)),
            ("https://h/#x", Err(UrlError::Fragment)),
        ] {
            let url = text.parse::<Url>();
            assert_eq!(url.map(|it| it.to_string()), expected.map(str::to_owned), "{text}");
        }
        for text in ["", "https://", "https://h h/", "https://h/ a"] {
            assert!(text.parse::<Url>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_path_is_put_below_a_url() {
        for (base, path, expected) in [
            ("http://h", "/a", "http://h/a"),
            ("http://h/", "/a?b=c", "http://h/a?b=c"),
            ("http://h:1/x/?q=1", "/a", "http://h:1/x/a"),
        ] {
            let url = base.parse::<Url>().unwrap().below(path).unwrap();
            assert_eq!(url.uri().to_string(), expected);
        }
    }

    #[test]
    fn what_is_behind_the_host_is_not_shown() {
        let url: Url = "https://h/secret?token=secret".parse().unwrap();
        assert!(!format!("{url} {url:?}").contains("secret"));
    }
}
