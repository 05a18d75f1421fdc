//! Percent-encoding, as paths and queries have it (RFC 3986, section 2.1).

use std::borrow::Cow;

/// Undoes percent-encoding; nothing when the text is not encoded right, or what comes out is no
/// UTF-8.
pub fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_encoded_right_is_nothing() {
        let cases = [
            ("dev-123", Some("dev-123")),
            ("a%2Fb%2fc", Some("a/b/c")),
            ("%C3%A9", Some("é")),
            ("%C3", None),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%+1", None),
        ];
        for (text, decoded) in cases {
            assert_eq!(percent_decoded(text).as_deref(), decoded, "{text}");
        }
    }
}
