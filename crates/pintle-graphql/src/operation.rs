//! One operation on a connection that can carry several answers: begun alike, whatever the
//! connection is.

use std::sync::Arc;

use apollo_compiler::executable::OperationType;
use apollo_compiler::response::JsonMap;
use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use pintle_http::{Body, Caller, Recording};

use crate::door::{GraphqlDoor, answer_text, errors_text};
use crate::executor::Call;
use crate::fault::Fault;
use crate::limits::LimitExceeded;
use crate::prepare::Prepared;
use crate::request::Asked;
use crate::subscribe::Subscription;

/// What a subscription asks for is kept for as long as it is open, so it is no longer than this.
const SUBSCRIPTION_BYTES_MAX: u64 = 64 * 1024;

/// An operation that has begun.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Its one result, as JSON text.
    Once(Bytes),
    /// It has none: the errors, a list as JSON text.
    Refused(String),
    /// One result after another.
    Open(Box<Open>),
}

/// A subscription, and the record of it.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) subscription: Subscription,
    pub(crate) recording: Arc<Recording>,
}

impl GraphqlDoor {
    /// Begins an operation of a caller who is known. What becomes of it is recorded as of a request
    /// of its own; the end of a subscription when `Open` is dropped, or its answer.
    pub(crate) async fn begin(
        &self,
        parts: &Parts,
        caller: Caller,
        asked: Asked,
        recording: &Arc<Recording>,
    ) -> Begun {
        let begun = Box::pin(self.try_begin(parts, caller, asked, recording)).await;
        let begun = match recording.pass().await {
            Ok(()) => begun,
            Err(closed) => Err(vec![Fault::of(*closed)]),
        };
        begun.unwrap_or_else(|faults| {
            if let Some(first) = faults.first() {
                recording.note(|exchange| exchange.told(&first.to_answer()));
            }
            Begun::Refused(errors_text(&faults, recording))
        })
    }

    async fn try_begin(
        &self,
        parts: &Parts,
        caller: Caller,
        asked: Asked,
        recording: &Arc<Recording>,
    ) -> Result<Begun, Vec<Fault>> {
        let edition = self.edition().await;
        let prepared = self.prepare(&edition, &caller, &asked)?;
        let call = self.call(parts, caller, &edition, recording);
        if prepared.kind() == OperationType::Subscription {
            return self.subscribe(call, &asked, prepared).await;
        }
        let executed = self.execute(&call, &prepared).await?;
        Ok(Begun::Once(answer_text(&executed, recording).into()))
    }

    /// Opens a subscription.
    pub(crate) async fn subscribe(
        &self,
        call: Call,
        asked: &Asked,
        prepared: Prepared,
    ) -> Result<Begun, Vec<Fault>> {
        check_size(asked).map_err(|exceeded| vec![exceeded.into()])?;
        let recording = Arc::clone(&call.recording);
        let interval = self.settings().entrance.bookmark_interval;
        let opened = Subscription::open(call, prepared, self.encodings(), interval).await;
        let subscription = opened.map_err(|fault| vec![fault])?;
        Ok(Begun::Open(Box::new(Open { subscription, recording })))
    }
}

fn check_size(asked: &Asked) -> Result<(), LimitExceeded> {
    let size = asked.query.len() + text_bytes(&asked.variables);
    let (limit, actual) = (SUBSCRIPTION_BYTES_MAX, u64::try_from(size).unwrap_or(u64::MAX));
    let name = "bytes of a subscription";
    if actual > limit { Err(LimitExceeded { name, limit, actual }) } else { Ok(()) }
}

fn text_bytes(variables: &JsonMap) -> usize {
    serde_json::to_vec(variables).map_or(usize::MAX, |text| text.len())
}

/// Tells those who are told of requests that this one was answered. What is returned tells them of
/// its end when it is dropped, for a stream.
pub(crate) fn told_of(recording: Arc<Recording>, begun: &Begun) -> Response<Body> {
    let body = match begun {
        Begun::Once(result) => Body::Whole(result.clone()),
        Begun::Refused(errors) => Body::from(errors.clone()),
        Begun::Open(_) => Body::endless(futures_util::stream::empty()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    recording.answered(response)
}
