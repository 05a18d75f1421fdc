//! `/docs`: the description of the door for people. A page of its own with a style and a script,
//! all of it in the program, so that it works where nothing else can be reached.
//!
//! What is served here names no kind: the script reads `/openapi.json` with the token that its
//! reader gives it, and keeps that for as long as the page is open.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};
use http::{Response, StatusCode};
use pintle_http::{Body, set_header};

/// A file of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asset {
    /// The page.
    Page,
    /// How it looks.
    Style,
    /// What it does.
    Script,
}

/// Nothing from elsewhere, nothing inline, and no frame around it.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";
const CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

impl Asset {
    fn content(self) -> (&'static str, &'static str) {
        match self {
            Self::Page => ("text/html; charset=utf-8", include_str!("docs/page.html")),
            Self::Style => ("text/css; charset=utf-8", include_str!("docs/page.css")),
            Self::Script => ("text/javascript; charset=utf-8", include_str!("docs/page.js")),
        }
    }

    /// Answers with the file.
    pub(crate) fn response(self) -> Response<Body> {
        let (media_type, text) = self.content();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        set_header(headers, CONTENT_TYPE, media_type);
        set_header(headers, CACHE_CONTROL, "no-cache");
        set_header(headers, CONTENT_SECURITY_POLICY, POLICY);
        set_header(headers, CONTENT_TYPE_OPTIONS, "nosniff");
        response
    }
}
