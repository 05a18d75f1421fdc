//! Paths and queries: what is in a name stays in it.

use std::fmt::Write as _;

/// The text with everything but unreserved characters (RFC 3986, section 2.3) as `%XX`.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("text grows in memory");
        }
    }
    encoded
}

/// A query, with its question mark when there is anything in it.
pub(crate) fn query(pairs: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        text.push(if text.is_empty() { '?' } else { '&' });
        write!(text, "{name}={}", encode(&value)).expect("text grows in memory");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        assert_eq!(encode("a/b?c=d&e é"), "a%2Fb%3Fc%3Dd%26e%20%C3%A9");
        assert_eq!(encode("dev-1.a_b~"), "dev-1.a_b~");
        assert_eq!(query([]), "");
        assert_eq!(query([("a", "1,2".into()), ("b", "c".into())]), "?a=1%2C2&b=c");
    }
}
