//! Making the objects that are loaded, and taking them away again.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Method, Request};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::collection::Collection;
use crate::connection::{self, Answer, Body};
use crate::error::{BenchError, Result};
use crate::operation::{json_request, request};
use crate::output::progress;
use crate::server::Subject;

/// Objects are made and deleted over so many connections.
const LANES: usize = 16;
/// From so many on, their making is worth a line.
const WORTH_SAYING: usize = 20_000;

/// An object that was made here.
#[derive(Debug, Clone)]
pub(crate) struct Created {
    /// `/devices/{uid}`, or what another door has there.
    pub(crate) path: String,
    /// Its version, as `If-Match` wants it.
    pub(crate) etag: HeaderValue,
}

/// Creates `count` objects of about `object_bytes`, named after this moment.
pub(crate) async fn create(
    subject: &Subject,
    collection: &Collection,
    count: usize,
    object_bytes: usize,
) -> Result<Vec<Created>> {
    if count >= WORTH_SAYING {
        progress(format_args!("creating {count} {}", collection.plural()));
    }
    let path = collection.path();
    let prefix = unique_prefix();
    let to_post = {
        let (subject, collection) = (subject.clone(), collection.clone());
        let path = path.clone();
        move |index: usize| {
            let body = collection.create_body(&format!("{prefix}-{index}"), object_bytes);
            json_request(&subject, Method::POST, &path, body)
        }
    };
    let answers = each(subject, count, "creating an object", Arc::new(to_post), Ok).await?;
    answers.into_iter().map(|answer| created(collection, &answer)).collect()
}

/// The same objects, each with its version of the moment.
pub(crate) async fn read_again(
    subject: &Subject,
    collection: &Collection,
    objects: &[Created],
) -> Result<Vec<Created>> {
    let paths: Vec<_> = objects.iter().map(|object| object.path.clone()).collect();
    let count = paths.len();
    let to_get = {
        let subject = subject.clone();
        move |index: usize| {
            let path = paths.get(index).expect("the index is below the count");
            request(&subject, Method::GET, path)
        }
    };
    let answers = each(subject, count, "reading an object", Arc::new(to_get), Ok).await?;
    answers.into_iter().map(|answer| created(collection, &answer)).collect()
}

/// Deletes objects that were made here.
pub(crate) async fn delete(subject: &Subject, objects: Vec<Created>) -> Result<()> {
    let count = objects.len();
    let to_delete = {
        let subject = subject.clone();
        move |index: usize| {
            let object = objects.get(index).expect("the index is below the count");
            request(&subject, Method::DELETE, &object.path)
        }
    };
    each(subject, count, "deleting an object", Arc::new(to_delete), |_| Ok(())).await?;
    Ok(())
}

/// Makes the request of an index; shared by all lanes.
type Make = Arc<dyn Fn(usize) -> Result<Request<Body>> + Send + Sync>;

async fn each<T: Send + 'static>(
    subject: &Subject,
    count: usize,
    doing: &'static str,
    make: Make,
    read: fn(Answer) -> Result<T>,
) -> Result<Vec<T>> {
    let mut lanes = JoinSet::new();
    for first in 0..LANES.min(count) {
        let (endpoint, make) = (subject.target.endpoint.clone(), Arc::clone(&make));
        lanes.spawn(async move {
            let (mut sender, transport) = connection::open(&endpoint).await?;
            let work = async move {
                let mut results = Vec::new();
                for index in (first..count).step_by(LANES) {
                    let answer = connection::exchange(&mut sender, make(index)?, doing).await?;
                    results.push(read(answer.expect_success(doing)?)?);
                }
                Ok::<_, BenchError>(results)
            };
            connection::drive(transport, work).await
        });
    }
    let mut results = Vec::with_capacity(count);
    while let Some(lane) = lanes.join_next().await {
        results.extend(lane.expect("a lane neither panics nor is cancelled")?);
    }
    Ok(results)
}

fn created(collection: &Collection, answer: &Answer) -> Result<Created> {
    identity(collection, &answer.body).ok_or_else(|| {
        let text = String::from_utf8_lossy(&answer.body);
        BenchError::Answer(format!("the object shows no identity and version: {text}"))
    })
}

fn identity(collection: &Collection, body: &[u8]) -> Option<Created> {
    let object: Value = serde_json::from_slice(body).ok()?;
    let metadata = object.get("metadata")?;
    let address = metadata.get(collection.address())?.as_str()?;
    let version = metadata.get("resourceVersion")?.as_str()?;
    let etag = HeaderValue::from_str(&format!("\"{version}\"")).ok()?;
    Some(Created { path: format!("{}/{address}", collection.path()), etag })
}

/// Two runs against one server never meet in a name.
fn unique_prefix() -> String {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    format!("bench-{:x}-{micros:x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_uid_and_quoted_version() {
        let body = br#"{"metadata":{"uid":"device-1f","resourceVersion":"7"}}"#;
        let created = identity(&Collection::rest("devices"), body).unwrap();
        assert_eq!(created.path, "/devices/device-1f");
        assert_eq!(created.etag, HeaderValue::from_static("\"7\""));
    }

    #[test]
    fn an_answer_without_either_is_none() {
        for body in ["", "[]", r#"{"metadata":{"uid":"a"}}"#, r#"{"metadata":{"uid":1}}"#] {
            let found = identity(&Collection::rest("devices"), body.as_bytes());
            assert!(found.is_none(), "{body}");
        }
    }
}
