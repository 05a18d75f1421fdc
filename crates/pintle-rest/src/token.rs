//! Continue tokens: where a page ended, and of which snapshot it was.
//!
//! A token gives no rights: each page is authorised like the first.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_model::{ObjectName, Revision};

use crate::reply::Failure;

/// Where to go on, and as of when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContinueToken {
    pub(crate) revision: Revision,
    pub(crate) after: ObjectName,
}

impl ContinueToken {
    pub(crate) fn encode(&self) -> String {
        let Self { revision, after } = self;
        URL_SAFE_NO_PAD.encode(format!("1/{revision}/{}/{}", after.namespace, after.name))
    }

    pub(crate) fn decode(text: &str) -> Result<Self, Failure> {
        Self::read(text).ok_or_else(|| {
            Failure::bad_request(
                "the continue token is not one of this server's; list again from the start",
            )
        })
    }

    fn read(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let rest = text.strip_prefix("1/")?;
        let (revision, rest) = rest.split_once('/')?;
        let (namespace, name) = rest.split_once('/')?;
        let revision = Revision::parse(revision).ok()?;
        Some(Self { revision, after: ObjectName::new(namespace, name) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_and_nonsense_does_not() {
        for (namespace, name) in [("default", "a"), ("", "system:x"), ("ns", "a/b")] {
            let token =
                ContinueToken { revision: Revision(7), after: ObjectName::new(namespace, name) };
            assert_eq!(ContinueToken::decode(&token.encode()).ok(), Some(token));
        }
        for bad in ["", "!!", "MS94", "MS8wMS9hL2I"] {
            assert!(ContinueToken::decode(bad).is_err(), "{bad}");
        }
    }
}
