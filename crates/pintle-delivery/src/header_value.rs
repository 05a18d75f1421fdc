//! Values of attributes in headers of HTTP and of NATS.

use std::fmt::Write as _;

/// A value as the HTTP binding of CloudEvents has it in a header (3.1.3.2), and the one of NATS
/// after it: a space, a quote, a percent sign and everything that is no printable ASCII is
/// percent-encoded, byte by byte of its UTF-8.
pub fn header_value(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' => push_encoded(&mut text, byte),
            b'!'..=b'~' => text.push(char::from(byte)),
            _ => push_encoded(&mut text, byte),
        }
    }
    text
}

fn push_encoded(text: &mut String, byte: u8) {
    write!(text, "%{byte:02X}").expect("text grows in memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_as_the_binding_says() {
        for (value, expected) in [
            ("plain-~!", "plain-~!"),
            ("a b", "a%20b"),
            ("\"%\"", "%22%25%22"),
            ("Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
            ("\r\nx: y", "%0D%0Ax:%20y"),
            ("\u{7f}", "%7F"),
            ("", ""),
        ] {
            assert_eq!(header_value(value), expected, "{value:?}");
        }
    }
}
