//! `GraphiQL`: a page from which people ask, all of it in the program, so that it works where
//! nothing else can be reached.
//!
//! What is served here names no kind: the page asks for the schema with the headers that its reader
//! gives it, and keeps those for as long as it is open. Where the vendored files come from stands
//! beside them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use pintle_http::Body;
use sha2::{Digest as _, Sha256};

/// Where the files of the page are.
const FOLDER: &str = "/graphql/graphiql/";

/// Nothing from elsewhere, no script in the page, no frame around it. Its editor writes styles into
/// elements, and its fonts are in its style.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     font-src 'self' data:; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";
const CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");
const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");

/// A file of the page.
#[derive(Debug)]
struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static [u8],
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The page first.
static ASSETS: [Asset; 8] = [
    Asset {
        name: "",
        media_type: "text/html; charset=utf-8",
        content: include_bytes!("graphiql/page.html"),
    },
    Asset { name: "page.css", media_type: STYLE, content: include_bytes!("graphiql/page.css") },
    Asset { name: "page.js", media_type: SCRIPT, content: include_bytes!("graphiql/page.js") },
    Asset {
        name: "graphiql.min.css",
        media_type: STYLE,
        content: include_bytes!("graphiql/vendor/graphiql.min.css"),
    },
    Asset {
        name: "graphiql.min.js",
        media_type: SCRIPT,
        content: include_bytes!("graphiql/vendor/graphiql.min.js"),
    },
    Asset {
        name: "graphql-ws.min.js",
        media_type: SCRIPT,
        content: include_bytes!("graphiql/vendor/graphql-ws.min.js"),
    },
    Asset {
        name: "react.production.min.js",
        media_type: SCRIPT,
        content: include_bytes!("graphiql/vendor/react.production.min.js"),
    },
    Asset {
        name: "react-dom.production.min.js",
        media_type: SCRIPT,
        content: include_bytes!("graphiql/vendor/react-dom.production.min.js"),
    },
];

/// Names what a file holds.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag =
        |asset: &Asset| format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(asset.content)));
    ASSETS.iter().map(tag).collect()
});

/// Whether a request comes from somebody who looks at pages. Programs that speak GraphQL ask for
/// no HTML.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let media_type = range.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case("text/html")
    })
}

/// Whether a path belongs to a file of the page.
pub(crate) fn has(path: &str) -> bool {
    index(path).is_some()
}

fn index(path: &str) -> Option<usize> {
    let name = path.strip_prefix(FOLDER)?;
    ASSETS.iter().skip(1).position(|asset| asset.name == name).map(|index| index + 1)
}

/// The page itself.
pub(crate) fn page(headers: &HeaderMap) -> Response<Body> {
    file(0, headers)
}

/// The file at a path that [`has`] one.
pub(crate) fn at(path: &str, headers: &HeaderMap) -> Response<Body> {
    file(index(path).unwrap_or_default(), headers)
}

fn file(index: usize, headers: &HeaderMap) -> Response<Body> {
    let (Some(asset), Some(tag)) = (ASSETS.get(index), TAGS.get(index)) else {
        return Response::new(Body::empty());
    };
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|tags| tags.split(',')).any(|known| known.trim() == tag);
    let mut response = if is_known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::from(asset.content))
    };
    let set = response.headers_mut();
    set.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    set.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    set.insert(CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    set.insert(VARY, HeaderValue::from_static("accept"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        set.insert(ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn browsers_want_the_page() {
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (accept, expected) in [
            (chrome, true),
            ("TEXT/HTML; q=0.5", true),
            ("*/*", false),
            ("application/json", false),
            ("text/event-stream", false),
        ] {
            assert_eq!(is_wanted(&headers(ACCEPT, accept)), expected, "{accept}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }

    /// Every file that the page names is here, and every file here is named by the page.
    #[test]
    fn the_page_is_complete_and_holds_no_script() {
        let page = std::str::from_utf8(ASSETS[0].content).unwrap();
        let named: Vec<&str> = page
            .split(['"', '\''])
            .filter(|text| text.starts_with(FOLDER))
            .inspect(|path| assert!(has(path), "{path}"))
            .collect();
        assert_eq!(named.len(), ASSETS.len() - 1);
        assert_eq!(page.matches("<script").count(), page.matches("<script src=").count());
        assert!(!page.contains("http:") && !page.contains("https:"));
        for path in ["/graphql/graphiql/", "/graphql/graphiql/x.js", "/graphql", "/graphql/page.js"]
        {
            assert!(!has(path), "{path}");
        }
    }

    #[test]
    fn a_file_that_is_known_is_not_sent_again() {
        let first = at("/graphql/graphiql/page.js", &HeaderMap::new());
        assert_eq!(
            (first.status(), &first.headers()[CONTENT_TYPE]),
            (StatusCode::OK, &SCRIPT.parse().unwrap())
        );
        assert!(
            first.headers()[CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .contains("script-src 'self';")
        );
        let tag = first.headers()[ETAG].to_str().unwrap();
        let again =
            at("/graphql/graphiql/page.js", &headers(IF_NONE_MATCH, &format!("\"x\", {tag}")));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(matches!(again.body(), Body::Whole(bytes) if bytes.is_empty()));
        let other = page(&headers(IF_NONE_MATCH, tag));
        assert_eq!(other.status(), StatusCode::OK);
    }
}
