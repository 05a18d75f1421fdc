//! The bus as a source of deliveries.

use std::sync::Arc;

use pintle_authz::SECRETS;
use pintle_delivery::{Gap, Parcel, Portion, Position, Source, SourceError, Start};
use pintle_engine::{Clock as _, Refusal, SystemClock};
use pintle_events::{Bus, CloudEvent, Cursor, Patterns, Subscription};
use pintle_model::Revision;

use super::outgoing::{GapEvent, Outgoing};

/// What one receiver wants, and where it reads that.
#[derive(Debug)]
pub(crate) struct BusSource {
    pub(crate) bus: Arc<Bus>,
    pub(crate) wanted: Wanted,
    /// What the types of events begin with.
    pub(crate) prefix: Arc<str>,
    /// What the sources of events begin with.
    pub(crate) source: Arc<str>,
    pub(crate) subscription: Option<Subscription>,
}

/// Which events somebody wants.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) types: Patterns,
    /// Also events about secrets, which have the secrets in them.
    pub(crate) secrets: bool,
}

impl Source for BusSource {
    type Event = Outgoing;

    async fn open(&mut self, start: Start) -> Result<Position, SourceError> {
        let from = match start {
            Start::Now => None,
            Start::Oldest => Some(Cursor::after(Revision::ZERO)),
            Start::After(position) => Some(cursor(position)),
        };
        let subscription = match (self.subscribe(from).await, start) {
            (Err(Refusal::Expired { oldest, .. }), Start::Oldest) => {
                self.subscribe(Some(Cursor::after(oldest))).await
            }
            (other, _) => other,
        };
        let subscription = subscription.map_err(error)?;
        let position = position(subscription.cursor());
        self.subscription = Some(subscription);
        Ok(position)
    }

    async fn next(&mut self) -> Result<Portion<Outgoing>, SourceError> {
        let Some(subscription) = &mut self.subscription else {
            return Err(SourceError::Failed("it was not opened".to_owned()));
        };
        if let Err(refusal) = subscription.look().await {
            self.subscription = None;
            return Err(error(refusal));
        }
        let mut parcels = Vec::new();
        while let Some(event) = subscription.next_now() {
            if self.wanted.shows(&event) {
                parcels.push(parcel(event));
            }
        }
        Ok(Portion { parcels, up_to: subscription.cursor().revision() })
    }

    fn gap(&self, gap: Gap) -> Outgoing {
        Outgoing::Gap(Arc::new(GapEvent::new(&self.prefix, &self.source, gap, SystemClock.now())))
    }
}

impl BusSource {
    async fn subscribe(&self, from: Option<Cursor>) -> Result<Subscription, Refusal> {
        self.bus.subscribe(self.wanted.types.clone(), from).await
    }
}

impl Wanted {
    fn shows(&self, event: &CloudEvent) -> bool {
        self.secrets || *event.entry().served().definition.kind.plural != *SECRETS
    }
}

fn parcel(event: Arc<CloudEvent>) -> Parcel<Outgoing> {
    let (position, at) = (position(event.cursor()), event.time());
    Parcel { position, at, event: Outgoing::Event(event) }
}

/// Both are written in the same way.
fn position(cursor: Cursor) -> Position {
    let text = cursor.to_string();
    text.parse().unwrap_or_else(|_| Position::after(cursor.revision()))
}

fn cursor(position: Position) -> Cursor {
    let text = position.to_string();
    Cursor::parse(&text).unwrap_or_else(|_| Cursor::after(position.read_after()))
}

fn error(refusal: Refusal) -> SourceError {
    match refusal {
        Refusal::Expired { oldest, .. } => SourceError::Expired { kept_after: oldest },
        Refusal::FromTheFuture { newest, .. } => SourceError::Ahead { newest },
        Refusal::ShuttingDown => SourceError::Closing,
        other => SourceError::Failed(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_same_for_both() {
        for text in ["0", "41", "42.0", "42.7"] {
            let position: Position = text.parse().unwrap();
            assert_eq!(cursor(position), Cursor::parse(text).unwrap());
            assert_eq!(super::position(cursor(position)), position);
        }
    }
}
