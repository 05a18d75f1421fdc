//! How long what a caller showed is worth something: until it expires, or is taken back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::Credential;

/// What credentials depend on, such as a line of the token file or a key that signs tokens. It is
/// shared by all that depends on it, and ends once.
#[derive(Debug, Clone)]
pub(crate) struct Life(Arc<watch::Sender<bool>>);

impl Life {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    pub(crate) fn end(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn has_ended(&self) -> bool {
        *self.0.borrow()
    }

    async fn ended(self) {
        // The sender is held here, so this never fails.
        drop(self.0.subscribe().wait_for(|ended| *ended).await);
    }
}

/// Why a credential is worth nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lapsed {
    /// Its time is over.
    #[error("the credential that this began with has expired; go on with a new one")]
    Expired,
    /// It was taken back, or what it depends on was.
    #[error("the credential that this began with is not accepted any more; go on with a new one")]
    Revoked,
}

/// A future that completes when a credential lapses, and stays complete. It may never do so.
pub struct Lapse {
    waiting: Pin<Box<dyn Future<Output = Lapsed> + Send + Sync>>,
    lapsed: Option<Lapsed>,
}

impl Lapse {
    pub(crate) fn new(credential: &Credential) -> Self {
        let (expires, life) = (credential.expires, credential.life.clone());
        let waiting = async move {
            tokio::select! {
                biased;
                () = expiry(expires) => Lapsed::Expired,
                () = end(life) => Lapsed::Revoked,
            }
        };
        Self { waiting: Box::pin(waiting), lapsed: None }
    }
}

impl Future for Lapse {
    type Output = Lapsed;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Lapsed> {
        if let Some(lapsed) = self.lapsed {
            return Poll::Ready(lapsed);
        }
        let polled = self.waiting.as_mut().poll(context);
        if let Poll::Ready(lapsed) = polled {
            self.lapsed = Some(lapsed);
        }
        polled
    }
}

impl fmt::Debug for Lapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lapse").field("lapsed", &self.lapsed).finish_non_exhaustive()
    }
}

/// The clock on the wall may be set while we sleep, so it is looked at so often.
const CLOCK_INTERVAL: Duration = Duration::from_secs(30);

async fn expiry(expires: Option<SystemTime>) {
    let Some(expires) = expires else { return std::future::pending().await };
    while let Ok(left) = expires.duration_since(SystemTime::now()) {
        // Timers count in whole milliseconds.
        tokio::time::sleep((left + Duration::from_millis(1)).min(CLOCK_INTERVAL)).await;
    }
}

async fn end(life: Option<Life>) {
    match life {
        Some(life) => life.ended().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pintle_authz::User;

    use super::*;
    use crate::{Caller, CredentialKind};

    fn caller(expires: Option<SystemTime>, life: Option<Life>) -> Caller {
        let credential = Credential { kind: CredentialKind::Token, expires, life };
        Caller { user: Arc::new(User::anonymous()), credential }
    }

    async fn within_a_second(lapse: &mut Lapse) -> Option<Lapsed> {
        tokio::time::timeout(Duration::from_secs(1), lapse).await.ok()
    }

    #[tokio::test]
    async fn a_credential_lapses_when_it_expires_or_is_taken_back() {
        let (life, ended) = (Life::new(), Life::new());
        ended.end();
        let soon = SystemTime::now() + Duration::from_millis(20);
        let later = SystemTime::now() + Duration::from_mins(9);
        let cases = [
            (Some(soon), Some(life.clone()), Some(Lapsed::Expired)),
            (Some(soon), None, Some(Lapsed::Expired)),
            (Some(later), Some(ended.clone()), Some(Lapsed::Revoked)),
            (None, Some(ended), Some(Lapsed::Revoked)),
            (Some(SystemTime::UNIX_EPOCH), None, Some(Lapsed::Expired)),
        ];
        for (expires, life, expected) in cases {
            let mut lapse = caller(expires, life).lapse();
            assert_eq!(within_a_second(&mut lapse).await, expected, "{expires:?}");
            assert_eq!(within_a_second(&mut lapse).await, expected, "and stays so");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_holds_does_not_lapse() {
        let later = SystemTime::now() + Duration::from_hours(1);
        for caller in [caller(Some(later), Some(Life::new())), Caller::anonymous()] {
            assert_eq!(within_a_second(&mut caller.lapse()).await, None);
        }
    }

    #[tokio::test]
    async fn all_that_depends_on_a_life_ends_with_it() {
        let life = Life::new();
        let mut lapses: Vec<Lapse> =
            (0..3).map(|_| caller(None, Some(life.clone())).lapse()).collect();
        assert!(!life.has_ended());
        life.end();
        for lapse in &mut lapses {
            assert_eq!(within_a_second(lapse).await, Some(Lapsed::Revoked));
        }
        assert!(life.has_ended());
    }
}
