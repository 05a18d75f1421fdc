//! What is sent.

use std::fmt;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::{Secret, Url};

/// One request.
///
/// `Debug` shows where it goes and how large it is, not what is in it.
#[derive(Clone)]
pub struct Message<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl<'a> Message<'a> {
    /// Asks for what is at `url`.
    pub fn get(url: &'a Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// Brings `body` to `url`.
    pub fn post(url: &'a Url, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
        Self { method: Method::POST, url, headers, body: body.into() }
    }

    /// Any other request, without a body so far.
    pub fn new(method: Method, url: &'a Url) -> Self {
        Self { method, ..Self::get(url) }
    }

    /// With this body.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// With this header, which takes the place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// With `token` to say who asks.
    #[must_use]
    pub fn bearer(self, token: &Secret) -> Self {
        self.header(AUTHORIZATION, token.bearer())
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
