//! Leader election over a Lease: of several copies of a program, one works.
//!
//! Clocks of different machines are not compared. A lease is taken over when it has not been
//! renewed for as long as it is good for, measured from when it was last seen to change. Its holder
//! measures from before it asked for the renewal, and gives up after two thirds of that time: when
//! somebody else works, it has stopped, whatever became of its requests.

use std::time::Duration;

use k8s_openapi::api::coordination::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::{Api, Client};
use pintle_kinds::Timestamp;
use tokio::time::Instant;

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
    /// A leader that does not renew it for so long has lost it. Leases say it in whole seconds, and
    /// so the others wait until the next one is full.
    pub lease_duration: Duration,
    /// The leader renews it so often, and at least three times while it is good.
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
    /// How long it is good for, as whoever holds it has said.
    good_for: Option<Duration>,
    /// When it was last seen to be another one.
    since: Option<Instant>,
}

/// What a look at a lease has found, or made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It is ours, from now on.
    Ours,
    /// It is somebody else's.
    Others,
    /// Somebody wrote to it meanwhile: whose it is, the next look says.
    Changed,
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
    let good_for = observed.good_for.unwrap_or(settings.lease_duration);
    match (&observed.holder, observed.since) {
        (Some(holder), _) if *holder == settings.identity => Step::Renew,
        (Some(holder), Some(since))
            if !holder.is_empty() && now.saturating_duration_since(since) < good_for =>
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
    /// When the last request was sent that has renewed it.
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
            let limit = self.settings.lease_duration;
            match tokio::time::timeout(limit, self.try_once()).await {
                Ok(Ok(Found::Ours)) => return,
                Ok(Ok(Found::Others | Found::Changed)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(why = explain(&error), "the lease cannot be looked at");
                }
                Err(_) => tracing::warn!(?limit, "the lease cannot be looked at within this time"),
            }
            tokio::time::sleep(self.settings.renew_interval.min(self.settings.lease_duration) / 2)
                .await;
        }
    }

    /// Renews the lease for as long as that works. Returns when it is lost: when somebody else has
    /// it, and when it could not be renewed for so long that somebody else may have it soon.
    pub async fn keep(&mut self) {
        let usual = self.settings.renew_interval.min(self.settings.lease_duration / 3);
        let mut pause = usual;
        while let Some(renewed) = self.renewed {
            let given_up = renewed + self.settings.lease_duration * 2 / 3;
            let looked = async {
                tokio::time::sleep(pause).await;
                self.try_once().await
            };
            pause = match tokio::time::timeout_at(given_up, looked).await {
                Ok(Ok(Found::Ours)) => usual,
                Ok(Ok(Found::Changed)) => Duration::ZERO,
                Ok(Ok(Found::Others)) | Err(_) => return,
                Ok(Err(error)) => {
                    tracing::warn!(why = explain(&error), "the lease cannot be renewed");
                    usual / 4
                }
            };
        }
    }

    /// When the lease ends that was last renewed. Before that nobody takes it who keeps to what it
    /// says.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.renewed.map(|at| at + self.settings.lease_duration)
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

    /// Looks at the lease once, and takes or renews it if that can be done.
    async fn try_once(&mut self) -> Result<Found, kube::Error> {
        let stored = self.api.get_opt(&self.settings.name).await?;
        // Its holder may have renewed it as late as this.
        let seen = Instant::now();
        self.observe(stored.as_ref(), seen);
        if step(&self.observed, &self.settings, seen) == Step::Wait {
            return Ok(Found::Others);
        }
        let params = PostParams::default();
        let lease = self.mine(stored.as_ref());
        let written = match stored {
            None => self.api.create(&params, &lease).await,
            // It has a version, so that of two who take it one is refused.
            Some(_) => self.api.replace(&self.settings.name, &params, &lease).await,
        };
        match written {
            Ok(lease) => {
                self.observe(Some(&lease), seen);
                self.renewed = Some(seen);
                Ok(Found::Ours)
            }
            Err(kube::Error::Api(refused)) if refused.code == 409 => Ok(Found::Changed),
            Err(error) => Err(error),
        }
    }

    fn observe(&mut self, lease: Option<&k8s::Lease>, now: Instant) {
        let version = lease.and_then(|it| it.metadata.resource_version.clone());
        if version == self.observed.version && self.observed.since.is_some() {
            return;
        }
        let spec = lease.and_then(|it| it.spec.as_ref());
        let seconds = spec.and_then(|it| it.lease_duration_seconds).filter(|it| *it > 0);
        self.observed = Observed {
            holder: spec.and_then(|it| it.holder_identity.clone()),
            version,
            good_for: seconds.map(|it| Duration::from_secs(it.unsigned_abs().into())),
            since: Some(now),
        };
    }

    /// The lease as it is when it is ours. A new one has come to us from nobody, and so there is no
    /// transition to count.
    fn mine(&self, stored: Option<&k8s::Lease>) -> k8s::Lease {
        let mut lease = stored.cloned().unwrap_or_default();
        lease.metadata.name = Some(self.settings.name.clone());
        let spec = lease.spec.get_or_insert_default();
        let now = MicroTime(Timestamp::now());
        if spec.holder_identity.as_deref() != Some(&self.settings.identity) {
            let before = spec.lease_transitions.unwrap_or_default();
            let more = i32::from(stored.is_some());
            spec.lease_transitions = Some(before.saturating_add(more));
            spec.acquire_time = Some(now.clone());
        }
        spec.holder_identity = Some(self.settings.identity.clone());
        spec.renew_time = Some(now);
        let good_for = self.settings.lease_duration;
        let seconds = good_for.as_secs() + u64::from(good_for.subsec_nanos() > 0);
        spec.lease_duration_seconds = Some(i32::try_from(seconds.max(1)).unwrap_or(i32::MAX));
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
        let observed = |holder: Option<&str>, good_for: Option<u64>| Observed {
            holder: holder.map(str::to_owned),
            version: Some("1".to_owned()),
            good_for: good_for.map(Duration::from_secs),
            since: Some(seen),
        };
        for (holder, good_for, seconds, expected) in [
            (Some("me"), None, 0, Step::Renew),
            (Some("me"), None, 100, Step::Renew),
            (Some("other"), None, 0, Step::Wait),
            (Some("other"), None, 14, Step::Wait),
            (Some("other"), None, 15, Step::Take),
            (Some("other"), Some(60), 59, Step::Wait),
            (Some("other"), Some(60), 60, Step::Take),
            (Some("other"), Some(2), 2, Step::Take),
            (Some(""), Some(60), 0, Step::Take),
            (None, Some(60), 0, Step::Take),
        ] {
            let now = seen + Duration::from_secs(seconds);
            let found = step(&observed(holder, good_for), &settings, now);
            assert_eq!(found, expected, "{holder:?} for {good_for:?} after {seconds} s");
        }
        assert_eq!(step(&Observed::default(), &settings, seen), Step::Take);
    }
}
