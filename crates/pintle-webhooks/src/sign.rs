//! Signatures, as Standard Webhooks has them (<https://www.standardwebhooks.com>).
//!
//! HMAC-SHA256 over the id, the time and the body, with a dot in between. The id has no dot in it,
//! so the three cannot be read in another way.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use pintle_outbound::Secret;

/// What secrets begin with that are written in base64.
const SECRET_PREFIX: &str = "whsec_";

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The bytes that a secret stands for: those of its base64 after `whsec_`, otherwise its own.
/// Nothing when that is not base64.
pub(crate) fn key(secret: &Secret) -> Option<Vec<u8>> {
    match secret.expose().strip_prefix(SECRET_PREFIX) {
        None => Some(secret.expose().as_bytes().to_vec()),
        Some(text) => STANDARD.decode(text).ok().filter(|key| !key.is_empty()),
    }
}

/// Adds the headers of a signature. `id` is of [`message_id`]; `seconds` is the time of this
/// attempt, since 1970.
pub(crate) fn sign(headers: &mut HeaderMap, key: &[u8], id: &str, seconds: u64, body: &[u8]) {
    let signed = [format!("{id}.{seconds}.").as_bytes(), body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &signed);
    let signature = format!("v1,{}", STANDARD.encode(tag));
    let values = [(ID, id.to_owned()), (TIMESTAMP, seconds.to_string()), (SIGNATURE, signature)];
    for (name, value) in values {
        let value = HeaderValue::try_from(value).expect("ids, digits and base64 are a header");
        headers.insert(name, value);
    }
}

/// The id of a message: that of its event, or of its first event and how many more there are.
pub(crate) fn message_id(first: &str, more: usize) -> String {
    let more = if more == 0 { String::new() } else { format!("+{more}") };
    format!("{first}{more}")
        .replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '+', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        let dir = tempfile::tempdir().unwrap();
        let file = pintle_outbound::SecretFile::new(dir.path().join("secret"));
        std::fs::write(file.path(), text).unwrap();
        file.read().unwrap()
    }

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        // The example of the specification's own libraries.
        let key = key(&secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let mut headers = HeaderMap::new();
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        sign(&mut headers, &key, id, 1_614_265_330, body);
        assert_eq!(headers[&TIMESTAMP], "1614265330");
        assert_eq!(headers[&SIGNATURE], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_text_or_base64() {
        for (text, expected) in [
            ("plain text", Some(&b"plain text"[..])),
            ("whsec_AAEC", Some(&[0, 1, 2])),
            ("whsec_", None),
            ("whsec_A", None),
            ("whsec_!!!!", None),
        ] {
            assert_eq!(key(&secret(text)).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn ids_have_no_dot() {
        for (first, more, expected) in
            [("42.0", 0, "42-0"), ("42.1", 9, "42-1+9"), ("ä\n", 0, "--")]
        {
            assert_eq!(message_id(first, more), expected);
        }
    }
}
