//! Leader election over a Lease: of several copies of a program, one works.
//!
//! Clocks of different machines are not compared. A lease is taken over when it has not been
//! renewed for as long as it is good for, measured from when it was last seen to change.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use pintle_kinds::Timestamp;

use crate::explain;

/// Which lease, and how long it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderSettings {
    /// The namespace of the lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What this copy is called, differently from all others.
    pub identity: String,
    /// A leader that does not renew it for so long has lost it.
    pub lease_duration: Duration,
    /// The leader renews it so often.
    pub renew_interval: Duration,
}

impl LeaderSettings {
    /// The lease of a name in a namespace, good for 15 seconds and renewed every 5.
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        identity: impl Into<String>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(15),
            renew_interval: Duration::from_secs(5),
        }
    }
}

/// What is known of a lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Observed {
    holder: Option<String>,
    version: Option<String>,
    /// When it was last seen to be another one.
    since: Option<Instant>,
}

/// What to do about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is ours: renew it.
    Renew,
    /// Nobody has it any more: take it.
    Take,
    /// Somebody has it: look again later.
    Wait,
}

fn step(observed: &Observed, settings: &LeaderSettings, now: Instant) -> Step {
    match (&observed.holder, observed.since) {
        (Some(holder), _) if *holder == settings.identity => Step::Renew,
        (Some(holder), Some(since))
            if !holder.is_empty()
                && now.saturating_duration_since(since) < settings.lease_duration =>
        {
            Step::Wait
        }
        _ => Step::Take,
    }
}

/// A lease, as one copy of a program sees it.
#[derive(Debug)]
pub struct Lease {
    api: Api<k8s::Lease>,
    settings: LeaderSettings,
    observed: Observed,
    renewed: Option<Instant>,
}

impl Lease {
    /// The lease of these settings. Nothing is asked yet.
    pub fn new(client: Client, settings: LeaderSettings) -> Self {
        let api = Api::namespaced(client, &settings.namespace);
        Self { api, settings, observed: Observed::default(), renewed: None }
    }

    /// Waits until this copy is the leader.
    pub async fn acquire(&mut self) {
        loop {
            match self.try_within(self.settings.lease_duration).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(why) => tracing::warn!(why, "the lease cannot be looked at"),
            }
            tokio::time::sleep(self.settings.renew_interval.min(self.settings.lease_duration) / 2)
                .await;
        }
    }

    /// Renews the lease for as long as that works; returns when it is lost.
    pub async fn keep(&mut self) {
        loop {
            tokio::time::sleep(self.settings.renew_interval.min(self.rest())).await;
            match self.try_within(self.rest()).await {
                Ok(true) => continue,
                Ok(false) => return,
                Err(why) => tracing::warn!(why, "the lease cannot be renewed"),
            }
            if self.rest().is_zero() {
                return;
            }
        }
    }

    /// For how long the lease is ours without being renewed. Others take it over after that.
    fn rest(&self) -> Duration {
        let age = self.renewed.map(|at| at.elapsed());
        age.map_or(Duration::ZERO, |age| self.settings.lease_duration.saturating_sub(age))
    }

    /// [`Self::try_once`], for no longer than this: a server that takes a call and does not answer
    /// is no reason to go on as the leader.
    async fn try_within(&mut self, limit: Duration) -> Result<bool, String> {
        let tried = tokio::time::timeout(limit, self.try_once()).await;
        let tried = tried.map_err(|_| format!("there is no answer within {limit:?}"))?;
        tried.map_err(|error| explain(&error))
    }

    /// Gives the lease away, so that nobody has to wait for its end.
    pub async fn release(&mut self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.settings.name).await? else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.settings.identity) {
            return Ok(());
        }
        spec.holder_identity = None;
        self.api.replace(&self.settings.name, &PostParams::default(), &lease).await.map(drop)
    }

    /// Looks at the lease once, and takes or renews it if that can be done. Says whether it is
    /// ours.
    async fn try_once(&mut self) -> Result<bool, kube::Error> {
        let before = Instant::now();
        let stored = self.api.get_opt(&self.settings.name).await?;
        self.observe(stored.as_ref(), before);
        let written = match (step(&self.observed, &self.settings, before), stored) {
            (Step::Wait, _) => return Ok(false),
            (_, None) => {
                let metadata =
                    ObjectMeta { name: Some(self.settings.name.clone()), ..ObjectMeta::default() };
                let lease = k8s::Lease { metadata, ..k8s::Lease::default() };
                let lease = self.mine(lease);
                self.api.create(&PostParams::default(), &lease).await
            }
            (_, Some(lease)) => {
                // It has a version, so that of two who take it one is refused.
                let lease = self.mine(lease);
                self.api.replace(&self.settings.name, &PostParams::default(), &lease).await
            }
        };
        match written {
            Ok(lease) => {
                self.observe(Some(&lease), before);
                self.renewed = Some(before);
                Ok(true)
            }
            Err(kube::Error::Api(refused)) if refused.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn observe(&mut self, lease: Option<&k8s::Lease>, now: Instant) {
        let holder = lease.and_then(|it| it.spec.as_ref()?.holder_identity.clone());
        let version = lease.and_then(|it| it.metadata.resource_version.clone());
        if version != self.observed.version || self.observed.since.is_none() {
            self.observed = Observed { holder, version, since: Some(now) };
        }
    }

    fn mine(&self, mut lease: k8s::Lease) -> k8s::Lease {
        let spec = lease.spec.get_or_insert_default();
        let now = MicroTime(Timestamp::now());
        if spec.holder_identity.as_deref() != Some(&self.settings.identity) {
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default() + 1);
            spec.acquire_time = Some(now.clone());
        }
        spec.holder_identity = Some(self.settings.identity.clone());
        spec.renew_time = Some(now);
        let seconds = self.settings.lease_duration.as_secs().max(1);
        spec.lease_duration_seconds = Some(i32::try_from(seconds).unwrap_or(i32::MAX));
        lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_taken_when_nobody_renews_it() {
        let settings = LeaderSettings::new("default", "lease", "me");
        let seen = Instant::now();
        let observed = |holder: Option<&str>| Observed {
            holder: holder.map(str::to_owned),
            version: Some("1".to_owned()),
            since: Some(seen),
        };
        for (holder, seconds, expected) in [
            (Some("me"), 0, Step::Renew),
            (Some("me"), 100, Step::Renew),
            (Some("other"), 0, Step::Wait),
            (Some("other"), 14, Step::Wait),
            (Some("other"), 15, Step::Take),
            (Some(""), 0, Step::Take),
            (None, 0, Step::Take),
        ] {
            let now = seen + Duration::from_secs(seconds);
            let found = step(&observed(holder), &settings, now);
            assert_eq!(found, expected, "{holder:?} after {seconds} s");
        }
        assert_eq!(step(&Observed::default(), &settings, seen), Step::Take);
    }
}
