//! The store with nobody in front of it: how many durable status changes it takes a second.
//!
//! The changes are those that a status PUT of the suite makes, on objects of the same size.

use std::collections::BTreeMap;
use std::sync::Arc;

use pintle_model::{
    Change, Flips, Generation, GroupResource, Json, Manner, Metadata, ObjectKey, Put, Revision,
    StatusPut, Timestamp, Uid,
};
use pintle_store::{Committed, Store, StoreError};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::device;
use crate::error::{BenchError, Result};
use crate::load::{self, Measured, Pace, Tally, Window};
use crate::operation::OBJECTS_PER_CONNECTION;

/// How large an object is with its status, and its status alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) object_bytes: usize,
    pub(crate) status_bytes: usize,
}

/// Each committer writes so many different statuses in turn.
const STATUSES: u64 = 16;
/// No change of the measurement is older than another.
const NOW: Timestamp = Timestamp(0);

/// Measures closed loops of `committers`, each on objects of its own, which are created first.
pub(crate) async fn measure(
    store: Arc<dyn Store>,
    committers: u16,
    sizes: Sizes,
    pace: Pace,
) -> Result<Measured> {
    let mut all = Vec::new();
    for number in 0..committers {
        all.push(Committer::create(Arc::clone(&store), number, sizes).await?);
    }
    let clients = all.into_iter().map(|committer| |window| committer.run(window));
    let measured = load::measure_clients(None, pace, clients).await?;
    store.close().await.map_err(|error| failed(&error))?;
    Ok(measured)
}

/// One closed loop.
#[derive(Debug)]
struct Committer {
    store: Arc<dyn Store>,
    objects: Vec<(ObjectKey, Revision)>,
    statuses: Vec<Json>,
}

impl Committer {
    async fn create(store: Arc<dyn Store>, number: u16, sizes: Sizes) -> Result<Self> {
        let status = device::status_body(sizes.status_bytes);
        let statuses = (0..STATUSES).map(|sequence| part(&status.with(sequence), "status"));
        let mut committer = Self { objects: Vec::new(), statuses: statuses.collect(), store };
        for index in 0..OBJECTS_PER_CONNECTION {
            let name = format!("bench-{number}-{index}");
            let body = device::create_body(&name, sizes.object_bytes - sizes.status_bytes);
            let spec = Map::from_iter([("spec".to_owned(), part(&body, "spec").to_value())]);
            let put = Put::Create {
                metadata: Arc::new(metadata(&name)),
                body: Json::from_map(&spec),
                status: None,
            };
            let resource = GroupResource::new("infra.example.io", "devices");
            let key = ObjectKey::new(resource, "default", &name);
            let revision = commit(&*committer.store, &key, None, put).await?;
            committer.objects.push((key, revision));
        }
        Ok(committer)
    }

    async fn run(mut self, window: Window) -> Result<Tally> {
        let mut tally = Tally::default();
        let statuses = self.statuses.iter().cycle();
        for (turn, status) in statuses.enumerate() {
            let started = Instant::now();
            if window.is_over(started) {
                break;
            }
            let index = turn % self.objects.len();
            let (key, revision) = self.objects.get_mut(index).expect("the remainder is in range");
            let (status, flips) = (Some(status.clone()), Flips::default());
            let put = Put::Status(StatusPut { status, ledger: None, flips });
            *revision = commit(&*self.store, key, Some(*revision), put).await?;
            tally.succeeded(window, started, 0);
        }
        Ok(tally)
    }
}

async fn commit(
    store: &dyn Store,
    key: &ObjectKey,
    expect: Option<Revision>,
    put: Put,
) -> Result<Revision> {
    let manner = Manner::Replaced;
    let change = Change { key: key.clone(), expect, put, at: NOW, manner, version: None };
    match store.commit(vec![change]).await.map_err(|error| failed(&error))? {
        Committed::At(versions) => {
            Ok(versions.first().expect("there is one version for each change").revision)
        }
        Committed::Lost { .. } => {
            Err(BenchError::Answer(format!("the store says that somebody else wrote {key}")))
        }
    }
}

fn failed(error: &StoreError) -> BenchError {
    BenchError::Answer(format!("the store: {error}"))
}

/// One field of a body of ours.
fn part(body: &[u8], field: &str) -> Json {
    let value: Value = serde_json::from_slice(body).expect("bodies are written as JSON");
    Json::from_value(value.get(field).expect("bodies have the field they are named after"))
}

fn metadata(name: &str) -> Metadata {
    Metadata {
        name: name.to_owned(),
        generate_name: None,
        namespace: "default".to_owned(),
        uid: Uid::from(format!("device-{name}").as_str()),
        generation: Generation::FIRST,
        creation_timestamp: NOW,
        deletion_timestamp: None,
        deletion_grace_period_seconds: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        finalizers: Vec::new(),
        owner_references: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pintle_store::{HistoryLimits, MemoryStore};

    use super::*;

    #[tokio::test]
    async fn each_committer_commits_again_and_again() {
        let store = Arc::new(MemoryStore::new(HistoryLimits::default()));
        let sizes = Sizes { object_bytes: 1_800, status_bytes: 370 };
        let pace = Pace { warmup: Duration::ZERO, length: Duration::from_millis(50) };
        let port: Arc<dyn Store> = Arc::<MemoryStore>::clone(&store);
        let measured = measure(port, 3, sizes, pace).await.unwrap();
        assert_eq!(measured.connections, 3);
        let info = store.info();
        assert_eq!(info.objects, 30);
        assert!(measured.tally.latency.total() > 30);
        assert!(info.newest.0 >= 30 + measured.tally.latency.total());
    }
}
