//! Who is told of requests, and who may hold them up.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Exchange;
use crate::Answer;

/// Is told of requests: a log, a metric. It must return at once, whatever it does with them.
pub trait Observer: Send + Sync + Debug + 'static {
    /// A request was answered, or will never be because its client is gone: once for each.
    fn answered(&self, exchange: &Exchange);

    /// Whether it wants the [details](crate::Details) of requests.
    fn wants_details(&self) -> bool {
        false
    }

    /// A stream has sent some events, and so many bytes in all.
    fn sent(&self, exchange: &Exchange, events: u64, bytes: u64) {
        let _ = (exchange, events, bytes);
    }

    /// The stream of an answer has ended: once for each answer that is a stream.
    fn ended(&self, exchange: &Exchange) {
        let _ = exchange;
    }
}

/// Stands before every write and every answer, and may make them wait, or refuse them: an audit
/// log, which has to have room for the record of what is about to happen.
pub trait Gate: Send + Sync + Debug + 'static {
    /// Asked once for each request: a write, as soon as it is allowed and before it is carried out;
    /// everything else before it is answered.
    fn pass(&self, exchange: &Exchange) -> Pass;
}

/// What a gate says.
pub enum Pass {
    /// It has no business with this request.
    Free,
    /// Go on: whatever the gate needs for this request, it has. The exchange is `admitted`.
    Open,
    /// Wait for this, and then go on, or answer what it says instead.
    Wait(Passage),
}

impl Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Free => "Free",
            Self::Open => "Open",
            Self::Wait(_) => "Wait",
        })
    }
}

/// The way through a gate, when it takes time.
pub type Passage = Pin<Box<dyn Future<Output = Result<(), Box<Answer>>> + Send>>;

/// All who are told of the requests of a door.
#[derive(Debug, Clone, Default)]
pub struct Observers {
    told: Arc<[Arc<dyn Observer>]>,
    gate: Option<Arc<dyn Gate>>,
}

impl Observers {
    /// These observers, and no gate.
    pub fn new(told: impl IntoIterator<Item = Arc<dyn Observer>>) -> Self {
        Self { told: told.into_iter().collect(), gate: None }
    }

    /// With a gate.
    #[must_use]
    pub fn with_gate(self, gate: Arc<dyn Gate>) -> Self {
        Self { gate: Some(gate), ..self }
    }

    pub(super) fn each(&self, tell: impl Fn(&dyn Observer)) {
        self.told.iter().for_each(|observer| tell(&**observer));
    }

    pub(super) fn want_details(&self) -> bool {
        self.told.iter().any(|observer| observer.wants_details())
    }

    pub(super) fn gate(&self) -> Option<&dyn Gate> {
        self.gate.as_deref()
    }
}
