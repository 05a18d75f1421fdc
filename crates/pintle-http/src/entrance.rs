//! [`Entrance`]: what every door of a server asks of its callers, before it knows what they want.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use pintle_identity::{Authenticators, Caller, Unauthenticated};

use crate::{
    BodyError, ForeignHost, NotOneHost, Observers, Phase, Recording, RequestBody, check_host,
    check_local, read_body,
};

/// What is the same for all doors of a server.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// How callers prove who they are.
    pub authentication: Authenticators,
    /// Who is told of requests, and who may hold them up.
    pub observers: Observers,
    /// The largest request body, in bytes.
    pub body_bytes_max: usize,
    /// A request body must arrive within this time.
    pub body_timeout: Duration,
    /// A watch with nothing to tell says so after this time.
    pub bookmark_interval: Duration,
}

impl Default for Entrance {
    fn default() -> Self {
        Self {
            authentication: Authenticators::none(),
            observers: Observers::default(),
            body_bytes_max: 16 * 1024 * 1024,
            body_timeout: Duration::from_mins(1),
            bookmark_interval: Duration::from_secs(30),
        }
    }
}

/// The request says badly, or wrongly, which host it is for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misdirected {
    /// It could mean different hosts to different readers.
    #[error(transparent)]
    NotOneHost(#[from] NotOneHost),
    /// It is for, or from, another machine.
    #[error(transparent)]
    Foreign(#[from] ForeignHost),
}

impl Entrance {
    /// Refuses a request that is not for this server. One that asks for no credentials takes only
    /// what comes from, and is for, this machine.
    pub fn check_host(&self, parts: &Parts) -> Result<(), Misdirected> {
        check_host(&parts.headers, parts.version)?;
        if !self.authentication.asks() {
            check_local(&parts.headers, &parts.uri)?;
        }
        Ok(())
    }

    /// Who calls. The recording is told.
    pub async fn identify(
        &self,
        parts: &Parts,
        recording: &Recording,
    ) -> Result<Caller, Unauthenticated> {
        let caller =
            recording.timed(Phase::Authentication, self.authentication.identify(parts)).await?;
        recording.note(|exchange| exchange.caller = Some(caller.clone()));
        Ok(caller)
    }

    /// Whether the caller has shown nothing, where others do. Such a one is told nothing but to log
    /// in.
    pub fn is_stranger(&self, caller: &Caller) -> bool {
        caller.user.is_anonymous() && self.authentication.asks()
    }

    /// The whole body of a request, within the limits. The recording is told how long it is.
    pub async fn read_body(
        &self,
        parts: &Parts,
        body: RequestBody,
        recording: &Recording,
    ) -> Result<Bytes, BodyError> {
        let read = read_body(&parts.headers, body, self.body_bytes_max, self.body_timeout);
        let read = recording.timed(Phase::Body, read).await?;
        recording.note(|exchange| exchange.bytes_in = read.len() as u64);
        Ok(read)
    }
}
