//! Where a page of a list ended, and of which snapshot it was, as clients carry it to the next one.
//!
//! A token gives no rights: each page is authorised like the first. The Kubernetes door has a form
//! of its own, which its clients look into.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_model::{ObjectName, Revision};

/// Where to go on, and as of when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken {
    /// Which snapshot.
    pub revision: Revision,
    /// After which object.
    pub after: ObjectName,
}

impl PageToken {
    /// As text that needs no escaping in an address.
    pub fn encode(&self) -> String {
        let Self { revision, after } = self;
        URL_SAFE_NO_PAD.encode(format!("1/{revision}/{}/{}", after.namespace, after.name))
    }

    /// Reads it back; nothing if it is none of ours.
    pub fn decode(text: &str) -> Option<Self> {
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
                PageToken { revision: Revision(7), after: ObjectName::new(namespace, name) };
            assert_eq!(PageToken::decode(&token.encode()), Some(token));
        }
        for bad in ["", "!!", "MS94", "MS8wMS9hL2I"] {
            assert_eq!(PageToken::decode(bad), None, "{bad}");
        }
    }
}
