//! Whether a client takes what there is (RFC 9110, section 12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

use crate::reply::Failure;

/// What the door writes: documents, and streams in two forms. Whoever takes one of them is answered
/// on every path: programs say what they want of a watch with their writes, too, and name a version
/// of the kind as a parameter of JSON where they watch.
pub(crate) const OFFERED: &[&str] =
    &["application/json", "text/event-stream", "application/x-ndjson"];

/// Refuses a request whose `Accept` excludes all that the door writes.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), Failure> {
    let excludes = |media_type: &&str| !takes(headers, media_type);
    if ranges(headers).next().is_none() || !OFFERED.iter().all(excludes) {
        return Ok(());
    }
    Err(Failure::NotAcceptable)
}

fn ranges(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim).filter(|range| !range.is_empty())
}

/// Whether a client has a use for a media type: the most exact of the ranges that match says so.
fn takes(headers: &HeaderMap, media_type: &str) -> bool {
    let mut found: Option<(u8, bool)> = None;
    for range in ranges(headers) {
        let mut parts = range.split(';').map(str::trim);
        let Some(exactness) = parts.next().and_then(|name| exactness(name, media_type)) else {
            continue;
        };
        let liked = !parts.any(is_disliked);
        found = found.max(Some((exactness, liked)));
    }
    found.is_some_and(|(_, liked)| liked)
}

/// How exactly a range without its parameters names a media type, if it does.
fn exactness(range: &str, media_type: &str) -> Option<u8> {
    if range.eq_ignore_ascii_case(media_type) {
        return Some(2);
    }
    match range.split_once('/')? {
        ("*", "*") => Some(0),
        (kind, "*") => {
            let (own, _) = media_type.split_once('/')?;
            kind.eq_ignore_ascii_case(own).then_some(1)
        }
        _ => None,
    }
}

/// Whether a parameter says that the range is not wanted: `q=0`.
fn is_disliked(parameter: &str) -> bool {
    let quality =
        parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    quality.and_then(|(_, value)| value.trim().parse::<f32>().ok()).is_some_and(|it| it <= 0.0)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_excludes_all_that_is_offered_is_refused() {
        let cases: [(&[&'static str], bool); 19] = [
            (&[], true),
            (&[""], true),
            (&["*/*"], true),
            (&["application/*"], true),
            (&["application/json"], true),
            (&["APPLICATION/JSON ; q=0.1"], true),
            (&["application/json;version=v1"], true),
            (&["text/html,application/xhtml+xml,*/*;q=0.8"], true),
            (&["text/event-stream"], true),
            (&["application/x-ndjson"], true),
            (&["text/*"], true),
            (&["image/png"], false),
            (&["image/png", "*/*"], true),
            (&["image/png, image/*"], false),
            (&["*/*;q=0"], false),
            (&["application/json;q=0, text/*;q=0, application/x-ndjson;q=0, */*"], false),
            (&["application/json;q=0, application/json;version=v1"], true),
            (&["application/*;q=0.000, text/*;q=0, */*"], false),
            (&["json"], false),
        ];
        for (values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(check(&headers).is_ok(), expected, "{values:?}");
        }
    }
}
