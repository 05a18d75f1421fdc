//! Where the keys of an issuer come from, and how they stay fresh.
//!
//! Keys of a file are replaced by whoever follows it. Keys behind a URL are fetched again every few
//! minutes, and when a token names one that is not known, though not more often than every few
//! seconds: anybody can make up a name. What was fetched last stays good while the issuer is away.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::StatusCode;
use pintle_outbound::{Client, Message, SendError, Url, UrlError};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::keys::{KeySet, KeySetError};

/// Keys are fetched again so often.
const REFRESH_INTERVAL: Duration = Duration::from_mins(5);
/// And so often while that fails.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// Between two fetches lies at least this, whatever tokens name.
const FETCH_INTERVAL_MIN: Duration = Duration::from_secs(5);

/// The keys of an issuer, as they are now.
#[derive(Debug)]
pub struct Keys {
    current: ArcSwap<KeySet>,
    remote: Option<Fetcher>,
}

#[derive(Debug)]
struct Fetcher {
    remote: Remote,
    client: Client,
    /// When keys were fetched last. Who holds it is fetching them.
    last: Mutex<Option<Instant>>,
}

/// A place to fetch keys from.
#[derive(Debug, Clone)]
pub enum Remote {
    /// A JWK set.
    KeySet(Url),
    /// An issuer that says itself where its keys are (`OpenID` Connect Discovery 1.0, section 4).
    Issuer(String),
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The issuer's name is no URL, or names a place that is not asked.
    #[error("{what}: {source}")]
    Url {
        /// Which one it is.
        what: &'static str,
        /// What is wrong with it.
        source: UrlError,
    },
    /// Keys that come without encryption could be anybody's.
    #[error("{0} is not https; keys that come in the clear could be anybody's")]
    InTheClear(String),
    /// There is no answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The answer is another one than 200.
    #[error("{origin} answers {status}")]
    Status {
        /// Scheme, host and port.
        origin: String,
        /// The status.
        status: StatusCode,
    },
    /// What the issuer says about itself is something else.
    #[error("what {origin} says about itself is not usable: {why}")]
    Discovery {
        /// Scheme, host and port.
        origin: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The answer is no set of keys.
    #[error("the keys of {origin}: {source}")]
    KeySet {
        /// Scheme, host and port.
        origin: String,
        /// What is wrong with it.
        source: KeySetError,
    },
}

impl Keys {
    /// Keys of a file.
    pub fn fixed(keys: KeySet) -> Self {
        Self { current: ArcSwap::from_pointee(keys), remote: None }
    }

    /// Keys behind a URL; none until they are fetched.
    pub fn remote(remote: Remote, client: Client) -> Self {
        let remote = Some(Fetcher { remote, client, last: Mutex::new(None) });
        Self { current: ArcSwap::default(), remote }
    }

    /// Puts other keys in the place of these. What was signed with a key that is gone lapses.
    /// Returns how many keys are new, and how many are gone.
    pub fn replace(&self, mut keys: KeySet) -> (usize, usize) {
        let (new, gone) = keys.succeed(&self.current.load());
        self.current.store(Arc::new(keys));
        // Only now: whoever comes back at once must not be let in by the old ones.
        for life in &gone {
            life.end();
        }
        (new, gone.len())
    }

    pub(super) fn current(&self) -> Arc<KeySet> {
        self.current.load_full()
    }

    /// The keys after those, when there are newer ones or may be: a token names a key that is not
    /// among them. Many may ask at once, and all wait for the one fetch.
    pub(super) async fn newer_than(&self, known: &Arc<KeySet>) -> Arc<KeySet> {
        if let Some(fetcher) = &self.remote {
            let mut last = fetcher.last.lock().await;
            let is_known = Arc::ptr_eq(known, &self.current.load());
            let waited = last.is_none_or(|last| last.elapsed() >= FETCH_INTERVAL_MIN);
            if is_known && waited {
                *last = Some(Instant::now());
                self.report(Box::pin(fetcher.fetch()).await);
            }
        }
        self.current()
    }

    /// Fetches keys now. Returns whether there are fresh ones; why not stands in the log.
    pub async fn fetch(&self) -> bool {
        let Some(fetcher) = &self.remote else { return true };
        let mut last = fetcher.last.lock().await;
        *last = Some(Instant::now());
        self.report(fetcher.fetch().await)
    }

    /// Fetches keys again and again, for ever. `is_fresh` is what the fetch before this came to.
    pub async fn keep_fresh(self: Arc<Self>, mut is_fresh: bool) {
        loop {
            tokio::time::sleep(if is_fresh { REFRESH_INTERVAL } else { RETRY_INTERVAL }).await;
            is_fresh = self.fetch().await;
        }
    }

    fn report(&self, fetched: Result<KeySet, KeysError>) -> bool {
        match fetched {
            Ok(keys) => {
                let (new, gone) = self.replace(keys);
                if new + gone > 0 {
                    tracing::info!(new, gone, "keys of the issuer of tokens are fetched");
                }
                true
            }
            Err(error) => {
                let known = self.current.load().len();
                let error = error.to_string();
                tracing::error!(
                    error,
                    known,
                    "keys of the issuer cannot be fetched; those known stay good"
                );
                false
            }
        }
    }
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    async fn fetch(&self) -> Result<KeySet, KeysError> {
        let url = match &self.remote {
            Remote::KeySet(url) => url.clone(),
            Remote::Issuer(issuer) => self.discover(issuer).await?,
        };
        let keys = self.get(&url).await?;
        KeySet::parse(&keys).map_err(|source| KeysError::KeySet { origin: url.origin(), source })
    }

    async fn discover(&self, issuer: &str) -> Result<Url, KeysError> {
        let url = checked("the issuer", issuer)?;
        let url = url
            .below("/.well-known/openid-configuration")
            .map_err(|source| KeysError::Url { what: "the issuer", source })?;
        let unusable = |why| KeysError::Discovery { origin: url.origin(), why };
        let found: Discovered = serde_json::from_slice(&self.get(&url).await?)
            .map_err(|_| unusable("it is not JSON with issuer and jwks_uri"))?;
        if found.issuer != issuer {
            return Err(unusable("it names another issuer"));
        }
        checked("the issuer's jwks_uri", &found.jwks_uri)
    }

    async fn get(&self, url: &Url) -> Result<Bytes, KeysError> {
        let answer = self.client.send(Message::get(url)).await?;
        let (status, origin) = (answer.status(), url.origin());
        if status == StatusCode::OK {
            Ok(answer.into_body())
        } else {
            Err(KeysError::Status { origin, status })
        }
    }
}

/// A URL that keys may come from: over TLS, or from this machine.
fn checked(what: &'static str, text: &str) -> Result<Url, KeysError> {
    let url = Url::from_str(text).map_err(|source| KeysError::Url { what, source })?;
    if url.is_https() || url.is_loopback() {
        Ok(url)
    } else {
        Err(KeysError::InTheClear(url.origin()))
    }
}

impl Remote {
    /// A JWK set at this URL.
    pub fn key_set(url: &str) -> Result<Self, KeysError> {
        checked("the URL of the keys", url).map(Self::KeySet)
    }

    /// What this issuer says about itself.
    pub fn issuer(issuer: &str) -> Result<Self, KeysError> {
        checked("the issuer", issuer)?;
        Ok(Self::Issuer(issuer.to_owned()))
    }
}
