//! Acting as somebody else: what the headers of a request ask for, with the names and the rules
//! that Kubernetes has for it, on every door.

use std::sync::Arc;

use http::HeaderMap;
use pintle_authz::{Forbidden, Impersonation, User};
use pintle_engine::Engine;

use crate::{Caller, Entrance, Recording};

const PREFIX: &str = "impersonate-";
const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";

/// Why a caller does not act as somebody else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotActing {
    /// The headers do not say as whom.
    #[error("{0}")]
    Malformed(String),
    /// The caller has shown nothing, where others do.
    #[error("send `Authorization: Bearer <token>`")]
    Stranger,
    /// The caller may not act as that user, or in that group.
    #[error("{0}")]
    Forbidden(Box<Forbidden>),
}

impl Entrance {
    /// The caller, or whom it asks to act as with `Impersonate-User` and its kin. The recording is
    /// told. What a caller shows stays what it is: with it ends what is done as somebody else.
    pub fn acting(
        &self,
        engine: &Engine,
        caller: Caller,
        headers: &HeaderMap,
        recording: &Recording,
    ) -> Result<Caller, NotActing> {
        let Some(user) = self.acts_as(engine, &caller, headers)? else { return Ok(caller) };
        recording.note(|exchange| exchange.acts_as = Some(Arc::clone(&user)));
        Ok(Caller { user, ..caller })
    }

    /// Whom a caller asks to act as, if anybody, and may.
    pub fn acts_as(
        &self,
        engine: &Engine,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<User>>, NotActing> {
        let Some(wanted) = wanted(headers)? else { return Ok(None) };
        let user = engine.rules().impersonate(&caller.user, &wanted);
        user.map(Some).map_err(|forbidden| {
            if self.is_stranger(caller) {
                NotActing::Stranger
            } else {
                NotActing::Forbidden(Box::new(forbidden))
            }
        })
    }
}

/// Whether the name is one of a header that asks to act as somebody else. Letters may be large.
pub fn asks_to_act(header: &str) -> bool {
    header.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Whom the headers of a request ask to act as.
fn wanted(headers: &HeaderMap) -> Result<Option<Impersonation>, NotActing> {
    let mut asked = headers.keys().map(http::HeaderName::as_str).filter(|name| asks_to_act(name));
    let Some(first) = asked.next() else { return Ok(None) };
    for name in std::iter::once(first).chain(asked) {
        check_name(name)?;
    }
    let groups = all(headers, GROUP)?;
    match (one(headers, USER)?, one(headers, UID)?) {
        (Some(user), uid) => Ok(Some(Impersonation { user, groups, uid })),
        (None, None) if groups.is_empty() => Ok(None),
        (None, _) => Err(NotActing::Malformed(
            "requested impersonation of a group or uid without impersonating a user".to_owned(),
        )),
    }
}

/// A header that nobody reads would let a caller act as more, or as somebody else, than it says.
fn check_name(name: &str) -> Result<(), NotActing> {
    let why = match name {
        USER | GROUP | UID => return Ok(()),
        _ if name.starts_with("impersonate-extra-") => {
            "Impersonate-Extra- is not understood: users have names, uids and groups here"
                .to_owned()
        }
        _ => {
            let name: String = name.chars().take(64).collect();
            format!(
                "the header {name} is not understood: there are Impersonate-User, \
                 Impersonate-Group and Impersonate-Uid"
            )
        }
    };
    Err(NotActing::Malformed(why))
}

fn all(headers: &HeaderMap, name: &str) -> Result<Vec<String>, NotActing> {
    let values = headers.get_all(name).iter();
    let texts = values.map(|value| value.to_str().map(str::to_owned));
    texts
        .collect::<Result<_, _>>()
        .map_err(|_| NotActing::Malformed(format!("the header {name} is not text")))
}

/// An empty value is none, as upstream.
fn one(headers: &HeaderMap, name: &str) -> Result<Option<String>, NotActing> {
    let mut values = all(headers, name)?.into_iter().filter(|value| !value.is_empty());
    match (values.next(), values.next()) {
        (_, Some(_)) => {
            Err(NotActing::Malformed(format!("the header {name} stands more than once")))
        }
        (value, None) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn headers_say_as_whom_or_nothing() {
        let acting = |user: &str, groups: &[&str], uid: Option<&str>| {
            let groups = groups.iter().map(|group| (*group).to_owned()).collect();
            Ok(Some((user.to_owned(), groups, uid.map(str::to_owned))))
        };
        let bad = |word: &'static str| Err(word);
        let cases: [(&[(&str, &str)], _); 12] = [
            (&[("accept", "*/*")], Ok(None)),
            (&[(USER, "")], Ok(None)),
            (&[(USER, "zed")], acting("zed", &[], None)),
            (&[(USER, "zed"), (UID, "7")], acting("zed", &[], Some("7"))),
            (&[(USER, "zed"), (GROUP, "a"), (GROUP, "b")], acting("zed", &["a", "b"], None)),
            (&[(USER, "zed"), (USER, "amy")], bad("more than once")),
            (&[(USER, "z\u{e9}d")], bad("is not text")),
            (&[(GROUP, "a")], bad("without impersonating a user")),
            (&[(UID, "7")], bad("without impersonating a user")),
            (&[(USER, "zed"), ("impersonate-extra-scopes", "x")], bad("Extra- is not understood")),
            (&[("impersonate-users", "zed")], bad("impersonate-users is not understood")),
            (&[("impersonated", "zed")], Ok(None)),
        ];
        for (given, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            match (wanted(&headers), expected) {
                (Ok(found), Ok(expected)) => {
                    let found: Option<(String, Vec<String>, Option<String>)> =
                        found.map(|it| (it.user, it.groups, it.uid));
                    assert_eq!(found, expected, "{given:?}");
                }
                (Err(error), Err(word)) => {
                    assert!(error.to_string().contains(word), "{given:?}: {error}");
                }
                (found, expected) => panic!("{given:?}: {found:?} instead of {expected:?}"),
            }
        }
    }
}
