//! Tokens that were checked, by their digest, so that a signature is checked once and not with
//! every request. What is found here still holds: it has not expired, and its key is still known.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::Caller;

/// So many tokens are remembered.
const TOKENS_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Cache {
    callers: RwLock<HashMap<[u8; 32], Caller>>,
}

/// Looking a digest up tells nothing about how much of a guess was right.
pub(super) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Cache {
    pub(super) fn get(&self, digest: &[u8; 32], now: SystemTime) -> Option<Caller> {
        let callers = self.callers.read().unwrap_or_else(PoisonError::into_inner);
        callers.get(digest).filter(|caller| caller.credential.holds(now)).cloned()
    }

    pub(super) fn put(&self, digest: [u8; 32], caller: &Caller, now: SystemTime) {
        let mut callers = self.callers.write().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= TOKENS_MAX {
            callers.retain(|_, caller| caller.credential.holds(now));
        }
        // All of them hold: then all are asked again, which costs one check each.
        if callers.len() >= TOKENS_MAX {
            callers.clear();
        }
        callers.insert(digest, caller.clone());
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.callers.read().unwrap().len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Credential, CredentialKind};

    #[test]
    fn the_cache_has_an_end() {
        let (cache, now) = (Cache::default(), SystemTime::now());
        let caller = |expires| Caller {
            credential: Credential { kind: CredentialKind::Jwt, expires, life: None },
            ..Caller::anonymous()
        };
        let soon = now + Duration::from_secs(1);
        for number in 0..TOKENS_MAX {
            let expires = if number % 2 == 0 { now } else { soon };
            cache.put(digest(&number.to_string()), &caller(Some(expires)), now);
        }
        assert_eq!(cache.len(), TOKENS_MAX);
        assert!(cache.get(&digest("0"), now).is_none(), "it has expired");
        assert!(cache.get(&digest("1"), now).is_some());
        cache.put(digest("a"), &caller(None), now);
        assert_eq!(cache.len(), TOKENS_MAX / 2 + 1, "what has expired made room");
        for number in 0..TOKENS_MAX {
            cache.put(digest(&format!("b{number}")), &caller(None), now);
            assert!(cache.len() <= TOKENS_MAX);
        }
    }
}
