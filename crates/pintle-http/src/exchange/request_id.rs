//! The names of requests.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that names a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request in its answer, in the log and in records.
///
/// Callers may bring a name along in `X-Request-Id`, so that theirs and ours can be found together.
/// Whatever else they send there is not taken over, and the request gets a name of its own. A name
/// proves nothing: two requests can have brought the same one.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(Name);

#[derive(Clone, PartialEq, Eq)]
enum Name {
    Own(u64),
    Given(HeaderValue),
}

/// A name that a caller brings has at most so many characters.
const GIVEN_CHARS_MAX: usize = 128;

impl RequestId {
    /// The name that a request brings, or a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).filter(|value| is_sane(value.as_bytes()));
        Self(given.map_or_else(|| Name::Own(next()), |value| Name::Given(value.clone())))
    }

    /// As the value of a header.
    pub fn to_header(&self) -> HeaderValue {
        match &self.0 {
            Name::Given(value) => value.clone(),
            Name::Own(number) => HeaderValue::from_bytes(&hex(*number))
                .unwrap_or_else(|_| HeaderValue::from_static("unknown")),
        }
    }
}

/// All sixteen digits. Every answer has them, so no formatter is started for them.
fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (digit, place) in digits.iter_mut().rev().zip((0..64).step_by(4)) {
        let value = u8::try_from(number >> place & 0xf).unwrap_or_default();
        *digit = if value < 10 { b'0' + value } else { b'a' + (value - 10) };
    }
    digits
}

fn is_sane(name: &[u8]) -> bool {
    (1..=GIVEN_CHARS_MAX).contains(&name.len())
        && name.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.:/=+".contains(c))
}

/// Different for each request of this process, and most likely for those of other processes.
fn next() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0_u64));
    // Each step can be undone, so that no two counts make the same name (splitmix64).
    let mut mixed = SEED.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Own(number) => write!(f, "{number:016x}"),
            Name::Given(value) => f.write_str(value.to_str().unwrap_or_default()),
        }
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn sane_names_are_taken_over() {
        let long = "x".repeat(GIVEN_CHARS_MAX);
        let too_long = "x".repeat(GIVEN_CHARS_MAX + 1);
        for (given, taken) in [
            ("7f3a-b_c.d:e/f=g+h", true),
            (&long, true),
            (&too_long, false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("a{b", false),
            ("caf\u{e9}", false),
        ] {
            let value = HeaderValue::from_bytes(given.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([(REQUEST_ID, value)]);
            let id = RequestId::of(&headers);
            assert_eq!(id.to_string() == given, taken, "{given:?}");
            assert_eq!(id.to_header().to_str().unwrap(), id.to_string(), "{given:?}");
        }
    }

    #[test]
    fn own_names_differ() {
        let names: HashSet<String> =
            (0..10_000).map(|_| RequestId::of(&HeaderMap::new()).to_string()).collect();
        assert_eq!(names.len(), 10_000);
        assert!(names.iter().all(|name| name.len() == 16));
    }
}
